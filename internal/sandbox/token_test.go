package sandbox_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"iflowtest/internal/sandbox"
)

type jwk struct{ Kty, Kid, Alg, N, E, Value string }

// keys gives the published key set, or of another address.
func (tn *tenant) publishedKeys(address string) []jwk {
	tn.t.Helper()
	return decode[struct{ Keys []jwk }](tn.t, tn.send("GET", address, "").body).Keys
}

// check verifies a token as RFC 7515 says, without any code of the sandbox.
func check(token string, keys []jwk) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return fmt.Errorf("%d parts", len(parts))
	}
	var header struct{ Alg, Kid string }
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err = errors.Join(err, json.Unmarshal(raw, &header)); err != nil || header.Alg != "RS256" {
		return fmt.Errorf("header %s: %v", raw, err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.Kid != header.Kid {
			continue
		}
		n, errN := base64.RawURLEncoding.DecodeString(k.N)
		e, errE := base64.RawURLEncoding.DecodeString(k.E)
		if err := errors.Join(errN, errE); err != nil {
			return err
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		block, _ := pem.Decode([]byte(k.Value))
		if block == nil {
			return fmt.Errorf("no PEM in %q", k.Value)
		}
		if same, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !public.Equal(same) {
			return fmt.Errorf("value and n differ: %v", err)
		}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature)
	}
	return fmt.Errorf("no key %q", header.Kid)
}

type payload struct {
	JTI, Sub, CID, AZP, Iss, Zid string
	ClientID                     string   `json:"client_id"`
	GrantType                    string   `json:"grant_type"`
	RevSig                       string   `json:"rev_sig"`
	Scope, Authorities, Aud      []string // equal but for aud
	Iat, Exp                     int64
	ExtAttr                      struct{ Enhancer, SubaccountID, ZDN, ServiceInstanceID string } `json:"ext_attr"`
}

func payloadOf(t testing.TB, token string) payload {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return decode[payload](t, string(raw))
}

func (tn *tenant) token(key string) string {
	tn.t.Helper()
	return strings.TrimPrefix(tn.bearer(key), "Authorization: Bearer ")
}

func TestTokenHoldsItsClaims(t *testing.T) {
	tn := start(t, sandbox.Options{})
	token, k := tn.token("sender"), tn.key("sender")
	if err := check(token, tn.publishedKeys(tn.URL("token")+"/token_keys")); err != nil {
		t.Errorf("signature: %v", err)
	}
	p := payloadOf(t, token)
	const app = "it-rt-sandbox!b26655"
	if !strings.HasPrefix(k.ClientID, "sb-") || !strings.HasSuffix(k.ClientID, "|"+app) {
		t.Errorf("client ID %q", k.ClientID)
	}
	if p.Sub != k.ClientID || p.CID != k.ClientID || p.AZP != k.ClientID || p.ClientID != k.ClientID {
		t.Errorf("client of %+v, want %s", p, k.ClientID)
	}
	if want := []string{"uaa.resource", app + ".ESBMessaging.send"}; !slices.Equal(p.Scope, want) || !slices.Equal(p.Authorities, want) {
		t.Errorf("scopes %v and %v, want %v", p.Scope, p.Authorities, want)
	}
	if want := []string{"uaa", app, k.ClientID}; !slices.Equal(p.Aud, want) {
		t.Errorf("audience %v, want %v", p.Aud, want)
	}
	if p.Iss != k.TokenURL || p.GrantType != "client_credentials" || p.ExtAttr.Enhancer != "XSUAA" || p.ExtAttr.ZDN != "sandbox" || p.Zid == "" || p.Zid != p.ExtAttr.SubaccountID || p.RevSig == "" {
		t.Errorf("claims %+v", p)
	}
	if life := p.Exp - p.Iat; life != 3600 {
		t.Errorf("lives %d seconds, want 3600", life)
	}
	if again := payloadOf(t, tn.token("sender")); again.JTI == p.JTI {
		t.Errorf("two tokens have the ID %s", p.JTI)
	}
}

func TestOAuthLibrary(t *testing.T) {
	for _, test := range []struct {
		name  string
		style oauth2.AuthStyle
		want  []int // the answers the sandbox lists
	}{
		{"in the body", oauth2.AuthStyleInParams, []int{200}},
		// The library encodes the header, gets 401 and tries the body.
		{"as it finds out", oauth2.AuthStyleAutoDetect, []int{401, 200}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tn := start(t, sandbox.Options{})
			k := tn.key("sender")
			config := clientcredentials.Config{ClientID: k.ClientID, ClientSecret: k.ClientSecret, TokenURL: k.TokenURL, AuthStyle: test.style}
			token, err := config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, tn.client))
			if err != nil {
				t.Fatal(err)
			}
			if token.Type() != "Bearer" || time.Until(token.Expiry) > time.Hour {
				t.Errorf("token %s until %v", token.Type(), token.Expiry)
			}
			if got := tn.statuses("token"); !slices.Equal(got, test.want) {
				t.Errorf("answers %v, want %v", got, test.want)
			}
		})
	}
}

// statuses gives the answers of a part, in order.
func (tn *tenant) statuses(part string) []int {
	tn.t.Helper()
	a := tn.send("GET", tn.URL("control")+"/_sandbox/requests?part="+part, "")
	var list []int
	for _, r := range decode[[]struct{ Status int }](tn.t, a.body) {
		list = append(list, r.Status)
	}
	return list
}

func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		bearer := tn.bearer("sender")
		url := tn.URL("runtime") + "/http/echo"
		<-time.After(time.Hour - 2*time.Second)
		if a := tn.send("GET", url, "", bearer); a.StatusCode != 200 {
			t.Errorf("before its end: %d", a.StatusCode)
		}
		<-time.After(2 * time.Second)
		if a := tn.send("GET", url, "", bearer); a.StatusCode != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("after its end: %d %v", a.StatusCode, a.Header)
		}
	})
}

func TestTamperedTokenIsRefused(t *testing.T) {
	tn := start(t, sandbox.Options{})
	parts := strings.Split(tn.token("sender"), ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	more := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(raw), "ESBMessaging.send", "Orders.approve")))
	for name, token := range map[string]string{
		"other scopes":       parts[0] + "." + more + "." + parts[2],
		"no signature":       parts[0] + "." + parts[1] + ".",
		"not signed":         base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"of another sandbox": start(t, sandbox.Options{}).token("sender"),
		"too large":          strings.Repeat("a", 20_000),
		"empty":              "",
	} {
		if a := tn.send("GET", tn.URL("runtime")+"/http/restricted", "", "Authorization: Bearer "+token); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", name, a.StatusCode)
		}
	}
}

func TestLargeHeaderIsRefused(t *testing.T) {
	tn := start(t, sandbox.Options{})
	if a := tn.send("GET", tn.URL("token")+"/token_keys", "", "X-Large: "+strings.Repeat("x", 17<<10)); a.StatusCode != 400 {
		t.Errorf("got %d, want 400", a.StatusCode)
	}
}

func TestXSUAACompatSwitch(t *testing.T) {
	config, list := sandbox.ParseConfig("x.yaml", []byte("xsuaa-compat: false\n"))
	if list.HasErrors() {
		t.Fatal(list)
	}
	tn := start(t, sandbox.Options{Config: config})
	// As plain UAA does, every Basic header is decoded.
	a := tn.send("POST", tn.URL("token")+"/oauth/token?grant_type=client_credentials", "", "Authorization: Basic "+tn.fill("{{sender.encoded}}"))
	if a.StatusCode != 200 {
		t.Errorf("encoded: %d %s", a.StatusCode, a.body)
	}
}

func TestKeySetIsCached(t *testing.T) {
	tn := start(t, sandbox.Options{})
	url := tn.URL("token") + "/token_keys"
	tag := tn.send("GET", url, "").Header.Get("ETag")
	if a := tn.send("GET", url, "", "If-None-Match: "+tag); a.StatusCode != 304 || a.body != "" {
		t.Errorf("got %d %q, want 304", a.StatusCode, a.body)
	}
}
