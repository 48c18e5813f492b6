package oauth_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/oauth"
)

// raw makes a compact token of texts.
func raw(header, payload, signature string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(header)) + "." + e([]byte(payload)) + "." + e([]byte(signature))
}

func TestDecode(t *testing.T) {
	const header = `{"alg":"RS256","jku":"https://acme.authentication.eu10.example/token_keys","kid":"k1","typ":"JWT"}`
	const payload = `{"iss":"https://acme.authentication.eu10.example/oauth/token","scope":["uaa.resource","it-rt-acme!b1.ESBMessaging.send"],"aud":["uaa","x"],"exp":1700003600,"iat":1.7e9,"EXP":1,"ext_attr":{"zdn":"acme"}}`
	got, err := oauth.Decode(raw(header, payload, "sig"))
	if err != nil {
		t.Fatal(err)
	}
	want := &oauth.JWT{
		Header: header, Payload: payload, Algorithm: "RS256", KeyID: "k1",
		JKU:    "https://acme.authentication.eu10.example/token_keys",
		Issuer: "https://acme.authentication.eu10.example/oauth/token",
		Scopes: []string{"uaa.resource", "it-rt-acme!b1.ESBMessaging.send"}, Audience: []string{"uaa", "x"},
		Expiry: time.Unix(1700003600, 0).UTC(), IssuedAt: time.Unix(1700000000, 0).UTC(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeOddClaims(t *testing.T) {
	cases := []struct {
		payload string
		want    oauth.JWT
	}{
		{`{"scope":"a b  c","aud":"one"}`, oauth.JWT{Scopes: []string{"a", "b", "c"}, Audience: []string{"one"}}},
		{`{"scope":["only one"]}`, oauth.JWT{Scopes: []string{"only", "one"}}},
		{`{"scope":17,"aud":{},"iss":[],"exp":"1700000000","iat":null,"nbf":true}`, oauth.JWT{}},
		{`{"exp":1e300,"iat":-5,"nbf":0.5}`, oauth.JWT{Expiry: time.Unix(253402300799, 0).UTC(), NotBefore: time.Unix(0, 5e8).UTC()}},
		{`{"scope":[1,"a",null]}`, oauth.JWT{Scopes: []string{"a"}}},
	}
	for _, tc := range cases {
		got, err := oauth.Decode(raw(`{"alg":"none"}`, tc.payload, ""))
		if err != nil {
			t.Errorf("%s: %v", tc.payload, err)
			continue
		}
		tc.want.Header, tc.want.Algorithm, tc.want.Payload = `{"alg":"none"}`, "none", tc.payload
		if diff := cmp.Diff(&tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.payload, diff)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := raw(`{"alg":"RS256"}`, `{}`, "sig")
	for name, token := range map[string]string{
		"empty":             "",
		"opaque":            "0123456789abcdef",
		"two parts":         "e30.e30",
		"five parts":        "e30.e30.e30.e30.e30",
		"line break":        good[:4] + "\n" + good[4:],
		"padding":           good + "=",
		"header a list":     raw(`[]`, `{}`, ""),
		"header null":       raw(`null`, `{}`, ""),
		"header not JSON":   raw(`{`, `{}`, ""),
		"payload a text":    raw(`{"alg":"RS256"}`, `"x"`, ""),
		"payload null":      raw(`{"alg":"RS256"}`, `null`, ""),
		"payload not JSON":  raw(`{"alg":"RS256"}`, `{"exp":`, ""),
		"payload bad UTF-8": raw(`{"alg":"RS256"}`, "\xff", ""),
		"too long":          raw(`{"alg":"RS256"}`, `{"x":"`+strings.Repeat("x", 64<<10)+`"}`, ""),
		"two algorithms":    raw(`{"alg":"RS256","alg":"none"}`, `{}`, ""),
	} {
		if got, err := oauth.Decode(token); err == nil {
			t.Errorf("%s: got %+v", name, got)
		} else if strings.Contains(err.Error(), "jose") || len(err.Error()) > 200 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHasScope(t *testing.T) {
	cases := []struct {
		granted, want string
		has           bool
	}{
		{"ESBMessaging.send", "ESBMessaging.send", true},
		{"it-rt-acme!b26655.ESBMessaging.send", "ESBMessaging.send", true},
		{"it!b1.WorkspacePackagesEdit", "WorkspacePackagesEdit", true},
		{"my.app!t99.Role", "Role", true},
		{"it-rt-acme!b26655.ESBMessaging.send", "send", false},
		{"it-rt-acme!b26655.ESBMessaging.send", "it-rt-acme!b26655.ESBMessaging.send", true},
		{"it-rt-acme!b26655.ESBMessaging.send", "SBMessaging.send", false},
		{"other.ESBMessaging.send", "ESBMessaging.send", false},
		{"x!b.ESBMessaging.send", "ESBMessaging.send", false},
		{"ESBMessaging.send", "esbmessaging.send", false},
		{"it!b1.", "", false},
		{"uaa.resource", "resource", false},
	}
	for _, tc := range cases {
		if got := oauth.HasScope([]string{"x", tc.granted}, tc.want); got != tc.has {
			t.Errorf("HasScope(%q, %q) = %t", tc.granted, tc.want, got)
		}
	}
	if oauth.HasScope(nil, "a") {
		t.Error("nothing is granted")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(raw(`{"alg":"RS256","kid":"a"}`, `{"scope":["a"],"exp":1700000000}`, "sig"))
	f.Add(raw(`{"alg":"none"}`, `{}`, ""))
	f.Add(raw(`{"alg":"HS256","crit":["b64"],"b64":false}`, `{"scope":"a b","aud":"x","exp":1e99}`, ""))
	f.Add(raw(`{"alg":"RS256","jwk":{"kty":"oct","k":"AA"}}`, `{"iat":-1}`, ""))
	f.Add(raw(`{"alg":"RS256"}`, `{"exp":-1e12,"iat":-1,"nbf":1e99}`, "sig"))
	f.Add(raw(`{"alg":"RS256"}`, `null`, "sig"))
	f.Add("..")
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := oauth.Decode(token)
		if (got == nil) == (err == nil) {
			t.Fatalf("got %+v and %v", got, err)
		}
		if err != nil {
			return
		}
		if !strings.HasPrefix(strings.TrimSpace(got.Header), "{") || !strings.HasPrefix(strings.TrimSpace(got.Payload), "{") {
			t.Fatalf("not objects: %q %q", got.Header, got.Payload)
		}
		for _, at := range []time.Time{got.Expiry, got.IssuedAt, got.NotBefore} {
			if year := at.Year(); !at.IsZero() && (year < 1970 || year > 9999) {
				t.Fatalf("year %d", year)
			}
		}
		again, err := oauth.Decode(token)
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Fatalf("a second look differs: %v %s", err, diff)
		}
	})
}
