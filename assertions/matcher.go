package assertions

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// matcher is what a subject is held against: tests, all of which must hold.
type matcher struct {
	tests []test
	// computed says that the operand of a test, at any depth, is not known
	// before the run.
	computed bool
}

// test is an operator with its operand. Which of the fields hold the operand
// is the operator's business.
type test struct {
	op     *operator
	place  Place
	domain domain
	yes    bool
	// source is the operand as written, when it holds computed values; then
	// the operand is read at the time of the check.
	source *Node

	want   tree
	wants  []operand
	limits *limits
	word   string
	regexp *regexp.Regexp
	moment *time.Time
	sub    *matcher
}

// limits are what numbers are compared with.
type limits struct{ low, high bound }

// operand is a value that something is compared with; num and class are that
// of a number.
type operand struct {
	want  tree
	num   *bound
	class int8
}

// compiler turns nodes into matchers and collects what is wrong.
type compiler struct {
	operators []operator
	problems  []Problem
	options   Options
	// prefixes are those of namespaces, for XPath.
	prefixes map[string]string
	// show hides secrets when operands are read at the time of the check; nil
	// when a file is compiled.
	show *display
}

// operatorRows are shared by all that is compiled.
var operatorRows = sync.OnceValue(operators)

func newCompiler(o Options) *compiler {
	return &compiler{operators: operatorRows(), options: o}
}

func (c *compiler) problem(place Place, code, message string, hints ...string) {
	c.problems = append(c.problems, Problem{Place: place, Code: code, Message: message, Hints: hints})
}

func (c *compiler) operator(name string) *operator {
	for i := range c.operators {
		if c.operators[i].name == name {
			return &c.operators[i]
		}
	}
	return nil
}

func (c *compiler) operatorNames() []string {
	names := make([]string, len(c.operators))
	for i := range c.operators {
		names[i] = c.operators[i].name
	}
	return names
}

const equalsHint = "a mapping that is meant as a value is written equals: {…}"

// matcher compiles a plain value or a mapping of operators. what names the
// subject in messages; place is where the assertion stands.
func (c *compiler) matcher(n *Node, place Place, d domain, what string) matcher {
	if n.Kind != Map {
		return c.plain(n, place, d, what)
	}
	if len(n.Fields) == 0 {
		c.problem(n.Place, "invalid-matcher", what+": an empty mapping asserts nothing; want a value or operators",
			equalsHint)
		return matcher{}
	}
	if !c.areOperators(n, what) {
		return matcher{}
	}
	var m matcher
	for i := range n.Fields {
		f := &n.Fields[i]
		if t, ok := c.test(c.operator(f.Name), &f.Value, f.Place, d, what); ok {
			m.add(t)
		}
	}
	return m
}

func (m *matcher) add(t test) {
	m.tests = append(m.tests, t)
	if t.source != nil || (t.sub != nil && t.sub.computed) {
		m.computed = true
	}
}

// plain compiles a value that is not a mapping: equals.
func (c *compiler) plain(n *Node, place Place, d domain, what string) matcher {
	var m matcher
	if t, ok := c.test(c.operator("equals"), n, place, d, what); ok {
		m.add(t)
	}
	return m
}

// areOperators reports whether every name of the mapping is an operator, and
// says so when not.
func (c *compiler) areOperators(n *Node, what string) bool {
	var unknown []*Field
	for i := range n.Fields {
		if c.operator(n.Fields[i].Name) == nil {
			unknown = append(unknown, &n.Fields[i])
		}
	}
	if len(unknown) == 0 {
		return true
	}
	// A value that was meant as such is one mistake, not one for each name.
	if len(unknown) == len(n.Fields) {
		unknown = unknown[:1]
	}
	for _, f := range unknown {
		c.problem(f.Place, "invalid-matcher",
			fmt.Sprintf("%s: unknown operator %s%s", what, quote(f.Name), didYouMean(f.Name, c.operatorNames())),
			equalsHint)
	}
	return false
}

// test compiles one operator, as far as its operand is known.
func (c *compiler) test(op *operator, n *Node, place Place, d domain, what string) (test, bool) {
	t := test{op: op, place: place, domain: d}
	if op.on&d == 0 {
		c.problem(place, "invalid-matcher", fmt.Sprintf("%s: %s makes no sense here; want one of %s",
			what, op.name, joinWords(c.namesFor(d))))
		return t, false
	}
	if op.nested == 0 && n.isComputed() {
		t.source = n
		return t, true
	}
	before := len(c.problems)
	op.compile(c, &t, n, what)
	return t, len(c.problems) == before
}

func (c *compiler) namesFor(d domain) []string {
	var names []string
	for i := range c.operators {
		if c.operators[i].on&d != 0 {
			names = append(names, c.operators[i].name)
		}
	}
	return names
}

// resolve gives the matcher with its computed operands read.
func (m *matcher) resolve(compute Lookup, d *display) (*matcher, error) {
	if !m.computed {
		return m, nil
	}
	r := &matcher{tests: slices.Clone(m.tests)}
	for i := range r.tests {
		t := &r.tests[i]
		if t.sub != nil && t.sub.computed {
			sub, err := t.sub.resolve(compute, d)
			if err != nil {
				return nil, err
			}
			t.sub = sub
		}
		if t.source != nil {
			if err := t.read(compute, d); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// read compiles the operand of t, now that its value can be known. What the
// operand is of is the caller's to say.
func (t *test) read(compute Lookup, d *display) error {
	n, err := t.source.evaluate(compute)
	if err != nil {
		return err
	}
	// Every value is taken as one: text with the name of an operator in it
	// does not become an operator.
	c := &compiler{show: d}
	t.source = nil
	t.op.compile(c, t, &n, "")
	if len(c.problems) > 0 {
		return errors.New(strings.TrimPrefix(c.problems[0].Message, ": "))
	}
	return nil
}

// failing gives the first test that does not hold for v, or nil.
func (m *matcher) failing(v *value) *test {
	for i := range m.tests {
		if t := &m.tests[i]; !t.holds(v) {
			return t
		}
	}
	return nil
}

// holds reports whether t holds for v. What is absent satisfies only exists:
// false, and not: {exists: true}: anything else would pass because nobody
// looked.
func (t *test) holds(v *value) bool {
	if v.form == absent && !t.op.absence {
		return false
	}
	if len(v.others) == 0 {
		return t.op.holds(t, v)
	}
	return t.holdsForOne(v)
}

// holdsForOne judges a header that is there several times.
func (t *test) holdsForOne(v *value) bool {
	if t.op.all {
		return t.op.holds(t, v)
	}
	single := *v
	single.others = nil
	if t.op.holds(t, &single) {
		return true
	}
	for _, s := range v.others {
		single.text = s
		if t.op.holds(t, &single) {
			return true
		}
	}
	return false
}
