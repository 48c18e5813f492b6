package httpx_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"iflowtest/internal/httpx"
)

// scripted serves connections with a function each, without any HTTP of Go's.
func scripted(t testing.TB, f func(c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c, bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

// saying answers every request with the same bytes and hangs up.
func saying(t testing.TB, text string) string {
	return "http://" + scripted(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			io.WriteString(c, text)
		}
	})
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

func TestBrokenAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	z := zipped(strings.Repeat("a", 10000))
	cases := []struct {
		name, answer string
		arrived      bool // headers arrived
		words        []string
	}{
		{"nothing", "", false, []string{"closed by the other side before an answer came"}},
		{"half a status line", "HTTP/1.", false, []string{"headers were cut off"}},
		{"half the headers", ok + "Content-Le", false, []string{"headers were cut off"}},
		{"not HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n", false, []string{"not HTTP"}},
		{"TLS alert", "\x15\x03\x01\x00\x02\x02\x46\r\n", false, []string{"not HTTP"}},
		{"shorter than announced", ok + "Content-Length: 100\r\n\r\nshort", true, []string{"status 200", "cut off after 5 bytes of 100 bytes"}},
		{"one byte", ok + "Content-Length: 100\r\n\r\ns", true, []string{"cut off after 1 byte of 100 bytes"}},
		{"no chunk", ok + "Transfer-Encoding: chunked\r\n\r\n", true, []string{"cut off after 0 bytes"}},
		{"no last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true, []string{"cut off after 5 bytes"}},
		{"cut in a chunk", ok + "Transfer-Encoding: chunked\r\n\r\nff\r\nhello", true, []string{"cut off after 5 bytes"}},
		{"garbled chunk", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", true, []string{"chunks", "malformed"}},
		{"gzip cut off", ok + "Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + z[:len(z)-10], true, []string{"cut off"}},
		{"gzip shorter than announced", ok + "Content-Encoding: gzip\r\nContent-Length: 900\r\n\r\n" + z[:20], true, []string{"cut off"}},
		{"no gzip", ok + "Content-Encoding: gzip\r\nContent-Length: 11\r\n\r\nhello world", true, []string{"does not decode"}},
		{"gzip garbled", ok + "Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + z[:14] + "\xff\xff\xff\xff\xff\xff" + z[20:], true, []string{"does not decode"}},
		{"bad length", ok + "Content-Length: many\r\n\r\n", false, []string{"not HTTP"}},
		{"endless headers", ok + "X: " + strings.Repeat("x", 2<<20), false, []string{"headers", "1 MiB"}},
		{"header without colon", ok + "nonsense\r\n\r\n", false, []string{"not HTTP"}},
		{"larger than the limit", ok + "Content-Length: 5000000\r\n\r\n" + strings.Repeat("x", 2<<20), true, []string{"larger than 1 MiB"}},
		{"bomb", ok + "Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + zipped(strings.Repeat("a", 3<<20)), true, []string{"larger than 1 MiB"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(t, httpx.Options{MaxBody: 1 << 20})
			url := saying(t, tc.answer)
			got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: url + "/p?secret=1"})
			e := wantError(t, err, httpx.Network, append(tc.words, "GET "+url+"/p: ")...)
			if strings.Contains(e.Message, "secret=1") {
				t.Errorf("the query is in the message: %s", e.Message)
			}
			if (got != nil) != tc.arrived {
				t.Errorf("response %+v", got)
			}
			if e.Cure == "" {
				t.Error("no cure")
			}
		})
	}
}

func TestEndlessAnswer(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for chunk := make([]byte, 64<<10); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	c := newClient(t, httpx.Options{MaxBody: 3 << 20})
	got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL})
	wantError(t, err, httpx.Network, "larger than 3 MiB, or endless")
	if got == nil || len(got.Body) != 3<<20 {
		t.Errorf("the part that arrived is missing")
	}
}

func TestLimitItselfIsAllowed(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", 1000)) })
	got, err := newClient(t, httpx.Options{MaxBody: 1000}).Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL})
	if err != nil || len(got.Body) != 1000 {
		t.Errorf("%v", err)
	}
	_, err = newClient(t, httpx.Options{MaxBody: 999}).Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL})
	wantError(t, err, httpx.Network, "larger than 999 bytes")
}

func TestSockets(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	reset := scripted(t, func(c net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)
		c.(*net.TCPConn).SetLinger(0)
	})
	c := newClient(t, httpx.Options{})
	_, err = c.Do(t.Context(), &httpx.Request{Method: "PUT", URL: "http://" + closed.Addr().String()})
	wantError(t, err, httpx.Network, "PUT http://"+closed.Addr().String()+": connection refused")
	_, err = c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://localhost:" + strings.Split(closed.Addr().String(), ":")[1]})
	wantError(t, err, httpx.Network, "connection refused")
	_, err = c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://" + reset})
	wantError(t, err, httpx.Network, "connection reset")
}

// TestExplain: errors that a test cannot provoke on a real network.
func TestExplain(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	cases := []struct {
		err   error
		kind  httpx.Kind
		words string
	}{
		{dial(&net.DNSError{Err: "no such host", Name: "acme.authentication.eu99.example", IsNotFound: true}), httpx.Network, `the name "acme.authentication.eu99.example" does not resolve`},
		{dial(&net.DNSError{Err: "i/o timeout", Name: "a.example", IsTimeout: true}), httpx.Network, "name server does not answer"},
		{dial(&net.DNSError{Err: "server misbehaving", Name: "a.example", IsTemporary: true}), httpx.Network, "name server has trouble"},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), httpx.Network, "no route"},
		{dial(os.NewSyscallError("connect", syscall.ETIMEDOUT)), httpx.Network, "does not answer"},
		{dial(os.NewSyscallError("socket", syscall.EMFILE)), httpx.Network, "no socket left"},
		{dial(os.NewSyscallError("write", syscall.EPIPE)), httpx.Network, "closed by the other side"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))}, httpx.Network, "the proxy cannot be reached: connection refused"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial(&net.DNSError{Name: "proxy.corp", IsNotFound: true})}, httpx.Network, `the proxy cannot be reached: the name "proxy.corp" does not resolve`},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")}, httpx.TLS, "no protocol version in common"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, httpx.TLS, "broke off the handshake"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, httpx.TLS, "client certificate"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: unrecognized name")}, httpx.TLS, "does not know the name"},
		{errors.New("stream error: stream ID 3; INTERNAL_ERROR; received from peer"), httpx.Network, "HTTP/2 stream"},
		{errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=ENHANCE_YOUR_CALM"), httpx.Network, "closed the HTTP/2 connection"},
		{errors.New("http: server closed idle connection"), httpx.Network, "closed by the other side"},
		{fmt.Errorf("outer: %w", errors.New("net/http: something new")), httpx.Network, "no answer: something new"},
	}
	for _, tc := range cases {
		e := httpx.Explain(tc.err, t.Context(), "POST", "https://user:pw@a.example/p?q=1")
		wantError(t, e, tc.kind, tc.words, "POST https://a.example/p: ")
		if e.Cure == "" || !errors.Is(e, tc.err) {
			t.Errorf("%v: cure %q", tc.err, e.Cure)
		}
		if again := httpx.Explain(fmt.Errorf("wrapped: %w", e), t.Context(), "GET", "http://b.example"); again != e {
			t.Errorf("explained twice: %v", again)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("--bail"))
	wantError(t, httpx.Explain(io.EOF, ctx, "GET", "http://a.example"), httpx.Interrupted, "interrupted (--bail)")
	late, stop := context.WithTimeout(t.Context(), -1)
	defer stop()
	wantError(t, httpx.Explain(io.EOF, late, "GET", "http://a.example"), httpx.Timeout, "time limit reached")
}

// authority signs certificates for servers of the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority { return newAuthorityNamed(t, "Corporate CA") }

func newForeignAuthority(t testing.TB) authority { return newAuthorityNamed(t, "Foreign CA") }

func newAuthorityNamed(t testing.TB, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a authority) issue(t testing.TB, from, to time.Time, ips []net.IP, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: to, DNSNames: names, IPAddresses: ips, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func serveTLS(t testing.TB, config *tls.Config, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = config
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	now := time.Now()
	loopback := []net.IP{net.IPv4(127, 0, 0, 1)}
	hello := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	good := serveTLS(t, with(ca.issue(t, now.Add(-time.Hour), now.Add(time.Hour), loopback)), hello)
	expired := serveTLS(t, with(ca.issue(t, now.Add(-3*time.Hour), now.Add(-2*time.Hour), loopback)), hello)
	early := serveTLS(t, with(ca.issue(t, now.Add(2*time.Hour), now.Add(3*time.Hour), loopback)), hello)
	other := serveTLS(t, with(ca.issue(t, now.Add(-time.Hour), now.Add(time.Hour), nil, "other.example")), hello)
	old := with(ca.issue(t, now.Add(-time.Hour), now.Add(time.Hour), loopback))
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	outdated := serveTLS(t, old, hello)
	mutual := with(ca.issue(t, now.Add(-time.Hour), now.Add(time.Hour), loopback))
	mutual.ClientAuth = tls.RequireAnyClientCert
	mutual.MaxVersion = tls.VersionTLS12 // with 1.3 the alert races the closing of the connection
	wantsCertificate := serveTLS(t, mutual, hello)
	plain := serve(t, hello)
	silent := "https://" + scripted(t, func(net.Conn, *bufio.Reader) {})

	c := newClient(t, httpx.Options{CA: ca.pem()})
	got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: good.URL})
	if err != nil || got.Body != "HTTP/2.0" || got.TLS == nil || got.Timings.TLS <= 0 {
		t.Errorf("HTTP/2 with an own CA: %v, %+v", err, got)
	}
	got, err = c.Do(t.Context(), &httpx.Request{Method: "GET", URL: good.URL})
	if err != nil || got.Timings.TLS != 0 || got.Timings.Connect != 0 {
		t.Errorf("the connection was not used again: %v, %+v", err, got.Timings)
	}
	cases := []struct {
		name   string
		client *httpx.Client
		url    string
		kind   httpx.Kind
		words  []string
	}{
		{"unknown authority", newClient(t, httpx.Options{}), good.URL, httpx.TLS, []string{"not trusted", "Corporate CA"}},
		{"expired", c, expired.URL, httpx.TLS, []string{"expired on " + now.Add(-2*time.Hour).UTC().Format("2006-01-02T15")}},
		{"early", c, early.URL, httpx.TLS, []string{"valid only from"}},
		{"other host", c, other.URL, httpx.TLS, []string{"for", "other.example", "not for", "127.0.0.1"}},
		{"old version", c, outdated.URL, httpx.TLS, []string{"protocol version"}},
		{"client certificate", c, wantsCertificate.URL, httpx.TLS, []string{"wants", "client certificate"}},
		{"plain HTTP", c, strings.Replace(plain.URL, "http:", "https:", 1), httpx.TLS, []string{"plain HTTP"}},
		{"hangs up", c, silent, httpx.Network, []string{"by the other side"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tc.client.Do(t.Context(), &httpx.Request{Method: "GET", URL: tc.url})
			if e := wantError(t, err, tc.kind, append(tc.words, "GET "+tc.url)...); e.Cure == "" {
				t.Error("no cure")
			}
		})
	}
	if _, err := newClient(t, httpx.Options{Insecure: true}).Do(t.Context(), &httpx.Request{Method: "GET", URL: expired.URL}); err != nil {
		t.Errorf("insecure: %v", err)
	}
	for _, wrong := range []httpx.Options{{CA: []byte("no PEM")}, {Proxy: "http://%zz"}, {Proxy: "ftp://proxy:1"}, {Proxy: "http://"}} {
		if _, err := httpx.New(wrong); err == nil {
			t.Errorf("%+v was accepted", wrong)
		}
	}
}

// forwarder is a proxy that wants a user, and opens tunnels.
func forwarder(t *testing.T, status int) *httptest.Server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		if status == 0 && (user != "me" || password != "p@ss") {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		if r.Method != http.MethodConnect {
			fmt.Fprintf(w, "proxied %s", r.URL)
			return
		}
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer up.Close()
		down, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer down.Close()
		io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		go io.Copy(up, down)
		io.Copy(down, up)
	})
}

func TestProxy(t *testing.T) {
	ca := newAuthority(t)
	secure := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), []net.IP{net.IPv4(127, 0, 0, 1)})}}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secure") })
	proxy, closed := forwarder(t, 0), forwarder(t, 403)
	withUser := strings.Replace(proxy.URL, "http://", "http://me:p%40ss@", 1)
	c := newClient(t, httpx.Options{CA: ca.pem(), Proxy: withUser})
	if got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: secure.URL}); err != nil || got.Body != "secure" {
		t.Errorf("tunnel: %v", err)
	}
	if got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://nowhere.example/p"}); err != nil || got.Body != "proxied http://nowhere.example/p" {
		t.Errorf("plain: %v, %+v", err, got)
	}
	nobody := newClient(t, httpx.Options{CA: ca.pem(), Proxy: strings.TrimPrefix(proxy.URL, "http://")})
	_, err := nobody.Do(t.Context(), &httpx.Request{Method: "GET", URL: secure.URL})
	wantError(t, err, httpx.Network, "the proxy wants a user and password (407)")
	if got, err := nobody.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://nowhere.example/"}); err != nil || got.Status != 407 || !strings.Contains(got.Note, "proxy") {
		t.Errorf("plain without user: %v, %+v", err, got)
	}
	_, err = newClient(t, httpx.Options{CA: ca.pem(), Proxy: closed.URL}).Do(t.Context(), &httpx.Request{Method: "GET", URL: secure.URL})
	wantError(t, err, httpx.Network, "the proxy did not open a tunnel", "403 Forbidden")
	proxy.Close()
	_, err = newClient(t, httpx.Options{CA: ca.pem(), Proxy: withUser}).Do(t.Context(), &httpx.Request{Method: "GET", URL: secure.URL})
	e := wantError(t, err, httpx.Network, "the proxy ", "cannot be reached: connection refused")
	if strings.Contains(e.Message+e.Cure, "p@ss") || strings.Contains(e.Message+e.Cure, "p%40ss") {
		t.Errorf("the password is in the message: %s", e.Message)
	}
}

func TestProxyOfTheEnvironment(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "proxied %s", r.URL) })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "direct.example")
	got, err := newClient(t, httpx.Options{}).Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://nowhere.example/p"})
	if err != nil || got.Body != "proxied http://nowhere.example/p" {
		t.Errorf("%v %+v", err, got)
	}
	own := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "own") })
	got, err = newClient(t, httpx.Options{LoopbackOnly: true}).Do(t.Context(), &httpx.Request{Method: "GET", URL: own.URL})
	if err != nil || got.Body != "own" {
		t.Errorf("%v %+v", err, got)
	}
}

func TestRequestsThatCannotBeSent(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	missing := filepath.Join(t.TempDir(), "order.json")
	file := func(open func() (io.ReadCloser, error), size int64) *httpx.Body {
		return &httpx.Body{Open: open, Size: size}
	}
	text := func(s string) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
	}
	cases := []struct {
		name  string
		r     httpx.Request
		words string
	}{
		{"relative", httpx.Request{Method: "GET", URL: "/http/orders"}, "not an absolute URL"},
		{"scheme", httpx.Request{Method: "GET", URL: "ftp://a.example/"}, "not an absolute URL"},
		{"no host", httpx.Request{Method: "GET", URL: "http:///p"}, "not an absolute URL"},
		{"control character", httpx.Request{Method: "GET", URL: "http://a.example/\x01"}, "URL cannot be read"},
		{"port", httpx.Request{Method: "GET", URL: "http://a.example:port/"}, "port"},
		{"port beyond", httpx.Request{Method: "GET", URL: "http://127.0.0.1:99999/"}, "port"},
		{"header", httpx.Request{Method: "GET", URL: s.URL, Header: http.Header{"X-A": {"a\r\nX-B: c"}}}, `X-A`},
		{"header name", httpx.Request{Method: "GET", URL: s.URL, Header: http.Header{"X A": {"a"}}}, `X A`},
		{"method", httpx.Request{Method: "GET IT", URL: s.URL}, "method"},
		{"missing file", httpx.Request{Method: "POST", URL: s.URL, Body: file(func() (io.ReadCloser, error) { return os.Open(missing) }, -1)}, "order.json"},
		{"file that breaks", httpx.Request{Method: "POST", URL: s.URL, Body: file(func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("some"), broken{})), nil
		}, -1)}, "disk on fire"},
		{"file that shrank", httpx.Request{Method: "POST", URL: s.URL, Body: file(text("short"), 100)}, "another length"},
		{"file that grew", httpx.Request{Method: "POST", URL: s.URL, Body: file(text("longer than that"), 5)}, "another length"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newClient(t, httpx.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := c.Do(ctx, &tc.r)
			if e := wantError(t, err, httpx.BadRequest, tc.words); e.Cure == "" {
				t.Error("no cure")
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }
