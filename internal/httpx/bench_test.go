package httpx_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"strings"
	"testing"
	"time"

	"iflowtest/internal/httpx"
)

func benchServer(b testing.TB, size int) *httptest.Server {
	text := `{"id":1,"text":"` + strings.Repeat("x", size) + `"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text)
	}))
	b.Cleanup(s.Close)
	return s
}

// The floor: the same requests with nothing but net/http.
func bare(b *testing.B, size int) {
	s := benchServer(b, size)
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(context.Background(), "GET", s.URL+"/http/echo", nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || len(body) < size {
			b.Fatal(err)
		}
	}
}

func do(b *testing.B, size int) {
	s := benchServer(b, size)
	c := newClient(b, httpx.Options{UserAgent: "iflowtest/bench"})
	b.ReportAllocs()
	for b.Loop() {
		got, err := c.Do(context.Background(), &httpx.Request{Method: "GET", URL: s.URL + "/http/echo"})
		if err != nil || len(got.Body) < size {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareSmall(b *testing.B) { bare(b, 200) }
func BenchmarkDoSmall(b *testing.B)   { do(b, 200) }
func BenchmarkBare5MB(b *testing.B)   { bare(b, 5e6) }
func BenchmarkDo5MB(b *testing.B)     { do(b, 5e6) }

// posts is the usual call of a step, a small POST within a time limit that has
// a name, sent with Do or with nothing but net/http.
type posts struct {
	url    string
	header http.Header
	ours   *httpx.Client
	bare   *http.Client
}

var errBenchLimit = errors.New("step timeout of 1m0s")

func newPosts(b *testing.B) *posts {
	p := &posts{
		url:    benchServer(b, 200).URL + "/http/orders?x=1",
		header: http.Header{"Authorization": {"Bearer abc"}, "Content-Type": {"application/json"}},
		ours:   newClient(b, httpx.Options{UserAgent: "iflowtest/bench"}),
		bare:   &http.Client{Transport: &http.Transport{}},
	}
	b.Cleanup(p.bare.CloseIdleConnections)
	p.do(b)
	p.net(b)
	return p
}

func (p *posts) do(b *testing.B) {
	ctx, cancel := context.WithTimeoutCause(b.Context(), time.Minute, errBenchLimit)
	defer cancel()
	got, err := p.ours.Do(ctx, &httpx.Request{Method: "POST", URL: p.url, Header: p.header, Body: httpx.TextBody("", `{"sku":"A-1","qty":2}`)})
	if err != nil || len(got.Body) < 200 {
		b.Fatal(err)
	}
}

func (p *posts) net(b *testing.B) {
	ctx, cancel := context.WithTimeoutCause(b.Context(), time.Minute, errBenchLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", p.url, strings.NewReader(`{"sku":"A-1","qty":2}`))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer abc")
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.bare.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) < 200 {
		b.Fatal(err)
	}
}

func BenchmarkBarePost(b *testing.B) {
	p := newPosts(b)
	b.ReportAllocs()
	for b.Loop() {
		p.net(b)
	}
}

func BenchmarkDoPost(b *testing.B) {
	p := newPosts(b)
	b.ReportAllocs()
	for b.Loop() {
		p.do(b)
	}
}

// canned answers at once, and calls the hooks that a connection used before
// would: what is left is the cost of a call without the network.
type canned struct{}

// RoundTrip implements http.RoundTripper.
func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
		trace.WroteRequest(httptrace.WroteRequestInfo{})
		trace.GotFirstResponseByte()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(cannedBody)), ContentLength: int64(len(cannedBody)), Request: r}, nil
}

var cannedBody = strings.Repeat("x", 200)

func BenchmarkBareAlone(b *testing.B) {
	p := newPosts(b)
	p.bare.Transport = canned{}
	b.ReportAllocs()
	for b.Loop() {
		p.net(b)
	}
}

func BenchmarkDoAlone(b *testing.B) {
	p := newPosts(b)
	p.ours = newClient(b, httpx.Options{UserAgent: "iflowtest/bench", Transport: canned{}})
	b.ReportAllocs()
	for b.Loop() {
		p.do(b)
	}
}

// BenchmarkPostRatio sends posts both ways in turn; the metric "ratio" is the
// time of Do through that of net/http.
func BenchmarkPostRatio(b *testing.B) {
	const batch = 100
	p := newPosts(b)
	var ours, bare time.Duration
	for b.Loop() {
		start := time.Now()
		for range batch {
			p.do(b)
		}
		ours += time.Since(start)
		start = time.Now()
		for range batch {
			p.net(b)
		}
		bare += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N*batch), "ns/call")
	b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N*batch), "floor-ns/call")
}

// TestHeapStays: calls leave nothing behind.
func TestHeapStays(t *testing.T) {
	s := benchServer(t, 2000)
	c := newClient(t, httpx.Options{})
	live := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	calls := func(n int) {
		for range n {
			if _, err := c.Do(t.Context(), &httpx.Request{Method: "POST", URL: s.URL, Body: httpx.TextBody("text/plain", "a body")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	calls(500)
	before := live()
	calls(4500)
	if after := live(); after > before+1<<20 {
		t.Errorf("the live heap grew from %d to %d bytes", before, after)
	}
}
