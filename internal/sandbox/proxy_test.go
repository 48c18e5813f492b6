package sandbox_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

// refusals is what a proxy told.
type refusals struct {
	mu   sync.Mutex
	said []string
}

func (r *refusals) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, reason)
}

// takeAll gives them, and forgets them.
func (r *refusals) takeAll() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.said = nil }()
	return r.said
}

// proxied is a tenant behind a proxy. Its client calls through it.
type proxied struct {
	*tenant
	refused *refusals
	end     func() // of the tenant; again: nothing
}

// behindProxy serves a tenant that speaks TLS with a proxy before it.
func behindProxy(t testing.TB, listen, proxy string, o sandbox.Options) *proxied {
	t.Helper()
	o.TLS = true
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxied{tenant: &tenant{Tenant: s, t: t}, refused: &refusals{}}
	if err := errors.Join(s.Listen(listen), s.ListenProxy(proxy, p.refused.add)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	p.end = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	p.tenant = p.through()
	t.Cleanup(p.end)
	return p
}

// through gives the same tenant to a client that trusts its authority, presents
// the certificates and calls through the proxy.
func (p *proxied) through(certificates ...tls.Certificate) *tenant {
	p.t.Helper()
	tn := p.as(certificates...)
	at, err := url.Parse(p.URL(sandbox.Proxy))
	if err != nil {
		p.t.Fatal(err)
	}
	tn.client.Transport.(*http.Transport).Proxy = http.ProxyURL(at)
	return tn
}

// hostOf is where a client calls a part.
func hostOf(part string) string { return "https://" + part + ".sandbox.example" }

// wants is how a refusal ends.
const wants = `: want CONNECT PART.sandbox.example:443, PART being one of cloud-foundry, uaa, token, token-mtls, runtime, api, entitlements, destination`

func TestProxyLeadsToTheParts(t *testing.T) {
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	if u := p.URL(sandbox.Proxy); !strings.HasPrefix(u, "http://127.0.0.1:") {
		t.Errorf("the proxy is at %q", u)
	}
	for part, path := range map[string]string{
		"cloud-foundry": "/v3/info", "uaa": "/login", "token": "/token_keys", "token-mtls": "/token_keys", "runtime": "/http/nowhere", "api": "/api/v1/",
		"entitlements": "/entitlements/v1/assignments", "destination": "/destination-configuration/v1/subaccountDestinations",
	} {
		a := p.send("GET", hostOf(part)+path, "", "Accept: application/json")
		direct := p.as().send("GET", p.URL(part)+path, "", "Accept: application/json")
		if a.StatusCode != direct.StatusCode || len(a.body) != len(direct.body) {
			t.Errorf("%s answers %d %q, and without the proxy %d %q", part, a.StatusCode, a.body, direct.StatusCode, direct.body)
		}
		got := p.as().requests("")
		if n := len(got); n < 2 || got[n-2].Part != part || got[n-2].Path != path {
			t.Errorf("%s: the requests end with %v", part, got)
		}
	}
	if a := p.send("GET", "https://TOKEN.Sandbox.EXAMPLE:443/token_keys", ""); a.StatusCode != 200 {
		t.Errorf("in capitals: %d", a.StatusCode)
	}
	if said := p.refused.takeAll(); len(said) != 0 {
		t.Errorf("refused: %q", said)
	}
}

// TestProxyWithCertificate: TLS ends at the part, so a key's certificate does
// as well.
func TestProxyWithCertificate(t *testing.T) {
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	k := p.as().generated("sandbox-rt", "mtls")
	pair := k.pair(t)
	a := p.through(pair).send("POST", hostOf("token-mtls")+"/oauth/token?grant_type=client_credentials", "")
	got, _, raw := bound(t, a)
	if got != thumbprint(pair) {
		t.Errorf("bound to %q, want %q", got, thumbprint(pair))
	}
	if a := p.send("GET", hostOf("runtime")+"/http/echo", "", "Authorization: Bearer "+raw); a.StatusCode != 200 {
		t.Errorf("the runtime says %d %s", a.StatusCode, a.body)
	}
}

func TestProxyRefuses(t *testing.T) {
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	for _, test := range []struct{ request, want string }{
		{"CONNECT matomo.sandbox.test:443 HTTP/1.1", `CONNECT "matomo.sandbox.test:443"`},
		{"CONNECT control.sandbox.example:443 HTTP/1.1", `CONNECT "control.sandbox.example:443"`},
		{"CONNECT proxy.sandbox.example:443 HTTP/1.1", `CONNECT "proxy.sandbox.example:443"`},
		{"CONNECT sandbox.example:443 HTTP/1.1", `CONNECT "sandbox.example:443"`},
		{"CONNECT api.sandbox.example:8443 HTTP/1.1", `CONNECT "api.sandbox.example:8443"`},
		{"CONNECT api.sandbox.example HTTP/1.1", `CONNECT "api.sandbox.example"`},
		{"CONNECT x.api.sandbox.example:443 HTTP/1.1", `CONNECT "x.api.sandbox.example:443"`},
		{"CONNECT 127.0.0.1:443 HTTP/1.1", `CONNECT "127.0.0.1:443"`},
		// What is asked for counts, and not what stands in Host.
		{"CONNECT /canary?canary HTTP/1.1", `CONNECT "api.sandbox.example:443"`},
		{"CONNECT elsewhere.test:443 HTTP/1.1", `CONNECT "elsewhere.test:443"`},
		{"CONNECT canary:canary@elsewhere.test:443 HTTP/1.1", `CONNECT "elsewhere.test:443"`},
		{"GET http://api.sandbox.example/canary?canary=canary HTTP/1.1", `GET "api.sandbox.example"`},
		{"GET https://canary@api.sandbox.example:443/ HTTP/1.1", `GET "api.sandbox.example:443"`},
		{"GET /canary HTTP/1.1", `GET "api.sandbox.example:443"`},
		{"POST http://" + strings.Repeat("x", 300) + "/ HTTP/1.1", `POST "` + strings.Repeat("x", 256) + `"`},
	} {
		conn := p.dial()
		fmt.Fprintf(conn, "%s\r\nHost: api.sandbox.example:443\r\nProxy-Authorization: Basic canary\r\n\r\n", test.request)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", test.request, err)
			continue
		}
		text, err := io.ReadAll(res.Body)
		if want := test.want + wants; err != nil || res.StatusCode != http.StatusForbidden || string(text) != want+"\n" {
			t.Errorf("%s: %d %s %v, want %s", test.request, res.StatusCode, text, err, want)
		}
		if d := cmp.Diff([]string{test.want + wants}, p.refused.takeAll()); d != "" {
			t.Errorf("%s: -want +told:\n%s", test.request, d)
		}
		conn.Close()
	}
	if got := p.as().send("GET", p.URL("control")+"/_sandbox/requests", "").body; strings.TrimSpace(got) != "[]" {
		t.Errorf("something arrived: %s", got)
	}
	_, err := p.try("GET", "https://matomo.sandbox.test/", "")
	if err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("a client is told %v", err)
	}
}

// dial connects to the proxy.
func (p *proxied) dial() *net.TCPConn {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL(sandbox.Proxy), "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// eager sends CONNECT and what comes behind it at once.
type eager struct {
	net.Conn
	connect string
	answers *bufio.Reader
}

func (e *eager) Write(b []byte) (int, error) {
	n, err := e.Conn.Write(append([]byte(e.connect), b...))
	n -= len(e.connect)
	e.connect = ""
	return n, err
}

func (e *eager) Read(b []byte) (int, error) {
	if e.answers == nil {
		e.answers = bufio.NewReader(e.Conn)
		res, err := http.ReadResponse(e.answers, &http.Request{Method: "CONNECT"})
		if err != nil || res.StatusCode != 200 {
			return 0, fmt.Errorf("answer to CONNECT: %v %w", res, err)
		}
	}
	return e.answers.Read(b)
}

func (p *proxied) roots() *x509.CertPool {
	p.t.Helper()
	ca, err := p.CA()
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return roots
}

func TestProxyPassesOnWhatCameEarly(t *testing.T) {
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	conn := tls.Client(&eager{Conn: p.dial(), connect: "CONNECT token.sandbox.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"}, &tls.Config{RootCAs: p.roots(), ServerName: "token.sandbox.example"})
	// The client says no more, and is answered nevertheless.
	_, err := io.WriteString(conn, "GET /token_keys HTTP/1.0\r\n\r\n")
	if err := errors.Join(err, conn.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.0 200 OK\r\n") || !strings.Contains(string(text), `"keys"`) {
		t.Errorf("%s %v", text, err)
	}
}

func TestProxyPassesFaultsOn(t *testing.T) {
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	bearer := p.as().bearer("sender")
	fault := func(spec string) {
		if a := p.as().send("POST", p.URL("control")+"/_sandbox/faults", spec); a.StatusCode >= 300 {
			t.Fatalf("fault: %d %s", a.StatusCode, a.body)
		}
	}
	fault("connection-reset:path=/http/echo,count=1")
	if _, err := p.try("GET", hostOf("runtime")+"/http/echo", "", bearer); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a connection that was reset", err)
	}
	fault("truncated-body:path=/http/large,count=1")
	a, err := p.try("GET", hostOf("runtime")+"/http/large?kb=300", "", bearer)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(a.body) < 100<<10 {
		t.Errorf("got %d bytes and %v, want an answer that ends in the middle", len(a.body), err)
	}
	if a := p.send("GET", hostOf("runtime")+"/http/large?kb=3000", "", bearer); a.StatusCode != 200 || len(a.body) < 3000<<10 {
		t.Errorf("after the faults: %d, %d bytes", a.StatusCode, len(a.body))
	}
}

func TestProxyManyAtOnce(t *testing.T) {
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	bearer := p.as().bearer("sender")
	var callers sync.WaitGroup
	for i := range 24 {
		callers.Go(func() {
			body := strings.Repeat("x", 1+i<<12)
			a, err := p.try("POST", hostOf("runtime")+"/http/echo", body, bearer)
			if err != nil || a.StatusCode != 200 || !strings.Contains(a.body, `"`+body+`"`) {
				t.Errorf("call %d: %v", i, err)
			}
			if _, err := p.try("GET", fmt.Sprintf("https://other%d.test/", i), ""); err == nil {
				t.Errorf("call %d elsewhere went through", i)
			}
		})
	}
	callers.Wait()
	if said := p.refused.takeAll(); len(said) != 24 {
		t.Errorf("told %d of 24", len(said))
	}
}

// TestProxyEndsWithTheSandbox: also for a client that does not care.
func TestProxyEndsWithTheSandbox(t *testing.T) {
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	tunnel := p.dial()
	conn := tls.Client(&eager{Conn: tunnel, connect: "CONNECT token.sandbox.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"}, &tls.Config{RootCAs: p.roots(), ServerName: "token.sandbox.example"})
	answers := bufio.NewReader(conn)
	_, err := io.WriteString(conn, "HEAD /token_keys HTTP/1.1\r\nHost: token.sandbox.example\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(answers, &http.Request{Method: "HEAD"}); err != nil {
		t.Fatalf("%v, %v", res, err)
	}
	idle := p.dial()
	p.end()
	if n, err := io.Copy(io.Discard, idle); err != nil {
		t.Errorf("who asked nothing reads %d bytes and %v", n, err)
	}
	if n, err := io.Copy(io.Discard, answers); n != 0 || err != nil {
		t.Errorf("who has a tunnel reads %d bytes and %v", n, err)
	}
	if c, err := net.Dial("tcp", tunnel.RemoteAddr().String()); err == nil {
		c.Close()
		t.Error("the proxy still listens")
	}
}

func TestListenProxyRefuses(t *testing.T) {
	tenantWith := func(o sandbox.Options) *sandbox.Tenant {
		s, err := sandbox.New(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		return s
	}
	config, problems := sandbox.ParseConfig("tls.yaml", []byte("tls: true\n"))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	plain, secure, closed := tenantWith(sandbox.Options{}), tenantWith(sandbox.Options{Config: config}), tenantWith(sandbox.Options{TLS: true})
	silent, err := sandbox.New(sandbox.Options{TLS: true})
	if err := errors.Join(err, closed.Close()); err != nil {
		t.Fatal(err)
	}
	serving := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	busy := strings.TrimPrefix(serving.URL(sandbox.Proxy), "http://")
	served := listen(t, sandbox.Options{TLS: true}).as()
	served.send("GET", served.URL("control")+"/_sandbox/state", "") // it serves now
	for _, test := range []struct {
		tenant     *sandbox.Tenant
		addr, want string
	}{
		{plain, "127.0.0.1:0", "127.0.0.1:0: who comes through the proxy wants TLS, and the parts speak plain HTTP: add --tls"},
		{secure, "0.0.0.0:0", `address "0.0.0.0:0" is not loopback, and everybody who reaches it could use the sandbox: listen on 127.0.0.1, or add --allow-remote`},
		{secure, "8080", `address "8080": want HOST:PORT, such as 127.0.0.1:8787`},
		{secure, "127.0.0.1:65536", `address "127.0.0.1:65536": want a port from 0 to 65535`},
		{secure, "127.0.0.1:-1", `address "127.0.0.1:-1": want a port from 0 to 65535`},
		{secure, "127.0.0.1:http", `address "127.0.0.1:http": want a port from 0 to 65535`},
		{secure, busy, "listen on " + busy + ": bind: address already in use"},
		{closed, "127.0.0.1:0", "the sandbox is closed"},
		{silent, "127.0.0.1:0", "the sandbox does not listen anywhere"},
		{serving.Tenant, "127.0.0.1:0", "the proxy listens already"},
		{served.Tenant, "127.0.0.1:0", "the sandbox serves already: a proxy listens before that"},
	} {
		if err := test.tenant.ListenProxy(test.addr, nil); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.addr, err, test.want)
		}
	}
	if err := secure.ListenProxy("127.0.0.1:0", nil); err != nil {
		t.Error(err)
	}
	if got := plain.URL(sandbox.Proxy); got != "" {
		t.Errorf("a proxy that is none is at %s", got)
	}
}

func TestProxyOnAnotherAddress(t *testing.T) {
	p := behindProxy(t, "0.0.0.0:0", "0.0.0.0:0", sandbox.Options{AllowRemote: true})
	if u := p.URL(sandbox.Proxy); !strings.HasPrefix(u, "http://127.0.0.1:") {
		t.Errorf("the proxy is at %q", u)
	}
	if a := p.send("GET", hostOf("token")+"/token_keys", ""); a.StatusCode != 200 {
		t.Errorf("token: %d", a.StatusCode)
	}
}

// TestNamesOfCertificates: a sandbox on loopback does not pass for anybody else.
func TestNamesOfCertificates(t *testing.T) {
	local := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	remote := behindProxy(t, "0.0.0.0:0", "127.0.0.1:0", sandbox.Options{AllowRemote: true})
	shakes := func(p *proxied, name string) error {
		address := strings.TrimPrefix(p.URL("api"), "https://")
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: p.roots(), ServerName: name})
		if err != nil {
			return err
		}
		return conn.Close()
	}
	for _, name := range []string{"127.0.0.1", "localhost", "LOCALHOST", "api.sandbox.localhost", "api.sandbox.example", "API.Sandbox.Example", "tenant.sandbox.example"} {
		if err := shakes(local, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"api.eu10.hana.ondemand.com", "sandbox.example", "evilsandbox.example", "api.sandbox.example.com", "notlocalhost"} {
		if err := shakes(local, name); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v, want an unrecognized name", name, err)
		}
	}
	for _, name := range []string{"*.sandbox.example", "*.localhost", "a b.sandbox.example"} {
		for who, p := range map[string]*proxied{"local": local, "remote": remote} {
			if err := shakes(p, name); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%s, %s: %v, want an unrecognized name", who, name, err)
			}
		}
	}
	if err := shakes(remote, "sandbox.internal"); err != nil {
		t.Errorf("a name that others have for the machine: %v", err)
	}
}

func TestPartsDoNotHoldTheProxy(t *testing.T) {
	if slices.Contains(sandbox.Parts(), sandbox.Proxy) {
		t.Error("the proxy is a part")
	}
	p := behindProxy(t, "127.0.0.1:0", "127.0.0.1:0", sandbox.Options{})
	if env := string(p.EnvironmentYAML()); strings.Contains(env, "sandbox.example") || strings.Contains(env, p.URL(sandbox.Proxy)) {
		t.Errorf("the environment knows the proxy:\n%s", env)
	}
}
