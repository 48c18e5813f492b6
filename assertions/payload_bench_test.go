package assertions

import (
	"strings"
	"testing"
	"time"
)

// oneDifference is a large document and one that differs from it in a place
// near its end, written otherwise.
func oneDifference() (want, got string) {
	want = largeBody()
	at := strings.LastIndex(want, `"active":true`)
	got = want[:at] + `"active":false` + want[at+len(`"active":true`):]
	return want, strings.ReplaceAll(got, `,"sku"`, `, "sku"`)
}

// TestLargeComparison: documents of 5 MB with one difference are compared in
// less than a second, on a machine that does nothing else.
func TestLargeComparison(t *testing.T) {
	want, got := oneDifference()
	start := time.Now()
	f := folder{"w.json": want}.must(t, "matches-file: w.json").Check(&Result{Body: got}, nil)
	if len(f) != 1 || !strings.HasSuffix(f[0].Message, ".active: want true, got false") {
		t.Errorf("%.500v", f)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

func BenchmarkCompareJSON(b *testing.B) {
	want, got := oneDifference()
	e := folder{"w.json": want}.must(b, "matches-file: w.json")
	b.SetBytes(int64(len(want)))
	b.ReportAllocs()
	for b.Loop() {
		if f := e.Check(&Result{Body: got}, nil); len(f) != 1 {
			b.Fatal(f)
		}
	}
}

func BenchmarkCompareXML(b *testing.B) {
	want := largeXML()
	at := strings.LastIndex(want, "EUR")
	got := strings.ReplaceAll(want[:at]+"USD"+want[at+3:], "o:", "p:")
	got = strings.Replace(got, "xmlns:o", "xmlns:p", 1)
	e := folder{"w.xml": want}.must(b, "matches-file: w.xml")
	b.SetBytes(int64(len(want)))
	b.ReportAllocs()
	for b.Loop() {
		if f := e.Check(&Result{Body: got}, nil); len(f) != 1 {
			b.Fatal(f)
		}
	}
}

func BenchmarkSchema(b *testing.B) {
	body := largeBody()
	e := folder{"s.json": `{"properties": {"d": {"properties": {"results": {"items": {"type": "object", "required": ["id", "sku"], "properties": {"id": {"type": "integer"}}}}}}}}`}.must(b, "schema: s.json")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if f := e.Check(&Result{Body: body}, nil); f != nil {
			b.Fatal(f)
		}
	}
}
