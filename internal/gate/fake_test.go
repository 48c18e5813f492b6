package gate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The invented tenant that the tests of this package talk to.
const (
	tokenHost   = "acme.authentication.eu10.hana.ondemand.com"
	runtimeHost = "acme.it-cpi018-rt.cfapps.eu10-003.hana.ondemand.com"
	flowClient  = "sb-11111111-2222-3333-4444-555555555555!b455374|it-rt-acme!b26655"
	apiClient   = "sb-66666666-2222-3333-4444-555555555555!b455375|it!b11463"
	clientKey   = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee$kSr9_-AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQrrS="
	messageText = "An internal server error occured: The MPL ID for the failed message is : AGpyvUXKUZJ-xCKXdYXps-l8FDTq"
)

// fake is a token server and a runtime, in memory: it answers what the sandbox
// never does.
type fake struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	mu  sync.Mutex
	// asked counts the token requests, granted the tokens.
	asked, granted int

	// answer replaces the answer of the token endpoint; false: it did not.
	answer func(n int, w http.ResponseWriter, r *http.Request) bool
	// change changes the claims, forge makes the token.
	change func(claims map[string]any)
	header map[jose.HeaderKey]any
	forge  func(claims map[string]any) string
	// keys replaces the answer of /token_keys.
	keys http.HandlerFunc
	// runtime answers for the runtime; n counts its requests from 1.
	runtime func(n int, authorized bool, w http.ResponseWriter, r *http.Request)
	called  int
	// lost is the error of a host.
	lost map[string]error
	// right is the first certificate that was presented: no other one is it.
	right *x509.Certificate
	// handshake is the error of showing a certificate; nil: none.
	handshake func(shown *x509.Certificate) error
	// loose grants tokens for any secret.
	loose bool
}

func newFake(t *testing.T) *fake {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fake{t: t, key: key, lost: map[string]error{}}
}

// RoundTrip implements http.RoundTripper.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) { return f.serve(r, nil) }

// serve answers a client that shows a certificate; nil: it has none.
func (f *fake) serve(r *http.Request, shown *x509.Certificate) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	host := r.URL.Hostname()
	f.mu.Lock()
	err := f.lost[host]
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if shown != nil {
		in.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{shown}}
		if f.handshake != nil {
			if err := f.handshake(shown); err != nil {
				return nil, err
			}
		}
	}
	w := httptest.NewRecorder()
	switch {
	case host == tokenHost || host == "localhost":
		f.tokenServer(w, in)
	case host == runtimeHost:
		f.serveRuntime(w, in)
	default:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	response := w.Result()
	if response.Header.Get("Date") == "" {
		response.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	response.Request = r
	return response, nil
}

// WithCertificate implements httpx.Certified.
func (f *fake) WithCertificate(c *tls.Certificate) http.RoundTripper {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.right == nil {
		f.right = c.Leaf
	}
	return certified{f, c.Leaf}
}

// certified is the fake for a client that shows a certificate.
type certified struct {
	*fake
	leaf *x509.Certificate
}

// RoundTrip implements http.RoundTripper.
func (c certified) RoundTrip(r *http.Request) (*http.Response, error) { return c.serve(r, c.leaf) }

// knows reports whether the client signs in with what it should.
func (f *fake) knows(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.TLS == nil {
		return r.PostForm.Get("client_secret") == clientKey
	}
	return !r.PostForm.Has("client_secret") && f.right.Equal(r.TLS.PeerCertificates[0])
}

func (f *fake) tokenServer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/oauth/token":
		f.mu.Lock()
		f.asked++
		n := f.asked
		f.mu.Unlock()
		if f.answer == nil || !f.answer(n, w, r) {
			f.grant(w, r)
		}
	case "/token_keys":
		if f.keys != nil {
			f.keys(w, r)
			return
		}
		f.publish(w)
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) publish(w http.ResponseWriter) {
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &f.key.PublicKey, KeyID: "key-1", Algorithm: "ES256", Use: "sig"}}})
}

func (f *fake) grant(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	id := r.PostForm.Get("client_id")
	if !f.loose && !f.knows(r) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client","error_description":"Bad credentials"}`)
		return
	}
	f.mu.Lock()
	f.granted++
	f.mu.Unlock()
	now := time.Now()
	claims := map[string]any{
		"iss": "https://" + tokenHost + "/oauth/token", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"zid": "10203040-5060-7080-90a0-b0c0d0e0f000", "ext_attr": map[string]any{"zdn": "acme", "enhancer": "XSUAA"},
		"aud": []string{"uaa", "it-rt-acme!b26655"}, "client_id": id, "grant_type": "client_credentials",
		"scope": []string{"uaa.resource", "it-rt-acme!b26655.ESBMessaging.send"},
	}
	if id == apiClient {
		claims["scope"] = []string{"uaa.resource", "it!b11463.MonitoringDataRead"}
	}
	if f.change != nil {
		f.change(claims)
	}
	token := ""
	if f.forge != nil {
		token = f.forge(claims)
	} else {
		token = f.sign(f.key, "key-1", claims)
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	body := map[string]any{"access_token": token, "token_type": "bearer", "jti": "x"}
	if exp, ok := claims["exp"].(int64); ok {
		body["expires_in"] = exp - claims["iat"].(int64) - 1
	}
	_ = json.NewEncoder(w).Encode(body)
}

func (f *fake) sign(key *ecdsa.PrivateKey, id string, claims map[string]any) string {
	return f.signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, claims)
}

func (f *fake) signWith(key jose.SigningKey, claims map[string]any) string {
	signer, err := jose.NewSigner(key, &jose.SignerOptions{ExtraHeaders: f.header})
	if err != nil {
		f.t.Error(err)
		return ""
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		f.t.Error(err)
		return ""
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		f.t.Error(err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		f.t.Error(err)
	}
	return text
}

// unsigned is a token with alg none.
func unsigned(claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + e.EncodeToString(payload) + "."
}

// hmacSigned is a token that is signed with the published key as a secret.
func (f *fake) hmacSigned(claims map[string]any) string {
	der, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	if err != nil {
		f.t.Error(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return f.signWith(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: "key-1"}}, claims)
}

func (f *fake) serveRuntime(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.Header.Get("X-Csrf-Token") != "Fetch" {
		if r.URL.Path == "/oauth/token" { // who takes url for tokenurl
			http.Error(w, "<html><title>Error 401 Unauthorized</title></html>", http.StatusUnauthorized)
			return
		}
		f.t.Errorf("%s %s with X-CSRF-Token %q; want GET and Fetch", r.Method, r.URL, r.Header.Get("X-Csrf-Token"))
	}
	authorization := r.Header.Get("Authorization")
	if authorization != "" && !strings.HasPrefix(authorization, "Bearer ey") {
		f.t.Errorf("the probe signs in with %.10q", authorization)
	}
	f.mu.Lock()
	f.called++
	n := f.called
	f.mu.Unlock()
	f.runtime(n, authorization != "", w, r)
}

func refusedConnection() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// serviceKey is the document of a key of the invented tenant.
func serviceKey(change func(oauth map[string]any)) []byte {
	oauth := map[string]any{
		"clientid": flowClient, "clientsecret": clientKey, "createdate": "2025-07-02T00:17:31.919Z",
		"tokenurl": "https://" + tokenHost + "/oauth/token", "url": "https://" + runtimeHost,
	}
	if change != nil {
		change(oauth)
	}
	text, _ := json.Marshal(map[string]any{"oauth": oauth})
	return text
}
