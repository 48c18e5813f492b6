package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"iflowtest/internal/diag"
)

// maxWeight bounds the nodes of a tree, each counted as often as it is
// reached: a < b < c uses b twice.
const maxWeight = 20_000

// rootKind is where a name takes its value from.
type rootKind int

const (
	variableRoot rootKind = iota
	envRoot
	columnRoot
	rowIndexRoot
	runIDRoot
	runStartedRoot
	scenarioNameRoot
	runtimeRoot
	apiRoot
)

// root is a name that an expression takes a value from.
type root struct {
	kind rootKind
	name string
	// optional: a value that is not there is null (it stands left of ??).
	optional bool
}

// check walks a syntax tree, reports every name that is wrong, and turns the
// names that are right into calls that look their values up.
type check struct {
	code  string
	at    place
	scope *Scope
	roots []root
	files []File
	diags diag.List
	// used are our own functions that are called.
	used   []string
	impure bool

	lets      []string
	predicate int  // how deep in predicates of filter, map, …
	inChain   bool // on the spine of a ?. chain
	weight    int
	done      map[ast.Node]visited
}

// visited is the outcome for a node, which comparisons in a row share.
type visited struct {
	node   ast.Node
	weight int
}

func (c *check) pos(from, to file.Location) diag.Position {
	start, end := byteOffset(c.code, from.From), byteOffset(c.code, to.To)
	return c.at(start, utf8.RuneCountInString(c.code[min(start, end):end]))
}

func (c *check) report(pos diag.Position, code, message string, hints ...string) {
	d := diag.Errorf(pos, code, "%s", message)
	for _, h := range hints {
		d = d.WithHint("%s", h)
	}
	c.diags = append(c.diags, d)
}

// visit checks a node and gives what takes its place. optional is whether the
// node stands left of ??.
func (c *check) visit(n ast.Node, optional bool) ast.Node {
	if n == nil || c.weight > maxWeight {
		return n
	}
	if v, ok := c.done[n]; ok {
		c.weight += v.weight
		c.checkWeight(n)
		return v.node
	}
	before := c.weight
	c.weight++
	c.checkWeight(n)
	chain := c.inChain
	c.inChain = false
	replaced := c.node(n, optional, chain)
	c.inChain = chain
	c.done[n] = visited{replaced, c.weight - before}
	return replaced
}

func (c *check) checkWeight(n ast.Node) {
	if c.weight > maxWeight && !slices.ContainsFunc(c.diags, func(d diag.Diagnostic) bool { return d.Message == tooManyNodes }) {
		c.report(c.pos(n.Location(), n.Location()), diag.ExpressionSyntax, tooManyNodes)
	}
}

const tooManyNodes = "the expression is too large"

func (c *check) all(nodes []ast.Node) {
	for i := range nodes {
		nodes[i] = c.visit(nodes[i], false)
	}
}

func (c *check) node(n ast.Node, optional, chain bool) ast.Node {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return c.identifier(n, optional)
	case *ast.MemberNode:
		return c.member(n, optional, chain)
	case *ast.CallNode:
		return c.call(n, chain)
	case *ast.BuiltinNode:
		return c.builtin(n)
	case *ast.BinaryNode:
		return c.binary(n, optional)
	case *ast.UnaryNode:
		n.Node = c.visit(n.Node, false)
	case *ast.ChainNode:
		c.inChain = true
		n.Node = c.visit(n.Node, optional)
	case *ast.SliceNode:
		c.inChain = chain
		n.Node = c.visit(n.Node, false)
		c.inChain = false
		if n.From != nil {
			n.From = c.visit(n.From, false)
		}
		if n.To != nil {
			n.To = c.visit(n.To, false)
		}
	case *ast.PredicateNode:
		c.predicate++
		body := c.visit(n.Node, false)
		c.predicate--
		n.Node = &ast.SequenceNode{Nodes: []ast.Node{call(n.Location(), "$tick"), body}}
		n.Node.SetLocation(n.Location())
	case *ast.VariableDeclaratorNode:
		c.declare(n)
	case *ast.SequenceNode:
		c.all(n.Nodes)
	case *ast.ConditionalNode:
		n.Cond = c.visit(n.Cond, false)
		n.Exp1 = c.visit(n.Exp1, optional)
		n.Exp2 = c.visit(n.Exp2, optional)
	case *ast.ArrayNode:
		c.all(n.Nodes)
	case *ast.MapNode:
		c.all(n.Pairs)
	case *ast.PairNode:
		n.Key = c.visit(n.Key, false)
		n.Value = c.visit(n.Value, false)
	}
	return n
}

// known reports whether a plain name is a variable, and what to say if not.
func (c *check) known(name string) (bool, string) {
	if c.scope.Variables == nil {
		return false, ""
	}
	return c.scope.Variables(name)
}

// isLet reports whether a name is bound by let.
func (c *check) isLet(name string) bool { return slices.Contains(c.lets, name) }

// addRoot gives the index of a root, which is shared by all its uses.
func (c *check) addRoot(r root) int {
	if i := slices.Index(c.roots, r); i >= 0 {
		return i
	}
	c.roots = append(c.roots, r)
	return len(c.roots) - 1
}

// load gives the node that looks a root up.
func (c *check) load(at file.Location, r root) ast.Node {
	index := &ast.IntegerNode{Value: c.addRoot(r)}
	index.SetLocation(at)
	return call(at, "$root", index)
}

func (c *check) identifier(n *ast.IdentifierNode, optional bool) ast.Node {
	if c.isLet(n.Value) {
		return n
	}
	if r, ok := c.plain(n, optional); ok {
		return c.load(n.Location(), r)
	}
	return n
}

// plain gives the root that a plain name stands for, or reports it.
func (c *check) plain(n *ast.IdentifierNode, optional bool) (root, bool) {
	pos := c.pos(n.Location(), n.Location())
	switch n.Value {
	case "env", "row", "run", "scenario":
		if c.visible(n.Value, pos) {
			c.report(pos, diag.UnknownMember, fmt.Sprintf("%s is not a value of its own; name a member, such as %s", n.Value, c.exampleMember(n.Value)))
		}
		return root{}, false
	case "runtime", "api":
		if !c.visible(n.Value, pos) {
			return root{}, false
		}
		if n.Value == "api" {
			return root{kind: apiRoot, name: n.Value, optional: optional}, true
		}
		return root{kind: runtimeRoot, name: n.Value, optional: optional}, true
	}
	known, hint := c.known(n.Value)
	if known {
		return root{kind: variableRoot, name: n.Value, optional: optional}, true
	}
	c.unknown(n.Value, hint, pos)
	return root{}, false
}

// visible reports whether one of the program's names can be used here, and says
// so if not.
func (c *check) visible(name string, pos diag.Position) bool {
	ok, why := true, ""
	switch name {
	case "env":
		ok, why = c.scope.Env != nil, "the process environment cannot be used in this place"
	case "row":
		ok, why = c.scope.HasRow, "the scenario has no data"
	case "run":
		ok, why = c.scope.Run, "the run is not known in this place"
	case "scenario":
		ok, why = c.scope.Scenario, "there is no scenario in this place"
	case "runtime", "api":
		ok, why = c.scope.Target, "the target is not known in this place"
	}
	if !ok {
		c.report(pos, diag.UnknownVariable, fmt.Sprintf("unknown name %q: %s", name, why))
	}
	return ok
}

func (c *check) exampleMember(name string) string {
	switch name {
	case "env":
		return "env.NAME"
	case "row":
		if len(c.scope.Columns) > 0 {
			return rowMember(c.scope.Columns[0])
		}
		return "row.index"
	case "run":
		return "run.id"
	default:
		return "scenario.name"
	}
}

// rowMember writes how a column is named.
func rowMember(column string) string {
	if namePattern.MatchString(column) {
		return "row." + column
	}
	return fmt.Sprintf("row[%q]", column)
}

// unknown reports a name that nobody sets.
func (c *check) unknown(name, hint string, pos diag.Position) {
	message := fmt.Sprintf("unknown name %q", name)
	var hints []string
	switch {
	case hint != "":
		hints = append(hints, hint)
	case strings.HasPrefix(name, "$"):
		hints = append(hints, "names hold letters, digits and _")
	case slices.Contains(functionNames(), name):
		message = fmt.Sprintf("unknown name %q; the function of that name is written with parentheses: %s(…)", name, name)
	case name == "null" || name == "none" || name == "None":
		message += `; did you mean "nil"?`
	default:
		if s := diag.Suggest(name, c.candidates()); s != "" {
			message += fmt.Sprintf("; did you mean %q?", s)
		}
		if c.predicate > 0 {
			hints = append(hints, fmt.Sprintf("a member of the element is written .%s", name))
		}
	}
	c.report(pos, diag.UnknownVariable, message, hints...)
}

// candidates are all names that could be meant.
func (c *check) candidates() []string {
	names := slices.Clone(c.lets)
	if c.scope.Names != nil {
		names = append(names, c.scope.Names()...)
	}
	if c.scope.Env != nil {
		names = append(names, "env")
	}
	if c.scope.HasRow {
		names = append(names, "row")
	}
	if c.scope.Run {
		names = append(names, "run")
	}
	if c.scope.Scenario {
		names = append(names, "scenario")
	}
	if c.scope.Target {
		names = append(names, "runtime", "api")
	}
	names = append(names, "true", "false", "nil")
	slices.Sort(names)
	return names
}

// member checks a.b and a[b].
func (c *check) member(n *ast.MemberNode, optional, chain bool) ast.Node {
	if id, ok := n.Node.(*ast.IdentifierNode); ok && !c.isLet(id.Value) {
		switch id.Value {
		case "env", "row", "run", "scenario":
			if r, ok := c.rootMember(id, n, optional); ok {
				return c.load(n.Property.Location(), r)
			}
			return n
		}
	}
	path := c.knownMember(n)
	// Within a chain, only what stands before a ?. may be missing.
	_, deeper := n.Node.(*ast.MemberNode)
	c.inChain = chain
	n.Node = c.visit(n.Node, optional && (n.Optional || chain && deeper))
	c.inChain = false
	if _, literal := n.Property.(*ast.StringNode); !literal {
		n.Property = c.visit(n.Property, false)
	}
	if chain || n.Method {
		return n
	}
	name := &ast.StringNode{Value: path}
	name.SetLocation(n.Location())
	return call(n.Location(), "$member", n.Node, n.Property, name)
}

// knownMember checks a member of a variable that is written out, folds it where
// it is to be, and gives how what it is a member of is written.
func (c *check) knownMember(n *ast.MemberNode) (path string) {
	path = sourcePath(n.Node)
	property, literal := n.Property.(*ast.StringNode)
	if !literal || path == "" {
		return path
	}
	if c.scope.Folded != nil && c.scope.Folded(path) {
		property.Value = strings.ToLower(property.Value)
	}
	if c.scope.Members == nil {
		return path
	}
	if members := c.scope.Members(path); members != nil && !slices.Contains(members, property.Value) {
		c.unknownMember(path, property.Value, members, c.pos(property.Location(), property.Location()))
	}
	return path
}

// sourcePath writes a chain of plain members, for messages; "" for anything
// else.
func sourcePath(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.PointerNode:
		return "#" + n.Name
	case *ast.ChainNode:
		return sourcePath(n.Node)
	case *ast.MemberNode:
		base := sourcePath(n.Node)
		if base == "" {
			return ""
		}
		switch p := n.Property.(type) {
		case *ast.StringNode:
			if namePattern.MatchString(p.Value) {
				return base + "." + p.Value
			}
			return fmt.Sprintf("%s[%q]", base, p.Value)
		case *ast.IntegerNode:
			return fmt.Sprintf("%s[%d]", base, p.Value)
		}
	}
	return ""
}

// rootMember checks a member of env, row, run or scenario.
func (c *check) rootMember(id *ast.IdentifierNode, n *ast.MemberNode, optional bool) (root, bool) {
	pos := c.pos(id.Location(), n.Property.Location())
	if !c.visible(id.Value, c.pos(id.Location(), id.Location())) {
		return root{}, false
	}
	property, ok := n.Property.(*ast.StringNode)
	if !ok {
		c.report(pos, diag.UnknownMember, fmt.Sprintf("a member of %s is named in the file, not computed; write %s", id.Value, c.exampleMember(id.Value)))
		return root{}, false
	}
	name := property.Value
	switch id.Value {
	case "env":
		return c.envMember(name, optional, pos)
	case "row":
		return c.rowMember(name, optional, pos)
	case "run":
		switch name {
		case "id":
			return root{kind: runIDRoot, name: "run.id"}, true
		case "started":
			return root{kind: runStartedRoot, name: "run.started"}, true
		}
		c.unknownMember("run", name, []string{"id", "started"}, pos)
	case "scenario":
		if name == "name" {
			return root{kind: scenarioNameRoot, name: "scenario.name"}, true
		}
		c.unknownMember("scenario", name, []string{"name"}, pos)
	}
	return root{}, false
}

func (c *check) envMember(name string, optional bool, pos diag.Position) (root, bool) {
	r := root{kind: envRoot, name: name, optional: optional}
	if optional {
		return r, true
	}
	if _, set := c.scope.Env(name); set {
		return r, true
	}
	d := diag.Diagnostic{
		Severity: max(c.scope.EnvMissing, diag.Error),
		Pos:      pos,
		Code:     diag.MissingEnvironment,
		Message:  fmt.Sprintf("the environment variable %q is not set", name),
	}
	example := "env." + name
	if !namePattern.MatchString(name) {
		example = fmt.Sprintf("env[%q]", name)
	}
	c.diags = append(c.diags, d.WithHint(`set it, or give a default: ${%s ?? "…"}`, example))
	return r, d.Severity != diag.Error
}

func (c *check) rowMember(name string, optional bool, pos diag.Position) (root, bool) {
	if name == "index" {
		return root{kind: rowIndexRoot, name: "row.index"}, true
	}
	if c.scope.Columns == nil || slices.Contains(c.scope.Columns, name) {
		return root{kind: columnRoot, name: name, optional: optional}, true
	}
	message := fmt.Sprintf("the data has no column %q", name)
	columns := append(slices.Clone(c.scope.Columns), "index")
	if s := diag.Suggest(name, columns); s != "" {
		message += fmt.Sprintf("; did you mean %s?", rowMember(s))
	}
	c.report(pos, diag.UnknownMember, message, "columns: "+enumerate(c.scope.Columns))
	return root{}, false
}

// enumerate writes names in their order, not too many of them.
func enumerate(names []string) string {
	const most = 20
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (c *check) unknownMember(of, name string, members []string, pos diag.Position) {
	message := fmt.Sprintf("%s has no member %q", of, name)
	if s := diag.Suggest(name, members); s != "" {
		message += fmt.Sprintf("; did you mean %s.%s?", of, s)
	}
	c.report(pos, diag.UnknownMember, message, "members: "+enumerate(members))
}

func (c *check) call(n *ast.CallNode, chain bool) ast.Node {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return c.callFunction(n, callee)
	case *ast.MemberNode:
		c.callMethod(n, callee, chain)
	}
	c.all(n.Arguments)
	return n
}

// callFunction checks a call of one of our own functions.
func (c *check) callFunction(n *ast.CallNode, callee *ast.IdentifierNode) ast.Node {
	pos := c.pos(callee.Location(), callee.Location())
	f, ok := findFunction(callee.Value)
	if !ok {
		c.all(n.Arguments)
		message := fmt.Sprintf("unknown function %q", callee.Value)
		if known, _ := c.known(callee.Value); known || c.isLet(callee.Value) || slices.Contains(roots(), callee.Value) {
			message = fmt.Sprintf("%q is a value and not a function", callee.Value)
		} else if s := diag.Suggest(callee.Value, functionNames()); s != "" {
			message += fmt.Sprintf("; did you mean %q?", s)
		}
		c.report(pos, diag.UnknownVariable, message)
		return n
	}
	given := n.Arguments
	if len(given) < f.min || len(given) > f.max {
		c.all(n.Arguments)
		c.report(pos, diag.ExpressionSyntax, fmt.Sprintf("%s takes %s, and %d stand here", f.name, f.arity(), len(given)), f.signature)
		return n
	}
	c.used = append(c.used, f.name)
	c.impure = c.impure || f.impure
	c.checkLiterals(f, given)
	if f.name == "secret" {
		name := sourcePath(given[0])
		given = append([]ast.Node{&ast.StringNode{Value: name}}, given...)
	}
	c.all(given)
	return call(n.Location(), f.name, given...)
}

// checkLiterals finds what is wrong with arguments that are written out.
func (c *check) checkLiterals(f function, arguments []ast.Node) {
	values := make([]any, len(arguments))
	for i, a := range arguments {
		v, ok := literal(a)
		if !ok {
			return
		}
		values[i] = v
	}
	if f.name == "file" {
		if path, ok := values[0].(string); ok {
			c.files = append(c.files, File{Path: path, Pos: c.pos(arguments[0].Location(), arguments[0].Location())})
		}
	}
	if !f.tried || len(arguments) == 0 {
		return
	}
	if _, err := f.call(&evaluation{values: &Values{}}, values); err != nil {
		last := arguments[len(arguments)-1].Location()
		c.report(c.pos(arguments[0].Location(), last), diag.ExpressionSyntax, err.Error())
	}
}

// literal gives the value of a node that is written out.
func literal(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.NilNode:
		return nil, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return n.Value, true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.UnaryNode:
		if i, ok := n.Node.(*ast.IntegerNode); ok && n.Operator == "-" {
			return -i.Value, true
		}
	}
	return nil, false
}

// callMethod checks a.b(…): only times and durations have methods, and they
// come from functions and let, never from a variable.
func (c *check) callMethod(n *ast.CallNode, callee *ast.MemberNode, chain bool) {
	property, named := callee.Property.(*ast.StringNode)
	base := callee.Node
	for {
		m, ok := base.(*ast.MemberNode)
		if !ok {
			break
		}
		base = m.Node
	}
	id, plain := base.(*ast.IdentifierNode)
	if named && plain && !c.isLet(id.Value) {
		pos := c.pos(property.Location(), property.Location())
		message := fmt.Sprintf("%s is not a function", property.Value)
		if slices.Contains(functionNames(), property.Value) {
			message = fmt.Sprintf("%s is not a function of a value; write %s(…)", property.Value, property.Value)
		}
		c.report(pos, diag.UnknownVariable, message)
	}
	c.inChain = chain
	n.Callee = c.visit(callee, false)
	c.inChain = false
}

// builtin checks a call of a function of the expression language. Those that we
// have a version of our own of are replaced also where they are written
// ::name(…).
func (c *check) builtin(n *ast.BuiltinNode) ast.Node {
	if _, ok := findFunction(n.Name); ok {
		callee := &ast.IdentifierNode{Value: n.Name}
		callee.SetLocation(n.Location())
		replaced := &ast.CallNode{Callee: callee, Arguments: n.Arguments}
		replaced.SetLocation(n.Location())
		return c.callFunction(replaced, callee)
	}
	if n.Name == "now" {
		c.impure = true
	}
	c.all(n.Arguments)
	return n
}

func (c *check) declare(n *ast.VariableDeclaratorNode) {
	known, _ := c.known(n.Name)
	if known || slices.Contains(ReservedNames(), n.Name) || strings.HasPrefix(n.Name, "$") || c.isLet(n.Name) {
		c.report(c.pos(n.Location(), n.Location()), diag.InvalidName, fmt.Sprintf("let cannot set %q: the name is taken", n.Name))
	}
	n.Value = c.visit(n.Value, false)
	c.lets = append(c.lets, n.Name)
	n.Expr = c.visit(n.Expr, false)
	c.lets = c.lets[:len(c.lets)-1]
}

func (c *check) binary(n *ast.BinaryNode, optional bool) ast.Node {
	switch n.Operator {
	case "??":
		n.Left = c.visit(n.Left, true)
		n.Right = c.visit(n.Right, optional)
		return n
	case "-":
		if c.hyphenated(n) {
			return n
		}
	case "matches":
		if s, ok := n.Right.(*ast.StringNode); ok {
			if _, err := regexp.Compile(s.Value); err != nil {
				c.report(c.pos(s.Location(), s.Location()), diag.InvalidRegexp, regexpMessage(s.Value, err))
			}
		}
	}
	n.Left = c.visit(n.Left, false)
	n.Right = c.visit(n.Right, false)
	return n
}

// hyphenated recognises order-id, which is the subtraction of id from order,
// and reports it as what was meant. It reports nothing when both are known.
func (c *check) hyphenated(n *ast.BinaryNode) bool {
	names, first, ok := hyphens(n)
	last, isName := n.Right.(*ast.IdentifierNode)
	if !ok || !isName {
		return false
	}
	from := byteOffset(c.code, first.Location().From)
	to := byteOffset(c.code, last.Location().To)
	written := c.code[min(from, to):to]
	if m, isMember := first.(*ast.MemberNode); isMember {
		return c.hyphenatedMember(m, names, written, last)
	}
	if written != strings.Join(names, "-") || !slices.ContainsFunc(names, func(name string) bool {
		known, _ := c.known(name)
		return !known && !c.isLet(name)
	}) {
		return false
	}
	meant := strings.Join(names, "_")
	message := fmt.Sprintf("unknown name %q", written)
	known, _ := c.known(meant)
	if known || c.isLet(meant) {
		message += fmt.Sprintf("; did you mean %q?", meant)
	}
	c.report(c.pos(first.Location(), last.Location()), diag.UnknownVariable, message,
		fmt.Sprintf("names hold letters, digits and _ (%s); %s is a subtraction", meant, written))
	return true
}

// hyphenatedMember recognises a.content-type.
func (c *check) hyphenatedMember(m *ast.MemberNode, names []string, written string, last *ast.IdentifierNode) bool {
	known, _ := c.known(last.Value)
	name := strings.Join(names, "-")
	if known || c.isLet(last.Value) || written != name {
		return false
	}
	base := sourcePath(m.Node)
	if base == "row" && c.scope.Columns != nil && !slices.Contains(c.scope.Columns, name) {
		c.rowMember(name, false, c.pos(m.Location(), last.Location()))
		return true
	}
	c.report(c.pos(last.Location(), last.Location()), diag.UnknownVariable, fmt.Sprintf("unknown name %q", last.Value),
		fmt.Sprintf("the member %q is written %s[%q]", name, base, name))
	return true
}

// hyphens gives the names of a-b-c, and the node of the first, which may be the
// end of a chain of members.
func hyphens(n *ast.BinaryNode) (names []string, first ast.Node, ok bool) {
	right, isName := n.Right.(*ast.IdentifierNode)
	if n.Operator != "-" || !isName {
		return nil, nil, false
	}
	switch left := n.Left.(type) {
	case *ast.IdentifierNode:
		return []string{left.Value, right.Value}, left, true
	case *ast.BinaryNode:
		names, first, ok = hyphens(left)
		return append(names, right.Value), first, ok
	case *ast.MemberNode:
		if p, isText := left.Property.(*ast.StringNode); isText && sourcePath(left.Node) != "" {
			return []string{p.Value, right.Value}, left, true
		}
	}
	return nil, nil, false
}

// arity says how many arguments a function takes.
func (f function) arity() string {
	switch {
	case f.min == f.max && f.min == 0:
		return "no arguments"
	case f.min == f.max && f.min == 1:
		return "1 argument"
	case f.min == f.max:
		return fmt.Sprintf("%d arguments", f.min)
	case f.max == manyArguments:
		return fmt.Sprintf("%d or more arguments", f.min)
	default:
		return fmt.Sprintf("%d to %d arguments", f.min, f.max)
	}
}

// findFunction gives our function of that name.
func findFunction(name string) (function, bool) {
	for _, f := range functions() {
		if f.name == name {
			return f, true
		}
	}
	return function{}, false
}
