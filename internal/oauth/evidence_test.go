package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
)

// answeredAt is an answer whose server's clock showed date when it came.
func answeredAt(date string) *httpx.Response {
	return &httpx.Response{Header: http.Header{"Date": {date}}, Started: testNow().Add(-200 * time.Millisecond), Duration: 200 * time.Millisecond}
}

func TestClockSkew(t *testing.T) {
	keys := newKeyring(t)
	pages := map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.rsa))}
	// The server's clock is ahead by this much; iat and nbf are its now.
	issued := func(ahead, life time.Duration) string {
		at := testNow().Add(ahead)
		return sign(t, jose.RS256, keys.rsa, map[string]any{"kid": "k1"}, claims(map[string]any{
			"iat": at.Unix(), "nbf": at.Unix(), "exp": at.Add(life).Unix(),
		}))
	}
	date := func(ahead time.Duration) string { return testNow().Add(ahead).Format(http.TimeFormat) }
	const hour = time.Hour
	cases := []struct {
		name   string
		token  string
		date   string
		remark string
		want   string
		kind   string
	}{
		{"clocks agree", issued(0, hour), date(0), "", "", ""},
		{"a second", issued(time.Second, hour), date(time.Second), "", "", ""},
		{"small", issued(50*time.Second, hour), date(50 * time.Second), "", "", ""},
		{"server ahead", issued(3*time.Minute, hour), date(3 * time.Minute), "the clock of this machine is 3m0s behind that of acme.authentication.eu10.example", "", ""},
		{"server behind", issued(-3*time.Minute, hour), date(-3 * time.Minute), "the clock of this machine is 2m59s ahead of that of", "", ""},
		{"server behind, short life", issued(-3*time.Minute, time.Minute), date(-3 * time.Minute), "ahead of that of", "", ""},
		{"far ahead", issued(hour, hour), date(hour), "", "the clock of this machine is 1h0m0s behind that of acme.authentication.eu10.example, so nothing can be said of the times of the token: by the clock of this machine the token is valid only in 1h0m0s", oauth.KindClock},
		{"far behind and expired here", issued(-hour, time.Minute), date(-hour), "", "so nothing can be said", oauth.KindClock},
		{"far behind, long life", issued(-hour, 12*hour), date(-hour), "the clock of this machine is 59m59s ahead of", "", ""},
		{"token of the future, clocks agree", issued(3*time.Minute, hour), date(0), "", "the token is valid only in 3m0s (nbf)", ""},
		{"token of the future, no date", issued(3*time.Minute, hour), "", "", "the token is valid only in 3m0s (nbf)", ""},
		{"token of the future, date that is none", issued(3*time.Minute, hour), "yesterday", "", "the token is valid only in 3m0s (nbf)", ""},
		{"expired by the server's clock", issued(0, time.Minute), date(3 * time.Minute), "", "the token expired 2m0s ago; this is by the clock of the server: the clock of this machine is 3m0s behind", ""},
		{"expired by both", issued(-2*hour, hour), date(0), "", "the token expired 1h0m0s ago", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := verifier(t, &issuer{pages: pages})
			remark, err := v.Judge(t.Context(), oauth.Evidence{Credential: credential(tokenURL), Token: c.token, Answer: answeredAt(c.date), Now: testNow()})
			if c.remark == "" && remark != "" || !strings.Contains(remark, c.remark) {
				t.Errorf("remark %q, want %q", remark, c.remark)
			}
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
			case c.kind != "":
				if e := wantKind(t, err, c.kind, c.want); e.Refused() || e.Cure == "" {
					t.Errorf("%+v", e)
				}
			default:
				wantInvalid(t, err, c.want)
			}
		})
	}
}

func wantInvalid(t *testing.T, err error, words string) {
	t.Helper()
	if _, ok := errors.AsType[*oauth.Invalid](err); !ok || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want an *oauth.Invalid with %q", err, words)
	}
}

// A difference that the time of the request explains is none.
func TestSlowAnswerIsNoSkew(t *testing.T) {
	keys := newKeyring(t)
	v := verifier(t, &issuer{pages: map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.rsa))}})
	slow := &httpx.Response{Header: http.Header{"Date": {testNow().Add(-time.Minute).Format(http.TimeFormat)}}, Started: testNow().Add(-6 * time.Minute), Duration: 6 * time.Minute}
	token := sign(t, jose.RS256, keys.rsa, map[string]any{"kid": "k1"}, claims(nil))
	if remark, err := v.Judge(t.Context(), oauth.Evidence{Credential: credential(tokenURL), Token: token, Answer: slow, Now: testNow()}); remark != "" || err != nil {
		t.Errorf("%q, %v", remark, err)
	}
}

func TestBoundTokens(t *testing.T) {
	keys := newKeyring(t)
	ca := newAuthority(t, "Client CA")
	own, other := ca.certified(t, tokenURL, "one", time.Hour), ca.certified(t, tokenURL, "two", time.Hour)
	with := func(cnf any) string {
		return sign(t, jose.RS256, keys.rsa, map[string]any{"kid": "k1"}, claims(map[string]any{"cnf": cnf}))
	}
	ownToken := with(map[string]any{"x5t#S256": bound(t, own)})
	cases := []struct {
		name  string
		c     oauth.Credential
		token string
		want  string
	}{
		{"bound to the certificate", own, ownToken, ""},
		{"with padding", own, with(map[string]any{"x5t#S256": bound(t, own) + "="}), ""},
		{"bound to another", other, ownToken, "bound to another certificate"},
		{"not bound", own, with(nil), ""},
		{"bound in another way", own, with(map[string]any{"jkt": "x"}), ""},
		{"cnf that is none", own, with("x"), ""},
		{"a credential without certificate", credential(tokenURL), ownToken, "bound to a certificate (cnf), and the credential has none"},
		{"neither", credential(tokenURL), with(nil), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := verifier(t, &issuer{pages: map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.rsa))}})
			e := oauth.Evidence{Credential: c.c, Token: c.token, Now: testNow()}
			_, err := v.Judge(t.Context(), e)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantInvalid(t, err, c.want)
			// Whether the keys can be had or not.
			down := verifier(t, &issuer{pages: map[string]string{keysURL: "503"}})
			_, err = down.Judge(t.Context(), e)
			wantInvalid(t, err, c.want)
		})
	}
	// A forged token is told as such, whatever it says of a certificate.
	forged := sign(t, jose.RS256, keys.other, map[string]any{"kid": "k1"}, claims(map[string]any{"cnf": map[string]any{"x5t#S256": bound(t, own)}}))
	v := verifier(t, &issuer{pages: map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.rsa))}})
	_, err := v.Judge(t.Context(), oauth.Evidence{Credential: own, Token: forged, Now: testNow()})
	wantInvalid(t, err, "does not match the key")
}

func TestForgeries(t *testing.T) {
	keys := newKeyring(t)
	const evil = "https://evil.example/token_keys"
	pages := map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.rsa)), evil: jwks(public("k1", jose.RS256, keys.other), public("k2", jose.RS256, keys.other))}
	for name, c := range map[string]struct {
		header map[string]any
		words  string
	}{
		"foreign jku, known kid":   {map[string]any{"kid": "k1", "jku": evil}, "does not match the key"},
		"foreign jku, its own kid": {map[string]any{"kid": "k2", "jku": evil}, `its jku "https://evil.example/token_keys" is not on the host`},
		"key in the header":        {map[string]any{"kid": "k2", "jwk": public("k2", jose.RS256, keys.other)}, "is not among those"},
		"x5u in the header":        {map[string]any{"kid": "k1", "x5u": evil}, "does not match the key"},
	} {
		t.Run(name, func(t *testing.T) {
			i := &issuer{pages: pages}
			_, err := verifier(t, i).Judge(t.Context(), oauth.Evidence{Credential: credential(tokenURL), Token: sign(t, jose.RS256, keys.other, c.header, claims(nil)), Now: testNow()})
			wantInvalid(t, err, c.words)
			if i.count(evil) > 0 {
				t.Error("the foreign host was asked")
			}
		})
	}
}

// However many tokens name keys that do not exist, the issuer is asked some
// times only; a key that appears is found as soon as the bound allows.
func TestRefetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := newKeyring(t)
		i := &issuer{pages: map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.rsa))}}
		v := verifier(t, i)
		named := func(kid string) error {
			token := sign(t, jose.RS256, keys.rsa, map[string]any{"kid": kid, "jku": keysURL}, claims(nil))
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := v.Judge(ctx, oauth.Evidence{Credential: credential(tokenURL), Token: token, Now: testNow()})
			return err
		}
		if err := named("k1"); err != nil {
			t.Fatal(err)
		}
		for n := range 50 {
			wantInvalid(t, named(fmt.Sprintf("unknown-%d", n)), "is not among those")
		}
		if n := i.count(keysURL); n != 4 {
			t.Errorf("the keys were asked for %d times, want once, and three times more", n)
		}
		if n := i.count(configURL); n != 1 {
			t.Errorf("the configuration was asked for %d times", n)
		}
		i.set(keysURL, jwks(public("k2", jose.RS256, keys.rsa)))
		if named("k2") == nil {
			t.Error("the bound did not hold")
		}
		if err := httpx.Sleep(t.Context(), 11*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := named("k2"); err != nil {
			t.Errorf("after a while: %v", err)
		}
	})
}

func FuzzJudge(f *testing.F) {
	keys := newKeyring(f)
	good := sign(f, jose.RS256, keys.rsa, map[string]any{"kid": "k1", "jku": keysURL}, claims(map[string]any{"cnf": map[string]any{"x5t#S256": "x"}}))
	f.Add(good, testNow().Format(http.TimeFormat))
	f.Add(good[:len(good)/2], "yesterday")
	f.Add("a.b.c", "")
	f.Add("eyJhbGciOiJub25lIn0.e30.", "Mon, 01 Jan 0001 00:00:00 GMT")
	v := verifier(f, &issuer{pages: map[string]string{keysURL: jwks(public("k1", jose.RS256, keys.other))}})
	f.Fuzz(func(t *testing.T, token, date string) {
		_, err := v.Judge(t.Context(), oauth.Evidence{Credential: credential(tokenURL), Token: token, Answer: answeredAt(date), Now: testNow()})
		if err == nil {
			t.Fatal("a token that no published key signed was accepted")
		}
		if strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("not one line: %q", err)
		}
	})
}
