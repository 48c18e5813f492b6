package diag

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrint(t *testing.T) {
	src := Sources{}
	src.Add("orders.yaml", []byte("name: A\nsteps:\n  - call:\n\tpth: /orders\r\n      ünï: \"x\"\n      日本: y\n"))
	src.Add("long.yaml", []byte(strings.Repeat("a", 300)+"bad"+strings.Repeat("c", 300)))
	l := List{
		Errorf(Position{File: "orders.yaml", Line: 6, Column: 11, Width: 1}, WrongType, "later").WithHint("one").WithHint("two\nlines").WithHint(""),
		Errorf(Position{File: "orders.yaml", Line: 4, Column: 2, Width: 3}, UnknownKey, "unknown key %q in call; did you mean %q?", "pth", "path"),
		Warningf(Position{File: "orders.yaml", Line: 5, Column: 12, Width: 3}, LiteralSecret, "a warning"),
		Errorf(Position{File: "orders.yaml", Line: 4, Column: 2, Width: 3}, UnknownKey, "unknown key %q in call; did you mean %q?", "pth", "path"),
		Errorf(Position{File: "orders.yaml", Line: 99}, Syntax, "a line that is not there"),
		Errorf(Position{File: "gone.yaml"}, BadFile, "a file that was not read"),
		Errorf(Position{File: "long.yaml", Line: 1, Column: 301, Width: 3}, Syntax, "a long line"),
		Errorf(Position{File: "orders.yaml", Line: 2}, Syntax, "a line and no column"),
		Errorf(Position{}, BadFile, "no place at all"),
	}
	var b strings.Builder
	if err := Print(&b, l, src, Style{}); err != nil {
		t.Fatal(err)
	}
	want := `no place at all  [bad-file]

gone.yaml: a file that was not read  [bad-file]

long.yaml:1:301: a long line  [syntax]
  |
1 | …` + strings.Repeat("a", 80) + "bad" + strings.Repeat("c", 77) + `…
  | ` + strings.Repeat(" ", 81) + `^~~

orders.yaml:2: a line and no column  [syntax]
  |
2 | steps:

orders.yaml:4:2: unknown key "pth" in call; did you mean "path"?  [unknown-key]
  |
4 |  pth: /orders
  |  ^~~

orders.yaml:5:12: warning: a warning  [literal-secret]
  |
5 |       ünï: "x"
  |            ^~~

orders.yaml:6:11: later  [wrong-type]
  |
6 |       日本: y
  |             ^
  = one
  = two
    lines

orders.yaml:99: a line that is not there  [syntax]
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !l.HasErrors() || l.Errors() != 8 || (List{l[2]}).HasErrors() {
		t.Errorf("%d errors", l.Errors())
	}
}

func TestColor(t *testing.T) {
	src := Sources{}
	src.Add("a.yaml", []byte("a: b"))
	got := Format(Errorf(Position{File: "a.yaml", Line: 1, Column: 4}, Syntax, "bad"), src, Style{Color: true})
	const want = "\x1b[1ma.yaml:1:4\x1b[0m\x1b[31m: bad  [syntax]\x1b[0m\n  |\n1 | a: b\n  |    \x1b[31m^\x1b[0m\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"pth", "path"}, {"Path", "path"}, {"patch", "path"}, {"xyz", ""}, {"a", ""}, {"", ""}, {"credentail", "credential"},
	} {
		if got := Suggest(c.name, []string{"path", "credential", "ab"}); got != c.want {
			t.Errorf("Suggest(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}

// TestCodes: codes are API; each is documented once, in order.
func TestCodes(t *testing.T) {
	var names []string
	for _, c := range Codes() {
		if c.Doc == "" || strings.HasSuffix(c.Doc, ".") {
			t.Errorf("%s: %q", c.Code, c.Doc)
		}
		names = append(names, c.Code)
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not in order, or twice: %v", names)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("a: b", "message", 1, 3, 2)
	f.Add("\t\x00\u2028日", "m", 1, 2, 9)
	f.Fuzz(func(t *testing.T, line, message string, lineNumber, column, width int) {
		src := Sources{}
		src.Add("f.yaml", []byte(line))
		got := Format(Errorf(Position{File: "f.yaml", Line: lineNumber, Column: max(column, 0), Width: width}, Syntax, "%s", message), src, Style{})
		if !strings.HasSuffix(got, "\n") {
			t.Errorf("%q", got)
		}
	})
}
