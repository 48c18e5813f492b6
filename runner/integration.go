package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/cpi"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/scenarios"
)

// paces keeps the requests of a run to each OData API within the limits of the
// platform, for each user of each tenant. It is safe for concurrent use.
type paces struct {
	mu  sync.Mutex
	all map[string]*cpi.Pace
}

// of gives the pace of a user at an API.
func (p *paces) of(root, user string) *cpi.Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := root + " " + user
	if p.all == nil {
		p.all = map[string]*cpi.Pace{}
	}
	if p.all[key] == nil {
		p.all[key] = cpi.NewPace()
	}
	return p.all[key]
}

// integration is the OData API as one step speaks to it.
type integration struct {
	*cpi.Client
	// root is that of the API, and credential the name of what it is used with.
	root, credential string
	// apart is for what happens beside the scenario, when it ends.
	apart *cpi.Client
	// last is the newest answer, for the report; nil: there is none yet.
	last *exchange
	// waiting is told why the step asks again, and when.
	waiting func(reason string, d time.Duration)
}

// integration gives the API that a credential belongs to.
func (x *execution) integration(named *credential) (*integration, *trouble) {
	cr := named
	if named.made {
		real, t := x.credential(named)
		if t != nil {
			return nil, t
		}
		cr = real
	}
	root := apiRoot(&x.session.plan.target, cr)
	if root == "" {
		return nil, &trouble{class: classStep, problem: Problem{
			Type: TypeCredential, Message: fmt.Sprintf("the credential %q has no url, and the environment no target.api: nobody knows where the OData API is", cr.Name),
			Cure: "give target.api, or a service key of plan api",
		}}
	}
	api := &integration{root: root, credential: named.Name}
	config := integrationConfig(x.session.plan.o, x.session.tokens, cr, root)
	config.Pace = x.session.paces.of(root, cr.ClientID)
	api.waiting = config.Waiting
	api.apart = cpi.New(x.session.client, config)
	anyToken := config.Token
	config.Token = func(ctx context.Context, refused oauth.Token) (oauth.Token, error) {
		if refused.Value.IsZero() {
			return x.token(ctx, cr)
		}
		return anyToken(ctx, refused)
	}
	config.Answered = func(r *httpx.Response) {
		x.learnAnswer(r.Header)
		x.session.clock.hear(r.Header, r.Started, time.Now(), true)
		api.last = fromResponse(r)
	}
	api.Client = cpi.New(x.session.client, config)
	return api, nil
}

// integrationConfig says how to speak to an OData API with a credential,
// outside of a step.
func integrationConfig(o Options, tokens *oauth.Source, cr *credential, root string) cpi.Config {
	return cpi.Config{
		Root: root,
		Token: func(ctx context.Context, refused oauth.Token) (oauth.Token, error) {
			if refused.Value.IsZero() {
				return tokens.Token(ctx, cr.Credential)
			}
			o.Log.Debug("the token was refused; asking for a new one", "credential", cr.Name)
			return tokens.Renew(ctx, cr.Credential, refused)
		},
		Answered: func(r *httpx.Response) { learnAnswer(o.Redactor, r.Header) },
		Waiting: func(reason string, d time.Duration) {
			o.Log.Info("cloud integration", "waiting", d, "because", reason)
		},
		Learned: o.Redactor.Add,
	}
}

// apiRoot gives the root of the OData API: target.api, else the credential's
// URL with /api/v1; empty: neither is known.
func apiRoot(t *target, cr *credential) string {
	if t.api != "" || cr.base == "" {
		return t.api
	}
	return strings.TrimSuffix(cr.base, cpi.Path) + cpi.Path
}

// api checks what a step that speaks to the OData API needs, and gives its
// credential.
func (c *stepCompiler) api(body *scenarios.Node) *credential {
	n := body.Get("credential")
	cr := c.use(n)
	if !c.o.Check && cr.TokenURL != "" && !cr.made && apiRoot(&c.plan.target, cr) == "" {
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidURL, "nobody knows where the OData API is: the environment has no target.api, and the credential %q no url", n.Text).
			WithHint("choose an environment with -e, or use --sandbox"))
	}
	return cr
}

// fromIntegration turns an error of the OData API into trouble.
func fromIntegration(ctx context.Context, err error) *trouble {
	return fromService(ctx, integrationService(), err)
}

// fromUndo turns what stands in the way of taking something back into trouble.
func fromUndo(ctx context.Context, err error) *trouble {
	if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
		t := fromUndo(ctx, several.Unwrap()[0])
		for _, more := range several.Unwrap()[1:] {
			t.problem.Message += "; " + fromUndo(ctx, more).problem.Message
		}
		return t
	}
	if u, ok := errors.AsType[*unfinished](err); ok {
		if t := ended(ctx); t != nil {
			t.problem.Message += ": " + u.message
			return t
		}
	}
	return fromPlatform(ctx, err)
}

// ended gives what the wait of a step for the platform came to when its time
// was up, or t when something else ended it.
func (a *integration) ended(ctx context.Context, t *trouble, what, cure string) (*result, *trouble) {
	r := &result{exchange: a.last}
	e := ended(ctx)
	if e == nil || e.problem.Type != TypeTimeout {
		return r, t
	}
	e.problem.Message += ": " + what
	e.problem.Cure = cure
	return r, e
}

// How long the API may be out of order in a row while a step waits for
// something, and the waits between two looks then, on top of those of the
// client.
const (
	outageLimit = 30 * time.Second
	outageEvery = 500 * time.Millisecond
	outageMax   = 5 * time.Second
)

// patiently asks the API for something, and asks again while it is out of
// order: that says nothing about what is waited for. The error is the last one.
func patiently[T any](ctx context.Context, a *integration, ask func() (T, error)) (T, error) {
	began := time.Now()
	for n := 1; ; n++ {
		v, err := ask()
		again, after := passing(err)
		if !again {
			return v, err
		}
		left := outageLimit - time.Since(began)
		wait := max(min(jittered(backoff(outageEvery, outageMax, 2, n)), left), after)
		end, limited := ctx.Deadline()
		switch {
		case limited && time.Until(end) <= wait:
			return v, err
		case left <= 0 || wait > left:
			return v, lasting(err)
		}
		a.waiting(err.Error(), wait)
		if httpx.Sleep(ctx, wait) != nil {
			return v, err
		}
	}
}

// passing reports whether an error of the API, or of its token, may pass by
// itself, and how long the answer asks to wait.
func passing(err error) (again bool, after time.Duration) {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return slices.Contains([]string{"network", "busy", "server"}, string(e.Kind)), e.RetryAfter
	}
	if e, ok := errors.AsType[*platform.Error](err); ok {
		return platform.Is(err, platform.KindNetwork, platform.KindServer, platform.KindRateLimited), e.RetryAfter
	}
	return false, 0
}

// lasting says of an error that it was the same for as long as a step is
// patient.
func lasting(err error) error {
	e, ok := errors.AsType[*platform.Error](err)
	if !ok {
		return err
	}
	told := *e
	told.Message += "; it was asked again for half a minute"
	return &told
}

// clock is when one execution began.
type clock struct {
	// began is by the local clock.
	began time.Time
}

// began gives the earliest and the latest time by the clock of the tenant at
// which the execution may have begun; by the local one where the tenant has
// told no time.
func (x *execution) began() (earliest, latest time.Time) {
	return x.session.clock.at(x.clock.began)
}

// hearTenant takes the time from the answer that a step got, when it came from
// the tenant, and notes whose message it was.
func (x *execution) hearTenant(e *exchange) {
	if e == nil || e.header == nil {
		return
	}
	if _, calls := x.step.action.(*callAction); calls {
		if id, ok := assertions.MessageID(e.header, e.body); ok {
			x.session.messages.note(id, messageOwner{x.number(), true})
		}
	}
	origin, err := httpx.Origin(e.url)
	if err != nil {
		return
	}
	ofTenant := x.session.plan.target.origins[origin]
	for _, cr := range x.scenario.credentials {
		base, err := httpx.Origin(cr.base)
		ofTenant = ofTenant || err == nil && base == origin
	}
	if ofTenant {
		x.session.clock.hear(e.header, e.started, time.Now(), false)
	}
}

// needed evaluates a text that may not be empty.
func (x *execution) needed(t *expression.Template, what string) (string, *trouble) {
	text, err := t.Text(x.values)
	if err != nil {
		return "", fromExpression(err)
	}
	if strings.TrimSpace(text) == "" {
		return "", fromExpression(fmt.Errorf("%s is empty", what))
	}
	return text, nil
}

// The most of an error information that a failure shows, in lines and in bytes
// of one.
const (
	maxErrorLines = 40
	maxErrorLine  = 1000
)

// errorLines gives an error information line by line, its secrets masked
// before anything is cut.
func (x *execution) errorLines(text string) []string {
	var lines []string
	for line := range strings.Lines(x.session.redactor.String(text)) {
		if line = strings.TrimRight(line, "\r\n\t "); line == "" {
			continue
		}
		if len(lines) == maxErrorLines {
			return append(lines, fmt.Sprintf("… %d lines in all", strings.Count(text, "\n")+1))
		}
		lines = append(lines, cutText(line, maxErrorLine))
	}
	return lines
}

// cutText shortens a text to some n bytes, at the end of a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// firstLine gives what to add to a message: the first line of an error
// information, or nothing.
func firstLine(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return ": " + cutText(lines[0], 300)
}

// wanted is a failure of a value that a step itself wants to have.
func wanted(place assertions.Place, subject, want, got, message string, notes []string) assertions.Failure {
	return assertions.Failure{Place: place, Subject: subject, Operator: "equals", Want: want, Got: got, Message: message, Notes: notes}
}

// maxNear is how many names are shown where none is near.
const maxNear = 10

// near says which of the names may be meant by one that does not exist.
func near(name string, names []string) string {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
	if s := diag.Suggest(name, names); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	names = slices.Sorted(slices.Values(names))
	if len(names) == 0 {
		return ""
	}
	text := "there are " + strings.Join(names[:min(len(names), maxNear)], ", ")
	if more := len(names) - maxNear; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// deployedNames gives the IDs of what is deployed, as far as they can be known.
func (a *integration) deployedNames(ctx context.Context) []string {
	artifacts, err := a.RuntimeArtifacts(ctx)
	if err != nil {
		return nil // it is only for a hint
	}
	names := make([]string, 0, len(artifacts))
	for _, artifact := range artifacts {
		names = append(names, artifact.ID)
	}
	return names
}

// looked is what expect and capture see of JSON that the platform gave.
func (x *execution) looked(body string, started time.Time) *assertions.Result {
	return &assertions.Result{Body: body, Duration: time.Since(started), Hide: x.session.redactor.String}
}

// joinLines puts lines into one text.
func joinLines(lines []string) string { return strings.Join(lines, "\n") }
