package httpx_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/httpx"
)

func loopback() []net.IP { return []net.IP{net.IPv4(127, 0, 0, 1)} }

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// client issues a certificate for a client.
func (a authority) client(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	c := a.issue(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), nil, name)
	return &c
}

// mutual serves with mutual TLS and answers with the name in the certificate
// of the client.
func mutual(t testing.TB, ca authority, auth tls.ClientAuthType, version uint16) *httptest.Server {
	t.Helper()
	return serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), loopback())},
		ClientAuth:   auth, ClientCAs: ca.pool(), MaxVersion: version,
	}, func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].DNSNames[0]
		}
		io.WriteString(w, name)
	})
}

func certified(t testing.TB, c *httpx.Client, certificate *tls.Certificate) *httpx.Client {
	t.Helper()
	derived, err := c.WithCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	return derived
}

func TestWithCertificate(t *testing.T) {
	ca := newAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		// Asked for and not verified: what is presented is what is seen.
		s := mutual(t, ca, tls.RequestClientCert, version)
		c := newClient(t, httpx.Options{CA: ca.pem()})
		one, two := certified(t, c, ca.client(t, "one")), certified(t, c, ca.client(t, "two"))
		for _, want := range []struct {
			client *httpx.Client
			name   string
		}{{c, "nobody"}, {one, "one"}, {two, "two"}, {one, "one"}, {c, "nobody"}} {
			got, err := want.client.Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL})
			if err != nil || got.Body != want.name {
				t.Fatalf("%s: the server saw %v, %v; want %s", tls.VersionName(version), got, err, want.name)
			}
		}
	}
}

func TestConnectionsOfACertificateAreUsedAgain(t *testing.T) {
	ca := newAuthority(t)
	s := mutual(t, ca, tls.RequireAndVerifyClientCert, tls.VersionTLS13)
	var mu sync.Mutex
	connections := 0
	other := httptest.NewUnstartedServer(s.Config.Handler)
	other.Config.ErrorLog = log.New(io.Discard, "", 0)
	other.TLS = s.TLS.Clone()
	other.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			defer mu.Unlock()
			connections++
		}
	}
	other.StartTLS()
	defer other.Close()
	c := newClient(t, httpx.Options{CA: ca.pem()})
	own := ca.client(t, "one")
	for range 5 {
		again := *own // as a credential that was read anew
		if got, err := certified(t, c, &again).Do(t.Context(), &httpx.Request{Method: "GET", URL: other.URL}); err != nil || got.Body != "one" {
			t.Fatalf("%v, %v", got, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if connections != 1 {
		t.Errorf("%d connections, want one", connections)
	}
	if certified(t, c, own) != certified(t, certified(t, c, own), own) {
		t.Error("a client derived from a derived one is another")
	}
}

// A server names the authorities that it knows. Go keeps a certificate back
// that none of them signed; the server is to say itself that it is the wrong one.
func TestForeignCertificateIsPresented(t *testing.T) {
	ca, foreign := newAuthority(t), newForeignAuthority(t)
	s := mutual(t, ca, tls.RequestClientCert, tls.VersionTLS12)
	c := certified(t, newClient(t, httpx.Options{CA: ca.pem()}), foreign.client(t, "stranger"))
	got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL})
	if err != nil || got.Body != "stranger" {
		t.Errorf("the server saw %v, %v", got, err)
	}
}

func TestCertificateRefused(t *testing.T) {
	ca := newAuthority(t)
	// With TLS 1.3 the alert races the closing of the connection.
	s := mutual(t, ca, tls.RequireAndVerifyClientCert, tls.VersionTLS12)
	c := newClient(t, httpx.Options{CA: ca.pem()})
	foreign := certified(t, c, newForeignAuthority(t).client(t, "stranger"))
	_, err := foreign.Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL})
	wantError(t, err, httpx.TLS, "client certificate")
	if !httpx.CertificateRefused(err) {
		t.Errorf("%v is not told as a refusal", err)
	}
	_, err = newClient(t, httpx.Options{}).Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL})
	wantError(t, err, httpx.TLS, "not trusted")
	if httpx.CertificateRefused(err) {
		t.Error("the certificate of the server is not that of the client")
	}
	for text, want := range map[string]bool{
		"tls: expired certificate": true, "tls: unknown certificate authority": true, "tls: certificate required": true,
		"tls: access denied": true, "tls: handshake failure": false, "tls: internal error": false,
	} {
		if got := httpx.CertificateRefused(&net.OpError{Op: "remote error", Err: errors.New(text)}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestCertifiedClientKeepsTheGuard(t *testing.T) {
	ca := newAuthority(t)
	c := certified(t, newClient(t, httpx.Options{CA: ca.pem(), LoopbackOnly: true}), ca.client(t, "one"))
	_, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "https://tenant.example/"})
	wantError(t, err, httpx.RefusedOrigin, "not loopback")
}

// certifiable is a transport in memory that knows what was presented to it.
type certifiable struct {
	*clocked
	presented *tls.Certificate
}

func (c certifiable) WithCertificate(certificate *tls.Certificate) http.RoundTripper {
	c.presented = certificate
	return c
}

func (c certifiable) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.clocked.RoundTrip(r)
	if err == nil && c.presented != nil {
		answer.Header.Set("X-Presented", "yes")
	}
	return answer, err
}

func TestCertifiedClientSharesTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := certifiable{clocked: newClocked()}
		c := newClient(t, httpx.Options{Transport: transport, Rate: 2})
		derived := certified(t, c, &tls.Certificate{Certificate: [][]byte{{1}}})
		for n, client := range []*httpx.Client{c, derived, c, derived} {
			got, err := client.Do(t.Context(), &httpx.Request{Method: "GET", URL: "https://tenant.example/"})
			if err != nil || (got.Header.Get("X-Presented") == "yes") != (n%2 == 1) {
				t.Fatalf("request %d: %v, %v", n, got, err)
			}
		}
		transport.want(t, "https://tenant.example", 0, 500*time.Millisecond, time.Second, 1500*time.Millisecond)
	})
}

func TestTransportThatCannot(t *testing.T) {
	c := newClient(t, httpx.Options{Transport: newClocked()})
	if _, err := c.WithCertificate(&tls.Certificate{}); err == nil {
		t.Error("want an error: nothing would be presented")
	}
}
