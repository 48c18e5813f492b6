package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/runner"
)

// tokenRequest is what came of asking for a token.
type tokenRequest struct {
	asked    bool
	exchange *oauth.Exchange
	err      error
	attempts int
}

// answered reports whether the token server itself answered, be it in the
// handshake.
func (t *tokenRequest) answered() bool {
	if t.exchange == nil {
		e, ok := errors.AsType[*oauth.Error](t.err)
		return ok && e.Kind == oauth.KindCertificate
	}
	return t.exchange.Response.Status != http.StatusProxyAuthRequired
}

// granted reports whether there is a token.
func (t *tokenRequest) granted() bool { return t.asked && t.err == nil }

// unsent says why no token is asked for; empty: one is.
func (x *inspection) unsent() string {
	switch {
	case plainHTTP(x.credential.TokenURL), x.key.Certificate != "" && strings.HasPrefix(strings.ToLower(x.credential.TokenURL), "http:"):
		return "nothing is sent in the clear"
	case x.certificate.useless != "":
		return x.certificate.useless
	}
	return ""
}

// ask asks for the token of the key, once.
func (x *inspection) acquire(ctx context.Context) *tokenRequest {
	if !x.token.asked && x.unsent() == "" {
		x.token = x.fetch(ctx, x.credential)
		if x.token.granted() {
			x.read()
		}
	}
	return &x.token
}

// Answers that a gateway gives are asked again, as often and as far apart.
const (
	maxRepeats  = 2
	firstRepeat = 500 * time.Millisecond
	maxWait     = 30 * time.Second
)

// fetch asks for a token. A 429 is asked again as [oauth.Source.Fetch] does,
// and 502, 503 and 504 twice: what lasts is told.
func (x *inspection) fetch(ctx context.Context, c oauth.Credential) tokenRequest {
	ctx, cancel := limited(ctx, "the token request")
	defer cancel()
	for repeat := 0; ; repeat++ {
		exchange, err := x.g.tokens.Fetch(ctx, c, false)
		t := tokenRequest{asked: true, exchange: exchange, err: err, attempts: repeat + 1}
		e, ok := errors.AsType[*oauth.Error](err)
		if !ok || !isGateway(e.Status) || !pause(ctx, repeat, e.RetryAfter) {
			return t
		}
		x.g.log.Info("asking again for a token", "key", x.in.Name, "status", e.Status)
	}
}

func isGateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// pause waits before a repeat; false: it is not worth it.
func pause(ctx context.Context, repeat int, wanted time.Duration) bool {
	wait := max(wanted, firstRepeat<<repeat)
	if repeat >= maxRepeats || wait > maxWait {
		return false
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return false
	}
	return httpx.Sleep(ctx, wait) == nil
}

// shown is the exchange of a token request for the reports.
func (x *inspection) shown(e *oauth.Exchange, whole bool) *runner.Exchange {
	if e == nil {
		return nil
	}
	x.g.emitter.LearnAnswer(e.Response.Header)
	return x.g.emitter.Exchange(e.Response, e.Body, whole)
}

// judgeEndpoint says whether the token server answers, and can be trusted.
func (x *inspection) judgeEndpoint(ctx context.Context) verdict {
	address := x.credential.TokenURL
	if plainHTTP(address) {
		return invalid(
			fmt.Sprintf("the token URL %q is plain http: anybody on the way could read the client secret; nothing was sent", address),
			"take tokenurl of the service key as it stands; it begins with https://",
		)
	}
	u, err := url.Parse(address)
	inTheClear := err == nil && strings.EqualFold(u.Scheme, "http")
	if inTheClear && x.key.Certificate != "" {
		return invalid(
			fmt.Sprintf("the token URL %q is plain http, where no certificate can be shown; nothing was sent", address),
			"take tokenurl of the service key as it stands: https://SUBDOMAIN.authentication.cert.REGION.hana.ondemand.com/oauth/token",
		)
	}
	if reason := x.unsent(); reason != "" {
		return skipped(reason)
	}
	t := x.acquire(ctx)
	if !t.answered() {
		v := noAnswer(t.err)
		v.attempts = t.attempts
		return v
	}
	v := fine()
	if inTheClear {
		v.remark = "plain http, which is good enough on loopback only"
	}
	return v.with(x.shown(t.exchange, false))
}

// judgeToken says whether the key yields a token.
func (x *inspection) judgeToken(ctx context.Context) verdict {
	if reason := x.unsent(); reason != "" {
		return skipped(reason)
	}
	t := x.acquire(ctx)
	switch {
	case !t.answered():
		return skipped("the token server did not answer")
	case t.granted():
		return fine().with(x.shown(t.exchange, false))
	}
	v := x.refusal(t).with(x.shown(t.exchange, true))
	v.attempts = t.attempts
	return v
}

// refusal judges an answer that is no token.
func (x *inspection) refusal(t *tokenRequest) verdict {
	e, ok := errors.AsType[*oauth.Error](t.err)
	if !ok {
		return noAnswer(t.err)
	}
	judged := e.Refused() || e.Kind == oauth.KindAnswer
	if judged && x.asksRuntime() {
		return invalid(
			fmt.Sprintf("the token URL is the url of the key, where the flows or the API are, and not its tokenurl (answered %d)", e.Status),
			"take tokenurl of the service key as it stands: https://SUBDOMAIN.authentication.REGION.hana.ondemand.com/oauth/token",
		)
	}
	if e.Refused() {
		return invalid(e.Message, e.Cure, x.refusedNotes(e)...)
	}
	return noAnswer(e)
}

// asksRuntime reports whether the token URL is that of runtime or API.
func (x *inspection) asksRuntime() bool {
	u, err := url.Parse(x.credential.TokenURL)
	return err == nil && (strings.Contains(u.Hostname(), ".it-cpi") || x.key.URL != "" && sameOrigin(x.credential.TokenURL, x.key.URL))
}

// refusedNotes say what else is known of a refusal (wire/sap.md 8).
func (x *inspection) refusedNotes(e *oauth.Error) []string {
	if e.Kind == oauth.KindRefused && e.Status == http.StatusUnauthorized && x.key.Certificate == "" {
		return []string{"a client secret dies with its service key or instance, and not by age"}
	}
	return nil
}

// host is that of the token URL.
func (x *inspection) host() string {
	u, err := url.Parse(x.credential.TokenURL)
	if err != nil {
		return ""
	}
	return u.Host
}
