package runner

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
	"iflowtest/scenarios"
)

// credential is something that can obtain an access token.
type credential struct {
	oauth.Credential
	// base is the URL that paths are joined to; it may be empty.
	base string
	// origins are where its token may be sent, besides those of the target.
	origins map[string]bool
	// made says that a step of the scenario makes it: what it is, is known
	// when the step has run. See [execution.credential].
	made bool
	// fresh is set for a key that a step made or found; external says that it
	// has a certificate whose private key the platform does not know.
	fresh    *freshness
	external bool
}

// noPrivateKey is the trouble of a key that a step made with an external
// certificate.
func noPrivateKey(name string) *trouble {
	return &trouble{class: classStep, problem: Problem{
		Type: TypeCredential, Message: fmt.Sprintf("the credential %q has an external certificate, and its private key is not part of the service key", name),
		Cure: "declare it under credentials, with service-key, and with key for the private key; or create the key with key-type: certificate",
	}}
}

// make says what a credential is that a step made.
func (x *execution) make(made, is *credential) {
	if x.keys == nil {
		x.keys = map[*credential]*credential{}
	}
	x.keys[made] = is
}

// credential gives what a credential is that a step makes.
func (x *execution) credential(made *credential) (*credential, *trouble) {
	if cr, ok := x.keys[made]; ok {
		return cr, nil
	}
	return nil, &trouble{class: classStep, problem: Problem{
		Type: TypeCredential, Message: fmt.Sprintf("the credential %q does not exist: the step that makes it did not pass", made.Name),
	}}
}

// allows reports whether the credential may be shown to an origin.
func (cr *credential) allows(origin string, t *target) bool {
	return cr.origins[origin] || t.origins[origin]
}

// credentials compiles those of a scenario over those of the environment.
func (c *scenarioCompiler) credentials() {
	maps.Copy(c.out.credentials, c.envCredentials)
	vars := c.staticVars(c.out.vars, c.out.secrets)
	for _, e := range c.source.Credentials {
		if _, ofSandbox := c.envCredentials[e.Key.Text]; ofSandbox && c.o.Sandbox != nil {
			continue
		}
		if cr := c.credential(e, c.scope, vars, c.file.path); cr != nil {
			c.out.credentials[e.Key.Text] = cr
		} else {
			c.out.credentials[e.Key.Text] = &credential{}
		}
	}
}

// credential compiles one credential; nil when it cannot be used, which has
// been reported.
func (c *compiler) credential(e scenarios.Entry, scope *expression.Scope, vars map[string]any, from string) *credential {
	name := e.Key.Text
	if scenarios.CheckCredential(e.Value, name).HasErrors() {
		return nil // reported by the loader
	}
	cr := &credential{Credential: oauth.Credential{Name: name}, origins: map[string]bool{}}
	before := c.diags.Errors()
	if key := e.Value.Get("service-key"); key != nil {
		if !c.serviceKey(cr, key, scope, vars, from) {
			return nil
		}
	}
	ok := c.certificateOf(cr, e.Value, scope, vars, from)
	ok = c.override(cr, e.Value, scope, vars, true) && ok
	if c.diags.Errors() > before || !ok {
		return nil
	}
	judged := c.checkCertificate(cr, e.Value, e.Key.Pos())
	if !c.endpoints(cr, e) || !judged {
		return nil
	}
	return cr
}

// encodedKey decodes a key that was kept as base64, as CI systems like it;
// nil when the text is something else.
func encodedKey(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || !strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		return nil
	}
	return data
}

// serviceKey reads the service key that a credential names: a path, or the
// JSON text itself.
func (c *compiler) serviceKey(cr *credential, n *scenarios.Node, scope *expression.Scope, vars map[string]any, from string) bool {
	text, ok := c.static(n, scope, vars)
	if !ok {
		return false
	}
	shown := n.Text
	var data []byte
	switch {
	case strings.TrimSpace(text) == "":
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidCredential, "the service key of %q is empty", cr.Name).
			WithHint("a path, or the JSON text of the key as the cockpit shows it, is wanted"))
		return false
	case strings.Contains(text, "{"):
		data = []byte(text)
		if !expression.HasExpression(n.Text) {
			shown = "the JSON text"
		}
	case encodedKey(text) != nil:
		data = encodedKey(text)
		c.o.Redactor.Add("the value of "+n.Text, text)
	default:
		if data, ok = c.readCredentialFile(n, text, from); !ok {
			return false
		}
	}
	key, err := servicekey.Parse(cr.Name, data)
	if key != nil {
		for _, s := range key.Secrets {
			c.o.Redactor.Add(s.Name(), s.Reveal())
		}
	}
	if err != nil {
		d := diag.Errorf(n.Pos(), diag.InvalidCredential, "the service key of %q (%s) cannot be used: %s", cr.Name, shown, c.o.Redactor.Text(err.Error()))
		if e, ok := errors.AsType[*servicekey.Error](err); ok && len(e.Problems) > 0 {
			d.Message = fmt.Sprintf("the service key of %q cannot be used: %s", cr.Name, e.Problems[0])
			for _, p := range e.Problems[1:] {
				d = d.WithHint("%s", p)
			}
		}
		c.diags = append(c.diags, d)
		return false
	}
	cr.TokenURL, cr.ClientID, cr.base = key.TokenURL, key.ClientID, key.URL
	cr.signInWith(key)
	return true
}

// override puts the keys of a credential that are written out over what cr
// has. secrets says that a client secret is to be kept out of all output; a
// literal one of a token step is a negative test and is not.
func (c *compiler) override(cr *credential, n *scenarios.Node, scope *expression.Scope, vars map[string]any, secrets bool) bool {
	ok := true
	text := func(key string, set func(string)) {
		if v := n.Get(key); v != nil {
			t, known := c.static(v, scope, vars)
			if !known {
				ok = false
				return
			}
			set(t)
		}
	}
	text("token-url", func(t string) { cr.TokenURL = t })
	text("client-id", func(t string) { cr.ClientID = t })
	text("client-secret", func(t string) {
		s := secret.New(cr.Name+".client-secret", t)
		if secrets || expression.HasExpression(n.Get("client-secret").Text) {
			c.o.Redactor.Add(s.Name(), t)
		}
		cr.ClientSecret = s
	})
	text("url", func(t string) { cr.base = t })
	text("auth-style", func(t string) { cr.AuthStyle = t })
	text("scope", func(t string) { cr.Scope = t })
	if params := n.Get("params"); params != nil {
		cr.Params = slices.Clone(cr.Params)
		for _, e := range params.Entries() {
			if taken := ownKey(e.Key.Text); taken != "" {
				c.diags = append(c.diags, diag.Errorf(e.Key.Pos(), diag.InvalidCredential, "params cannot hold %s; use %s", e.Key.Text, taken))
				continue
			}
			v, known := c.static(e.Value, scope, vars)
			ok = ok && known
			cr.Params = slices.DeleteFunc(cr.Params, func(p oauth.Param) bool { return p.Name == e.Key.Text })
			cr.Params = append(cr.Params, oauth.Param{Name: e.Key.Text, Value: v})
			if secrets && secret.IsName(e.Key.Text) {
				c.o.Redactor.Add(cr.Name+"."+e.Key.Text, v)
			}
		}
	}
	if hosts := n.Get("hosts"); hosts != nil {
		cr.origins = maps.Clone(cr.origins)
		for _, h := range hosts.Items() {
			host, known := c.static(h, scope, vars)
			if !known {
				ok = false
				continue
			}
			if !strings.Contains(host, "://") {
				host = "https://" + host
			}
			origin, err := httpx.Origin(host)
			if err != nil {
				c.diags = append(c.diags, diag.Errorf(h.Pos(), diag.InvalidURL, "%q is not a host such as tenant.example or an origin such as https://tenant.example:8443", h.Text))
				continue
			}
			cr.origins[origin] = true
		}
	}
	return ok
}

// ownKey gives what a form field of a token request is set with, when it is
// not a further parameter.
func ownKey(field string) string {
	switch field {
	case "scope":
		return "scope beside params"
	case "client_id":
		return "client-id"
	case "client_secret":
		return "client-secret"
	case "grant_type":
		return "no other grant than client_credentials"
	}
	return ""
}

// endpoints checks the URLs of a credential and what it lacks.
func (c *compiler) endpoints(cr *credential, e scenarios.Entry) bool {
	before := c.diags.Errors()
	at := func(key string) diag.Position {
		for _, k := range []string{key, "service-key"} {
			if n := e.Value.Get(k); n != nil {
				return n.Pos()
			}
		}
		return e.Key.Pos()
	}
	for _, u := range []struct{ key, url string }{{"token-url", cr.TokenURL}, {"url", cr.base}} {
		if u.url == "" {
			continue
		}
		if parsed, err := url.Parse(u.url); err != nil || parsed.Hostname() == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			c.diags = append(c.diags, diag.Errorf(at(u.key), diag.InvalidURL, "the %s of %q is not an absolute URL such as https://tenant.example/oauth/token", u.key, cr.Name))
		}
	}
	for _, need := range []struct {
		key   string
		empty bool
	}{{"token-url", cr.TokenURL == ""}, {"client-id", cr.ClientID == ""}, {"client-secret", cr.ClientSecret.IsZero() && !cr.UsesCertificate()}} {
		if need.empty {
			c.diags = append(c.diags, diag.Errorf(at(need.key), diag.InvalidCredential, "the credential %q has no %s: its value is empty", cr.Name, need.key))
		}
	}
	if cr.UsesCertificate() && strings.HasPrefix(strings.ToLower(cr.TokenURL), "http://") {
		c.diags = append(c.diags, diag.Errorf(at("token-url"), diag.InvalidURL, "the token-url of %q is plain http, where no certificate can be shown", cr.Name).
			WithHint("take tokenurl of the service key as it stands (https://….authentication.cert.…)"))
	}
	if c.diags.Errors() > before {
		return false
	}
	cr.base = strings.TrimRight(cr.base, "/")
	if origin, err := httpx.Origin(cr.base); cr.base != "" && err == nil {
		cr.origins[origin] = true
	}
	return true
}

// use gives the credential that a step names, and reports one that nobody
// declares.
func (c *scenarioCompiler) use(n *scenarios.Node) *credential {
	if n == nil {
		return nil
	}
	if cr, ok := c.out.credentials[n.Text]; ok {
		return cr
	}
	names := sortedNames(c.out.credentials)
	if c.o.Check && !c.anyEnvironment && diag.Suggest(n.Text, names) == "" {
		if !c.doubted[n.Text] {
			c.doubted[n.Text] = true
			c.diags = append(c.diags, diag.Warningf(n.Pos(), diag.UnknownCredential, "no environment is chosen, so it cannot be known whether the credential %q is declared", n.Text).
				WithHint("choose one with -e, or use --sandbox"))
		}
		return &credential{}
	}
	d := diag.Errorf(n.Pos(), diag.UnknownCredential, "no credential %q is declared", n.Text)
	if s := diag.Suggest(n.Text, names); s != "" {
		d.Message += fmt.Sprintf("; did you mean %q?", s)
	} else if len(names) > 0 {
		d = d.WithHint("declared are %s", strings.Join(names, ", "))
	} else {
		d = d.WithHint("declare it under credentials of the scenario or of the environment (-e), or use --sandbox")
	}
	c.diags = append(c.diags, d)
	return &credential{}
}
