package scenarios

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
)

// tree parses a text that is right.
func tree(t *testing.T, text string) *Node {
	t.Helper()
	_, docs, l := parse("x.yaml", []byte(text))
	if len(l) > 0 || len(docs) != 1 {
		t.Fatalf("%d documents, diagnostics %v", len(docs), l)
	}
	return docs[0].root
}

func TestTypes(t *testing.T) {
	tests := []struct {
		text string
		kind NodeKind
	}{
		{"1", Number}, {"-1", Number}, {"0", Number}, {"-0", Number}, {"1.5", Number}, {"10.10", Number}, {"1e3", Number},
		{"-1.5E+3", Number}, {"12345678901234567890123", Number}, {"1e400", Number},
		{"0777", Text}, {"+1", Text}, {"0x1F", Text}, {"0o17", Text}, {"1_000", Text}, {"12:30", Text}, {"2026-01-01", Text},
		{".inf", Text}, {".nan", Text}, {".5", Text}, {"5.", Text}, {"1e", Text}, {"1.2.3", Text}, {"01.5", Text},
		{"true", Bool}, {"false", Bool},
		{"True", Text}, {"yes", Text}, {"no", Text}, {"on", Text}, {"off", Text}, {"y", Text},
		{"null", Null}, {"~", Null}, {"", Null}, {"Null", Text}, {"NULL", Text},
		{`"1"`, Text}, {`'true'`, Text}, {`"null"`, Text}, {`""`, Text}, {"!!str 1", Text}, {"!!str", Text}, {"2001-12-14t21:59:43.10-05:00", Text},
		{"|\n  1", Text}, {">\n  true", Text}, {"[]", List}, {"{}", Map}, {"<<", Text}, {"=", Text},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			if got := tree(t, "a: "+tt.text+"\n").Get("a"); got.Kind != tt.kind {
				t.Errorf("kind %d, want %d", got.Kind, tt.kind)
			}
		})
	}
}

func TestNumbersKeepTheirDigits(t *testing.T) {
	root := tree(t, "version: 1.10\nid: 00042\nbig: 12345678901234567890\n404: x\n")
	got := map[string]string{}
	for _, e := range root.Entries() {
		got[e.Key.Text] = e.Value.Text
	}
	want := map[string]string{"version": "1.10", "id": "00042", "big": "12345678901234567890", "404": "x"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPlaces finds the place of every ▸ that stands in front of a value, a
// key or a part of a text.
func TestPlaces(t *testing.T) {
	tests := []struct {
		name, text string
		// pick gives the node and the part of its text that is looked for.
		path, part string
		want       string
	}{
		{"plain", "a: hello world\n", "a", "world", "1:10+5"},
		{"plain wide", "a: 注文 ${x}\n", "a", "${x}", "1:7+4"},
		{"plain on two lines", "a: hello\n   big\n\n   world\n", "a", "world", "4:4+5"},
		{"double", `a: "say \"hi\" ${x}"` + "\n", "a", "${x}", "1:16+4"},
		{"double unicode", `a: "\u00e9\x41\U0001F600\t${x}"` + "\n", "a", "${x}", "1:27+4"},
		{"double next line", `a: "\N\_\L${x}"` + "\n", "a", "${x}", "1:11+4"},
		{"double on lines", "a: \"one\n   two  \n\n   ${x}\"\n", "a", "${x}", "4:4+4"},
		{"double escaped break", "a: \"one\\\n   two ${x}\"\n", "a", "${x}", "2:8+4"},
		{"single", "a: 'it''s ${x}'\n", "a", "${x}", "1:11+4"},
		{"single on lines", "a: 'it''s\n  ${x}'\n", "a", "${x}", "2:3+4"},
		{"literal", "a: |\n  one\n\n    two ${x}\n", "a", "${x}", "4:9+4"},
		{"literal kept", "a: |+\n\n  ${x}\n\n", "a", "${x}", "3:3+4"},
		{"literal with indentation", "a: |2\n    one\n   ${x}\n", "a", "${x}", "3:4+4"},
		{"literal in a list", "a:\n- |-\n one\n ${x}\n", "a.0", "${x}", "4:2+4"},
		{"folded", "a: >-\n  one\n  two\n\n  three\n    four\n  ${x}\n", "a", "${x}", "7:3+4"},
		{"behind an anchor", "a: &here   !!str \"x\"\n", "a", "x", "1:19+1"},
		{"an anchor on the line above", "a: &here\n  text\n", "a", "text", "2:3+4"},
		{"flow", "a: {b: [1, \"x y\"]}\n", "a.b.1", "y", "1:15+1"},
		{"long flow", "a: {b: one, c: {d: two}}\n", "a.c.d", "two", "1:20+3"},
		{"crlf", "a: |\r\n  one\r\n  ${x}\r\n", "a", "${x}", "3:3+4"},
		{"foreign break", "b: \"\u2028\"\na: \"x\u2028 y\"\n", "a", "y", "2:8+1"},
		{"trailing blanks", "a: |\n  one  \n  ${x}\n", "a", "${x}", "3:3+4"},
		{"tab inside", "a: \"x\t${y}\"\n", "a", "${y}", "1:7+4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := tree(t, tt.text)
			for _, p := range strings.Split(tt.path, ".") {
				if n.Kind == List {
					n = n.Items()[p[0]-'0']
				} else {
					n = n.Get(p)
				}
			}
			at := strings.Index(n.Text, tt.part)
			if at < 0 {
				t.Fatalf("%q is not in %q", tt.part, n.Text)
			}
			p := n.At(at, len(tt.part))
			if got := fmt.Sprintf("%d:%d+%d", p.Line, p.Column, p.Width); got != tt.want {
				t.Errorf("place %s, want %s", got, tt.want)
			}
		})
	}
}

// TestEveryOffset compares the place of each character of values on one line
// with a walk by hand: the column must never go back.
func TestEveryOffset(t *testing.T) {
	for _, text := range []string{
		"a: one\n  two\n  three\n", "a: \"one\\n\\u1234 \\\n  two\n\n\n  three \\x20\"\n", "a: '''\n\n  ''x'\n",
		"a: >\n  x\n\n   y\n  z\n", "a: |\n\n\n  x\n   y\n",
	} {
		n := tree(t, text).Get("a")
		last := diag.Position{}
		for i := range len(n.Text) + 1 {
			p := n.At(i, 1)
			if p.Compare(last) < 0 {
				t.Errorf("%q: offset %d is at %v, before %v", text, i, p, last)
			}
			last = p
		}
		if end := strings.Count(strings.TrimRight(text, "\n"), "\n") + 1; last.Line != end {
			t.Errorf("%q: ends in line %d, want %d", text, last.Line, end)
		}
	}
}

func TestMerge(t *testing.T) {
	root := tree(t, "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\n\"<<\": text\n")
	c := root.Get("c")
	got := map[string]string{}
	for _, e := range c.Entries() {
		got[e.Key.Text] = e.Value.Text
	}
	if diff := cmp.Diff(map[string]string{"x": "9", "y": "2", "z": "4"}, got); diff != "" {
		t.Error(diff)
	}
	if y := c.Get("y"); y.Pos().Line != 1 {
		t.Errorf("the merged key is at %v, want line 1", y.Pos())
	}
	if root.Get("<<") == nil {
		t.Error("a quoted << is a key like others")
	}
}

func TestDuration(t *testing.T) {
	right := map[string]time.Duration{"500ms": 500 * time.Millisecond, "2s": 2 * time.Second, "1m30s": 90 * time.Second, "5m": 5 * time.Minute, "1.5h": 90 * time.Minute, "0s": 0}
	for text, want := range right {
		if got, ok := ParseDuration(text); !ok || got != want {
			t.Errorf("%s is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "0", "5", "-2s", "+2s", "2 s", "1d", ".5s", "soon", "9999999999h", "${x}"} {
		if got, ok := ParseDuration(text); ok {
			t.Errorf("%q is %v, want none", text, got)
		}
	}
}

func TestComputed(t *testing.T) {
	for text, want := range map[string]bool{"${a}": true, "$${a}": false, "a ${b}": true, "$${a} ${b}": true, "$": false, "{a}": false, "": false} {
		if got := hasExpression(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestRetryAndPoll(t *testing.T) {
	defaults := Retry{Attempts: 3, Network: true, Statuses: []int{429, 502, 503, 504}, Every: time.Second, Max: 30 * time.Second, Backoff: 2}
	short := defaults
	short.Attempts = 5
	whole := Retry{Attempts: 2, Statuses: []int{500}, Every: 2 * time.Second, Max: time.Minute, Backoff: 1.5, Unsafe: true}
	for text, want := range map[string]Retry{
		"5":                                    short,
		"{max: 30s}":                           defaults,
		"{attempts: -1, backoff: 0, every: x}": func() Retry { r := defaults; r.Attempts = 1; return r }(),
		"{attempts: 2, on: [500], every: 2s, max: 1m, backoff: 1.5, unsafe: true}": whole,
	} {
		if diff := cmp.Diff(want, DecodeRetry(tree(t, "r: "+text+"\n").Get("r"))); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	p := DecodePoll(tree(t, "until: {status: 200}\nabort-if: {}\nevery: 1s\n"))
	if p.Until == nil || p.AbortIf != nil || p.Every != time.Second || p.Backoff != 1.5 || p.Max != 15*time.Second || p.Timeout != 2*time.Minute {
		t.Errorf("poll is %+v", p)
	}
}
