package expression

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/expr-lang/expr/vm"
	"github.com/expr-lang/expr/vm/runtime"
)

const (
	// stateName is the name under which a program finds its evaluation. It
	// cannot be written in a file: names that begin with $ are refused.
	stateName = "$"
	// maxTicks bounds how many elements the predicates of one evaluation look
	// at.
	maxTicks = 1_000_000
	// memoryBudget bounds the elements of lists and maps that one evaluation
	// makes.
	memoryBudget = 1_000_000
)

// evaluation is the state of one evaluation of one expression. It is passed to
// programs as a state value, since the language dereferences pointers.
type evaluation struct {
	expression *expression
	values     *Values
	// computed holds the roots in the form that is computed with.
	computed []any
	ready    []bool
	ticks    int
}

type state struct{ *evaluation }

// eval gives the value of an expression. The error is *NotSetError or *Error.
func (e *expression) eval(v *Values) (any, error) {
	if e.constantSet {
		return e.constant, nil
	}
	if v == nil {
		v = &Values{}
	}
	ev := &evaluation{expression: e, values: v}
	if e.direct != nil {
		value, err := e.direct.value(ev)
		if err != nil {
			return nil, e.explain(err)
		}
		switch value.(type) {
		case nil, bool, string, json.Number, []any, map[string]any:
			return value, nil
		}
		if value, err = fromComputed(value); err != nil {
			return nil, e.fail(err.Error(), err)
		}
		return value, nil
	}
	value, err := ev.run()
	if err != nil {
		return nil, e.explain(err)
	}
	value, err = fromComputed(value)
	if err != nil {
		return nil, e.fail(err.Error(), err)
	}
	return value, nil
}

// run runs the program. The language recovers from its own panics; what panics
// before or after is caught here.
func (ev *evaluation) run() (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, fmt.Errorf("%v", r)
		}
	}()
	ev.computed = make([]any, len(ev.expression.roots))
	ev.ready = make([]bool, len(ev.expression.roots))
	machine := vm.VM{MemoryBudget: memoryBudget}
	return machine.Run(ev.expression.program, map[string]any{stateName: state{ev}})
}

// fail makes the error of this expression.
func (e *expression) fail(message string, cause error) *Error {
	return &Error{Pos: e.pos, Expression: e.written, Message: message, Err: cause}
}

// explain turns any error of an evaluation into *NotSetError or *Error.
func (e *expression) explain(err error) error {
	if n, ok := errors.AsType[*NotSetError](err); ok {
		return n
	}
	return e.fail(runMessage(err), err)
}

// root gives the value of a name in the form that is computed with.
func (ev *evaluation) root(i int) (any, error) {
	if ev.ready[i] {
		return ev.computed[i], nil
	}
	v, err := ev.lookup(i)
	if err != nil {
		return nil, err
	}
	v, err = toComputed(v)
	if err != nil {
		return nil, err
	}
	ev.computed[i], ev.ready[i] = v, true
	return v, nil
}

// lookup gives the value of a name as it is.
func (ev *evaluation) lookup(i int) (any, error) {
	r, v := ev.expression.roots[i], ev.values
	switch r.kind {
	case envRoot:
		if v.Env != nil {
			if s, ok := v.Env(r.name); ok {
				return s, nil
			}
		}
		if r.optional {
			return nil, nil
		}
		return nil, fmt.Errorf("the environment variable %q is not set", r.name)
	case columnRoot:
		cell, ok := v.Row[r.name]
		if !ok && !r.optional {
			return nil, fmt.Errorf("the row has no column %q", r.name)
		}
		return cell, nil
	case rowIndexRoot:
		return fromComputed(v.RowIndex)
	case runIDRoot:
		return v.RunID, nil
	case runStartedRoot:
		return v.RunStarted.UTC().Format(time.RFC3339), nil
	case scenarioNameRoot:
		return v.ScenarioName, nil
	case runtimeRoot:
		return baseURL(v.Runtime, r)
	case apiRoot:
		return baseURL(v.API, r)
	}
	return ev.variable(r)
}

func (ev *evaluation) variable(r root) (any, error) {
	if value, ok := ev.values.Extra[r.name]; ok {
		return value, nil
	}
	if ev.values.Lookup != nil {
		if value, ok := ev.values.Lookup(r.name); ok {
			return value, nil
		}
	}
	if r.optional {
		return nil, nil
	}
	return nil, &NotSetError{Name: r.name}
}

func baseURL(url string, r root) (any, error) {
	if url != "" {
		return url, nil
	}
	if r.optional {
		return nil, nil
	}
	return nil, fmt.Errorf("the environment has no target.%s", r.name)
}

// random gives the source of random bytes.
func (ev *evaluation) random() io.Reader {
	if ev.values.Rand != nil {
		return ev.values.Rand
	}
	return rand.Reader
}

// internals are the functions that check puts into a tree. They cannot be
// written in a file.
func internals() []function {
	return []function{
		{name: "$root", call: func(ev *evaluation, a []any) (any, error) { return ev.root(a[0].(int)) }},
		{name: "$member", call: func(_ *evaluation, a []any) (any, error) { return computedMember(a[0], a[1], a[2].(string)) }},
		{name: "$tick", call: func(ev *evaluation, _ []any) (any, error) { return nil, ev.tick() }},
		{name: "$arithmetic", call: func(_ *evaluation, a []any) (any, error) { return arithmetic(a[0].(string), a[1], a[2]) }},
	}
}

// tick counts one step of a predicate.
func (ev *evaluation) tick() error {
	if ev.ticks++; ev.ticks > maxTicks {
		return fmt.Errorf("the expression takes too long: it looks at more than %d elements", maxTicks)
	}
	return nil
}

// computedMember is memberOf for all that the expression language can make.
func computedMember(base, key any, path string) (any, error) {
	if f, ok := key.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		key = int(f)
	}
	switch b := base.(type) {
	case map[any][]any:
		if list, ok := b[key]; ok {
			return list, nil
		}
		return nil, nil
	case map[string]any, []any:
	default:
		// Lists and maps of other types come out of memberOf as plain values.
		v, err := memberOf(base, key, path)
		if err != nil {
			return nil, err
		}
		return toComputed(v)
	}
	return memberOf(base, key, path)
}

// arithmetic is + - * / %, where a division by zero, an overflow and a text
// that grows without bound are errors.
func arithmetic(operator string, a, b any) (any, error) {
	x, xInt := a.(int)
	y, yInt := b.(int)
	if xInt && yInt {
		return integers(operator, x, y)
	}
	if s, ok := a.(string); ok && operator == "+" {
		t, ok := b.(string)
		if !ok {
			return nil, fmt.Errorf("text + %s is not possible; string(…) makes a text", kindOf(b))
		}
		if len(s)+len(t) > maxText {
			return nil, errTooLarge
		}
		return s + t, nil
	}
	if !possible(operator, a, b) {
		message := fmt.Sprintf("%s %s %s is not possible", kindOf(a), operator, kindOf(b))
		if operator == "%" && isNumber(a) && isNumber(b) {
			message = "% takes whole numbers; int(…) makes one"
		}
		if _, ok := b.(string); ok && operator == "+" && isNumber(a) {
			message += "; string(…) makes a text, int(…) a number"
		}
		return nil, errors.New(message)
	}
	switch operator {
	case "+":
		return runtime.Add(a, b), nil
	case "-":
		return runtime.Subtract(a, b), nil
	case "*":
		return runtime.Multiply(a, b), nil
	case "/":
		if isNumber(b) && runtime.ToFloat64(b) == 0 {
			return nil, errZero
		}
		return runtime.Divide(a, b), nil
	}
	if runtime.ToInt(b) == 0 {
		return nil, errZero
	}
	return runtime.Modulo(a, b), nil
}

var (
	errZero     = errors.New("division by zero")
	errOverflow = errors.New("the result is too large for a whole number; float(…) computes with large ones")
)

// integers computes with whole numbers; what leaves their range is an error.
func integers(operator string, x, y int) (any, error) {
	switch operator {
	case "+":
		if sum := x + y; (sum > x) == (y > 0) {
			return sum, nil
		}
	case "-":
		if difference := x - y; (difference < x) == (y > 0) {
			return difference, nil
		}
	case "*":
		if x == 0 || y == 0 {
			return 0, nil
		}
		product := x * y
		if product/y == x && !(x == -1 && y == math.MinInt) && !(y == -1 && x == math.MinInt) {
			return product, nil
		}
	case "/":
		if y == 0 {
			return nil, errZero
		}
		return float64(x) / float64(y), nil
	case "%":
		if y == 0 {
			return nil, errZero
		}
		return x % y, nil
	}
	return nil, errOverflow
}

// possible reports whether an operator is defined on two values that are not
// both whole numbers and not both text.
func possible(operator string, a, b any) bool {
	number := isNumber(a) && isNumber(b)
	_, aTime := a.(time.Time)
	_, bTime := b.(time.Time)
	_, aDuration := a.(time.Duration)
	_, bDuration := b.(time.Duration)
	switch operator {
	case "+":
		return number || aTime && bDuration || aDuration && bTime || aDuration && bDuration
	case "-":
		return number || aTime && (bTime || bDuration) || aDuration && bDuration
	case "*":
		return number || aDuration && (isNumber(b) || bDuration) || isNumber(a) && bDuration
	case "/":
		return number
	}
	return isInteger(a) && isInteger(b)
}

func isNumber(v any) bool { return kindOf(v) == "a number" }

func isInteger(v any) bool {
	switch v.(type) {
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return true
	}
	return false
}
