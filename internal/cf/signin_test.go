package cf

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

func form(t *testing.T, body string) map[string]string {
	t.Helper()
	values, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]string)
	for k := range values {
		fields[k] = values.Get(k)
	}
	return fields
}

func TestSignIn(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		line   string
		auth   string
		form   map[string]string
	}{
		"password": {
			Config{API: apiURL, Username: "tester", Password: secret.New("p", password)},
			"POST login.cf.test/oauth/token", "Basic Y2Y6",
			map[string]string{"grant_type": "password", "username": "tester", "password": password},
		},
		"bare host, slash and origin": {
			Config{API: "api.cf.test/", Username: "tester", Password: secret.New("p", password), Origin: `sap."ids"`},
			"POST login.cf.test/oauth/token?login_hint=%7B%22origin%22%3A%22sap.%5C%22ids%5C%22%22%7D", "Basic Y2Y6",
			map[string]string{"grant_type": "password", "username": "tester", "password": password},
		},
		"client credentials": {
			Config{API: apiURL, ClientID: "automation", ClientSecret: secret.New("s", "s$e=cret")},
			"POST login.cf.test/oauth/token", "",
			map[string]string{"grant_type": "client_credentials", "client_id": "automation", "client_secret": "s$e=cret"},
		},
		"password with a client": {
			Config{API: apiURL, Username: "tester", Password: secret.New("p", password), ClientID: "own", ClientSecret: secret.New("s", "x")},
			"POST login.cf.test/oauth/token", "Basic b3duOng=",
			map[string]string{"grant_type": "password", "username": "tester", "password": password},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
			learned := map[string]string{}
			c.config.Learned = func(name, value string) { learned[name] = value }
			if _, err := w.client(c.config).Spaces(t.Context(), "o"); err != nil {
				t.Fatal(err)
			}
			got := w.signIns()
			if len(got) != 1 {
				t.Fatalf("got %d sign-ins, want 1", len(got))
			}
			if got[0].Line != c.line || got[0].Authorization != c.auth {
				t.Errorf("got %q with %q, want %q with %q", got[0].Line, got[0].Authorization, c.line, c.auth)
			}
			if diff := cmp.Diff(c.form, form(t, got[0].Body)); diff != "" {
				t.Errorf("form (-want +got):\n%s", diff)
			}
			want := map[string]string{"cloud-foundry.access-token": tokenNumber(1), "cloud-foundry.refresh-token": "refresh-1"}
			if diff := cmp.Diff(want, learned); diff != "" {
				t.Errorf("learned (-want +got):\n%s", diff)
			}
			if last := w.requests[len(w.requests)-1]; last.Authorization != "bearer "+tokenNumber(1) {
				t.Errorf("got authorization %q", last.Authorization)
			}
			if first := w.requests[0].Line; first != "GET api.cf.test/" {
				t.Errorf("the first request is %q, want the root alone", first)
			}
		})
	}
}

func TestOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		slow := w.routes["POST login.cf.test/oauth/token"]
		w.on("POST login.cf.test/oauth/token", func(out http.ResponseWriter, in *http.Request) {
			<-time.After(time.Second)
			slow(out, in)
		})
		w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
		c := w.tester()
		// One caller gives up; the others must not notice.
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Spaces(short, "o")
			failure(t, err, platform.KindTimeout)
		})
		for range 50 {
			wg.Go(func() {
				if _, err := c.Spaces(t.Context(), "o"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(w.signIns()); n != 1 {
			t.Errorf("got %d sign-ins, want 1", n)
		}
	})
}

func TestSignInEndsWithItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		ended := false
		w.on("POST login.cf.test/oauth/token", func(out http.ResponseWriter, in *http.Request) {
			<-in.Context().Done()
			ended = true
			lose(context.Cause(in.Context()))(out, in)
		})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("limit of 1s for the step"))
		defer cancel()
		_, err := w.tester().Spaces(ctx, "o")
		if e := failure(t, err, platform.KindTimeout); !strings.Contains(e.Message, "limit of 1s for the step") {
			t.Errorf("the message does not name the limit: %s", e.Message)
		}
		synctest.Wait()
		if !ended {
			t.Error("the sign-in goes on without anybody waiting")
		}
	})
}

func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
		c := w.tester()
		ask := func(after time.Duration) {
			t.Helper()
			<-time.After(after)
			if _, err := c.Spaces(t.Context(), "o"); err != nil {
				t.Fatal(err)
			}
		}
		ask(0)
		ask(568 * time.Second) // 31 s before its end
		if n := len(w.signIns()); n != 1 {
			t.Fatalf("got %d sign-ins before the end of the token, want 1", n)
		}
		ask(2 * time.Second)
		got := w.signIns()
		if len(got) != 2 {
			t.Fatalf("got %d sign-ins 29 s before the end, want 2", len(got))
		}
		want := map[string]string{"grant_type": "refresh_token", "refresh_token": "refresh-1"}
		if diff := cmp.Diff(want, form(t, got[1].Body)); diff != "" || got[1].Authorization != "Basic Y2Y6" {
			t.Errorf("refresh with %q (-want +got):\n%s", got[1].Authorization, diff)
		}
		// A refresh token that is over is followed by the password.
		w.on("POST login.cf.test/oauth/token", inTurn(answer(401, `{"error":"invalid_token","error_description":"Invalid refresh token (expired)"}`), w.token))
		ask(time.Hour)
		got = w.signIns()
		if len(got) != 4 || form(t, got[3].Body)["grant_type"] != "password" {
			t.Errorf("got sign-ins %v, want a refresh and a password", got[2:])
		}
	})
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	invalid := answer(401, envelope(1000, "CF-InvalidAuthToken", "Invalid Auth Token"))
	t.Run("good then", func(t *testing.T) {
		w := newWire(t)
		w.on("POST api.cf.test/v3/service_instances", inTurn(invalid, answer(202, "", "Location", apiURL+"/v3/jobs/1")))
		if _, err := w.tester().CreateInstance(t.Context(), CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"}); err != nil {
			t.Fatal(err)
		}
		if n := len(w.signIns()); n != 2 {
			t.Errorf("got %d sign-ins, want 2", n)
		}
		last := w.requests[len(w.requests)-1]
		if last.Authorization != "bearer "+tokenNumber(2) || last.Body == "" {
			t.Errorf("sent again as %+v", last)
		}
	})
	t.Run("refused again", func(t *testing.T) {
		w := newWire(t)
		w.on("GET api.cf.test/v3/spaces", invalid)
		_, err := w.tester().Spaces(t.Context(), "o")
		e := failure(t, err, platform.KindUnauthorized)
		if e.Code != 1000 || e.Title != "CF-InvalidAuthToken" || len(w.lines()) != 2 {
			t.Errorf("got %+v after %d requests", e, len(w.lines()))
		}
	})
	t.Run("many at once", func(t *testing.T) {
		w := newWire(t)
		w.on("GET api.cf.test/v3/spaces", func(out http.ResponseWriter, in *http.Request) {
			if in.Header.Get("Authorization") == "bearer "+tokenNumber(1) {
				invalid(out, in)
				return
			}
			write(out, 200, list(""))
		})
		c := w.tester()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := c.Spaces(t.Context(), "o"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(w.signIns()); n != 2 {
			t.Errorf("got %d sign-ins, want 2", n)
		}
	})
}

func TestSignInRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		body         string
		kind         platform.Kind
		message      string
		cure         string
		retriedAfter bool
	}{
		"password":        {401, `{"error":"unauthorized","error_description":"Bad credentials"}`, platform.KindSignIn, `the platform says "Bad credentials" (unauthorized)`, "second factor", false},
		"client":          {401, `{"error":"invalid_client","error_description":"Bad credentials"}`, platform.KindSignIn, `"Bad credentials" (invalid_client)`, "check username", false},
		"origin":          {401, `{"error":"unauthorized","error_description":"The origin provided in login_hint does not match an active Identity Provider (IdP) that supports resource-owner password grant flow."}`, platform.KindSignIn, "identity provider is not accepted", "origin:", false},
		"locked":          {401, `{"error":"unauthorized","error_description":"Your account has been locked because of too many failed attempts to login."}`, platform.KindSignIn, "the user is locked", "reset the password", false},
		"password locked": {401, `{"error":"unauthorized","error_description":"User authentication failed: PASSWORD_LOCKED"}`, platform.KindSignIn, "the user is locked", "reset the password", false},
		"expired":         {401, `{"error":"unauthorized","error_description":"User authentication failed: PASSWORD_EXPIRED"}`, platform.KindSignIn, "the password must be changed", "reset the password", false},
		"expired, in UAA": {403, `{"error":"access_denied","error_description":"Your current password has expired. Please reset your password."}`, platform.KindSignIn, "the password must be changed", "reset the password", false},
		"to be changed":   {401, `{"error":"unauthorized","error_description":"User password needs to be changed"}`, platform.KindSignIn, "the password must be changed", "reset the password", false},
		"grant type":      {401, `{"error":"invalid_client","error_description":"Unauthorized grant type"}`, platform.KindSignIn, "may not sign in this way", "grant type", false},
		"not found":       {404, `<html><title>404 no such app</title></html>`, platform.KindAnswer, "no sign-in server", "check api:", true},
		"page":            {200, `<html><title>secret-in-page</title></html>`, platform.KindAnswer, "gives no token", "check", true},
		"no token":        {200, `{"token_type":"bearer"}`, platform.KindAnswer, "gives no token", "check", true},
		"token with line": {200, `{"access_token":"a\nb"}`, platform.KindAnswer, "other characters", "check", true},
		"out of order":    {500, `{"error":"server_error"}`, platform.KindServer, "out of order", "later", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			w.on("POST login.cf.test/oauth/token", answer(c.status, c.body))
			client := w.tester()
			_, err := client.Spaces(t.Context(), "o")
			e := failure(t, err, c.kind)
			if !strings.Contains(e.Message, c.message) || !strings.Contains(e.Cure, c.cure) {
				t.Errorf("got message %q and cure %q", e.Message, e.Cure)
			}
			if strings.Contains(e.Message, "secret-in-page") || strings.Contains(e.Message, password) {
				t.Errorf("the message holds what it must not: %s", e.Message)
			}
			if e.Status != c.status || platform.MaybeCreated(err) {
				t.Errorf("got status %d, created %t", e.Status, platform.MaybeCreated(err))
			}
			// A password that was refused must not lock the account.
			if _, err := client.Spaces(t.Context(), "o"); err == nil {
				t.Error("the second call passes")
			}
			if again := len(w.signIns()) == 2; again != c.retriedAfter {
				t.Errorf("got %d sign-ins, want a second: %t", len(w.signIns()), c.retriedAfter)
			}
		})
	}
}

func TestSignInWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		w.on("POST login.cf.test/oauth/token", inTurn(
			answer(429, "slow down", "Retry-After", "7", "Content-Type", "text/plain"), answer(503, ""), lose(errReset), w.token))
		w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
		start := time.Now()
		if _, err := w.tester().Spaces(t.Context(), "o"); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 7*time.Second+250*time.Millisecond+500*time.Millisecond {
			t.Errorf("waited %s", d)
		}
	})
}

// TestWrongClock: a token that is over by this machine's clock, with no word of
// its life, is used until it is refused, and not fetched for each request.
func TestWrongClock(t *testing.T) {
	w := newWire(t)
	w.on("POST login.cf.test/oauth/token", answer(200, `{"access_token":"`+expiring(time.Unix(1000, 0))+`","token_type":"bearer"}`))
	w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
	c := w.tester()
	for range 3 {
		if _, err := c.Spaces(t.Context(), "o"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.signIns()); n != 1 {
		t.Errorf("got %d sign-ins, want 1", n)
	}
}

func TestNoSignIn(t *testing.T) {
	_, err := newWire(t).client(Config{API: apiURL}).Spaces(t.Context(), "o")
	failure(t, err, platform.KindSignIn)
}

func TestDiscovery(t *testing.T) {
	for name, c := range map[string]struct {
		api    string
		root   http.HandlerFunc
		kind   platform.Kind
		answer string
	}{
		"none":          {"", answer(200, "{}"), platform.KindRequest, `api is ""`},
		"no URL":        {"https://", answer(200, "{}"), platform.KindRequest, "api is"},
		"not found":     {apiURL, answer(404, "404 page not found", "Content-Type", "text/plain"), platform.KindNotFound, `"404 page not found"`},
		"page":          {apiURL, answer(200, "<!DOCTYPE html><html><head><title>Welcome &amp;\n more</title></head></html>", "Content-Type", "text/html"), platform.KindAnswer, `titled "Welcome & more"`},
		"no links":      {apiURL, answer(200, `{}`), platform.KindAnswer, "neither a login nor a uaa server"},
		"links of v3":   {apiURL, answer(200, `{"links":{"self":{"href":"https://api.cf.test/v3"}}}`), platform.KindAnswer, "neither a login"},
		"null":          {apiURL, answer(200, `{"links":{"login":null,"uaa":null}}`), platform.KindAnswer, "neither a login"},
		"no TLS":        {apiURL, answer(200, `{"links":{"login":{"href":"http://login.cf.test"}}}`), platform.KindAnswer, "without TLS"},
		"no URL linked": {apiURL, answer(200, `{"links":{"login":{"href":"login"}}}`), platform.KindAnswer, "want a URL"},
		"redirect":      {apiURL, answer(301, "", "Location", "https://elsewhere.test/?secret"), platform.KindAnswer, `points to "https://elsewhere.test/"`},
		"empty":         {apiURL, answer(200, ""), platform.KindAnswer, "the answer is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			w.on("GET api.cf.test/", c.root)
			_, err := w.client(Config{API: c.api, Username: "tester", Password: secret.New("p", password)}).Spaces(t.Context(), "o")
			if e := failure(t, err, c.kind); !strings.Contains(e.Message, c.answer) || e.Cure == "" {
				t.Errorf("got %q, cure %q; want %q", e.Message, e.Cure, c.answer)
			}
			if len(w.signIns()) != 0 {
				t.Error("the password was sent somewhere")
			}
		})
	}
	t.Run("uaa where login is null", func(t *testing.T) {
		w := newWire(t)
		w.on("GET api.cf.test/", answer(200, `{"links":{"login":null,"uaa":{"href":"https://uaa.cf.test/"}}}`))
		w.on("POST uaa.cf.test/oauth/token", w.token)
		w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
		if _, err := w.tester().Spaces(t.Context(), "o"); err != nil {
			t.Error(err)
		}
	})
}

// writeSession writes the file as the cf command line does, and gives the home.
func writeSession(t *testing.T, fields map[string]any) string {
	t.Helper()
	home := t.TempDir()
	writeSessionTo(t, home, fields)
	return home
}

func writeSessionTo(t *testing.T, home string, fields map[string]any) {
	t.Helper()
	file := map[string]any{
		"ConfigVersion": 4, "Target": apiURL, "AuthorizationEndpoint": loginURL, "UaaEndpoint": "https://uaa.cf.test",
		"UAAOAuthClient": "cf", "UAAOAuthClientSecret": "", "RefreshToken": "session-refresh",
		"OrganizationFields": map[string]any{"GUID": "o-1", "Name": "acme"}, "SpaceFields": map[string]any{"GUID": "s-1", "Name": "dev", "AllowSSH": true},
	}
	for k, v := range fields {
		file[k] = v
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(home, ".cf"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".cf", "config.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSession(t *testing.T) {
	good := expiring(time.Now().Add(time.Hour))
	home := writeSession(t, map[string]any{"AccessToken": "bearer " + good})
	before, err := os.ReadFile(filepath.Join(home, ".cf", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t)
	w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
	learned := map[string]bool{}
	c := w.client(Config{Home: home, Learned: func(_, v string) { learned[v] = true }})
	if _, err := c.Spaces(t.Context(), "o"); err != nil {
		t.Fatal(err)
	}
	if len(w.signIns()) != 0 || w.requests[0].Authorization != "bearer "+good {
		t.Errorf("got requests %v, want one with the token of the session", w.requests)
	}
	if !learned[good] || !learned["session-refresh"] {
		t.Error("the tokens of the session were not learned")
	}
	// The API refuses it: the refresh token is used, and the file stays.
	w.on("GET api.cf.test/v3/spaces", inTurn(answer(401, envelope(1000, "CF-InvalidAuthToken", "Invalid Auth Token")), answer(200, list(""))))
	if _, err := c.Spaces(t.Context(), "o"); err != nil {
		t.Fatal(err)
	}
	got := w.signIns()
	if len(got) != 1 || form(t, got[0].Body)["refresh_token"] != "session-refresh" || got[0].Authorization != "Basic Y2Y6" {
		t.Errorf("got sign-ins %v, want the refresh token of the session", got)
	}
	after, err := os.ReadFile(filepath.Join(home, ".cf", "config.json"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v)", err)
	}
	s, err := ReadSession(home)
	if err != nil {
		t.Fatal(err)
	}
	if s.API != apiURL || s.SignIn != loginURL || s.Organization != (Target{"o-1", "acme"}) || s.Space != (Target{"s-1", "dev"}) {
		t.Errorf("got session %+v", s)
	}
}

func TestSessionRenewedElsewhere(t *testing.T) {
	home := writeSession(t, map[string]any{"AccessToken": "bearer " + expiring(time.Now().Add(time.Hour))})
	w := newWire(t)
	w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
	c := w.client(Config{API: apiURL, Home: home})
	if _, err := c.Spaces(t.Context(), "o"); err != nil {
		t.Fatal(err)
	}
	other := expiring(time.Now().Add(2 * time.Hour))
	writeSessionTo(t, home, map[string]any{"AccessToken": "bearer " + other})
	w.on("GET api.cf.test/v3/spaces", inTurn(answer(401, envelope(1000, "CF-InvalidAuthToken", "Invalid Auth Token")), answer(200, list(""))))
	if _, err := c.Spaces(t.Context(), "o"); err != nil {
		t.Fatal(err)
	}
	if last := w.requests[len(w.requests)-1]; len(w.signIns()) != 0 || last.Authorization != "bearer "+other {
		t.Errorf("got %v, want the token that the command line has now", last)
	}
}

func TestSessionRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		home := writeSession(t, map[string]any{"AccessToken": "bearer " + expiring(time.Now().Add(-time.Hour))})
		w := newWire(t)
		w.on("GET api.cf.test/v3/spaces", answer(200, list("")))
		c := w.client(Config{Home: home})
		for range 2 {
			if _, err := c.Spaces(t.Context(), "o"); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Hour)
		}
		got := w.signIns()
		if len(got) != 2 || form(t, got[0].Body)["refresh_token"] != "session-refresh" || form(t, got[1].Body)["refresh_token"] != "refresh-1" {
			t.Errorf("got sign-ins %v, want the newest refresh token each time", got)
		}
	})
}

func TestSessionErrors(t *testing.T) {
	for name, c := range map[string]struct {
		api     string
		fields  map[string]any
		refusal string // of the sign-in server
		want    string
		cure    string
	}{
		"signed out":    {"", map[string]any{"AccessToken": "", "RefreshToken": ""}, "", "nobody is signed in", "cf login"},
		"over":          {"", map[string]any{"AccessToken": "bearer " + expiring(time.Unix(1, 0)), "RefreshToken": ""}, "", "the session is over", "cf login"},
		"refresh over":  {"", map[string]any{"AccessToken": "bearer " + expiring(time.Unix(1, 0))}, `{"error":"invalid_token","error_description":"expired"}`, `"expired" (invalid_token)`, "cf login"},
		"no API":        {"", map[string]any{"Target": ""}, "", "names no API", "cf login"},
		"another API":   {"https://api.other.test", nil, "", "the session is for https://api.cf.test; want one for https://api.other.test", "cf login -a https://api.other.test"},
		"type":          {"", map[string]any{"AccessToken": 7}, "", "AccessToken is a number; want text", "cf login"},
		"line in token": {"", map[string]any{"AccessToken": "bearer a\r\nX: y"}, "", "other characters", "cf login"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			if c.refusal != "" {
				w.on("POST login.cf.test/oauth/token", answer(401, c.refusal))
			}
			_, err := w.client(Config{API: c.api, Home: writeSession(t, c.fields)}).Spaces(t.Context(), "o")
			if e := failure(t, err, platform.KindSignIn); !strings.Contains(e.Message, c.want) || !strings.Contains(e.Cure, c.cure) {
				t.Errorf("got %q, cure %q; want %q", e.Message, e.Cure, c.want)
			}
		})
	}
	for name, data := range map[string]string{"syntax": `{"AccessToken":"abc`, "list": `[1]`, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.MkdirAll(filepath.Join(home, ".cf"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, ".cf", "config.json"), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadSession(home)
			if e := failure(t, err, platform.KindSignIn); !strings.Contains(e.Message, "no JSON") || strings.Contains(e.Message, "abc") {
				t.Errorf("got %q", e.Message)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		_, err := ReadSession(t.TempDir())
		if e := failure(t, err, platform.KindSignIn); !strings.Contains(e.Message, "does not exist") {
			t.Errorf("got %q", e.Message)
		}
	})
}
