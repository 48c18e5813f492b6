package cf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

// patience is how often the API and the sign-in server are asked again: 429 is
// waited for as long as the context lasts (wire/sap.md 3.8).
func patience() platform.Patience {
	return platform.Patience{Repeats: 3, Backoff: 250 * time.Millisecond, RateRepeats: 10}
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
func (c *Client) send(ctx context.Context, q call) (*httpx.Response, *platform.Error) {
	x, failure := c.request(q)
	if failure != nil {
		return nil, failure
	}
	r, err := c.sender.Send(ctx, x)
	return r, known(err)
}

// known gives an error of the sender or of a wait as what it is.
func known(err error) *platform.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*platform.Error](err); ok {
		return e
	}
	return &platform.Error{Kind: platform.KindFailed, Message: err.Error(), Err: err}
}

// authorizer gives the access token to one request.
func (c *Client) authorizer(doing string) platform.Authorizer {
	last := ""
	return func(ctx context.Context, refused bool) (secret.Secret, error) {
		old := ""
		if refused {
			old = last
		}
		token, err := c.authorize(ctx, doing, old)
		if err != nil {
			return secret.Secret{}, err
		}
		last = token
		return secret.New(credential+".access-token", "bearer "+token), nil
	}
}

// request prepares a call.
func (c *Client) request(q call) (platform.Request, *platform.Error) {
	x := platform.Request{
		Method: q.method, Header: http.Header{"Accept": {"application/json"}}, Doing: q.doing, Creates: q.creates,
		Repeat:    q.method == http.MethodGet || q.method == http.MethodDelete,
		Authorize: c.authorizer(q.doing),
		Judge:     func(r *httpx.Response) *platform.Error { return judge(q.doing, r, q.private) },
	}
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return x, &platform.Error{Kind: platform.KindRequest, Err: err, Message: q.doing + ": parameters are not JSON", Cure: "check parameters: want a JSON object"}
		}
		x.Body = httpx.TextBody("application/json", string(text))
	}
	base, failure := c.api(q.doing)
	if failure != nil {
		return x, failure
	}
	address, same := resolve(base+"/", q.path)
	if strings.HasPrefix(q.path, "/") {
		if !isPath(q.path) {
			return x, &platform.Error{Kind: platform.KindRequest, Message: fmt.Sprintf("%s: the GUID is missing or none: %q", q.doing, platform.Cut(q.path, platform.MaxText)), Cure: "check where the GUID comes from; nothing was sent"}
		}
		address, same = base+q.path, true
	}
	if !same {
		return x, &platform.Error{Kind: platform.KindAnswer, Message: fmt.Sprintf("%s: the API points to %q, which is another host: nothing is sent there", q.doing, platform.Cut(platform.Shown(q.path), platform.MaxText)), Cure: "set api: to the URL that the platform itself uses"}
	}
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	x.URL = address
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
