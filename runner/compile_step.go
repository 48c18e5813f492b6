package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"

	"iflowtest/assertions"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

// stepCompiler compiles one step.
type stepCompiler struct {
	*scenarioCompiler
	source *scenarios.Step
	out    *step
	kind   *Kind
}

func (c *scenarioCompiler) step(s *scenarios.Step, cleanup bool) {
	st := &step{cleanup: cleanup, pos: s.Pos, goOn: s.OnFailure == "continue", frame: c.frame}
	c.out.steps = append(c.out.steps, st)
	sc := &stepCompiler{scenarioCompiler: c, source: s, out: st}
	body := sc.findKind()
	if sc.kind == nil {
		sc.learnNames()
		return
	}
	st.kind, st.timeout = sc.kind.Name, s.Timeout
	if st.timeout == 0 {
		st.timeout = sc.kind.Timeout
	}
	sc.title(body)
	if s.When != nil {
		t, diags := expression.CompileExpression(s.When.Text, s.When.At, c.scope)
		c.diags = append(c.diags, diags...)
		c.columns(t, s.When)
		st.when = t
	}
	if s.Skip != nil {
		st.skip = c.template(s.Skip, c.scope)
	}
	sc.body(body)
	sc.expectations()
	sc.waiting()
	sc.describe(body)
	sc.learnNames()
}

// findKind finds the one key that names the kind; a step with none or several
// is reported, as is every other key.
func (c *stepCompiler) findKind() *scenarios.Node {
	names := make([]string, 0, len(c.kinds))
	for _, k := range c.kinds {
		names = append(names, k.Name)
	}
	var found []scenarios.Entry
	var unknown []*scenarios.Node
	for _, e := range c.source.Kinds {
		if k := c.compiler.kind(e.Key.Text); k != nil {
			found = append(found, e)
		} else {
			unknown = append(unknown, e.Key)
		}
	}
	for _, key := range unknown {
		d := diag.Errorf(key.Pos(), diag.UnknownKey, "unknown key %q in step", key.Text)
		candidates := scenarios.StepShape().KeyNames()
		if len(found) == 0 {
			candidates = slices.Concat(names, candidates)
		}
		if s := diag.Suggest(key.Text, candidates); s != "" {
			d.Message += fmt.Sprintf("; did you mean %q?", s)
		} else if len(found) == 0 {
			d = d.WithHint("the kinds of step are %s", strings.Join(names, ", "))
		}
		c.diags = append(c.diags, d)
	}
	switch {
	case len(found) == 0:
		if len(unknown) == 0 {
			c.diags = append(c.diags, diag.Errorf(c.source.Pos, diag.MissingKind, "the step names nothing to do").
				WithHint("the kinds of step are %s", strings.Join(names, ", ")))
		}
		return nil
	case len(found) > 1:
		c.diags = append(c.diags, diag.Errorf(found[1].Key.Pos(), diag.SeveralKinds, "the step is a %s already; %q must be a step of its own", found[0].Key.Text, found[1].Key.Text))
	}
	c.kind = c.compiler.kind(found[0].Key.Text)
	return found[0].Value
}

// title gives the step its name.
func (c *stepCompiler) title(body *scenarios.Node) {
	if c.source.Name != nil {
		c.out.name = c.template(c.source.Name, c.scope)
		if fixed, ok := c.out.name.Constant(); ok {
			c.out.name, c.out.fixed = nil, textOf(fixed)
		} else {
			c.out.fixed = c.source.Name.Text
		}
		return
	}
	c.out.fixed = c.kind.Name
	if c.kind.title != nil {
		if t := c.kind.title(body); t != "" {
			c.out.fixed = t
		}
	}
}

// body checks the body against its shape and compiles it.
func (c *stepCompiler) body(body *scenarios.Node) {
	c.hidePasswords(body.Get("auth"))
	diags := c.kind.Shape.Check(body, c.kind.Name)
	c.diags = append(c.diags, diags...)
	if diags.HasErrors() {
		c.expressions(body)
		return
	}
	c.out.action = c.kind.compile(c, body)
}

// hidePasswords keeps a password that stands in the file out of what is shown,
// also where its key is misspelt and the line will be told.
func (c *stepCompiler) hidePasswords(auth *scenarios.Node) {
	for _, e := range auth.Entries() {
		if e.Key.Text != "password" && diag.Suggest(e.Key.Text, []string{"password"}) == "" || expression.HasExpression(e.Value.Text) {
			continue
		}
		c.o.Redactor.Add("password", e.Value.Text)
		scenarios.Mask(c.suite.Sources, e.Value)
	}
}

// expressions compiles every scalar below a node that nothing else compiles,
// so that mistakes in its expressions are told as well.
func (c *stepCompiler) expressions(n *scenarios.Node) {
	if n == nil {
		return
	}
	if n.Kind == scenarios.Text {
		c.template(n, c.scope)
	}
	for _, item := range n.Items() {
		c.expressions(item)
	}
	for _, e := range n.Entries() {
		c.expressions(e.Value)
	}
}

// expectations compiles expect and capture.
func (c *stepCompiler) expectations() {
	if len(c.kind.Subjects) == 0 {
		for key, n := range map[string]*scenarios.Node{"expect": c.source.Expect, "capture": c.source.Capture} {
			if n != nil {
				c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.UnknownKey, "a step %q has no result, so it cannot have %q", c.kind.Name, key))
			}
		}
		return
	}
	o := c.assertionOptions()
	o.Default2xx, o.DefaultPlace = c.kind.answers, c.place(c.source.Pos)
	var problems []assertions.Problem
	expect := c.node(c.source.Expect)
	c.out.expect, problems = assertions.Compile(expect, o)
	c.out.expected = c.expectedFileOf(expect)
	c.report(problems)
	c.expectLater(c.out.expect, o)
	if c.source.Capture == nil {
		return
	}
	c.out.captures, problems = assertions.CompileCaptures(c.node(c.source.Capture), o)
	c.report(problems)
}

func (c *stepCompiler) assertionOptions() assertions.Options {
	files, from := c.plan.files, c.file.path
	return assertions.Options{
		Subjects: c.kind.Subjects, UpdateExpected: c.o.UpdateExpected,
		ReadFile: func(path string) ([]byte, error) {
			data, err := files.ReadFile(from, path)
			if e, ok := errors.AsType[*scenarios.FileError](err); ok {
				_, missing := files.Stat(from, path)
				err = &assertions.FileError{Code: e.Code, Message: e.Message, Hints: e.Hints, Missing: errors.Is(missing, fs.ErrNotExist)}
			}
			return data, err
		},
	}
}

// node hands a value to the assertions package.
func (c *stepCompiler) node(n *scenarios.Node) *assertions.Node {
	if n == nil {
		return nil
	}
	out := c.convert(n)
	return &out
}

func (c *stepCompiler) convert(n *scenarios.Node) assertions.Node {
	out := assertions.Node{Text: n.Text, Place: c.place(n.Pos())}
	switch n.Kind {
	case scenarios.Null:
		out.Kind = assertions.Null
	case scenarios.Bool:
		out.Kind = assertions.Bool
	case scenarios.Number:
		out.Kind = assertions.Number
	case scenarios.Text:
		out.Kind = assertions.Text
		t := c.template(n, c.scope)
		if fixed, ok := t.Constant(); ok {
			out.Text = textOf(fixed)
			break
		}
		out.Kind, out.Computed = assertions.Computed, len(c.out.computed)
		c.out.computed = append(c.out.computed, t)
	case scenarios.List:
		out.Kind = assertions.List
		for _, item := range n.Items() {
			out.Items = append(out.Items, c.convert(item))
		}
	case scenarios.Map:
		out.Kind = assertions.Map
		for _, e := range n.Entries() {
			c.noExpression(e.Key)
			out.Fields = append(out.Fields, assertions.Field{Name: e.Key.Text, Place: c.place(e.Key.Pos()), Value: c.convert(e.Value)})
		}
	}
	return out
}

// report turns what the assertions package found into diagnostics.
func (c *stepCompiler) report(problems []assertions.Problem) {
	c.diags = append(c.diags, c.diagnostics(problems)...)
}

func (c *scenarioCompiler) diagnostics(problems []assertions.Problem) diag.List {
	var l diag.List
	for _, p := range problems {
		pos := c.out.at(p.Place)
		if p.Offset > 0 {
			pos.Column += p.Offset
		}
		if p.Width > 0 {
			pos.Width = p.Width
		}
		l = append(l, diag.Diagnostic{Severity: diag.Error, Pos: pos, Code: p.Code, Message: p.Message, Hints: p.Hints})
	}
	return l
}

// waiting compiles retry and poll.
func (c *stepCompiler) waiting() {
	if c.kind.Name == "include" {
		return // told already
	}
	for _, k := range []struct {
		key string
		n   *scenarios.Node
	}{{"retry", c.source.Retry}, {"poll", c.source.Poll}} {
		if k.n != nil && len(c.kind.Subjects) == 0 {
			c.diags = append(c.diags, diag.Errorf(k.n.Pos(), diag.UnknownKey, "a step %q asks nobody, so it cannot have %q", c.kind.Name, k.key))
			return
		}
	}
	if n := c.source.Retry; n != nil {
		c.checkRetry(n)
		retry := scenarios.DecodeRetry(n)
		c.out.retry = &retry
	}
	if n := c.source.Poll; n != nil {
		c.out.poll = c.polling(n)
		if n := c.source.Retry; n != nil {
			c.diags = append(c.diags, diag.Warningf(n.Pos(), diag.InvalidValue, "the step has a poll, which takes trouble of the transport for not yet; retry adds nothing").
				WithHint("leave out retry"))
		}
	}
}

// polling compiles a poll; one that can never end well is a mistake.
func (c *stepCompiler) polling(n *scenarios.Node) *polling {
	p := &polling{Poll: scenarios.DecodePoll(n)}
	o := c.assertionOptions()
	o.Default2xx, o.DefaultPlace = c.kind.answers, c.place(c.source.Pos)
	var problems []assertions.Problem
	p.until, problems = assertions.Compile(c.node(n.Get("until")), o)
	c.report(problems)
	c.expectLater(p.until, o)
	if block := n.Get("abort-if"); block != nil {
		p.place = c.place(n.Key("abort-if").Pos())
		o.Default2xx = false
		p.abortIf, problems = assertions.Compile(c.node(block), o)
		c.report(problems)
		c.expectLater(p.abortIf, o)
	}
	c.checkPoll(n, p)
	return p
}

// checkPoll reports times with which a poll can never wait for anything.
func (c *stepCompiler) checkPoll(n *scenarios.Node, p *polling) {
	at := func(key string) diag.Position {
		if v := n.Get(key); v != nil {
			return v.Pos()
		}
		return n.Pos()
	}
	switch {
	case p.Timeout <= 0:
		c.diags = append(c.diags, diag.Errorf(at("timeout"), diag.InvalidValue, "a poll without a time limit may never end").
			WithHint("give timeout, such as 2m"))
	case p.Every <= 0:
		c.diags = append(c.diags, diag.Errorf(at("every"), diag.InvalidValue, "a poll that never waits would ask without end").
			WithHint("give every, such as 2s"))
	case p.Every >= p.Timeout:
		c.diags = append(c.diags, diag.Errorf(at("every"), diag.InvalidValue, "a poll that waits %s between two looks and ends after %s looks only once", formatDuration(p.Every), formatDuration(p.Timeout)).
			WithHint("make every shorter, or timeout longer"))
	case p.Max < p.Every && n.Get("max") != nil:
		c.diags = append(c.diags, diag.Errorf(at("max"), diag.InvalidValue, "max, the longest wait, is %s, and every, the first one, %s", formatDuration(p.Max), formatDuration(p.Every)).
			WithHint("max is at least every"))
	}
	p.Max = max(p.Max, p.Every)
}

// checkRetry reports a retry of a POST or PATCH that does not say that it may
// be repeated.
func (c *stepCompiler) checkRetry(n *scenarios.Node) {
	var statuses []*scenarios.Node
	if on := n.Get("on"); on != nil {
		statuses = on.Items()
	}
	for _, status := range statuses {
		if v, ok := status.Int(); ok && (v < 300 || v > 599) {
			c.diags = append(c.diags, diag.Errorf(status.Pos(), diag.InvalidValue, "%d is no status of trouble; retry is for 429, 502, 503, 504 and their kin", v).
				WithHint("to wait for an answer, use poll"))
		}
	}
	a, ok := c.out.action.(*callAction)
	if !ok || a.method != http.MethodPost && a.method != http.MethodPatch || scenarios.DecodeRetry(n).Unsafe {
		return
	}
	c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.UnsafeRetry, "retry repeats a %s, which may be processed twice", a.method).
		WithHint("if the flow can take it twice: retry: {unsafe: true, …}"))
}

// learnNames makes the names that the step sets known to what follows.
func (c *stepCompiler) learnNames() {
	for _, n := range setNames(c.source) {
		if proposal, err := expression.CheckName(n.Text); err != nil {
			d := diag.Errorf(n.Pos(), diag.InvalidName, "%s", err)
			if proposal != "" {
				d.Message += fmt.Sprintf("; did you mean %q?", proposal)
			}
			c.diags = append(c.diags, d)
		}
		for f := c.frame; f != nil; f = f.parent {
			f.sets[n.Text] = true
			if slices.ContainsFunc(f.params, func(p variable) bool { return p.name == n.Text }) {
				c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidName, "%q is a parameter of the file; choose another name", n.Text))
			}
		}
		c.known[n.Text] = true
	}
}

// sortedNames gives the names of a map in order.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
