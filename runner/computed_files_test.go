package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iflowtest/scenarios"
)

// TestComputedFiles: files whose paths are computed are looked at for every row
// before the first request.
func TestComputedFiles(t *testing.T) {
	const head = "name: A\ndata: [{name: a}, {name: b}, {name: c}]\nrow-name: \"r-${row.name}\"\n"
	for name, c := range map[string]struct {
		text string
		o    Options
		want []string
	}{
		"expected": {head + "steps:\n  - call: {GET: /http/echo, credential: sender}\n    expect: {matches-file: \"expected/${row.name}.json\"}\n", Options{}, []string{
			`scenario.yaml:6:28: row 2 (r-b): expected/b.json:1:9: not JSON: unexpected end of JSON input`,
			`scenario.yaml:6:28: row 3 (r-c): no file "expected/c.json"`,
		}},
		"to be written": {head + "steps:\n  - call: {GET: /http/echo, credential: sender}\n    expect: {matches-file: {file: \"expected/${row.name}.json\"}}\n", Options{UpdateExpected: true}, nil},
		"schema": {head + "steps:\n  - call: {GET: /http/echo, credential: sender}\n    poll: {until: {schema: \"expected/${row.name}.json\"}}\n", Options{}, []string{
			`scenario.yaml:6:28: row 2 (r-b): schema: expected/b.json:1:9: not JSON: unexpected end of JSON input`,
			`scenario.yaml:6:28: row 3 (r-c): no file "expected/c.json"`,
		}},
		"payload": {head + "steps:\n  - call: {POST: /http/echo, credential: sender, file: \"expected/${row.name}.json\"}\n  - call: {POST: /http/echo, credential: sender, multipart: {f: {file: \"${row.name}.bin\"}}}\n    when: row.name == 'a'\n", Options{}, []string{
			`scenario.yaml:5:56: row 3 (r-c): no file "expected/c.json"`,
			`scenario.yaml:6:72: row 1 (r-a): no file "a.bin"`,
		}},
		"a variable": {head + "vars: {path: \"expected/${row.name}.json\"}\nsteps:\n  - call: {POST: /http/echo, credential: sender, file: \"${path}\"}\n", Options{}, []string{
			`scenario.yaml:6:56: row 3 (r-c): no file "expected/c.json"`,
		}},
		"an include": {head + "steps:\n  - include: {file: _send.yaml, with: {of: \"${row.name}\"}}\n", Options{}, []string{
			`_send.yaml:3:56: row 3 (r-c): no file "expected/c.json"`,
		}},
		"an include that is not entered": {head + "steps:\n  - include: {file: _send.yaml, with: {of: \"${row.name}\"}}\n    when: row.name != 'c'\n", Options{}, nil},
		"captured":                       {head + "vars: {path: expected/a.json}\nsteps:\n  - set: {path: \"${row.name}\"}\n  - call: {POST: /http/echo, credential: sender, file: \"${path}.x\"}\n", Options{}, nil},
		"decided later":                  {head + "steps:\n  - set: {hot: true}\n  - call: {POST: /http/echo, credential: sender, file: \"${row.name}.x\"}\n    when: hot\n", Options{}, nil},
		"another each run":               {head + "steps:\n  - call: {POST: /http/echo, credential: sender, file: \"${row.name}-${run.id}\"}\n", Options{}, nil},
		"skipped":                        {head + "skip: \"${row.name == 'c' ? 'not yet' : ''}\"\nsteps:\n  - call: {POST: /http/echo, credential: sender, file: \"expected/${row.name}.json\"}\n", Options{}, nil},
		"without rows": {"name: A\nvars: {n: c}\nsteps:\n  - call: {POST: /http/echo, credential: sender, file: \"expected/${n}.json\"}\n", Options{}, []string{
			`scenario.yaml:4:56: no file "expected/c.json"`,
		}},
		"a variable of the command line": {"name: A\nvars: {n: c}\nsteps:\n  - call: {POST: /http/echo, credential: sender, file: \"expected/${n}.json\"}\n", Options{Vars: map[string]string{"n": "a"}}, nil},
		"those that failed": {head + "steps:\n  - call: {POST: /http/echo, credential: sender, file: \"expected/${row.name}.json\"}\n",
			Options{Failed: []Identity{{File: "scenario.yaml", Scenario: "A", Row: "r-a"}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write("expected/a.json", `{"type": "object"}`)
			r.write("expected/b.json", `{"type": `)
			r.write("_send.yaml", "params: [of]\nsteps:\n  - call: {POST: /http/echo, credential: sender, file: \"expected/${of}.json\"}\n")
			r.want(r.mistakes(c.text, c.o), c.want)
		})
	}
}

// TestManyComputedFiles: of many mistakes some are told, and how many there are
// in all; each file is looked at once, however many rows name it.
func TestManyComputedFiles(t *testing.T) {
	r := newRig(t)
	rows := &strings.Builder{}
	rows.WriteString("name,other\n")
	for i := range 500 {
		fmt.Fprintf(rows, "n%d,same\n", i)
	}
	r.write("rows.csv", rows.String())
	_, diags := r.compile("name: A\ndata: rows.csv\nsteps:\n  - call: {POST: /http/echo, credential: sender, file: \"${row.name}.json\"}\n  - call: {POST: /http/echo, credential: sender, file: \"${row.other}.json\"}\n", Options{})
	if len(diags) != maxComputedMistakes {
		t.Fatalf("%d mistakes are told", len(diags))
	}
	last := diags[len(diags)-1]
	// Each row names a file of its own, and all share one.
	if more := fmt.Sprintf("= %d more files", 501-maxComputedMistakes); !strings.Contains("= "+strings.Join(last.Hints, "\n= "), more) {
		t.Errorf("%q", last.Hints)
	}
	if !strings.Contains(strings.Join(diags[0].Hints, "\n"), "the row is at rows.csv:2") {
		t.Errorf("%q", diags[0].Hints)
	}
}

// BenchmarkComputedFiles checks the expected files of many rows, which name a
// few files between them.
func BenchmarkComputedFiles(b *testing.B) {
	const n = 20_000
	folder := b.TempDir()
	rows := &strings.Builder{}
	rows.WriteString("type\n")
	for i := range n {
		fmt.Fprintf(rows, "t%d\n", i%5)
		if i < 5 {
			writeFile(b, filepath.Join(folder, fmt.Sprintf("t%d.json", i)), "{}")
		}
	}
	writeFile(b, filepath.Join(folder, "rows.csv"), rows.String())
	file := filepath.Join(folder, "scenario.yaml")
	writeFile(b, file, "name: A\ndata: rows.csv\ncredentials: {c: {token-url: 'http://127.0.0.1/t', client-id: c, client-secret: '${\"secret\"}', url: 'http://127.0.0.1'}}\nsteps:\n  - call: {GET: /, credential: c}\n    expect: {matches-file: \"${row.type}.json\"}\n")
	for b.Loop() {
		suite, _, diags, err := scenarios.Load([]string{file}, scenarios.LoadOptions{Root: folder, WorkingFolder: folder})
		if err != nil || diags.HasErrors() {
			b.Fatal(err, diags)
		}
		plan, diags, err := Compile(suite, nil, Options{})
		if err != nil || diags.HasErrors() {
			b.Fatal(err, diags)
		}
		_ = plan.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}

func writeFile(tb testing.TB, name, text string) {
	tb.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}
