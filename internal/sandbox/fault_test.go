package sandbox_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/sandbox"
)

// both runs a test in memory and on sockets.
func both(t *testing.T, test func(t *testing.T, tn *tenant)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, start(t, sandbox.Options{})) })
	t.Run("sockets", func(t *testing.T) { test(t, listen(t, sandbox.Options{})) })
}

func TestFaultConnectionReset(t *testing.T) {
	both(t, func(t *testing.T, tn *tenant) {
		bearer := tn.bearer("sender")
		tn.fault("connection-reset:path=/http/echo,count=1")
		_, err := tn.try("POST", tn.URL("runtime")+"/http/echo", "x", bearer)
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a connection that was reset", err)
		}
		if a := tn.send("POST", tn.URL("runtime")+"/http/echo", "x", bearer); a.StatusCode != 200 {
			t.Errorf("the next: %d", a.StatusCode)
		}
		if got := tn.statuses("runtime"); !slices.Equal(got, []int{0, 200}) {
			t.Errorf("listed %v, want 0 and 200", got)
		}
	})
}

func TestFaultTruncatedBody(t *testing.T) {
	both(t, func(t *testing.T, tn *tenant) {
		bearer := tn.bearer("sender")
		tn.fault("truncated-body:path=/http/*")
		for _, test := range []struct{ method, path string }{{"POST", "/http/echo"}, {"GET", "/http/large?kb=300"}, {"POST", "/http/import"}} {
			a, err := tn.try(test.method, tn.URL("runtime")+test.path, "x", bearer)
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: got %v, want an unexpected end", test.path, err)
			}
			if a.Response == nil || a.ContentLength <= int64(len(a.body)) {
				t.Errorf("%s: %d bytes arrived", test.path, len(a.body))
			}
		}
		tn.send("DELETE", tn.URL("control")+"/_sandbox/faults", "")
		if a := tn.send("POST", tn.URL("runtime")+"/http/echo", "x", bearer); a.StatusCode != 200 {
			t.Errorf("after the end of the fault: %d", a.StatusCode)
		}
	})
}

func TestFaultOfTheConnectionElsewhere(t *testing.T) {
	tn := start(t, sandbox.Options{})
	tn.fault("truncated-body:path=/oauth/token,count=1")
	tn.fault("connection-reset:part=api,count=1")
	if _, err := tn.try("POST", tn.key("sender").TokenURL, "x"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("token: %v", err)
	}
	if _, err := tn.try("GET", tn.URL("api")+"/api/v1/", ""); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("api: %v", err)
	}
	tn.bearer("sender")
}

func TestFaultRuntime503(t *testing.T) {
	tn := start(t, sandbox.Options{})
	bearer := tn.bearer("sender")
	tn.fault("runtime-503:path=/http/orders,count=2,retry-after=3")
	url := tn.URL("runtime")
	for i, want := range []int{503, 503, 200} {
		a := tn.send("POST", url+"/HTTP/orders", `{"sku":"A-100","qty":1}`, bearer)
		if a.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i+1, a.StatusCode, want)
		}
		if want == 503 && a.Header.Get("Retry-After") != "3" {
			t.Errorf("Retry-After %q, want 3", a.Header.Get("Retry-After"))
		}
		if a := tn.send("GET", url+"/http/echo", "", bearer); a.StatusCode != 200 {
			t.Errorf("another path: %d", a.StatusCode)
		}
	}
}

func TestFaultTokenShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		tn.fault("token-short:seconds=2")
		a := tn.form(tn.key("sender"))
		got := decode[struct {
			ExpiresIn int    `json:"expires_in"`
			Token     string `json:"access_token"`
		}](t, a.body)
		if got.ExpiresIn != 1 {
			t.Errorf("expires_in %d, want 1", got.ExpiresIn)
		}
		if p := payloadOf(t, got.Token); p.Exp-p.Iat != 2 {
			t.Errorf("lives %d seconds, want 2", p.Exp-p.Iat)
		}
		for _, want := range []int{200, 401} {
			if a := tn.send("GET", tn.URL("runtime")+"/http/echo", "", "Authorization: Bearer "+got.Token); a.StatusCode != want {
				t.Errorf("got %d, want %d", a.StatusCode, want)
			}
			<-time.After(2 * time.Second)
		}
	})
}

func TestFaultSecretRevoked(t *testing.T) {
	tn := start(t, sandbox.Options{})
	created := tn.send("POST", tn.URL("control")+"/_sandbox/keys", `{"instance":"sandbox-rt","name":"sender-2"}`)
	if created.StatusCode != 201 {
		t.Fatalf("create a key: %d %s", created.StatusCode, created.body)
	}
	first, second := tn.key("sender"), parseKey(t, []byte(created.body))
	if first.ClientID != second.ClientID || first.ClientSecret == second.ClientSecret {
		t.Fatalf("want one client and two secrets, got %+v and %+v", first, second)
	}
	bearers := map[string]string{"sender": tn.bearer("sender"), "sender-2": tn.bearer("sender-2")}
	echo := tn.URL("runtime") + "/http/echo"
	use := func(key string) []int {
		return []int{
			tn.form(tn.key(key)).StatusCode,
			tn.send("GET", echo, "", bearers[key]).StatusCode,
			tn.send("GET", echo, "", "Authorization: Basic "+tn.fill("{{"+key+".basic}}")).StatusCode,
		}
	}
	tn.fault("secret-revoked:key=sender-2")
	if got := use("sender"); !slices.Equal(got, []int{200, 200, 200}) {
		t.Errorf("the other key: %v", got)
	}
	if got := use("sender-2"); !slices.Equal(got, []int{401, 401, 401}) {
		t.Errorf("the revoked key: %v", got)
	}
	tn.send("DELETE", tn.URL("control")+"/_sandbox/faults", "")
	if got := use("sender-2"); !slices.Equal(got, []int{200, 200, 200}) {
		t.Errorf("after the end of the fault: %v", got)
	}
	if a := tn.send("DELETE", tn.URL("control")+"/_sandbox/keys/sender-2", ""); a.StatusCode != 204 {
		t.Errorf("delete: %d", a.StatusCode)
	}
	if a := tn.send("GET", echo, "", bearers["sender-2"]); a.StatusCode != 401 {
		t.Errorf("token of a deleted key: %d", a.StatusCode)
	}
	if a := tn.form(second); a.StatusCode != 401 {
		t.Errorf("secret of a deleted key: %d", a.StatusCode)
	}
}

func TestFaultsOfTheTokenEndpoint(t *testing.T) {
	for _, test := range []struct {
		fault  string
		status int
		retry  string
	}{
		{"token-500:count=1", 500, ""},
		{"token-503:count=1,retry-after=7", 503, "7"},
		{"token-429:count=1", 429, "1"},
		{"token-429:count=1,retry-after=2", 429, "2"},
		{"token-garbage:count=1", 200, ""},
	} {
		tn := start(t, sandbox.Options{})
		tn.fault(test.fault)
		a := tn.form(tn.key("sender"))
		if a.StatusCode != test.status || a.Header.Get("Retry-After") != test.retry || strings.Contains(a.body, "access_token") {
			t.Errorf("%s: %d, Retry-After %q: %s", test.fault, a.StatusCode, a.Header.Get("Retry-After"), a.body)
		}
		tn.bearer("sender")
	}
}

func TestFaultTokenSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		tn.fault("token-slow:seconds=1.5,count=1")
		from := time.Now()
		tn.bearer("sender")
		if took := time.Since(from); took != 1500*time.Millisecond {
			t.Errorf("took %v, want 1.5s", took)
		}
	})
}

func TestFaultsOfTheSignature(t *testing.T) {
	tn := start(t, sandbox.Options{})
	before := tn.token("sender")
	address := tn.URL("token") + "/token_keys"
	tn.fault("token-forged:count=1")
	forged := tn.token("sender")
	if err := check(forged, tn.publishedKeys(address)); err == nil {
		t.Errorf("a forged token has a good signature")
	}
	tn.fault("jwks-rotated:count=1")
	rotated := tn.token("sender")
	keys := tn.publishedKeys(address)
	if err := check(rotated, keys); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if err := check(before, keys); err == nil {
		t.Errorf("the key before the rotation is still published")
	}
	tn.fault("token-foreign-issuer:count=1")
	foreign := tn.token("sender")
	if p := payloadOf(t, foreign); !strings.HasPrefix(p.Iss, "https://other.") {
		t.Errorf("issuer %s", p.Iss)
	}
	for name, test := range map[string]struct {
		token string
		want  int
	}{"before": {before, 200}, "forged": {forged, 401}, "rotated": {rotated, 200}, "foreign": {foreign, 401}} {
		if a := tn.send("GET", tn.URL("runtime")+"/http/echo", "", "Authorization: Bearer "+test.token); a.StatusCode != test.want {
			t.Errorf("%s: %d, want %d", name, a.StatusCode, test.want)
		}
	}
}

func TestFaultClockSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		tn.fault("clock-skew:seconds=-600")
		a := tn.form(tn.key("sender"))
		date, err := http.ParseTime(a.Header.Get("Date"))
		if err != nil || time.Since(date).Round(time.Second) != 10*time.Minute {
			t.Errorf("date %v is %v behind: %v", date, time.Since(date), err)
		}
		if p := payloadOf(t, decode[map[string]any](t, a.body)["access_token"].(string)); time.Since(time.Unix(p.Iat, 0)).Round(time.Second) != 10*time.Minute {
			t.Errorf("iat %v", time.Unix(p.Iat, 0))
		}
	})
}

func TestFaultsFromTheStart(t *testing.T) {
	f, err := sandbox.ParseFault("token-503:count=1")
	if err != nil {
		t.Fatal(err)
	}
	tn := start(t, sandbox.Options{Faults: []sandbox.Fault{f}})
	if a := tn.form(tn.key("api")); a.StatusCode != 503 {
		t.Errorf("got %d, want 503", a.StatusCode)
	}
	tn.bearer("api")
}

func TestFaultsAreControlled(t *testing.T) {
	tn := start(t, sandbox.Options{})
	url := tn.URL("control") + "/_sandbox/faults"
	for _, test := range []struct {
		contentType, body string
		status            int
		says              string
	}{
		{"application/json", `{"fault":"runtime-503:count=2"}`, 201, `"remaining": 2`},
		{"application/json", `["token-429", "token-short:seconds=3"]`, 201, `"token-short:seconds=3"`},
		{"", `{"faults":["log-late"]}`, 201, `"log-late"`},
		{"text/plain", "token-500\n\n token-503 \n", 201, `"token-503"`},
		{"application/json", `{"fault":"runtime-50"}`, 400, `did you mean`},
		{"application/json", `{"fault":"certificate-expired:key=mtls"}`, 201, `"certificate-expired:key=mtls"`},
		{"application/json", `{"falt":"token-500"}`, 400, `fault`},
		{"application/json", `[1]`, 400, `list of texts`},
		{"application/json", ``, 400, `names no fault`},
	} {
		a := tn.send("POST", url, test.body, "Content-Type: "+test.contentType)
		if a.StatusCode != test.status || !strings.Contains(a.body, test.says) {
			t.Errorf("%s: %d %s\nwant %d with %s", test.body, a.StatusCode, a.body, test.status, test.says)
		}
	}
	if got := decode[[]any](t, tn.send("GET", url, "").body); len(got) != 7 {
		t.Errorf("%d faults are active, want 7: %v", len(got), got)
	}
	if a := tn.send("DELETE", url, ""); a.StatusCode != 204 {
		t.Errorf("DELETE: %d", a.StatusCode)
	}
	if a := tn.send("GET", url, ""); strings.TrimSpace(a.body) != "[]" {
		t.Errorf("after DELETE: %s", a.body)
	}
}
