package scenarios

import (
	"iflowtest/internal/diag"
)

// reader turns trees into scenarios, and collects what is wrong.
type reader struct {
	src *source
	*grammar
	l diag.List
}

func (r *reader) errorf(pos diag.Position, code, format string, args ...any) {
	r.l = append(r.l, diag.Errorf(pos, code, format, args...))
}

func (r *reader) hint(format string, args ...any) {
	last := &r.l[len(r.l)-1]
	*last = last.WithHint(format, args...)
}

// readScenario reads a scenario document.
func (r *reader) readScenario(root *Node) *Scenario {
	s := &Scenario{Pos: root.Pos()}
	if r.otherDocument(root) {
		return s
	}
	if !r.document(r.grammar.scenario, root, "the scenario", "a scenario is a mapping with name and steps") {
		return s
	}
	for _, e := range root.Entries() {
		r.scenarioKey(s, e)
	}
	return s
}

// otherDocument reports a document that is meant to be something else.
func (r *reader) otherDocument(root *Node) bool {
	if root.Kind != Map || root.Get("name") != nil {
		return false
	}
	switch {
	case root.Get("target") != nil && root.Get("steps") == nil:
		r.errorf(root.Pos(), diag.BadFile, "this is an environment, and a scenario is wanted")
		r.hint("environments lie in a folder named environments, and -e chooses one")
	case root.Get("params") != nil:
		r.errorf(root.Pos(), diag.BadFile, "this is a file to be included, and a scenario is wanted")
		r.hint("files to be included lie below a folder whose name begins with _")
	default:
		return false
	}
	return true
}

func (r *reader) scenarioKey(s *Scenario, e Entry) {
	v := e.Value
	switch e.Key.Text {
	case "name":
		s.Name = r.named(v)
	case "description":
		s.Description, _ = v.Scalar()
	case "tags":
		s.Tags = v.Strings()
	case "timeout":
		s.Timeout, _ = v.Duration()
	case "lock":
		s.Lock = v.Strings()
	case "skip":
		s.Skip = scalar(v)
	case "vars":
		s.Vars = v.Entries()
	case "data":
		s.Data = present(v)
	case "row-name":
		s.RowName = scalar(v)
	case "secrets":
		s.Secrets = v.Strings()
	case "credentials":
		s.Credentials = r.credentials(v)
	case "steps":
		s.Steps = r.steps(v)
	case "cleanup":
		s.Cleanup = r.steps(v)
	}
}

// readIncluded reads a document that a step includes.
func (r *reader) readIncluded(root *Node) *Included {
	f := &Included{Pos: root.Pos()}
	if !r.document(r.grammar.included, root, "the included file", "an included file is a mapping with steps") {
		return f
	}
	for _, e := range root.Entries() {
		v := e.Value
		switch e.Key.Text {
		case "name":
			f.Name = r.named(v)
		case "params":
			f.Params = v.Items()
		case "credentials":
			f.Credentials = r.credentials(v)
		case "steps":
			f.Steps = r.steps(v)
		case "cleanup":
			f.Cleanup = r.steps(v)
		}
	}
	return f
}

// readEnvironment reads the document of an environment.
func (r *reader) readEnvironment(root *Node) *Environment {
	env := &Environment{Pos: root.Pos()}
	if !r.document(r.grammar.environment, root, "the environment", "an environment is a mapping with target, vars or credentials") {
		return env
	}
	for _, e := range root.Entries() {
		v := e.Value
		switch e.Key.Text {
		case "target":
			env.Target = mapping(v)
			r.target(v)
		case "vars":
			env.Vars = v.Entries()
		case "secrets":
			env.Secrets = v.Strings()
		case "credentials":
			env.Credentials = r.credentials(v)
		}
	}
	return env
}

// document checks the keys of a document against its shape, all but the
// parts that are read on their own. false: there is nothing to be read.
func (r *reader) document(s Shape, root *Node, what, wanted string) bool {
	if root.Kind != Map {
		r.errorf(root.Pos(), diag.WrongType, "%s wants a mapping, got %s", what, describe(root))
		r.hint("%s", wanted)
		return false
	}
	r.check(s, root, what)
	return true
}

// check checks a value, and says whether it is right.
func (r *reader) check(s Shape, n *Node, what string) bool {
	c := checker{kinds: r.kinds, reserved: r.reserved}
	c.check(s, n, what)
	r.l = append(r.l, c.l...)
	return len(c.l) == 0
}

// named gives a name that says something.
func (r *reader) named(n *Node) *Node {
	if n.Kind == Text && n.Text == "" {
		r.errorf(n.Pos(), diag.InvalidValue, "the name is empty")
		return nil
	}
	return scalar(n)
}

// scalar gives n when it is a scalar that holds something, else nil.
func scalar(n *Node) *Node {
	if _, ok := n.Scalar(); !ok {
		return nil
	}
	return n
}

func present(n *Node) *Node {
	if n.Kind == Null {
		return nil
	}
	return n
}

// credentials checks a block of credentials and gives those that can be used.
func (r *reader) credentials(n *Node) []Entry {
	for _, e := range n.Entries() {
		what := "the credential " + shorten(e.Key.Text)
		if r.check(r.credential, e.Value, what) && e.Value.Kind == Map {
			r.l = append(r.l, credentialKeys(e.Value, what)...)
		}
	}
	r.l = append(r.l, literalSecrets(r.src, n.Entries())...)
	return n.Entries()
}

// target warns of what a target should not hold.
func (r *reader) target(n *Node) {
	if v, ok := n.Get("tls").Get("insecure").Bool(); ok && v {
		r.l = append(r.l, diag.Warningf(n.Get("tls").Key("insecure").Pos(), diag.TLSInsecure, "TLS is not verified in this environment").
			WithHint("give the certificate authority with tls.ca instead"))
	}
	if cf := n.Get("cloud-foundry"); cf != nil {
		r.l = append(r.l, literalSecrets(r.src, []Entry{{Value: cf}})...)
	}
	for _, service := range []string{"entitlements", "destinations"} {
		if v := n.Get(service); v != nil {
			r.l = append(r.l, literalSecrets(r.src, []Entry{{Value: v}})...)
		}
	}
	if proxy := n.Get("proxy"); proxy != nil && proxy.Kind == Text && !hasExpression(proxy.Text) && passwordInURL.MatchString(proxy.Text) {
		r.src.mask(proxy)
	}
}

// steps reads a list of steps.
func (r *reader) steps(n *Node) []*Step {
	if n.Kind != List {
		return nil
	}
	steps := make([]*Step, 0, len(n.Items()))
	for i, item := range n.Items() {
		if item.Kind != Map || len(item.Entries()) == 0 {
			if item.Kind == Null || item.Kind == Map {
				r.errorf(item.Pos(), diag.EmptyBlock, "step %d is empty", i+1)
			} else {
				r.errorf(item.Pos(), diag.WrongType, "step %d wants a mapping, got %s", i+1, describe(item))
			}
			r.hint("a step is written like: - call: {GET: /http/orders}")
			continue
		}
		steps = append(steps, r.stepOf(item))
	}
	return steps
}

// stepOf reads one step. What is no common key is its kind, or a mistake: the
// runner knows.
func (r *reader) stepOf(n *Node) *Step {
	s := &Step{Pos: n.Pos(), EndLine: n.EndLine()}
	s.Keys = make([]string, len(n.Entries()))
	for i, e := range n.Entries() {
		name := e.Key.Text
		s.Keys[i] = name
		k := r.step.Key(name)
		if k == nil {
			s.Kinds = append(s.Kinds, e)
			continue
		}
		r.stepKey(s, e, r.check(k.Shape, e.Value, name))
	}
	return s
}

func (r *reader) stepKey(s *Step, e Entry, right bool) {
	v := e.Value
	switch e.Key.Text {
	case "name":
		s.Name = r.named(v)
	case "when":
		s.When = scalar(v)
	case "skip":
		s.Skip = scalar(v)
	case "expect":
		s.Expect = mapping(v)
	case "capture":
		s.Capture = mapping(v)
	case "retry":
		if right {
			s.Retry = v
		}
	case "poll":
		if mapping(v.Get("until")) != nil {
			s.Poll = v
		}
	case "timeout":
		s.Timeout, _ = v.Duration()
	case "on-failure":
		if right {
			s.OnFailure = v.Text
		}
	}
}
