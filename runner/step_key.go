package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/servicekey"
	"iflowtest/scenarios"
)

func serviceKeyKind() Kind {
	return Kind{
		Name:    "service-key",
		Summary: "create a service key of an instance",
		Doc: "The key is deleted when the scenario ends, before its instance. With `credential` it is, from the next step on, the\n" +
			"credential of that name. A token that the platform refuses for a key that was just created is asked for again, for two\n" +
			"minutes at most; a key that worked before is never tried again. `json` is the key: `guid`, `name`, `instance`, `created`\n" +
			"(whether this step created it), and `credentials` with its secrets masked.",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "name", Shape: text(), Required: true, Doc: "its name"},
			{Name: "instance", Shape: text(), Required: true, Doc: "the name of the service instance"},
			{Name: "parameters", Shape: mapOf(anything()), Doc: "the parameters of the platform"},
			{Name: "parameters-file", Shape: text(), Doc: "a JSON file that holds them"},
			{Name: "credential", Shape: text(), Doc: "the credential that it is from here on"},
			{Name: "mode", Shape: enum("create", "adopt", "require"), Default: "create", Doc: "create it; reuse it if it exists; or insist that it exists"},
			keep(),
		}},
		Example: `- service-instance: {name: "smoke-${run.id}", plan: integration-flow}
- service-key: {name: smoke-key, instance: "smoke-${run.id}", credential: smoke}
- name: the new key yields a token that the flow accepts
  call: {POST: /http/orders, credential: smoke, json: {sku: A-100, qty: 1}}
`,
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("service-key", body, "name") },
		compile:  compileKey,
	}
}

// keyAction creates, adopts or requires a service key.
type keyAction struct {
	name, instance *expression.Template
	parameters     parameters
	mode, keep     string
	// credential is what the key is from here on; nil: none.
	credential *credential
}

func compileKey(c *stepCompiler, body *scenarios.Node) action {
	c.foundryTarget(c.source.Pos)
	a := &keyAction{
		name: c.template(body.Get("name"), c.scope), instance: c.template(body.Get("instance"), c.scope),
		parameters: c.parameters(body), mode: modeOf(body), keep: c.keepOf(body),
	}
	c.checkName(a.name, body.Get("name"), cf.CheckKeyName, a.mode)
	if n := body.Get("credential"); n != nil {
		if expression.HasExpression(n.Text) {
			c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidCredential, "the name of a credential is fixed, so that the steps below can be checked"))
			return a
		}
		a.credential = &credential{Credential: oauth.Credential{Name: n.Text}, made: true}
		c.scenarioCompiler.out.credentials[n.Text] = a.credential
	}
	return a
}

// keyAnswer is what expect and capture see of a key.
type keyAnswer struct {
	GUID        string          `json:"guid"`
	Name        string          `json:"name"`
	Instance    string          `json:"instance"`
	Created     bool            `json:"created"`
	Credentials json.RawMessage `json:"credentials"`
}

func (a *keyAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	started := time.Now()
	name, err := a.name.Text(x.values)
	if err != nil {
		return nil, fromExpression(err)
	}
	instanceName, err := a.instance.Text(x.values)
	if err != nil {
		return nil, fromExpression(err)
	}
	client, space, t := x.session.foundry(ctx)
	if t != nil {
		return nil, t
	}
	instance, err := client.Instance(ctx, space.guid, instanceName)
	if err != nil {
		return nil, x.vanished(fromPlatform(ctx, err), instanceName, "")
	}
	guid, created, t := a.find(ctx, x, client, space, instance, name)
	if t != nil {
		return nil, x.vanished(t, instanceName, instance.GUID)
	}
	details, err := client.KeyDetails(ctx, guid)
	if err != nil {
		return nil, x.vanished(fromPlatform(ctx, err), instanceName, instance.GUID)
	}
	key, err := servicekey.Parse(name, details)
	if key != nil {
		for _, s := range key.Secrets {
			x.session.redactor.Add(s.Name(), s.Reveal())
		}
	}
	if err != nil {
		return nil, &trouble{class: classProvisioning, err: err, problem: Problem{
			Type: TypeProvisioning, Message: fmt.Sprintf("the service key %q cannot be used: %s", name, err),
		}}
	}
	if a.credential != nil {
		x.make(a.credential, usable(a.credential.Name, key, created, instance))
	}
	return x.answered(keyAnswer{guid, name, instanceName, created, credentialsOf(details)}, started)
}

// credentialsOf takes the credentials out of what the platform puts around
// them.
func credentialsOf(details json.RawMessage) json.RawMessage {
	var wrapped struct {
		Credentials json.RawMessage `json:"credentials"`
	}
	if json.Unmarshal(details, &wrapped) == nil && len(wrapped.Credentials) > 0 {
		return wrapped.Credentials
	}
	return details
}

// usable makes a credential of a key.
func usable(name string, key *servicekey.Key, created bool, instance cf.Instance) *credential {
	cr := &credential{
		Credential: oauth.Credential{Name: name, TokenURL: key.TokenURL, ClientID: key.ClientID},
		base:       key.URL,
		origins:    map[string]bool{},
		external:   key.Certificate != "" && key.PrivateKey.IsZero(),
		fresh:      &freshness{instance: instance.Name, instanceGUID: instance.GUID},
	}
	if !cr.external {
		cr.signInWith(key)
	}
	if origin, err := httpx.Origin(key.URL); err == nil {
		cr.origins[origin] = true
	}
	if created {
		cr.fresh.until = time.Now().Add(freshKey)
	}
	return cr
}

// find gives the GUID of the key, and whether the step created it.
func (a *keyAction) find(ctx context.Context, x *execution, client *cf.Client, space location, instance cf.Instance, name string) (guid string, created bool, t *trouble) {
	if a.mode != modeCreate {
		found, t := a.existing(ctx, x, client, instance, name)
		if t != nil || found != "" {
			return found, false, t
		}
	}
	guid, t = a.create(ctx, x, client, space, instance, name)
	if a.mode == modeAdopt && taken(t) {
		// Somebody else was faster, and what they create is there by now.
		found, again := a.existing(ctx, x, client, instance, name)
		if again != nil || found != "" {
			return found, false, again
		}
	}
	return guid, true, t
}

// existing gives the GUID of the key, when nothing is under way for it any
// more. Empty: there is none, and one is to be created.
func (a *keyAction) existing(ctx context.Context, x *execution, client *cf.Client, instance cf.Instance, name string) (string, *trouble) {
	for {
		found, err := client.Key(ctx, instance.GUID, name)
		if missing, ok := errors.AsType[*cf.NotFoundError](err); ok {
			if a.mode == modeAdopt {
				return "", nil
			}
			missing.Cure = "create it, or let the step do so with mode: adopt"
			return "", fromPlatform(ctx, missing)
		}
		if err != nil {
			return "", fromPlatform(ctx, err)
		}
		if !found.LastOperation.InProgress() {
			return found.GUID, nil
		}
		if _, err := client.Settle(ctx, cf.ServiceKey, found.GUID, x.progress(name)); err != nil {
			return "", fromPlatform(ctx, err)
		}
	}
}

func (a *keyAction) create(ctx context.Context, x *execution, client *cf.Client, space location, instance cf.Instance, name string) (string, *trouble) {
	if t := refusedName(cf.CheckKeyName(name)); t != nil {
		return "", t
	}
	parameters, t := a.parameters.eval(x)
	if t != nil {
		return "", t
	}
	c := creation{
		x: x, client: client, kind: cf.ServiceKey,
		r: &resource{
			keep: a.keep, what: fmt.Sprintf("service key %s of %s", name, instance.Name),
			entry: space.at(entry{Kind: kindKey, Name: name, Instance: instance.GUID}),
		},
		send: func(ctx context.Context, labels map[string]string) (cf.Operation, error) {
			return client.CreateKey(ctx, cf.CreateKey{Name: name, InstanceGUID: instance.GUID, Parameters: parameters, Labels: labels, Annotations: map[string]string{annotationName: name}})
		},
	}
	return c.create(ctx)
}

// freshKey is how long a key that was just created may be refused before that
// is taken seriously: what it is made of spreads through the platform.
const freshKey = 2 * time.Minute

// freshness is a key of a step, maybe one that was just created; it is shared by
// what uses it.
type freshness struct {
	until time.Time   // zero: the key was there before
	known atomic.Bool // it yielded a token
	// instance and instanceGUID say whose key it is.
	instance, instanceGUID string
}

// young reports whether the platform may not know the key yet; nil is no key
// that was just created.
func (f *freshness) young() bool { return f != nil && !f.known.Load() && time.Now().Before(f.until) }

// worked notes that the key yielded a token.
func (f *freshness) worked() {
	if f != nil {
		f.known.Store(true)
	}
}

// token gets a token for a call. One that is refused for a key that was just
// created is asked for again, for a bounded time.
func (x *execution) token(ctx context.Context, cr *credential) (token oauth.Token, err error) {
	err = x.untilKnown(ctx, cr, func() error {
		token, err = x.session.tokens.Token(ctx, cr.Credential)
		return err
	})
	return token, err
}

// untilKnown asks for a token, again while it is refused for a key that was
// just created; what it asks for again is an attempt of the step.
func (x *execution) untilKnown(ctx context.Context, cr *credential, ask func() error) error {
	for n := 1; ; n++ {
		started := time.Now()
		err := ask()
		if err == nil {
			cr.fresh.worked()
		}
		if gone := x.withdrawn(cr, err); gone != nil && !x.wantsRefusal(err) {
			return gone
		}
		if err == nil || !cr.mayRefuse(err) || x.wantsRefusal(err) {
			return err
		}
		x.log().Info("the platform refuses the new key; asking again", "credential", cr.Name, "attempt", n)
		t := fromOAuth(ctx, err)
		t.problem.Cure = "the key was created just now, and what it is made of spreads through the platform: it is asked again"
		x.again(t, started)
		if httpx.Sleep(ctx, jittered(backoff(500*time.Millisecond, 10*time.Second, 2, n))) != nil {
			return err
		}
	}
}

// wantsRefusal reports whether the token step in progress asks for the status
// of the refusal.
func (x *execution) wantsRefusal(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && x.step.kind == "token" && x.asksFor(e.Status)
}

// mayRefuse reports whether a refusal may be that of a key that is too new.
func (cr *credential) mayRefuse(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Refused() && slices.Contains([]int{400, 401, 403}, e.Status) && cr.fresh.young()
}
