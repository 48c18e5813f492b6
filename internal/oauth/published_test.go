package oauth_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
)

// publisher publishes keys over TLS and notes who asks: path, and the name in
// the certificate.
type publisher struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []string
	answer http.HandlerFunc
}

func publish(t testing.TB, ca authority, clients tls.ClientAuthType) *publisher {
	t.Helper()
	p := &publisher{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if shown := r.TLS.PeerCertificates; len(shown) > 0 {
			name = shown[0].Subject.CommonName
		}
		p.mu.Lock()
		p.seen = append(p.seen, r.URL.Path+" "+name)
		p.mu.Unlock()
		p.answer(w, r)
	}))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	key := newKey(t)
	c := create(t, &x509.Certificate{
		SerialNumber: big.NewInt(3), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, ca.certificate, key.Public(), ca.key)
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	p.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}}, ClientAuth: clients, ClientCAs: pool,
		MaxVersion: tls.VersionTLS12, // with 1.3 a refusal races the closing of the connection
	}
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// asked are those who asked since the last time.
func (p *publisher) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.seen
	p.seen = nil
	return seen
}

// pages answers with the pages of the paths; what is none is a status.
func pages(byPath map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, ok := byPath[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, page)
	}
}

func trustingVerifier(t testing.TB, ca authority) *oauth.Verifier {
	t.Helper()
	return oauth.NewVerifier(client(t, httpx.Options{CA: []byte(ca.PEM())}))
}

const configPath = "/.well-known/openid-configuration"

// signedFor is a good token of the server that names no place of its key.
func signedFor(t testing.TB, keys keyring, server, jku string) string {
	t.Helper()
	header := map[string]any{"kid": "k1"}
	if jku != "" {
		header["jku"] = jku
	}
	now := time.Now().Unix()
	return sign(t, jose.RS256, keys.rsa, header, map[string]any{"iss": server + "/oauth/token", "iat": now - 10, "exp": now + 3590})
}

// TestPublishedKeysOverMutualTLS: a server that insists on a certificate gets
// that of the credential for its OpenID configuration, for jwks_uri, for jku and
// for /token_keys.
func TestPublishedKeysOverMutualTLS(t *testing.T) {
	keys := newKeyring(t)
	set := jwks(public("k1", jose.RS256, keys.rsa))
	ca := newAuthority(t, "Client CA")
	s := publish(t, ca, tls.RequireAndVerifyClientCert)
	one := ca.certified(t, s.URL+"/oauth/token", "one", time.Hour)
	for name, c := range map[string]struct {
		pages map[string]string
		jku   string
		want  []string
	}{
		"jku":         {map[string]string{"/here": set}, s.URL + "/here", []string{"/here one"}},
		"jwks_uri":    {map[string]string{configPath: `{"jwks_uri":"` + s.URL + `/jwks"}`, "/jwks": set}, "", []string{configPath + " one", "/jwks one"}},
		"/token_keys": {map[string]string{"/token_keys": set}, "", []string{configPath + " one", "/token_keys one"}},
	} {
		s.answer = pages(c.pages)
		e := oauth.Evidence{Credential: one, Token: signedFor(t, keys, s.URL, c.jku), Now: time.Now()}
		v := trustingVerifier(t, ca)
		for range 2 {
			if _, err := v.Judge(t.Context(), e); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if diff := cmp.Diff(c.want, s.asked()); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", name, diff)
		}
		// Who has no certificate cannot find out, and does not spoil it for the others.
		v = trustingVerifier(t, ca)
		e.Credential = credential(s.URL + "/oauth/token")
		_, err := v.Judge(t.Context(), e)
		wantKind(t, err, oauth.KindTLS, "client certificate")
		e.Credential = one
		if _, err := v.Judge(t.Context(), e); err != nil {
			t.Errorf("%s, after one without a certificate: %v", name, err)
		}
		s.asked()
	}
}

// TestKeysAreSharedBetweenCertificates: what is published is the same for
// everybody and asked for once; who was denied the configuration is not
// everybody.
func TestKeysAreSharedBetweenCertificates(t *testing.T) {
	keys := newKeyring(t)
	ca := newAuthority(t, "Client CA")
	s := publish(t, ca, tls.VerifyClientCertIfGiven)
	at := s.URL + "/oauth/token"
	one, two, none := ca.certified(t, at, "one", time.Hour), ca.certified(t, at, "two", time.Hour), credential(at)
	token := signedFor(t, keys, s.URL, "")
	good := pages(map[string]string{configPath: `{"jwks_uri":"` + s.URL + `/jwks"}`, "/jwks": jwks(public("k1", jose.RS256, keys.rsa))})
	s.answer = good
	v := trustingVerifier(t, ca)
	for _, c := range []oauth.Credential{one, two, none, one} {
		if _, err := v.Judge(t.Context(), oauth.Evidence{Credential: c, Token: token, Now: time.Now()}); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{configPath + " one", "/jwks one"}, s.asked()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}

	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "No required SSL certificate was sent", http.StatusBadRequest)
			return
		}
		good(w, r)
	}
	v = trustingVerifier(t, ca)
	for range 2 {
		_, err := v.Judge(t.Context(), oauth.Evidence{Credential: none, Token: token, Now: time.Now()})
		wantKind(t, err, oauth.KindAnswer, "answered 400")
	}
	if diff := cmp.Diff([]string{configPath + " nobody", "/token_keys nobody", "/token_keys nobody"}, s.asked()); diff != "" {
		t.Errorf("asked without a certificate (-want +got):\n%s", diff)
	}
	if _, err := v.Judge(t.Context(), oauth.Evidence{Credential: one, Token: token, Now: time.Now()}); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
}

// TestKeysWithoutTheCertificate: keys are public, so a server that does not like
// the certificate is asked without it.
func TestKeysWithoutTheCertificate(t *testing.T) {
	keys := newKeyring(t)
	ca := newAuthority(t, "Client CA")
	s := publish(t, ca, tls.VerifyClientCertIfGiven)
	s.answer = pages(map[string]string{"/token_keys": jwks(public("k1", jose.RS256, keys.rsa))})
	at := s.URL + "/oauth/token"
	expired := ca.certified(t, at, "one", time.Hour)
	expired.ValidUntil = "2020-01-01T00:00:00.000Z"
	for name, c := range map[string]oauth.Credential{
		"of another authority": newAuthority(t, "Foreign CA").certified(t, at, "stranger", time.Hour),
		"expired":              expired,
	} {
		_, err := trustingVerifier(t, ca).Judge(t.Context(), oauth.Evidence{Credential: c, Token: signedFor(t, keys, s.URL, ""), Now: time.Now()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{configPath + " nobody", "/token_keys nobody"}, s.asked()); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", name, diff)
		}
	}
	// Where it is refused with and without, the refusal of the certificate is told.
	strict := publish(t, ca, tls.RequireAndVerifyClientCert)
	strict.answer = s.answer
	stranger := newAuthority(t, "Foreign CA").certified(t, strict.URL+"/oauth/token", "stranger", time.Hour)
	_, err := trustingVerifier(t, ca).Judge(t.Context(), oauth.Evidence{Credential: stranger, Token: signedFor(t, keys, strict.URL, ""), Now: time.Now()})
	wantKind(t, err, oauth.KindTLS, "the server wants another client certificate")
}

// TestCertificateGoesNowhereElse: a jku, a jwks_uri or a redirect to another host
// brings nobody the certificate; nobody is even asked.
func TestCertificateGoesNowhereElse(t *testing.T) {
	keys := newKeyring(t)
	set := jwks(public("k1", jose.RS256, keys.rsa))
	ca := newAuthority(t, "Client CA")
	s, other := publish(t, ca, tls.RequireAndVerifyClientCert), publish(t, ca, tls.RequestClientCert)
	other.answer = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, set) }
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	one := ca.certified(t, s.URL+"/oauth/token", "one", time.Hour)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		jku    string
	}{
		"jku":      {pages(nil), elsewhere + "/token_keys"},
		"jwks_uri": {pages(map[string]string{configPath: `{"jwks_uri":"` + elsewhere + `/jwks"}`}), ""},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere+"/x", http.StatusFound) }, ""},
	} {
		s.answer = c.answer
		_, err := trustingVerifier(t, ca).Judge(t.Context(), oauth.Evidence{Credential: one, Token: signedFor(t, keys, s.URL, c.jku), Now: time.Now()})
		if err == nil {
			t.Errorf("%s: the keys of another host were taken", name)
		}
		if asked := other.asked(); len(asked) > 0 {
			t.Errorf("%s: another host was asked: %q", name, asked)
		}
		if len(s.asked()) == 0 {
			t.Errorf("%s: the server was not asked", name)
		}
	}
}
