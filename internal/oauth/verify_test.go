package oauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
)

// issuer publishes keys in memory, by URL, and counts who asks.
type issuer struct {
	mu    sync.Mutex
	pages map[string]string // URL → body; "503" and the like: that status
	asked []string
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := r.URL.Scheme + "://" + r.URL.Host + r.URL.Path
	i.asked = append(i.asked, at)
	page, ok := i.pages[at]
	var status int
	switch {
	case !ok:
		http.NotFound(w, r)
	case len(page) == 3:
		fmt.Sscan(page, &status)
		w.WriteHeader(status)
	default:
		fmt.Fprint(w, page)
	}
}

func (i *issuer) set(at, page string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pages[at] = page
}

func (i *issuer) count(at string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	for _, a := range i.asked {
		if a == at {
			n++
		}
	}
	return n
}

func jwks(keys ...jose.JSONWebKey) string {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func public(id string, alg jose.SignatureAlgorithm, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: string(alg), Use: "sig"}
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, header, claims map[string]any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	for name, value := range header {
		o.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

const (
	tokenHost  = "https://acme.authentication.eu10.example"
	tokenURL   = tokenHost + "/oauth/token"
	keysURL    = tokenHost + "/token_keys"
	configURL  = tokenHost + "/.well-known/openid-configuration"
	parentKeys = "https://authentication.eu10.example/token_keys"
)

type keyring struct {
	rsa, other *rsa.PrivateKey
	ec         map[jose.SignatureAlgorithm]*ecdsa.PrivateKey
}

func newKeyring(t testing.TB) keyring {
	t.Helper()
	k := keyring{ec: make(map[jose.SignatureAlgorithm]*ecdsa.PrivateKey)}
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if k.other, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()} {
		if k.ec[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// claims are good at the time now of the tests.
func claims(change map[string]any) map[string]any {
	c := map[string]any{"iss": tokenHost + "/oauth/token", "iat": testNow().Unix() - 10, "exp": testNow().Unix() + 3590}
	for name, value := range change {
		if value == nil {
			delete(c, name)
			continue
		}
		c[name] = value
	}
	return c
}

func testNow() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func verifier(t testing.TB, i *issuer) *oauth.Verifier {
	return oauth.NewVerifier(client(t, httpx.Options{Transport: inMemory{i.serve}}))
}

// verify judges a token by the clock of this machine.
func verify(ctx context.Context, v *oauth.Verifier, tokenURL, token string, now time.Time) error {
	_, err := v.Judge(ctx, oauth.Evidence{Credential: oauth.Credential{TokenURL: tokenURL}, Token: token, Now: now})
	return err
}

type verifyCase struct {
	name  string
	pages map[string]string // what the issuer publishes
	url   string            // of the token; empty: tokenURL
	token string
	want  string   // in the reason; empty: it holds
	kind  string   // of an *Error instead of an *Invalid
	asked []string // nil: not looked at
}

func TestVerify(t *testing.T) {
	keys := newKeyring(t)
	own := jwks(public("k1", jose.RS256, keys.rsa))
	der, err := x509.MarshalPKIXPublicKey(keys.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	onlyPEM := `{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"k1","value":` + string(text) + `}]}`
	good := sign(t, jose.RS256, keys.rsa, map[string]any{"kid": "k1", "jku": keysURL}, claims(nil))
	with := func(header, change map[string]any) string {
		return sign(t, jose.RS256, keys.rsa, header, claims(change))
	}
	kid := map[string]any{"kid": "k1"}
	parts := strings.Split(good, ".")

	cases := []verifyCase{
		{"jku", map[string]string{keysURL: own}, "", good, "", "", []string{keysURL}},
		{"jku of the parent", map[string]string{parentKeys: own}, "", with(map[string]any{"kid": "k1", "jku": parentKeys}, nil), "", "", []string{parentKeys}},
		{"jku without cert", map[string]string{keysURL: own}, "https://acme.authentication.cert.eu10.example/oauth/token", good, "", "", []string{keysURL}},
		{"no jku", map[string]string{keysURL: own}, "", with(kid, nil), "", "", []string{configURL, keysURL}},
		{"openid-configuration", map[string]string{configURL: `{"jwks_uri":"` + tokenHost + `/keys"}`, tokenHost + "/keys": own}, "", with(kid, nil), "", "", []string{configURL, tokenHost + "/keys"}},
		{"openid-configuration of another host", map[string]string{configURL: `{"jwks_uri":"https://evil.example/keys"}`, keysURL: own}, "", with(kid, nil), "", "", []string{configURL, keysURL}},
		{"jku with a user", map[string]string{keysURL: own}, "", with(map[string]any{"kid": "k1", "jku": "https://me@acme.authentication.eu10.example/token_keys"}, nil), "", "", []string{configURL, keysURL}},
		{"no kid", map[string]string{keysURL: jwks(public("a", jose.RS256, keys.other), public("b", jose.RS256, keys.rsa))}, "", with(nil, nil), "", "", nil},
		{"PEM only", map[string]string{keysURL: onlyPEM}, "", with(kid, nil), "", "", nil},
		{"single key", map[string]string{keysURL: strings.TrimSuffix(strings.TrimPrefix(own, `{"keys":[`), "]}")}, "", with(kid, nil), "", "", nil},
		{"key without alg", map[string]string{keysURL: jwks(public("k1", "", keys.rsa))}, "", with(kid, nil), "", "", nil},

		{"foreign jku", map[string]string{"https://evil.example/token_keys": jwks(public("evil", jose.RS256, keys.other)), keysURL: own}, "",
			sign(t, jose.RS256, keys.other, map[string]any{"kid": "evil", "jku": "https://evil.example/token_keys"}, claims(nil)),
			`"https://evil.example/token_keys" is not on the host of the token URL`, "", []string{configURL, keysURL}},
		{"jku that begins like the host", map[string]string{keysURL: own}, "", sign(t, jose.RS256, keys.other, map[string]any{"kid": "evil", "jku": tokenHost + ".evil.example/k"}, claims(nil)), "not on the host", "", nil},
		{"jku with the host as its user", map[string]string{keysURL: own}, "", sign(t, jose.RS256, keys.other, map[string]any{"kid": "evil", "jku": tokenHost + "@evil.example/k"}, claims(nil)), "not on the host", "", nil},
		{"jku in plain http", map[string]string{keysURL: own}, "", with(map[string]any{"kid": "k2", "jku": "http://acme.authentication.eu10.example/token_keys"}, nil), "not on the host", "", nil},
		{"parent of a parent", map[string]string{keysURL: own}, "", with(map[string]any{"kid": "k2", "jku": "https://eu10.example/token_keys"}, nil), "not on the host", "", nil},
		{"foreign issuer", map[string]string{keysURL: own}, "", sign(t, jose.RS256, keys.other, map[string]any{"kid": "x"}, claims(map[string]any{"iss": "https://evil.example/oauth/token"})), `issued by "https://evil.example/oauth/token", but it came from "acme.authentication.eu10.example"`, "", nil},
		{"forged", map[string]string{keysURL: own}, "", sign(t, jose.RS256, keys.other, kid, claims(nil)), `does not match the key "k1"`, "", nil},
		{"changed", map[string]string{keysURL: own}, "", parts[0] + "." + strings.Split(with(kid, map[string]any{"scope": "more"}), ".")[1] + "." + parts[2], "forged or was changed", "", nil},
		{"no signature", map[string]string{keysURL: own}, "", parts[0] + "." + parts[1] + ".", "forged or was changed", "", nil},
		{"no kid, no match", map[string]string{keysURL: own}, "", sign(t, jose.RS256, keys.other, nil, claims(nil)), "does not match any key at " + keysURL, "", nil},
		{"unknown kid", map[string]string{keysURL: own}, "", with(map[string]any{"kid": "k9"}, nil), `the key "k9" is not among those at ` + keysURL, "", nil},
		{"other algorithm of the key", map[string]string{keysURL: own}, "", sign(t, jose.PS256, keys.rsa, kid, claims(nil)), "signed with PS256", "", nil},
		{"none", map[string]string{keysURL: own}, "", raw(`{"alg":"none","kid":"k1"}`, `{"exp":99999999999}`, ""), `"none"`, "", []string{}},
		{"None", map[string]string{keysURL: own}, "", raw(`{"alg":"NoNe","kid":"k1"}`, `{"exp":99999999999}`, ""), `"none"`, "", []string{}},
		{"HS256 with the public key", map[string]string{keysURL: own}, "", sign(t, jose.HS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), kid, claims(nil)), `"HS256" is refused: it signs with a shared secret`, "", []string{}},
		{"EdDSA", map[string]string{keysURL: own}, "", raw(`{"alg":"EdDSA"}`, `{}`, ""), `"EdDSA" is refused`, "", []string{}},
		{"no alg", map[string]string{keysURL: own}, "", raw(`{}`, `{}`, ""), "names no algorithm", "", []string{}},
		{"unknown crit", map[string]string{keysURL: own}, "", with(map[string]any{"kid": "k1", "crit": []string{"x"}, "x": 1}, nil), "forged or was changed", "", nil},
		{"not a JWT", map[string]string{keysURL: own}, "", "opaque", "not a JWT", "", []string{}},

		{"expired", map[string]string{keysURL: own}, "", with(kid, map[string]any{"exp": testNow().Unix() - 90}), "expired 1m30s ago", "", nil},
		{"expired now", map[string]string{keysURL: own}, "", with(kid, map[string]any{"exp": testNow().Unix()}), "expired 0s ago", "", nil},
		{"no exp", map[string]string{keysURL: own}, "", with(kid, map[string]any{"exp": nil}), "no exp", "", nil},
		{"nbf ahead", map[string]string{keysURL: own}, "", with(kid, map[string]any{"nbf": testNow().Unix() + 120}), "valid only in 2m0s", "", nil},
		{"iat ahead", map[string]string{keysURL: own}, "", with(kid, map[string]any{"iat": testNow().Unix() + 120}), "issued 2m0s in the future", "", nil},
		{"small skew", map[string]string{keysURL: own}, "", with(kid, map[string]any{"iat": testNow().Unix() + 30, "nbf": testNow().Unix() + 30}), "", "", nil},

		{"keys unavailable", map[string]string{keysURL: "503"}, "", with(kid, nil), "503", "server", nil},
		{"keys busy", map[string]string{keysURL: "429"}, "", with(kid, nil), "429", "busy", nil},
		{"keys missing", nil, "", with(kid, nil), "404", "answer", nil},
		{"keys are a page", map[string]string{keysURL: "<html>"}, "", with(kid, nil), "not a JSON Web Key Set", "answer", nil},
		{"keys are symmetric", map[string]string{keysURL: `{"keys":[{"kty":"oct","k":"AAAA","kid":"k1"}]}`}, "", with(kid, nil), "no public key", "answer", nil},
		{"jku down, key elsewhere", map[string]string{parentKeys: "503", keysURL: own}, "", with(map[string]any{"kid": "k1", "jku": parentKeys}, nil), "", "", nil},
		{"jku down, key nowhere", map[string]string{parentKeys: "503", keysURL: own}, "", with(map[string]any{"kid": "k7", "jku": parentKeys}, nil), "503", "server", nil},
		{"keys unavailable, but expired anyway", map[string]string{keysURL: "503"}, "", with(kid, map[string]any{"exp": testNow().Unix() - 90}), "expired 1m30s ago", "", nil},
	}
	for alg, key := range keys.ec {
		pages := map[string]string{keysURL: jwks(public("k1", alg, key))}
		token := sign(t, alg, key, kid, claims(nil))
		cases = append(cases, verifyCase{string(alg), pages, "", token, "", "", nil})
	}
	for _, alg := range []jose.SignatureAlgorithm{jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		cases = append(cases, verifyCase{string(alg), map[string]string{keysURL: jwks(public("k1", alg, keys.rsa))}, "", sign(t, alg, keys.rsa, kid, claims(nil)), "", "", nil})
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			i := &issuer{pages: tc.pages}
			at := tc.url
			if at == "" {
				at = tokenURL
			}
			err := verify(t.Context(), verifier(t, i), at, tc.token, testNow())
			for _, asked := range i.asked {
				if strings.Contains(asked, "evil") {
					t.Errorf("%s was asked", asked)
				}
			}
			if tc.asked != nil && fmt.Sprint(i.asked) != fmt.Sprint(tc.asked) {
				t.Errorf("asked %q, want %q", i.asked, tc.asked)
			}
			if tc.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if tc.kind != "" {
				wantKind(t, err, tc.kind)
			} else if _, ok := errors.AsType[*oauth.Invalid](err); !ok {
				t.Errorf("%T is not an *oauth.Invalid", err)
			}
		})
	}
}

func TestKeysAreKeptAndRotate(t *testing.T) {
	keys := newKeyring(t)
	i := &issuer{pages: map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.rsa))}}
	v := verifier(t, i)
	first := sign(t, jose.RS256, keys.rsa, map[string]any{"kid": "k1", "jku": keysURL}, claims(nil))
	each(8, func(int) {
		if err := verify(t.Context(), v, tokenURL, first, testNow()); err != nil {
			t.Error(err)
		}
	})
	if n := i.count(keysURL); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
	i.set(keysURL, jwks(public("k2", jose.RS256, keys.other)))
	second := sign(t, jose.RS256, keys.other, map[string]any{"kid": "k2", "jku": keysURL}, claims(nil))
	each(8, func(int) {
		if err := verify(t.Context(), v, tokenURL, second, testNow()); err != nil {
			t.Error(err)
		}
	})
	if n := i.count(keysURL); n != 2 {
		t.Errorf("after the rotation the keys were asked for %d times, want 2", n)
	}
	i.set(keysURL, jwks(public("k2", jose.RS256, keys.rsa)))
	third := sign(t, jose.RS256, keys.rsa, map[string]any{"kid": "k2", "jku": keysURL}, claims(nil))
	if err := verify(t.Context(), v, tokenURL, third, testNow()); err != nil {
		t.Errorf("another key under the same name: %v", err)
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := newKeyring(t)
		c := client(t, httpx.Options{Transport: inMemory{func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}})
		v := oauth.NewVerifier(c)
		token := sign(t, jose.RS256, keys.rsa, map[string]any{"kid": "k1", "jku": keysURL}, claims(nil))
		each(2, func(int) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("step timeout of 60s"))
			defer cancel()
			wantKind(t, verify(ctx, v, tokenURL, token, testNow()), "timeout", "step timeout of 60s", "GET "+tokenHost)
		})
	})
}

func TestCheckIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		tokenHost + "/oauth/token":                                  "",
		"https://acme.authentication.cert.eu10.example/oauth/token": "",
		"https://authentication.eu10.example":                       "",
		"https://other.authentication.eu10.example/oauth/token":     "issued by",
		"https://acme.authentication.us10.example/oauth/token":      "issued by",
		"http://acme.localhost:8080/uaa/oauth/token":                "issued by",
		"":    "names no issuer",
		"%zz": "issued by",
	} {
		err := oauth.CheckIssuer(tokenURL, issuer)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}
