package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"

	"iflowtest/runner"
)

func htmlOf(t testing.TB, o HTMLOptions, events []*runner.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	r, err := NewHTML(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, r, events)
	return b.Bytes()
}

func TestHTML(t *testing.T) {
	golden(t, "report.html", htmlOf(t, HTMLOptions{}, inOrder()))
}

// The order in which scenarios end does not show.
func TestHTMLIsDeterministic(t *testing.T) {
	want := htmlOf(t, HTMLOptions{}, inOrder())
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		if got := htmlOf(t, HTMLOptions{}, interleaved(r)); !bytes.Equal(want, got) {
			t.Fatal("another order of events gives another page")
		}
	}
}

// words gives the text of a page, without its style and script.
func words(t testing.TB, page []byte) string {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func wantWords(t testing.TB, page []byte, want ...string) {
	t.Helper()
	text := words(t, page)
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the page does not say %q:\n%s", w, text)
		}
	}
}

func TestHTMLSays(t *testing.T) {
	wantWords(t, htmlOf(t, HTMLOptions{}, inOrder()),
		"FAIL 3 of 10 scenarios failed", "Exit status 5: POST tenant.example.com: connection refused", "TLS certificates are not verified",
		"service instance iflowtest-k3f9qa-1", "iflowtest cleanup --run k3f9qa", "4711", "k3f9qa", "tenant.example.com, uaa.example.com",
		`json items.0.sku equals "A-100" nothing scenarios/orders.yaml:21:9`, "21 | items.0.sku : A-100", "items exists and has 0 elements",
		"-<ok/> +<no/>", "Bearer ***(sender.token)", `{ "sku": "A-100" }`, "Message ID AGpyLongMessageIdentifier", "curl -X POST",
		"comes round 2 attempts", "waits for IFT-12", `ERROR Unreachable <&> "it"`, "check the host and the port of the target",
		"scenario took longer than its timeout of 1m", "The scenario was started again after: sends: POST tenant.example.com: connection refused",
		"Outcome Row Steps Time FAIL A-100 3, 1 failed, 1 skipped", "PASS B-200 3 1.7 s", "POST /http/orders 200")
}

// A page of a run that ended without saying so is whole.
func TestHTMLInterrupted(t *testing.T) {
	events := (&scenario{id: 1, name: "Open", file: "a.yaml"}).start().step("first", 10, passed()).begin("second", false).events
	page := htmlOf(t, HTMLOptions{}, events)
	wantWords(t, page, "FAIL 1 of 1 scenario failed The run ended before it was complete.", "PASS first", "ERROR second", "the run ended before this step did interrupted")
	if !bytes.HasSuffix(page, []byte("</html>\n")) {
		t.Error("the page is not whole")
	}
	wantWords(t, htmlOf(t, HTMLOptions{}, nil), "FAIL no scenario ran The run ended before it was complete.")

	begin := &runner.Event{Event: runner.RunStart, Time: at(0), Info: &runner.RunInfo{Scenarios: 5}}
	wantWords(t, htmlOf(t, HTMLOptions{}, append([]*runner.Event{begin}, events...)), "Incomplete 4 scenarios of 5 did not start")
}

func TestHTMLPasses(t *testing.T) {
	page := htmlOf(t, HTMLOptions{Title: "nightly <b>"}, shard("r1+r2", 0, passing(1, "a"), passing(2, "b")))
	wantWords(t, page, "PASS · 2 scenarios passed · nightly <b>", "PASS 2 scenarios passed", "Runs r1, r2")
	if bytes.Contains(page, []byte("What did not pass")) {
		t.Error("there is a list of failures")
	}
}

// The page asks for nothing, and its policy allows its own style and script
// alone.
func TestHTMLPolicy(t *testing.T) {
	page := string(htmlOf(t, HTMLOptions{}, inOrder()))
	for _, e := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(page, "<"+e+">")
		content, _, ok := strings.Cut(rest, "</"+e+">")
		sum := sha256.Sum256([]byte(content))
		if want := e + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !ok || !strings.Contains(page, want) {
			t.Errorf("the policy lacks %s", want)
		}
	}
	if !strings.Contains(page, `content="default-src 'none';`) {
		t.Error("the policy allows something by default")
	}
	if m := regexp.MustCompile(`(?i)\s(on\w+|style|src|srcset|action)\s*=|https?://[^ <"']*["'>]\s*(?:rel|type)|@import|url\(`).FindString(beforeScript(page)); m != "" {
		t.Errorf("the page holds %q", m)
	}
}

func beforeScript(page string) string {
	before, _, _ := strings.Cut(page, "<script>")
	return before
}

// hostile is text that ends whatever it may stand in.
const hostile = "</script></style></pre></title>\"'><img src=x onerror=alert(1)><!--\x00\x1b\xff&lt;"

// Nothing in an event becomes markup.
func TestHTMLEscapes(t *testing.T) {
	count := func(page []byte) map[string]int {
		root, err := html.Parse(bytes.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for d := range root.Descendants() {
			switch d.Type {
			case html.ElementNode:
				n[d.Data]++
				for _, a := range d.Attr {
					n[d.Data+" "+a.Key]++
				}
			case html.CommentNode:
				n["comment"]++
			}
		}
		return n
	}
	make := func(text string) []byte {
		var events []*runner.Event
		for _, e := range inOrder() {
			cleanEvent(e, func(s string) string {
				switch {
				case e.Event == runner.RunStart, s == string(runner.Pass), s == string(runner.Fail), s == string(runner.Error), s == string(runner.Skip):
					return s
				}
				return text
			})
			events = append(events, e)
		}
		return htmlOf(t, HTMLOptions{Title: text}, events)
	}
	want, got := count(make("harmless")), count(make(hostile))
	for k := range want {
		if want[k] != got[k] {
			t.Errorf("%s: %d with hostile text, %d without", k, got[k], want[k])
		}
	}
	for k := range got {
		if want[k] == 0 {
			t.Errorf("hostile text makes %s", k)
		}
	}
	if page := make(hostile); bytes.ContainsAny(page, "\x00\x1b") || !utf8.Valid(page) {
		t.Error("control characters or bytes that are no UTF-8 are in the page")
	}
	wantWords(t, make(hostile), `"'><img src=x onerror=alert(1)><!--`)
}

// Numbers that no run has do no harm.
func TestHTMLOddNumbers(t *testing.T) {
	for _, ms := range []float64{-1, 1e300, math.MaxFloat64, -math.MaxFloat64, 5e-324} {
		end := passed()
		end.Exchange.Timings = &runner.Timings{DNS: -ms, Connect: ms, Wait: ms, Body: 1}
		s := (&scenario{id: -1, name: "odd", file: "a.yaml"}).start().step("odd", 1, end)
		s.events[2].DurationMs = ms
		page := string(htmlOf(t, HTMLOptions{}, s.done(runner.Pass)))
		for _, m := range regexp.MustCompile(` (?:x|width)=([^ ]*)`).FindAllStringSubmatch(page[strings.Index(page, "id=results"):], -1) {
			if !regexp.MustCompile(`^(\d|\d\d|100)(\.\d)?%?$`).MatchString(m[1]) {
				t.Errorf("%g ms draw %s", ms, m[0])
			}
		}
	}
}

// A chunk of rows follows the next one: none is lost, and each has its head.
func TestHTMLManyRows(t *testing.T) {
	var events []*runner.Event
	for i := range 120 {
		s := (&scenario{id: i + 1, name: "Rows", file: "rows.yaml", row: fmt.Sprintf("row-%03d", i+1)}).start()
		if i == 70 {
			events = append(events, s.step("sends", 5, failed()).done(runner.Fail)...)
			continue
		}
		events = append(events, s.step("sends", 5, passed()).done(runner.Pass)...)
	}
	page := htmlOf(t, HTMLOptions{}, events)
	if n := bytes.Count(page, []byte("<table class=rows>")); n != 3 {
		t.Errorf("%d tables, want 3", n)
	}
	wantWords(t, page, "FAIL Rows 1 failed of 120 rows", "PASS row-001", "FAIL row-071 1, 1 failed", "Steps of row-071", "PASS row-120")
	if n := bytes.Count(page, []byte("<tr class=\"u ")); n != 120 {
		t.Errorf("%d rows, want 120", n)
	}
}

func TestHTMLThatCannotBeWritten(t *testing.T) {
	full := errors.New("the disk is full")
	r, err := NewHTML(writerFunc(func([]byte) (int, error) { return 0, full }), HTMLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range inOrder() {
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); !errors.Is(err, full) {
		t.Errorf("error %v, want %v", err, full)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// largeRun gives the events of a run with so many scenarios of one call, one
// in a hundred of which fails, without keeping them.
func largeRun(size int, emit func(*runner.Event)) {
	for i := range size {
		s := (&scenario{id: i + 1, name: fmt.Sprintf("Order intake accepts document %d", i), file: fmt.Sprintf("scenarios/orders/order-intake-%d.yaml", i/20), ms: i, tags: []string{"smoke", "orders"}}).start()
		var events []*runner.Event
		if i%100 == 99 {
			events = s.step("accepts an order", 182, failed()).done(runner.Fail)
		} else {
			events = s.step("accepts an order", 107, passed()).done(runner.Pass)
		}
		for _, e := range events {
			emit(e)
		}
	}
}

// 20,000 cases are below 15 MB, and memory does not grow with steps.
func TestHTMLOfManyCases(t *testing.T) {
	count := &countingWriter{}
	r, err := NewHTML(count, HTMLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	largeRun(20_000, func(e *runner.Event) {
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
	})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if count.n > 15e6 || count.n < 1e6 {
		t.Errorf("%d bytes for 20,000 cases", count.n)
	}
	heap := func(steps int) uint64 {
		r, err := NewHTML(io.Discard, HTMLOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := (&scenario{id: 1, name: "Long", file: "long.yaml"}).start()
		for range steps {
			s.step("sends", 1, passed())
			for _, e := range s.events {
				if err := r.Event(e); err != nil {
					t.Fatal(err)
				}
			}
			s.events = s.events[:0]
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		return m.HeapAlloc
	}
	few, many := heap(2_000), heap(60_000)
	if many > few+1<<20 {
		t.Errorf("%d bytes with 2,000 steps, %d with 60,000", few, many)
	}
}

type countingWriter struct{ n int }

func (c *countingWriter) Write(p []byte) (int, error) { c.n += len(p); return len(p), nil }

func BenchmarkHTML(b *testing.B) {
	for _, size := range []int{1_000, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			count := &countingWriter{}
			var events []*runner.Event
			largeRun(size, func(e *runner.Event) { events = append(events, e) })
			b.ResetTimer()
			n := 0
			for b.Loop() {
				n++
				count.n = 0
				r, err := NewHTML(count, HTMLOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for _, e := range events {
					if err := r.Event(e); err != nil {
						b.Fatal(err)
					}
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*size), "ns/case")
			b.ReportMetric(float64(count.n), "bytes")
		})
	}
}
