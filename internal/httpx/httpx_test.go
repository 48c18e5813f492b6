package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
)

func newClient(t testing.TB, o httpx.Options) *httpx.Client {
	t.Helper()
	c, err := httpx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// wantError asserts kind and words of an error, and that no Go jargon is in it.
func wantError(t *testing.T, err error, kind httpx.Kind, words ...string) *httpx.Error {
	t.Helper()
	e, ok := errors.AsType[*httpx.Error](err)
	if !ok {
		t.Fatalf("got error %v, want an *httpx.Error of kind %s", err, kind)
	}
	if e.Kind != kind {
		t.Errorf("kind %q, want %q (%s)", e.Kind, kind, e.Message)
	}
	for _, word := range words {
		if !strings.Contains(e.Message, word) {
			t.Errorf("message %q does not contain %q", e.Message, word)
		}
	}
	for _, jargon := range []string{"dial tcp", "net/http", "x509:", "lookup ", "context deadline", "EOF", "*errors"} {
		if strings.Contains(e.Message, jargon) {
			t.Errorf("message %q speaks Go: %q", e.Message, jargon)
		}
	}
	return e
}

func TestDo(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Content-Type")+" "+r.Header.Get("User-Agent")+" "+r.Header.Get("X-Own"))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "got %s", body)
	})
	c := newClient(t, httpx.Options{UserAgent: "iflowtest/test"})
	header := http.Header{"X-Own": {"a"}}
	got, err := c.Do(t.Context(), &httpx.Request{
		Method: "POST", URL: s.URL + "/p?q=1|2", Header: header,
		Body: httpx.TextBody("text/plain", "hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != 201 || got.Body != "got hello" {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if want := "POST /p?q=1|2 text/plain iflowtest/test a"; got.Header.Get("X-Seen") != want {
		t.Errorf("the server saw %q, want %q", got.Header.Get("X-Seen"), want)
	}
	want := http.Header{"X-Own": {"a"}, "User-Agent": {"iflowtest/test"}, "Content-Type": {"text/plain"}, "Accept-Encoding": {"gzip"}}
	if diff := cmp.Diff(want, got.RequestHeader); diff != "" {
		t.Errorf("request headers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(http.Header{"X-Own": {"a"}}, header); diff != "" {
		t.Errorf("the caller's header was changed:\n%s", diff)
	}
	if got.Timings.Connect <= 0 || got.Timings.Wait <= 0 || got.Duration < got.Timings.Wait {
		t.Errorf("timings %+v of %s", got.Timings, got.Duration)
	}
}

func TestTimeoutNamesItsLimit(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}
		<-release
	})
	defer close(release)
	c := newClient(t, httpx.Options{})
	limit := errors.New("step timeout of 60s")
	for path, words := range map[string][]string{
		"/":     {"step timeout of 60s reached while waiting for the answer", "GET " + s.URL},
		"/body": {"step timeout of 60s reached while reading the body (4 bytes arrived)"},
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, limit)
		_, err := c.Do(ctx, &httpx.Request{Method: "GET", URL: s.URL + path})
		cancel()
		wantError(t, err, httpx.Timeout, words...)
	}
}

func TestInterrupted(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) { close(arrived); <-release })
	defer close(release)
	c := newClient(t, httpx.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Do(ctx, &httpx.Request{Method: "GET", URL: s.URL})
	wantError(t, err, httpx.Interrupted, "interrupted while waiting for the answer")
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("another origin was asked") })
	mux := http.NewServeMux()
	mux.HandleFunc("/to/{code}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/end")
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		http.SetCookie(w, &http.Cookie{Name: "hop", Value: "1", Path: "/"})
		w.WriteHeader(code)
	})
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %q %s %s %s", r.Method, body, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("Cookie"))
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/login", http.StatusFound)
	})
	s := serve(t, mux.ServeHTTP)
	c := newClient(t, httpx.Options{})

	cases := []struct {
		method, path   string
		follow         bool
		status         int
		want, wantNote string
	}{
		{"POST", "/to/302", false, 302, "", ""},
		{"POST", "/to/301", true, 200, `GET ""  Bearer t hop=1`, ""},
		{"POST", "/to/302", true, 200, `GET ""  Bearer t hop=1`, ""},
		{"POST", "/to/303", true, 200, `GET ""  Bearer t hop=1`, ""},
		{"PUT", "/to/302", true, 200, `PUT "data" text/plain Bearer t hop=1`, ""},
		{"PUT", "/to/303", true, 200, `GET ""  Bearer t hop=1`, ""},
		{"POST", "/to/307", true, 200, `POST "data" text/plain Bearer t hop=1`, ""},
		{"POST", "/to/308", true, 200, `POST "data" text/plain Bearer t hop=1`, ""},
		{"POST", "/to/304", true, 304, "", ""},
		{"GET", "/away", true, 302, "", "leaves the origin"},
		{"GET", "/loop", true, 302, "", "the one after 10"},
	}
	for _, tc := range cases {
		t.Run(tc.method+tc.path, func(t *testing.T) {
			jar, _ := cookiejar.New(nil)
			seen := 0
			r := &httpx.Request{
				Method: tc.method, URL: s.URL + tc.path, FollowRedirects: tc.follow, Jar: jar,
				Header:     http.Header{"Authorization": {"Bearer t"}},
				Redirected: func(*http.Request) { seen++ },
			}
			if tc.method != "GET" {
				r.Body = httpx.TextBody("text/plain", "data")
			}
			got, err := c.Do(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != tc.status || (tc.want != "" && got.Body != tc.want) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tc.status, tc.want)
			}
			if !strings.Contains(got.Note, tc.wantNote) || (tc.wantNote == "" && got.Note != "") {
				t.Errorf("note %q, want %q", got.Note, tc.wantNote)
			}
			if tc.want != "" && seen != 1 {
				t.Errorf("Redirected was called %d times", seen)
			}
		})
	}
}

func TestLoopbackOnly(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") })
	c := newClient(t, httpx.Options{LoopbackOnly: true, Proxy: "http://proxy.example:3128"})
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, host := range []string{"127.0.0.1", "localhost", "runtime.sandbox.localhost", "LOCALHOST."} {
		got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://" + host + port})
		if err != nil || got.Body != "here" {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"example.com", "127.0.0.1.nip.io", "localhost.example", "notlocalhost", "0.0.0.0", "2130706433", "127.1", "[::2]", "10.0.0.1", "127.0.0.1@example.com"} {
		_, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://" + host + "/"})
		wantError(t, err, httpx.RefusedOrigin, "not loopback")
		req, _ := http.NewRequest("GET", "http://"+host+"/", nil)
		_, err = c.RoundTripper().RoundTrip(req)
		wantError(t, err, httpx.RefusedOrigin, "not loopback")
	}
}
