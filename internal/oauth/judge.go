package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"iflowtest/internal/httpx"
)

// The kinds of an Error.
const (
	// KindRefused: the server does not accept client ID and secret.
	KindRefused = "refused"
	// KindGrant: the client may not ask for this: grant type or scope.
	KindGrant = "grant"
	// KindCertificate: the certificate of the credential cannot be used, or the
	// server did not accept it in the handshake.
	KindCertificate = "certificate"
	// KindPath: there is no token endpoint at the URL.
	KindPath = "path"
	// KindNetwork, KindTLS, KindTimeout and KindInterrupted: no whole answer.
	KindNetwork     = "network"
	KindTLS         = "tls"
	KindTimeout     = "timeout"
	KindInterrupted = "interrupted"
	// KindBusy: the server answers 429.
	KindBusy = "busy"
	// KindServer: the server answers 5xx.
	KindServer = "server"
	// KindClock: the clocks of this machine and of the server differ so much
	// that nothing can be said of the times of a token.
	KindClock = "clock"
	// KindAnswer: an answer that holds no usable token.
	KindAnswer = "answer"
	// KindRefusedOrigin: a run on the sandbox sends nothing to other hosts.
	KindRefusedOrigin = "refused-origin"
	// KindRequest: the request cannot be made: the token URL is none, or a
	// parameter repeats the scope.
	KindRequest = "request"
)

// Error is why there is no token.
type Error struct {
	// Kind sorts it.
	Kind string
	// Status is that of the answer; 0: none came.
	Status int
	// Code and Description are the answer's error and error_description.
	Code, Description string
	// Message names credential, host and cause, Cure what to do about it.
	Message, Cure string
	// RetryAfter is the time the answer asks to wait; 0: it names none.
	RetryAfter time.Duration
	// Err is what the libraries said; may be nil.
	Err error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what the libraries said.
func (e *Error) Unwrap() error { return e.Err }

// Refused tells whether the credential is no good: the server refused it, or
// its certificate cannot be used. Otherwise it could not be found out whether
// it is good.
func (e *Error) Refused() bool {
	return e.Kind == KindRefused || e.Kind == KindGrant || e.Kind == KindPath || e.Kind == KindCertificate
}

// HungUp tells whether the other side closed the connection without a word, as
// some servers do on a certificate that they do not accept. It may as well be
// trouble of the network.
func (e *Error) HungUp() bool {
	wire, ok := errors.AsType[*httpx.Error](e.Err)
	return ok && wire.Kind == httpx.Network && strings.Contains(wire.Message, "by the other side") && !strings.Contains(wire.Message, "had arrived")
}

// check finds what makes a token request impossible.
func (c Credential) check() *Error {
	u, err := url.Parse(c.TokenURL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return &Error{Kind: KindRequest, Message: c.subject() + fmt.Sprintf("the token URL %q is not an absolute https URL", c.TokenURL), Cure: "take tokenurl of the service key as it stands", Err: err}
	}
	if c.UsesCertificate() && u.Scheme != "https" {
		return &Error{Kind: KindRequest, Message: c.subject() + fmt.Sprintf("the token URL %q is plain http, where no certificate can be shown", c.TokenURL), Cure: "take tokenurl of the service key as it stands (https://….authentication.cert.…)"}
	}
	for _, p := range c.Params {
		if p.Name == "scope" && c.Scope != "" {
			return &Error{Kind: KindRequest, Message: c.subject() + `params repeat "scope", which the credential sets already`, Cure: "keep one of the two"}
		}
	}
	return nil
}

func (c Credential) subject() string {
	if c.Name == "" {
		return ""
	}
	return fmt.Sprintf("credential %q: ", c.Name)
}

// host is the host of the token URL, for messages.
func (c Credential) host() string {
	if u, err := url.Parse(c.TokenURL); err == nil && u.Host != "" {
		return u.Host
	}
	return c.TokenURL
}

// ended is the error of a caller whose context ended.
func (c Credential) ended(ctx context.Context, doing string) *Error {
	e := httpx.Explain(context.Cause(ctx), ctx, http.MethodPost, c.TokenURL)
	return &Error{Kind: string(e.Kind), Message: c.subject() + e.Message + doing, Cure: e.Cure, Err: context.Cause(ctx)}
}

// judgeError judges a request that got no whole answer.
func (c Credential) judgeError(wire, library error) *Error {
	e, ok := errors.AsType[*httpx.Error](wire)
	if !ok {
		return &Error{Kind: KindRequest, Message: c.subject() + "the token request cannot be made", Cure: "check token-url, scope and params", Err: cmp.Or(wire, library)}
	}
	judged := &Error{Kind: string(e.Kind), Message: c.subject() + e.Message, Cure: e.Cure, Err: e}
	switch {
	case c.UsesCertificate() && httpx.CertificateRefused(e):
		return c.handshakeRefused(e)
	case c.UsesCertificate() && judged.HungUp():
		judged.Cure += "; some servers hang up on a certificate that they do not accept"
	case strings.Contains(e.Message, "does not resolve"):
		judged.Cure = "check subdomain and region in token-url; take tokenurl of the service key as it stands; behind a corporate proxy set proxy or HTTPS_PROXY"
	}
	return judged
}

// judgeAnswer judges a whole answer; nil: it holds a token (wire/sap.md 2.6
// and section 8).
func (c Credential) judgeAnswer(r *httpx.Response, a answer, library error) *Error {
	wait, _ := httpx.RetryAfter(r.Header, r.Started.Add(r.Duration))
	e := &Error{Status: r.Status, Code: bounded(a.code), Description: bounded(a.description), RetryAfter: wait}
	said := c.said(r, a)
	say := func(kind, cause, cure string) *Error {
		e.Kind, e.Cure, e.Err = kind, cure, library
		e.Message = c.subject() + c.host() + " " + cause + said
		return e
	}
	switch {
	case r.Status == http.StatusTooManyRequests:
		cause := "has too many token requests"
		if e.RetryAfter > 0 {
			cause += fmt.Sprintf(" and asks to wait %s", e.RetryAfter)
		}
		return say(KindBusy, cause, "try again later; run fewer jobs against this subaccount at a time")
	case r.Status >= 500:
		return say(KindServer, "has trouble of its own", "try again later; the credential was not judged")
	case r.Status == http.StatusProxyAuthRequired:
		return say(KindNetwork, "was not asked: the proxy wants a user and password", "write the proxy as http://user:password@host:port")
	case r.Status == http.StatusRequestTimeout:
		return say(KindServer, "did not get the request in time", "try again")
	case r.Status >= 300 && r.Status < 400:
		return say(KindPath, fmt.Sprintf("redirects to %q, and a token request follows no redirect", bounded(r.Header.Get("Location"))), "take tokenurl of the service key as it stands (https, ending in /oauth/token)")
	case a.code != "" || r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		return c.judgeRefusal(r, a, say)
	case c.UsesCertificate() && refusesCertificate(r):
		return say(KindRefused, "refuses "+c.means(), c.compare())
	case r.Status == http.StatusNotFound:
		return say(KindPath, fmt.Sprintf("has no token endpoint at %q", c.path()), "take tokenurl of the service key, not its url; the path is /oauth/token")
	case r.Status == http.StatusMethodNotAllowed:
		return say(KindPath, fmt.Sprintf("does not take POST at %q", c.path()), "take tokenurl of the service key, not its url; the path is /oauth/token")
	case r.Status < 200 || r.Status > 299:
		return say(KindAnswer, "answers what no token server should", "check token-url, and whether a proxy or firewall answers instead")
	case !a.isJSON && isPage(r):
		return say(KindAnswer, "answers with a page instead of a token", "token-url leads to a login page or a proxy's portal; take tokenurl of the service key (…/oauth/token)")
	case len(r.Body) > maxAnswer:
		return say(KindAnswer, "answers with more than 1 MiB, which is no token", "check token-url")
	case !a.isJSON:
		return say(KindAnswer, "answers with something that is not JSON", "check token-url, and whether a proxy or firewall answers instead")
	case a.token == "":
		return say(KindAnswer, "answers without access_token", "check token-url: this is not a token endpoint")
	case a.tokenType != "" && !strings.EqualFold(a.tokenType, "bearer"):
		return say(KindAnswer, fmt.Sprintf("gives a token of type %q, want bearer", bounded(a.tokenType)), "have the client issued bearer tokens")
	case strings.ContainsFunc(a.token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return say(KindAnswer, "gives a token with characters that no header may hold", "check token-url, and whether a proxy changes answers")
	case a.badLifetime != "":
		return say(KindAnswer, fmt.Sprintf("says expires_in %s, want a number of seconds", bounded(a.badLifetime)), "check token-url")
	case library != nil:
		return say(KindAnswer, "gives an answer that cannot be read as a token", "check token-url")
	}
	return nil
}

// judgeRefusal branches on the error code of RFC 6749 5.2; "unauthorized" is
// what older authorization servers say for invalid_client.
func (c Credential) judgeRefusal(r *httpx.Response, a answer, say func(kind, cause, cure string) *Error) *Error {
	description := strings.ToLower(a.description)
	switch {
	case strings.Contains(description, "unauthorized grant type"), a.code == "unauthorized_client":
		return say(KindGrant, "does not allow this client the grant type "+strconv.Quote(c.grantType()), c.grantCure())
	case a.code == "unsupported_grant_type":
		return say(KindGrant, "does not know the grant type "+strconv.Quote(c.grantType()), "leave grant_type out of params")
	case a.code == "invalid_scope":
		return say(KindGrant, fmt.Sprintf("does not grant the scope %q", bounded(c.Scope)), "add the role to the service instance (a new key may be needed), or leave scope out to get all there are")
	case a.code == "invalid_grant":
		return say(KindRefused, "refuses user or password", "check username and password in params")
	case a.code == "invalid_client", a.code == "unauthorized":
		return say(KindRefused, "refuses "+c.means(), c.compare())
	case a.code == "invalid_request":
		return say(KindRefused, "does not accept the token request", "check scope and params")
	case a.code == "temporarily_unavailable", a.code == "server_error":
		return say(KindServer, "has trouble of its own", "try again later; the credential was not judged")
	case a.code != "" && r.Status < 300:
		return say(KindAnswer, "answers with an error instead of a token", "check token-url, scope and params")
	case r.Status == http.StatusForbidden:
		return say(KindRefused, "forbids this client to ask for a token", "check that the subaccount is active and that no firewall or IP rule stands between")
	case r.Status == http.StatusUnauthorized:
		return say(KindRefused, "refuses "+c.means(), c.compare())
	case r.Status == http.StatusNotFound:
		return say(KindPath, fmt.Sprintf("has no token endpoint at %q", c.path()), "take tokenurl of the service key, not its url; the path is /oauth/token")
	case r.Status == http.StatusMethodNotAllowed:
		return say(KindPath, fmt.Sprintf("does not take POST at %q", c.path()), "take tokenurl of the service key, not its url; the path is /oauth/token")
	}
	return say(KindAnswer, "answers with an error that is none of OAuth's", "check token-url, scope and params")
}

// grantCure says what an instance lacks that was made for other grants
// (wire/sap.md 1.5 and 8): its parameter, and a key that knows of it.
func (c Credential) grantCure() string {
	return fmt.Sprintf(`the service instance lacks the parameter "grant-types": [%q]: update it (cf update-service INSTANCE -c '{"grant-types":[%[1]q],"roles":[…]}') or create it anew, `+
		"then make a new service key (cf create-service-key INSTANCE KEY, or Service Keys, Create in the cockpit) and use that", bounded(c.grantType()))
}

func (c Credential) grantType() string {
	for _, p := range c.Params {
		if p.Name == "grant_type" {
			return p.Value
		}
	}
	return "client_credentials"
}

func (c Credential) path() string {
	u, err := url.Parse(c.TokenURL)
	if err != nil {
		return c.TokenURL
	}
	return cmp.Or(u.EscapedPath(), "/")
}

// said quotes status and error of the answer, or the title or beginning of
// what came instead.
func (c Credential) said(r *httpx.Response, a answer) string {
	text := " (" + strconv.Itoa(r.Status)
	switch {
	case a.code != "":
		text += " " + bounded(a.code)
		if a.description != "" {
			text += fmt.Sprintf(": %q", bounded(a.description))
		}
	case a.isJSON || r.Body == "":
	case isPage(r):
		if m := pageTitle.FindStringSubmatch(r.Body); m != nil {
			text += fmt.Sprintf(", page %q", bounded(strings.Join(strings.Fields(m[1]), " ")))
		}
	default:
		text += fmt.Sprintf(", body begins %q", bounded(r.Body))
	}
	return text + ")"
}

// refusesCertificate recognises the page with which nginx, before an
// authorization server, answers a certificate that it cannot verify, or none:
// status 400, "The SSL certificate error" or "No required SSL certificate was
// sent".
func refusesCertificate(r *httpx.Response) bool {
	if r.Status != http.StatusBadRequest || !isPage(r) {
		return false
	}
	m := pageTitle.FindStringSubmatch(r.Body)
	return m != nil && strings.Contains(m[1], "SSL certificate")
}

var pageTitle = regexp.MustCompile(`(?is)<title[^>]*>(.{0,400}?)</title>`)

func isPage(r *httpx.Response) bool {
	start := strings.ToLower(strings.TrimSpace(r.Body[:min(len(r.Body), 512)]))
	return strings.HasPrefix(start, "<") || strings.Contains(strings.ToLower(r.Header.Get("Content-Type")), "text/html")
}

// bounded cuts foreign text to a length that fits a message, and replaces what
// is not printable.
func bounded(text string) string {
	const limit = 160
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == limit {
			b.WriteRune('…')
			break
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}

// maxSeconds bounds what a server can claim: a hundred years.
const maxSeconds = 100 * 365 * 24 * 3600

// seconds reads a whole number of seconds.
func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, false
	}
	return time.Duration(min(max(n, -maxSeconds), maxSeconds)) * time.Second, true
}
