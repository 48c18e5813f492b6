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
	"iflowtest/internal/platform"
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

	cureReset  = "reset the password at the identity provider (a user of the SAP ID service at https://account.sap.com), then give the new one"
	cureOrigin = "check origin: in target.cloud-foundry (the origin key of the identity provider, such as sap.ids)"
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
func (c *Client) authorize(ctx context.Context, doing, refused string) (string, *platform.Error) {
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
func (c *Client) signInError(ctx context.Context, doing string, err error) *platform.Error {
	if known, ok := errors.AsType[*platform.Error](err); ok && ctx.Err() == nil {
		return known
	}
	address := baseURL(c.config.API)
	return platform.Transport(doing+": signing in to Cloud Foundry", http.MethodPost, address, httpx.Explain(err, ctx, http.MethodPost, address))
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
		if err.Kind == platform.KindSignIn {
			c.refusal = err
		}
		return err
	}
	c.token = t
	return nil
}

// obtain gets a token in the way that is configured.
func (c *Client) obtain(ctx context.Context, old token) (token, *platform.Error) {
	switch {
	case c.config.Username != "":
		return c.obtainFor(ctx, old)
	case c.config.ClientID != "":
		return c.obtainClient(ctx)
	case c.config.Home != "":
		return c.obtainSession(ctx, old)
	}
	return token{}, &platform.Error{
		Kind:    platform.KindSignIn,
		Message: "sign in to Cloud Foundry: neither user nor client nor a session of the cf command line is given",
		Cure:    "set username and password, client-id and client-secret, or cf-home: true in target.cloud-foundry",
	}
}

// obtainFor signs a user in: with the refresh token while it is good, else
// with the password.
func (c *Client) obtainFor(ctx context.Context, old token) (token, *platform.Error) {
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
		if err == nil || err.Kind != platform.KindSignIn {
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
func (c *Client) obtainClient(ctx context.Context) (token, *platform.Error) {
	return c.grant(ctx, grant{
		doing: "sign in to Cloud Foundry as the client " + quoteUser(c.config.ClientID),
		form: url.Values{
			"grant_type": {"client_credentials"}, "client_id": {c.config.ClientID}, "client_secret": {c.config.ClientSecret.Reveal()},
		},
		cure: "check client-id and client-secret",
	})
}

func quoteUser(name string) string { return fmt.Sprintf("%q", platform.Cut(name, platform.MaxTitle)) }

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
func (c *Client) grant(ctx context.Context, g grant) (token, *platform.Error) {
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
	r, err := c.sender.Ask(ctx, platform.Request{
		Method: http.MethodPost, URL: address, Header: header, Body: httpx.TextBody("", g.form.Encode()), Doing: g.doing, Repeat: true,
		Judge: func(r *httpx.Response) *platform.Error { return judge(g.doing, r, true) },
	})
	if err != nil {
		return token{}, err
	}
	return c.readGrant(g, r)
}

// loginServer gives the sign-in server, which is looked for once.
func (c *Client) loginServer(ctx context.Context) (string, *platform.Error) {
	c.mu.Lock()
	server := c.signIns
	c.mu.Unlock()
	if server != "" {
		return server, nil
	}
	server, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signIns = server
	return server, nil
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
func (c *Client) readGrant(g grant, r *httpx.Response) (token, *platform.Error) {
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
func judgeGrant(g grant, r *httpx.Response, a tokenAnswer) *platform.Error {
	said := foreign(r, true)
	if a.Error != "" {
		said = fmt.Sprintf("the platform says %q (%s)", platform.Cut(a.Description, platform.MaxText), platform.Cut(a.Error, platform.MaxTitle))
	}
	err := platform.Answer(g.doing, r, platform.Judge(g.rules(r, a), r.Status, 0, a.Description), said)
	err.Title, err.Detail = platform.Cut(a.Error, platform.MaxTitle), platform.Cut(a.Description, platform.MaxDetail)
	return err
}

// rules are the table of what the sign-in server says.
func (g grant) rules(r *httpx.Response, a tokenAnswer) []platform.Rule {
	refused := func(detail, what, cure string) platform.Rule {
		return worded(detail, platform.KindSignIn, what, cure)
	}
	rules := []platform.Rule{
		answered(http.StatusTooManyRequests, platform.KindRateLimited, "too many sign-ins", "try again later, or run fewer at a time"),
		platform.Outages(platform.Verdict{What: "the sign-in server is out of order"}),
	}
	if a.Error == "" && (r.Status == http.StatusNotFound || r.Status < http.StatusBadRequest) {
		rules = append(rules, refused("", "this is no sign-in server", "check api:, and the links that it names"))
		rules[len(rules)-1].Kind = platform.KindAnswer
	}
	for _, said := range expired() {
		rules = append(rules, refused(said, "the password must be changed", cureReset))
	}
	return append(rules,
		refused("login_hint", "the identity provider is not accepted", cureOrigin),
		refused("identity provider", "the identity provider is not accepted", cureOrigin),
		refused("locked", "the user is locked", "wait until the lock ends, or reset the password at the identity provider; check the password before the next attempt"),
		refused("grant type", "the client may not sign in this way", "check whether client-id belongs to a client with this grant type"),
		refused("", "the sign-in is refused", g.cure),
	)
}

// expired is how the platform says, in lower case, that a password is good no
// longer though it is the right one.
func expired() []string {
	return []string{
		"password_expired", "password_reset", "password expired", "password has expired",
		"password needs to be changed", "change your password", "reset your password", "password change required",
	}
}
