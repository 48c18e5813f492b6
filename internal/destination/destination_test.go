package destination

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
)

// service answers as wire/sap.md 7 says; it is the transport, so that no socket
// is there and tests wait for nothing.
type service struct {
	mu       sync.Mutex
	requests []string
	tokens   int
	// answers are given in turn, each "STATUS BODY"; "lost" is no answer.
	answers []string
	header  http.Header
}

// RoundTrip implements http.RoundTripper.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if r.URL.Host == "acme.authentication.eu10.hana.ondemand.com" {
		s.tokens++
		return answer(r, 200, fmt.Sprintf(`{"access_token":"token-%d","token_type":"bearer","expires_in":43199}`, s.tokens), nil), nil
	}
	s.requests = append(s.requests, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+string(body)))
	if len(s.answers) == 0 {
		return nil, errors.New("no answer is left")
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	if next == "lost" {
		return nil, io.ErrUnexpectedEOF
	}
	status, text, _ := strings.Cut(next, " ")
	code := 0
	if _, err := fmt.Sscan(status, &code); err != nil {
		return nil, err
	}
	return answer(r, code, text, s.header), nil
}

func answer(r *http.Request, status int, body string, header http.Header) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for name, values := range header {
		h[name] = values
	}
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

func open(t *testing.T, answers ...string) (*service, *Client) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "keys", "destination.json"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey("destinations", data)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{answers: answers, header: http.Header{}}
	h, err := httpx.New(httpx.Options{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return s, New(h, oauth.NewSource(h, func(_, _ string) {}), key)
}

func wanted() Properties {
	return Properties{Name: "A", Type: "HTTP", URL: "https://a.example", ClientSecret: "secret-of-a"}
}

const base = "https://destination-configuration.cfapps.eu10.hana.ondemand.com/destination-configuration/v1"

func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := open(t, "201 ", `200 {"Name":"A","URL":"https://a.example","clientSecret":"secret-of-a"}`, "200 {\"Count\":1}", "401 ", "204 ")
		ctx := t.Context()
		if err := c.Create(ctx, wanted()); err != nil {
			t.Error(err)
		}
		if p, err := c.Get(ctx, "A"); err != nil || p[ClientSecret] != "secret-of-a" {
			t.Errorf("%v %v", p, err)
		}
		for range 2 { // the second renews its token
			if err := c.Delete(ctx, "A"); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff([]string{
			"POST " + base + `/subaccountDestinations Bearer token-1 {"Name":"A","Type":"HTTP","URL":"https://a.example","clientSecret":"secret-of-a"}`,
			"GET " + base + "/subaccountDestinations/A Bearer token-1",
			"DELETE " + base + "/subaccountDestinations/A Bearer token-1",
			"DELETE " + base + "/subaccountDestinations/A Bearer token-1",
			"DELETE " + base + "/subaccountDestinations/A Bearer token-2",
		}, s.requests); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := open(t,
			`200 {"owner":{"SubaccountId":"S","InstanceId":null},"destinationConfiguration":{"Name":"A","n":1},"authTokens":[{"type":"Bearer","value":"t0ken","expires_in":"43199","scope":"x"},{"type":"","value":"","error":"no luck"},{"type":"","value":""}]}`,
			`200 {"owner":{"SubaccountId":"S","InstanceId":"I"},"destinationConfiguration":{"Name":"A"}}`, `200 []`)
		f, err := c.Find(t.Context(), "A")
		if err != nil || f.Subaccount != "S" || f.Instance != "" || f.Properties["n"] != "1" || len(f.Tokens) != 3 {
			t.Fatalf("%+v %v", f, err)
		}
		if ok := f.Tokens[0]; !ok.OK() || ok.Value.Reveal() != "t0ken" || ok.ExpiresIn != "43199" || ok.Scope != "x" {
			t.Errorf("%+v", ok)
		}
		if f.Tokens[1].OK() || f.Tokens[1].Error != "no luck" || f.Tokens[2].OK() || !strings.Contains(f.Tokens[2].Error, "does not say why") {
			t.Errorf("%+v", f.Tokens[1:])
		}
		if f, err := c.Find(t.Context(), "A"); err != nil || f.Instance != "I" || len(f.Tokens) != 0 {
			t.Errorf("%+v %v", f, err)
		}
		if _, err := c.Find(t.Context(), "A"); !platform.Is(err, platform.KindAnswer) {
			t.Errorf("a list is an answer: %v", err)
		}
	})
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		answers []string
		do      func(context.Context, *Client) error
		kind    platform.Kind
		text    string
		sent    int
		maybe   bool
	}{
		{[]string{`409 {"ErrorMessage":"taken"}`}, create, platform.KindNameTaken, `create the destination "A": there is a destination of that name (status 409); the service says "taken"`, 1, false},
		{[]string{"404 nothing"}, remove, platform.KindNotFound, `delete the destination "A": there is no such destination (status 404); the answer begins "nothing"`, 1, false},
		{[]string{"401 ", "401 "}, create, platform.KindUnauthorized, "though it is new", 2, false},
		{[]string{"403 "}, create, platform.KindForbidden, "may not do this (status 403); the answer is empty", 1, false},
		{[]string{"400 <html><title>Login &amp; more</title>"}, create, platform.KindRefused, `the answer is a page (HTML), titled "Login & more"`, 1, false},
		{[]string{"lost"}, create, platform.KindNetwork, `create the destination "A": `, 1, true},
		{[]string{"503 ", "503 "}, create, platform.KindServer, "out of order (status 503)", 1, true},
		{[]string{"503 ", "lost", "502 ", "504 "}, remove, platform.KindServer, "out of order (status 504)", 4, false},
		{[]string{"429 ", "429 ", "201 "}, create, "", "", 3, false},
		{[]string{"429 ", "429 ", "429 ", "429 ", "429 ", "429 ", "429 "}, create, platform.KindRateLimited, "too many requests", 7, false},
		{[]string{`200 {"Name":"B","clientSecret":"secret-of-b"}`}, get, platform.KindAnswer, "the answer is JSON of another kind", 1, false},
		{[]string{`200 {"Name":"A","clientSecret":"secret-of-b`}, get, platform.KindAnswer, `the answer is no JSON, but has the type "application/json"`, 1, false},
		{nil, func(ctx context.Context, c *Client) error { return c.Create(ctx, Properties{Name: "a b"}) }, platform.KindRequest, "is no name of a destination", 0, false},
		{nil, func(ctx context.Context, c *Client) error { return c.Create(ctx, Properties{Name: "a"}) }, platform.KindRequest, "the destination has no Type and no URL", 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, c := open(t, test.answers...)
			err := test.do(t.Context(), c)
			if len(s.requests) != test.sent {
				t.Errorf("%q: %d requests, want %d", test.answers, len(s.requests), test.sent)
			}
			if test.kind == "" {
				if err != nil {
					t.Errorf("%q: %v", test.answers, err)
				}
				return
			}
			if !platform.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) || platform.MaybeCreated(err) != test.maybe {
				t.Errorf("%q: %v (may be created: %v), want %s, %q", test.answers, err, platform.MaybeCreated(err), test.kind, test.text)
			}
			if strings.Contains(fmt.Sprint(err), "secret-of") {
				t.Errorf("a secret: %v", err)
			}
		})
	}
}

func create(ctx context.Context, c *Client) error { return c.Create(ctx, wanted()) }
func remove(ctx context.Context, c *Client) error { return c.Delete(ctx, "A") }
func get(ctx context.Context, c *Client) error    { _, err := c.Get(ctx, "A"); return err }

func TestSecrets(t *testing.T) {
	p := Properties{Name: "A", ClientSecret: "secret-1", "Password": "secret-2", "URL.headers.Authorization": "secret-3", "tokenService.body.client_assertion": "secret-4", TokenServiceURL: "https://t.example", "empty.password": ""}
	for _, text := range []string{fmt.Sprint(p), fmt.Sprintf("%+v %#v %s %q", p, p, p, p), fmt.Sprint(struct{ P Properties }{p}), fmt.Sprintf("%+v", Found{Properties: p})} {
		if strings.Contains(text, "secret-") || !strings.Contains(text, "https://t.example") {
			t.Error(text)
		}
	}
	if len(p.Secrets()) != 4 || p.Secrets()[0].Name() != "A.Password" {
		t.Errorf("%v", p.Secrets())
	}
	for name, want := range map[string]bool{
		"Name": false, URL: false, TokenServiceURL: false, TokenServiceURLType: false, "tokenServiceURL.ProxyType": false, KeyStoreLocation: false,
		"tokenService.KeyStorePassword": true, "tokenServiceUser": false, "tokenServicePassword": true, AddClientCredentialsInBody: false,
		"tokenServiceURL.ConnectionTimeoutInSeconds": false, "URL.headers.apikey": true, "URL.headers.X-Tenant": false, "URL.headers.Cookie": true, "tokenServiceURL.queries.token": true,
		"PrivateKey": true, "User": false, ClientID: false,
	} {
		if IsSecret(name) != want {
			t.Errorf("IsSecret(%q) is %v", name, !want)
		}
	}
}

func TestParseKey(t *testing.T) {
	for text, want := range map[string]string{
		`{"clientid":"a","clientsecret":"secret-1","url":"https://t.example"}`:                       "destinations: has no uri; want a key of an instance of the service destination",
		`{"clientid":"a","clientsecret":"secret-1"}`:                                                 "lacks tokenurl",
		`{"clientid":"a","clientsecret":"secret-1","url":"https://t.example","uri":"https://d/é x"}`: "uri",
	} {
		_, err := ParseKey("destinations", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-1") {
			t.Errorf("%s: %v, want %q in it", text, err, want)
		}
	}
}
