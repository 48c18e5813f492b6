package scenarios_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
	"iflowtest/scenarios"
)

// dataOf loads a scenario with the text as its data, and gives the node and
// the lines of the file.
func dataOf(t *testing.T, folder, text string) (*scenarios.Node, diag.Sources) {
	t.Helper()
	path := filepath.Join(folder, "suite", "orders.scenario.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("name: a\ndata: "+text+"\nsteps:\n  - wait: 1s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	suite, _, l, err := scenarios.Load([]string{"suite/orders.scenario.yaml"}, scenarios.LoadOptions{WorkingFolder: folder, Root: folder, Kinds: kinds()})
	if err != nil || l.HasErrors() {
		t.Fatal(l, err)
	}
	return suite.Scenarios[0].Data, suite.Sources
}

// openRows opens what the data node of a scenario in the folder names.
func openRows(t *testing.T, folder, text string) (*scenarios.Rows, diag.List, diag.Sources) {
	t.Helper()
	files, err := scenarios.OpenFiles(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	node, sources := dataOf(t, folder, text)
	path := node.Text
	if n := node.Get("file"); n != nil {
		path = n.Text
	}
	rows, l := scenarios.OpenRows(node, path, scenarios.RowOptions{
		Files: files, From: filepath.Join(folder, "suite", "orders.scenario.yaml"), WorkingFolder: folder, Sources: sources,
	})
	return rows, l, sources
}

// rowsOf opens a data file of that name and text.
func rowsOf(t *testing.T, name, text string) (*scenarios.Rows, diag.List, diag.Sources) {
	t.Helper()
	return openRows(t, project(t, map[string]string{"suite/" + name: text}), name)
}

func all(t *testing.T, rows *scenarios.Rows) []scenarios.Row {
	t.Helper()
	var out []scenarios.Row
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
	if len(out) != rows.Len() {
		t.Fatalf("%d rows, want %d", len(out), rows.Len())
	}
	return out
}

// asText writes rows as "line:column {values}".
func asText(t *testing.T, rows *scenarios.Rows) []string {
	t.Helper()
	var out []string
	for i, row := range all(t, rows) {
		values, err := json.Marshal(row.Values)
		if err != nil {
			t.Fatal(err)
		}
		if row.Index != i+1 {
			t.Errorf("row %d has the index %d", i+1, row.Index)
		}
		out = append(out, fmt.Sprintf("%d:%d %s", row.Pos.Line, row.Pos.Column, values))
	}
	return out
}

func TestRows(t *testing.T) {
	tests := []struct {
		name, file, text string
		columns          []string
		want             []string
	}{
		{"csv: cells are text as it stands", "a.csv", "sku,qty,note\n007, 1 ,\nnull,true,1e3\n",
			[]string{"sku", "qty", "note"}, []string{`2:1 {"note":"","qty":" 1 ","sku":"007"}`, `3:1 {"note":"1e3","qty":"true","sku":"null"}`}},
		{"csv: RFC 4180 quotes", "a.csv", "a,\"b \"\"x\"\"\",\"c\nd\"\r\n\"1,2\",\"3\"\"\",\"4\r\n5\"\r\n,,\r\n",
			[]string{"a", `b "x"`, "c\nd"}, []string{`3:1 {"a":"1,2","b \"x\"":"3\"","c\nd":"4\n5"}`, `5:1 {"a":"","b \"x\"":"","c\nd":""}`}},
		{"csv: byte order mark, empty lines, no end of line", "a.CSV", "\uFEFF\r\n\"ä\"\r\n\r\nx\r\n\r\ny",
			[]string{"ä"}, []string{`4:1 {"ä":"x"}`, `6:1 {"ä":"y"}`}},
		{"csv: a separator in quotes does not count", "a.csv", "\"a;b;c\",d\n1;2,3\n",
			[]string{"a;b;c", "d"}, []string{`2:1 {"a;b;c":"1;2","d":"3"}`}},
		{"csv: as many semicolons as commas", "a.csv", "a;b,c\n1;2,3\n",
			[]string{"a;b", "c"}, []string{`2:1 {"a;b":"1;2","c":"3"}`}},
		{"csv: any text names a column", "a.csv", "Order ID,Index, x,${y}\n1,2,3,${z}\n",
			[]string{"Order ID", "Index", " x", "${y}"}, []string{`2:1 {" x":"3","${y}":"${z}","Index":"2","Order ID":"1"}`}},
		{"csv: expressions are text", "a.csv", "a\n${env.HOME}\n$${x}\n",
			[]string{"a"}, []string{`2:1 {"a":"${env.HOME}"}`, `3:1 {"a":"$${x}"}`}},
		{"json: types and digits stay", "a.json", "[\n  {\"a\": 1.10, \"b\": \"007\", \"c\": null},\n  {\"c\": [1e400, {\"d\": true}], \"a\": -0, \"b\": \"\\u00e9\\ud83d\\ude00\"}\n]\n",
			[]string{"a", "b", "c"}, []string{`2:3 {"a":1.10,"b":"007","c":null}`, `3:3 {"a":-0,"b":"é😀","c":[1e400,{"d":true}]}`}},
		{"json: one line, byte order mark, upper case", "a.JSON", "\uFEFF[{\"ä\":1},{\"ä\":\"]}\\\"\"} ,{}]",
			[]string{"ä"}, []string{`1:2 {"ä":1}`, `1:10 {"ä":"]}\""}`, `1:24 {}`}},
		{"json: the same key in different objects", "a.json", `[{"a":{"x":1,"y":[{"x":2},{"x":3}]},"b":{"x":4,"index":5,"":6}}]`,
			[]string{"a", "b"}, []string{`1:2 {"a":{"x":1,"y":[{"x":2},{"x":3}]},"b":{"":6,"index":5,"x":4}}`}},
		{"yaml: the types of the language", "a.yaml", "# rows\n- sku: 007\n  qty: 1.10\n  ok: true\n  no: no\n- {sku: \"42\", qty: null, list: [1, {x: ~}], no: 2026-01-01, ok: '${x}'}\n",
			[]string{"sku", "qty", "ok", "no", "list"}, []string{`2:3 {"no":"no","ok":true,"qty":1.10,"sku":"007"}`, `6:3 {"list":[1,{"x":null}],"no":"2026-01-01","ok":"${x}","qty":null,"sku":"42"}`}},
		{"yaml: anchors and merges", "a.yml", "- &a {x: 1, y: 2}\n- {<<: *a, y: 3}\n- *a\n",
			[]string{"x", "y"}, []string{`1:6 {"x":1,"y":2}`, `2:3 {"x":1,"y":3}`, `1:6 {"x":1,"y":2}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rows, l, _ := rowsOf(t, tt.file, tt.text)
			if len(l) > 0 {
				t.Fatal(l)
			}
			if diff := cmp.Diff(tt.columns, rows.Columns()); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, asText(t, rows)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, asText(t, rows)); diff != "" {
				t.Errorf("rows a second time (-want +got):\n%s", diff)
			}
			if rows.File() != "suite/"+tt.file || rows.Parallel() != 1 {
				t.Errorf("file %q, parallel %d", rows.File(), rows.Parallel())
			}
		})
	}
}

func TestInlineRows(t *testing.T) {
	rows, l, _ := openRows(t, t.TempDir(), "\n  - {sku: A-100, qty: 2, price: 1.10}\n  - sku: \"007\"\n    note: $${x} costs $${y}\n    nested: {a: [true, ~]}\n  - {}")
	if len(l) > 0 {
		t.Fatal(l)
	}
	want := []string{`3:5 {"price":1.10,"qty":2,"sku":"A-100"}`, `4:5 {"nested":{"a":[true,null]},"note":"${x} costs ${y}","sku":"007"}`, `7:5 {}`}
	if diff := cmp.Diff(want, asText(t, rows)); diff != "" {
		t.Error(diff)
	}
	if rows.File() != "" || rows.Len() != 3 || rows.Parallel() != 1 {
		t.Errorf("file %q, %d rows, parallel %d", rows.File(), rows.Len(), rows.Parallel())
	}
}

func TestParallelRows(t *testing.T) {
	folder := project(t, map[string]string{"suite/a.csv": "x\n1\n"})
	rows, l, _ := openRows(t, folder, "{file: a.csv, parallel: 8}")
	if len(l) > 0 || rows.Parallel() != 8 || rows.Len() != 1 {
		t.Errorf("%v %+v", l, rows)
	}
}

func TestLacking(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"csv has all", "a.csv", "a,b\n1,\n,2\n", "a b"},
		{"json", "a.json", "[{\"a\":1,\"b\":2},\n {\"b\":3,\"a\":4},\n {\"b\":3,\"c\":4},\n {\"a\":5}]", "a:3:2 b:4:2 c:1:2"},
		{"null is there", "a.json", `[{"a":null},{"a":1}]`, "a"},
		{"yaml", "a.yaml", "- {a: 1}\n- {a: 1, b: 2}\n- {b: 2, a: 1}\n", "a b:1:3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rows, l, _ := rowsOf(t, tt.file, tt.text)
			if len(l) > 0 {
				t.Fatal(l)
			}
			var got []string
			for _, c := range rows.Columns() {
				if pos, lacks := rows.Lacking(c); lacks {
					if pos.File != "suite/"+tt.file {
						t.Error(pos)
					}
					c = fmt.Sprintf("%s:%d:%d", c, pos.Line, pos.Column)
				}
				got = append(got, c)
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("got %q, want %q", g, tt.want)
			}
		})
	}
}

// TestLackingSource: what points at the row that lacks a column shows its line.
func TestLackingSource(t *testing.T) {
	for file, text := range map[string]string{"a.json": "[\n{\"a\":1,\"b\":2},\n{\"a\":1}]", "a.yaml": "# rows\n- {a: 1, b: 2}\n- {a: 1}\n"} {
		rows, l, sources := rowsOf(t, file, text)
		pos, lacks := rows.Lacking("b")
		line, ok := sources.Line(pos.File, 3)
		if len(l) > 0 || !lacks || pos.Line != 3 || !ok || !strings.Contains(line, "a") {
			t.Errorf("%s: %v %v %v %q %v", file, l, pos, lacks, line, ok)
		}
	}
}

func TestOverride(t *testing.T) {
	folder := project(t, map[string]string{"project/suite": "/", "elsewhere/rows.csv": "x\n1\n2\n"})
	node, sources := dataOf(t, filepath.Join(folder, "project"), "{file: gone.csv, parallel: 3}")
	path := filepath.Join(folder, "elsewhere", "rows.csv")
	for _, o := range []scenarios.RowOptions{
		{Override: path, Shown: "rows", WorkingFolder: folder, Sources: sources},
		{Override: filepath.Join("..", "elsewhere", "rows.csv"), Shown: "rows", WorkingFolder: filepath.Join(folder, "project")},
	} {
		rows, l := scenarios.OpenRows(node, "gone.csv", o)
		if len(l) > 0 || rows.File() != "rows" || rows.Parallel() != 3 {
			t.Fatalf("%v %+v", l, rows)
		}
		if diff := cmp.Diff([]string{`2:1 {"x":"1"}`, `3:1 {"x":"2"}`}, asText(t, rows)); diff != "" {
			t.Error(diff)
		}
	}
	rows, l := scenarios.OpenRows(nil, "", scenarios.RowOptions{Override: path})
	if len(l) > 0 || rows.Parallel() != 1 || rows.File() != path {
		t.Errorf("%v %+v", l, rows)
	}
}

func TestNoRows(t *testing.T) {
	if rows, l := scenarios.OpenRows(nil, "", scenarios.RowOptions{}); rows != nil || l != nil {
		t.Errorf("%v %v", rows, l)
	}
}

// TestSecondPass changes the file between the passes, and during the second.
func TestSecondPass(t *testing.T) {
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, file, before, after string
		sameTime                  bool
		rows                      int
		want                      string
	}{
		{"another size", "a.csv", "x\n1\n", "x\n1\n2\n", true, 0, `the data file "suite/a.csv" changed after it was checked: it has 6 bytes now, and had 4`},
		{"written again", "a.csv", "x\n1\n", "x\n2\n", false, 0, `the data file "suite/a.csv" changed after it was checked: it was written again`},
		{"gone", "a.csv", "x\n1\n", "", false, 0, `no file "a.csv"`},
		{"fewer rows", "a.csv", "x\n1\n2\n", "x\n111\n", true, 1, `the data file "suite/a.csv" changed after it was checked: it has 1 row now, and had 2`},
		{"more rows", "a.csv", "x\n111\n", "x\n1\n2\n", true, 1, `the data file "suite/a.csv" changed after it was checked: it has more than the 1 row it had`},
		{"another header", "a.csv", "x,y\n1,2\n", "x,z\n1,2\n", true, 0, `the data file "suite/a.csv" changed after it was checked: it has another header`},
		{"another separator", "a.csv", "xxy\n1\n", "x;y\n1\n", true, 0, `the data file "suite/a.csv" changed after it was checked: it has another header`},
		{"a ragged line", "a.csv", "x,y\n1,2\n3,4\n", "x,y\n1,2\n3;4\n", true, 1, `the data file "suite/a.csv" changed after it was checked: line 3 is not a row as it was`},
		{"json: another column", "a.json", `[{"a":1},{"a":2}]`, `[{"a":1},{"b":2}]`, true, 1, `the data file "suite/a.json" changed after it was checked: row 2 is not as it was`},
		{"json: a column less", "a.json", `[{"a":1},{"a":2}]`, `[{"a":1},{     }]`, true, 1, `the data file "suite/a.json" changed after it was checked: row 2 is not as it was`},
		{"json: no object", "a.json", `[{"a":1},{"a":2}]`, `[{"a":1},"fghi2"]`, true, 1, `the data file "suite/a.json" changed after it was checked: row 2 is not as it was`},
		{"json: null", "a.json", `[{"a":1},{"a":2}]`, `[{"a":1},null   ]`, true, 1, `the data file "suite/a.json" changed after it was checked: row 2 is not as it was`},
		{"json: no array", "a.json", `[{"a":1}]`, `{"a":[1]}`, true, 0, `the data file "suite/a.json" changed after it was checked: it is no array`},
		{"json: fewer rows", "a.json", `[{"a":1},{"a":2}]`, `[{"a":1        }]`, true, 1, `the data file "suite/a.json" changed after it was checked: it has 1 row now, and had 2`},
		{"yaml is kept", "a.yaml", "- {a: 1}\n", "nothing", false, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := project(t, map[string]string{"suite/" + tt.file: tt.before})
			path := filepath.Join(folder, "suite", tt.file)
			setTime(t, path, old)
			rows, l, _ := openRows(t, folder, tt.file)
			if l.HasErrors() {
				t.Fatal(l)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if tt.after != "" {
				if err := os.WriteFile(path, []byte(tt.after), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if tt.sameTime {
				setTime(t, path, old)
			}
			got, n := "", 0
			for _, err := range rows.All() {
				if err != nil {
					var f *scenarios.FileError
					if !errors.As(err, &f) || f.Code != diag.BadFile {
						t.Errorf("%T %v", err, err)
					}
					got += err.Error()
					continue
				}
				n++
			}
			if got != tt.want || n != tt.rows {
				t.Errorf("%d rows, then %q; want %d, then %q", n, got, tt.rows, tt.want)
			}
		})
	}
}

func setTime(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestChangedDuringPass: a file that is written to while its rows run is told
// at the end at the latest.
func TestChangedDuringPass(t *testing.T) {
	for file, text := range map[string]string{"a.csv": "x\n1\n2\n", "a.json": `[{"x":1},{"x":2}]`} {
		folder := project(t, map[string]string{"suite/" + file: text})
		path := filepath.Join(folder, "suite", file)
		rows, _, _ := openRows(t, folder, file)
		var got error
		for row, err := range rows.All() {
			got = err
			if row.Index == 1 {
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteString("\n"); err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
		}
		if got == nil || !strings.Contains(got.Error(), "changed after it was checked: it has") {
			t.Errorf("%s: %v", file, got)
		}
	}
}

// TestPasses: passes do not disturb each other, and one that is left early
// lets go of its file.
func TestPasses(t *testing.T) {
	for file, text := range map[string]string{"a.csv": "x\n1\n2\n3\n", "a.json": `[{"x":1},{"x":2},{"x":3}]`, "a.yaml": "- x: 1\n- x: 2\n- x: 3\n"} {
		rows, l, _ := rowsOf(t, file, text)
		if len(l) > 0 {
			t.Fatal(l)
		}
		for range rows.All() {
			break
		}
		want := asText(t, rows)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				n := 0
				for row, err := range rows.All() {
					if n++; err != nil || row.Index != n || fmt.Sprint(row.Values["x"]) != fmt.Sprint(n) {
						t.Errorf("%v %v", row, err)
					}
				}
				if n != len(want) {
					t.Errorf("%d rows, want %d", n, len(want))
				}
			})
		}
		wg.Wait()
	}
}
