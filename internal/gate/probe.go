package gate

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/runner"
)

// parseProbe reads --probe: a path, or an absolute URL. nil: none.
func parseProbe(probe string) (*url.URL, error) {
	if probe == "" {
		return nil, nil
	}
	u, err := url.Parse(probe)
	switch {
	case err != nil || strings.ContainsAny(probe, " \t\r\n"):
		return nil, &UsageError{fmt.Sprintf("--probe %q is neither a path such as /http/health nor a URL", probe)}
	case u.Scheme == "" && u.Host == "":
		return u, nil
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, &UsageError{fmt.Sprintf("--probe %q is neither a path such as /http/health nor an absolute https URL", probe)}
	case u.User != nil:
		return nil, &UsageError{"--probe holds a user; the token is what signs in"}
	case plainHTTP(probe):
		return nil, &UsageError{fmt.Sprintf("--probe %q is plain http: anybody on the way could read the token; want https", probe)}
	}
	return u, nil
}

// probeURL is the URL that is asked for this key.
func (x *inspection) probeURL() string {
	if x.g.probe.IsAbs() {
		return x.g.probe.String()
	}
	return strings.TrimRight(x.key.URL, "/") + "/" + strings.TrimLeft(x.g.probe.String(), "/")
}

// judgeProbe asks the runtime, first without the token and then with it. GET
// with X-CSRF-Token: Fetch is answered by a flow with CSRF protection before it
// processes a message (wire/sap.md 5.5).
func (x *inspection) judgeProbe(ctx context.Context) verdict {
	switch {
	case !x.acquire(ctx).granted():
		return skipped("there is no token")
	case x.claims.broken:
		return skipped("the token does not hold")
	case plainHTTP(x.probeURL()):
		return invalid(fmt.Sprintf("the url of the key is plain http (%s): anybody on the way could read the token; it was not sent", x.probeURL()), "take url of the service key as it stands; it begins with https://")
	}
	without := x.probeOnce(ctx, "")
	if without.err != nil {
		return without.verdict(noAnswer(without.err))
	}
	with := x.probeOnce(ctx, x.token.exchange.Token.Header().Reveal())
	if with.err != nil {
		return with.verdict(noAnswer(with.err))
	}
	return with.verdict(x.judgeAnswers(without, with))
}

// probed is an answer of the runtime.
type probed struct {
	response *httpx.Response
	exchange *runner.Exchange // whole
	status   int
	attempts int
	err      error
}

// verdict adds the exchange to a verdict: whole when it says why something is
// wrong.
func (p probed) verdict(v verdict) verdict {
	v.attempts = p.attempts
	v.exchange = p.exchange
	if x := p.exchange; v.outcome == runner.Pass && x != nil {
		v.exchange = &runner.Exchange{Method: x.Method, URL: x.URL, Status: x.Status, MessageID: x.MessageID, Timings: x.Timings}
	}
	return v
}

// csrfRequired reports whether the answer asks for a CSRF token.
func (p probed) csrfRequired() bool {
	return strings.EqualFold(strings.TrimSpace(p.response.Header.Get("X-Csrf-Token")), "required")
}

// probeOnce sends the request of the probe; what a gateway or a rate limit
// answers is asked again twice.
func (x *inspection) probeOnce(ctx context.Context, authorization string) probed {
	ctx, cancel := limited(ctx, "the probe")
	defer cancel()
	request := &httpx.Request{
		Method: http.MethodGet, URL: x.probeURL(),
		Header: http.Header{"X-Csrf-Token": {"Fetch"}, "Accept": {"*/*"}},
	}
	if authorization != "" {
		request.Header["Authorization"] = []string{authorization}
	}
	for repeat := 0; ; repeat++ {
		response, err := x.g.client.Do(ctx, request)
		p := probed{response: response, err: err, attempts: repeat + 1}
		if response != nil {
			x.g.emitter.LearnAnswer(response.Header)
			p.exchange, p.status = x.g.emitter.Exchange(response, "", true), response.Status
		}
		if err != nil || !isGateway(p.status) && p.status != http.StatusTooManyRequests {
			return p
		}
		wait, _ := httpx.RetryAfter(response.Header, response.Started.Add(response.Duration))
		if !pause(ctx, repeat, wait) {
			return p
		}
		x.g.log.Info("probing again", "key", x.in.Name, "status", p.status)
	}
}

// judgeAnswers is the probe table of the reference.
func (x *inspection) judgeAnswers(without, with probed) verdict {
	switch s := with.status; {
	case s == http.StatusForbidden && with.csrfRequired():
		return remarked("the flow wants a CSRF token, which it asks for once the token was accepted")
	case s == http.StatusUnauthorized:
		return x.runtimeRefuses(with)
	case s == http.StatusForbidden:
		return invalid("the runtime knows the token and forbids the call: the role that the flow or the API wants is missing (403)",
			"compare the user role of the sender adapter with the roles of the service instance; a role that was just added takes up to an hour, and may need a new service key")
	case s >= 300 && s < 400:
		return invalid(fmt.Sprintf("the runtime redirects to %q, as to a login page: it does not take the token (%d)", bound(with.response.Header.Get("Location")), s),
			"take url of the service key as it stands, or the runtime's URL for --probe; the address of the cockpit or the web UI wants a person to sign in")
	case s >= 200 && s < 300, s == http.StatusBadRequest, s == http.StatusMethodNotAllowed, s == http.StatusUnsupportedMediaType, s == http.StatusUnprocessableEntity:
		if without.status == s {
			return remarked(fmt.Sprintf("the same answer came without a token (%d): whoever asks is let in there", s))
		}
		return fine()
	case s == http.StatusNotFound, s == http.StatusInternalServerError && with.exchange.MessageID != "":
		return x.proves(without, with)
	case s == http.StatusTooManyRequests:
		return unknown(runner.TypeNetwork, "the runtime has too many requests (429), to the end", "try again later; the key was not judged by the runtime")
	case s == http.StatusInternalServerError:
		return unknown(runner.TypeNetwork, "the runtime has trouble of its own (500, and no message ID)", "try again later, and look at the tenant's monitoring; the key was not judged by the runtime")
	case s >= 500:
		return unknown(runner.TypeNetwork, fmt.Sprintf("the runtime does not work or is being redeployed (%d), to the end", s), "try again later; the key was not judged by the runtime")
	default:
		return unknown(runner.TypeNetwork, fmt.Sprintf("the runtime answers %d, which says nothing about the token", s), "probe an address that answers GET")
	}
}

// proves judges an answer that comes from behind the check of the token, if
// the same request was refused without one.
func (x *inspection) proves(without, with probed) verdict {
	refused := without.status == http.StatusUnauthorized || without.status == http.StatusForbidden
	said := "there is no endpoint at this address (404)"
	if with.status != http.StatusNotFound {
		said = "the flow failed (500, message ID " + with.exchange.MessageID + ")"
	}
	if refused {
		return remarked(fmt.Sprintf("%s, but the token was accepted: without it the answer was %d", said, without.status))
	}
	if x.g.o.ProbeLenient {
		return remarked(fmt.Sprintf("%s, and without a token the answer was %d: that proves nothing, and --probe-lenient lets it pass", said, without.status))
	}
	cure := "probe the address of a flow that is deployed: --probe /http/ADDRESS"
	if with.status != http.StatusNotFound {
		cure = "probe an address that wants a token"
	}
	return unknown(runner.TypeCredential, fmt.Sprintf("%s, and without a token the answer was %d: that proves nothing about the key", said, without.status),
		cure+", or let it pass with --probe-lenient")
}

// runtimeRefuses is the verdict of a 401: a token that was just granted is
// good, so it is one for something else.
func (x *inspection) runtimeRefuses(with probed) verdict {
	path := ""
	if u, err := url.Parse(x.probeURL()); err == nil {
		path = u.Path
	}
	api := strings.HasPrefix(path, "/api/v1")
	switch {
	case x.key.Plan == "api" && !api:
		return invalid("the runtime refuses the token (401): the key is of plan api, and flows accept tokens of plan integration-flow only",
			"take the service key of an instance of plan integration-flow")
	case x.key.Plan == "integration-flow" && api:
		return invalid("the OData API refuses the token (401): the key is of plan integration-flow, and the API accepts tokens of plan api only",
			"take the service key of an instance of plan api")
	}
	return invalid("the runtime refuses the token (401), though the token server has just granted it: it is one of another plan or tenant",
		"compare url and tokenurl of the key, which belong to one tenant; take the service key of an instance of Process Integration Runtime there")
}
