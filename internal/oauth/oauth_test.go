package oauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
)

const (
	clientID     = "sb-1111!b455374|it-rt-acme!b26655"
	clientSecret = "aaaa$Base64urlish+43_-=%41"
)

func credential(tokenURL string) oauth.Credential {
	return oauth.Credential{
		Name: "sender", TokenURL: tokenURL, ClientID: clientID,
		ClientSecret: secret.New("sender.client-secret", clientSecret),
	}
}

// inMemory is a transport that calls a handler, so that time can be simulated.
type inMemory struct{ http.HandlerFunc }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context())
	}
	return w.Result(), nil
}

func client(t testing.TB, o httpx.Options) *httpx.Client {
	t.Helper()
	c, err := httpx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func source(t testing.TB, h http.HandlerFunc) *oauth.Source {
	return oauth.NewSource(client(t, httpx.Options{Transport: inMemory{h}}), nil)
}

const memoryURL = "https://acme.authentication.eu10.example/oauth/token"

func grant(w http.ResponseWriter, token string, expiresIn int) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d,"scope":"uaa.resource","jti":"x"}`, token, expiresIn)
}

func wantKind(t *testing.T, err error, kind string, words ...string) *oauth.Error {
	t.Helper()
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatalf("got %v, want an error of kind %q", err, kind)
	}
	if e.Kind != kind {
		t.Errorf("kind %q, want %q: %s", e.Kind, kind, e.Message)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("message %q does not contain %q", e.Message, w)
		}
	}
	if strings.Contains(e.Message+e.Cure+fmt.Sprintf("%+v", e), clientSecret) {
		t.Errorf("the error holds the secret: %s", e.Message)
	}
	return e
}

// seen is what the server saw of a token request.
type seen struct {
	User, Password string
	Basic          bool
	Form           url.Values
	Accept, Type   string
	Query          string
}

func TestRequestForms(t *testing.T) {
	var got seen
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = seen{Accept: r.Header.Get("Accept"), Type: r.Header.Get("Content-Type"), Query: r.URL.RawQuery}
		got.User, got.Password, got.Basic = r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		got.Form, _ = url.ParseQuery(string(body))
		if key, marked := r.Header["Idempotency-Key"]; marked {
			t.Errorf("Idempotency-Key %q was sent", key)
		}
		grant(w, "opaque-token", 3599)
	}))
	defer s.Close()
	const form = "application/x-www-form-urlencoded"
	body, header, scoped := credential(s.URL+"/oauth/token"), credential(s.URL+"/oauth/token"), credential(s.URL+"/oauth/token?zone=a%20b")
	header.AuthStyle = oauth.StyleHeader
	scoped.Scope = "a.read b.write"
	scoped.Params = []oauth.Param{{"resource", "one"}, {"resource", "two"}, {"grant_type", "password"}, {"username", "ü"}}
	cases := []struct {
		name string
		c    oauth.Credential
		want seen
	}{
		{"body", body, seen{Type: form, Accept: "application/json", Form: url.Values{
			"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {clientSecret}}}},
		{"header", header, seen{Type: form, Accept: "application/json", Basic: true, User: clientID, Password: clientSecret, Form: url.Values{
			"grant_type": {"client_credentials"}}}},
		{"scope and params", scoped, seen{Type: form, Accept: "application/json", Query: "zone=a%20b", Form: url.Values{
			"grant_type": {"password"}, "client_id": {clientID}, "client_secret": {clientSecret}, "scope": {"a.read b.write"}, "resource": {"one", "two"}, "username": {"ü"}}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var learned []string
			src := oauth.NewSource(client(t, httpx.Options{}), func(name, token string) { learned = append(learned, name+"="+token) })
			ex, err := src.Fetch(t.Context(), tc.c, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("the server saw (-want +got):\n%s", diff)
			}
			if ex.Token.Value.Reveal() != "opaque-token" || ex.Token.Lifetime != 3599*time.Second || ex.Token.Type != "Bearer" {
				t.Errorf("token %+v", ex.Token)
			}
			if ex.Method != "POST" || ex.URL != tc.c.TokenURL || ex.Response.Status != 200 || !strings.Contains(ex.Response.Body, "opaque-token") || !strings.Contains(ex.Body, "grant_type=") {
				t.Errorf("exchange %+v", ex)
			}
			if diff := cmp.Diff([]string{"sender.access-token=opaque-token"}, learned); diff != "" {
				t.Errorf("learned (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	const page = `<!DOCTYPE html><html><head><title>
		SAP&nbsp;Login </title></head><body>…</body></html>`
	cases := []struct {
		name    string
		status  int
		header  map[string]string
		body    string
		kind    string
		refused bool
		words   []string
		cure    string
	}{
		{"wrong secret", 401, nil, `{"error":"invalid_client","error_description":"Bad credentials"}`, "refused", true, []string{`credential "sender"`, "acme.authentication.eu10.example", "refuses client ID or secret", `401 invalid_client: "Bad credentials"`}, "service key"},
		{"wrong secret, older server", 401, nil, `{"error":"unauthorized","error_description":"Bad credentials"}`, "refused", true, []string{"refuses client ID or secret"}, "service key"},
		{"401 without a word", 401, nil, ``, "refused", true, []string{"(401)"}, "service key"},
		{"401 page", 401, map[string]string{"Content-Type": "text/html"}, page, "refused", true, []string{"SAP&nbsp;Login"}, "service key"},
		{"grant", 401, nil, `{"error":"invalid_client","error_description":"Unauthorized grant type"}`, "grant", true, []string{"grant type", `"client_credentials"`}, `{"grant-types":["client_credentials"],"roles":[…]}`},
		{"grant, unauthorized_client", 400, nil, `{"error":"unauthorized_client"}`, "grant", true, []string{"grant type"}, "cf create-service-key INSTANCE KEY"},
		{"scope", 400, nil, `{"error":"invalid_scope","error_description":"Invalid scope: x"}`, "grant", true, []string{"scope"}, "role"},
		{"invalid_request", 400, nil, `{"error":"invalid_request","error_description":"Missing grant type"}`, "refused", true, []string{"Missing grant type"}, "params"},
		{"403", 403, nil, ``, "refused", true, []string{"403"}, "firewall"},
		{"404", 404, map[string]string{"Content-Type": "text/html"}, page, "path", true, []string{`no token endpoint at "/oauth/token"`}, "not its url"},
		{"404 with JSON error", 404, nil, `{"error":"not_found"}`, "path", true, []string{"no token endpoint"}, "not its url"},
		{"405", 405, nil, `{"error":"method_not_allowed"}`, "path", true, []string{"does not take POST"}, "not its url"},
		{"redirect", 307, map[string]string{"Location": "https://elsewhere.example/login"}, ``, "path", true, []string{"redirects to", "elsewhere.example"}, "tokenurl"},
		{"redirect with a broken location", 302, map[string]string{"Location": "http://%zz"}, ``, "path", true, []string{"redirects to"}, "tokenurl"},
		{"busy", 429, map[string]string{"Retry-After": "120"}, ``, "busy", false, []string{"too many token requests", "2m0s"}, "later"},
		{"500", 500, nil, page, "server", false, []string{"trouble of its own"}, "later"},
		{"407", 407, nil, ``, "network", false, []string{"proxy"}, "proxy"},
		{"400 of a proxy", 400, nil, page, "answer", false, []string{"400"}, "proxy"},
		{"page", 200, map[string]string{"Content-Type": "text/html"}, page, "answer", false, []string{"page instead of a token", "SAP&nbsp;Login"}, "login page"},
		{"not JSON", 200, nil, "access_token=a\x1b[31m&b\r\n::error::x", "answer", false, []string{"not JSON"}, "token-url"},
		{"JSON but a list", 200, nil, `["access_token"]`, "answer", false, []string{"not JSON"}, ""},
		{"cut JSON", 200, nil, `{"access_token":"secret-torso`, "answer", false, []string{"not JSON"}, ""},
		{"empty", 200, nil, ``, "answer", false, []string{"not JSON"}, ""},
		{"no token", 200, nil, `{"token_type":"bearer"}`, "answer", false, []string{"without access_token"}, ""},
		{"token is a number", 200, nil, `{"access_token":17,"token_type":"bearer"}`, "answer", false, []string{"without access_token"}, ""},
		{"type", 200, nil, `{"access_token":"t-o-k","token_type":"mac"}`, "answer", false, []string{`type "mac"`}, ""},
		{"error in a 200", 200, nil, `{"error":"invalid_client"}`, "refused", true, []string{"refuses"}, ""},
		{"strange error in a 200", 200, nil, `{"error":"teapot"}`, "answer", false, []string{"teapot"}, ""},
		{"line break in token", 200, nil, `{"access_token":"a\r\nX: y","token_type":"bearer"}`, "answer", false, []string{"no header may hold"}, ""},
		{"expires_in", 200, nil, `{"access_token":"abcd","token_type":"bearer","expires_in":"soon"}`, "answer", false, []string{"expires_in"}, ""},
		{"too large", 200, nil, `{"access_token":"` + strings.Repeat("a", 1<<20) + `"}`, "answer", false, []string{"1 MiB"}, ""},
		{"long description", 401, nil, `{"error":"invalid_client","error_description":"` + strings.Repeat("ä\\u0007", 5000) + `"}`, "refused", true, []string{"…"}, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			src := source(t, func(w http.ResponseWriter, r *http.Request) {
				for k, v := range tc.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			ex, err := src.Fetch(t.Context(), credential(memoryURL), false)
			e := wantKind(t, err, tc.kind, tc.words...)
			if e.Refused() != tc.refused {
				t.Errorf("refused %t, want %t", e.Refused(), tc.refused)
			}
			if e.Cure == "" || !strings.Contains(e.Cure, tc.cure) {
				t.Errorf("cure %q does not speak of %q", e.Cure, tc.cure)
			}
			if e.Status != tc.status {
				t.Errorf("status %d, want %d", e.Status, tc.status)
			}
			if len(e.Message) > 1200 || strings.ContainsFunc(e.Message, func(r rune) bool { return r < ' ' }) {
				t.Errorf("message of %d bytes: %q", len(e.Message), e.Message)
			}
			if ex == nil || ex.Response.Body != tc.body || ex.Response.Status != tc.status {
				t.Errorf("the exchange is not the answer: %+v", ex)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"access_token":"torso-of-a-token`)
	}))
	defer cut.Close()
	var learned []string
	src := oauth.NewSource(client(t, httpx.Options{}), func(_, token string) { learned = append(learned, token) })
	cases := []struct {
		name, url, kind string
		answered        bool
		words           []string
	}{
		{"refused", s.URL, "network", false, []string{"connection refused", "POST http://"}},
		{"tls", secure.URL, "tls", false, []string{"not trusted"}},
		{"cut", cut.URL, "network", true, []string{"cut off after 33 bytes of 1000"}},
		{"no URL", "acme.example/oauth/token", "request", false, []string{"token URL"}},
		{"broken URL", "https://%zz", "request", false, []string{"token URL"}},
	}
	for _, tc := range cases {
		ex, err := src.Fetch(t.Context(), credential(tc.url), false)
		e := wantKind(t, err, tc.kind, tc.words...)
		if e.Refused() || e.Cure == "" {
			t.Errorf("%s: refused %t, cure %q", tc.name, e.Refused(), e.Cure)
		}
		if (ex != nil) != tc.answered {
			t.Errorf("%s: exchange %v", tc.name, ex)
		}
	}
	if !slices.Contains(learned, "torso-of-a-token") {
		t.Errorf("the torso of a token was not learned: %q", learned)
	}
	twice := credential(memoryURL)
	twice.Scope, twice.Params = "a", []oauth.Param{{"scope", "b"}}
	_, err := src.Fetch(t.Context(), twice, false)
	wantKind(t, err, "request", "scope")
}

func TestRedirectIsNotFollowed(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer thief.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", thief.URL)
			w.WriteHeader(code)
		}))
		_, err := oauth.NewSource(client(t, httpx.Options{}), nil).Fetch(t.Context(), credential(s.URL), false)
		wantKind(t, err, "path", "redirects")
		s.Close()
	}
}

// each calls f n times at once and waits.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func TestOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		src := source(t, func(w http.ResponseWriter, r *http.Request) {
			n := asked.Add(1)
			httpx.Sleep(r.Context(), time.Second)
			grant(w, fmt.Sprintf("token-%d", n), 3599)
		})
		each(12, func(int) {
			got, err := src.Token(t.Context(), credential(memoryURL))
			if err != nil || got.Value.Reveal() != "token-1" {
				t.Errorf("got %v, %v", got, err)
			}
		})
		if asked.Load() != 1 {
			t.Errorf("asked %d times, want once", asked.Load())
		}
		// Renewal: every caller brings the same refused token.
		old, _ := src.Token(t.Context(), credential(memoryURL))
		each(12, func(int) {
			got, err := src.Renew(t.Context(), credential(memoryURL), old)
			if err != nil || got.Value.Reveal() != "token-2" {
				t.Errorf("renewed to %v, %v", got, err)
			}
		})
		if asked.Load() != 2 {
			t.Errorf("asked %d times, want twice", asked.Load())
		}
		if late, err := src.Renew(t.Context(), credential(memoryURL), old); err != nil || late.Value.Reveal() != "token-2" || asked.Load() != 2 {
			t.Errorf("a late caller got %v, %v after %d requests", late, err, asked.Load())
		}
	})
}

func TestRenewOfATokenThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		src := source(t, func(w http.ResponseWriter, r *http.Request) { asked++; grant(w, "the-same", 3599) })
		old, err := src.Token(t.Context(), credential(memoryURL))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err := src.Renew(t.Context(), credential(memoryURL), old); err != nil {
				t.Fatal(err)
			}
		}
		if asked != 2 {
			t.Errorf("asked %d times, want twice", asked)
		}
	})
}

func TestCredentialsDoNotShareTokens(t *testing.T) {
	asked := 0
	src := source(t, func(w http.ResponseWriter, r *http.Request) { asked++; grant(w, fmt.Sprint("token-", asked), 3599) })
	base := credential(memoryURL)
	variants := []func(*oauth.Credential){
		func(c *oauth.Credential) {},
		func(c *oauth.Credential) { c.ClientSecret = secret.New("x", "another secret of the same client") },
		func(c *oauth.Credential) { c.ClientID = "other" },
		func(c *oauth.Credential) { c.TokenURL = "https://other.example/oauth/token" },
		func(c *oauth.Credential) { c.Scope = "a" },
		func(c *oauth.Credential) { c.AuthStyle = oauth.StyleHeader },
		func(c *oauth.Credential) { c.Params = []oauth.Param{{"a", "b"}} },
		func(c *oauth.Credential) { c.Params = []oauth.Param{{"a", `b"&"c"="d`}} },
		func(c *oauth.Credential) { c.Params = []oauth.Param{{"a", "b"}, {"c", "d"}} },
	}
	for range 2 {
		for _, vary := range variants {
			c := base
			vary(&c)
			if _, err := src.Token(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if asked != len(variants) {
		t.Errorf("asked %d times for %d credentials", asked, len(variants))
	}
	named := base
	named.Name, named.AuthStyle = "another name for it", oauth.StyleBody
	if _, err := src.Token(t.Context(), named); err != nil || asked != len(variants) {
		t.Errorf("the name of a credential made another request: %v", err)
	}
}

func TestFlightOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		src := source(t, func(w http.ResponseWriter, r *http.Request) {
			asked++
			if httpx.Sleep(r.Context(), 10*time.Second) == nil {
				grant(w, "token", 3599)
			}
		})
		leader, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("step timeout of 1s"))
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := src.Token(leader, credential(memoryURL))
			e := wantKind(t, err, "timeout", "step timeout of 1s", `credential "sender"`)
			if e.Refused() {
				t.Error("a timeout is no refusal")
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := src.Token(t.Context(), credential(memoryURL)); err != nil {
				t.Errorf("the second caller: %v", err)
			}
		})
		wg.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestLastOneOutEndsTheFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, ended := 0, 0
		src := source(t, func(w http.ResponseWriter, r *http.Request) {
			asked++
			if asked == 1 {
				<-r.Context().Done()
				ended++
				return
			}
			grant(w, "token", 3599)
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { httpx.Sleep(t.Context(), time.Second); cancel() }()
		_, err := src.Token(ctx, credential(memoryURL))
		wantKind(t, err, "interrupted")
		synctest.Wait()
		if ended != 1 {
			t.Error("the request goes on though nobody waits")
		}
		if _, err := src.Token(t.Context(), credential(memoryURL)); err != nil || asked != 2 {
			t.Errorf("the next caller: %v after %d requests", err, asked)
		}
	})
}

func TestFailuresAreSharedAndNotCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		src := source(t, func(w http.ResponseWriter, r *http.Request) {
			httpx.Sleep(r.Context(), time.Second)
			if asked.Add(1) == 1 {
				w.WriteHeader(401)
				io.WriteString(w, `{"error":"invalid_client"}`)
				return
			}
			grant(w, "token", 3599)
		})
		each(5, func(int) {
			_, err := src.Token(t.Context(), credential(memoryURL))
			wantKind(t, err, "refused")
		})
		if asked.Load() != 1 {
			t.Errorf("asked %d times for five callers", asked.Load())
		}
		if _, err := src.Token(t.Context(), credential(memoryURL)); err != nil {
			t.Errorf("the failure was cached: %v", err)
		}
	})
}

func TestRenewalAhead(t *testing.T) {
	jwt := func(now time.Time, life int) string {
		part := func(v any) string {
			b, _ := json.Marshal(v)
			return base64.RawURLEncoding.EncodeToString(b)
		}
		return part(map[string]any{"alg": "RS256"}) + "." + part(map[string]any{"iat": now.Unix(), "exp": now.Unix() + int64(life)}) + ".c2ln"
	}
	cases := []struct {
		name   string
		body   func() string
		again  time.Duration // asked again from here on
		before time.Duration // not yet here
		life   time.Duration
	}{
		{"an hour", func() string { return `{"access_token":"abcd","expires_in":3600}` }, 3570 * time.Second, 3569 * time.Second, time.Hour},
		{"100 s", func() string { return `{"access_token":"abcd","expires_in":100}` }, 90 * time.Second, 89 * time.Second, 100 * time.Second},
		{"text", func() string { return `{"access_token":"abcd","expires_in":"100"}` }, 90 * time.Second, 89 * time.Second, 100 * time.Second},
		{"unknown", func() string { return `{"access_token":"abcd"}` }, 0, 1000 * time.Hour, 0},
		{"from the JWT", func() string { return `{"access_token":"` + jwt(time.Now(), 101) + `"}` }, 90 * time.Second, 89 * time.Second, 101 * time.Second},
		{"JWT of a clock that is an hour behind", func() string {
			return `{"access_token":"` + jwt(time.Now().Add(-time.Hour), 101) + `","expires_in":100}`
		}, 90 * time.Second, 89 * time.Second, 100 * time.Second},
		{"JWT that dies before expires_in", func() string { return `{"access_token":"` + jwt(time.Now(), 101) + `","expires_in":1000}` }, 90 * time.Second, 89 * time.Second, 1000 * time.Second},
		{"dead on arrival", func() string { return `{"access_token":"abcd","expires_in":0}` }, time.Nanosecond, -1, 0},
		{"negative", func() string { return `{"access_token":"abcd","expires_in":-5}` }, time.Nanosecond, -1, -5 * time.Second},
		{"absurd", func() string { return `{"access_token":"abcd","expires_in":9223372036854775807}` }, 0, 1000 * time.Hour, 100 * 365 * 24 * time.Hour},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				src := source(t, func(w http.ResponseWriter, r *http.Request) { asked++; io.WriteString(w, tc.body()) })
				got, err := src.Token(t.Context(), credential(memoryURL))
				if err != nil {
					t.Fatal(err)
				}
				if got.Lifetime != tc.life {
					t.Errorf("lifetime %s, want %s", got.Lifetime, tc.life)
				}
				if tc.before >= 0 {
					httpx.Sleep(t.Context(), tc.before)
					if _, err := src.Token(t.Context(), credential(memoryURL)); err != nil || asked != 1 {
						t.Errorf("asked %d times after %s: %v", asked, tc.before, err)
					}
				}
				if tc.again > 0 {
					httpx.Sleep(t.Context(), tc.again-max(tc.before, 0))
					if _, err := src.Token(t.Context(), credential(memoryURL)); err != nil || asked != 2 {
						t.Errorf("asked %d times after %s: %v", asked, tc.again, err)
					}
				}
			})
		})
	}
}

// TestShortTokens: tokens of two seconds, counted in whole seconds as servers
// do, are renewed in time by twelve callers for a minute.
func TestShortTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		part := func(v any) string {
			b, _ := json.Marshal(v)
			return base64.RawURLEncoding.EncodeToString(b)
		}
		var asked, refused atomic.Int32
		src := source(t, func(w http.ResponseWriter, r *http.Request) {
			n := asked.Add(1)
			now := time.Now().Unix()
			grant(w, part(map[string]any{"alg": "RS256", "n": n})+"."+part(map[string]any{"iat": now, "exp": now + 2})+".c2ln", 2)
		})
		each(12, func(i int) {
			httpx.Sleep(t.Context(), time.Duration(i)*77*time.Millisecond)
			for end := time.Now().Add(time.Minute); time.Now().Before(end); {
				token, err := src.Token(t.Context(), credential(memoryURL))
				if err != nil {
					t.Error(err)
					return
				}
				httpx.Sleep(t.Context(), 30*time.Millisecond) // on its way
				jwt, err := oauth.Decode(token.Value.Reveal())
				if err != nil || !time.Now().Before(jwt.Expiry) {
					refused.Add(1)
				}
				httpx.Sleep(t.Context(), time.Duration(i)*11*time.Millisecond)
			}
		})
		if refused.Load() != 0 {
			t.Errorf("%d calls arrived with a dead token", refused.Load())
		}
		if n := asked.Load(); n < 30 || n > 80 {
			t.Errorf("asked %d times in a minute", n)
		}
	})
}

func TestRepeats(t *testing.T) {
	type reply struct {
		status     int
		retryAfter string
	}
	cases := []struct {
		name    string
		replies []reply // then tokens
		fetch   bool
		limit   time.Duration
		asked   int
		took    time.Duration
		kind    string
	}{
		{"busy once", []reply{{429, "7"}}, false, 0, 2, 7 * time.Second, ""},
		{"busy twice", []reply{{429, "7"}, {429, "3"}}, true, 0, 3, 10 * time.Second, ""},
		{"busy without a time", []reply{{429, ""}}, false, 0, 2, time.Second, ""},
		{"busy to the end", []reply{{429, "1"}, {429, "1"}, {429, "1"}}, false, 0, 3, 2 * time.Second, "busy"},
		{"busy for too long", []reply{{429, "31"}}, false, 0, 1, 0, "busy"},
		{"busy beyond the limit", []reply{{429, "20"}}, true, 10 * time.Second, 1, 0, "busy"},
		{"busy until a date", []reply{{429, "date+5"}}, false, 0, 2, 5 * time.Second, ""},
		{"busy until yesterday", []reply{{429, "date-86400"}}, false, 0, 2, time.Second, ""},
		{"busy for nonsense", []reply{{429, "soon"}}, false, 0, 2, time.Second, ""},
		{"unavailable once", []reply{{503, ""}}, false, 0, 2, 500 * time.Millisecond, ""},
		{"unavailable, with a time", []reply{{503, "2"}}, false, 0, 2, 2 * time.Second, ""},
		{"unavailable twice", []reply{{502, ""}, {504, ""}}, false, 0, 2, 500 * time.Millisecond, "server"},
		{"unavailable, fetched", []reply{{503, ""}}, true, 0, 1, 0, "server"},
		{"500", []reply{{500, ""}}, false, 0, 1, 0, "server"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				src := source(t, func(w http.ResponseWriter, r *http.Request) {
					asked++
					if asked > len(tc.replies) {
						grant(w, "token", 3599)
						return
					}
					reply := tc.replies[asked-1]
					if offset, ok := strings.CutPrefix(reply.retryAfter, "date"); ok {
						d, _ := time.ParseDuration(offset + "s")
						reply.retryAfter = time.Now().Add(d).UTC().Format(http.TimeFormat)
					}
					if reply.retryAfter != "" {
						w.Header().Set("Retry-After", reply.retryAfter)
					}
					w.WriteHeader(reply.status)
				})
				ctx := t.Context()
				if tc.limit > 0 {
					limited, cancel := context.WithTimeout(ctx, tc.limit)
					defer cancel()
					ctx = limited
				}
				started := time.Now()
				var err error
				if tc.fetch {
					_, err = src.Fetch(ctx, credential(memoryURL), true)
				} else {
					_, err = src.Token(ctx, credential(memoryURL))
				}
				if took := time.Since(started); took != tc.took || asked != tc.asked {
					t.Errorf("asked %d times in %s, want %d in %s", asked, took, tc.asked, tc.took)
				}
				if tc.kind == "" && err != nil {
					t.Errorf("got %v", err)
				}
				if tc.kind != "" {
					wantKind(t, err, tc.kind)
				}
			})
		})
	}
}

func TestFetchAndTheCache(t *testing.T) {
	asked := 0
	src := source(t, func(w http.ResponseWriter, r *http.Request) { asked++; grant(w, fmt.Sprint("token-", asked), 3599) })
	c := credential(memoryURL)
	token := func() string {
		got, err := src.Token(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return got.Value.Reveal()
	}
	fetch := func(cache bool) string {
		ex, err := src.Fetch(t.Context(), c, cache)
		if err != nil {
			t.Fatal(err)
		}
		return ex.Token.Value.Reveal()
	}
	got := []string{token(), fetch(false), token(), fetch(true), token(), fetch(true), token()}
	want := []string{"token-1", "token-2", "token-1", "token-3", "token-3", "token-4", "token-4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, "application/json", `{"access_token":"abcd","token_type":"bearer","expires_in":43199,"scope":"a b"}`)
	f.Add(401, "application/json", `{"error":"invalid_client","error_description":"Bad credentials"}`)
	f.Add(200, "text/html", `<html><title>Login</title>`)
	f.Add(429, "", "")
	f.Add(200, "text/plain", `access_token=a&expires_in=1`)
	f.Add(200, "", `{"access_token":"a.b.c","expires_in":"1e9"}`)
	f.Add(302, "", `{"access_token":[[[[[[[[`)
	f.Add(200, "", "{\"access_token\":\"abcd\",\"expires_in\":[1,\n2]}")
	f.Add(200, "", `{"access_token":"x"}`)
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		if status < 200 || status > 999 {
			return
		}
		var learned []string
		c := client(t, httpx.Options{Transport: inMemory{func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			w.Header()["Retry-After"] = []string{"31"}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}}})
		ex, err := oauth.NewSource(c, func(_, token string) { learned = append(learned, token) }).Fetch(t.Context(), credential(memoryURL), false)
		if ex == nil {
			t.Fatalf("an answer arrived and there is no exchange: %v", err)
		}
		if (err == nil) == ex.Token.Value.IsZero() {
			t.Fatalf("error %v with token %t", err, !ex.Token.Value.IsZero())
		}
		if err == nil && (status < 200 || status > 299 || !slices.Contains(learned, ex.Token.Value.Reveal())) {
			t.Fatalf("status %d gave a token, learned %q", status, learned)
		}
		if err == nil {
			return
		}
		e, ok := errors.AsType[*oauth.Error](err)
		if !ok || e.Kind == "" || e.Message == "" || e.Cure == "" || len(e.Message) > 4000 {
			t.Fatalf("error %#v", err)
		}
		if strings.ContainsFunc(e.Message, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("message with control characters %q", e.Message)
		}
	})
}
