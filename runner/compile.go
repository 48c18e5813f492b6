package runner

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"iflowtest/assertions"
	"iflowtest/internal/destination"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// Options are the settings of a compilation and of the run that follows. The
// zero value compiles for a run with everything at its default.
type Options struct {
	// Version is shown in reports and sent as part of User-Agent.
	Version string
	// Env looks a variable of the process environment up, with --env-file over
	// it; nil means that there is none.
	Env func(name string) (string, bool)
	// Vars are the values of --var.
	Vars map[string]string
	// Check compiles only: what needs the process environment or a key file is
	// a warning when it is not there, and kinds that cannot run yet are fine.
	Check bool
	// Describe keeps what [Plan.Describe] tells.
	Describe bool
	// Strict makes a missing variable of the process environment an error also
	// when Check is set.
	Strict bool
	// Sandbox says that Environment is that of the sandbox tenant: its target
	// and credentials come before same-named ones of a scenario, and nothing
	// is sent to an origin that is not loopback.
	Sandbox *scenarios.Environment
	// Data replaces the data of the scenarios that have any, and gives rows to
	// those that use row without having data: an absolute path; empty: nothing
	// is replaced. DataShown is how messages name it.
	Data, DataShown string
	// Tags and Name select scenarios: an expression of tags, a regular
	// expression on the name.
	Tags, Name string
	// Failed selects the scenarios and rows that did not pass in a former run;
	// nil: all.
	Failed []Identity
	// Shard selects one of several parts of what else is selected.
	Shard Shard
	// Seed shuffles the order of the scenarios, and says how; 0: the order of
	// the files.
	Seed int64
	// Retries is how often a scenario that does not pass is run again.
	Retries int
	// Rate bounds the requests per second to one host, in place of the
	// environment's limits; 0: those hold.
	Rate float64
	// UpdateExpected writes expected files that an answer differs from, instead
	// of a failure.
	UpdateExpected bool
	// Stop is closed when a run that was interrupted is to end at once: what is
	// under way and what is to be cleaned up ends as not done. Nil: never.
	Stop <-chan struct{}
	// Keep replaces the keep of every step; empty: that of the step holds.
	Keep string
	// Journal is the folder of the journals of runs that create something.
	Journal string
	// JournalShown is what --journal names, for the command that cleans up;
	// empty: the user's own folder.
	JournalShown string
	// Environment is what -e names, for the command that cleans up.
	Environment string
	// Parallel is how many scenarios run at the same time; 0 is 1.
	Parallel int
	// Bail stops after the first scenario that does not pass.
	Bail bool
	// Timeout limits the whole run, cleanup not counted; 0 is no limit.
	Timeout time.Duration
	// Transport replaces the network, for tests.
	Transport http.RoundTripper
	// Redactor learns every secret as soon as it is known; nil is a new one.
	Redactor *secret.Redactor
	// Unredacted runs without a redactor, and shows every secret. It is there
	// for the test that proves what the redactor hides.
	Unredacted bool
	// Log receives what happens between events; nil discards it.
	Log *slog.Logger
}

// UsageError is wrong usage that only the files reveal: exit status 2.
type UsageError struct{ Message string }

// Error says what is wrong and what to do.
func (e *UsageError) Error() string { return e.Message }

// Plan is a compiled run. It is immutable but for the run itself: [Plan.Run]
// may be called once.
type Plan struct {
	o         Options
	id        string
	started   time.Time
	scenarios []*scenario
	// shared are the files that run once for all.
	shared []*shared
	// lost is what Options.Failed names and the files do not hold.
	lost []Identity
	// destinations is the key of the destination service; nil: no step needs it.
	destinations *destination.Key
	// foundry is the Cloud Foundry of the target; nil: no step needs it.
	foundry  *foundry
	target   target
	sources  diag.Sources
	files    *scenarios.Files
	warnings []string
	// envName is what reports call the environment.
	envName string
}

// Close lets go of the project folder. The plan must not be run afterwards.
func (p *Plan) Close() error { return p.files.Close() }

// Len gives the number of selected scenarios.
func (p *Plan) Len() int { return len(p.scenarios) }

// Steps gives the number of steps of the selected scenarios, cleanup included.
func (p *Plan) Steps() int {
	n := 0
	for _, s := range p.scenarios {
		n += len(s.steps)
	}
	return n
}

// scenario is a compiled scenario.
type scenario struct {
	id          int
	file, path  string
	below       string
	document    string
	pos         diag.Position
	name        string
	tags        []string
	timeout     time.Duration
	skip        *expression.Template
	vars        []variable
	secrets     map[string]bool
	credentials map[string]*credential
	// steps are those of the steps block, then those of the cleanup block.
	steps  []*step
	places []place
	// files are those that places lie in: its own, and those it includes.
	files []string

	// rows are the data rows; nil: it has none, and runs once. units is how
	// often it runs, and how many ScenarioIDs it has from id on.
	rows    *scenarios.Rows
	rowName *expression.Template
	units   int
	// selected are the rows that run, from 1; nil: all.
	selected []int
	locks    []string
	// uses are the files that run once that it includes.
	uses []*shared
}

// place is a position in a file of a scenario, small as there are many.
type place struct {
	line, column int32
	width        int16
	file         uint16
}

// at gives the position of a place.
func (s *scenario) at(p assertions.Place) diag.Position {
	if p < 0 || int(p) >= len(s.places) {
		return s.pos
	}
	at := s.places[p]
	return diag.Position{File: s.files[at.file], Line: int(at.line), Column: int(at.column), Width: int(at.width)}
}

// variable is an entry of a vars block.
type variable struct {
	name  string
	value value
}

// step is a compiled step.
type step struct {
	index    int
	cleanup  bool
	pos      diag.Position
	kind     string
	name     *expression.Template
	fixed    string
	when     *expression.Template
	skip     *expression.Template
	timeout  time.Duration
	goOn     bool
	action   action
	expect   *assertions.Expectation
	expected *expectedFile // with Options.UpdateExpected
	captures *assertions.Captures
	computed []*expression.Template
	retry    *scenarios.Retry
	poll     *polling
	// frame is the include that the step stands in.
	frame *frame
	// described is what the step would do, with Options.Describe.
	described *StepDescription
}

// Compile turns what was loaded into a plan. It reports everything that is
// wrong; with an error in the list the plan must not be run. It takes the
// steps out of the suite as it goes, so that their trees can be collected. The
// error is a *[UsageError].
func Compile(suite *scenarios.Suite, environment *scenarios.Environment, o Options) (*Plan, diag.List, error) {
	selected, err := parseTags(o.Tags)
	if err != nil {
		return nil, nil, &UsageError{err.Error()}
	}
	var name *regexp.Regexp
	if o.Name != "" {
		if name, err = regexp.Compile(o.Name); err != nil {
			return nil, nil, &UsageError{fmt.Sprintf("--name %q is not a regular expression: %s", o.Name, strings.TrimPrefix(err.Error(), "error parsing regexp: "))}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(o.Vars)) {
		if proposal, err := expression.CheckName(n); err != nil {
			hint := ""
			if proposal != "" {
				hint = fmt.Sprintf("; did you mean %q?", proposal)
			}
			return nil, nil, &UsageError{fmt.Sprintf("--var %s: %s%s", n, err, hint)}
		}
	}
	c, err := newCompiler(suite, o)
	if err != nil {
		return nil, nil, err
	}
	c.environment(environment)
	for _, s := range suite.Scenarios {
		wanted := (selected == nil || selected(s.Tags)) && (name == nil || name.MatchString(c.nameOf(s))) && c.failed(s)
		before := len(c.usage)
		compiled := c.scenario(s, wanted)
		if !wanted {
			c.usage = c.usage[:before] // it is not in the way of the others
			continue
		}
		c.plan.scenarios = append(c.plan.scenarios, compiled)
	}
	c.order()
	c.sameArtifacts()
	c.diags = unique(c.diags)
	return c.plan, c.diags, errors.Join(c.usage...)
}

// newCompiler makes ready to compile. The error is a *[UsageError].
func newCompiler(suite *scenarios.Suite, o Options) (*compiler, error) {
	o.Parallel = max(o.Parallel, 1)
	if o.Redactor == nil && !o.Unredacted {
		o.Redactor = secret.NewRedactor()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Env == nil {
		o.Env = func(string) (string, bool) { return "", false }
	}
	files, err := scenarios.OpenFiles(suite.Root)
	if err != nil {
		return nil, &UsageError{fmt.Sprintf("the project folder %s cannot be opened: %s", suite.Root, plainFileError(err))}
	}
	return &compiler{
		o:     o,
		suite: suite,
		kinds: Kinds(),

		doubted: map[string]bool{},
		files:   map[string]*scenarios.Included{},
		shared:  map[string]*shared{},
		found:   make([]bool, len(o.Failed)),
		plan:    &Plan{o: o, id: newID(), started: time.Now(), sources: suite.Sources, files: files},
	}, nil
}

// unique leaves out what was told before: several scenarios may include the
// same file.
func unique(l diag.List) diag.List {
	told := make(map[string]bool, len(l))
	return slices.DeleteFunc(l, func(d diag.Diagnostic) bool {
		key := fmt.Sprint(d.Pos, d.Code, d.Message)
		again := told[key]
		told[key] = true
		return again
	})
}

// compiler holds what the scenarios of a suite share while they are compiled.
type compiler struct {
	o     Options
	suite *scenarios.Suite
	kinds []Kind
	plan  *Plan
	diags diag.List
	usage []error

	// entitlements is that of the target, once it was read.
	entitlements *entitlementTarget
	// chosen is the environment whose target holds.
	chosen         *scenarios.Environment
	envVars        []variable
	envSecrets     []string
	envCredentials map[string]*credential
	// anyEnvironment is false when neither -e nor the sandbox gives
	// credentials; doubted are the credentials that were then told of.
	anyEnvironment bool
	doubted        map[string]bool
	// files are the included files by path, nil for those with mistakes; shared those that run once by path
	// and parameters.
	files  map[string]*scenarios.Included
	shared map[string]*shared
	// found says which of Options.Failed there is.
	found []bool
}

// kind gives the kind of that name, or nil.
func (c *compiler) kind(name string) *Kind {
	for i := range c.kinds {
		if c.kinds[i].Name == name {
			return &c.kinds[i]
		}
	}
	return nil
}

// scenarioCompiler compiles one scenario.
type scenarioCompiler struct {
	*compiler
	source *scenarios.Scenario
	out    *scenario
	// known maps the names that expressions may use at this point to true;
	// later maps those that a step further down captures to its line.
	known map[string]bool
	later map[string]int
	scope *expression.Scope
	// file is what paths are relative to, frame the include whose steps are
	// compiled, chain the files that include each other down to it.
	file  fileRef
	frame *frame
	chain []string
	// tidy are the cleanup steps of includes, which follow those of the
	// scenario.
	tidy []*step
	rows *scenarios.Rows
	// computed are the files whose paths are computed.
	computed []computedFile
	// usesRow says that some expression uses the data row, rowFile is the
	// file of --data when it holds here.
	usesRow bool
	rowFile string
	// anyName says that a file with mistakes was included: what it captures is
	// not known, so no name is called unknown.
	anyName bool
}

// fileRef is the file that paths are relative to.
type fileRef struct{ shown, path string }

// scenario compiles a scenario; the data of the command line are for those
// that are wanted only.
func (c *compiler) scenario(s *scenarios.Scenario, wanted bool) *scenario {
	sc := c.newScenario(s)
	if wanted {
		sc.rowFile = c.o.Data
	}
	sc.data()
	sc.vars()
	sc.name()
	if s.Skip != nil {
		sc.out.skip = sc.template(s.Skip, sc.scope)
	}
	if s.RowName != nil && sc.scope.HasRow {
		sc.out.rowName = sc.template(s.RowName, sc.scope)
	}
	sc.credentials()
	sc.steps()
	if s.Data == nil && !sc.usesRow {
		sc.rows, sc.out.rows, sc.out.units = nil, nil, 1
	}
	sc.selectRows()
	sc.computedFiles()
	return sc.out
}

// nameOf resolves the name of a scenario, before it is compiled.
func (c *compiler) nameOf(s *scenarios.Scenario) string {
	before := len(c.diags)
	sc := c.newScenario(s)
	sc.scope.HasRow = true
	sc.vars()
	sc.name()
	c.diags = c.diags[:before]
	return sc.out.name
}

// newScenario begins the compilation of a scenario, or of a file that runs
// like one.
func (c *compiler) newScenario(s *scenarios.Scenario) *scenarioCompiler {
	sc := &scenarioCompiler{
		compiler: c,
		source:   s,
		out: &scenario{
			file: s.File, path: s.Path, below: s.Below, pos: s.Pos, tags: s.Tags, timeout: s.Timeout,
			credentials: map[string]*credential{}, secrets: map[string]bool{},
			files: []string{s.File}, units: 1, locks: s.Lock,
		},
		known: map[string]bool{},
		later: map[string]int{},
		file:  fileRef{s.File, s.Path},
		chain: []string{s.Path},
	}
	for n := range c.o.Vars {
		sc.known[n] = true
	}
	for _, v := range c.envVars {
		sc.known[v.name] = true
	}
	for _, n := range slices.Concat(c.envSecrets, s.Secrets) {
		sc.out.secrets[n] = true
	}
	sc.scope = &expression.Scope{
		Variables:  sc.variable,
		Names:      sc.names,
		Env:        c.o.Env,
		EnvMissing: c.envMissing(),
		Run:        true, Scenario: true, Target: true,
	}
	return sc
}

// envMissing is how bad a missing variable of the process environment is.
func (c *compiler) envMissing() diag.Severity {
	if c.o.Check && !c.o.Strict {
		return diag.Warning
	}
	return diag.Error
}

// variable answers for the expression package whether a name is known here.
func (c *scenarioCompiler) variable(name string) (known bool, hint string) {
	if c.known[name] || c.anyName {
		return true, ""
	}
	if line, ok := c.later[name]; ok {
		return false, fmt.Sprintf("%q is set later, at line %d", name, line)
	}
	return false, ""
}

func (c *scenarioCompiler) names() []string { return slices.Sorted(maps.Keys(c.known)) }

func (c *scenarioCompiler) vars() {
	for _, e := range c.source.Vars {
		v := c.value(e.Value, c.scope)
		c.out.vars = append(c.out.vars, variable{e.Key.Text, v})
		c.known[e.Key.Text] = true
	}
	c.out.vars = append(slices.Clone(c.envVars), c.out.vars...)
}

// name resolves the scenario's name, which may use env, vars and run.
func (c *scenarioCompiler) name() {
	if c.source.Name == nil {
		return // reported by the loader
	}
	t := c.template(c.source.Name, c.scope)
	if len(t.Columns()) > 0 {
		c.diags = append(c.diags, diag.Errorf(c.source.Name.Pos(), diag.InvalidValue, "the name of a scenario is that of all its rows").
			WithHint("name the rows with row-name"))
	}
	c.out.name = c.source.Name.Text
	vars := c.staticVars(c.out.vars, c.out.secrets)
	name, err := t.Text(c.values(vars, c.out))
	if err == nil {
		c.out.name = name
	}
	c.out.document = documentOf(c.source)
}

// documentOf tells the scenarios of a file apart; empty where there is one.
func documentOf(s *scenarios.Scenario) string {
	if s.Documents <= 1 || s.Name == nil {
		return ""
	}
	return cmp.Or(slug(s.Name.Text), fmt.Sprintf("scenario-%d", s.Document+1))
}

// staticVars evaluates variables before the run, leaving out those that
// cannot be known yet; the values of secrets are made known to the redactor.
func (c *compiler) staticVars(vars []variable, secrets map[string]bool) map[string]any {
	known := map[string]any{}
	vs := c.values(known, nil)
	defer func() {
		for name := range secrets {
			learn(c.o.Redactor, name, known[name])
		}
	}()
	for n, text := range c.o.Vars {
		known[n] = text
	}
	for _, v := range vars {
		if _, given := c.o.Vars[v.name]; given {
			continue
		}
		if e, err := v.value.eval(vs); err == nil {
			known[v.name] = e
		}
	}
	return known
}

// values gives what expressions see, with vars as their variables.
func (c *compiler) values(vars map[string]any, s *scenario) *expression.Values {
	return c.plan.values(vars, s, nil)
}

// values gives what expressions see in a scenario with these variables.
func (p *Plan) values(vars map[string]any, s *scenario, readFile func(string) ([]byte, error)) *expression.Values {
	v := &expression.Values{
		Lookup: func(name string) (any, bool) {
			e, ok := vars[name]
			return e, ok
		},
		Env:        p.o.Env,
		RunID:      p.id,
		RunStarted: p.started,
		Runtime:    p.target.runtime,
		API:        p.target.api,
		Secret:     func(name, value string) { p.o.Redactor.Add(name, value) },
		ReadFile:   readFile,
	}
	if s != nil {
		v.ScenarioName = s.name
	}
	return v
}

// steps compiles the steps and the cleanup steps in order; names that a step
// captures or sets are known from the next step on.
func (c *scenarioCompiler) steps() {
	for _, block := range [][]*scenarios.Step{c.source.Steps, c.source.Cleanup} {
		c.laterNames(block)
	}
	c.out.steps = make([]*step, 0, len(c.source.Steps)+len(c.source.Cleanup))
	c.block(c.source.Steps, false)
	// The includes of the cleanup block have cleanup of their own, behind that
	// of the includes above it.
	tidy := c.tidy
	c.tidy = nil
	c.block(c.source.Cleanup, true)
	c.out.steps = slices.Concat(c.out.steps, c.tidy, tidy)
	for i, st := range c.out.steps {
		st.index = i + 1
	}
}

// block compiles a list of steps. The trees of a scenario are let go as soon
// as they are compiled: it may have thousands of steps. Those of an included
// file are needed again.
func (c *scenarioCompiler) block(steps []*scenarios.Step, cleanup bool) {
	c.laterNames(steps)
	for i, s := range steps {
		c.step(s, cleanup)
		if len(c.chain) == 1 {
			steps[i] = nil
		}
	}
}

// laterNames notes the names that steps give a value.
func (c *scenarioCompiler) laterNames(steps []*scenarios.Step) {
	for _, s := range steps {
		for _, n := range setNames(s) {
			c.laterName(n)
		}
	}
}

// laterName notes a name that a step gives a value. One that --var gives as
// well is wrong usage.
func (c *scenarioCompiler) laterName(n *scenarios.Node) {
	if _, ok := c.later[n.Text]; ok {
		return
	}
	c.later[n.Text] = n.Pos().Line
	if _, ok := c.o.Vars[n.Text]; ok {
		c.usage = append(c.usage, &UsageError{fmt.Sprintf("--var %s: %s captures or sets %s itself; choose another name", n.Text, n.Pos(), n.Text)})
	}
}

// setNames gives the keys that a step captures or sets.
func setNames(s *scenarios.Step) []*scenarios.Node {
	var names []*scenarios.Node
	if s.Capture != nil {
		for _, e := range s.Capture.Entries() {
			names = append(names, e.Key)
		}
	}
	for _, k := range s.Kinds {
		if k.Key.Text == "set" && k.Value.Kind == scenarios.Map {
			for _, e := range k.Value.Entries() {
				names = append(names, e.Key)
			}
		}
	}
	return names
}

// template compiles a scalar that may hold ${…}; one that is wrong is reported
// and stands for its own text.
func (c *compiler) template(n *scenarios.Node, scope *expression.Scope) *expression.Template {
	t, diags := expression.CompileText(n.Text, n.At, scope)
	c.diags = append(c.diags, diags...)
	if t == nil {
		return expression.Literal(n.Text)
	}
	c.readable(t, n)
	return t
}

// template compiles a scalar of the scenario, and checks that every row has
// the columns that it needs.
func (c *scenarioCompiler) template(n *scenarios.Node, scope *expression.Scope) *expression.Template {
	before := len(c.diags)
	t := c.compiler.template(n, scope)
	if c.rowFile != "" {
		for i := range c.diags[before:] {
			if d := &c.diags[before+i]; d.Code == diag.UnknownMember {
				*d = d.WithHint("the data is %s, of --data", c.o.DataShown)
			}
		}
	}
	c.columns(t, n)
	return t
}

// readable reports files that file("…") names and that cannot be opened.
func (c *compiler) readable(t *expression.Template, n *scenarios.Node) {
	for _, f := range t.Files() {
		from := filepath.Join(c.suite.WorkingFolder, filepath.FromSlash(n.Pos().File))
		if filepath.IsAbs(n.Pos().File) {
			from = n.Pos().File
		}
		file, err := c.plan.files.OpenRelative(from, f.Path)
		if err != nil {
			c.diags = append(c.diags, fileDiagnostic(f.Pos, err))
			continue
		}
		_ = file.Close() // it was only opened to see that it can be
	}
}

// noExpression reports ${…} in a key, where it is never evaluated.
func (c *compiler) noExpression(key *scenarios.Node) {
	if expression.HasExpression(key.Text) {
		c.diags = append(c.diags, diag.Errorf(key.Pos(), diag.ExpressionSyntax, "${…} in the key %q is never evaluated; only values are", key.Text))
	}
}

// place numbers a position for the assertions package.
func (c *scenarioCompiler) place(pos diag.Position) assertions.Place {
	file := slices.Index(c.out.files, pos.File)
	if file < 0 {
		file = len(c.out.files)
		c.out.files = append(c.out.files, pos.File)
	}
	c.out.places = append(c.out.places, place{int32(pos.Line), int32(pos.Column), int16(min(pos.Width, 1<<15-1)), uint16(file)})
	return assertions.Place(len(c.out.places) - 1)
}

// slug writes a name so that it can stand in a dotted path.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// NewID makes the id of a run: short, lower case, safe in names.
func NewID() string { return newID() }

// newID makes a run id: eight characters of a-z and 2-7.
func newID() string { return strings.ToLower(rand.Text()[:8]) }
