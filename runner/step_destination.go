package runner

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"iflowtest/internal/destination"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/scenarios"
)

func destinationKind() Kind {
	return Kind{
		Name:    "destination",
		Summary: "create a BTP destination for an integration flow",
		Doc: "The destination holds the client ID, the client secret and the token URL of the credential, and leads to `url`. When it\n" +
			"is there, it is looked up as an application does it: the step fails when the destination service obtains no token with\n" +
			"it, unless `expect` looks at `authTokens` itself. What the step created is deleted when the scenario ends; `iflowtest\n" +
			"cleanup` finds it by its journal. A destination that exists must lead to the same URL with the same client ID.\n" +
			"A credential with a certificate wants the name of a certificate that was uploaded before, in `properties`:\n" +
			"`tokenService.KeyStoreLocation`.\n" +
			"`json` is the answer: `name`, `created` (whether this step created it), `owner`, `destinationConfiguration` with its\n" +
			"secrets masked, and `authTokens`, each with `ok`, and `type`, `expires_in` and `scope`, or `error`.",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "name", Shape: text(), Required: true, Doc: "its name"},
			{Name: "credential", Shape: text(), Required: true, Doc: "the credential it holds"},
			{Name: "url", Shape: text(), Required: true, Doc: "where it leads: an absolute URL"},
			{Name: "properties", Shape: mapOf(anything()), Doc: "further properties"},
			{Name: "mode", Shape: enum("create", "adopt", "require"), Default: "create", Doc: "create it; reuse it if it exists; or insist that it exists"},
			keep(),
		}},
		Example: `- destination:
    name: SMOKE_${run.id}
    credential: sender
    url: ${runtime}/http/orders
  expect:
    json: {authTokens.0.ok: true}
`,
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("destination", body, "name") },
		compile:  compileDestination,
	}
}

// destinationAction creates, adopts or requires a destination.
type destinationAction struct {
	name, url  *expression.Template
	credential *credential
	properties []destinationProperty
	mode, keep string
	// judged says that expect looks at authTokens.
	judged bool
}

type destinationProperty struct {
	name  string
	value value
}

func compileDestination(c *stepCompiler, body *scenarios.Node) action {
	c.destinationTarget(c.source.Pos)
	a := &destinationAction{
		name: c.template(body.Get("name"), c.scope), url: c.template(body.Get("url"), c.scope), credential: c.use(body.Get("credential")),
		mode: modeOf(body), keep: c.keepOf(body),
	}
	c.checkName(a.name, body.Get("name"), destination.CheckName, a.mode)
	if text, ok := a.url.Constant(); ok {
		if t := checkDestinationURL(textOf(text)); t != nil {
			c.diags = append(c.diags, diag.Errorf(body.Get("url").Pos(), diag.InvalidURL, "%s", t.problem.Message))
		}
	}
	for _, e := range body.Get("properties").Entries() {
		if taken := ownProperty(e.Key.Text); taken != "" {
			c.diags = append(c.diags, diag.Errorf(e.Key.Pos(), diag.UnknownKey, "properties cannot hold %s; use %s", e.Key.Text, taken))
			continue
		}
		p := destinationProperty{e.Key.Text, c.value(e.Value, c.scope)}
		if e.Value.Kind == scenarios.Map || e.Value.Kind == scenarios.List {
			c.diags = append(c.diags, diag.Errorf(e.Value.Pos(), diag.WrongType, "the property %s is no single value; a destination holds texts", e.Key.Text))
		}
		if p.value.constant && destination.IsSecret(p.name) {
			c.o.Redactor.Add(p.name, textOf(p.value.fixed))
		}
		a.properties = append(a.properties, p)
	}
	a.judged = slices.ContainsFunc(c.source.Expect.Get("json").Entries(), func(e scenarios.Entry) bool {
		return e.Key.Text == "authTokens" || strings.HasPrefix(e.Key.Text, "authTokens.")
	})
	return a
}

// ownProperty gives what a property is set with, when it is not a further one.
func ownProperty(name string) string {
	switch name {
	case destination.Name:
		return "name"
	case destination.URL:
		return "url"
	case destination.ClientID, destination.ClientSecret, destination.TokenServiceURL:
		return "a credential with it"
	case labelRun, labelResource:
		return "another name: it marks what a run creates"
	}
	return ""
}

func checkDestinationURL(text string) *trouble {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return refusedDestination("a destination leads to an absolute URL without user and password: ${runtime}/http/orders", "the url of the destination is not an absolute URL such as https://tenant.example/http/orders")
	}
	return nil
}

func (a *destinationAction) provisions(d *StepDescription, known *expression.Values) {
	details := fmt.Sprintf(" (leads to %s with the credential %s)", a.url.Partial(known), a.credential.Name)
	d.describeResource("destination "+a.name.Partial(known), details, a.mode, a.keep)
}

// destinationAnswer is what expect and capture see of a destination.
type destinationAnswer struct {
	Name          string             `json:"name"`
	Created       bool               `json:"created"`
	Owner         destinationOwner   `json:"owner"`
	Configuration map[string]string  `json:"destinationConfiguration"`
	Tokens        []destinationToken `json:"authTokens"`
}

type destinationOwner struct {
	Subaccount string `json:"SubaccountId"`
	Instance   string `json:"InstanceId,omitempty"`
}

type destinationToken struct {
	OK        bool   `json:"ok"`
	Type      string `json:"type,omitempty"`
	ExpiresIn string `json:"expires_in,omitempty"`
	Scope     string `json:"scope,omitempty"`
	Error     string `json:"error,omitempty"`
}

func (a *destinationAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	started := time.Now()
	wanted, cr, t := a.wanted(x)
	if t != nil {
		return nil, t
	}
	client := x.session.destinations()
	created, t := a.provide(ctx, x, client, wanted)
	if t != nil {
		return nil, t
	}
	found, t := a.find(ctx, x, client, wanted, cr)
	if t != nil {
		return nil, t
	}
	answer := destinationAnswer{
		Name: wanted[destination.Name], Created: created, Owner: destinationOwner{found.Subaccount, found.Instance},
		Configuration: found.Properties.Public(), Tokens: []destinationToken{},
	}
	for _, token := range found.Tokens {
		answer.Tokens = append(answer.Tokens, destinationToken{token.OK(), token.Type, token.ExpiresIn, token.Scope, token.Error})
	}
	return x.answered(answer, started)
}

// wanted gives the properties that the step asks for, and the credential they
// are of.
func (a *destinationAction) wanted(x *execution) (destination.Properties, *credential, *trouble) {
	name, err := a.name.Text(x.values)
	if err != nil {
		return nil, nil, fromExpression(err)
	}
	leads, err := a.url.Text(x.values)
	if err != nil {
		return nil, nil, fromExpression(err)
	}
	if err := destination.CheckName(name); err != nil {
		return nil, nil, refusedDestination("choose another name", "%s", err)
	}
	if t := checkDestinationURL(leads); t != nil {
		return nil, nil, t
	}
	cr := a.credential
	if cr.made {
		var t *trouble
		if cr, t = x.credential(cr); t != nil {
			return nil, nil, t
		}
	}
	p := propertiesOf(name, leads, cr)
	for _, further := range a.properties {
		v, err := further.value.eval(x.values)
		if err != nil {
			return nil, nil, fromExpression(err)
		}
		p[further.name] = textOf(v)
	}
	for _, s := range p.Secrets() {
		x.session.redactor.Add(s.Name(), s.Reveal())
	}
	if p[destination.ClientSecret] == "" && p[destination.KeyStoreLocation] == "" {
		return nil, nil, refusedDestination(
			"upload the certificate with its key under Destinations > Certificates, and give its name: properties: {tokenService.KeyStoreLocation: NAME.pem}",
			"the credential %q has a certificate, which a destination cannot hold itself", a.credential.Name)
	}
	return p, cr, nil
}

// propertiesOf makes a destination of a credential (wire/sap.md 7).
func propertiesOf(name, leads string, cr *credential) destination.Properties {
	p := destination.Properties{
		destination.Name: name, destination.Type: "HTTP", destination.URL: leads, destination.ProxyType: "Internet",
		destination.Authentication: "OAuth2ClientCredentials", destination.ClientID: cr.ClientID,
		destination.TokenServiceURL: cr.TokenURL, destination.TokenServiceURLType: "Dedicated",
	}
	if !cr.ClientSecret.IsZero() && !cr.UsesCertificate() {
		p[destination.ClientSecret] = cr.ClientSecret.Reveal()
	}
	if cr.AuthStyle == oauth.StyleHeader {
		p[destination.AddClientCredentialsInBody] = "false"
	}
	if cr.Scope != "" {
		p[destination.Scope] = cr.Scope
	}
	for _, param := range cr.Params {
		p[destination.BodyPrefix+param.Name] = param.Value
	}
	return p
}

// provide sees to it that the destination is there, and says whether the step
// created it.
func (a *destinationAction) provide(ctx context.Context, x *execution, client *destination.Client, wanted destination.Properties) (created bool, t *trouble) {
	name := wanted[destination.Name]
	if a.mode == modeCreate {
		return true, a.create(ctx, x, client, wanted)
	}
	found, err := client.Get(ctx, name)
	switch {
	case err == nil:
		x.hide(found)
		return false, a.same(found, wanted)
	case !platform.Is(err, platform.KindNotFound):
		return false, fromPlatform(ctx, err)
	case a.mode == modeRequire:
		t := fromPlatform(ctx, err)
		t.problem.Cure = "create it, or let the step do so with mode: adopt"
		return false, t
	}
	return true, a.create(ctx, x, client, wanted)
}

// hide keeps the secrets of a destination out of all output.
func (x *execution) hide(p destination.Properties) {
	for _, s := range p.Secrets() {
		x.session.redactor.Add(s.Name(), s.Reveal())
	}
}

// same says how a destination that exists differs from the one that is wanted.
func (a *destinationAction) same(found, wanted destination.Properties) *trouble {
	for _, property := range []string{destination.URL, destination.ClientID, destination.TokenServiceURL} {
		if found[property] != wanted[property] {
			return refusedDestination("choose another name, or the url and the credential that it has",
				"the destination %q exists, and its %s is %q instead of %q", wanted[destination.Name], property, found[property], wanted[property])
		}
	}
	return nil
}

// create creates the destination. Before the request goes out the journal has
// it. A create whose answer was lost is repeated only when no destination of
// its name appears that carries its marks.
func (a *destinationAction) create(ctx context.Context, x *execution, client *destination.Client, wanted destination.Properties) *trouble {
	if t := ended(ctx); t != nil {
		return t
	}
	name := wanted[destination.Name]
	r, lost := x.begunDestination(name)
	if !lost {
		r = &resource{
			keep: a.keep, what: "destination " + name,
			entry: entry{Kind: kindDestination, Name: name, API: plainAPI(client.URL()), In: "the destination service"},
		}
		if t := x.intend(r); t != nil {
			return t
		}
	}
	labels := x.session.labels(r.entry)
	wanted[labelRun], wanted[labelResource] = labels[labelRun], labels[labelResource]
	for n := 1; ; n++ {
		if lost {
			if ready, t := x.foundDestination(ctx, client, r); ready || t != nil {
				return t
			}
		}
		started := time.Now()
		err := client.Create(ctx, wanted)
		if err == nil {
			x.destinationExists(r)
			return nil
		}
		t := fromPlatform(ctx, err)
		switch {
		case lost && platform.Is(err, platform.KindNameTaken):
			if ready, found := x.foundDestination(ctx, client, r); ready || found != nil {
				return found
			}
			return t
		case !platform.MaybeCreated(err):
			if !lost {
				x.forget(r)
			}
			return t
		}
		lost = true
		if ended(ctx) != nil || n == mostCreates {
			return t
		}
		x.again(t, started)
	}
}

// begunDestination gives what the step began before, when it is repeated.
func (x *execution) begunDestination(name string) (*resource, bool) {
	for _, r := range x.created {
		if !r.gone && r.step == x.step && r.entry.Kind == kindDestination && r.entry.Name == name {
			return r, true
		}
	}
	return nil, false
}

// foundDestination looks for what a create made whose answer was lost.
func (x *execution) foundDestination(ctx context.Context, client *destination.Client, r *resource) (ready bool, t *trouble) {
	p, err := r.entry.findDestination(ctx, client, time.Now().Add(lookAgain))
	if err != nil {
		return false, fromPlatform(ctx, err)
	}
	if p == nil {
		return false, nil
	}
	if err := p.foreign(r.entry); err != nil {
		x.forget(r) // the name is another's: ours cannot exist
		return false, refusedDestination("choose another name; ${run.id} makes it unique, or ${row.…} with data", "the name is taken: %s", err)
	}
	x.destinationExists(r)
	return true, nil
}

// destinationExists notes that the destination is there.
func (x *execution) destinationExists(r *resource) {
	if r.entry.Op == opCreated {
		return
	}
	r.entry.Op = opCreated
	if err := x.session.journal.note(r.entry); err != nil {
		x.log().Warn("journal", "error", err)
	}
}

// find looks the destination up as an application does. A token that is refused
// for a key that was just created is asked for again, for a bounded time.
func (a *destinationAction) find(ctx context.Context, x *execution, client *destination.Client, wanted destination.Properties, cr *credential) (destination.Found, *trouble) {
	name := wanted[destination.Name]
	for n := 1; ; n++ {
		started := time.Now()
		found, err := client.Find(ctx, name)
		if err != nil {
			return found, fromPlatform(ctx, err)
		}
		x.hide(found.Properties)
		for _, token := range found.Tokens {
			x.session.redactor.AddToken(token.Value.Name(), token.Value.Reveal())
		}
		if found.Instance != "" {
			return found, refusedDestination("choose another name",
				"the service instance %s has a destination %q of its own, which its callers get instead of that of the subaccount", found.Instance, name)
		}
		t := tokenless(name, found.Tokens)
		if t == nil {
			cr.fresh.worked()
			return found, nil
		}
		if !cr.fresh.young() || a.judged {
			if a.judged {
				t = nil
			}
			return found, t
		}
		x.log().Info("the destination service gets no token with the new key; asking again", "destination", name, "attempt", n)
		x.again(t, started)
		if httpx.Sleep(ctx, jittered(backoff(500*time.Millisecond, 10*time.Second, 2, n))) != nil {
			return found, t
		}
	}
}

// tokenless says why the destination service has no token; nil: it has, or
// needs none.
func tokenless(name string, tokens []destination.Token) *trouble {
	for _, token := range tokens {
		if !token.OK() {
			return refusedDestination(
				"ask for a token with the same credential in a token step; if that works, the destination service cannot reach the token server, or wants other properties",
				"the destination %q is there, but the destination service gets no token with it; it says %q", name, token.Error)
		}
	}
	return nil
}
