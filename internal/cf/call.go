package cf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"iflowtest/internal/httpx"
)

const (
	// gatewayRepeats is how often a request without harm is sent again after
	// 502, 503, 504 or a broken connection; the first wait is gatewayBackoff,
	// each further one twice the last.
	gatewayRepeats = 3
	gatewayBackoff = 250 * time.Millisecond
	maxGatewayWait = 30 * time.Second
	// rateRepeats is how often a request is sent again after 429.
	rateRepeats  = 10
	rateBackoff  = time.Second
	maxRateGuess = 30 * time.Second
)

// exchange is one request, however often it is sent.
type exchange struct {
	method, address string
	header          http.Header
	body            string
	doing           string // for messages
	// harmless: it may be sent again though it may have had its effect.
	harmless bool
}

// patiently sends a request until an answer is final: 429 is waited for as long
// as the context lasts (wire/sap.md 3.8), 502, 503, 504 and broken connections
// are tried again where that does no harm.
func (c *Client) patiently(ctx context.Context, x exchange) (*httpx.Response, *Error) {
	rate, gateway := 0, 0
	for {
		r, err := c.http.Do(ctx, &httpx.Request{Method: x.method, URL: x.address, Header: x.header, Body: x.content()})
		var failure *Error
		if err != nil {
			failure = transport(x.doing, x.method, x.address, err)
		} else {
			c.warn(warnings(r.Header.Values("X-Cf-Warnings")))
		}
		var wait time.Duration
		var reason string
		switch {
		case failure != nil && x.harmless && failure.Kind == KindNetwork && gateway < gatewayRepeats,
			failure == nil && x.harmless && isGateway(r.Status) && gateway < gatewayRepeats:
			wait = gatewayBackoff << gateway
			reason = "no answer"
			if failure == nil {
				asked, _ := httpx.RetryAfter(r.Header, time.Now())
				wait = min(max(wait, asked), maxGatewayWait)
				reason = "status " + strconv.Itoa(r.Status)
			}
			gateway++
		case failure == nil && r.Status == http.StatusTooManyRequests && rate < rateRepeats:
			wait = rateWait(r.Header, rate)
			reason = "too many requests (status 429)"
			rate++
		default:
			return r, failure
		}
		if end, limited := ctx.Deadline(); limited && time.Until(end) <= wait {
			return c.hopeless(x, r, failure, wait)
		}
		c.config.Waiting(x.doing+": "+reason, wait)
		if err := httpx.Sleep(ctx, wait); err != nil {
			failure := transport(x.doing+": waiting "+wait.String()+" after "+reason, x.method, x.address, httpx.Explain(err, ctx, x.method, x.address))
			failure.waited = true
			return nil, failure
		}
	}
}

// hopeless is the end where the wait would last longer than the context.
func (c *Client) hopeless(x exchange, r *httpx.Response, failure *Error, wait time.Duration) (*httpx.Response, *Error) {
	if failure != nil || r.Status != http.StatusTooManyRequests {
		return r, failure
	}
	failure = judge(x.doing, r, true)
	failure.RetryAfter = wait
	failure.Message += fmt.Sprintf("; the wait of %s is longer than the time that is left", wait)
	return r, failure
}

func (x exchange) content() *httpx.Body {
	if x.body == "" {
		return nil
	}
	return httpx.TextBody("", x.body)
}

func isGateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// rateWait gives the wait that a 429 asks for: Retry-After, else the end of the
// window of X-RateLimit-Reset (wire/sap.md 3.8), else a guess that grows.
func rateWait(h http.Header, repeat int) time.Duration {
	if asked, ok := httpx.RetryAfter(h, time.Now()); ok {
		return max(asked, gatewayBackoff)
	}
	guess := min(rateBackoff<<repeat, maxRateGuess)
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return guess
	}
	if left := time.Until(time.Unix(reset, 0)); left > 0 && left <= 24*time.Hour {
		return left
	}
	return guess
}

// call is one request to the API.
type call struct {
	method string
	path   string // below the API, such as /v3/jobs/GUID, or an absolute URL on its origin
	query  url.Values
	body   any // sent as JSON; nil: nothing
	doing  string
	// private: the answer holds credentials, no part of it may enter an error.
	private bool
	// creates: an answer that is lost may hide a new resource.
	creates bool
}

// send sends a request with the access token, which is renewed once when the
// API refuses it (wire/sap.md 3.7). The response is a success, or the error
// says why not.
func (c *Client) send(ctx context.Context, q call) (*httpx.Response, *Error) {
	x, err := c.exchange(q)
	if err != nil {
		return nil, err
	}
	refused := ""
	for {
		token, err := c.authorize(ctx, q.doing, refused)
		if err != nil {
			return nil, err
		}
		x.header.Set("Authorization", "bearer "+token)
		var sent sending
		r, err := c.patiently(sent.watch(ctx, q.creates), x)
		switch {
		case err != nil:
			err.created = q.creates && sent.maybe(err)
			return nil, err
		case r.Status == http.StatusUnauthorized && refused == "":
			refused = token
		case r.Status/100 != 2:
			err := judge(q.doing, r, q.private)
			err.created = q.creates && r.Status >= http.StatusInternalServerError
			return r, err
		default:
			return r, nil
		}
	}
}

// exchange prepares a call.
func (c *Client) exchange(q call) (exchange, *Error) {
	x := exchange{method: q.method, doing: q.doing, header: http.Header{"Accept": {"application/json"}}}
	x.harmless = q.method == http.MethodGet || q.method == http.MethodDelete
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return x, &Error{Kind: KindRequest, Err: err, Message: q.doing + ": parameters are not JSON", Cure: "check parameters: want a JSON object"}
		}
		x.body = string(text)
		x.header.Set("Content-Type", "application/json")
	}
	base, failure := c.api(q.doing)
	if failure != nil {
		return x, failure
	}
	address, same := resolve(base+"/", q.path)
	if strings.HasPrefix(q.path, "/") {
		if !isPath(q.path) {
			return x, &Error{Kind: KindRequest, Message: fmt.Sprintf("%s: the GUID is missing or none: %q", q.doing, cut(q.path, maxText)), Cure: "check where the GUID comes from; nothing was sent"}
		}
		address, same = base+q.path, true
	}
	if !same {
		return x, &Error{Kind: KindAnswer, Message: fmt.Sprintf("%s: the API points to %q, which is another host: nothing is sent there", q.doing, cut(shown(q.path), maxText)), Cure: "set api: to the URL that the platform itself uses"}
	}
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	x.address = address
	return x, nil
}

// isPath tells whether a path below the API names what it seems to name: a GUID
// that is empty or ".." would make it another.
func isPath(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// sending finds out whether a request left: a connection that never came about
// has created nothing. Transports that tell nothing are taken for sent.
type sending struct{ wanted, got atomic.Bool }

func (s *sending) watch(ctx context.Context, wanted bool) context.Context {
	if !wanted {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.wanted.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.got.Store(true) },
	})
}

func (s *sending) maybe(err *Error) bool {
	switch err.Kind {
	case KindRefusedOrigin, KindRequest, KindRateLimited:
		return false
	}
	if err.waited { // what creates waits only after 429, which refuses it
		return false
	}
	return s.got.Load() || !s.wanted.Load()
}
