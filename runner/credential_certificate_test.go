package runner

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	gocmp "github.com/google/go-cmp/cmp"

	"iflowtest/internal/certificate"
	"iflowtest/internal/diag"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// authority signs certificates for the servers and clients of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// pair is a certificate and its key in PEM.
type pair struct{ certificate, key string }

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Client CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{parsed, key}
}

func (a authority) issue(t *testing.T, name string, life time.Duration) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{pemText("CERTIFICATE", der) + pemText("CERTIFICATE", a.certificate.Raw), pemText("PRIVATE KEY", private)}
}

// mutual is a server with mutual TLS: a token endpoint at /oauth/token, its
// keys at /token_keys, and a flow anywhere else.
type mutual struct {
	*httptest.Server
	t     *testing.T
	ca    authority
	dir   string
	env   map[string]string
	keys  *rsa.PrivateKey
	bound string // what the tokens are bound to instead; empty: the certificate
}

func newMutual(t *testing.T) *mutual {
	t.Helper()
	m := &mutual{t: t, ca: newAuthority(t), dir: t.TempDir(), env: map[string]string{}}
	var err error
	if m.keys, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(m.serve))
	m.Config.ErrorLog = log.New(io.Discard, "", 0)
	own := m.ca.issue(t, "server", 100*24*time.Hour+time.Hour)
	certificates, err := tls.X509KeyPair([]byte(own.certificate), []byte(own.key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(m.ca.certificate)
	// TLS 1.2: with 1.3 a refusal races the closing of the connection.
	m.TLS = &tls.Config{Certificates: []tls.Certificate{certificates}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, MaxVersion: tls.VersionTLS12}
	m.StartTLS()
	t.Cleanup(m.Close)
	m.write("ca.pem", pemText("CERTIFICATE", m.ca.certificate.Raw))
	m.save("good", m.ca.issue(t, "good", 40*24*time.Hour+time.Hour))
	return m
}

// save writes NAME.pem and NAME.key.
func (m *mutual) save(name string, p pair) {
	m.t.Helper()
	m.write(name+".pem", p.certificate)
	m.write(name+".key", p.key)
}

func (m *mutual) write(name, text string) {
	(&rig{t: m.t, dir: m.dir}).write(name, text)
}

func (m *mutual) serve(w http.ResponseWriter, r *http.Request) {
	presented := "nobody"
	if len(r.TLS.PeerCertificates) > 0 {
		presented = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/oauth/token":
		_ = r.ParseForm()
		if presented == "nobody" || r.Form.Get("client_id") != "sb-x!b1|it-rt-acme!b2" || r.Form.Has("client_secret") {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":"invalid_client","error_description":"Bad credentials"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":3599}`, m.token(certificate.Thumbprint(r.TLS.PeerCertificates[0])))
	case "/token_keys":
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: m.keys.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	case "/.well-known/openid-configuration":
		http.NotFound(w, r)
	default:
		if r.Header.Get("X-Csrf-Token") == "Fetch" {
			w.Header().Set("X-Csrf-Token", "token-of-"+presented)
		}
		fmt.Fprintf(w, `{"presented":%q,"bearer":%t,"csrf":%q}`, presented, strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey"), r.Header.Get("X-Csrf-Token"))
	}
}

func (m *mutual) token(thumbprint string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: m.keys}, (&jose.SignerOptions{}).WithHeader("kid", "k1").WithHeader("jku", m.URL+"/token_keys"))
	if err != nil {
		m.t.Error(err)
		return ""
	}
	if m.bound != "" {
		thumbprint = m.bound
	}
	claims, _ := json.Marshal(map[string]any{
		"iss": m.URL + "/oauth/token", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "cnf": map[string]string{"x5t#S256": thumbprint},
	})
	signed, err := signer.Sign(claims)
	if err != nil {
		m.t.Error(err)
		return ""
	}
	compact, _ := signed.CompactSerialize()
	return compact
}

// compile compiles steps with credentials, each in the notation of YAML's flow.
func (m *mutual) compile(credentials, steps string) (*Plan, diag.List) {
	m.t.Helper()
	r := strings.NewReplacer("TOKEN", m.URL+"/oauth/token", "HOST", m.URL)
	m.write("scenario.yaml", r.Replace("name: Certificates\ncredentials:\n"+credentials+"steps:\n"+steps))
	m.write("environments/test.yaml", r.Replace("target:\n  runtime: HOST\n  tls: {ca: ../ca.pem}\n"))
	suite, env, diags, err := scenarios.Load([]string{filepath.Join(m.dir, "scenario.yaml")}, scenarios.LoadOptions{Root: m.dir, WorkingFolder: m.dir, Environment: "test"})
	if err != nil || diags.HasErrors() {
		m.t.Fatal(err, diags)
	}
	redactor := secret.NewRedactor()
	plan, diags, err := Compile(suite, env, Options{
		Redactor: redactor,
		Env:      func(name string) (string, bool) { v, ok := m.env[name]; return v, ok },
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if plan != nil {
		m.t.Cleanup(func() { _ = plan.Close() })
	}
	return plan, diags
}

func (m *mutual) mistakes(credentials, steps string) []string {
	m.t.Helper()
	_, diags := m.compile(credentials, steps)
	var out []string
	for _, d := range diags.Sorted() {
		severity := "error"
		if d.Severity == diag.Warning {
			severity = "warning"
		}
		out = append(out, fmt.Sprintf("%s %d:%d: %s", severity, d.Pos.Line, d.Pos.Column, d.Message))
	}
	return out
}

// run gives the ends of the steps, all events as JSON, and the exit status.
func (m *mutual) run(credentials, steps string) (ends []string, events string, status int) {
	m.t.Helper()
	plan, diags := m.compile(credentials, steps)
	if diags.HasErrors() {
		m.t.Fatal(diags)
	}
	var all strings.Builder
	summary, err := plan.Run(m.t.Context(), func(batch []*Event) {
		for _, e := range batch {
			raw, _ := json.Marshal(e)
			all.Write(raw)
			if e.Event != StepEnd {
				continue
			}
			line := fmt.Sprintf("%s %s", e.Outcome, e.Step)
			switch {
			case e.Err != nil:
				line += ": " + e.Err.Type + ": " + e.Err.Message
			case len(e.Failures) > 0:
				line += ": " + e.Failures[0].Message
			}
			ends = append(ends, line)
		}
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return ends, all.String(), summary.ExitStatus
}

const goodCertificate = `  own: {token-url: TOKEN, client-id: "sb-x!b1|it-rt-acme!b2", certificate: good.pem, key: good.key}
`

func TestCallsWithACertificate(t *testing.T) {
	m := newMutual(t)
	ends, events, status := m.run(goodCertificate, `
- name: token
  token: {credential: own}
  expect:
    signature: valid
    certificate: {days-left: {gte: 40, lt: 41}, subject: CN=good, issuer: {contains: Client CA}, version: "3"}
- name: bearer
  call: {GET: /http/x, credential: own}
  expect:
    json: {presented: nobody, bearer: true}
    tls: {days-left: 100, subject: CN=server, issuer: CN=Client CA, version: "1.2"}
- name: certificate
  call: {GET: /http/x, credential: own, auth: certificate}
  expect: {json: {presented: good, bearer: false}}
- name: csrf
  call: {POST: /http/x, credential: own, auth: certificate, csrf: true}
  expect: {json: {presented: good, csrf: token-of-good}}
- name: a wrong secret instead is refused
  token: {credential: own, client-secret: wrong}
  expect: {status: 401}
`)
	want := []string{"pass token", "pass bearer", "pass certificate", "pass csrf", "pass a wrong secret instead is refused"}
	if diff := gocmp.Diff(want, ends); diff != "" || status != ExitOK {
		t.Errorf("status %d (-want +got):\n%s", status, diff)
	}
	m.leaks(events)
}

// leaks looks for the private keys of the files in what was emitted.
func (m *mutual) leaks(events string) {
	m.t.Helper()
	for _, line := range regexp.MustCompile(`MIG[A-Za-z0-9+/]{40}`).FindAllString(events, -1) {
		m.t.Errorf("a private key was emitted: %s…", line[:8])
	}
}

func TestCertificateThatDoesNotHold(t *testing.T) {
	m := newMutual(t)
	m.save("over", m.ca.issue(t, "over", -time.Minute))
	m.save("short", m.ca.issue(t, "short", 5*24*time.Hour+time.Hour))
	foreign := newAuthority(t)
	m.save("foreign", foreign.issue(t, "foreign", time.Hour))
	use := func(name string) string {
		return fmt.Sprintf("  own: {token-url: TOKEN, client-id: \"sb-x!b1|it-rt-acme!b2\", certificate: %s.pem, key: %s.key}\n", name, name)
	}
	tests := []struct{ name, file, step, want string }{
		{"expired", "over", "token: {credential: own}", `error s: credential: credential "own": the certificate expired on `},
		{"expired, at the runtime", "over", "call: {GET: /http/x, credential: own, auth: certificate}", `error s: credential: credential "own": the certificate expired on `},
		{"days left", "short", "token: {credential: own}\n  expect: {certificate: {days-left: {gte: 30}}}", "fail s: certificate days-left: want at least 30, got 5"},
		{"refused by the token server", "foreign", "token: {credential: own}", `error s: credential: credential "own": POST `},
		{"refused by the runtime", "foreign", "call: {GET: /http/x, credential: own, auth: certificate}", "error s: credential: GET "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ends, events, status := m.run(use(tt.file), "- name: s\n  "+tt.step+"\n")
			if len(ends) != 1 || !strings.HasPrefix(ends[0], tt.want) || status != ExitCredential {
				t.Errorf("status %d: %q, want %q", status, ends, tt.want)
			}
			m.leaks(events)
		})
	}
}

// A certificate is shown only where a token would be, also when the URL is not
// known before the run.
func TestCertificateStaysAtItsOrigins(t *testing.T) {
	m := newMutual(t)
	for url, want := range map[string]string{
		"https://127.0.0.1:1/x":                      `error s: credential: the credential "own" is not sent to https://127.0.0.1:1, which is not one of its origins`,
		strings.Replace(m.URL, "https:", "http:", 1): `is plain http, where no certificate can be shown`,
	} {
		m.env["URL"] = url
		ends, _, status := m.run(goodCertificate, `
- set: {url: "${env.URL}"}
- name: s
  call: {GET: "${url}", credential: own, auth: certificate}
`)
		if len(ends) != 2 || !strings.Contains(ends[1], want) || status == ExitOK {
			t.Errorf("status %d: %q, want %q", status, ends, want)
		}
	}
}

func TestTokenBoundToAnotherCertificate(t *testing.T) {
	m := newMutual(t)
	m.bound = "another"
	ends, _, status := m.run(goodCertificate, "- name: s\n  token: {credential: own}\n  expect: {signature: valid}\n")
	if len(ends) != 1 || !strings.Contains(ends[0], "bound to another certificate") || status != ExitCredential {
		t.Errorf("status %d: %q", status, ends)
	}
}

func TestServiceKeysWithCertificates(t *testing.T) {
	m := newMutual(t)
	p := m.ca.issue(t, "generated", 40*24*time.Hour)
	document := func(withKey bool) string {
		fields := map[string]any{"clientid": "sb-x!b1|it-rt-acme!b2", "certificate": p.certificate, "tokenurl": m.URL + "/oauth/token", "url": m.URL}
		if withKey {
			fields["key"] = p.key
			fields["certificatedetails"] = map[string]any{"validuntil": time.Now().AddDate(0, 0, 10).UTC().Format(time.RFC3339)}
		}
		raw, _ := json.Marshal(map[string]any{"oauth": fields})
		return string(raw)
	}
	m.write("generated.json", document(true))
	m.write("external.json", document(false))
	m.save("generated", p)
	m.env["KEY_PEM"] = strings.ReplaceAll(p.key, "\n", `\n`)
	for _, c := range []struct {
		name, credential string
		days             string
	}{
		{"generated", "{service-key: generated.json}", "9"},
		{"external", "{service-key: external.json, key: generated.key}", "39"},
		{"key from a variable", `{service-key: external.json, key: "${env.KEY_PEM}"}`, "39"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ends, events, status := m.run("  own: "+c.credential+"\n", `
- name: token
  token: {credential: own}
  expect: {signature: valid, certificate: {days-left: `+c.days+`, subject: CN=generated}}
- name: call
  call: {GET: /http/x, credential: own, auth: certificate}
  expect: {json: {presented: generated}}
`)
			if diff := gocmp.Diff([]string{"pass token", "pass call"}, ends); diff != "" || status != ExitOK {
				t.Errorf("status %d (-want +got):\n%s", status, diff)
			}
			m.leaks(events)
		})
	}
}

func TestCertificateMistakes(t *testing.T) {
	m := newMutual(t)
	m.save("other", m.ca.issue(t, "other", time.Hour))
	p := m.ca.issue(t, "disordered", time.Hour)
	parts := strings.SplitAfter(p.certificate, "-----END CERTIFICATE-----\n")
	m.save("disordered", pair{parts[1] + parts[0], p.key})
	external, _ := json.Marshal(map[string]any{"clientid": "sb-x!b1|it-rt-acme!b2", "certificate": p.certificate, "tokenurl": m.URL + "/oauth/token", "url": m.URL})
	m.write("external.json", string(external))
	m.write("empty.pem", "\n")
	m.env["WRONG"] = "wrong-password"
	const step = "- call: {GET: /http/x, credential: own}\n"
	const parts0 = `  own: {token-url: TOKEN, client-id: x, `
	long := len(fmt.Sprintf("  own: {token-url: %s/oauth/token, client-id: x, certificate: ", m.URL))
	tests := []struct{ name, credential, step, want string }{
		{"mismatch", parts0 + "certificate: good.pem, key: other.key}\n", step, `error 3:` + fmt.Sprint(long+len("good.pem, key: ")+1) + `: credential "own": certificate and private key do not belong together`},
		{"swapped", parts0 + "certificate: good.key, key: good.key}\n", step, `: credential "own": where the certificate should be there is a private key`},
		{"empty file", parts0 + "certificate: empty.pem, key: good.key}\n", step, `: credential "own": the certificate is empty`},
		{"no such file", parts0 + "certificate: none.pem, key: good.key}\n", step, `cannot read "none.pem": there is no such file`},
		{"order", parts0 + "certificate: disordered.pem, key: disordered.key}\n", step, `warning 3:` + fmt.Sprint(long+1) + `: credential "own": the chain is out of order`},
		{"password of nothing", parts0 + "certificate: good.pem, key: good.key, key-password: \"${env.WRONG}\"}\n", step, `warning 3:`},
		{"plain http", "  own: {token-url: http://127.0.0.1:1/oauth/token, client-id: x, certificate: good.pem, key: good.key}\n", step, `is plain http, where no certificate can be shown`},
		{"external without a key", "  own: {service-key: external.json}\n", step, `credential "own" has a certificate and no private key`},
		{"auth: certificate of a secret", parts0 + "client-secret: S3cr3t-S3cr3t}\n", "- call: {GET: /http/x, credential: own, auth: certificate}\n", `auth: certificate, and the credential "own" has none`},
		{"auth: basic of a certificate", goodCertificate, "- call: {GET: /http/x, credential: own, auth: basic}\n", `auth: basic, and the credential "own" has a certificate instead of a client secret`},
		{"override", goodCertificate, "- token: {credential: own, key: other.key}\n", `do not belong together`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := m.mistakes(tt.credential, tt.step)
			found := false
			for _, line := range got {
				found = found || strings.Contains(line, tt.want)
				if strings.Contains(line, m.env["WRONG"]) {
					t.Errorf("the password is shown: %s", line)
				}
			}
			if !found {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEncryptedKey(t *testing.T) {
	m := newMutual(t)
	fixture := filepath.Join("..", "internal", "certificate", "testdata")
	at, err := filepath.Abs(fixture)
	if err != nil {
		t.Fatal(err)
	}
	m.env["PASSWORD"], m.env["WRONG"] = "correct-horse", "wrong-horse"
	credential := func(password string) string {
		return fmt.Sprintf("  own: {token-url: TOKEN, client-id: x, certificate: %s/rsa-cert.pem, key: %s/pbes2-aes256-sha256.pem%s}\n", at, at, password)
	}
	const step = "- call: {GET: /http/x, credential: own, auth: certificate}\n"
	if got := m.mistakes(credential(`, key-password: "${env.PASSWORD}"`), step); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	for password, want := range map[string]string{"": "encrypted, and no password is given", `, key-password: "${env.WRONG}"`: "the password does not open the private key"} {
		if got := m.mistakes(credential(password), step); len(got) != 1 || !strings.Contains(got[0], want) || strings.Contains(got[0], "horse") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
