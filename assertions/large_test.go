package assertions

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLargeFailures: a failure on a large document is shown in bounded size
// and time.
func TestLargeFailures(t *testing.T) {
	body := largeBody()
	expects := []string{
		`json: {"@this": {equals: {d: {results: [1, 2, 3]}}}}`,
		`json: {d.results: [{id: 1}]}`,
		`json: {d: {includes: {results: [{id: 5}, {id: 5}]}}}`,
		`json: {d.results: {contains: x}}`,
		`json: {d.results: {any: {includes: {sku: none}}}}`,
		`json: {d.results: {each: {includes: {active: true}}, length: 1}}`,
		`json: {d.result.0: x}`,
		`json: {"d.results.#(sku==\"none\").id": 1}`,
		`body: short`,
		`body: {matches: 'A-x+$'}`,
		`json: {d.results.#.sku: [a]}`,
	}
	for _, x := range expects {
		t.Run(x, func(t *testing.T) {
			e := mustCompile(t, x)
			start := time.Now()
			failures := e.Check(&Result{Body: body}, nil)
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
			if len(failures) != 1 {
				t.Fatalf("%d failures", len(failures))
			}
			f := failures[0]
			size := len(f.Message) + len(f.Diff) + len(strings.Join(f.Notes, ""))
			if size > 64<<10 || len(f.Message) > 4<<10 {
				t.Errorf("%d bytes, %d of them in the message", size, len(f.Message))
			}
		})
	}
}

// TestLargeDiff: documents just below the bound of a diff, with nothing in
// common and with everything alike but one line.
func TestLargeDiff(t *testing.T) {
	list := func(f func(i int) int) string {
		var b strings.Builder
		for i := range 60_000 {
			fmt.Fprintf(&b, ",%d", f(i))
		}
		return "[" + b.String()[1:] + "]"
	}
	want := list(func(i int) int { return i })
	for name, got := range map[string]string{
		"reversed": list(func(i int) int { return 60_000 - i }),
		"alike":    list(func(i int) int { return i % 7 }),
		"one line": strings.Replace(want, ",59999]", ",0]", 1),
	} {
		t.Run(name, func(t *testing.T) {
			e := mustCompile(t, "json: {'@this': "+want+"}")
			start := time.Now()
			f := e.Check(&Result{Body: got}, nil)
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
			if len(f) != 1 || f[0].Diff == "" || strings.Count(f[0].Diff, "\n") > maxDiffLines+1 {
				t.Errorf("%d failures; %d lines", len(f), strings.Count(f[0].Diff, "\n"))
			}
		})
	}
}

// TestManyIncludes: a match of its own for each of many elements.
func TestManyIncludes(t *testing.T) {
	var want, got []string
	for i := range 1000 {
		want = append(want, fmt.Sprintf("{id: %d}", i))
		got = append(got, fmt.Sprintf(`{"id":%d,"x":1}`, 999-i))
	}
	e := mustCompile(t, "json: {'@this': {includes: ["+strings.Join(want, ", ")+"]}}")
	body := "[" + strings.Join(got, ",") + "]"
	if f := e.Check(&Result{Body: body}, nil); f != nil {
		t.Error(f[0].Message)
	}
	body = strings.Replace(body, `"id":500,`, `"id":501,`, 1)
	f := e.Check(&Result{Body: body}, nil)
	if len(f) != 1 || len(f[0].Notes) != 1 || f[0].Notes[0] != `@this: want an element of its own for {"id":500}, got none` {
		t.Errorf("%+v", f)
	}
}

// TestConcurrent: an expectation judges results side by side.
func TestConcurrent(t *testing.T) {
	e := mustCompile(t, "status: 200\njson: {order.id: $0, order.lines: {each: {includes: {qty: $0}}}}\nheaders: {content-type: {contains: json}}\n")
	c := mustCapture(t, "a: {json: order.id}\nb: {json: $0}\n")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r := smallResult()
				if n := len(e.Check(r, values("x"))); n != 2 {
					t.Errorf("%d failures", n)
				}
				if _, missing := c.Take(r, values("order.state")); missing != nil {
					t.Error(missing)
				}
			}
		})
	}
	wg.Wait()
}

// TestHostileDepth: a body of nothing but brackets exhausts neither the stack
// nor the patience.
func TestHostileDepth(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, maxDepth/2) + strings.Repeat("]}", maxDepth/2)
	e := mustCompile(t, "json: {a.0.a: {exists: true, equals: {b: 1}}, '@this': {length: 1}}")
	c := mustCapture(t, "v: {json: '@this'}")
	r := &Result{Body: deep}
	if f := e.Check(r, nil); len(f) != 1 {
		t.Errorf("%d failures", len(f))
	}
	if v, _ := c.Take(r, nil); len(v) != 1 {
		t.Error("nothing captured")
	}
	for _, body := range []string{strings.Repeat("[", 64<<20), strings.Repeat(`{"":`, 16<<20)} {
		if f := e.Check(&Result{Body: body}, nil); len(f) != 2 {
			t.Errorf("%d failures", len(f))
		}
	}
}
