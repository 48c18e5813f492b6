package cpi

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
)

const (
	// gatewayRepeats is how often what is harmless is sent again after 502, 503, 504
	// or a broken connection; the first wait is gatewayBackoff, each further one
	// twice the last.
	gatewayRepeats = 3
	gatewayBackoff = 500 * time.Millisecond
	maxGatewayWait = 30 * time.Second
	// rateRepeats is how often a request is sent again after 429; without
	// Retry-After the first wait is rateBackoff.
	rateRepeats  = 8
	rateBackoff  = time.Second
	maxRateGuess = 30 * time.Second
)

// call is one request, however often it is sent.
type call struct {
	method string
	// resource is below the root, such as MessageProcessingLogs('A'), without
	// a slash before it; or an absolute URL on the origin of the root.
	resource string
	// accept is the media type that is wanted; empty: JSON.
	accept string
	// body is what is sent; nil: nothing.
	body  *httpx.Body
	doing string // for messages
	// repeatable says that doing it twice is doing it once (RFC 9110 9.2.2),
	// as for every GET.
	repeatable bool
}

// harmless reports whether the request may be sent again without knowing what
// became of it.
func (q call) harmless() bool { return q.method == http.MethodGet || q.repeatable }

// address gives the URL of a resource. A reference out of an answer must stay
// on the origin of the root: a token goes nowhere else.
func (c *Client) address(resource string) (string, bool) {
	base, err := url.Parse(c.config.Root + "/")
	if err != nil {
		return "", false
	}
	if !strings.Contains(resource, "://") && !strings.HasPrefix(resource, "/") {
		return c.config.Root + "/" + resource, true
	}
	to, err := base.Parse(resource)
	if err != nil {
		return "", false
	}
	to.User = nil
	from, err := httpx.Origin(base.String())
	if err != nil {
		return "", false
	}
	origin, err := httpx.Origin(to.String())
	return to.String(), err == nil && origin == from
}

// resourceOf gives what of an address stands below the root.
func (c *Client) resourceOf(address string) string {
	if _, rest, ok := strings.Cut(address, Path+"/"); ok {
		return rest
	}
	return strings.TrimPrefix(address, c.config.Root+"/")
}

// send sends a request, with a new token once when the API takes the old one
// for invalid. The response is a success, or the error says why not; it is an
// *Error, or what Config.Token gave.
func (c *Client) send(ctx context.Context, q call) (*httpx.Response, error) {
	address, ok := c.address(q.resource)
	if !ok {
		return nil, &Error{
			Kind: KindAnswer, Method: q.method, URL: shown(q.resource),
			Message: fmt.Sprintf("%s: the API points to %q, which is another host: nothing is sent there", q.doing, cut(shown(q.resource), maxText)),
			Cure:    "set target.api to the URL that the tenant itself uses",
		}
	}
	accept := q.accept
	if accept == "" {
		accept = "application/json"
	}
	r := &httpx.Request{Method: q.method, URL: address, Header: http.Header{"Accept": {accept}}, Body: q.body, Jar: c.jar}
	if c.config.Token == nil {
		return c.sendBasic(ctx, q, r)
	}
	token, err := c.config.Token(ctx, oauth.Token{})
	if err != nil {
		return nil, err
	}
	for renewed := false; ; renewed = true {
		r.Header.Set("Authorization", token.Header().Reveal())
		answer, failure := c.patiently(ctx, q, r)
		if failure != nil {
			return nil, failure
		}
		if !renewed && invalidToken(answer) {
			if token, err = c.config.Token(ctx, token); err != nil {
				return nil, err
			}
			continue
		}
		return finish(q, answer)
	}
}

// finish tells a success from a refusal.
func finish(q call, answer *httpx.Response) (*httpx.Response, error) {
	if answer.Status/100 != 2 {
		return nil, judge(q, answer)
	}
	return answer, nil
}

// invalidToken reports whether a 401 says that the token is no longer valid
// (RFC 6750 3.1).
func invalidToken(r *httpx.Response) bool {
	return r.Status == http.StatusUnauthorized &&
		(strings.Contains(strings.Join(r.Header.Values("Www-Authenticate"), " "), "invalid_token") || strings.Contains(r.Body, "invalid_token"))
}

// sendBasic sends a request with basic authentication. What changes something
// needs a CSRF token with its cookies, which is fetched once, and again when
// its session is over (wire/sap.md 6.1).
func (c *Client) sendBasic(ctx context.Context, q call, r *httpx.Request) (*httpx.Response, error) {
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.config.User+":"+c.config.Password.Reveal())))
	for fetched := false; ; fetched = true {
		if q.method != http.MethodGet {
			token, err := c.csrfToken(ctx, q, r.Header.Get("Authorization"), fetched)
			if err != nil {
				return nil, err
			}
			r.Header.Set("X-Csrf-Token", token)
		}
		answer, failure := c.patiently(ctx, q, r)
		if failure != nil {
			return nil, failure
		}
		if !fetched && answer.Status == http.StatusForbidden && strings.EqualFold(answer.Header.Get("X-Csrf-Token"), "required") {
			continue
		}
		return finish(q, answer)
	}
}

// csrfToken gives the CSRF token, fetching it where there is none or a new one
// is wanted.
func (c *Client) csrfToken(ctx context.Context, q call, authorization string, again bool) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.csrf != "" && !again {
		return c.csrf, nil
	}
	fetch := call{method: http.MethodGet, doing: q.doing + ": fetching a CSRF token"}
	answer, failure := c.patiently(ctx, fetch, &httpx.Request{
		Method: http.MethodGet, URL: c.config.Root + "/", Jar: c.jar,
		Header: http.Header{"Accept": {"application/json"}, "Authorization": {authorization}, "X-Csrf-Token": {"fetch"}},
	})
	if failure != nil {
		return "", failure
	}
	if answer.Status/100 != 2 {
		return "", judge(fetch, answer)
	}
	token := answer.Header.Get("X-Csrf-Token")
	if token == "" || strings.EqualFold(token, "required") {
		e := answerError(fetch, answer, "no X-CSRF-Token came")
		e.Cure = "check that target.api is the URL of the OData API, ending in " + Path
		return "", e
	}
	c.config.Learned("csrf token", token)
	c.csrf = token
	return token, nil
}

// patiently sends a request until an answer is final: 429 is waited for, which
// refuses without doing anything, and what is harmless is sent again after 502,
// 503, 504 and broken connections.
func (c *Client) patiently(ctx context.Context, q call, r *httpx.Request) (*httpx.Response, *Error) {
	rates, gateways := 0, 0
	for {
		if err := c.config.Pace.wait(ctx, c.resourceOf(r.URL)); err != nil {
			return nil, transport(q, r.URL, httpx.Explain(err, ctx, r.Method, r.URL))
		}
		answer, err := c.http.Do(ctx, r)
		var failure *Error
		if err != nil {
			failure = transport(q, r.URL, err)
		} else {
			c.config.Answered(answer)
		}
		var wait time.Duration
		reason := "no answer"
		harmless := q.harmless() && gateways < gatewayRepeats
		switch {
		case failure != nil && harmless && failure.Kind == KindNetwork:
			wait = gatewayBackoff << gateways
			gateways++
		case failure == nil && harmless && isGateway(answer.Status):
			asked, _ := httpx.RetryAfter(answer.Header, time.Now())
			if asked > maxGatewayWait {
				return answer, nil
			}
			wait, reason = max(gatewayBackoff<<gateways, asked), fmt.Sprintf("status %d", answer.Status)
			gateways++
		case failure == nil && answer.Status == http.StatusTooManyRequests && rates < rateRepeats:
			wait, reason = min(rateBackoff<<rates, maxRateGuess), "too many requests (status 429)"
			if asked, told := httpx.RetryAfter(answer.Header, time.Now()); told {
				wait = max(asked, rateBackoff)
			}
			rates++
		default:
			return answer, failure
		}
		if end, limited := ctx.Deadline(); limited && time.Until(end) <= wait {
			return answer, failure
		}
		c.config.Waiting(q.doing+": "+reason, wait)
		if err := httpx.Sleep(ctx, wait); err != nil {
			return nil, transport(q, r.URL, httpx.Explain(err, ctx, r.Method, r.URL))
		}
	}
}

func isGateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
