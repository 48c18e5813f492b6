package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jstemmer/go-junit-report/v2/junit"
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
