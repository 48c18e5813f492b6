package oauth

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"iflowtest/internal/httpx"
	"iflowtest/internal/secret"
)

// Exchange is one token request and its answer. Its strings hold the secret
// and the token as they went over the wire: they pass the redactor before
// anybody sees them.
type Exchange struct {
	// Method, URL, Header and Body are the request's.
	Method, URL string
	Header      http.Header
	Body        string
	// Response is the answer, byte for byte.
	Response *httpx.Response
	// Token is the token of a good answer, else zero.
	Token Token
}

// maxAnswer is the largest answer that can be a token, as x/oauth2 has it.
const maxAnswer = 1 << 20

// exchange sends one token request. The exchange is nil when no answer came.
func (s *Source) exchange(ctx context.Context, c Credential) (*Exchange, *Error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	client, refused := s.identities.clientFor(c, time.Now())
	if refused != nil {
		return nil, refused
	}
	wire := &recorder{client: client, credential: c}
	config := clientcredentials.Config{
		ClientID:       c.ClientID,
		ClientSecret:   c.clientSecret(),
		TokenURL:       c.TokenURL,
		EndpointParams: make(url.Values, len(c.Params)),
		AuthStyle:      oauth2.AuthStyleInParams,
	}
	if c.style() == StyleHeader {
		config.AuthStyle = oauth2.AuthStyleInHeader
	}
	if c.Scope != "" {
		config.Scopes = []string{c.Scope}
	}
	for _, p := range c.Params {
		config.EndpointParams.Add(p.Name, p.Value)
	}
	carrier := &http.Client{
		Transport:     wire,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	obtained, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, carrier))
	answer := readAnswer(wire.response)
	for _, t := range answer.tokens {
		s.learned(c.secretName(t.name), t.value)
	}
	if wire.response == nil {
		return nil, c.judgeError(wire.err, err)
	}
	exchange := &Exchange{
		Method:   wire.response.Method,
		URL:      wire.response.URL,
		Header:   wire.response.RequestHeader,
		Body:     wire.body,
		Response: wire.response,
	}
	if wire.err != nil {
		return exchange, c.judgeError(wire.err, err)
	}
	if refusal := c.judgeAnswer(wire.response, answer, err); refusal != nil {
		return exchange, refusal
	}
	exchange.Token = c.newToken(obtained.AccessToken, answer, wire.response.Started)
	return exchange, nil
}

func (c Credential) secretName(field string) string {
	field = strings.ReplaceAll(field, "_", "-")
	if c.Name == "" {
		return field
	}
	return c.Name + "." + field
}

// newToken works out when the token ends. The life that counts is the shorter
// of expires_in and exp - iat, so that a wrong clock on either side does no
// harm; iat is cut to whole seconds, so a second less is sure.
func (c Credential) newToken(value string, a answer, asked time.Time) Token {
	name := c.secretName("access_token")
	token := Token{Value: secret.New(name, value), Type: "Bearer", header: secret.New(name, "Bearer "+value)}
	life, known := a.lifetime, a.hasLifetime
	if jwt, err := Decode(value); err == nil && !jwt.Expiry.IsZero() {
		if issued := jwt.IssuedAt; !issued.IsZero() {
			claimed := jwt.Expiry.Sub(issued)
			if !known {
				token.Lifetime = claimed
				life = claimed
			}
			sure := claimed - time.Second
			if sure <= 0 {
				sure = claimed / 2
			}
			life, known = min(life, sure), true
		} else if !known {
			life, known = jwt.Expiry.Sub(asked), true
			token.Lifetime = life
		}
	}
	if a.hasLifetime {
		token.Lifetime = a.lifetime
	}
	if known {
		token.Expiry = asked.Add(life)
	}
	return token
}

// recorder carries the request of x/oauth2 through the program's own client
// and keeps what went over the wire: x/oauth2 hides the answer of a success.
type recorder struct {
	client     *httpx.Client
	credential Credential
	body       string
	response   *httpx.Response
	err        error
}

// RoundTrip implements http.RoundTripper.
func (w *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	form, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	w.body = string(form)
	header := req.Header.Clone()
	header.Set("Accept", "application/json")
	if header.Get("Authorization") != "" {
		// x/oauth2 percent-encodes id and secret; SAP compares them raw.
		pair := w.credential.ClientID + ":" + w.credential.ClientSecret.Reveal()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	// A mark for net/http, never sent: asking for a token changes nothing, so
	// a request that met a dead connection may go out again.
	header["Idempotency-Key"] = []string{}
	w.response, w.err = w.client.Do(req.Context(), &httpx.Request{
		Method: req.Method,
		URL:    w.credential.TokenURL,
		Header: header,
		Body:   httpx.TextBody("", w.body),
	})
	if w.err != nil {
		return nil, w.err
	}
	return &http.Response{
		StatusCode: w.response.Status,
		Status:     http.StatusText(w.response.Status),
		// Servers name all sorts of types; only JSON is a token.
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(strings.NewReader(w.response.Body)),
		Request: req,
	}, nil
}

// answer is what the body of an answer of the token server says (RFC 6749 5.1
// and 5.2).
type answer struct {
	isJSON            bool // an object
	token, tokenType  string
	lifetime          time.Duration
	hasLifetime       bool
	badLifetime       string // expires_in as written when it is no number of seconds
	code, description string
	tokens            []namedToken
}

type namedToken struct{ name, value string }

var looseToken = regexp.MustCompile(`"(access_token|refresh_token|id_token)"\s*:\s*"([^"]*)`)

func readAnswer(r *httpx.Response) answer {
	var a answer
	if r == nil {
		return a
	}
	var fields map[string]json.RawMessage
	if len(r.Body) > maxAnswer || json.Unmarshal([]byte(r.Body), &fields) != nil || fields == nil {
		// Even the torso of a token is a secret.
		for _, m := range looseToken.FindAllStringSubmatch(r.Body, 16) {
			a.tokens = append(a.tokens, namedToken{m[1], m[2]})
		}
		return a
	}
	a.isJSON = true
	text := func(name string) string {
		var s string
		if json.Unmarshal(fields[name], &s) != nil {
			return ""
		}
		return s
	}
	a.token, a.tokenType = text("access_token"), text("token_type")
	a.code, a.description = text("error"), text("error_description")
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if value := text(name); value != "" {
			a.tokens = append(a.tokens, namedToken{name, value})
		}
	}
	if raw := string(fields["expires_in"]); raw != "" && raw != "null" {
		a.lifetime, a.hasLifetime = seconds(strings.Trim(raw, `"`))
		if !a.hasLifetime {
			a.badLifetime = raw
		}
	}
	return a
}
