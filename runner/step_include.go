package runner

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

func includeKind() Kind {
	return Kind{
		Name:    "include",
		Summary: "run the steps of another file",
		Doc: "An included file has `steps`, and may have `params`, `credentials` and `cleanup`. The include is a step of its own in\n" +
			"the reports, and the steps of the file follow it. They see the variables and credentials of the scenario and their\n" +
			"`params`; what they capture and their credentials become visible. Their `cleanup` runs after that of the scenario,\n" +
			"that of the last include first.\n\n" +
			"`once: true` runs the file once per run, for the first scenario that comes to it; the others wait for it and see its\n" +
			"captures. It is reported on its own, behind the scenarios. When it does not pass, every step that includes it is an\n" +
			"error that names it. Its cleanup ends with the run. It sees the environment, `--var` and its `params` only, whose\n" +
			"values must be known before the run; other values of `with` make it run again, once for each.\n\n" +
			"With `on-failure: continue` a step of the file that does not pass skips the rest of the file only.",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "file", Shape: text(), Required: true, Doc: "the file, relative to the one it is named in"},
			{Name: "with", Shape: mapOf(anything()), Doc: "values for the params of the file"},
			{Name: "once", Shape: boolean(), Default: "false", Doc: "run it once per run, the first to come; the others see its captures"},
		}},
		Example: `- include: {file: _common/order.yaml, with: {sku: A-100}}
- name: the order can be used
  call: {GET: "/http/echo?order=${order}", credential: sender}
  expect: {json: {query.order: "${order}"}}
`,
		ExampleFile: "_common/order.yaml",
		ExampleFileText: `params: [sku]
steps:
  - name: order ${sku}
    call: {POST: /http/orders, credential: sender, json: {sku: "${sku}", qty: 1}}
    capture: {order: {json: id}}
cleanup:
  - name: forget ${order}
    call: {GET: "/http/echo?forget=${order}", credential: sender}
`,
		title:   func(body *scenarios.Node) string { return titleOf("include", body, "file") },
		compile: compileInclude,
	}
}

// frame is an include that is not once: its steps stand in the scenario, and
// see its parameters.
type frame struct {
	// path is the file, for what is relative to it.
	path   string
	parent *frame
	params []variable
	// sets are the names that its steps give a value.
	sets map[string]bool
	// when is the condition of the include, for descriptions.
	when *expression.Template
	// goOn says that a step of it that does not pass skips the rest of it only.
	goOn bool
	name string
}

// entered is a frame in an execution.
type entered struct {
	params map[string]any
	// captures are what its steps captured and set: the same file may be
	// included twice, and each cleanup is to remove its own.
	captures map[string]any
	// stopped is why the steps of the frame that follow are skipped.
	stopped string
	// refused is why the frame was not entered.
	refused string
}

// value gives a parameter; a frame that was not entered, nil, has none.
func (e *entered) value(name string) (any, bool) {
	if e == nil {
		return nil, false
	}
	v, ok := e.params[name]
	return v, ok
}

// captured gives what a step of the frame captured.
func (e *entered) captured(name string) (any, bool) {
	if e == nil {
		return nil, false
	}
	v, ok := e.captures[name]
	return v, ok
}

// outside gives the reason why a step of an include is not run: the include
// was skipped, or a former step of it did not pass.
func (x *execution) outside(st *step) string {
	for f := st.frame; f != nil; f = f.parent {
		if e := x.frames[f]; e != nil && e.stopped+e.refused != "" {
			return e.stopped + e.refused
		}
	}
	return ""
}

// unentered gives the reason why a cleanup step of an include is not run: the
// scenario never came to it.
func (x *execution) unentered(st *step) string {
	for f := st.frame; f != nil; f = f.parent {
		switch e := x.frames[f]; {
		case e == nil:
			return fmt.Sprintf("the scenario never came to %q", f.name)
		case e.refused != "":
			return e.refused
		}
	}
	return ""
}

// enter notes how an include that was reached began.
func (x *execution) enter(f *frame, e *entered) {
	if x.frames == nil {
		x.frames = map[*frame]*entered{}
	}
	x.frames[f] = e
}

// compileInclude reads the file and compiles its steps behind this one.
func compileInclude(c *stepCompiler, body *scenarios.Node) action {
	c.out.timeout = 0
	c.noWaiting()
	n := body.Get("file")
	path, ok := c.static(n, c.scope, c.staticVars(c.scenarioCompiler.out.vars, c.scenarioCompiler.out.secrets))
	if !ok {
		return nil
	}
	before := len(c.diags)
	file := c.included(n, path)
	if file == nil {
		c.anyName = true
		return nil
	}
	defer c.includedAt(before, file, n)
	params, ok := c.params(body, file)
	if !ok {
		return nil
	}
	if isTrue(body.Get("once")) {
		return c.once(n, file, params)
	}
	return c.inline(file, params)
}

// noWaiting reports the common keys that mean nothing for an include.
func (c *stepCompiler) noWaiting() {
	for _, k := range []struct {
		key string
		n   *scenarios.Node
	}{{"retry", c.source.Retry}, {"poll", c.source.Poll}} {
		if k.n != nil {
			c.diags = append(c.diags, diag.Errorf(k.n.Pos(), diag.UnknownKey, "an include cannot have %q; the steps of its file can", k.key))
		}
	}
	if c.source.Timeout > 0 {
		c.diags = append(c.diags, diag.Errorf(c.source.Pos, diag.UnknownKey, `an include cannot have "timeout"; the steps of its file can`))
	}
}

// included reads an included file, once per run.
func (c *scenarioCompiler) included(n *scenarios.Node, path string) *scenarios.Included {
	full, err := c.plan.files.Resolve(c.file.path, path)
	if err != nil {
		c.diags = append(c.diags, fileDiagnostic(n.Pos(), err))
		return nil
	}
	if i := slices.Index(c.chain, full); i >= 0 {
		var names []string
		for _, p := range append(slices.Clone(c.chain[i:]), full) {
			names = append(names, filepath.Base(p))
		}
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.BadFile, "the files include each other in a circle: %s", strings.Join(names, " → ")))
		return nil
	}
	if file, ok := c.files[full]; ok {
		return file
	}
	var names []string
	for _, k := range c.kinds {
		names = append(names, k.Name)
	}
	file, diags, err := scenarios.LoadIncluded(c.plan.files, c.file.path, path, c.suite.WorkingFolder, names, c.plan.sources)
	if err != nil {
		c.diags = append(c.diags, fileDiagnostic(n.Pos(), err))
		return nil
	}
	c.diags = append(c.diags, diags...)
	if diags.HasErrors() {
		file = nil
	}
	c.files[full] = file
	return file
}

// includedAt says with each mistake in an included file where it is included:
// what it may use depends on that.
func (c *stepCompiler) includedAt(from int, file *scenarios.Included, n *scenarios.Node) {
	for i := range c.diags[from:] {
		if d := &c.diags[from+i]; d.Pos.File == file.File && file.File != n.Pos().File {
			*d = d.WithHint("included at %s", n.Pos())
			c.anyName = c.anyName || d.Severity == diag.Error
		}
	}
}

// params compiles the values that the step gives, in the order of the file's
// params.
func (c *stepCompiler) params(body *scenarios.Node, file *scenarios.Included) ([]variable, bool) {
	before := c.diags.Errors()
	with := body.Get("with")
	var declared []string
	for _, p := range file.Params {
		declared = append(declared, p.Text)
	}
	for _, e := range with.Entries() {
		if slices.Contains(declared, e.Key.Text) {
			continue
		}
		d := diag.Errorf(e.Key.Pos(), diag.UnknownKey, "%s declares no parameter %q", file.File, e.Key.Text)
		switch s := diag.Suggest(e.Key.Text, declared); {
		case s != "":
			d.Message += fmt.Sprintf("; did you mean %q?", s)
		case len(declared) == 0:
			d = d.WithHint("it has no params; declare them there: params: [%s]", e.Key.Text)
		default:
			d = d.WithHint("its params are %s", strings.Join(declared, ", "))
		}
		c.diags = append(c.diags, d)
	}
	var params []variable
	for _, name := range declared {
		if n := with.Get(name); n != nil {
			params = append(params, variable{name, c.value(n, c.scope)})
		} else if c.diags.Errors() == before {
			c.diags = append(c.diags, diag.Errorf(c.source.Pos, diag.MissingKey, "%s wants a parameter %q, and with does not give it", file.File, name))
		}
	}
	return params, c.diags.Errors() == before
}

// inline compiles the steps of the file into the scenario.
func (c *stepCompiler) inline(file *scenarios.Included, params []variable) action {
	f := &frame{when: c.out.when, path: file.Path, parent: c.frame, params: params, goOn: c.out.goOn, name: c.out.fixed, sets: map[string]bool{}}
	outer := *c.scenarioCompiler
	hidden := c.hide(params)
	c.frame, c.file = f, fileRef{file.File, file.Path}
	c.chain = append(slices.Clone(outer.chain), file.Path)
	c.declare(file.Credentials, params)
	c.block(file.Steps, c.out.cleanup)
	cleanup := c.aside(func() { c.block(file.Cleanup, true) })
	c.scenarioCompiler.frame, c.scenarioCompiler.file, c.chain = outer.frame, outer.file, outer.chain
	for _, p := range params {
		if !hidden[p.name] {
			delete(c.known, p.name)
		}
	}
	c.tidy = append(cleanup, c.tidy...)
	return &includeAction{frame: f}
}

// hide makes the parameters known, and gives those that were known before.
func (c *scenarioCompiler) hide(params []variable) map[string]bool {
	hidden := map[string]bool{}
	for _, p := range params {
		hidden[p.name] = c.known[p.name]
		c.known[p.name] = true
	}
	return hidden
}

// aside compiles steps that are kept out of the scenario's list for now.
func (c *scenarioCompiler) aside(compile func()) []*step {
	steps := c.out.steps
	c.out.steps = nil
	compile()
	aside := c.out.steps
	c.out.steps = steps
	return aside
}

// declare makes the credentials of an included file visible.
func (c *scenarioCompiler) declare(entries []scenarios.Entry, params []variable) {
	if len(entries) == 0 {
		return
	}
	vars := c.staticVars(slices.Concat(c.out.vars, params), c.out.secrets)
	for _, e := range entries {
		if _, ofSandbox := c.envCredentials[e.Key.Text]; ofSandbox && c.o.Sandbox != nil {
			continue
		}
		cr := c.credential(e, c.scope, vars, c.file.path)
		if cr == nil {
			cr = &credential{}
		}
		c.out.credentials[e.Key.Text] = cr
	}
}

// includeAction enters an include: its parameters get their values.
type includeAction struct{ frame *frame }

func (a *includeAction) do(_ context.Context, x *execution) (*result, *trouble) {
	e := &entered{params: map[string]any{}, captures: map[string]any{}}
	for _, p := range a.frame.params {
		if text, given := x.session.plan.o.Vars[p.name]; given {
			e.params[p.name] = text
			continue
		}
		v, err := p.value.eval(x.values)
		if err != nil {
			x.enter(a.frame, &entered{refused: fmt.Sprintf("%q did not begin", a.frame.name)})
			return nil, fromExpression(fmt.Errorf("the parameter %q: %w", p.name, err))
		}
		e.params[p.name] = v
		if x.scenario.secrets[p.name] {
			learn(x.session.redactor, p.name, v)
		}
	}
	x.enter(a.frame, e)
	return nil, nil
}

// shared is an included file that runs once per run: a scenario of its own,
// which runs when the first step comes to it, and is cleaned up when the run
// ends.
type shared struct {
	scenario *scenario
	// captures are the names that it gives.
	captures []string

	begin sync.Once
	done  chan struct{} // closed when its steps have ended
	// What follows is written before done is closed.
	x       *execution
	started time.Time
	took    time.Duration // of its steps
	first   string        // why it did not pass
}

// once compiles the file as a scenario of its own, or gives the one that was
// compiled for the same values before.
func (c *stepCompiler) once(at *scenarios.Node, file *scenarios.Included, params []variable) action {
	vars := c.staticVars(c.scenarioCompiler.out.vars, c.scenarioCompiler.out.secrets)
	known := c.values(vars, nil)
	key := []byte(file.Path)
	fixed := make([]variable, 0, len(params))
	var shown []string
	for _, p := range params {
		v, err := p.value.eval(known)
		if err != nil {
			if c.o.Check {
				return nil // it needs the process environment
			}
			why := err.Error()
			if p.value.usesRow() {
				why = "it is another one for each row"
			}
			c.diags = append(c.diags, diag.Errorf(at.Pos(), diag.InvalidValue, "the parameter %q of an include that runs once cannot be known before the run: %s", p.name, c.o.Redactor.Text(why)).
				WithHint("use values of env and vars, or leave out once"))
			return nil
		}
		key = appendJSON(append(key, 0), v)
		fixed = append(fixed, variable{p.name, value{constant: true, fixed: v}})
		shown = append(shown, p.name+": "+textOf(v))
	}
	sh := c.shared[string(key)]
	if sh == nil {
		sh = c.compileShared(file, fixed, shown)
		c.shared[string(key)] = sh
	}
	c.scenarioCompiler.out.uses = append(c.scenarioCompiler.out.uses, sh)
	for _, name := range sh.captures {
		c.known[name] = true
	}
	for name, cr := range sh.scenario.credentials {
		if _, env := c.envCredentials[name]; !env || c.o.Sandbox == nil {
			c.scenarioCompiler.out.credentials[name] = cr
		}
	}
	return &onceAction{sh}
}

// compileShared compiles an included file as a scenario.
func (c *stepCompiler) compileShared(file *scenarios.Included, params []variable, shown []string) *shared {
	name := "include " + file.File
	if file.Name != nil && !expression.HasExpression(file.Name.Text) {
		name = "include " + file.Name.Text
	}
	if len(shown) > 0 {
		name += " (" + strings.Join(shown, ", ") + ")"
	}
	if s := c.o.Shard; s.Count > 1 {
		name += fmt.Sprintf(" (shard %d of %d)", s.Index, s.Count)
	}
	sub := c.newScenario(&scenarios.Scenario{
		Pos: file.Pos, File: file.File, Path: file.Path, Steps: file.Steps, Cleanup: file.Cleanup, Credentials: file.Credentials,
		Secrets: sortedNames(c.scenarioCompiler.out.secrets),
	})
	sub.chain = append(slices.Clone(c.chain), file.Path)
	sub.out.name, sub.out.units = name, 1
	sub.out.vars = append(slices.Clone(c.envVars), params...)
	for _, p := range params {
		sub.known[p.name] = true
	}
	sub.credentials()
	sub.steps()
	sub.computedFiles()
	sh := &shared{scenario: sub.out, done: make(chan struct{})}
	for name := range sub.later {
		sh.captures = append(sh.captures, name)
	}
	slices.Sort(sh.captures)
	for name, cr := range sub.out.credentials {
		if c.envCredentials[name] == cr {
			delete(sub.out.credentials, name) // not its own
		}
	}
	return sh
}

// onceAction waits for a file that runs once, and takes over what it captured.
type onceAction struct{ shared *shared }

func (a *onceAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	sh := a.shared
	sh.begin.Do(func() { go sh.run(x.session) })
	select {
	case <-sh.done:
	case <-ctx.Done():
		return nil, ended(ctx)
	}
	if sh.first != "" {
		return nil, &trouble{class: sh.x.classes &^ classInterrupted, problem: Problem{
			Type:    TypeInclude,
			Message: fmt.Sprintf("%q, which runs once for all, did not pass: %s", sh.scenario.name, sh.first),
		}}
	}
	for _, name := range sh.captures {
		if v, ok := sh.x.vars[name]; ok {
			x.set(name, v, sh.scenario.secrets[name])
		}
	}
	for made, cr := range sh.x.keys {
		x.make(made, cr)
	}
	return nil, nil
}

// run runs the steps of the file, for the first that comes to it.
func (sh *shared) run(s *session) {
	defer close(sh.done)
	sh.started = time.Now()
	x := s.execution(sh.scenario, sh.scenario.id, nil)
	sh.x = x
	defer func() {
		if v := recover(); v != nil {
			x.ended, x.outcome = x.mistake(v), Error
			x.classes |= classUnknown
			sh.first = x.ended.Message
		}
	}()
	first := x.prepare()
	s.gate.send(x.event(ScenarioStart, nil))
	x.steps(s.limited, first)
	sh.took = time.Since(sh.started)
	if x.outcome == Fail || x.outcome == Error {
		sh.first = x.stopped
		if x.ended != nil {
			sh.first = x.ended.Message
		}
		if sh.first == "" {
			sh.first = "a step of it did not pass"
		}
	}
}

// endShared cleans up what ran once for all, the last compiled first, and
// reports it in the order of the plan. What nobody came to is skipped.
func (s *session) endShared(signals context.Context) {
	list := s.plan.shared
	for _, sh := range slices.Backward(list) {
		sh.begin.Do(func() { close(sh.done) })
		<-sh.done
		if sh.x == nil {
			sh.unused(s)
		} else {
			sh.x.cleanup(signals)
			sh.x.undo(signals)
			e := sh.x.ending(sh.started)
			e.DurationMs = milliseconds(sh.took)
			s.finish(sh.x, e)
		}
	}
}

// unused reports a file that no scenario came to.
func (sh *shared) unused(s *session) {
	x := s.execution(sh.scenario, sh.scenario.id, nil)
	x.prepare()
	x.stopped = "no scenario came to it"
	s.gate.send(x.event(ScenarioStart, nil))
	for _, st := range sh.scenario.steps {
		x.skipped(st, x.stopped)
	}
	s.finish(x, x.ending(time.Now()))
}
