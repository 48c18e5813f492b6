package httpx_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
)

func TestBodies(t *testing.T) {
	const text = "the text of the body"
	plain := func(w http.ResponseWriter) { io.WriteString(w, text) }
	gzipped := func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, zipped(text))
	}
	large := strings.Repeat("0123456789abcdef", 1<<16)
	cases := []struct {
		name, method string
		answer       func(w http.ResponseWriter)
		header       http.Header
		want         string
		accept       string // Accept-Encoding the server saw
	}{
		{"plain", "GET", plain, nil, text, "gzip"},
		{"gzip", "GET", gzipped, nil, text, "gzip"},
		{"gzip, asked for by the scenario", "GET", gzipped, http.Header{"Accept-Encoding": {"gzip, br"}}, text, "gzip, br"},
		{"gzip for HEAD", "HEAD", func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip") }, nil, "", ""},
		{"gzip of nothing", "GET", func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); w.WriteHeader(200) }, nil, "", "gzip"},
		{"two gzip streams", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "GZIP")
			io.WriteString(w, zipped("one ")+zipped("two"))
		}, nil, "one two", "gzip"},
		{"range", "GET", plain, http.Header{"Range": {"bytes=0-"}}, text, ""},
		{"other encoding", "GET", func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "br"); io.WriteString(w, "\x1b\x00") }, nil, "\x1b\x00", "gzip"},
		{"HEAD", "HEAD", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "1000") }, nil, "", ""},
		{"204", "DELETE", func(w http.ResponseWriter) { w.WriteHeader(204) }, nil, "", "gzip"},
		{"304", "GET", func(w http.ResponseWriter) { w.WriteHeader(304) }, nil, "", "gzip"},
		{"early hints", "GET", func(w http.ResponseWriter) { w.WriteHeader(103); w.WriteHeader(200); io.WriteString(w, text) }, nil, text, "gzip"},
		{"not UTF-8", "GET", func(w http.ResponseWriter) { io.WriteString(w, "\xff\x00\xfe") }, nil, "\xff\x00\xfe", "gzip"},
		{"a megabyte in chunks", "GET", func(w http.ResponseWriter) {
			for part := range 16 {
				io.WriteString(w, large[part<<16:(part+1)<<16])
				w.(http.Flusher).Flush()
			}
		}, nil, large, "gzip"},
		{"a megabyte", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(large)))
			io.WriteString(w, large)
		}, nil, large, "gzip"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var accept string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				accept = r.Header.Get("Accept-Encoding")
				tc.answer(w)
			})
			c := newClient(t, httpx.Options{})
			for range 2 {
				got, err := c.Do(t.Context(), &httpx.Request{Method: tc.method, URL: s.URL, Header: tc.header})
				if err != nil {
					t.Fatal(err)
				}
				if got.Body != tc.want {
					t.Errorf("got %.40q…, want %.40q…", got.Body, tc.want)
				}
				if accept != tc.accept || got.RequestHeader.Get("Accept-Encoding") != tc.accept {
					t.Errorf("Accept-Encoding %q, shown %q, want %q", accept, got.RequestHeader.Get("Accept-Encoding"), tc.accept)
				}
				if strings.HasPrefix(tc.name, "gzip") && got.Header.Get("Content-Encoding") == "" {
					t.Error("the headers are not as they came")
				}
			}
		})
	}
}

func TestSwitchingProtocolsEnds(t *testing.T) {
	url := saying(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	got, err := newClient(t, httpx.Options{}).Do(t.Context(), &httpx.Request{Method: "GET", URL: url, Header: http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}})
	if err != nil || got.Status != 101 || got.Body != "" {
		t.Errorf("%v %+v", err, got)
	}
}

func TestAnswerWithoutLength(t *testing.T) {
	got, err := newClient(t, httpx.Options{}).Do(t.Context(), &httpx.Request{Method: "GET", URL: saying(t, "HTTP/1.0 200 OK\r\n\r\nold style")})
	if err != nil || got.Body != "old style" {
		t.Errorf("%v %+v", err, got)
	}
}

// TestDeadConnection: a kept connection that the server closed is replaced
// where repeating is safe, and never where it is not.
func TestDeadConnection(t *testing.T) {
	var requests atomic.Int32
	url := "http://" + scripted(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		requests.Add(1)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		// The next request on this connection is read and dropped.
		http.ReadRequest(r)
	})
	c := newClient(t, httpx.Options{})
	for range 4 {
		if _, err := c.Do(t.Context(), &httpx.Request{Method: "PUT", URL: url, Body: httpx.TextBody("", "x"), Header: http.Header{"Idempotency-Key": {}}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := requests.Load(); n != 4 {
		t.Errorf("%d requests were answered", n)
	}
	got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if _, shown := got.RequestHeader["Idempotency-Key"]; shown {
		t.Error("a header that was not sent is shown")
	}
	_, err = c.Do(t.Context(), &httpx.Request{Method: "POST", URL: url, Body: httpx.TextBody("", "x")})
	wantError(t, err, httpx.Network, "by the other side")
}

func TestHostUserAndFragment(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s|%s|%s|%s", r.Host, user, password, r.RequestURI)
	})
	address := strings.TrimPrefix(s.URL, "http://")
	c := newClient(t, httpx.Options{})
	got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://me:p%40ss@" + address + "/a%2Fb?q=%20#part", Header: http.Header{"Host": {"virtual.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "virtual.example|me|p@ss|/a%2Fb?q=%20"; got.Body != want {
		t.Errorf("got %q, want %q", got.Body, want)
	}
	if got.URL != s.URL+"/a%2Fb?q=%20" {
		t.Errorf("URL %q", got.URL)
	}
}

func TestCookies(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/set" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "abc", Path: "/"})
		}
		io.WriteString(w, r.Header.Get("Cookie"))
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, httpx.Options{})
	own := http.Header{"Cookie": {"own=1"}}
	var got *httpx.Response
	for _, path := range []string{"/set", "/"} {
		if got, err = c.Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL + path, Jar: jar, Header: own}); err != nil {
			t.Fatal(err)
		}
	}
	if want := "own=1; session=abc"; got.Body != want || got.RequestHeader.Get("Cookie") != want {
		t.Errorf("sent %q, shown %q", got.Body, got.RequestHeader.Get("Cookie"))
	}
	if diff := cmp.Diff(http.Header{"Cookie": {"own=1"}}, own); diff != "" {
		t.Error(diff)
	}
}

func TestFileBody(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %d %v", n, r.ContentLength, r.TransferEncoding)
	})
	c := newClient(t, httpx.Options{})
	opened := 0
	body := &httpx.Body{Size: -1, Open: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(io.LimitReader(zeros{}, 3<<20)), nil
	}}
	got, err := c.Do(t.Context(), &httpx.Request{Method: "POST", URL: s.URL, Body: body})
	if err != nil || got.Body != "3145728 -1 [chunked]" || opened != 1 {
		t.Errorf("%v %q, opened %d times", err, got.Body, opened)
	}
	body.Size = 3 << 20
	got, err = c.Do(t.Context(), &httpx.Request{Method: "POST", URL: s.URL, Body: body})
	if err != nil || got.Body != "3145728 3145728 []" {
		t.Errorf("%v %q", err, got.Body)
	}
	got, err = c.Do(t.Context(), &httpx.Request{Method: "POST", URL: s.URL, Body: httpx.TextBody("text/plain", "")})
	if err != nil || got.Body != "0 0 []" {
		t.Errorf("%v %q", err, got.Body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// inMemory is a transport without sockets.
type inMemory struct{ http.HandlerFunc }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}
	return w.Result(), nil
}

func TestSimulatedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, httpx.Options{LoopbackOnly: true, Transport: inMemory{func(w http.ResponseWriter, r *http.Request) {
			httpx.Sleep(r.Context(), 10*time.Minute)
			io.WriteString(w, r.Host)
		}}})
		got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://runtime.sandbox.localhost/http/slow"})
		if err != nil || got.Body != "runtime.sandbox.localhost" {
			t.Fatalf("%v %+v", err, got)
		}
		if got.Duration != 10*time.Minute || got.Timings != (httpx.Timings{Wait: 10 * time.Minute}) {
			t.Errorf("duration %s, timings %+v", got.Duration, got.Timings)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("step timeout of 1m0s"))
		defer cancel()
		_, err = c.Do(ctx, &httpx.Request{Method: "GET", URL: "http://runtime.sandbox.localhost/http/slow"})
		wantError(t, err, httpx.Timeout, "step timeout of 1m0s reached")
		_, err = c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://runtime.example/"})
		wantError(t, err, httpx.RefusedOrigin)
	})
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		if err := httpx.Sleep(t.Context(), time.Hour); err != nil || time.Since(started) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(started))
		}
		if err := httpx.Sleep(t.Context(), -1); err != nil {
			t.Error(err)
		}
		why := errors.New("why")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		started = time.Now()
		if err := httpx.Sleep(ctx, time.Hour); err != why || time.Since(started) != time.Second {
			t.Errorf("%v after %s", err, time.Since(started))
		}
		if err := httpx.Sleep(ctx, 0); err != why {
			t.Errorf("an ended context: %v", err)
		}
	})
}

func TestOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"https://Host.Example:443/p?q#f": "https://host.example",
		"HTTP://host.example:80":         "http://host.example",
		"http://host.example:443/":       "http://host.example:443",
		"https://u:p@host.example:8443":  "https://host.example:8443",
		"https://[::1]:443/":             "https://[::1]",
		"http://[FE80::1]:8080":          "http://[fe80::1]:8080",
	} {
		if got, err := httpx.Origin(in); err != nil || got != want {
			t.Errorf("Origin(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "/p", "host.example", "ftp://host", "https://", "http://:80", "http://%zz", "mailto:a@b"} {
		if got, err := httpx.Origin(in); err == nil {
			t.Errorf("Origin(%q) = %q", in, got)
		}
	}
}

func TestCurl(t *testing.T) {
	mask := func(name, value string) string {
		if name == "Authorization" {
			return "***(sender.access-token)"
		}
		return value
	}
	cases := []struct {
		r    httpx.Request
		body string
		want string
	}{
		{httpx.Request{Method: "GET", URL: "http://127.0.0.1:1/http/echo?a=1&b=2"}, "", `curl -sS -i 'http://127.0.0.1:1/http/echo?a=1&b=2'`},
		{httpx.Request{Method: "HEAD", URL: "http://a/"}, "", `curl -sS -i --head http://a/`},
		{httpx.Request{Method: "DELETE", URL: "http://a/", Header: http.Header{"X-B": {"it's", ""}, "X-A": {"1"}, "Authorization": {"Bearer eyJ"}, "Accept-Encoding": {"gzip"}}}, "",
			`curl -sS -i -X DELETE http://a/ -H 'Authorization: ***(sender.access-token)' -H 'X-A: 1' -H 'X-B: it'\''s' -H 'X-B;'`},
		{httpx.Request{Method: "POST", URL: "http://a/", Body: httpx.TextBody("application/json", "{}")}, `{"a":"b'c"}`,
			`curl -sS -i -X POST http://a/ -H 'Content-Type: application/json' --data-binary '{"a":"b'\''c"}'`},
		{httpx.Request{Method: "POST", URL: "http://a/", Body: httpx.TextBody("", "x")}, "100%\n\\\x00@ü",
			`printf '100%%\n\\\000@ü' | curl -sS -i -X POST http://a/ -H Content-Type: --data-binary @-`},
		{httpx.Request{Method: "PUT", URL: "http://a/", Body: httpx.TextBody("text/plain", "@x")}, "@x", `printf @x | curl -sS -i -X PUT http://a/ -H 'Content-Type: text/plain' --data-binary @-`},
		{httpx.Request{Method: "PUT", URL: "http://a/{x}", FollowRedirects: true, Body: &httpx.Body{File: "payloads/big order.xml", ContentType: "application/xml", Size: 9}}, "",
			`curl -sS -i -g -X PUT 'http://a/{x}' --location -H 'Content-Type: application/xml' --data-binary '@payloads/big order.xml'`},
	}
	for _, tc := range cases {
		if got := httpx.Curl(&tc.r, tc.body, mask); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}

// TestCurlLineIsRead lets a shell read the words back.
func TestCurlLineIsRead(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no POSIX shell on this machine")
	}
	body := "-a'b\"c$d`e\\f%g\n\th\x01\x00ü"
	line := httpx.Curl(&httpx.Request{Method: "POST", URL: "http://a/?q=$(x)", Header: http.Header{"X-Q": {"it's; rm -rf $HOME"}}, Body: httpx.TextBody("text/plain", body)}, body, nil)
	// curl is a function that prints its words and then its input.
	out, err := exec.CommandContext(t.Context(), sh, "-c", `curl() { printf '<%s>' "$@"; cat; }; `+line).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "<-sS><-i><-X><POST><http://a/?q=$(x)><-H><X-Q: it's; rm -rf $HOME><-H><Content-Type: text/plain><--data-binary><@->" + body
	if string(out) != want {
		t.Errorf("a shell reads\n%q, want\n%q", out, want)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: /again\r\nSet-Cookie: a=b\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped("text")))
	f.Add([]byte("HTTP/1.1 407 Proxy\r\n\r\n"))
	f.Add([]byte("\x15\x03\x01"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		c := newClient(t, httpx.Options{MaxBody: 1 << 16, Transport: scriptedTransport{answer}})
		jar, _ := cookiejar.New(nil)
		got, err := c.Do(t.Context(), &httpx.Request{Method: "POST", URL: "http://a.example/p", Body: httpx.TextBody("text/plain", "x"), FollowRedirects: true, Jar: jar})
		if got == nil && err == nil {
			t.Fatal("neither answer nor error")
		}
		if err == nil {
			return
		}
		e, ok := errors.AsType[*httpx.Error](err)
		if !ok || e.Kind == "" || !strings.Contains(e.Message, "http://a.example") {
			t.Fatalf("error %#v", err)
		}
	})
}

// scriptedTransport reads every answer from the same bytes.
type scriptedTransport struct{ answer []byte }

func (s scriptedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(strings.NewReader(string(s.answer))), r)
}
