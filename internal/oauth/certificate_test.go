package oauth_test

import (
	"crypto"
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
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/certificate"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
)

// authority signs the certificates of servers and clients of the tests.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	return authority{create(t, template, template, key.Public(), key), key}
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func create(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (a authority) PEM() string { return certificatePEM(a.certificate) }

func certificatePEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// issue signs a certificate for a name, valid from an hour ago.
func (a authority) issue(t testing.TB, name string, life time.Duration) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	key := newKey(t)
	return create(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
	}, a.certificate, key.Public(), a.key), key
}

func keyPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// certified gives a credential with a certificate of the authority.
func (a authority) certified(t testing.TB, tokenURL, name string, life time.Duration) oauth.Credential {
	t.Helper()
	c, key := a.issue(t, name, life)
	return oauth.Credential{
		Name: "sender", TokenURL: tokenURL, ClientID: clientID,
		Certificate: certificatePEM(c) + a.PEM(), Key: secret.New("sender.key", keyPEM(t, key)),
	}
}

// tokenServer is a token endpoint with mutual TLS. It notes who came, and
// answers with the handler.
type tokenServer struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []string // the names in the certificates
	forms []url.Values
}

func (s *tokenServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.seen...)
}

func serveTokens(t testing.TB, ca authority, answer http.HandlerFunc) *tokenServer {
	t.Helper()
	s := &tokenServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		if r.Header.Get("Authorization") != "" {
			form.Set("Authorization", "was sent")
		}
		s.mu.Lock()
		s.seen = append(s.seen, r.TLS.PeerCertificates[0].Subject.CommonName)
		s.forms = append(s.forms, form)
		s.mu.Unlock()
		answer(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	c, key := ca.issue(t, "token server", time.Hour)
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
		MaxVersion: tls.VersionTLS12, // with 1.3 a refusal races the closing of the connection
	}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func trusting(t testing.TB, ca authority) *oauth.Source {
	t.Helper()
	return oauth.NewSource(client(t, httpx.Options{CA: []byte(ca.PEM())}), nil)
}

func named(w http.ResponseWriter, r *http.Request) {
	grant(w, "token-of-"+r.TLS.PeerCertificates[0].Subject.CommonName, 3599)
}

func TestMutualTLS(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	s := serveTokens(t, ca, named)
	c := ca.certified(t, s.URL+"/oauth/token", "one", time.Hour)
	c.AuthStyle = oauth.StyleHeader // does not apply
	c.ClientSecret = secret.New("sender.client-secret", clientSecret)
	c.Scope = "a.read"
	token, err := trusting(t, ca).Token(t.Context(), c)
	if err != nil || token.Value.Reveal() != "token-of-one" {
		t.Fatalf("%v, %v", token, err)
	}
	want := []url.Values{{"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {"a.read"}}}
	if diff := cmp.Diff(want, s.forms); diff != "" {
		t.Errorf("the server saw (-want +got):\n%s", diff)
	}
}

func TestTokensOfCertificates(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	s := serveTokens(t, ca, named)
	src := trusting(t, ca)
	one, two := ca.certified(t, s.URL, "one", time.Hour), ca.certified(t, s.URL, "two", time.Hour)
	for _, c := range []struct {
		credential oauth.Credential
		want       string
	}{{one, "token-of-one"}, {two, "token-of-two"}, {one, "token-of-one"}, {two, "token-of-two"}} {
		token, err := src.Token(t.Context(), c.credential)
		if err != nil || token.Value.Reveal() != c.want {
			t.Fatalf("%v, %v; want %s", token, err, c.want)
		}
	}
	if diff := cmp.Diff([]string{"one", "two"}, s.asked()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	s := serveTokens(t, ca, named)
	good := ca.certified(t, s.URL, "one", time.Hour)
	with := func(change func(*oauth.Credential)) oauth.Credential {
		c := good
		change(&c)
		return c
	}
	cases := []struct {
		name  string
		c     oauth.Credential
		kind  string
		words string
	}{
		{"expired", ca.certified(t, s.URL, "one", -time.Minute), oauth.KindCertificate, "the certificate expired on"},
		{"expired by the service key", with(func(c *oauth.Credential) { c.ValidUntil = "2020-01-01T00:00:00.000Z" }), oauth.KindCertificate, "expired on 2020-01-01"},
		{"another key", with(func(c *oauth.Credential) { c.Key = secret.New("k", keyPEM(t, newKey(t))) }), oauth.KindCertificate, "do not belong together"},
		{"no key", with(func(c *oauth.Credential) { c.Key = secret.Secret{} }), oauth.KindCertificate, "no private key"},
		{"no certificate", with(func(c *oauth.Credential) { c.Certificate = "" }), oauth.KindCertificate, "the certificate is empty"},
		{"garbled", with(func(c *oauth.Credential) { c.Certificate = "S3cr3t" }), oauth.KindCertificate, "not in PEM"},
		{"plain http", with(func(c *oauth.Credential) { c.TokenURL = strings.Replace(s.URL, "https:", "http:", 1) }), oauth.KindRequest, "no certificate can be shown"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			exchange, err := trusting(t, ca).Fetch(t.Context(), c.c, true)
			e := wantKind(t, err, c.kind, `credential "sender": `, c.words)
			if exchange != nil || e.Cure == "" || e.Refused() != (c.kind == oauth.KindCertificate) {
				t.Errorf("%v %+v", exchange, e)
			}
		})
	}
	if asked := s.asked(); len(asked) > 0 {
		t.Errorf("the server was asked by %q", asked)
	}
}

func TestCertificatesThatAreRefused(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	refusing := serveTokens(t, ca, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":"invalid_client","error_description":"Bad credentials"}`)
	})
	_, err := trusting(t, ca).Token(t.Context(), ca.certified(t, refusing.URL, "one", time.Hour))
	if e := wantKind(t, err, oauth.KindRefused, "refuses client ID or certificate", "Bad credentials"); !strings.Contains(e.Cure, "certificate") {
		t.Error(e.Cure)
	}
	// Signed by an authority that the server does not know.
	foreign := newAuthority(t, "Foreign CA").certified(t, refusing.URL, "stranger", time.Hour)
	_, err = trusting(t, ca).Token(t.Context(), foreign)
	if e := wantKind(t, err, oauth.KindCertificate, "client certificate"); !e.Refused() || !strings.Contains(e.Cure, "service key") {
		t.Errorf("%+v", e)
	}
	// The server is the one that is not trusted: nothing is known of the key.
	_, err = oauth.NewSource(client(t, httpx.Options{}), nil).Token(t.Context(), foreign)
	if e := wantKind(t, err, oauth.KindTLS, "not trusted"); e.Refused() {
		t.Error("a server that is not trusted has refused nothing")
	}
}

// TestCertificatesThatAPageRefuses: nginx lets the handshake pass and says in a
// page that it cannot verify the certificate. The page says nothing of a secret.
func TestCertificatesThatAPageRefuses(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	title := ""
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body></body></html>", title)
	}
	s := serveTokens(t, ca, answer)
	for page, kind := range map[string]string{
		"400 The SSL certificate error":            oauth.KindRefused,
		"400 No required SSL certificate was sent": oauth.KindRefused,
		"400 Bad Request":                          oauth.KindAnswer,
	} {
		title = page
		_, err := trusting(t, ca).Token(t.Context(), ca.certified(t, s.URL, "one", time.Hour))
		wantKind(t, err, kind, page)
		_, err = source(t, answer).Token(t.Context(), credential(memoryURL))
		wantKind(t, err, oauth.KindAnswer, page)
	}
}

// TestHungUp: a server that closes the connection without a word has said
// nothing; one that does not listen, or breaks off its answer, is another case.
func TestHungUp(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	begin := ""
	s := publish(t, ca, tls.RequireAndVerifyClientCert)
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		buffered.WriteString(begin)
		buffered.Flush()
	}
	ask := func(url string) *oauth.Error {
		_, err := trusting(t, ca).Token(t.Context(), ca.certified(t, url, "one", time.Hour))
		return wantKind(t, err, oauth.KindNetwork)
	}
	if e := ask(s.URL); !e.HungUp() || !strings.Contains(e.Cure, "some servers hang up on a certificate") {
		t.Errorf("%v: %s", e, e.Cure)
	}
	begin = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
	if e := ask(s.URL); e.HungUp() {
		t.Errorf("an answer that was cut off: %v", e)
	}
	s.Close()
	if e := ask(s.URL); e.HungUp() {
		t.Errorf("nobody listens: %v", e)
	}
}

func TestMutualTLSFollowsNoRedirect(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	s := serveTokens(t, ca, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	_, err := trusting(t, ca).Token(t.Context(), ca.certified(t, s.URL, "one", time.Hour))
	wantKind(t, err, oauth.KindPath, "redirects to")
	if len(s.asked()) != 1 {
		t.Errorf("asked %q", s.asked())
	}
}

func TestClientOfACredential(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	s := serveTokens(t, ca, named)
	src := trusting(t, ca)
	c, err := src.Client(ca.certified(t, s.URL, "one", time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: s.URL}); err != nil || !strings.Contains(got.Body, "token-of-one") {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := src.Client(ca.certified(t, s.URL, "one", -time.Minute)); err == nil {
		t.Error("a certificate that expired is presented")
	}
	plain := client(t, httpx.Options{})
	if got, err := oauth.NewSource(plain, nil).Client(credential(s.URL)); err != nil || got != plain {
		t.Errorf("without a certificate: %v, %v", got, err)
	}
}

func TestInspectOfACredential(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	c := ca.certified(t, "https://x.example", "one", 49*time.Hour)
	if r := c.Inspect(time.Now()); r.DaysLeft != 2 || r.Subject != "CN=one" || r.Unusable() != nil {
		t.Errorf("%+v", r)
	}
	if r := credential("https://x.example").Inspect(time.Now()); r.Subject != "" || len(r.Findings) > 0 {
		t.Errorf("without a certificate: %+v", r)
	}
}

func TestKeyOfACredentialIsNotPrinted(t *testing.T) {
	ca := newAuthority(t, "Client CA")
	c := ca.certified(t, "https://x.example", "one", time.Hour)
	lines := strings.Split(c.Key.Reveal(), "\n")
	text := fmt.Sprintf("%v %+v %#v", c, struct{ c oauth.Credential }{c}, c)
	if strings.Contains(text, lines[1]) {
		t.Error("the private key is printed")
	}
	c.Key = secret.New("sender.key", "-----BEGIN PRIVATE KEY-----\n"+lines[1]+"\n-----END PRIVATE KEY-----\n")
	_, err := trusting(t, ca).Token(t.Context(), c)
	if e, ok := errors.AsType[*oauth.Error](err); !ok || strings.Contains(fmt.Sprintf("%+v", e), lines[1]) {
		t.Errorf("the error holds the key: %v", err)
	}
}

// bound gives the thumbprint that a token for the credential is bound to.
func bound(t testing.TB, c oauth.Credential) string {
	t.Helper()
	block, _ := pem.Decode([]byte(c.Certificate))
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Thumbprint(parsed)
}
