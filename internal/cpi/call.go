package cpi

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// call is one request, however often it is sent.
type call struct {
	method string
	// resource is below the root, such as MessageProcessingLogs('A'), without
	// a slash before it; or an absolute URL on the origin of the root.
	resource string
	// accept is the media type that is wanted; empty: JSON.
	accept string
	// body is what is sent; nil: nothing. secret is the value in it that is
	// shown nowhere; empty: none.
	body   *httpx.Body
	secret string
	doing  string // for messages
	// repeatable says that doing it twice is doing it once (RFC 9110 9.2.2),
	// as for every GET.
	repeatable bool
}

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

// request prepares a call.
func (c *Client) request(q call) (platform.Request, error) {
	address, ok := c.address(q.resource)
	if !ok {
		return platform.Request{}, &platform.Error{
			Kind: platform.KindAnswer, Method: q.method, URL: platform.Shown(q.resource),
			Message: fmt.Sprintf("%s: the API points to %q, which is another host: nothing is sent there", q.doing, platform.Cut(platform.Shown(q.resource), platform.MaxText)),
			Cure:    "set target.api to the URL that the tenant itself uses",
		}
	}
	return platform.Request{
		Method: q.method, URL: address, Header: http.Header{"Accept": {cmp.Or(q.accept, "application/json")}}, Body: q.body, Jar: c.jar,
		Doing: q.doing, Repeat: q.method == http.MethodGet || q.repeatable,
		Judge: func(r *httpx.Response) *platform.Error { return judge(q, hidden(r, q.secret)) },
	}, nil
}

// send sends a request, with a new token once when the API takes the old one
// for invalid. The response is a success, or the error says why not; it is a
// *platform.Error, or what Config.Token gave.
func (c *Client) send(ctx context.Context, q call) (*httpx.Response, error) {
	x, err := c.request(q)
	if err != nil {
		return nil, err
	}
	if c.config.Token == nil {
		return c.sendBasic(ctx, q, x)
	}
	x.Authorize = platform.Renewing(c.config.Token)
	sender := c.telling(q)
	return sender.Send(ctx, x)
}

// telling gives the sender, which tells Config.Answered of the answers to a
// call as they may be shown.
func (c *Client) telling(q call) platform.Sender {
	sender := c.sender
	if c.config.Answered != nil {
		sender.Answered = func(r *httpx.Response) { c.config.Answered(hidden(r, q.secret)) }
	}
	return sender
}

// invalidToken reports whether a 401 says that the token is no longer valid
// (RFC 6750 3.1).
func invalidToken(r *httpx.Response) bool {
	return strings.Contains(strings.Join(r.Header.Values("Www-Authenticate"), " "), "invalid_token") || strings.Contains(r.Body, "invalid_token")
}

// sendBasic sends a request with basic authentication. What changes something
// needs a CSRF token with its cookies, which is fetched once, and again when
// its session is over (wire/sap.md 6.1).
func (c *Client) sendBasic(ctx context.Context, q call, x platform.Request) (*httpx.Response, error) {
	x.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.config.User+":"+c.config.Password.Reveal())))
	sender := c.telling(q)
	if q.method == http.MethodGet {
		return sender.Send(ctx, x)
	}
	for fetched := false; ; fetched = true {
		token, err := c.csrfToken(ctx, q, x.Header.Get("Authorization"), fetched)
		if err != nil {
			return nil, err
		}
		x.Header.Set("X-Csrf-Token", token)
		answer, failure := sender.Ask(ctx, x)
		switch {
		case failure != nil:
			return nil, failure
		case !fetched && answer.Status == http.StatusForbidden && strings.EqualFold(answer.Header.Get("X-Csrf-Token"), "required"):
			continue
		case answer.Status/100 != 2:
			return nil, judge(q, hidden(answer, q.secret))
		}
		return answer, nil
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
	fetch := call{method: http.MethodGet, resource: c.config.Root + "/", doing: q.doing + ": fetching a CSRF token"}
	x, err := c.request(fetch)
	if err != nil {
		return "", err
	}
	x.Header.Set("Authorization", authorization)
	x.Header.Set("X-Csrf-Token", "fetch")
	sender := c.telling(fetch)
	answer, err := sender.Send(ctx, x)
	if err != nil {
		return "", err
	}
	token := answer.Header.Get("X-Csrf-Token")
	if token == "" || strings.EqualFold(token, "required") {
		return "", answerError(fetch, answer, "no X-CSRF-Token came")
	}
	c.config.Learned("csrf token", token)
	c.csrf = token
	return token, nil
}
