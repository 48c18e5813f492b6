package destination

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
)

// call is one request to the service.
type call struct {
	method, path string
	body         map[string]string // sent as JSON; nil: nothing
	doing        string
	// repeat says that it may be sent twice.
	repeat bool
}

// send sends a request with an access token, which is renewed once when it is
// refused. The error is an *Error, or the *oauth.Error of the token.
func (c *Client) send(ctx context.Context, q call) (*httpx.Response, error) {
	body := ""
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, &Error{Kind: KindRequest, Message: q.doing + ": " + err.Error(), Err: err}
		}
		body = string(text)
	}
	token, err := c.tokens.Token(ctx, c.key.Credential)
	if err != nil {
		return nil, err
	}
	for renewed := false; ; renewed = true {
		r, err := c.patiently(ctx, q, body, token)
		if err != nil {
			return nil, err
		}
		if r.Status != http.StatusUnauthorized || renewed {
			if r.Status/100 != 2 {
				return nil, judge(q.doing, r)
			}
			return r, nil
		}
		if token, err = c.tokens.Renew(ctx, c.key.Credential, token); err != nil {
			return nil, err
		}
	}
}

// patiently sends a request until its answer is final. What was refused as too
// much was not done, and is sent again; what was lost only where it may be.
func (c *Client) patiently(ctx context.Context, q call, body string, token oauth.Token) (*httpx.Response, error) {
	address := c.key.URL + root + q.path
	header := http.Header{"Accept": {"application/json"}, "Authorization": {token.Header().Reveal()}}
	var content *httpx.Body
	if body != "" {
		content = httpx.TextBody("application/json", body)
	}
	failed, busy := 0, 0
	for {
		r, err := c.http.Do(ctx, &httpx.Request{Method: q.method, URL: address, Header: header, Body: content})
		var wait time.Duration
		switch {
		case err != nil:
			failure := transport(q.doing, err)
			if failure.Kind != KindNetwork || !q.repeat || failed >= repeats {
				return nil, failure
			}
			wait = backoff << failed
			failed++
		case isGateway(r.Status) && q.repeat && failed < repeats:
			wait = min(max(backoff<<failed, asked(r)), maxBackoff)
			failed++
		case r.Status == http.StatusTooManyRequests && busy < rateRepeats:
			wait = max(rateBackoff<<busy, asked(r))
			busy++
		default:
			return r, nil
		}
		if end, limited := ctx.Deadline(); limited && time.Until(end) <= wait && err == nil {
			return r, nil
		}
		if ended := httpx.Sleep(ctx, wait); ended != nil {
			return nil, transport(q.doing+": waiting "+wait.String()+" to ask again", httpx.Explain(ended, ctx, q.method, address))
		}
	}
}

func asked(r *httpx.Response) time.Duration {
	wait, _ := httpx.RetryAfter(r.Header, time.Now())
	return wait
}

func isGateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
