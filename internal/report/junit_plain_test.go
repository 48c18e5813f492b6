package report

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jstemmer/go-junit-report/v2/junit"
)

// encoded gives a plain case as the library's encoder writes it.
func encoded(t testing.TB, c *plainCase) string {
	t.Helper()
	whole := junitCase{File: c.file, Line: c.line, Testcase: junit.Testcase{Name: c.name, Classname: c.class, Time: seconds(c.ms)}}
	if c.skipped != "" {
		whole.Skipped = &junit.Result{Message: c.skipped}
	}
	text, err := newElementWriter("\t\t").element("testcase", whole)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func checkPlainCase(t testing.TB, c *plainCase) {
	t.Helper()
	if d := cmp.Diff(encoded(t, c), string(appendPlainCase(nil, c))); d != "" {
		t.Errorf("%+v (-encoder +ours):\n%s", *c, d)
	}
}

func TestPlainCase(t *testing.T) {
	texts := []string{"", " ", "plain", "]]>", "<a href=\"x\">'&amp;'</a>", "\t\n\r", "\u0085\u2028", "\ufffd\ufffe\uffff", "\xff\xed\xa0\x80", "注文 ü 😀 \u202e", strings.Repeat("x", 300)}
	for c := range rune(0x100) {
		texts = append(texts, "a"+string(c)+"b", string([]byte{'a', byte(c)}))
	}
	for i, s := range texts {
		other := texts[len(texts)-1-i]
		checkPlainCase(t, &plainCase{name: s, class: other, ms: float64(i) * 1.0005})
		checkPlainCase(t, &plainCase{name: other, class: "c", skipped: s, file: s, line: i})
	}
	for _, ms := range []float64{0, -1, 0.0004, 0.5, 0.4999, 1.5, 12.3456, 999.9999, 1e9, 1e300, math.NaN(), math.Inf(1), math.Inf(-1)} {
		checkPlainCase(t, &plainCase{name: "n", class: "c", ms: ms})
	}
}

// FuzzPlainCase compares the short way of writing a case with the encoder.
func FuzzPlainCase(f *testing.F) {
	f.Add("accepts an order", "scenarios.orders", 182.0, "", "", 0)
	f.Add("[A-100] \"<&>'\"", "a\x00b\xff", 0.5, "waits for \n\t\r", "scenarios/ü.yaml", 12)
	f.Add("\ufffe\u2028\x7f", "", -1e-9, "]]>", "/", -3)
	f.Fuzz(func(t *testing.T, name, class string, ms float64, skipped, file string, line int) {
		checkPlainCase(t, &plainCase{name: name, class: class, ms: ms, skipped: skipped, file: file, line: line})
	})
}
