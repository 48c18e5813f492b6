package httpx_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

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
