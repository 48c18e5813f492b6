package scenarios

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
)

// fuzzRows opens a file of rows, and checks what holds for every one.
func fuzzRows(t *testing.T, path string, data []byte) (*Rows, diag.List) {
	name := filepath.Base(path)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() (*Rows, diag.List, diag.Sources) {
		sources := diag.Sources{}
		rows, l := OpenRows(nil, "", RowOptions{Override: path, Shown: name, Sources: sources})
		return rows, l, sources
	}
	rows, l, sources := open()
	_, again, _ := open()
	if diff := cmp.Diff(l, again); diff != "" {
		t.Fatalf("the second time differs:\n%s", diff)
	}
	if len(l) > maxRowFindings+2 {
		t.Fatalf("%d messages", len(l))
	}
	lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
	for _, d := range l {
		if d.Message == "" || strings.ContainsAny(d.Message, "\n") || d.Code == "" || d.Severity == 0 || d.Pos.File != name {
			t.Fatalf("not a whole diagnostic: %+v", d)
		}
		if d.Pos.Line < 0 || d.Pos.Line > lines || d.Pos.Line > 0 && d.Pos.Column < 1 {
			t.Fatalf("%v is not in the file of %d lines", d, lines)
		}
		diag.Format(d, sources, diag.Style{})
	}
	if !l.HasErrors() && (rows == nil || rows.Len() == 0) {
		t.Fatal("no rows, and nothing is wrong")
	}
	return rows, l
}

// secondPass gives the rows again: as many as were counted, with the columns
// that were found.
func secondPass(t *testing.T, rows *Rows) []map[string]any {
	var all []map[string]any
	known := map[string]bool{}
	for _, c := range rows.Columns() {
		if known[c] || !goodColumn(c) {
			t.Fatalf("the column %q", c)
		}
		known[c] = true
	}
	lacking := map[string]diag.Position{}
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row.Values)
		if row.Index != len(all) || row.Pos.Line < 1 {
			t.Fatalf("row %d: %+v", len(all), row)
		}
		for c := range row.Values {
			if !known[c] {
				t.Fatalf("row %d has the column %q", row.Index, c)
			}
		}
		for c := range known {
			if _, has := row.Values[c]; !has && lacking[c].IsZero() {
				lacking[c] = row.Pos
			}
		}
	}
	if len(all) != rows.Len() {
		t.Fatalf("%d rows, and %d were counted", len(all), rows.Len())
	}
	for c := range known {
		if pos, lacks := rows.Lacking(c); lacks == lacking[c].IsZero() || lacks && (pos.Line != lacking[c].Line || pos.Column != lacking[c].Column) {
			t.Fatalf("%q is lacking at %v, want %v", c, pos, lacking[c])
		}
	}
	return all
}

func addFiles(f *testing.F, pattern string) {
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

// FuzzCSVRows reads any bytes as CSV: what has no errors are the records that
// encoding/csv reads, and what encoding/csv refuses has some.
func FuzzCSVRows(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "\uFEFFa;b\r\n1;\"2\r\n3\"\r\n", "a\tb\n\"\"\t\"x\"\"y\"\n", "a,b\n1\n\"2,3\n4,5\"6,7\n", "\"a\"\r\r\nb\n", "a\n\"b\"\r",
		"a,b\n\"1\n2\"3,4\n5,6\n", "a\n\n\r\n1\n\r", "\r\r", "\r\r\na\n", "a\rb\n1\n", "ä,\"ö\nü\"\n\xff,\x00\n", "\xff\xfea\x00", "index,,a,a\n1,2,3,4\n", "sep=;\na\n", "a\n\"\n", "a,b\n,\"", "\"\n\n\",a\n1,2",
	} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "a.csv")
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		rows, l := fuzzRows(t, path, data)
		text := bytes.TrimPrefix(data, []byte("\uFEFF"))
		r := csv.NewReader(bytes.NewReader(text))
		r.Comma = rune(separatorOf(text))
		records, err := r.ReadAll()
		if l.HasErrors() {
			if err == nil && len(records) > 1 && utf8.Valid(text) && onlyShape(l) {
				t.Fatalf("encoding/csv reads %q, got %v", records, l)
			}
			return
		}
		if err != nil {
			t.Fatalf("encoding/csv: %v", err)
		}
		if diff := cmp.Diff(records[0], rows.Columns()); diff != "" {
			t.Fatalf("columns (-want +got):\n%s", diff)
		}
		var want []map[string]any
		for _, record := range records[1:] {
			values := map[string]any{}
			for i, cell := range record {
				values[records[0][i]] = cell
			}
			want = append(want, values)
		}
		if diff := cmp.Diff(want, secondPass(t, rows)); diff != "" {
			t.Fatalf("rows (-want +got):\n%s", diff)
		}
	})
}

// onlyShape reports whether all mistakes are of the kind that encoding/csv
// refuses too.
func onlyShape(l diag.List) bool {
	for _, d := range l {
		if d.Severity == diag.Error && (d.Code != diag.InvalidRow || strings.Contains(d.Message, "note to Excel")) {
			return false
		}
	}
	return true
}

// FuzzJSONRows reads any bytes as JSON: what has no errors is what
// encoding/json reads, and what encoding/json refuses has some.
func FuzzJSONRows(f *testing.F) {
	for _, s := range []string{
		`[{"a":1,"b":"x"},{"b":null,"a":[1.10,{"c":true}]}]`, "\uFEFF [ {} , {\"\\u0061\":\"\\ud83d\\ude00\"} ]\n", `[{"a":"\ud83d\u0041"}]`, `[{"a":"]},{\"\\"}]`, `[{"a":1,"a":2,"x":{"b":1,"b":2}}]`,
		"[1,\"x\",null,[{}],tru]", "[{\"a\":\"x\n\"}]", "[{},]", "[,{}]", "[{}{}]", "[{}]x", "[{}", "[{\"a\":", "{\"a\":1}", "[]", "", "[{\"a\":\"\xff\"}]", "[}]", "[{]}]", `[{"\ud800":1}]`, `["\\\\u"]`, "[{\"a\":1e999,\"b\":-0,\"index\":1,\"\":2}]", "[" + strings.Repeat("[", 70),
		"[{\"a\":" + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}]",
	} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "a.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		rows, l := fuzzRows(t, path, data)
		want, err := decodeRows(bytes.TrimPrefix(data, []byte("\uFEFF")))
		if l.HasErrors() {
			if err == nil && len(want) > 0 && utf8.Valid(data) && onlySyntax(l) {
				t.Fatalf("encoding/json reads %v, got %v", want, l)
			}
			return
		}
		if err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		if diff := cmp.Diff(want, secondPass(t, rows)); diff != "" {
			t.Fatalf("rows (-want +got):\n%s", diff)
		}
	})
}

// onlySyntax reports whether encoding/json refuses all of the mistakes too.
func onlySyntax(l diag.List) bool {
	for _, d := range l {
		if d.Code != diag.Syntax && d.Code != diag.InvalidRow {
			return false
		}
	}
	return true
}

// decodeRows reads an array of objects at once.
func decodeRows(data []byte) ([]map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var all []map[string]any
	if err := d.Decode(&all); err != nil {
		return nil, err
	}
	for _, row := range all {
		if row == nil {
			return nil, errors.New("null")
		}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text follows")
	}
	return all, nil
}

// FuzzYAMLRows reads any bytes as YAML: a second pass gives what was counted.
func FuzzYAMLRows(f *testing.F) {
	addFiles(f, "../testdata/language/ok/*.yaml")
	for _, s := range []string{"- {a: 1, b: [x, ~]}\n- a: no\n", "- &x {a: 1}\n- *x\n- {<<: *x, b: 2}\n", "- 5\n- index: 1\n  password: |\n    x\n", "[]", "a: 1", "- a: 1\n---\n- b\n", "- {password: [a\n", "\r\x06"} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "a.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		if rows, l := fuzzRows(t, path, data); !l.HasErrors() && rows.Len() < 1000 {
			secondPass(t, rows)
		}
	})
}
