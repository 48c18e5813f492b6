package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/scenarios"
)

// The labels of what a run creates: the id of the run, and the time from which
// on it may be removed by anybody, in seconds since 1970.
const (
	labelRun     = "iflowtest-run"
	labelExpires = "iflowtest-expires"
)

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

// resource is something that a step created, and that goes when its scenario
// ends.
type resource struct {
	entry entry
	keep  string
	// what it is in words, for the case of its deletion.
	what string
	// gone says that it is deleted together with another one.
	gone bool
}

// labels are those of what the run creates.
func (s *session) labels() map[string]string {
	return map[string]string{
		labelRun:     s.plan.id,
		labelExpires: strconv.FormatInt(s.plan.started.Add(resourceLife).Unix(), 10),
	}
}

// intend notes in the journal what is about to be created. Without the note
// nothing is created.
func (x *execution) intend(r *resource) *trouble {
	r.entry.Op = opIntent
	if err := x.session.journal.note(r.entry); err != nil {
		return &trouble{class: classProvisioning, err: err, problem: Problem{
			Type: TypeProvisioning, Message: err.Error(), Cure: "nothing was created; give a folder that can be written with --journal",
		}}
	}
	x.session.mu.Lock()
	x.created = append(x.created, r)
	x.session.mu.Unlock()
	return nil
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
	guid   string
}

// foundry gives the client of Cloud Foundry and the GUID of the space.
func (s *session) foundry(ctx context.Context) (*cf.Client, string, *trouble) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	f := s.plan.foundry
	if s.space.client == nil {
		s.space.client = newFoundryClient(f, s.client, s.plan.o)
	}
	if s.space.guid == "" {
		guid, err := f.find(ctx, s.space.client)
		if err != nil {
			return nil, "", fromPlatform(ctx, err)
		}
		s.space.guid = guid
	}
	return s.space.client, s.space.guid, nil
}

func newFoundryClient(f *foundry, client *httpx.Client, o Options) *cf.Client {
	config := f.config
	config.Learned = o.Redactor.Add
	config.Warned = func(text string) { o.Log.Warn("cloud foundry", "warning", text) }
	config.Waiting = func(reason string, d time.Duration) { o.Log.Info("cloud foundry", "waiting", d, "because", reason) }
	return cf.New(client, config)
}

// find gives the GUID of the space.
func (f *foundry) find(ctx context.Context, client *cf.Client) (string, error) {
	if f.org == "" && f.config.Home != "" {
		session, err := cf.ReadSession(f.config.Home)
		if err != nil {
			return "", err
		}
		if session.Space.GUID == "" {
			return "", fmt.Errorf("the session of the cf command line is targeted at no space; run cf target -o ORG -s SPACE, or give org and space in target.cloud-foundry")
		}
		return session.Space.GUID, nil
	}
	org, err := client.Organization(ctx, f.org)
	if err != nil {
		return "", err
	}
	found, err := client.Space(ctx, org.GUID, f.space)
	if err != nil {
		return "", err
	}
	return found.GUID, nil
}

// fromPlatform turns an error of Cloud Foundry into trouble.
func fromPlatform(ctx context.Context, err error) *trouble {
	if t := ended(ctx); t != nil {
		t.err = err
		return t
	}
	t := &trouble{class: classProvisioning, err: err, problem: Problem{Type: TypeProvisioning, Message: err.Error()}}
	if missing, ok := errors.AsType[*cf.NotFoundError](err); ok {
		t.problem.Cure = missing.Cure
		return t
	}
	e, ok := errors.AsType[*cf.Error](err)
	if !ok {
		return t
	}
	t.problem.Message, t.problem.Cure = e.Message, e.Cure
	switch e.Kind {
	case cf.KindNetwork, cf.KindRefusedOrigin:
		t.class, t.problem.Type = classUnknown, TypeNetwork
	case cf.KindTLS:
		t.class, t.problem.Type = classUnknown, TypeTLS
	case cf.KindTimeout:
		t.class, t.problem.Type = classUnknown, TypeTimeout
	case cf.KindInterrupted:
		t.class, t.problem.Type = classInterrupted, TypeInterrupted
	case cf.KindSignIn, cf.KindUnauthorized:
		t.class, t.problem.Type = classCredential, TypeCredential
	case cf.KindServer, cf.KindRateLimited, cf.KindAnswer:
		t.class = classUnknown
	}
	return t
}

// progress tells the log how far the platform is.
func (x *execution) progress(what string) func(cf.Progress) {
	return func(p cf.Progress) {
		x.log().Info("waiting for the platform", "resource", what, "state", p.State, "description", p.Description, "elapsed", p.Elapsed.Round(time.Millisecond))
	}
}
