package report

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"path"
	"strconv"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"iflowtest/runner"
)

// The elements of a JUnit file are those of the library; these extend them by
// what it lacks. A field of ours hides the one of the library of that name.

// junitRoot writes its counters also when they are 0. It never has skipped,
// which the schema of Jenkins' xUnit plugin (junit-10.xsd) forbids.
type junitRoot struct {
	junit.Testsuites
	Time     string `xml:"time,attr"`
	Tests    int    `xml:"tests,attr"`
	Errors   int    `xml:"errors,attr"`
	Failures int    `xml:"failures,attr"`
}

// junitSuite writes skipped also when it is 0.
type junitSuite struct {
	junit.Testsuite
	Skipped int `xml:"skipped,attr"`
}

// junitCase has the place of the step, for GitLab and the GitHub publishers,
// and what failed before it passed (Surefire's flakyFailure and flakyError).
type junitCase struct {
	junit.Testcase
	File        string        `xml:"file,attr,omitempty"`
	Line        int           `xml:"line,attr,omitempty"`
	Flaky       []flakyResult `xml:"flakyFailure"`
	FlakyErrors []flakyResult `xml:"flakyError"`
}

type flakyResult struct {
	Message    string       `xml:"message,attr"`
	Type       string       `xml:"type,attr"`
	StackTrace junit.Output `xml:"stackTrace"`
}

// xmlText replaces what XML 1.0 forbids (section 2.2, Char), invalid UTF-8
// included, by U+FFFD.
func xmlText(s string) string {
	if allXML(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isXML(r) {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// allXML reports whether all of s may stand in XML; most text is plain ASCII.
func allXML(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x7f || c < 0x20 && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

func isXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// className gives the class name of a step: the path of the file without its
// extension, dots for slashes, and the document's slug behind it. It is never
// empty, as readers make dead links of that.
func className(e *runner.Event) string {
	file := strings.ReplaceAll(cmp.Or(e.Below, e.File), `\`, "/")
	file = path.Clean("/" + strings.TrimPrefix(file, "./"))
	for strings.HasPrefix(file, "/../") {
		file = file[3:]
	}
	folder, base := path.Split(strings.Trim(file, "/"))
	if ext := path.Ext(base); len(ext) < len(base) {
		base = strings.TrimSuffix(base, ext)
	}
	name := strings.ReplaceAll(strings.ReplaceAll(folder+base, ":", ""), "/", ".")
	if strings.TrimSpace(name) == "" {
		name = slug(e.Scenario)
	}
	if e.Document != "" {
		name += "." + e.Document
	}
	return oneLine(xmlText(name))
}

// classOf keeps the class name of the last file that was asked for: rows of a
// scenario have the same.
type classOf struct {
	scenario, file, below, document string
	class                           string
}

func (c *classOf) name(e *runner.Event) string {
	if c.class == "" || c.file != e.File || c.below != e.Below || c.document != e.Document || c.scenario != e.Scenario {
		*c = classOf{e.Scenario, e.File, e.Below, e.Document, className(e)}
	}
	return c.class
}

// slug gives a name with nothing but letters, digits and hyphens.
func slug(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 0x7f && r != 0xFFFD && isXML(r) && r != 0x2028 && r != 0x2029)
	})
	if len(words) == 0 {
		return "scenario"
	}
	return strings.Join(words, "-")
}

// caseName gives the name of a case before it is made unique.
func caseName(e *runner.Event) string {
	name := oneLine(e.Step)
	if name == "" {
		name = strings.TrimSpace("step " + e.Kind)
	}
	if e.Row != "" {
		return "[" + rowText(e.Row) + "] " + xmlText(name)
	}
	return xmlText(name)
}

// rowText gives the name of a row as it stands in the names of cases.
func rowText(row string) string { return xmlText(oneLine(row)) }

// rowPrefix is what the names of the cases of a row begin with.
func rowPrefix(row string) string { return "[" + row + "] " }

// names makes names unique: a repeat gets " (2)". It holds how often a name
// was used; names that it made are not kept, so that a name that is used a
// hundred thousand times takes no more room than one.
type names map[string]int

func (n names) unique(name string) string {
	if !n.taken(name) {
		n[name] = 1
		return name
	}
	for count := max(n[name], 1) + 1; ; count++ {
		if repeat := name + " (" + strconv.Itoa(count) + ")"; n[repeat] == 0 {
			n[name] = count
			return repeat
		}
	}
}

// taken reports whether a name was used, or made of another one.
func (n names) taken(name string) bool {
	if n[name] > 0 {
		return true
	}
	if !strings.HasSuffix(name, ")") {
		return false
	}
	at := strings.LastIndex(name, " (")
	if at < 0 {
		return false
	}
	digits := name[at+2 : len(name)-1]
	count, err := strconv.Atoi(digits)
	return err == nil && count > 1 && strconv.Itoa(count) == digits && n[name[:at]] >= count
}

// elementWriter encodes elements one by one into a buffer that is used again.
type elementWriter struct {
	buffer  *bytes.Buffer
	encoder *xml.Encoder
}

func newElementWriter(prefix string) *elementWriter {
	w := &elementWriter{buffer: new(bytes.Buffer)}
	w.encoder = xml.NewEncoder(w.buffer)
	w.encoder.Indent(prefix, "\t")
	return w
}

// element gives v as the element name, without a line break at either end. The
// bytes hold until the next call.
func (w *elementWriter) element(name string, v any) ([]byte, error) {
	w.buffer.Reset()
	err := w.encoder.EncodeElement(v, xml.StartElement{Name: xml.Name{Local: name}})
	return bytes.Trim(w.buffer.Bytes(), "\n"), err
}
