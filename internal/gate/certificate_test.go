package gate

import (
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
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"iflowtest/internal/sandbox"
)

// memoryTLS is a sandbox in memory, to which certificates can be presented.
type memoryTLS struct {
	http.RoundTripper
	tenant *sandbox.Tenant
}

// WithCertificate implements httpx.Certified.
func (m memoryTLS) WithCertificate(c *tls.Certificate) http.RoundTripper {
	return m.tenant.CertificateRoundTripper(c.Leaf)
}

// withKey asks for a key with a certificate of an instance of the sandbox.
func withKey(instance string, o Options) func(t *testing.T) scene {
	return func(t *testing.T) scene {
		config, diags := sandbox.ParseConfig("sandbox.yaml", []byte("keys: [{name: certified, instance: "+instance+", key-type: certificate, validity: 365, key-length: 2048}]\n"))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		tenant, err := sandbox.New(sandbox.Options{Config: config})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range tenant.Keys() {
			if k.Name == "certified" {
				return scene{key: k.JSON, o: o, transport: memoryTLS{tenant.RoundTripper(), tenant}}
			}
		}
		t.Fatal("the sandbox has no key with a certificate")
		return scene{}
	}
}

// issue makes a certificate and its key in PEM.
func issue(t *testing.T, from, until time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "acme"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: plain}))
}

// withCertificate is a scene of a key with a certificate, which is good for a
// year.
func withCertificate(change func(t *testing.T, o map[string]any), more func(f *fake, s *scene)) func(t *testing.T) scene {
	return withFake(func(f *fake, s *scene) {
		now := time.Now()
		certificate, key := issue(f.t, now.Add(-time.Hour), now.Add(365*24*time.Hour))
		s.key = serviceKey(func(o map[string]any) {
			delete(o, "clientsecret")
			o["certificate"], o["key"] = certificate, key
			if change != nil {
				change(f.t, o)
			}
		})
		if more != nil {
			more(f, s)
		}
	})
}

// validity puts a certificate into a key.
func validity(from, until time.Duration) func(t *testing.T, o map[string]any) {
	return func(t *testing.T, o map[string]any) {
		now := time.Now()
		o["certificate"], o["key"] = issue(t, now.Add(from), now.Add(until))
	}
}

func certificateScenes() map[string]func(t *testing.T) scene {
	const day = 24 * time.Hour
	silent := func(f *fake, _ *scene) {
		f.answer = func(int, http.ResponseWriter, *http.Request) bool {
			f.t.Error("a token was asked for")
			return false
		}
	}
	month := func(_ *fake, s *scene) { s.o.MinDays = 30 }
	// wrong is what becomes of a certificate that is not the right one.
	wrong := func(err error) func(f *fake, s *scene) {
		return func(f *fake, s *scene) {
			s.o.Negative = true
			f.handshake = func(shown *x509.Certificate) error {
				if f.right.Equal(shown) {
					return nil
				}
				return err
			}
		}
	}
	return map[string]func(t *testing.T) scene{
		"the certificate has expired":                    withCertificate(validity(-9*day, -time.Hour), silent),
		"the certificate is not valid yet":               withCertificate(validity(time.Hour, 9*day), silent),
		"the certificate ends in 5 days (--min-days 30)": withCertificate(validity(-day, 5*day+time.Hour), month),
		"the key says that it ends before its certificate does (--min-days 30)": withCertificate(func(_ *testing.T, o map[string]any) {
			o["certificatedetails"] = map[string]any{"validuntil": time.Now().Add(5*day + time.Hour).UTC().Format(time.RFC3339)}
		}, month),
		"the certificate belongs to another private key": withCertificate(func(t *testing.T, o map[string]any) {
			now := time.Now()
			_, o["key"] = issue(t, now, now.Add(day))
		}, silent),
		"the chain of the certificate is broken": withCertificate(func(t *testing.T, o map[string]any) {
			now := time.Now()
			other, _ := issue(t, now.Add(-time.Hour), now.Add(day))
			o["certificate"] = fmt.Sprint(o["certificate"]) + other
		}, nil),
		"the certificate is cut off": withCertificate(func(_ *testing.T, o map[string]any) {
			o["certificate"] = strings.Replace(fmt.Sprint(o["certificate"]), "\nMII", "\nMIM", 1)
		}, silent),
		"the private key is encrypted, and there is no password": withCertificate(func(_ *testing.T, o map[string]any) {
			o["key"] = strings.ReplaceAll(fmt.Sprint(o["key"]), "PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
		}, silent),
		"the token URL of a key with a certificate is plain http": withCertificate(func(_ *testing.T, o map[string]any) {
			o["tokenurl"] = "http://localhost/oauth/token"
		}, silent),
		"the key with a certificate was deleted": withCertificate(nil, func(f *fake, _ *scene) {
			f.answer = says(401, "", `{"error":"invalid_client","error_description":"Bad credentials"}`)
		}),
		"the issuer publishes its keys for those with a certificate only": withCertificate(nil, func(f *fake, _ *scene) {
			f.keys = func(w http.ResponseWriter, r *http.Request) {
				if r.TLS == nil {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				f.publish(w)
			}
		}),
		"any certificate with the right name yields a token (--negative)": withCertificate(nil, func(f *fake, s *scene) { f.loose, s.o.Negative = true, true }),
		"503 to the wrong certificate (--negative)": withCertificate(nil, func(f *fake, s *scene) {
			s.o.Negative = true
			f.answer = func(n int, w http.ResponseWriter, r *http.Request) bool { return n > 1 && says(503, "", "")(n, w, r) }
		}),
		"the wrong certificate is refused in the handshake (--negative)": withCertificate(nil, wrong(&net.OpError{Op: "remote error", Err: errors.New("tls: unknown certificate authority")})),
		"the server hangs up on the wrong certificate (--negative)":      withCertificate(nil, wrong(io.EOF)),
		"the token server refuses the certificate in the handshake": withCertificate(nil, func(f *fake, _ *scene) {
			f.lost[tokenHost] = &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
		}),
	}
}
