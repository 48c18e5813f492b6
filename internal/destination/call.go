package destination

import (
	"context"
	"net/http"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// call is one request to the service.
type call struct {
	method, path string
	body         any // sent as JSON; nil: nothing
	doing        string
	// repeat says that it may be sent twice, creates that a lost answer may
	// hide a new destination.
	repeat, creates bool
}

// send sends a request with an access token, which is renewed once when it is
// refused. What was lost is sent again only where it may be. The error is a
// *platform.Error, or the *oauth.Error of the token.
func (c *Client) send(ctx context.Context, q call) (*httpx.Response, error) {
	body, err := platform.JSONBody(q.doing, q.body)
	if err != nil {
		return nil, err
	}
	return c.sender.Send(ctx, platform.Request{
		Method: q.method, URL: c.key.URL + root + q.path, Header: http.Header{"Accept": {"application/json"}}, Body: body,
		Doing: q.doing, Repeat: q.repeat, Creates: q.creates,
		Authorize: platform.Bearer(c.tokens, c.key.Credential),
		Judge:     func(r *httpx.Response) *platform.Error { return judge(q.doing, r) },
	})
}
