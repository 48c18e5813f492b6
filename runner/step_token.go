package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/diag"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

func tokenKind() Kind {
	shape := scenarios.CredentialShape()
	shape.Definition = ""
	shape.Doc = "the credential, and keys of it that are overridden for this step"
	shape.Keys = append([]scenarios.Key{{
		Name:  "credential",
		Shape: scenarios.Shape{Type: scenarios.TextType},
		Doc:   "the name of a declared credential",
	}}, shape.Keys...)
	return Kind{
		Name:    "token",
		Summary: "acquire a token, and look at it",
		Doc: "The token server is always asked; the token cache is refilled with the answer. Any key of a credential can be\n" +
			"given beside `credential` and overrides it: that is how a negative test is written. With an override the cache is\n" +
			"neither read nor filled. `status`, `headers`, `body` and `json` look at the answer of the token server as it came;\n" +
			"`claims` looks at the token's payload, and `signature: valid` checks signature, algorithm, times and, of a token that\n" +
			"is bound to a certificate, the certificate, against the keys that the issuer publishes. `certificate` looks at the\n" +
			"X.509 certificate of the credential, which signs in by mutual TLS and without a client secret.",
		Shape: shape,
		Example: `- name: the sender key still yields a token
  token: {credential: sender}
  expect:
    scopes: [ESBMessaging.send]
    lifetime: {gte: 10m}
    signature: valid
    claims: {grant_type: client_credentials}
- name: a wrong secret is refused
  token: {credential: sender, client-secret: wrong}
  expect:
    status: 401
    json: {error: invalid_client}
`,
		Subjects: []string{"status", "headers", "json", "body", "duration", "size", "cookies", "claims", "scopes", "lifetime", "signature", "certificate"},
		Timeout:  defaultTimeout,
		answers:  true,
		title: func(body *scenarios.Node) string {
			if n := body.Get("credential"); n != nil {
				return "token " + n.Text
			}
			return ""
		},
		compile: compileToken,
	}
}

// tokenAction acquires a token.
type tokenAction struct {
	credential *credential
	// cache says that the token may serve other steps: nothing is overridden.
	cache bool
	// claims and signature say that the token itself is looked at, status
	// that the step asserts on the status of the answer.
	claims, signature, status bool
	// changed are the keys that are overridden where a step makes the
	// credential: credential holds their values then, and base is what is made.
	changed []string
	base    *credential
}

func compileToken(c *stepCompiler, body *scenarios.Node) action {
	a := &tokenAction{credential: &credential{}, cache: true}
	named := body.Get("credential")
	if named != nil {
		a.credential = c.use(named)
	}
	overrides := body.Without("credential")
	if len(overrides.Entries()) > 0 {
		a.cache = false
		if a.credential.made {
			a.base = a.credential
			for _, e := range overrides.Entries() {
				a.changed = append(a.changed, e.Key.Text)
			}
		}
		over := *a.credential
		over.made = false
		over.origins = maps.Clone(a.credential.origins)
		over.Name = cmp.Or(over.Name, "token")
		vars := c.staticVars(c.scenarioCompiler.out.vars, c.scenarioCompiler.out.secrets)
		known := true
		if key := overrides.Get("service-key"); key != nil {
			known = c.serviceKey(&over, key, c.scope, vars, c.file.path)
		}
		known = c.certificateOf(&over, overrides, c.scope, vars, c.file.path) && known
		known = c.override(&over, overrides, c.scope, vars, false) && known
		if known && !a.credential.made {
			c.checkCertificate(&over, overrides, body.Pos())
		}
		// A secret that is deliberately empty is a test of its own.
		if known && named == nil && (over.TokenURL == "" || over.ClientID == "") && !c.o.Check {
			c.diags = append(c.diags, diag.Errorf(body.Pos(), diag.MissingKey, "the token step names no credential, and no token-url and client-id of its own"))
		}
		a.credential = &over
	} else if named == nil {
		c.diags = append(c.diags, diag.Errorf(body.Pos(), diag.MissingKey, `missing key "credential" in token`))
	}
	for _, subject := range []string{"claims", "scopes", "lifetime"} {
		a.claims = a.claims || c.source.Expect.Get(subject) != nil
	}
	a.signature = c.source.Expect.Get("signature") != nil
	a.status = c.source.Expect.Get("status") != nil
	if c.source.Capture != nil {
		a.claims = a.claims || slices.ContainsFunc(c.source.Capture.Entries(), func(e scenarios.Entry) bool { return e.Value.Get("claim") != nil })
	}
	return a
}

// resolved gives the credential of the step, also one that a step made. With an
// override it is no longer the key that was created.
func (a *tokenAction) resolved(x *execution) (*credential, *trouble) {
	made := a.credential
	if a.base != nil {
		made = a.base
	}
	if !made.made {
		return a.credential, nil
	}
	real, t := x.credential(made)
	if t != nil {
		return nil, t
	}
	if real.external && !slices.Contains(a.changed, "service-key") {
		return nil, noPrivateKey(real.Name)
	}
	if len(a.changed) == 0 {
		return real, nil
	}
	c := *real
	c.fresh = nil
	over := a.credential
	for _, key := range a.changed {
		switch key {
		case "token-url":
			c.TokenURL = over.TokenURL
		case "client-id":
			c.ClientID = over.ClientID
		case "client-secret":
			c.ClientSecret = over.ClientSecret
			c.Certificate, c.Key, c.Password, c.ValidUntil = "", secret.Secret{}, secret.Secret{}, ""
		case "certificate":
			c.Certificate, c.ValidUntil = over.Certificate, ""
		case "key":
			c.Key = over.Key
		case "key-password":
			c.Password = over.Password
		case "auth-style":
			c.AuthStyle = over.AuthStyle
		case "scope":
			c.Scope = over.Scope
		case "params":
			c.Params = over.Params
		case "service-key":
			c.TokenURL, c.ClientID, c.ClientSecret = over.TokenURL, over.ClientID, over.ClientSecret
			c.Certificate, c.Key, c.Password, c.ValidUntil = over.Certificate, over.Key, over.Password, over.ValidUntil
		}
	}
	return &c, nil
}

func (a *tokenAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	credential, t := a.resolved(x)
	if t != nil {
		return nil, t
	}
	var answer *oauth.Exchange
	err := x.untilKnown(ctx, credential, func() (err error) {
		answer, err = x.session.tokens.Fetch(ctx, credential.Credential, a.cache)
		return err
	})
	if answer == nil || answer.Response == nil {
		return &result{}, fromOAuth(ctx, err)
	}
	r := &result{
		exchange: tokenExchange(answer),
		checked: &assertions.Result{
			Status:   answer.Response.Status,
			Header:   answer.Response.Header,
			Body:     answer.Response.Body,
			Duration: answer.Response.Duration,
			Cookies:  cookies(answer.Response.Header),
			Hide:     x.session.redactor.String,
		},
	}
	if credential.UsesCertificate() {
		r.checked.Certificate = ownCertificate(credential.Inspect(time.Now()))
	}
	x.learnAnswer(answer.Response.Header)
	if err != nil {
		return a.refused(ctx, x, r, err)
	}
	token := answer.Token.Value.Reveal()
	r.checked.Lifetime = answer.Token.Lifetime
	jwt, jwtErr := oauth.Decode(token)
	if jwtErr == nil {
		r.checked.Claims = jwt.Payload
		r.checked.Scopes = jwt.Scopes
		if r.checked.Lifetime == 0 && !jwt.Expiry.IsZero() {
			r.checked.Lifetime = time.Until(jwt.Expiry)
		}
	}
	if len(r.checked.Scopes) == 0 {
		r.checked.Scopes = grantedScopes(answer.Response.Body)
	}
	if a.claims && jwtErr != nil && r.checked.Claims == "" {
		x.log().Debug("the token is no JWT", "credential", credential.Name, "error", jwtErr.Error())
	}
	if a.signature {
		remark, err := x.session.verifier.Judge(ctx, oauth.Evidence{Credential: credential.Credential, Token: token, Answer: answer.Response, Now: time.Now()})
		if remark != "" {
			x.log().Warn(remark, "credential", credential.Name)
			r.exchange.note = remark
		}
		invalid, isInvalid := errors.AsType[*oauth.Invalid](err)
		switch {
		case err == nil:
			r.checked.Signature = "valid"
		case isInvalid:
			r.checked.Signature = invalid.Reason
		default:
			return r, fromOAuth(ctx, err)
		}
	}
	return r, nil
}

// refused judges an answer that granted no token. When the step's own
// expect.status asks for that status, it is what was wanted.
func (a *tokenAction) refused(ctx context.Context, x *execution, r *result, err error) (*result, *trouble) {
	t := fromOAuth(ctx, err)
	if r.checked.Status/100 == 2 {
		return r, t // an answer without a token is none, whatever its status
	}
	if x.asksFor(r.checked.Status) {
		return r, nil
	}
	if t.class == classCredential && a.status {
		// The step looks at the status itself: its assertion tells.
		r.refused = true
		return r, nil
	}
	return r, t
}

// grantedScopes reads the scopes that a token answer names beside the token
// (RFC 6749, 5.1).
func grantedScopes(body string) []string {
	var answer struct {
		Scope string `json:"scope"`
	}
	if json.Unmarshal([]byte(body), &answer) != nil {
		return nil
	}
	return strings.Fields(answer.Scope)
}

func tokenExchange(e *oauth.Exchange) *exchange {
	x := fromResponse(e.Response)
	x.requestBody = func() string { return e.Body }
	return x
}
