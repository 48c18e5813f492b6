package runner

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/expression"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// cleanupTimeout is how long the cleanup of a scenario may take; after a
// signal it has interruptedCleanup, as a CI agent soon kills.
const (
	cleanupTimeout     = 5 * time.Minute
	interruptedCleanup = 8 * time.Second
)

// execution is one scenario, or one data row of it, while it runs; one
// goroutine owns it.
type execution struct {
	session  *session
	scenario *scenario
	step     *step
	// id is the ScenarioID; row is the data row, nil without data.
	id      int
	row     *scenarios.Row
	rowName string
	// vars are the variables that have a value, frames the includes that were
	// entered.
	vars   map[string]any
	frames map[*frame]*entered
	// keys are the credentials that steps made.
	keys map[*credential]*credential
	// created is what steps created, in order; it goes when the scenario ends.
	created []*resource
	flaky   bool // a step was
	try     int  // which time the scenario runs, from 1
	// repeated reports whether the scenario will be run once more; nil: no.
	repeated func() bool
	// repeats counts what the step in progress did more than once, as what
	// stood in the way passed by itself.
	repeats int
	values  *expression.Values
	// clock is that of the tenant.
	clock clock
	// logs are the message logs that steps looked at.
	logs lookedAt
	jar  http.CookieJar
	// lastBody is the body that the attempt in progress sends, for its report.
	lastBody string
	outcome  Outcome
	classes  class
	counts   Counts
	// stopped is why the steps that follow are skipped; ended is set when that
	// is a time limit or a signal.
	stopped string
	ended   *Problem
	// skip says that the scenario asks to be skipped, begun that a step of it
	// was tried: only then there is something to clean up.
	skip, begun bool
}

func (x *execution) log() *slog.Logger { return x.session.plan.o.Log }

// execution makes a scenario, or one row of it, ready to run.
func (s *session) execution(sc *scenario, id int, row *scenarios.Row) *execution {
	x := &execution{session: s, scenario: sc, id: id, row: row, vars: map[string]any{}, clock: clock{began: time.Now()}}
	jar, _ := cookiejar.New(nil) // it returns no error
	x.jar = learningJar{jar, s.redactor}
	x.values = s.plan.values(nil, sc, x.readFile)
	x.values.Lookup = x.lookup
	if row != nil {
		x.values.Row, x.values.RowIndex = row.Values, row.Index
		for name, v := range row.Values {
			if sc.secrets[name] {
				learn(s.redactor, name, v)
			}
		}
	}
	return x
}

// readFile reads what file(path) names, relative to the file of the step.
func (x *execution) readFile(path string) ([]byte, error) {
	return x.session.plan.files.ReadFile(x.from(), path)
}

// from is the file that the paths of the step in progress are relative to.
func (x *execution) from() string {
	if x.step != nil && x.step.frame != nil {
		return x.step.frame.path
	}
	return x.scenario.path
}

// lookup gives a variable: a parameter of the include that the step stands in,
// else what was captured, set or declared.
func (x *execution) lookup(name string) (any, bool) {
	if x.step != nil {
		for f := x.step.frame; f != nil; f = f.parent {
			if slices.ContainsFunc(f.params, func(p variable) bool { return p.name == name }) {
				return x.frames[f].value(name)
			}
			if x.step.cleanup && f.sets[name] {
				return x.frames[f].captured(name)
			}
		}
	}
	v, ok := x.vars[name]
	return v, ok
}

// scenario runs one scenario, or one row of it, within ctx, and its cleanup,
// which only a signal hurries; again, as often as the options say, while it
// does not pass.
func (s *session) scenario(signals, ctx context.Context, sc *scenario, id int, row *scenarios.Row) {
	var left class // of the cleanup of former tries
	for try := 0; ; try++ {
		x := s.execution(sc, id, row)
		x.try = try + 1
		x.repeated = func() bool {
			return (x.outcome == Fail || x.outcome == Error) && try < s.plan.o.Retries && ended(ctx) == nil && !s.bailed.Load()
		}
		e := x.whole(signals, ctx)
		failed := e.Outcome == Fail || e.Outcome == Error
		if failed && try < s.plan.o.Retries && ended(ctx) == nil && !s.bailed.Load() {
			left |= x.classes & classCleanup
			continue
		}
		e.Flaky = (try > 0 || x.flaky) && e.Outcome == Pass
		x.classes |= left
		s.finish(x, e)
		return
	}
}

// finish counts and reports how a scenario ended.
func (s *session) finish(x *execution, e *Event) {
	s.mu.Lock()
	s.classes |= x.classes
	s.steps.add(x.counts)
	s.scenarios.count(e.Outcome, e.Flaky)
	s.mu.Unlock()
	s.gate.send(e)
	if s.plan.o.Bail && (e.Outcome == Fail || e.Outcome == Error) {
		s.bailed.Store(true)
	}
}

// whole runs the scenario once and gives its end.
func (x *execution) whole(signals, ctx context.Context) (end *Event) {
	started := time.Now()
	defer func() {
		// A panic outside of an attempt ends the scenario: the others go on,
		// what it created goes, and the reports are whole.
		if v := recover(); v != nil {
			problem := x.mistake(v)
			x.classes |= classUnknown
			x.undo(signals)
			end = x.event(ScenarioEnd, nil)
			end.Outcome, end.Err = Error, problem
		}
	}()
	first := x.prepare()
	x.session.gate.send(x.event(ScenarioStart, nil))
	limited := ctx
	if d := x.scenario.timeout; d > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, d, &limit{"scenario timeout", d})
		defer cancel()
	}
	x.steps(limited, first)
	x.cleanup(signals)
	x.undo(signals)
	return x.ending(started)
}

// ending gives the end event of a scenario that ran.
func (x *execution) ending(started time.Time) *Event {
	e := x.event(ScenarioEnd, nil)
	e.Outcome, e.DurationMs = cmp.Or(x.outcome, Skip), milliseconds(time.Since(started))
	e.Err = x.ended
	if x.skip || e.Outcome == Skip {
		e.Reason = x.stopped
	}
	return e
}

// mistake describes a panic; its stack goes to the log only.
func (x *execution) mistake(v any) *Problem {
	x.log().Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
	return &Problem{
		Type:    TypeInternal,
		Message: fmt.Sprintf("the program made a mistake: %v", v),
		Cure:    "run again with -v and report what it prints",
	}
}

// event starts an event of the scenario, and of a step when it is not nil.
func (x *execution) event(name string, st *step) *Event {
	e := &Event{
		Event: name, Scenario: x.scenario.name, ScenarioID: x.id, Document: x.scenario.document,
		File: x.scenario.file, Below: x.scenario.below, Line: x.scenario.pos.Line, Column: x.scenario.pos.Column,
	}
	if x.row != nil {
		e.Row, e.RowIndex = x.rowName, x.row.Index
	}
	if st == nil && x.try > 1 {
		e.Attempts = x.try
	}
	if name == ScenarioStart {
		e.Tags = x.scenario.tags
		if x.row != nil {
			e.Rows = x.scenario.units
		}
	}
	if st != nil {
		e.Step, e.Index, e.Kind, e.Cleanup = st.fixed, st.index, st.kind, st.cleanup
		e.File, e.Line, e.Column = st.pos.File, st.pos.Line, st.pos.Column
	}
	return e
}

// nameRow gives the row its name: row-name, or its number.
func (x *execution) nameRow() *trouble {
	if x.row == nil {
		return nil
	}
	x.rowName = strconv.Itoa(x.row.Index)
	if x.scenario.rowName == nil {
		return nil
	}
	name, err := x.scenario.rowName.Text(x.values)
	if err != nil {
		return &trouble{class: classStep, problem: Problem{Type: TypeExpression, Message: "row-name: " + err.Error()}}
	}
	x.rowName = cmp.Or(name, x.rowName)
	return nil
}

// prepare evaluates the variables and whether the scenario is skipped; what
// goes wrong is the trouble of the first step.
func (x *execution) prepare() *trouble {
	for _, v := range x.scenario.vars {
		if text, given := x.session.plan.o.Vars[v.name]; given {
			x.set(v.name, text, false)
			continue
		}
		e, err := v.value.eval(x.values)
		if err != nil {
			x.nameRow()
			return &trouble{class: classStep, problem: Problem{Type: TypeExpression, Message: fmt.Sprintf("the variable %q: %s", v.name, err)}}
		}
		x.set(v.name, e, false)
	}
	for n, text := range x.session.plan.o.Vars {
		x.set(n, text, false)
	}
	if t := x.nameRow(); t != nil {
		return t
	}
	if x.scenario.skip != nil {
		reason, err := x.scenario.skip.Text(x.values)
		if err != nil {
			return fromExpression(err)
		}
		x.stopped, x.skip = reason, reason != ""
	}
	return nil
}

// set gives a variable its value; isSecret, or its name in secrets, keeps the
// value out of all output.
func (x *execution) set(name string, v any, isSecret bool) {
	x.vars[name] = v
	if x.step != nil {
		for f := x.step.frame; f != nil; f = f.parent {
			if e := x.frames[f]; e != nil && e.captures != nil {
				e.captures[name] = v
			}
		}
	}
	if isSecret || x.scenario.secrets[name] {
		learn(x.session.redactor, name, v)
	}
}

// learn makes every text of a value a secret.
func learn(r *secret.Redactor, name string, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			learn(r, name, e)
		}
	case map[string]any:
		for _, e := range v {
			learn(r, name, e)
		}
	case nil, bool:
	default:
		r.Add(name, textOf(v))
	}
}

// learningJar makes the values of cookies secrets as they arrive, those of
// redirects on the way included.
type learningJar struct {
	http.CookieJar
	redactor *secret.Redactor
}

// SetCookies implements http.CookieJar.
func (j learningJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	learnCookies(j.redactor, cookies)
	j.CookieJar.SetCookies(u, cookies)
}

// secretLength is the shortest value of a cookie or CSRF token that is kept
// out of all output.
const secretLength = 8

func learnCookies(r *secret.Redactor, cookies []*http.Cookie) {
	for _, c := range cookies {
		if len(c.Value) >= secretLength {
			r.Add("cookie "+c.Name, c.Value)
		}
	}
}

// learnAnswer makes the cookies and the CSRF token of an answer secrets.
func (x *execution) learnAnswer(h http.Header) { learnAnswer(x.session.redactor, h) }

func learnAnswer(r *secret.Redactor, h http.Header) {
	learnCookies(r, cookies(h))
	if token := h.Get("X-Csrf-Token"); len(token) >= secretLength {
		r.Add("csrf token", token)
	}
}

// steps runs the steps of the steps block in order; the first that does not
// pass skips the rest, of its include or of the scenario.
func (x *execution) steps(ctx context.Context, first *trouble) {
	for _, st := range x.scenario.steps {
		if st.cleanup {
			continue
		}
		if x.stopped == "" && first == nil {
			if t := x.over(ctx); t != "" {
				x.stopped = t
			}
		}
		if reason := cmp.Or(x.stopped, x.outside(st)); reason != "" {
			x.skipped(st, reason)
			continue
		}
		outcome := x.one(ctx, st, first)
		if outcome == Fail || outcome == Error {
			x.stop(st, first != nil)
		}
		first = nil
	}
}

// stop decides what a step that did not pass stops: the rest of the include
// that says on-failure: continue, else the rest of the scenario.
func (x *execution) stop(st *step, always bool) {
	if st.goOn && !always {
		return
	}
	reason := fmt.Sprintf("the step %q did not pass", x.nameOf(st))
	for f := st.frame; f != nil && !always; f = f.parent {
		if f.goOn {
			if e := x.frames[f]; e != nil {
				e.stopped = reason
				return
			}
		}
	}
	x.stopped = reason
}

// over says why no further step may start, or nothing.
func (x *execution) over(ctx context.Context) string {
	if x.session.bailed.Load() {
		return ReasonBail
	}
	t := ended(ctx)
	if t == nil {
		return ""
	}
	x.classes |= t.class
	if !x.begun {
		return t.problem.Message // it is skipped as a whole
	}
	x.ended = &t.problem
	if x.outcome == "" || x.outcome == Pass || x.outcome == Skip {
		x.outcome = Error
	}
	return t.problem.Message
}

// cleanup runs the cleanup steps, whatever happened; each is tried.
func (x *execution) cleanup(ctx context.Context) {
	if !slices.ContainsFunc(x.scenario.steps, func(st *step) bool { return st.cleanup }) {
		return
	}
	if x.skip || !x.begun {
		for _, st := range x.scenario.steps {
			if st.cleanup {
				x.skipped(st, x.stopped)
			}
		}
		return
	}
	limited, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), cleanupTimeout, &limit{"cleanup timeout", cleanupTimeout})
	defer cancel()
	hurried, hurry := context.WithCancelCause(limited)
	defer hurry(nil)
	stop := context.AfterFunc(x.session.hurry, func() { hurry(context.Cause(x.session.hurry)) })
	defer stop()
	for _, st := range x.scenario.steps {
		if !st.cleanup {
			continue
		}
		if reason := x.unentered(st); reason != "" {
			x.skipped(st, reason)
			continue
		}
		x.one(hurried, st, nil)
	}
}

// skipped reports a step that is not run.
func (x *execution) skipped(st *step, reason string) {
	e := x.event(StepEnd, st)
	e.Step, e.Outcome, e.Reason = x.nameOf(st), Skip, reason
	if a, ok := st.action.(*includeAction); ok {
		x.enter(a.frame, &entered{refused: reason})
	}
	x.end(e, st, 0)
}

// nameOf resolves the name of a step as far as that is possible.
func (x *execution) nameOf(st *step) string {
	if st.name == nil {
		return st.fixed
	}
	defer func(now *step) { x.step = now }(x.step)
	x.step = st
	if name, err := st.name.Text(x.values); err == nil {
		return name
	}
	return st.fixed
}

// end emits the end of a step and counts it.
func (x *execution) end(e *Event, st *step, c class) {
	if st.cleanup && c != 0 && c&classInterrupted == 0 {
		c = classCleanup
	}
	x.classes |= c
	if !st.cleanup || e.Outcome == Fail || e.Outcome == Error {
		x.outcome = worse(x.outcome, e.Outcome)
	}
	x.counts.count(e.Outcome, e.Flaky)
	x.session.gate.send(e)
}

// worse gives the worse of two outcomes: error, fail, pass, skip.
func worse(a, b Outcome) Outcome {
	for _, o := range []Outcome{Error, Fail, Pass, Skip} {
		if a == o || b == o {
			return o
		}
	}
	return a
}

// one runs one step and reports it. first is what went wrong before it.
func (x *execution) one(ctx context.Context, st *step, first *trouble) Outcome {
	x.step, x.lastBody, x.begun, x.repeats = st, "", true, 0
	if first == nil {
		if reason, t := x.gated(st); t != nil {
			first = t
		} else if reason != "" {
			x.skipped(st, reason)
			return Skip
		}
	}
	if first != nil && first.notSet != "" {
		x.skipped(st, first.notSet+" was never captured")
		return Skip
	}
	name := st.fixed
	if st.name != nil && first == nil {
		n, err := st.name.Text(x.values)
		if t := fromExpressionOrNil(err); t != nil && t.notSet != "" {
			x.skipped(st, t.notSet+" was never captured")
			return Skip
		} else if t != nil {
			first = t
		} else {
			name = n
		}
	}
	start := x.event(StepStart, st)
	start.Step = name
	x.session.gate.send(start)
	started := time.Now()
	a := x.attempts(ctx, st, name, first)
	e := x.event(StepEnd, st)
	e.Step, e.DurationMs, e.Attempts = name, milliseconds(time.Since(started)), a.count+x.repeats
	c := x.judge(e, a)
	e.Flaky = (a.flaky || x.repeats > 0) && e.Outcome == Pass
	x.flaky = x.flaky || e.Flaky
	x.end(e, st, c)
	return e.Outcome
}

func fromExpressionOrNil(err error) *trouble {
	if err == nil {
		return nil
	}
	return fromExpression(err)
}

// gated evaluates skip and when: the reason for which the step is not run.
func (x *execution) gated(st *step) (reason string, t *trouble) {
	if st.skip != nil {
		reason, err := st.skip.Text(x.values)
		return reason, fromExpressionOrNil(err)
	}
	if st.when == nil {
		return "", nil
	}
	ok, err := st.when.Bool(x.values)
	if err != nil {
		return "", fromExpression(err)
	}
	if !ok {
		return "when: " + st.when.Source(), nil
	}
	return "", nil
}

// compute evaluates an operand of the step in progress.
func (x *execution) compute(i int) (any, error) { return x.step.computed[i].Eval(x.values) }

// asksFor reports whether the step in progress asserts on the status itself,
// and wants this one.
func (x *execution) asksFor(status int) bool {
	return x.step.expect.AcceptsStatusWith(status, x.compute)
}

// judge fills the end event of a step, or the event of an attempt, and gives
// the class of its trouble.
func (x *execution) judge(e *Event, a attempted) class {
	r, failures, t := a.result, a.failures, a.trouble
	switch {
	case t != nil && t.notSet != "":
		e.Outcome, e.Reason, e.Attempts, e.DurationMs = Skip, t.notSet+" was never captured", 0, 0
		return 0
	case t != nil:
		e.Outcome = Error
		e.Err = &Problem{Type: t.problem.Type, Message: t.problem.Message, Cure: joinSentences(t.problem.Cure, a.note)}
		if r != nil && r.exchange != nil {
			e.Exchange = x.shown(r.exchange)
		}
		return t.class
	case len(failures) > 0 && !slices.ContainsFunc(failures, func(f assertions.Failure) bool { return !f.NotJudged }):
		e.Outcome = Error
		e.Err = &Problem{Type: TypeExpression, Message: x.unjudged(failures), Cure: a.note}
		e.Exchange = x.shown(r.exchange)
		return classStep
	case len(failures) > 0:
		e.Outcome = Fail
		c := class(classAssertion)
		if note := r.exchange.remark(); note != "" {
			failures[0].Notes = append(failures[0].Notes, note)
		}
		if a.note != "" {
			failures[0].Notes = append(failures[0].Notes, a.note)
		}
		for _, f := range failures {
			e.Failures = append(e.Failures, x.failure(f))
			switch f.Subject {
			case "scopes", "lifetime", "signature", "certificate":
				c |= classCredential
			}
		}
		if r.refused {
			c |= classCredential
		}
		e.Exchange = x.shown(r.exchange)
		return c
	}
	e.Outcome = Pass
	if r != nil && r.exchange != nil {
		timings := r.exchange.timings
		e.Exchange = &Exchange{Method: r.exchange.method, URL: r.exchange.url, Status: r.exchange.status, Timings: &timings}
	}
	return 0
}

// unjudged says why assertions could not be judged, each with its place.
func (x *execution) unjudged(failures []assertions.Failure) string {
	var all []string
	for _, f := range failures {
		pos := x.scenario.at(f.Place)
		all = append(all, fmt.Sprintf("%s:%d:%d: %s", pos.File, pos.Line, pos.Column, f.Message))
	}
	return strings.Join(all, "; ")
}

// failure turns a failed assertion into its event form.
func (x *execution) failure(f assertions.Failure) Failure {
	pos := x.scenario.at(f.Place)
	source, _ := x.session.plan.sources.Line(pos.File, pos.Line)
	return Failure{
		File: pos.File, Line: pos.Line, Column: pos.Column, Width: pos.Width, Source: source,
		Code: "assertion", Subject: f.Subject, Path: f.Path, Operator: f.Operator,
		Want: f.Want, Got: f.Got, Message: f.Message, Notes: f.Notes, Diff: f.Diff,
	}
}
