package runner

import (
	"fmt"
	"slices"
	"strings"

	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

// Description is what a run would do, in the order in which it would. Every
// string in it has passed the redactor and is safe to print. Expressions are
// resolved as far as they can be before the run; the rest stands as written.
type Description struct {
	Environment string   `json:"environment,omitempty"`
	Runtime     string   `json:"runtime,omitempty"`
	API         string   `json:"api,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	Seed        int64    `json:"seed,omitempty"`
	// Scenarios are those that run, and behind them the files that run once
	// for all.
	Scenarios []ScenarioDescription `json:"scenarios"`
}

// ScenarioDescription is what a scenario would do.
type ScenarioDescription struct {
	Name     string   `json:"name"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Document string   `json:"document,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Skip     string   `json:"skip,omitempty"`
	Locks    []string `json:"locks,omitempty"`
	Timeout  string   `json:"timeout,omitempty"`
	// Once says that it is an included file that runs once for all.
	Once bool             `json:"once,omitempty"`
	Data *DataDescription `json:"data,omitempty"`
	// Credentials are those that its steps use.
	Credentials []CredentialDescription `json:"credentials,omitempty"`
	Steps       []StepDescription       `json:"steps"`
}

// DataDescription is what is known of data rows.
type DataDescription struct {
	// File is empty for rows that stand in the scenario.
	File string `json:"file,omitempty"`
	// Rows is how many there are, Selected how many of them would run.
	Rows     int      `json:"rows"`
	Selected int      `json:"selected"`
	Parallel int      `json:"parallel"`
	Columns  []string `json:"columns,omitempty"`
	RowName  string   `json:"rowName,omitempty"`
}

// CredentialDescription is a credential without its secrets.
type CredentialDescription struct {
	Name     string `json:"name"`
	TokenURL string `json:"tokenUrl,omitempty"`
	ClientID string `json:"clientId,omitempty"`
	// Secret names the secret, never what it is.
	Secret string `json:"secret,omitempty"`
	URL    string `json:"url,omitempty"`
}

// StepDescription is what a step would do.
type StepDescription struct {
	Index   int    `json:"index"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Cleanup bool   `json:"cleanup,omitempty"`
	When    string `json:"when,omitempty"`
	Skip    string `json:"skip,omitempty"`
	// Does is the body of the step: for a call its method and URL.
	Does string `json:"does,omitempty"`
	// With are the parts of the body that Does does not say.
	With       []string `json:"with,omitempty"`
	Credential string   `json:"credential,omitempty"`
	Timeout    string   `json:"timeout,omitempty"`
	Retry      string   `json:"retry,omitempty"`
	Poll       string   `json:"poll,omitempty"`
	Expects    []string `json:"expects,omitempty"`
	Captures   []string `json:"captures,omitempty"`
	// Creates, Adopts and Requires are the resources of the platform that the
	// step creates, uses when they are there and else creates, or wants to be
	// there. Removes are those that go when the scenario ends.
	Creates  []string `json:"creates,omitempty"`
	Adopts   []string `json:"adopts,omitempty"`
	Requires []string `json:"requires,omitempty"`
	Removes  []string `json:"removes,omitempty"`
	// Deploys are the artifacts that the step deploys, Changes what it changes
	// before. Undeploys and Restores are taken back when the scenario ends.
	Deploys   []string `json:"deploys,omitempty"`
	Changes   []string `json:"changes,omitempty"`
	Undeploys []string `json:"undeploys,omitempty"`
	Restores  []string `json:"restores,omitempty"`
	GoesOn    bool     `json:"goesOn,omitempty"`
}

// Describe says what a run of the plan would do. The plan must have been
// compiled with [Options.Describe].
func (p *Plan) Describe() Description {
	t := p.o.Redactor.Text
	d := Description{
		Environment: t(p.envName), Runtime: t(p.target.runtime), API: t(p.target.api),
		Warnings: each(p.warnings, t), Seed: p.o.Seed, Scenarios: []ScenarioDescription{},
	}
	for _, sc := range p.scenarios {
		d.Scenarios = append(d.Scenarios, p.describe(sc, false))
	}
	for _, sh := range p.shared {
		d.Scenarios = append(d.Scenarios, p.describe(sh.scenario, true))
	}
	return d
}

func (p *Plan) describe(sc *scenario, once bool) ScenarioDescription {
	t := p.o.Redactor.Text
	d := ScenarioDescription{
		Name: t(sc.name), File: t(sc.file), Line: sc.pos.Line, Document: t(sc.document), Tags: each(sc.tags, t),
		Locks: each(sc.locks, t), Once: once, Steps: []StepDescription{},
	}
	if sc.timeout > 0 {
		d.Timeout = formatDuration(sc.timeout)
	}
	if sc.skip != nil {
		d.Skip = t(sc.skip.Source())
	}
	if sc.rows != nil {
		d.Data = &DataDescription{
			File: t(sc.rows.File()), Rows: sc.rows.Len(), Selected: sc.units, Parallel: sc.rows.Parallel(), Columns: each(sc.rows.Columns(), t),
		}
		if sc.rowName != nil {
			d.Data.RowName = t(sc.rowName.Source())
		}
	}
	used := map[string]bool{}
	for _, st := range sc.steps {
		if st.described == nil {
			continue
		}
		s := *st.described
		s.Index = st.index
		used[s.Credential] = true
		for _, text := range []*string{&s.Name, &s.File, &s.When, &s.Skip, &s.Does, &s.Credential, &s.Retry, &s.Poll} {
			*text = t(*text)
		}
		for _, list := range []*[]string{&s.With, &s.Expects, &s.Captures, &s.Creates, &s.Adopts, &s.Requires, &s.Removes, &s.Deploys, &s.Changes, &s.Undeploys, &s.Restores} {
			*list = each(*list, t)
		}
		d.Steps = append(d.Steps, s)
	}
	for _, name := range sortedNames(sc.credentials) {
		cr := sc.credentials[name]
		if !used[name] {
			continue
		}
		described := CredentialDescription{Name: t(name), TokenURL: t(cr.TokenURL), ClientID: t(cr.ClientID), URL: t(cr.base)}
		if !cr.ClientSecret.IsZero() {
			described.Secret = cr.ClientSecret.String()
		}
		d.Credentials = append(d.Credentials, described)
	}
	return d
}

// condition gives the conditions of the step and of the includes around it.
func condition(st *step) string {
	var all []string
	for f := st.frame; f != nil; f = f.parent {
		if f.when != nil {
			all = append(all, f.when.Source())
		}
	}
	slices.Reverse(all)
	if st.when != nil {
		all = append(all, st.when.Source())
	}
	return strings.Join(all, " and ")
}

// foreseen gives what expressions see as far as it is known before the run and
// the same in each run: variables, parameters of includes, what steps set.
func (c *stepCompiler) foreseen() *expression.Values {
	known := map[string]any{}
	vs := c.values(known, c.scenarioCompiler.out)
	add := func(vars []variable) {
		for _, v := range vars {
			if text, given := c.o.Vars[v.name]; given {
				known[v.name] = text
			} else if value, err := v.value.eval(vs); err == nil && !v.value.varies() {
				known[v.name] = value
			} else if v.value.template != nil {
				known[v.name] = v.value.template.Partial(vs)
			} else {
				delete(known, v.name)
			}
		}
	}
	for name, text := range c.o.Vars {
		known[name] = text
	}
	add(c.scenarioCompiler.out.vars)
	for _, st := range c.scenarioCompiler.out.steps {
		if a, ok := st.action.(*setAction); ok && st != c.out && st.when == nil {
			for i, name := range a.names {
				add([]variable{{name, a.values[i]}})
			}
		} else if st.captures != nil && st != c.out {
			for _, name := range st.captures.Names() {
				delete(known, name)
			}
		}
	}
	var frames []*frame
	for f := c.out.frame; f != nil; f = f.parent {
		frames = append(frames, f)
	}
	for _, f := range slices.Backward(frames) {
		add(f.params)
	}
	return vs
}

// describe notes what the step would do.
func (c *stepCompiler) describe(body *scenarios.Node) {
	if !c.o.Describe {
		return
	}
	st := c.out
	d := &StepDescription{
		Name: st.fixed, Kind: st.kind, File: st.pos.File, Line: st.pos.Line, Cleanup: st.cleanup, GoesOn: st.goOn,
	}
	vs := c.foreseen()
	if st.name != nil {
		d.Name = st.name.Partial(vs)
	}
	d.When = condition(st)
	if st.skip != nil {
		d.Skip = st.skip.Partial(vs)
	}
	if c.source.Timeout > 0 {
		d.Timeout = formatDuration(c.source.Timeout)
	}
	if n := body.Get("credential"); n != nil {
		d.Credential = n.Text
	}
	written := writer{c, vs}
	switch a := st.action.(type) {
	case *callAction:
		d.Does = a.method + " " + written.url(a)
		for _, e := range body.Entries() {
			if e.Key.Text != a.method && e.Key.Text != "credential" && e.Key.Text != "base" {
				d.With = append(d.With, e.Key.Text+" "+written.node(e.Value))
			}
		}
	default:
		if p, ok := a.(provisioning); ok {
			p.provisions(d, vs)
		}
		rest := body.Without("credential")
		if rest.Kind != scenarios.Map || len(rest.Entries()) > 0 {
			d.Does = written.node(rest)
		}
	}
	d.Retry, d.Poll = c.describeWaiting(written)
	if c.source.Expect != nil {
		d.Expects = written.assertions(c.source.Expect)
	}
	if c.source.Capture != nil {
		for _, e := range c.source.Capture.Entries() {
			d.Captures = append(d.Captures, e.Key.Text+" from "+written.node(e.Value))
		}
	}
	st.described = d
}

func (c *stepCompiler) describeWaiting(written writer) (retry, poll string) {
	if r := c.out.retry; r != nil {
		retry = fmt.Sprintf("%d attempts, every %s, times %g, at most %s", r.Attempts, formatDuration(r.Every), r.Backoff, formatDuration(r.Max))
	}
	if p := c.out.poll; p != nil {
		poll = fmt.Sprintf("until %s; every %s, times %g, at most %s, for %s",
			strings.Join(written.assertions(p.Until), ", "), formatDuration(p.Every), p.Backoff, formatDuration(p.Max), formatDuration(p.Timeout))
		if p.AbortIf != nil {
			poll += "; aborts if " + strings.Join(written.assertions(p.AbortIf), ", ")
		}
	}
	return retry, poll
}

// writer writes values of a file in one line, their expressions resolved as
// far as they can be.
type writer struct {
	c  *stepCompiler
	vs *expression.Values
}

// node writes a value.
func (w writer) node(n *scenarios.Node) string {
	switch n.Kind {
	case scenarios.Null:
		return "null"
	case scenarios.List:
		var items []string
		for _, item := range n.Items() {
			items = append(items, w.node(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case scenarios.Map:
		var entries []string
		for _, e := range n.Entries() {
			name := strings.ToLower(e.Key.Text)
			if e.Value.Kind == scenarios.Text && (strings.Contains(name, "secret") || strings.Contains(name, "password")) {
				entries = append(entries, e.Key.Text+": ***")
				continue
			}
			entries = append(entries, e.Key.Text+": "+w.node(e.Value))
		}
		return "{" + strings.Join(entries, ", ") + "}"
	case scenarios.Text:
		// A secret that was cut or joined with what follows would no longer be
		// known as one.
		return oneLineOf(w.c.o.Redactor.String(w.text(n)))
	}
	return n.Text
}

// text resolves a scalar.
func (w writer) text(n *scenarios.Node) string {
	diags := len(w.c.diags)
	t := w.c.compiler.template(n, w.c.scope)
	w.c.diags = w.c.diags[:diags]
	return t.Partial(w.vs)
}

// url resolves the URL of a call.
func (w writer) url(a *callAction) string {
	if a.fixed != "" {
		return a.fixed
	}
	base := ""
	if a.base != nil {
		base = a.base.Partial(w.vs)
	}
	path := a.path.Partial(w.vs)
	if isAbsolute(path) {
		return path
	}
	return strings.TrimRight(a.baseURL(base), "/") + "/" + strings.TrimLeft(path, "/")
}

// assertions writes an expect block, one assertion each.
func (w writer) assertions(n *scenarios.Node) []string {
	var out []string
	for _, subject := range n.Entries() {
		name := subject.Key.Text
		if subject.Value.Kind != scenarios.Map || !slices.Contains([]string{"json", "headers", "xml", "claims", "cookies"}, name) {
			out = append(out, name+": "+w.node(subject.Value))
			continue
		}
		for _, e := range subject.Value.Entries() {
			out = append(out, name+" "+e.Key.Text+": "+w.node(e.Value))
		}
	}
	return out
}

// shownText bounds a text in a description, in characters.
const shownText = 300

func oneLineOf(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > shownText {
		return string(r[:shownText]) + "…"
	}
	return s
}
