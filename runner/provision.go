package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/scenarios"
)

// The labels of what a run creates: the id of the run, the number of the
// resource in it, the time from which on it may be removed by anybody, in
// seconds since 1970, and whether it is to be kept when the scenario ends.
const (
	labelRun      = "iflowtest-run"
	labelResource = "iflowtest-resource"
	labelExpires  = "iflowtest-expires"
	labelKeep     = "iflowtest-keep"
)

// annotationName is the name that the run gave a resource: one that was renamed
// since is somebody's own.
const annotationName = "iflowtest-name"

// resourceLife is how long after its start what a run creates is taken for its
// own, when nothing but labels tells.
const resourceLife = 24 * time.Hour

// deletionTimeout is the limit of one deletion, each has its own.
const deletionTimeout = 5 * time.Minute

// The values of keep.
const (
	keepNever     = "never"
	keepOnFailure = "on-failure"
	keepAlways    = "always"
)

// The values of mode.
const (
	modeCreate  = "create"
	modeAdopt   = "adopt"
	modeRequire = "require"
)

// The kinds of resources, named after the steps that create them.
const (
	kindInstance = "service-instance"
	kindKey      = "service-key"
)

// resource is something that a step created, and that goes when its scenario
// ends.
type resource struct {
	entry entry
	keep  string
	// what it is in words, for the case of its deletion.
	what string
	// step is the step that creates it, of the scenario of that name.
	step     *step
	scenario string
	// gone says that there is nothing to delete any more.
	gone bool
	// undo takes it back; nil: it is deleted. found is false when there was
	// nothing. It may run beside the scenario's own goroutine.
	undo func(ctx context.Context, e entry) (found bool, err error)
	// title is what the case of that is called; empty: delete, and what.
	title string
	// stays is why it is not taken back, as it is not of the run; empty: it is.
	stays string
	// restoration is what puts parameters back, for a resource of that kind.
	restoration *restoration
}

// labels are those of a resource of the run.
func (s *session) labels(e entry) map[string]string {
	return map[string]string{
		labelRun:      s.plan.id,
		labelResource: strconv.Itoa(e.ID),
		labelExpires:  strconv.FormatInt(s.plan.started.Add(resourceLife).Unix(), 10),
	}
}

// labelsOf are those of a resource, and what is to become of it: what is kept
// in any case has no time from which on anybody may remove it, what is kept on
// failure is, a day after the run began, when only labels tell of it.
func (s *session) labelsOf(r *resource) map[string]string {
	all := s.labels(r.entry)
	if r.keep == keepAlways || r.keep == keepOnFailure {
		all[labelKeep] = r.keep
	}
	if r.keep == keepAlways {
		delete(all, labelExpires)
	}
	return all
}

// intend notes in the journal what is about to be created. Without the note
// nothing is created.
func (x *execution) intend(r *resource) *trouble {
	r.entry.Op, r.entry.Run, r.entry.ID = opIntent, x.session.plan.id, int(x.session.space.resources.Add(1))
	r.step, r.scenario = x.step, x.scenario.name
	if err := x.session.journal.note(r.entry); err != nil {
		return journalTrouble(err)
	}
	x.created = append(x.created, r)
	return nil
}

// journalTrouble is a journal that cannot be written: nothing is created.
func journalTrouble(err error) *trouble {
	return &trouble{class: classProvisioning, err: err, problem: Problem{
		Type: TypeProvisioning, Message: err.Error(), Cure: "nothing was created; give a folder that can be written with --journal",
	}}
}

// exists notes the GUID of a resource.
func (x *execution) exists(r *resource, guid string) {
	if guid == "" || r.entry.GUID == guid {
		return
	}
	r.entry.GUID, r.entry.Op = guid, opCreated
	if err := x.session.journal.note(r.entry); err != nil {
		x.log().Warn("journal", "error", err)
	}
}

// forget notes that what was intended is not there.
func (x *execution) forget(r *resource) {
	r.gone = true
	x.session.removed(r)
}

// removed notes in the journal that a resource is gone.
func (s *session) removed(r *resource) {
	r.entry.Op = opRemoved
	if err := s.journal.note(r.entry); err != nil {
		s.plan.o.Log.Warn("journal", "error", err)
	}
}

// The most often that a create is sent whose answers are lost.
const mostCreates = 3

// creation is how a resource comes to be.
type creation struct {
	x      *execution
	client *cf.Client
	r      *resource
	kind   cf.Resource
	// send sends the request, once.
	send func(ctx context.Context, labels map[string]string) (cf.Operation, error)
	// lost says that it was sent and no answer came: the resource may be there.
	lost bool
}

// create creates a resource, and gives its GUID when it is ready. Before the
// request goes out the journal has it. A create whose answer was lost is
// repeated only when no resource of its name appears that carries its labels.
func (c *creation) create(ctx context.Context) (string, *trouble) {
	if t := ended(ctx); t != nil {
		return "", t
	}
	if t := c.begin(); t != nil {
		return "", t
	}
	for n := 1; ; n++ {
		if c.lost {
			if ready, t := c.find(ctx); ready || t != nil {
				return c.r.entry.GUID, t
			}
		}
		started := time.Now()
		operation, err := c.patiently(ctx)
		if err == nil {
			return c.wait(ctx, operation)
		}
		t := fromPlatform(ctx, err)
		switch {
		case c.lost && platform.Is(err, platform.KindNameTaken):
			if ready, found := c.find(ctx); ready || found != nil {
				return c.r.entry.GUID, found
			}
			return "", t
		case !platform.MaybeCreated(err):
			if !c.lost {
				c.x.forget(c.r)
			}
			return "", t
		}
		c.lost = true
		if ended(ctx) != nil || n == mostCreates {
			return "", t
		}
		c.x.again(t, started)
	}
}

// patiently sends the request, again while the platform is busy with something
// else that concerns the resource.
func (c *creation) patiently(ctx context.Context) (cf.Operation, error) {
	for n := 1; ; n++ {
		operation, err := c.send(ctx, c.x.session.labelsOf(c.r))
		if !platform.Is(err, platform.KindInProgress, platform.KindBusy) {
			return operation, err
		}
		c.x.log().Info("the platform is busy; asking again", "resource", c.r.what, "because", err)
		if httpx.Sleep(ctx, jittered(backoff(pause, 5*time.Second, 2, n))) != nil {
			return operation, err
		}
	}
}

// begin notes what is about to be created. A step that is repeated may find
// what it began before.
func (c *creation) begin() *trouble {
	for _, r := range c.x.created {
		if !r.gone && r.step == c.x.step && r.entry.Kind == c.r.entry.Kind && r.entry.Name == c.r.entry.Name && r.entry.Instance == c.r.entry.Instance {
			c.r, c.lost = r, true
			return nil
		}
	}
	return c.x.intend(c.r)
}

// wait waits until the resource is ready.
func (c *creation) wait(ctx context.Context, operation cf.Operation) (string, *trouble) {
	guid, err := c.client.Wait(ctx, operation, func(p cf.Progress) {
		c.x.exists(c.r, p.GUID)
		c.x.progress(c.r.what)(p)
	})
	c.x.exists(c.r, guid)
	if err == nil && c.r.entry.GUID == "" {
		var p *present
		if p, err = c.r.entry.find(ctx, c.client); p != nil {
			c.x.exists(c.r, p.guid)
		}
	}
	if err != nil {
		return "", fromPlatform(ctx, err)
	}
	return c.r.entry.GUID, nil
}

// find looks for what a create made whose answer was lost, and waits until it
// is ready. It is not ready, and there is no trouble, when there is none.
func (c *creation) find(ctx context.Context) (ready bool, t *trouble) {
	p, err := c.r.entry.await(ctx, c.client, time.Now().Add(lookAgain))
	if err != nil {
		return false, fromPlatform(ctx, err)
	}
	if p == nil {
		return false, nil
	}
	if err := p.foreign(c.r.entry); err != nil {
		c.x.forget(c.r) // the name is another's: ours cannot exist
		return false, &trouble{class: classProvisioning, err: err, problem: Problem{
			Type: TypeProvisioning, Message: fmt.Sprintf("the name is taken: %s", err), Cure: "choose another name; ${run.id} makes it unique, or ${row.…} with data",
		}}
	}
	c.x.exists(c.r, p.guid)
	c.x.log().Info("the answer was lost, but the resource is there", "resource", c.r.what, "guid", p.guid)
	last := p.last
	if last.InProgress() {
		if last, err = c.client.Settle(ctx, c.kind, p.guid, c.x.progress(c.r.what)); err != nil {
			return false, fromPlatform(ctx, err)
		}
	}
	if last.State != cf.StateSucceeded {
		return false, &trouble{class: classProvisioning, problem: Problem{
			Type: TypeProvisioning, Message: fmt.Sprintf("create %s: the operation ended as %q; the platform says %q", c.r.what, last.State, last.Description),
			Cure: "check parameters and plan; if they are right, ask the owner of the service with the text above",
		}}
	}
	return true, nil
}

// again reports that what the step in progress does stands before another
// attempt, as what stood in the way may pass.
func (x *execution) again(t *trouble, started time.Time) {
	x.repeats++
	x.report(x.step, x.nameOf(x.step), attempted{trouble: t, count: x.repeats}, started)
}

// answered makes the answer of the platform what expect and capture look at,
// its secrets masked.
func (x *execution) answered(v any, started time.Time) (*result, *trouble) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fromExpression(err)
	}
	return &result{checked: &assertions.Result{
		Body: x.session.redactor.String(string(body)), Duration: time.Since(started), Hide: x.session.redactor.String,
	}}, nil
}

// parameters are the parameters of a resource: written in the step, or in a
// JSON file.
type parameters struct {
	value *value
	file  *expression.Template
	from  fileRef
}

// parameters compiles parameters and parameters-file.
func (c *stepCompiler) parameters(body *scenarios.Node) parameters {
	p := parameters{from: c.file}
	inline, file := body.Get("parameters"), body.Get("parameters-file")
	if inline != nil && file != nil {
		c.diags = append(c.diags, diag.Errorf(body.Key("parameters-file").Pos(), diag.SeveralBodies, "the step has parameters already; one of the two is wanted"))
	}
	if inline != nil {
		v := c.value(inline, c.scope)
		p.value = &v
	}
	if file == nil {
		return p
	}
	p.file = c.template(file, c.scope)
	path, ok := p.file.Constant()
	if !ok {
		c.payloadLater(p.file, file.Pos(), func(data []byte, path string) error {
			_, problem := jsonObject(data, path)
			return problem
		})
		return p
	}
	data, err := c.plan.files.ReadFile(c.file.path, textOf(path))
	if err != nil {
		c.diags = append(c.diags, fileDiagnostic(file.Pos(), err))
	} else if _, problem := jsonObject(data, textOf(path)); problem != nil {
		c.diags = append(c.diags, diag.Errorf(file.Pos(), diag.BadFile, "%s", problem))
	}
	return p
}

// jsonObject checks that a file holds one JSON object, and says where it does
// not.
func jsonObject(data []byte, name string) (json.RawMessage, error) {
	data = []byte(strings.TrimPrefix(string(data), "\ufeff"))
	var object map[string]json.RawMessage
	err := json.Unmarshal(data, &object)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := string(data[:min(int(syntax.Offset), len(data))])
		line := 1 + strings.Count(before, "\n")
		column := len([]rune(before[strings.LastIndex(before, "\n")+1:]))
		return nil, fmt.Errorf("%s:%d:%d: not JSON: %s", name, line, max(column, 1), strings.TrimPrefix(syntax.Error(), "json: "))
	}
	if err != nil || object == nil {
		return nil, fmt.Errorf("%s: a JSON object is wanted, such as {\"roles\": [\"ESBMessaging.send\"]}", name)
	}
	return json.RawMessage(data), nil
}

// eval gives the parameters as they are sent; nil: none.
func (p parameters) eval(x *execution) (json.RawMessage, *trouble) {
	switch {
	case p.value != nil:
		b, err := p.value.appendJSON(nil, x.values)
		if err != nil {
			return nil, fromExpression(err)
		}
		return b, nil
	case p.file != nil:
		path, err := p.file.Text(x.values)
		if err != nil {
			return nil, fromExpression(err)
		}
		data, err := x.session.plan.files.ReadFile(p.from.path, path)
		if err == nil {
			data, err = jsonObject(data, path)
		}
		if err != nil {
			return nil, &trouble{class: classStep, err: err, problem: Problem{Type: TypeFile, Message: plainFileError(err)}}
		}
		return data, nil
	}
	return nil, nil
}

// space is where a run provisions: found when the first step needs it.
type space struct {
	mu     sync.Mutex
	client *cf.Client
	place  location
	// resources counts what the run was about to create.
	resources atomic.Int64
	adoptions
}

// location is a space of a platform.
type location struct {
	// guid is that of the space, api the URL of the API in one form.
	guid, api string
	// in names organisation and space, for messages.
	in string
}

// foundry gives the client of Cloud Foundry, and the space.
func (s *session) foundry(ctx context.Context) (*cf.Client, location, *trouble) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	f := s.plan.foundry
	if s.space.client == nil {
		s.space.client = newFoundryClient(f, s.client, s.plan.o)
	}
	if s.space.place.guid == "" {
		found, err := f.find(ctx, s.space.client)
		if err != nil {
			return nil, location{}, fromPlatform(ctx, err)
		}
		s.space.place = found
	}
	return s.space.client, s.space.place, nil
}

func newFoundryClient(f *foundry, client *httpx.Client, o Options) *cf.Client {
	config := f.config
	config.Learned = o.Redactor.Add
	config.Warned = func(text string) { o.Log.Warn("cloud foundry", "warning", text) }
	config.Waiting = func(reason string, d time.Duration) { o.Log.Info("cloud foundry", "waiting", d, "because", reason) }
	return cf.New(client, config)
}

// find finds the space.
func (f *foundry) find(ctx context.Context, client *cf.Client) (location, error) {
	found := location{api: plainAPI(f.config.API), in: f.org + "/" + f.space}
	if f.config.Home != "" && (f.org == "" || found.api == "") {
		session, err := cf.ReadSession(f.config.Home)
		if err != nil {
			return location{}, err
		}
		found.api = cmp.Or(found.api, plainAPI(session.API))
		if f.org == "" && session.Space.GUID == "" {
			return location{}, fmt.Errorf("the session of the cf command line is targeted at no space; run cf target -o ORG -s SPACE, or give org and space in target.cloud-foundry")
		}
		if f.org == "" {
			found.guid, found.in = session.Space.GUID, session.Organization.Name+"/"+session.Space.Name
			return found, nil
		}
	}
	org, err := client.Organization(ctx, f.org)
	if err != nil {
		return location{}, err
	}
	space, err := client.Space(ctx, org.GUID, f.space)
	found.guid = space.GUID
	return found, err
}

// plainAPI gives the URL of an API in one form, so that two spellings of one
// platform are the same in a journal.
func plainAPI(api string) string {
	if api == "" {
		return ""
	}
	if !strings.Contains(api, "://") {
		api = "https://" + api
	}
	if origin, err := httpx.Origin(api); err == nil {
		return origin
	}
	return strings.TrimRight(api, "/")
}

// progress tells the log how far the platform is.
func (x *execution) progress(what string) func(cf.Progress) {
	return func(p cf.Progress) {
		x.log().Info("waiting for the platform", "resource", what, "state", p.State, "description", p.Description, "elapsed", p.Elapsed.Round(time.Millisecond))
	}
}
