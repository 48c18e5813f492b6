package expression

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"iflowtest/internal/diag"
)

// maxCode bounds one expression, in bytes: the parser of the expression
// language is recursive.
const maxCode = 32 << 10

// expression is one compiled expression.
type expression struct {
	// written is the code as messages show it.
	written string
	pos     diag.Position
	// kind is what every result is (in the words of kindOf), or "".
	kind  string
	roots []root
	files []File
	// impure: two evaluations may give two values.
	impure bool

	// Exactly one of these three says how it is evaluated.
	constantSet bool
	constant    any
	direct      *operand
	program     *vm.Program
}

// place gives the position of a byte offset in the code.
type place func(offset, width int) diag.Position

// compile checks and compiles the code of one expression; whole is its place.
// The expression is nil exactly when the list has errors.
func compile(code string, at place, whole diag.Position, s *Scope) (*expression, diag.List) {
	fail := func(pos diag.Position, message, hint string) (*expression, diag.List) {
		return nil, diag.List{diag.Errorf(pos, diag.ExpressionSyntax, "%s", message).WithHint("%s", hint)}
	}
	switch {
	case strings.TrimSpace(code) == "":
		return fail(whole, "the expression is empty", "")
	case !utf8.ValidString(code):
		return fail(whole, "the expression is not valid UTF-8", "")
	case len(code) > maxCode:
		return fail(whole, fmt.Sprintf("the expression has %d bytes; at most %d are possible", len(code), maxCode), "")
	}
	if s == nil {
		s = &Scope{}
	}
	tree, problem := parse(code)
	if problem != nil {
		message, hint := syntaxMessage(problem.Message)
		return fail(at(byteOffset(code, problem.From), 1), message, hint)
	}
	c := &check{code: code, at: at, scope: s, done: map[ast.Node]visited{}}
	e := &expression{written: code, pos: whole}
	if isDirect(tree.Node) {
		e.direct = c.direct(tree.Node, false)
	} else {
		tree.Node = c.visit(tree.Node, false)
	}
	e.roots, e.files, e.impure = c.roots, c.files, c.impure
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	if e.direct == nil {
		if problem := e.link(tree, newConfig(c.used)); problem != nil {
			message, hint := checkMessage(problem.Message)
			return nil, append(c.diags, diag.Errorf(at(byteOffset(code, problem.From), 1), diag.ExpressionSyntax, "%s", message).
				WithHint("%s", hint))
		}
	}
	if len(e.roots) == 0 && !c.impure {
		v, err := e.eval(nil)
		if err != nil {
			return nil, append(c.diags, diag.Errorf(whole, diag.ExpressionSyntax, "%s", reason(err)))
		}
		e.constant, e.constantSet = v, true
		e.kind = kindOf(v)
	}
	return e, c.diags
}

// reason gives the message of an evaluation error without the expression: the
// place says which it is.
func reason(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	return err.Error()
}

// newConfig gives a configuration of the expression language that knows our
// functions of those names. It holds a cache that is not safe for concurrent
// use: each expression has its own.
func newConfig(used []string) *conf.Config {
	config := &conf.Config{ShortCircuit: true, MaxNodes: conf.DefaultMaxNodes, Functions: conf.FunctionsTable{}}
	config.WithEnv(map[string]any{})
	config.Strict = false
	for _, f := range internals() {
		config.Functions[f.name] = &builtin.Function{Name: f.name, Func: f.run}
	}
	if len(used) == 0 {
		return config
	}
	for _, f := range functions() {
		if slices.Contains(used, f.name) {
			config.Functions[f.name] = &builtin.Function{Name: f.name, Func: f.run}
		}
	}
	return config
}

// parse never panics: what the parser of the expression language does not
// expect is a problem like any other. Functions that we have a version of our
// own of are told apart later.
func parse(code string) (tree *parser.Tree, problem *file.Error) {
	defer func() {
		if recover() != nil {
			tree, problem = nil, &file.Error{Message: "unexpected end of expression"}
		}
	}()
	tree, err := parser.Parse(code)
	return tree, fileError(err)
}

// link checks the types of the tree, puts the bounded operators in, and makes
// the program.
func (e *expression) link(tree *parser.Tree, config *conf.Config) (problem *file.Error) {
	defer func() {
		if recover() != nil {
			problem = &file.Error{Message: "the expression cannot be compiled"}
		}
	}()
	t, err := checker.Check(tree, config)
	if err != nil {
		return fileError(err)
	}
	e.kind = kindOfType(t, tree.Node)
	ast.Walk(&tree.Node, operators{})
	if _, err := checker.Check(tree, config); err != nil {
		return fileError(err)
	}
	e.program, err = compiler.Compile(tree, config)
	return fileError(err)
}

// fileError gives an error of the expression language with its location; one
// that has none is cut to its first line, as a stack may follow.
func fileError(err error) *file.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*file.Error](err); ok {
		return e
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return &file.Error{Message: line}
}

// kindOfType says what every value of a type is, or "" when it can be several
// things.
func kindOfType(t reflect.Type, n ast.Node) string {
	if _, ok := n.(*ast.NilNode); ok {
		return kindOf(nil)
	}
	if t == nil {
		return ""
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return kindOf(time.Time{})
	case reflect.TypeFor[time.Duration]():
		return kindOf(time.Duration(0))
	}
	switch t.Kind() {
	case reflect.Bool:
		return kindOf(false)
	case reflect.String:
		return kindOf("")
	case reflect.Int, reflect.Float64:
		return kindOf(0)
	case reflect.Slice:
		return kindOf([]any{})
	case reflect.Map:
		return kindOf(map[string]any{})
	}
	return ""
}

// operators replaces the operators that can fail or grow without bound by
// functions of our own. It runs after the types were checked, since a function
// has none.
type operators struct{}

// Visit replaces one node.
func (operators) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok {
		return
	}
	switch n.Operator {
	case "+", "-", "*", "/", "%":
		replace(node, "$arithmetic", &ast.StringNode{Value: n.Operator}, n.Left, n.Right)
	}
}

// replace puts a call of one of our functions in the place of a node.
func replace(node *ast.Node, function string, arguments ...ast.Node) {
	ast.Patch(node, call((*node).Location(), function, arguments...))
}

// call makes the node of a call of one of our functions, which all take the
// state of the evaluation first.
func call(at file.Location, function string, arguments ...ast.Node) ast.Node {
	locate := func(n ast.Node) ast.Node {
		n.SetLocation(at)
		return n
	}
	return locate(&ast.CallNode{
		Callee:    locate(&ast.IdentifierNode{Value: function}),
		Arguments: append([]ast.Node{locate(&ast.IdentifierNode{Value: stateName})}, arguments...),
	})
}
