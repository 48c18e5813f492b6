package runner

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
	"iflowtest/scenarios"
)

// Access is what an environment says of the credentials it declares and of the
// way to the servers, for commands that look at credentials and run nothing.
type Access struct {
	// Environment is the name of the environment; empty without one.
	Environment string
	// HTTP is the way to the servers. Insecure is as the environment has it.
	HTTP httpx.Options
	// Credentials are those of the environment, in the order written.
	Credentials []DeclaredCredential
}

// DeclaredCredential is a credential of an environment, read and not judged.
type DeclaredCredential struct {
	Name string
	// Pos is where it is declared.
	Pos diag.Position
	// Document is its service key as it stands, whatever that holds; nil: the
	// credential is spelled out.
	Document []byte
	// Written is what the environment spells out: all of the credential, or
	// the url that holds instead of the one of the service key, and the private
	// key of an external certificate. Password opens that.
	Written  servicekey.Key
	Password secret.Secret
	// AuthStyle, Scope and Params are those of [oauth.Credential].
	AuthStyle, Scope string
	Params           []oauth.Param
}

// OpenAccess reads the credentials and the target of an environment; nil means
// none, which gives the way to the servers only. Nothing is sent. It reports
// everything that is wrong with the environment; what is wrong inside a service
// key is left to the caller. The error is a *[UsageError].
func OpenAccess(suite *scenarios.Suite, environment *scenarios.Environment, o Options) (*Access, diag.List, error) {
	c, err := newCompiler(suite, o)
	if err != nil {
		return nil, nil, err
	}
	defer c.plan.Close()
	a := &Access{}
	c.anyEnvironment, c.chosen = environment != nil, environment
	if environment != nil {
		scope := c.environmentScope()
		c.environmentVars(environment, scope)
		c.targets(environment, scope)
		c.checkClient(environment)
		a.Environment = environment.Name
		for _, e := range environment.Credentials {
			if declared, ok := c.declared(e, scope, environment.Path); ok {
				a.Credentials = append(a.Credentials, declared)
			}
		}
	}
	a.HTTP = c.plan.clientOptions()
	return a, c.diags, nil
}

// declared reads a credential; false: it cannot be read, which was reported.
func (c *compiler) declared(e scenarios.Entry, scope *expression.Scope, from string) (DeclaredCredential, bool) {
	d := DeclaredCredential{Name: e.Key.Text, Pos: e.Key.Pos()}
	if scenarios.CheckCredential(e.Value, d.Name).HasErrors() {
		return d, false // reported by the loader
	}
	before := c.diags.Errors()
	vars := c.envStatic()
	if n := e.Value.Get("service-key"); n != nil {
		document, ok := c.keyDocument(d.Name, n, scope, vars, from)
		if !ok {
			return d, false
		}
		d.Document = document
	}
	cr := &credential{Credential: oauth.Credential{Name: d.Name}, origins: map[string]bool{}}
	ok := c.certificateOf(cr, e.Value, scope, vars, from)
	if !c.override(cr, e.Value, scope, vars, true) || !ok {
		return d, false
	}
	d.AuthStyle, d.Scope, d.Params = cr.AuthStyle, cr.Scope, cr.Params
	d.Written = servicekey.Key{
		Name: d.Name, ClientID: cr.ClientID, ClientSecret: cr.ClientSecret, TokenURL: cr.TokenURL, URL: strings.TrimRight(cr.base, "/"),
		Plan: servicekey.PlanOf(cr.ClientID), Certificate: cr.Certificate, PrivateKey: cr.Key,
	}
	d.Password = cr.Password
	return d, c.diags.Errors() == before
}

// keyDocument reads what service-key: names: a path, the JSON text itself, or
// that in base64.
func (c *compiler) keyDocument(name string, n *scenarios.Node, scope *expression.Scope, vars map[string]any, from string) ([]byte, bool) {
	text, ok := c.static(n, scope, vars)
	switch {
	case !ok:
		return nil, false
	case strings.TrimSpace(text) == "":
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidCredential, "the service key of %q is empty", name).
			WithHint("a path, or the JSON text of the key as the cockpit shows it, is wanted"))
		return nil, false
	case strings.Contains(text, "{"):
		return []byte(text), true
	case encodedKey(text) != nil:
		c.o.Redactor.Add("the value of "+n.Text, text)
		return encodedKey(text), true
	}
	return c.readCredentialFile(n, text, from)
}

// ServiceKey reads the credentials of a service key in the space that the
// environment names, by the names of instance and key: the JSON value of
// "credentials", all of it secret. The error is a *[PlatformError]; what is not
// there is wrong usage.
func (p *Platform) ServiceKey(ctx context.Context, instance, key string) (json.RawMessage, error) {
	space, err := p.Space(ctx)
	if err != nil {
		return nil, err
	}
	i, err := p.client.Instance(ctx, space, instance)
	if err != nil {
		return nil, notThere(ctx, err)
	}
	k, err := p.client.Key(ctx, i.GUID, key)
	if err != nil {
		return nil, notThere(ctx, err)
	}
	details, err := p.client.KeyDetails(ctx, k.GUID)
	if err != nil {
		return nil, notThere(ctx, err)
	}
	return details, nil
}

// notThere is [platformError] for what was only looked at: nothing was to be
// provisioned, and a name that does not exist is the caller's.
func notThere(ctx context.Context, err error) error {
	t := fromPlatform(ctx, err)
	status, _ := t.class.exit()
	if t.class == classProvisioning {
		status = ExitUnknown
		if _, missing := errors.AsType[*cf.NotFoundError](err); missing {
			status = ExitUsage
		}
	}
	return &PlatformError{Problem: t.problem, Status: status}
}

// Emitter is the one way out for the events of a command that is no run of
// scenarios: what it emits has passed the redactor. It is safe for concurrent
// use.
type Emitter struct{ gate gate }

// NewEmitter makes the emitter of one run, with an id of its own.
func NewEmitter(redactor *secret.Redactor) *Emitter {
	return &Emitter{gate{redactor: redactor, run: newID()}}
}

// Clean stamps an event and passes every string of it through the redactor.
// Times that are set stay.
func (m *Emitter) Clean(e *Event) {
	e.Run = m.gate.run
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	m.gate.clean(e)
}

// Exchange gives an exchange as a report may show it, once [Emitter.Clean] has
// passed its event: whole, or method, URL, status and timings only. The body of
// the request is text; what the caller knows to be secret in the answer must be
// known to the redactor.
func (m *Emitter) Exchange(r *httpx.Response, requestBody string, whole bool) *Exchange {
	x := fromResponse(r)
	timings := x.timings
	out := &Exchange{Method: x.method, URL: x.url, Status: x.status, Timings: &timings}
	out.MessageID, _ = assertions.MessageID(x.header, x.body)
	if !whole {
		return out
	}
	out.RequestHeaders, out.Headers = m.gate.header(x.requestHeader), m.gate.header(x.header)
	out.RequestBody, out.RequestBodySize = m.gate.body(requestBody)
	out.Body, out.BodySize = m.gate.body(x.body)
	return out
}

// LearnAnswer makes the cookies and the CSRF token of an answer secrets.
func (m *Emitter) LearnAnswer(h http.Header) {
	learnCookies(m.gate.redactor, cookies(h))
	if token := h.Get("X-CSRF-Token"); len(token) >= secretLength && !strings.EqualFold(token, "required") {
		m.gate.redactor.Add("csrf token", token)
	}
}

// WorstExit gives the exit status that wins among several, and its reason.
func WorstExit(statuses []int) (status int, reason string) {
	for _, r := range ranking() {
		if slices.Contains(statuses, r.status) {
			return r.status, r.reason
		}
	}
	return ExitOK, ""
}
