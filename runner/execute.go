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
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/expression"
	"iflowtest/internal/secret"
)

// cleanupTimeout is how long the cleanup of a scenario may take; after a
// signal it has interruptedCleanup, as a CI agent soon kills.
const (
	cleanupTimeout     = 5 * time.Minute
	interruptedCleanup = 8 * time.Second
)

// execution is one scenario while it runs; one goroutine owns it.
type execution struct {
	session  *session
	scenario *scenario
	step     *step
	// vars are the variables that have a value.
	vars   map[string]any
	values *expression.Values
	jar    http.CookieJar
	// lastBody is the body that the attempt in progress sends, for its report.
	lastBody string
	outcome  Outcome
	classes  class
	// stopped is why the steps that follow are skipped; ended is set when that
	// is a time limit or a signal.
	stopped string
	ended   *Problem
	// skip says that the scenario asks to be skipped, begun that a step of it
	// was tried: only then there is something to clean up.
	skip, begun bool
}

func (x *execution) log() *slog.Logger { return x.session.plan.o.Log }

// scenario runs one scenario within ctx, and its cleanup, which only a signal
// hurries.
func (s *session) scenario(signals, ctx context.Context, sc *scenario) {
	started := time.Now()
	x := &execution{session: s, scenario: sc, vars: map[string]any{}}
	jar, _ := cookiejar.New(nil) // it returns no error
	x.jar = learningJar{jar, s.redactor}
	x.values = s.plan.values(x.vars, sc, func(path string) ([]byte, error) {
		return s.plan.files.ReadFile(sc.path, path)
	})
	defer x.recovered()
	first := x.prepare()
	s.gate.send(x.event(ScenarioStart, nil))
	limited := ctx
	if sc.timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, sc.timeout, &limit{"scenario timeout", sc.timeout})
		defer cancel()
	}
	x.steps(limited, first)
	x.cleanup(signals)
	e := x.event(ScenarioEnd, nil)
	e.Outcome, e.DurationMs = cmp.Or(x.outcome, Skip), milliseconds(time.Since(started))
	e.Err = x.ended
	if x.skip || e.Outcome == Skip {
		e.Reason = x.stopped
	}
	s.mu.Lock()
	s.classes |= x.classes
	s.scenarios.count(e.Outcome, false)
	s.mu.Unlock()
	s.gate.send(e)
	if s.plan.o.Bail && (e.Outcome == Fail || e.Outcome == Error) {
		s.bailed.Store(true)
	}
}

// recovered turns a panic outside of an attempt into the end of the scenario:
// the others go on, and the reports are whole.
func (x *execution) recovered() {
	v := recover()
	if v == nil {
		return
	}
	e := x.event(ScenarioEnd, nil)
	e.Outcome, e.Err = Error, x.mistake(v)
	x.session.mu.Lock()
	x.session.classes |= classUnknown
	x.session.scenarios.count(Error, false)
	x.session.mu.Unlock()
	x.session.gate.send(e)
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
		Event: name, Scenario: x.scenario.name, ScenarioID: x.scenario.id, Document: x.scenario.document,
		File: x.scenario.file, Below: x.scenario.below, Line: x.scenario.pos.Line, Column: x.scenario.pos.Column,
	}
	if name == ScenarioStart {
		e.Tags = x.scenario.tags
	}
	if st != nil {
		e.Step, e.Index, e.Kind, e.Cleanup = st.fixed, st.index, st.kind, st.cleanup
		e.Line, e.Column = st.pos.Line, st.pos.Column
	}
	return e
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
			return &trouble{class: classStep, problem: Problem{Type: TypeExpression, Message: fmt.Sprintf("the variable %q: %s", v.name, err)}}
		}
		x.set(v.name, e, false)
	}
	for n, text := range x.session.plan.o.Vars {
		x.set(n, text, false)
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
func (x *execution) learnAnswer(h http.Header) {
	learnCookies(x.session.redactor, cookies(h))
	if token := h.Get("X-Csrf-Token"); len(token) >= secretLength {
		x.session.redactor.Add("csrf token", token)
	}
}

// steps runs the steps of the steps block in order; the first that does not
// pass skips the rest.
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
		if x.stopped != "" {
			x.skipped(st, x.stopped)
			continue
		}
		outcome := x.one(ctx, st, first)
		if (outcome == Fail || outcome == Error) && (!st.goOn || first != nil) {
			x.stopped = fmt.Sprintf("the step %q did not pass", x.nameOf(st))
		}
		first = nil
	}
}

// over says why no further step may start, or nothing.
func (x *execution) over(ctx context.Context) string {
	if x.session.bailed.Load() {
		return "stopped by --bail"
	}
	t := ended(ctx)
	if t == nil {
		return ""
	}
	x.classes |= t.class
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
		if st.cleanup {
			x.one(hurried, st, nil)
		}
	}
}

// skipped reports a step that is not run.
func (x *execution) skipped(st *step, reason string) {
	e := x.event(StepEnd, st)
	e.Step, e.Outcome, e.Reason = x.nameOf(st), Skip, reason
	x.end(e, st, 0)
}

// nameOf resolves the name of a step as far as that is possible.
func (x *execution) nameOf(st *step) string {
	if st.name == nil {
		return st.fixed
	}
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
	x.session.mu.Lock()
	x.session.steps.count(e.Outcome, e.Flaky)
	x.session.mu.Unlock()
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
	x.step, x.lastBody, x.begun = st, "", true
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
	r, failures, t := x.attempt(ctx, st, first)
	if r != nil && r.exchange != nil && x.log().Enabled(ctx, slog.LevelDebug) {
		x.log().Debug("request", "method", r.exchange.method, "url", r.exchange.url, "status", r.exchange.status, "took", time.Since(started))
	}
	e := x.event(StepEnd, st)
	e.Step, e.DurationMs, e.Attempts = name, milliseconds(time.Since(started)), 1
	c := x.judge(e, st, r, failures, t)
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

// attempt does what the step says, once, and looks at the result.
func (x *execution) attempt(ctx context.Context, st *step, first *trouble) (r *result, failures []assertions.Failure, t *trouble) {
	if first != nil {
		return nil, nil, first
	}
	if st.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, st.timeout, &limit{"step timeout", st.timeout})
		defer cancel()
	}
	defer func() {
		if v := recover(); v != nil {
			t = &trouble{class: classUnknown, problem: *x.mistake(v)}
		}
	}()
	r, t = st.action.do(ctx, x)
	if t != nil || r == nil || r.checked == nil {
		return r, nil, t
	}
	// What is captured may be a secret that a failed assertion would show. Its
	// variables hold from the next step on, but for the redactor at once.
	var captured []assertions.Captured
	var missing []assertions.Failure
	if st.captures != nil {
		captured, missing = st.captures.Take(r.checked, x.compute)
		for _, v := range captured {
			if v.Secret || x.scenario.secrets[v.Name] {
				learn(x.session.redactor, v.Name, v.Value)
			}
		}
	}
	if st.expect != nil {
		failures = st.expect.Check(r.checked, x.compute)
	}
	for _, v := range captured {
		x.set(v.Name, v.Value, false)
	}
	return r, append(failures, missing...), nil
}

// compute evaluates an operand of the step in progress.
func (x *execution) compute(i int) (any, error) { return x.step.computed[i].Eval(x.values) }

// asksFor reports whether the step in progress asserts on the status itself,
// and wants this one.
func (x *execution) asksFor(status int) bool {
	return x.step.expect.AcceptsStatusWith(status, x.compute)
}

// judge fills the end event of a step and gives the class of its trouble.
func (x *execution) judge(e *Event, st *step, r *result, failures []assertions.Failure, t *trouble) class {
	switch {
	case t != nil && t.notSet != "":
		e.Outcome, e.Reason, e.Attempts, e.DurationMs = Skip, t.notSet+" was never captured", 0, 0
		return 0
	case t != nil:
		e.Outcome = Error
		e.Err = &Problem{Type: t.problem.Type, Message: t.problem.Message, Cure: t.problem.Cure}
		if r != nil && r.exchange != nil {
			e.Exchange = x.shown(r.exchange)
		}
		return t.class
	case len(failures) > 0:
		e.Outcome = Fail
		c := class(classAssertion)
		if note := r.exchange.remark(); note != "" {
			failures[0].Notes = append(failures[0].Notes, note)
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
