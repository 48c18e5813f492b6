package scenarios

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
)

// FuzzLoad reads any bytes as a scenario file, an environment and a file that
// is included: nothing panics, every place lies inside the file, diagnostics
// are sorted, and a second time gives the same.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"../testdata/language/err/*.yaml", "../testdata/language/ok/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		first, src := loadAll(t, data)
		second, _ := loadAll(t, data)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatalf("the second time differs:\n%s", diff)
		}
		if !slices.IsSortedFunc(first, func(a, b diag.Diagnostic) int { return a.Pos.Compare(b.Pos) }) {
			t.Fatalf("not sorted: %v", first)
		}
		for _, d := range first {
			inside(t, src, d.Pos, d.Message)
			if d.Message == "" || strings.ContainsRune(d.Message, '\n') || d.Code == "" || d.Severity == 0 {
				t.Fatalf("not a whole diagnostic: %+v", d)
			}
			diag.Format(d, diag.Sources{"x.yaml": src.shown}, diag.Style{})
		}
	})
}

// loadAll reads data as every kind of file there is.
func loadAll(t *testing.T, data []byte) (diag.List, *source) {
	src, docs, l := parse("x.yaml", data)
	if l.HasErrors() {
		src.maskByText()
	}
	read := reader{src: src, grammar: newGrammar([]string{"call", "wait"})}
	for _, d := range docs {
		if d.start < 1 || d.end < d.start || d.end > len(src.lines) {
			t.Fatalf("document %d reaches from line %d to %d of %d", d.index, d.start, d.end, len(src.lines))
		}
		if d.root == nil {
			continue
		}
		budget := 50_000
		walk(t, src, d.root, 0, &budget)
		s := read.readScenario(d.root)
		for _, step := range slices.Concat(s.Steps, s.Cleanup) {
			inside(t, src, step.Pos, "step")
			if step.EndLine < 1 || step.EndLine > len(src.lines) {
				t.Fatalf("step ends in line %d of %d", step.EndLine, len(src.lines))
			}
			DecodeRetry(step.Retry)
			DecodePoll(step.Poll)
		}
		for _, c := range s.Credentials {
			if c.Value == nil {
				t.Fatal("a credential without value")
			}
		}
		read.readEnvironment(d.root)
		read.readIncluded(d.root)
		src.maskAll(&Node{Kind: List, children: &children{items: s.dataAndNames()}})
	}
	return append(l, read.l...).Sorted(), src
}

// dataAndNames gives some nodes of a scenario, to be masked.
func (s *Scenario) dataAndNames() []*Node {
	var nodes []*Node
	for _, n := range []*Node{s.Name, s.Skip, s.RowName} {
		if n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// walk visits a tree, as far as the budget reaches: every place is inside the
// file, also those inside of texts.
func walk(t *testing.T, src *source, n *Node, level int, budget *int) {
	if *budget--; *budget < 0 {
		return
	}
	if level > maxDepth {
		t.Fatal("deeper than the limit")
	}
	inside(t, src, n.Pos(), describe(n))
	if n.IsScalar() && len(n.Text) < 300 {
		for i := range len(n.Text) + 1 {
			inside(t, src, n.At(i, 1), n.Text)
		}
	}
	for _, i := range n.Items() {
		walk(t, src, i, level+1, budget)
	}
	for _, e := range n.Entries() {
		if e.Key == nil || e.Value == nil || e.Key.Kind != Text {
			t.Fatalf("entry %+v", e)
		}
		inside(t, src, e.Key.Pos(), "key")
		walk(t, src, e.Value, level+1, budget)
	}
}

func inside(t *testing.T, src *source, p diag.Position, what string) {
	t.Helper()
	if p.File != "x.yaml" || p.Line < 1 || p.Line > len(src.lines) {
		t.Fatalf("%s: %v is not in the file of %d lines", what, p, len(src.lines))
	}
	if width := utf8.RuneCountInString(src.lines[p.Line-1]); p.Column < 1 || p.Column > width+1 || p.Width < 0 {
		t.Fatalf("%s: %v is not in the line of %d characters", what, p, width)
	}
}

// TestRightFilesHaveNoFinding runs the reading that looks for mistakes in
// files that have none: what it finds would be wrong.
func TestRightFilesHaveNoFinding(t *testing.T) {
	files, err := filepath.Glob("../testdata/language/ok/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{
		"a:\n- b\n- c: 1\n  d: 2\ne: f\n",
		"- - a\n  - b\n- c\n",
		"a: |2\n   x\n  y: z\nb: 1\n",
		"a: 'x\n  y'\nb: \"c: d\n  e\"\n",
		"a: [b,\n  c, # x\n  {d: e}\n]\nf: g\n",
		"a: {\n}\n",
		"{a: 1, \"b\":2, c: [d, e: f]}\n",
		"a: b - c\n",
		"a: b\n  - c\n",
		"a: x#y\nb: # z\n  c\n",
		"a: http://x/y?z=1&a=${b}\n",
		"a: \"\\u00e9\\x41\\n\\\n  x\"\n",
		"--- text\n",
		"--- # comment\na: 1\n",
		"a: &x !!str\n  b\nc: *x\n",
		"a:\n  b\n  c\nd: e\n",
		"? a\n: b\n",
		"a: b\n\n  c\n\nd: e\n",
		"a: >-\n  x\n\n\n  y\n# c\nb: 1\n",
		"\"a\": 1\n'b c': 2\n",
		"a: &x b\n*x : 3\n",
		"a: -1\n",
		"a:\n    - b:\n        c: d\n      e: f\n    - g\nh: i\n",
		"a: [a b, c d]\n",
		"a: {b: , c}\n",
		"a: [a::b, a:b]\n",
		"a: [{b: &x [1]}, *x]\n",
		"a: |\n  \"open\n  [open\n  {open: ${x}\n  \tb\nc: 1\n",
		"a: |-\n\n\n  text: here\n \n  more\nb: 1\n",
		"# \"comment\n  # [comment\na: 1 # 'comment\n",
		"a: it's\nb: say \"hi\"\nc: a [b\nd: e}\n",
		"%YAML 1.1\n---\na: 1\n",
		"a:\n  - b: |\n      x\n    c: 1\n  -\n    d: 1\n",
		"a: \"x\"   # comment\n",
		"- a: 1\n\n  b: 2\n-  c: 1\n   d: 2\n",
		"a: ${x ?? {\"b\":1}}\n",
		"a: 'it''s'\nb: ''\nc: \"\"\n",
		"a: 注文\n注文: {注文: 注文}\n",
		"a: -b\n-c: d\n",
		"a b: c d\na-b: c\n",
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		src, _, l := parse("x.yaml", []byte(text))
		if len(l) > 0 {
			t.Errorf("%q is not right: %v", text, l)
			continue
		}
		s := structure{src: src, anchors: map[string]bool{}}
		s.read()
		if s.found != nil || len(s.unknown) > 0 {
			t.Errorf("%q: found %v %v", text, s.found, s.unknown)
		}
	}
}
