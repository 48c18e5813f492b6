package scenarios

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// writeRows writes a file of n rows with five columns.
func writeRows(tb testing.TB, name string, n int) string {
	path := filepath.Join(tb.TempDir(), name)
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := bufio.NewWriter(file)
	if filepath.Ext(name) == ".csv" {
		fmt.Fprintln(w, "sku,qty,price,customer,note")
		for i := range n {
			fmt.Fprintf(w, "A-%06d,%d,%d.10,ACME Ltd,\"to be, or not: %d\"\n", i, i%100, i, i)
		}
	} else {
		fmt.Fprint(w, "[")
		for i := range n {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, "\n  {\"sku\": \"A-%06d\", \"qty\": %d, \"price\": %d.10, \"customer\": \"ACME Ltd\", \"note\": {\"text\": \"to be, or not: %d\"}}", i, i%100, i, i)
		}
		fmt.Fprint(w, "\n]\n")
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// BenchmarkRows makes both passes over a file. The cost of a row is that of
// any other, and the memory in use does not grow with them.
func BenchmarkRows(b *testing.B) {
	for _, name := range []string{"rows.csv", "rows.json"} {
		for _, n := range []int{10_000, 100_000} {
			path := writeRows(b, name, n)
			b.Run(fmt.Sprintf("%s/%d/check", filepath.Ext(name)[1:], n), func(b *testing.B) {
				perRow(b, n, func() { openWritten(b, path, n) })
			})
			b.Run(fmt.Sprintf("%s/%d/run", filepath.Ext(name)[1:], n), func(b *testing.B) {
				rows := openWritten(b, path, n)
				perRow(b, n, func() { readAll(b, rows) })
			})
		}
	}
}

// perRow reports what one row costs.
func perRow(b *testing.B, n int, pass func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		pass()
	}
	runtime.ReadMemStats(&after)
	rows := float64(b.N * n)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/rows, "ns/row")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/rows, "B/row")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/rows, "allocs/row")
}

func openWritten(tb testing.TB, path string, n int) *Rows {
	rows, l := OpenRows(nil, "", RowOptions{Override: path})
	if len(l) > 0 || rows.Len() != n {
		tb.Fatal(l, rows)
	}
	return rows
}

func readAll(tb testing.TB, rows *Rows) {
	n := 0
	for row, err := range rows.All() {
		if n++; err != nil || len(row.Values) != 5 {
			tb.Fatal(row, err)
		}
	}
	if n != rows.Len() {
		tb.Fatalf("%d rows", n)
	}
}

// TestRowMemory: what is in use after the first pass, and in the middle of the
// second, is the same for ten times as many rows.
func TestRowMemory(t *testing.T) {
	for _, name := range []string{"rows.csv", "rows.json"} {
		few, many := memoryOf(t, name, 2_000), memoryOf(t, name, 40_000)
		const slack = 256 << 10
		if many > few+slack {
			t.Errorf("%s: %d bytes in use with 2000 rows, %d with 40000", name, few, many)
		}
	}
}

// memoryOf gives the bytes that are in use at the last row of a file, beyond
// those before it was opened.
func memoryOf(t *testing.T, name string, n int) int64 {
	path := writeRows(t, name, n)
	before := inUse()
	rows := openWritten(t, path, n)
	var most int64
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		if row.Index == n {
			most = inUse() - before
		}
	}
	runtime.KeepAlive(rows)
	return most
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
