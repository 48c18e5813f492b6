// Package destination is a client of the destination service of SAP BTP:
// destinations of a subaccount, and finding one with the token that a caller
// of it needs.
//
// It follows wire/sap.md 7, prints nothing, and waits only within the context
// it is given.
package destination

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

// root is the path of the REST API below the uri of the key.
const root = "/destination-configuration/v1"

// Client speaks to the destination service with one service key. It is safe
// for concurrent use; make it with [New].
type Client struct {
	sender platform.Sender
	tokens *oauth.Source
	key    Key
}

// New makes a client. Nothing is sent before the first call.
func New(h *httpx.Client, tokens *oauth.Source, key Key) *Client {
	sender := platform.Sender{HTTP: h, Patience: platform.Patience{Repeats: 3, Backoff: 250 * time.Millisecond, RateRepeats: 6}}
	return &Client{sender: sender, tokens: tokens, key: key}
}

// URL is where the service is: the uri of the key.
func (c *Client) URL() string { return c.key.URL }

// Create creates a destination of the subaccount. The error is a
// [*platform.Error], or the *oauth.Error that says why there is no token. A
// create is not sent twice when its answer is lost: see
// [platform.MaybeCreated].
func (c *Client) Create(ctx context.Context, p Properties) error {
	if err := p.Check(); err != nil {
		return &platform.Error{Kind: platform.KindRequest, Message: fmt.Sprintf("create the destination %q: %s", p[Name], err)}
	}
	_, err := c.send(ctx, call{
		method: http.MethodPost, path: "/subaccountDestinations", body: p.fields(), creates: true,
		doing: fmt.Sprintf("create the destination %q", p[Name]),
	})
	return err
}

// Get reads a destination of the subaccount. One that is not there is an
// [*platform.Error] of [platform.KindNotFound].
func (c *Client) Get(ctx context.Context, name string) (Properties, error) {
	doing := fmt.Sprintf("read the destination %q", name)
	r, err := c.send(ctx, call{method: http.MethodGet, path: "/subaccountDestinations/" + url.PathEscape(name), repeat: true, doing: doing})
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if json.Unmarshal([]byte(r.Body), &fields) != nil {
		return nil, unexpected(doing, r)
	}
	// The btp server wraps what the REST API gives (wire/sap.md 7).
	if wrapped, ok := fields["destinationConfiguration"].(map[string]any); ok {
		fields = wrapped
	}
	p := propertiesOf(fields)
	if p[Name] != name {
		return nil, unexpected(doing, r)
	}
	return p, nil
}

// Delete deletes a destination of the subaccount. One that is not there is an
// [*platform.Error] of [platform.KindNotFound].
func (c *Client) Delete(ctx context.Context, name string) error {
	_, err := c.send(ctx, call{
		method: http.MethodDelete, path: "/subaccountDestinations/" + url.PathEscape(name), repeat: true,
		doing: fmt.Sprintf("delete the destination %q", name),
	})
	return err
}

// Found is a destination as the service gives it to a caller.
type Found struct {
	// Subaccount and Instance say whose it is; Instance is empty where it is
	// that of the subaccount.
	Subaccount, Instance string
	Properties           Properties
	// Tokens are those that the service obtained for the caller; none where the
	// destination needs none.
	Tokens []Token
}

// Token is what the service obtained, or why it did not.
type Token struct {
	Type, ExpiresIn, Scope string
	Value                  secret.Secret
	// Error is the text of the service; empty: it has a token.
	Error string
}

// OK reports whether there is a token.
func (t Token) OK() bool { return t.Error == "" && !t.Value.IsZero() }

// finding is the answer to a search (wire/sap.md 7).
type finding struct {
	Owner struct {
		Subaccount string  `json:"SubaccountId"`
		Instance   *string `json:"InstanceId"`
	} `json:"owner"`
	Configuration map[string]any `json:"destinationConfiguration"`
	Tokens        []struct {
		Type      string `json:"type"`
		Value     string `json:"value"`
		ExpiresIn any    `json:"expires_in"`
		Scope     string `json:"scope"`
		Error     string `json:"error"`
	} `json:"authTokens"`
}

// Find finds a destination as a caller of it does: one of the instance before
// one of the subaccount, with the tokens that the service obtains for it. That
// it obtains none is no error; see [Token]. The error is as that of
// [Client.Create].
func (c *Client) Find(ctx context.Context, name string) (Found, error) {
	doing := fmt.Sprintf("find the destination %q", name)
	r, err := c.send(ctx, call{method: http.MethodGet, path: "/destinations/" + url.PathEscape(name), repeat: true, doing: doing})
	if err != nil {
		return Found{}, err
	}
	var f finding
	if json.Unmarshal([]byte(r.Body), &f) != nil || f.Configuration == nil {
		return Found{}, unexpected(doing, r)
	}
	found := Found{Subaccount: f.Owner.Subaccount, Properties: propertiesOf(f.Configuration)}
	if f.Owner.Instance != nil {
		found.Instance = *f.Owner.Instance
	}
	for _, t := range f.Tokens {
		token := Token{Type: t.Type, ExpiresIn: textOf(t.ExpiresIn), Scope: t.Scope, Value: secret.New(name+".token", t.Value), Error: platform.Cut(t.Error, platform.MaxDetail)}
		if token.Error == "" && t.Value == "" {
			token.Error = "the destination service gives no token, and does not say why"
		}
		found.Tokens = append(found.Tokens, token)
	}
	return found, nil
}
