package assertions

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

const smallBody = `{"order":{"id":4711,"state":"accepted","total":10.10,"lines":[{"sku":"A-100","qty":2},{"sku":"B-200","qty":1}]},"message":"ok"}`

func smallResult() *Result {
	return &Result{
		Status: 200, Body: smallBody, Duration: 120 * time.Millisecond,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
}

// BenchmarkCheck is what five assertions on a small answer cost a passed step.
func BenchmarkCheck(b *testing.B) {
	e := mustCompile(b, `
status: 200
headers: {content-type: {contains: json}}
json:
  order.id: 4711
  order.lines.0.sku: A-100
  order.lines: {length: 2}
`)
	b.ReportAllocs()
	for b.Loop() {
		r := smallResult()
		if f := e.Check(r, nil); f != nil {
			b.Fatal(f)
		}
	}
}

// BenchmarkCheckFloor is the same by hand, with gjson alone.
func BenchmarkCheckFloor(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r := smallResult()
		ok := r.Status == 200 && strings.Contains(r.Header.Get("Content-Type"), "json") && gjson.Valid(r.Body) &&
			gjson.Get(r.Body, "order.id").Int() == 4711 &&
			gjson.Get(r.Body, "order.lines.0.sku").Str == "A-100" &&
			gjson.Get(r.Body, "order.lines.#").Int() == 2
		if !ok {
			b.Fatal("does not hold")
		}
	}
}

// largeBody is an answer of about 5 MB.
func largeBody() string {
	var s strings.Builder
	s.WriteString(`{"d":{"results":[`)
	for i := 0; s.Len() < 5_000_000; i++ {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"id":%d,"sku":"A-%06d","description":"Sechskantschraube M8 × 40, verzinkt, \"DIN 933\"","price":%d.%02d,"active":true,"tags":["a","b"]}`,
			i, i, i%1000, i%100)
	}
	s.WriteString(`],"__count":"last"},"done":true}`)
	return s.String()
}

const largeExpect = `
json:
  d.results.0.sku: A-000000
  d.results.100.id: 100
  d.results.30000.active: true
  d.__count: last
  done: true
`

// loopback sends body over a socket as often as it is asked.
func loopback(b *testing.B, body string) func() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, body)
			c.Close()
		}
	}()
	return func() string {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		var s strings.Builder
		s.Grow(len(body))
		if _, err := io.Copy(&s, c); err != nil {
			b.Fatal(err)
		}
		return s.String()
	}
}

// BenchmarkLarge reads 5 MB from a socket and asserts five paths; the floor
// beside it reads and validates them.
func BenchmarkLarge(b *testing.B) {
	body := largeBody()
	read := loopback(b, body)
	e := mustCompile(b, largeExpect)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if f := e.Check(&Result{Body: read()}, nil); f != nil {
			b.Fatal(f)
		}
	}
}

// BenchmarkLargeFloor is the floor of BenchmarkLarge.
func BenchmarkLargeFloor(b *testing.B) {
	body := largeBody()
	read := loopback(b, body)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if !gjson.Valid(read()) {
			b.Fatal("not valid")
		}
	}
}

// BenchmarkLargeParts shows where the time of a large body goes.
func BenchmarkLargeParts(b *testing.B) {
	body := largeBody()
	e := mustCompile(b, largeExpect)
	b.Run("valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			gjson.Valid(body)
		}
	})
	b.Run("depth", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			tooDeep(body)
		}
	})
	b.Run("find", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			e.json.find(body)
		}
	})
	b.Run("gjson", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			for i := range e.assertions {
				gjson.Get(body, e.assertions[i].path)
			}
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	n := parseNode(b, "status: 200\nheaders: {content-type: {contains: json}}\njson: {order.id: 4711, order.lines.0.sku: A-100, order.lines: {length: 2}}\n")
	b.ReportAllocs()
	for b.Loop() {
		Compile(n, Options{Subjects: allSubjects()})
	}
}
