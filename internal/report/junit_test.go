package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jstemmer/go-junit-report/v2/junit"

	"iflowtest/runner"
)

// element is what junit-10.xsd of Jenkins' xUnit plugin allows: the attributes
// (those that begin with "!" are required) and the children. Mixed elements
// may hold text.
type element struct {
	attributes, children []string
	mixed                bool
}

func xUnitSchema() map[string]element {
	result := element{attributes: []string{"type", "message"}, mixed: true}
	rerun := element{attributes: []string{"message", "!type"}, children: []string{"stackTrace", "system-out", "system-err"}, mixed: true}
	return map[string]element{
		"testsuites": {attributes: []string{"name", "time", "tests", "failures", "errors"}, children: []string{"testsuite"}},
		"testsuite": {
			attributes: []string{
				"!name", "!tests", "!failures", "!errors", "group", "time", "skipped",
				"timestamp", "hostname", "id", "package", "file", "log", "url",
			},
			children: []string{"testsuite", "properties", "testcase", "system-out", "system-err"},
		},
		"properties": {children: []string{"property"}},
		"property":   {attributes: []string{"!name", "!value"}},
		"testcase": {
			attributes: []string{"!name", "time", "classname", "group"},
			children: []string{
				"skipped", "error", "failure", "rerunFailure", "rerunError",
				"flakyFailure", "flakyError", "system-out", "system-err",
			},
		},
		"skipped": result, "error": result, "failure": result,
		"rerunFailure": rerun, "rerunError": rerun, "flakyFailure": rerun, "flakyError": rerun,
		"stackTrace": {mixed: true}, "system-out": {mixed: true}, "system-err": {mixed: true},
	}
}

// surefireTime is the pattern of SUREFIRE_TIME; ours are stricter.
var (
	surefireTime = regexp.MustCompile(`^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?$`)
	ourTime      = regexp.MustCompile(`^[0-9]+\.[0-9]{3}$`)
)

// checkJUnit checks a file against the schema, the counters against the cases,
// and that (classname, name) is unique.
func checkJUnit(t testing.TB, text []byte, places bool) *junit.Testsuites {
	t.Helper()
	if !strings.HasPrefix(string(text), xml.Header) {
		t.Error("no XML header")
	}
	checkSchema(t, text, places)
	var root junit.Testsuites
	if err := xml.Unmarshal(text, &root); err != nil {
		t.Fatalf("not readable: %v\n%s", err, text)
	}
	var tests, failures, errs int
	seen := map[string]bool{}
	suites := map[string]bool{}
	for _, s := range root.Suites {
		key := fmt.Sprint(s.Name, s.ID, s.Timestamp)
		if suites[key] {
			t.Errorf("suite %s twice", key)
		}
		suites[key] = true
		checkSuite(t, &s, seen)
		tests, failures, errs = tests+s.Tests, failures+s.Failures, errs+s.Errors
	}
	if root.Tests != tests || root.Failures != failures || root.Errors != errs {
		t.Errorf("root counts %d %d %d, its suites %d %d %d", root.Tests, root.Failures, root.Errors, tests, failures, errs)
	}
	return &root
}

func checkSuite(t testing.TB, s *junit.Testsuite, seen map[string]bool) {
	t.Helper()
	var failures, errs, skipped int
	for _, c := range s.Testcases {
		if key := c.Classname + "\x00" + c.Name; seen[key] {
			t.Errorf("case %q of %q twice", c.Name, c.Classname)
		} else {
			seen[key] = true
		}
		if c.Classname == "" || c.Name == "" {
			t.Errorf("case %q of class %q lacks a name", c.Name, c.Classname)
		}
		n := 0
		if c.Failure != nil {
			failures++
			n++
		}
		if c.Error != nil {
			errs++
			n++
		}
		if c.Skipped != nil {
			skipped++
			n++
		}
		if n > 1 {
			t.Errorf("case %q ended in %d ways", c.Name, n)
		}
	}
	if s.Tests != len(s.Testcases) || s.Failures != failures || s.Errors != errs || s.Skipped != skipped {
		t.Errorf("suite %q counts %d %d %d %d, has %d %d %d %d", s.Name,
			s.Tests, s.Failures, s.Errors, s.Skipped, len(s.Testcases), failures, errs, skipped)
	}
}

func checkSchema(t testing.TB, text []byte, places bool) {
	t.Helper()
	schema := xUnitSchema()
	if places {
		c := schema["testcase"]
		c.attributes = append(c.attributes, "file", "line")
		schema["testcase"] = c
	}
	d := xml.NewDecoder(strings.NewReader(string(text)))
	var open []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, text)
		}
		switch x := token.(type) {
		case xml.StartElement:
			checkElement(t, schema, open, x)
			open = append(open, x.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 && !schema[open[len(open)-1]].mixed && strings.TrimSpace(string(x)) != "" {
				t.Errorf("text %q in %s", x, open[len(open)-1])
			}
			checkChars(t, string(x))
		}
	}
}

func checkElement(t testing.TB, schema map[string]element, open []string, x xml.StartElement) {
	t.Helper()
	name := x.Name.Local
	e, ok := schema[name]
	if !ok || x.Name.Space != "" {
		t.Errorf("element %s is unknown", name)
	}
	if len(open) == 0 && name != "testsuites" {
		t.Errorf("root is %s", name)
	}
	if len(open) > 0 && !slices.Contains(schema[open[len(open)-1]].children, name) {
		t.Errorf("%s in %s", name, open[len(open)-1])
	}
	for _, a := range e.attributes {
		if required, ok := strings.CutPrefix(a, "!"); ok && !slices.ContainsFunc(x.Attr, func(h xml.Attr) bool { return h.Name.Local == required }) {
			t.Errorf("%s lacks %s", name, required)
		}
	}
	for _, a := range x.Attr {
		checkChars(t, a.Value)
		if !slices.Contains(e.attributes, a.Name.Local) && !slices.Contains(e.attributes, "!"+a.Name.Local) {
			t.Errorf("%s has attribute %s", name, a.Name.Local)
		}
		switch a.Name.Local {
		case "time":
			if !surefireTime.MatchString(a.Value) || !ourTime.MatchString(a.Value) {
				t.Errorf("%s has time %q", name, a.Value)
			}
		case "tests", "failures", "errors", "skipped", "id", "line":
			if _, err := strconv.Atoi(a.Value); err != nil {
				t.Errorf("%s has %s %q", name, a.Name.Local, a.Value)
			}
		}
	}
}

func checkChars(t testing.TB, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if !isXML(r) {
			t.Errorf("%q holds %U", s, r)
		}
	}
}

func TestJUnitSchema(t *testing.T) {
	checkJUnit(t, junitOf(t, JUnitOptions{Hostname: "ci-1"}, inOrder()), false)
	checkJUnit(t, junitOf(t, JUnitOptions{Hostname: "ci-1", Places: true}, inOrder()), true)
	checkJUnit(t, junitOf(t, JUnitOptions{}, nil), false)
}

func TestClassName(t *testing.T) {
	for _, c := range []struct{ file, document, scenario, want string }{
		{"scenarios/smoke/orders.yaml", "", "", "scenarios.smoke.orders"},
		{"scenarios/orders.yml", "order-intake", "", "scenarios.orders.order-intake"},
		{"./orders.yaml", "", "", "orders"},
		{"../other/orders.yaml", "", "", "other.orders"},
		{"../../orders.yaml", "", "", "orders"},
		{"/srv/suite/orders.yaml", "", "", "srv.suite.orders"},
		{`C:\suite\orders.yaml`, "", "", "C.suite.orders"},
		{"v1.2/orders.v2.yaml", "", "", "v1.2.orders.v2"},
		{"scenarios/.yaml", "", "", "scenarios..yaml"},
		{"sender", "", "", "sender"},
		{"", "", "env:SENDER Key!", "env-sender-key"},
		{"", "", "", "scenario"},
		{"a\nb.yaml", "", "", "a b"},
		{"a\x00b.yaml", "", "", "a\uFFFDb"},
	} {
		if got := className(&runner.Event{File: c.file, Document: c.document, Scenario: c.scenario}); got != c.want {
			t.Errorf("%q %q %q: got %q, want %q", c.file, c.document, c.scenario, got, c.want)
		}
	}
}

// caseNames gives "classname|name" of all cases.
func caseNames(root *junit.Testsuites) []string {
	var all []string
	for _, s := range root.Suites {
		for _, c := range s.Testcases {
			all = append(all, c.Classname+"|"+c.Name)
		}
	}
	return all
}

func TestUniqueNames(t *testing.T) {
	var events []*runner.Event
	events = append(events, (&scenario{id: 1, name: "A", file: "a.yaml"}).start().
		step("send", 1, passed()).step("send (2)", 1, passed()).step("send", 1, passed()).step("send", 1, passed()).
		step("", 1, passed()).done(runner.Pass)...)
	events = append(events, (&scenario{id: 2, name: "A", file: "a.yml"}).start().
		step("send", 1, passed()).step("send (2)", 1, broken()).done(runner.Error)...)
	for id := range 2 {
		events = append(events, (&scenario{id: 3 + id, name: "B", file: "b.yaml", row: "same"}).start().
			step("send", 1, passed()).step("send\n(2)", 1, broken()).done(runner.Error)...)
	}
	root := checkJUnit(t, junitOf(t, JUnitOptions{}, events), false)
	want := []string{
		"a|send", "a|send (2)", "a|send (3)", "a|send (4)", "a|step call",
		"a|send (5)", "a|send (2) (2)",
		"b|[same] send", "b|[same] send (2)", "b|[same (2)] send", "b|[same (2)] send (2)",
	}
	if d := cmp.Diff(want, caseNames(root)); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	if c := root.Suites[1].Testcases[1]; c.Error == nil || !strings.Contains(c.Error.Data, "[network]") || c.SystemOut == nil {
		t.Errorf("a renamed case lost its error: %+v", c)
	}
	if len(root.Suites) != 3 {
		t.Errorf("%d suites, want 3: the rows share one", len(root.Suites))
	}
}

// TestOrderOfSteps ends steps that run side by side in other orders.
func TestOrderOfSteps(t *testing.T) {
	want := []string{"a|delete 1", "a|delete 2", "a|delete 3"}
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}} {
		s := (&scenario{id: 1, name: "A", file: "a.yaml"}).start()
		names := []string{"delete 1", "delete 2", "delete 3"}
		for _, n := range names {
			s.begin(n, true)
		}
		for _, i := range order {
			s.index = i + 1
			s.end(names[i], 1, runner.Event{Outcome: runner.Pass, Cleanup: true})
		}
		root := checkJUnit(t, junitOf(t, JUnitOptions{}, s.done(runner.Pass)), false)
		if d := cmp.Diff(want, caseNames(root)); d != "" {
			t.Errorf("ended as %v (-want +got):\n%s", order, d)
		}
	}
}

// TestSpool interleaves scenarios that are larger than what is kept in memory.
func TestSpool(t *testing.T) {
	var running []*scenario
	var events []*runner.Event
	for id := range 3 {
		s := (&scenario{id: id + 1, name: "S", file: strconv.Itoa(id) + ".yaml"}).start()
		events = append(events, s.events...)
		running = append(running, s)
	}
	const steps = 400
	for n := range steps {
		for _, s := range running {
			from := len(s.events)
			e := failed()
			e.Exchange.Body = strings.Repeat("x", 500)
			events = append(events, s.step("step "+strconv.Itoa(n), 1, e).events[from:]...)
		}
	}
	for _, s := range slices.Backward(running) {
		from := len(s.events)
		events = append(events, s.done(runner.Fail)[from:]...)
	}
	text := junitOf(t, JUnitOptions{}, events)
	if len(text) < 10*spooled {
		t.Fatalf("only %d bytes", len(text))
	}
	root := checkJUnit(t, text, false)
	for i, s := range root.Suites {
		if s.File != strconv.Itoa(i)+".yaml" || len(s.Testcases) != steps || s.Failures != steps {
			t.Errorf("suite %d is %q with %d cases, %d failures", i, s.File, len(s.Testcases), s.Failures)
		}
		for n, c := range s.Testcases {
			if c.Name != "step "+strconv.Itoa(n) {
				t.Errorf("case %d is %q", n, c.Name)
				break
			}
		}
	}
}

// TestSpoolFull loses the temporary file in the middle of a run: it is told
// once, and the report says itself that it is not whole.
func TestSpoolFull(t *testing.T) {
	var b bytes.Buffer
	r, err := NewJUnit(&b, JUnitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	spool := r.(*junitReporter).spool
	if err := spool.close(); err != nil {
		t.Fatal(err)
	}
	spool.file = file
	const whole, lost = 150, 1000
	var told []error
	for id := range whole + lost {
		if id == whole {
			spool.file = readOnly(t, spool)
		}
		s := (&scenario{id: id + 1, name: "S", file: "s" + strconv.Itoa(id) + ".yaml"}).start()
		for _, e := range s.step("send", 1, passed()).done(runner.Pass) {
			if err := r.Event(e); err != nil {
				told = append(told, err)
			}
		}
	}
	if err := r.Close(); err != nil {
		told = append(told, err)
	}
	if len(told) != 1 || !strings.Contains(told[0].Error(), "temporary file of the report cannot be written") {
		t.Errorf("told %v, want one error about the temporary file", told)
	}
	root := checkJUnit(t, b.Bytes(), false)
	if root.Tests != whole+1 || root.Errors != 1 {
		t.Errorf("%d cases, %d errors, want %d and 1", root.Tests, root.Errors, whole+1)
	}
	if last := root.Suites[len(root.Suites)-1].Testcases; len(last) != 1 || !strings.Contains(last[0].Error.Message, "lacks results") {
		t.Errorf("the report does not say that it is not whole: %+v", last)
	}
}

// readOnly gives the file of a spool, written so far, as one that cannot be
// written to any more.
func readOnly(t *testing.T, s *spool) *os.File {
	t.Helper()
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(s.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.file.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRunTime takes the time from run-end, else from the events.
func TestRunTime(t *testing.T) {
	events := inOrder()
	for n, want := range map[int]string{len(events): "61.000", len(events) - 1: "60.510"} {
		var root junit.Testsuites
		if err := xml.Unmarshal(junitOf(t, JUnitOptions{}, events[:n]), &root); err != nil {
			t.Fatal(err)
		}
		if root.Time != want {
			t.Errorf("after %d events: time %q, want %q", n, root.Time, want)
		}
	}
}

func TestLargeBody(t *testing.T) {
	e := failed()
	e.Exchange.Body = strings.Repeat("é", 40<<10)
	e.Exchange.BodySize = 80 << 10
	e.Exchange.RequestBody = strings.Repeat("a", 33<<10)
	root := checkJUnit(t, junitOf(t, JUnitOptions{}, (&scenario{id: 1, name: "A", file: "a.yaml"}).start().step("send", 1, e).done(runner.Fail)), false)
	out := root.Suites[0].Testcases[0].SystemOut.Data
	for _, want := range []string{"… (the first 32768 of 81920 bytes)", "… (the first 32768 of 33792 bytes)", "\ncurl -X POST"} {
		if !strings.Contains(out, want) {
			t.Errorf("system-out lacks %q", want)
		}
	}
	if len(out) > 2*(32<<10)+2000 {
		t.Errorf("system-out has %d bytes", len(out))
	}
}

func FuzzXMLText(f *testing.F) {
	for _, s := range []string{
		"", "plain", "]]>", "]]]]>>", "<a>&amp;\"'", "\x00\x1b\x7f\u0085", "\ufffe\uffff\U0001F600", "\xed\xa0\x80", "\xff\xfe",
		"line\r\nline\rline\u2028", "\t  blanks  \n", "\r", "<![CDATA[x]]>", "-->", "../../x.yaml", "{{}}", strings.Repeat("]", 100) + ">",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, name, message string) {
		s := &scenario{id: 1, name: name, file: name, doc: "", row: message}
		wrong := runner.Event{
			Outcome: runner.Fail, Flaky: true,
			Failures: []runner.Failure{{File: name, Line: 3, Column: 2, Source: message, Code: name, Message: message, Notes: []string{message}, Diff: message}},
			Exchange: &runner.Exchange{Method: name, URL: message, Status: 1, Body: message, Curl: message, Headers: []runner.HeaderField{{Name: name, Value: message}}},
		}
		events := s.start().step(name, 1, wrong).step(name, 1, runner.Event{Outcome: runner.Error, Err: &runner.Problem{Type: name, Message: message, Cure: message}}).
			skip(message, message).done(runner.Fail, runner.Event{Reason: message, Err: &runner.Problem{Type: message, Message: name}})
		begin := &runner.Event{Event: runner.RunStart, Run: name, Info: &runner.RunInfo{Version: message, Hosts: []string{message}, Warnings: []string{name}}}
		text := junitOf(t, JUnitOptions{Places: true, Hostname: message, Name: name}, append([]*runner.Event{begin}, events...))
		root := checkJUnit(t, text, true)
		if root.Tests != 4 || len(root.Suites) != 1 {
			t.Errorf("%d cases in %d suites, want 4 in 1", root.Tests, len(root.Suites))
		}
		if len(root.Suites) == 1 && len(root.Suites[0].Testcases) == 4 && message != "" && isPlain(message) {
			if got := root.Suites[0].Testcases[0].Failure.Message; got != message {
				t.Errorf("message %q came back as %q", message, got)
			}
		}
	})
}

// isPlain reports whether nothing of s has to be replaced.
func isPlain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !isXML(r) })
}
