package cf

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
)

const (
	// renewAhead is how long before its end a token is renewed; a tenth of its
	// life when that is shorter.
	renewAhead = 30 * time.Second
	// signInLimit bounds finding the sign-in server and signing in.
	signInLimit = 2 * time.Minute
	// commandLine is the client of the cf command line; its secret is empty.
	commandLine = "cf"
)

var errSignInLimit = errors.New("limit of 2m0s for the sign-in")

// token is what a sign-in gave.
type token struct {
	access, refresh secret.Secret
	renew           time.Time // when to fetch another; zero: when it is refused
	held            bool
}

func (t token) fresh() bool {
	return t.held && (t.renew.IsZero() || time.Now().Before(t.renew))
}

// authorize gives an access token other than the refused one, signing in when
// there is none that is good (wire/sap.md 3.2): renewed 30 s ahead of its end,
// once however many ask.
func (c *Client) authorize(ctx context.Context, doing, refused string) (string, *Error) {
	for range 2 { // another's flight may end with the token that is refused
		c.mu.Lock()
		if refused != "" && c.token.access.Reveal() == refused {
			c.token.held = false
		}
		t, refusal := c.token, c.refusal
		c.mu.Unlock()
		if refusal != nil {
			return "", refusal
		}
		if t.fresh() {
			return t.access.Reveal(), nil
		}
		if err := c.flight.do(ctx, c.signIn); err != nil {
			return "", c.signInError(ctx, doing, err)
		}
		c.mu.Lock()
		t = c.token
		c.mu.Unlock()
		if got := t.access.Reveal(); got != refused {
			return got, nil
		}
	}
	return refused, nil
}

// signInError makes the error of one caller: its own end, or that of the flight.
func (c *Client) signInError(ctx context.Context, doing string, err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok && ctx.Err() == nil {
		return known
	}
	address := baseURL(c.config.API)
	return transport(doing+": signing in to Cloud Foundry", http.MethodPost, address, httpx.Explain(err, ctx, http.MethodPost, address))
}

// signIn is the flight: it finds the server, signs in, and keeps the token.
func (c *Client) signIn(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, signInLimit, errSignInLimit)
	defer stop()
	c.mu.Lock()
	old := c.token
	c.mu.Unlock()
	if old.fresh() {
		return nil
	}
	t, err := c.obtain(ctx, old)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if err.Kind == KindSignIn {
			c.refusal = err
		}
		return err
	}
	c.token = t
	return nil
}

// obtain gets a token in the way that is configured.
func (c *Client) obtain(ctx context.Context, old token) (token, *Error) {
	switch {
	case c.config.Username != "":
		return c.obtainFor(ctx, old)
	case c.config.ClientID != "":
		return c.obtainClient(ctx)
	case c.config.Home != "":
		return c.obtainSession(ctx, old)
	}
	return token{}, &Error{
		Kind:    KindSignIn,
		Message: "sign in to Cloud Foundry: neither user nor client nor a session of the cf command line is given",
		Cure:    "set username and password, client-id and client-secret, or cf-home: true in target.cloud-foundry",
	}
}

// obtainFor signs a user in: with the refresh token while it is good, else
// with the password.
func (c *Client) obtainFor(ctx context.Context, old token) (token, *Error) {
	client, clientSecret := c.config.ClientID, c.config.ClientSecret
	if client == "" {
		client = commandLine
	}
	if !old.refresh.IsZero() {
		t, err := c.grant(ctx, grant{
			doing:  "renew the sign-in of " + quoteUser(c.config.Username),
			form:   url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.refresh.Reveal()}},
			client: client, clientSecret: clientSecret, basic: true, refresh: old.refresh,
		})
		if err == nil || err.Kind != KindSignIn {
			return t, err
		}
	}
	return c.grant(ctx, grant{
		doing:  "sign in to Cloud Foundry as " + quoteUser(c.config.Username),
		form:   url.Values{"grant_type": {"password"}, "username": {c.config.Username}, "password": {c.config.Password.Reveal()}},
		client: client, clientSecret: clientSecret, basic: true, origin: c.config.Origin,
		cure: "check username and password; with a second factor the passcode is appended to the password; a user of another identity provider needs origin:; users of SAP Universal ID need the password of the SAP ID service",
	})
}

// obtainClient signs in with client credentials: in the form, without Basic.
func (c *Client) obtainClient(ctx context.Context) (token, *Error) {
	return c.grant(ctx, grant{
		doing: "sign in to Cloud Foundry as the client " + quoteUser(c.config.ClientID),
		form: url.Values{
			"grant_type": {"client_credentials"}, "client_id": {c.config.ClientID}, "client_secret": {c.config.ClientSecret.Reveal()},
		},
		cure: "check client-id and client-secret",
	})
}

func quoteUser(name string) string { return fmt.Sprintf("%q", cut(name, maxTitle)) }

// grant is one request to the sign-in server.
type grant struct {
	doing, cure  string
	form         url.Values
	client       string
	clientSecret secret.Secret
	basic        bool // client and secret in the header
	origin       string
	refresh      secret.Secret // kept when the answer brings no other
}

// grant asks the sign-in server for a token (wire/sap.md 3.2). Asking changes
// nothing, so gateways are asked again; what was refused is not.
func (c *Client) grant(ctx context.Context, g grant) (token, *Error) {
	server, err := c.loginServer(ctx)
	if err != nil {
		return token{}, err
	}
	address := server + "/oauth/token"
	if g.origin != "" {
		hint, _ := json.Marshal(struct {
			Origin string `json:"origin"`
		}{g.origin})
		address += "?" + url.Values{"login_hint": {string(hint)}}.Encode()
	}
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	if g.basic {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(g.client+":"+g.clientSecret.Reveal())))
	}
	r, err := c.patiently(ctx, exchange{method: http.MethodPost, address: address, header: header, body: g.form.Encode(), doing: g.doing, harmless: true})
	if err != nil {
		return token{}, err
	}
	return c.readGrant(g, r)
}

// loginServer gives the sign-in server, which is looked for once.
func (c *Client) loginServer(ctx context.Context) (string, *Error) {
	c.mu.Lock()
	p := c.platform
	c.mu.Unlock()
	if p.login != "" {
		return p.login, nil
	}
	p, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.platform = p
	return p.login, nil
}

// tokenAnswer is what the sign-in server says, good or bad.
type tokenAnswer struct {
	Access      string  `json:"access_token"`
	Refresh     string  `json:"refresh_token"`
	ExpiresIn   float64 `json:"expires_in"`
	Error       string  `json:"error"`
	Description string  `json:"error_description"`
}

var looseToken = regexp.MustCompile(`"(access_token|refresh_token|id_token)"\s*:\s*"([^"]*)`)

// readGrant takes the token out of an answer. Even the torso of a token is a
// secret: what looks like one is told the redactor first.
func (c *Client) readGrant(g grant, r *httpx.Response) (token, *Error) {
	for _, found := range looseToken.FindAllStringSubmatch(r.Body, 10) {
		c.learn(strings.ReplaceAll(found[1], "_", "-"), found[2])
	}
	var a tokenAnswer
	broken := json.Unmarshal([]byte(r.Body), &a) != nil
	c.learn("access-token", a.Access)
	c.learn("refresh-token", a.Refresh)
	switch {
	case r.Status != http.StatusOK:
		return token{}, judgeGrant(g, r, a)
	case broken || a.Access == "":
		return token{}, unexpected(g.doing, r, "the sign-in server gives no token: "+foreign(r, true))
	case !isHeaderText(a.Access):
		return token{}, unexpected(g.doing, r, "the sign-in server gives a token that holds other characters than tokens have")
	}
	t := newToken(a.Access, a.Refresh, time.Duration(min(max(a.ExpiresIn, 0), 1e9))*time.Second, r.Started)
	if !t.fresh() { // by a clock that goes wrong: it is good until it is refused
		t.renew = time.Time{}
	}
	if a.Refresh == "" {
		t.refresh = g.refresh
	}
	return t, nil
}

// isHeaderText tells whether a token can stand in a header.
func isHeaderText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// newToken works out when the token is to be renewed. The life that counts is
// expires_in, else that of the claims, else it is unknown.
func newToken(access, refresh string, life time.Duration, asked time.Time) token {
	t := token{held: true, access: secret.New(credential+".access-token", access), refresh: secret.New(credential+".refresh-token", refresh)}
	end := asked.Add(life)
	if life <= 0 {
		jwt, err := oauth.Decode(access)
		if err != nil || jwt.Expiry.IsZero() {
			return t
		}
		end = jwt.Expiry
		life = end.Sub(asked)
	}
	t.renew = end.Add(-min(renewAhead, max(life, 0)/10))
	return t
}

// judgeGrant makes the error of a sign-in that gave no token. Only error and
// error_description of the answer enter it.
func judgeGrant(g grant, r *httpx.Response, a tokenAnswer) *Error {
	said := foreign(r, true)
	if a.Error != "" {
		said = fmt.Sprintf("the platform says %q (%s)", cut(a.Description, maxText), cut(a.Error, maxTitle))
	}
	err := &Error{Kind: KindSignIn, Status: r.Status, Title: cut(a.Error, maxTitle), Detail: cut(a.Description, maxDetail), Method: r.Method, URL: shown(r.URL), Cure: g.cure}
	if wait, ok := httpx.RetryAfter(r.Header, time.Now()); ok {
		err.RetryAfter = wait
	}
	description := strings.ToLower(a.Description)
	what := "the sign-in is refused"
	switch {
	case r.Status == http.StatusTooManyRequests:
		err.Kind, what, err.Cure = KindRateLimited, "too many sign-ins", "try again later, or run fewer at a time"
	case r.Status >= http.StatusInternalServerError:
		err.Kind, what, err.Cure = KindServer, "the sign-in server is out of order", cureServer
	case a.Error == "" && (r.Status == http.StatusNotFound || r.Status < http.StatusBadRequest):
		err.Kind, what, err.Cure = KindAnswer, "this is no sign-in server", "check api:, and the links that it names"
	case strings.Contains(description, "login_hint"), strings.Contains(description, "identity provider"):
		what, err.Cure = "the identity provider is not accepted", "check origin: in target.cloud-foundry (the origin key of the identity provider, such as sap.ids)"
	case strings.Contains(description, "locked"):
		what, err.Cure = "the user is locked", "wait until the lock ends, and check the password before the next attempt"
	case strings.Contains(description, "grant type"):
		what, err.Cure = "the client may not sign in this way", "check whether client-id belongs to a client with this grant type"
	}
	err.Message = fmt.Sprintf("%s: %s (status %d); %s", g.doing, what, r.Status, said)
	return err
}
