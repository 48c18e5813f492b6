// Package cpi is a client of the OData API of Cloud Integration: what is
// deployed, deployments, externalized parameters, and message processing logs
// (wire/sap.md 6).
//
// It speaks as the platform's own clients do: JSON, pages by __next, dates as
// /Date(ms)/, a bearer token without a CSRF token. It prints nothing, waits
// only within the context it is given, and repeats only what can be repeated
// without harm.
package cpi

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

// Path is where the API stands below the URL of a service key of plan api
// (wire/sap.md 6).
const Path = "/api/v1"

// Config says which API to speak to, and as whom.
type Config struct {
	// Root is the URL of the service root, such as
	// https://tenant.it-cpi001.cfapps.eu10.hana.ondemand.com/api/v1.
	Root string
	// Token gives an access token other than refused, which the API did not
	// take; the zero refused means any. Its errors are handed on as they are.
	Token func(ctx context.Context, refused oauth.Token) (oauth.Token, error)
	// User and Password sign in with basic authentication instead, when Token
	// is nil: then what changes something carries a CSRF token (wire/sap.md
	// 6.1).
	User     string
	Password secret.Secret
	// Pace spaces the requests; nil: nothing does.
	Pace *Pace
	// Answered is told each answer that arrived whole, before it is judged, the
	// values of parameters of artifacts masked; nil: nobody is.
	Answered func(*httpx.Response)
	// Waiting is told before the client waits to ask again, and why; nil:
	// nobody is.
	Waiting func(reason string, d time.Duration)
	// Learned is told the CSRF token before it is used, under the name
	// "csrf token"; nil: nobody is.
	Learned func(name, value string)
}

// Client speaks to one API as one user. It is safe for concurrent use; make it
// with [New].
type Client struct {
	sender platform.Sender
	config Config
	jar    http.CookieJar // of basic authentication

	mu   sync.Mutex
	csrf string
}

// patience is how often the API is asked again. A gateway that says when it is
// back, later than in half a minute, is taken at its word.
func patience() platform.Patience {
	return platform.Patience{Repeats: 3, Backoff: 500 * time.Millisecond, Outage: 30 * time.Second, RateRepeats: 5}
}

// New makes a client. Nothing is sent before the first call.
func New(h *httpx.Client, c Config) *Client {
	c.Root = strings.TrimRight(c.Root, "/")
	if c.Learned == nil {
		c.Learned = func(string, string) {}
	}
	client := &Client{config: c}
	client.sender = platform.Sender{
		HTTP: h, Patience: patience(), Waiting: c.Waiting, Stale: invalidToken,
		Before: func(ctx context.Context, q *platform.Request) error {
			return c.Pace.wait(ctx, client.resourceOf(q.URL))
		},
	}
	if c.Token == nil {
		client.jar, _ = cookiejar.New(nil) // it returns no error
	}
	return client
}
