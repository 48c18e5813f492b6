package gate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/secret"
	"iflowtest/runner"
)

// signer issues certificates.
type signer struct {
	leaf *x509.Certificate
	key  crypto.Signer
}

// newSigner makes an authority.
func newSigner(t *testing.T, name string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	self := signer{key: key}
	self.leaf = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	self.leaf = self.issue(t, self.leaf, key.Public())
	return self
}

func (s signer) issue(t *testing.T, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(2)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, s.leaf, public, s.key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func chainPEM(chain ...*x509.Certificate) string {
	var b bytes.Buffer
	for _, c := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.String()
}

func privatePEM(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// named is the certificate of the client, with everything that may name it.
func (s signer) named(t *testing.T, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	uri, err := url.Parse("spiffe://acme/orders")
	if err != nil {
		t.Fatal(err)
	}
	return s.issue(t, &x509.Certificate{
		Subject:  pkix.Name{CommonName: "orders", Organization: []string{"SAP SE"}, OrganizationalUnit: []string{"SAP Cloud Platform Clients", "acme"}, Country: []string{"DE"}},
		DNSNames: []string{"orders.acme.example"}, EmailAddresses: []string{"orders@acme.example"}, IPAddresses: []net.IP{net.IPv4(10, 1, 2, 3)}, URIs: []*url.URL{uri},
	}, public)
}

// TestImpostor: the wrong certificate bears every name of the right one, and
// nothing else of it; its key is of the same kind.
func TestImpostor(t *testing.T) {
	ca := newSigner(t, "Client CA")
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	elliptic384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rivest, err := newRSA()
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, key := range map[string]crypto.Signer{"Ed25519": edwards, "ECDSA P-384": elliptic384, "RSA 2048": rivest} {
		right := ca.named(t, key.Public())
		document := serviceKey(func(o map[string]any) {
			delete(o, "clientsecret")
			o["certificate"], o["key"] = chainPEM(right, ca.leaf), privatePEM(t, key)
			o["certificatedetails"] = map[string]any{"validuntil": right.NotAfter.Add(-time.Hour).UTC().Format(time.RFC3339)}
		})
		g, err := New(Options{Redactor: secret.NewRedactor()}, []Input{{Name: "sender", Key: document}, {Name: "again", Key: document}})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		before := g.keys[0].credential
		wrong, err := g.keys[0].impostor(time.Now())
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		report := wrong.Inspect(time.Now())
		if report.Unusable() != nil || report.Algorithm != algorithm || report.Chain != 1 {
			t.Errorf("%s: the wrong certificate cannot be shown: %+v", algorithm, report)
		}
		leaf := wrong.Read().TLS().Leaf
		if !bytes.Equal(leaf.RawSubject, right.RawSubject) || !bytes.Equal(leaf.RawIssuer, right.RawSubject) {
			t.Errorf("%s: it is of %q, by %q; want %q twice", algorithm, leaf.Subject, leaf.Issuer, right.Subject)
		}
		for _, name := range []string{right.DNSNames[0], right.IPAddresses[0].String()} {
			if err := leaf.VerifyHostname(name); err != nil {
				t.Errorf("%s: %v", algorithm, err)
			}
		}
		if leaf.EmailAddresses[0] != right.EmailAddresses[0] || leaf.URIs[0].String() != right.URIs[0].String() {
			t.Errorf("%s: the names are %v and %v", algorithm, leaf.EmailAddresses, leaf.URIs)
		}
		if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
			t.Errorf("%s: it is not signed by itself: %v", algorithm, err)
		}
		if key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(leaf.PublicKey) || leaf.SerialNumber.Cmp(right.SerialNumber) == 0 {
			t.Errorf("%s: key or serial number are the right ones", algorithm)
		}
		if c := g.keys[0].credential; c.Key.Reveal() != before.Key.Reveal() || c.Certificate != before.Certificate {
			t.Errorf("%s: the credential of the key was changed", algorithm)
		}
		if wrong.ValidUntil != "" || !wrong.Password.IsZero() || wrong.Key.Name() != "sender.wrong-key" || wrong.TokenURL != before.TokenURL || wrong.ClientID != before.ClientID {
			t.Errorf("%s: the wrong credential is %+v", algorithm, wrong)
		}
		second, err := g.keys[1].impostor(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if shared := second.Key.Reveal() == wrong.Key.Reveal(); shared != (algorithm == "RSA 2048") {
			t.Errorf("%s: two wrong certificates share their key: %t", algorithm, shared)
		}
	}
}

// TestWrongCertificateOverTLS asks servers of the real kind: those that verify
// refuse, one that goes by names is found out.
func TestWrongCertificateOverTLS(t *testing.T) {
	ca := newSigner(t, "Client CA")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	right := ca.named(t, key.Public())
	for _, c := range []struct {
		name   string
		auth   tls.ClientAuthType
		answer func(shown *x509.Certificate) bool
		status int
	}{
		{"verifies in the handshake", tls.RequireAndVerifyClientCert, func(*x509.Certificate) bool { return true }, runner.ExitOK},
		{"verifies afterwards", tls.RequireAnyClientCert, right.Equal, runner.ExitOK},
		{"goes by the name", tls.RequireAnyClientCert, func(c *x509.Certificate) bool { return c.Subject.String() == right.Subject.String() }, runner.ExitCredential},
		{"goes by the address in it", tls.RequireAnyClientCert, func(c *x509.Certificate) bool { return c.VerifyHostname("orders.acme.example") == nil }, runner.ExitCredential},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			f := newFake(t)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/oauth/token" && !c.answer(r.TLS.PeerCertificates[0]) {
					says(401, "", `{"error":"invalid_client"}`)(0, w, r)
					return
				}
				f.tokenServer(w, r)
			}))
			f.loose = true
			f.change = func(claims map[string]any) { claims["iss"] = s.URL }
			serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			server := ca.issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, serverKey.Public())
			pool := x509.NewCertPool()
			pool.AddCert(ca.leaf)
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.TLS = &tls.Config{
				Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
				ClientAuth:   c.auth, ClientCAs: pool, MinVersion: version, MaxVersion: version,
			}
			s.StartTLS()
			defer s.Close()
			document, err := json.Marshal(map[string]any{"oauth": map[string]any{
				"clientid": flowClient, "certificate": chainPEM(right, ca.leaf), "key": privatePEM(t, key), "tokenurl": s.URL + "/oauth/token",
			}})
			if err != nil {
				t.Fatal(err)
			}
			out := play(t, Options{Negative: true, HTTP: httpx.Options{CA: []byte(chainPEM(ca.leaf))}}, Input{Name: "key", Key: document})
			if out.status != c.status || (out.told[checkNegative] == "") != (c.status == runner.ExitOK) {
				t.Errorf("a server that %s (%s): exit status %d, want %d: %v", c.name, tls.VersionName(version), out.status, c.status, out.told)
			}
		}
	}
}

// TestHungUpOnce: what happens once may be the network, so the server is asked
// again; and a server that is gone has not refused anything.
func TestHungUpOnce(t *testing.T) {
	const nothing = "the negative check passes"
	for name, c := range map[string]struct {
		then  []error // what becomes of the wrong certificate; nil: an answer
		loose bool
		want  int
		says  string
	}{
		"then refused":         {[]error{io.EOF, nil}, false, runner.ExitOK, nothing},
		"then in handshake":    {[]error{io.EOF, &net.OpError{Op: "remote error", Err: &alert{"tls: bad certificate"}}}, false, runner.ExitOK, nothing},
		"then granted":         {[]error{io.EOF, nil}, true, runner.ExitCredential, "grants a token for a wrong certificate"},
		"then gone":            {[]error{io.EOF, refusedConnection()}, false, runner.ExitUnknown, "connection refused"},
		"handshake broken off": {[]error{&net.OpError{Op: "remote error", Err: &alert{"tls: handshake failure"}}}, false, runner.ExitOK, nothing},
		"gone":                 {[]error{refusedConnection()}, false, runner.ExitUnknown, "connection refused"},
		"the server's name":    {[]error{&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: certificateFor(t), Host: tokenHost}}}, false, runner.ExitUnknown, "TLS"},
		"no common version":    {[]error{&net.OpError{Op: "remote error", Err: &alert{"tls: protocol version not supported"}}}, false, runner.ExitUnknown, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				s := withCertificate(nil, func(f *fake, s *scene) {
					s.o.Negative = true
					f.loose = c.loose
					f.handshake = func(shown *x509.Certificate) error {
						if f.right.Equal(shown) {
							return nil
						}
						n++
						return c.then[min(n, len(c.then))-1]
					}
				})(t)
				out := s.run(t, "")
				if out.status != c.want || n != len(c.then) {
					t.Errorf("exit status %d after %d tries, want %d after %d: %v", out.status, n, c.want, len(c.then), out.told)
				}
				if c.says == nothing && out.told[checkNegative] != "" || c.says != nothing && !strings.Contains(out.told[checkNegative], c.says) {
					t.Errorf("the check says %q", out.told[checkNegative])
				}
			})
		})
	}
}

// alert is an alert of the handshake.
type alert struct{ text string }

func (a *alert) Error() string { return a.text }

func certificateFor(t *testing.T) *x509.Certificate {
	t.Helper()
	return newSigner(t, "somebody else").leaf
}

// TestNegativeAsksTwice: the right one once, the wrong one once, whatever the
// kind; and with a name of its own in the reports.
func TestNegativeAsksTwice(t *testing.T) {
	for kind, set := range map[string]func(*testing.T) scene{
		"secret":      withFake(func(_ *fake, s *scene) { s.o.Negative = true }),
		"certificate": withCertificate(nil, func(_ *fake, s *scene) { s.o.Negative = true }),
	} {
		synctest.Test(t, func(t *testing.T) {
			s := set(t)
			out := s.run(t, "")
			if out.status != runner.ExitOK || s.fake.asked != 2 || s.fake.granted != 1 {
				t.Errorf("%s: exit status %d, %d requests, %d tokens; want 0, 2 and 1: %v", kind, out.status, s.fake.asked, s.fake.granted, out.told)
			}
			var names []string
			for _, e := range out.events {
				if e.Event == runner.StepEnd && e.Kind == checkNegative {
					names = append(names, e.Step)
				}
			}
			if len(names) != 1 || names[0] != "a wrong "+kind+" is refused" {
				t.Errorf("%s: the checks are %q", kind, names)
			}
		})
	}
}
