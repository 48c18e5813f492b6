package sandbox_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"iflowtest/internal/sandbox"
)

type listed struct {
	Part, Method, Path, Query string
	Status                    int
	Time                      time.Time
}

func (tn *tenant) requests(query string) []listed {
	tn.t.Helper()
	return decode[[]listed](tn.t, tn.send("GET", tn.URL("control")+"/_sandbox/requests"+query, "").body)
}

func TestRequestsAreListedWithoutSecrets(t *testing.T) {
	tn := start(t, sandbox.Options{})
	k := tn.key("sender")
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {k.ClientID}, "client_secret": {k.ClientSecret}}
	tn.send("POST", k.TokenURL+"?"+form.Encode(), "")
	bearer := tn.bearer("sender")
	tn.send("GET", k.URL+"/http/echo?plain=1&x="+url.QueryEscape(k.ClientSecret)+"&API_KEY=abc&access_token=xyz", "", bearer)
	tn.send("GET", k.URL+"/http/nothing", "", bearer)
	text := tn.send("GET", tn.URL("control")+"/_sandbox/requests", "").body
	for _, secret := range []string{k.ClientSecret, url.QueryEscape(k.ClientSecret), "abc", "xyz", bearer[len("Authorization: "):]} {
		if strings.Contains(text, secret) {
			t.Errorf("the list shows %q", secret)
		}
	}
	got := tn.requests("")
	for i := range got {
		if got[i].Time.IsZero() || time.Since(got[i].Time) > time.Minute {
			t.Errorf("time %v", got[i].Time)
		}
		got[i].Time = time.Time{}
	}
	want := []listed{
		{"token", "POST", "/oauth/token", "client_id=" + url.QueryEscape(k.ClientID) + "&client_secret=***&grant_type=client_credentials", 200, time.Time{}},
		{"token", "POST", "/oauth/token", "", 200, time.Time{}},
		{"runtime", "GET", "/http/echo", "plain=1&***&API_KEY=***&access_token=***", 200, time.Time{}},
		{"runtime", "GET", "/http/nothing", "", 404, time.Time{}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := tn.requests("?part=runtime&path=/http/echo&method=get"); len(got) != 1 {
		t.Errorf("narrowed: %v", got)
	}
}

func TestSecretsOfRequestsAreMaskedWhereverTheyStand(t *testing.T) {
	tn := start(t, sandbox.Options{})
	k := tn.key("sender")
	for _, address := range []string{
		k.TokenURL + "?grant_type=client_credentials;client_secret=SECRETA;x=SECRETB",
		k.TokenURL + "?client_secret=SECRETC;SECRETD&x=%zz;SECRETE",
		tn.URL("runtime") + "/http/echo;password=SECRETF/api_key:SECRETG/x",
		tn.URL("runtime") + "/http/" + k.ClientSecret,
		tn.URL("runtime") + "/http/" + url.PathEscape(k.ClientSecret) + "/x",
		tn.URL("api") + "/api/v1/UserCredentials?$filter=Password+eq+'SECRETH'",
		tn.URL("api") + "/api/v1/UserCredentials?$filter=startswith(Name,'x')",
	} {
		tn.send("GET", address, "")
	}
	text := tn.send("GET", tn.URL("control")+"/_sandbox/requests", "").body
	if strings.Contains(text, "SECRET") || strings.Contains(text, k.ClientSecret) {
		t.Errorf("the list shows a secret: %s", text)
	}
	var got []string
	for _, r := range tn.requests("") {
		got = append(got, strings.TrimSuffix(r.Path+"?"+r.Query, "?"))
	}
	if d := cmp.Diff([]string{
		"/oauth/token?grant_type=client_credentials;client_secret=***", "/oauth/token?client_secret=***&***",
		"/http/echo;password=***/api_key:***/x", "/http/***", "/http/***/x",
		"/api/v1/UserCredentials?$filter=***", "/api/v1/UserCredentials?$filter=startswith(Name,'x')",
	}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestControlTellsWhatItTakes(t *testing.T) {
	tn := start(t, sandbox.Options{})
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/_sandbox/state", 405, "GET, HEAD"}, {"PUT", "/_sandbox/faults", 405, "GET, HEAD, POST, DELETE"},
		{"DELETE", "/_sandbox/keys", 405, "GET, HEAD, POST"}, {"GET", "/_sandbox/keys/sender", 405, "DELETE"},
		{"DELETE", "/_sandbox/", 405, "GET, HEAD"}, {"DELETE", "/_sandbox/keys/nope", 404, ""}, {"GET", "/_sandbox/bogus", 404, ""},
	} {
		a := tn.send(test.method, tn.URL("control")+test.path, "")
		if a.StatusCode != test.status || a.Header.Get("Allow") != test.allow || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s %s: %d %q %s", test.method, test.path, a.StatusCode, a.Header.Get("Allow"), a.body)
		}
	}
}

func TestLargeBodiesAreRefusedByEveryPart(t *testing.T) {
	tn := start(t, sandbox.Options{})
	large := `{"x":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, address := range []string{tn.URL("control") + "/_sandbox/keys", tn.URL("token") + "/oauth/token", tn.URL("uaa") + "/oauth/token"} {
		if a := tn.send("POST", address, large); a.StatusCode != 413 || !strings.Contains(a.body, "larger than 1 MB") {
			t.Errorf("%s: %d %s", address, a.StatusCode, a.body)
		}
	}
	user := signedInAs(tn, "tester")
	if a := tn.send("POST", tn.URL("cloud-foundry")+"/v3/service_instances", large, "Authorization: Bearer "+user.access); a.StatusCode != 413 || !strings.Contains(a.body, "larger than 1 MB") {
		t.Errorf("Cloud Foundry: %d %s", a.StatusCode, a.body)
	}
	if a := tn.send("GET", tn.URL("cloud-foundry")+"/v3/spaces/x?names=%zz", "", "Authorization: Bearer "+user.access); a.StatusCode != 400 || !strings.Contains(a.body, "CF-BadQueryParameter") {
		t.Errorf("Cloud Foundry: %d %s", a.StatusCode, a.body)
	}
	if a := tn.service().call("POST", "/subaccountDestinations", large); a.StatusCode != 413 || !strings.Contains(a.body, "larger than 1 MB") {
		t.Errorf("destination: %d %s", a.StatusCode, a.body)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	tn := start(t, sandbox.Options{})
	for i := range 10_050 {
		tn.send("GET", fmt.Sprintf("%s/x%d", tn.URL("destination"), i), "")
	}
	got := tn.requests("")
	if len(got) != 10_000 || got[0].Path != "/x50" || got[9_999].Path != "/x10049" {
		t.Errorf("%d requests from %s to %s", len(got), got[0].Path, got[len(got)-1].Path)
	}
}

func TestStateIsTheSameWhenNothingIsLeft(t *testing.T) {
	tn := start(t, sandbox.Options{})
	state := func() string { return tn.send("GET", tn.URL("control")+"/_sandbox/state", "").body }
	before := state()
	packages := tn.URL("api") + "/api/v1/IntegrationPackages"
	bearer := tn.bearer("api")
	tn.send("POST", packages, `{"Id":"Left","Name":"Left"}`, bearer)
	tn.send("POST", tn.URL("runtime")+"/http/broken", "", tn.bearer("sender"))
	if after := state(); !strings.Contains(after, `"Left"`) {
		t.Errorf("the package is not in the state: %s", after)
	}
	tn.send("DELETE", packages+"('Left')", "", bearer)
	if d := cmp.Diff(before, state()); d != "" {
		t.Errorf("-before +after:\n%s", d)
	}
	for _, want := range []string{`"sandbox-rt"`, `"sender"`, `"/http/orders"`, `"Orders.approve"`, `"integration-flow"`} {
		if !strings.Contains(before, want) {
			t.Errorf("the state lacks %s", want)
		}
	}
	if secret := tn.key("sender").ClientSecret; strings.Contains(before, secret) {
		t.Errorf("the state shows a secret")
	}
}

func TestEnvironmentNeedsNothingElse(t *testing.T) {
	tn := listen(t, sandbox.Options{})
	type environment struct {
		Target struct {
			Runtime, API string
			CloudFoundry struct{ API, Org, Space, Username, Password string } `yaml:"cloud-foundry"`
			Entitlements struct {
				ServiceKey string `yaml:"service-key"`
				Subaccount string
			}
			Destinations struct {
				ServiceKey string `yaml:"service-key"`
			}
			TLS struct{ CA string }
		}
		Credentials map[string]map[string]string
	}
	read := func(text []byte) environment {
		t.Helper()
		var e environment
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true)
		if err := dec.Decode(&e); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return e
	}
	e := read(tn.EnvironmentYAML())
	if e.Target.Runtime != tn.URL("runtime") || e.Target.API != tn.URL("api")+"/api/v1" {
		t.Errorf("target %+v", e.Target)
	}
	if cf := e.Target.CloudFoundry; cf.API != tn.URL("cloud-foundry") || cf.Org != "sandbox" || cf.Space != "dev" || cf.Username != "tester" || cf.Password != "tester-9f4c2b" {
		t.Errorf("cloud-foundry %+v", cf)
	}
	if d := cmp.Diff(strings.Join(strings.Fields(string(tn.EntitlementsKey().JSON)), ""), e.Target.Entitlements.ServiceKey); d != "" || len(e.Target.Entitlements.Subaccount) != 36 {
		t.Errorf("entitlements of %q: -key +environment:\n%s", e.Target.Entitlements.Subaccount, d)
	}
	if d := cmp.Diff(strings.Join(strings.Fields(string(tn.DestinationKey().JSON)), ""), e.Target.Destinations.ServiceKey); d != "" || e.Target.TLS.CA != "" {
		t.Errorf("destinations, ca %q: -key +environment:\n%s", e.Target.TLS.CA, d)
	}
	if len(e.Credentials) != 2 {
		t.Errorf("credentials %v", e.Credentials)
	}
	for _, name := range []string{"sender", "api"} {
		got := parseKey(t, []byte(e.Credentials[name]["service-key"]))
		if d := cmp.Diff(tn.key(name), got); d != "" {
			t.Errorf("%s: -key +environment:\n%s", name, d)
		}
	}
	e = read(tn.Environment(sandbox.EnvironmentOptions{Key: func(key string) string { return "keys of 'me'/" + key + ".json" }, CA: "./it's ca.pem"}))
	if e.Target.TLS.CA != "./it's ca.pem" {
		t.Errorf("ca %q", e.Target.TLS.CA)
	}
	ca, err := tn.CA()
	if err != nil {
		t.Fatal(err)
	}
	if got := read(tn.Environment(sandbox.EnvironmentOptions{CA: string(ca)})).Target.TLS.CA; got != string(ca) {
		t.Errorf("the text of the authority %q", got)
	}
	if got := e.Credentials["sender"]["service-key"]; got != "keys of 'me'/sender.json" {
		t.Errorf("path %q", got)
	}
}

func TestListenAddresses(t *testing.T) {
	for _, test := range []struct {
		addr, want string
		remote     bool
	}{
		{"localhost", "want HOST:PORT", false},
		{"127.0.0.1:http", "want a port", false},
		{"127.0.0.1:65530", "want a port from 0 to 65527", false},
		{"0.0.0.0:0", "not loopback", false},
		{":0", "not loopback", false},
		{"192.0.2.1:0", "not loopback", false},
		{"0.0.0.0:0", "", true},
		{"localhost:0", "", false},
		{"127.0.0.2:0", "", false},
	} {
		s, err := sandbox.New(sandbox.Options{AllowRemote: test.remote})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Listen(test.addr)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.addr, err, test.want)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", test.addr, err)
		}
	}
}

func TestListenTakesPortsInOrderOrNone(t *testing.T) {
	s, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// A free stretch of ports is searched, not assumed.
	var first int
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		first = l.Addr().(*net.TCPAddr).Port
		l.Close()
		if err = s.Listen(fmt.Sprintf("127.0.0.1:%d", first)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range sandbox.Parts() {
		scheme := "http"
		if part == "token-mtls" {
			scheme = "https"
		}
		if want := fmt.Sprintf("%s://127.0.0.1:%d", scheme, first+i); s.URL(part) != want {
			t.Errorf("%s is at %s, want %s", part, s.URL(part), want)
		}
	}
	other, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = other.Listen(fmt.Sprintf("127.0.0.1:%d", first-1))
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a port that is taken: %v", err)
	}
	if got := other.URL("runtime"); got != "http://runtime.sandbox.localhost" {
		t.Errorf("after that the runtime is at %s", got)
	}
}

func TestCloseLetsAnswersFinish(t *testing.T) {
	s, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background()) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	tn := &tenant{s, t, &http.Client{Transport: transport}}
	bearer := tn.bearer("sender")
	// A connection that never says anything must not hold the end up.
	idle, err := net.Dial("tcp", strings.TrimPrefix(s.URL("runtime"), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	answered := make(chan error, 1)
	go func() {
		a, err := tn.try("GET", tn.URL("runtime")+"/http/slow?ms=600000", "", bearer)
		if err == nil && a.StatusCode != 500 {
			err = fmt.Errorf("status %d", a.StatusCode)
		}
		answered <- err
	}()
	for len(tn.logs()) == 0 { // until the message is in the flow
	}
	from := time.Now()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(from); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	if err := <-answered; err != nil {
		t.Errorf("the answer under way: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if err := s.Serve(context.Background()); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
}

// logs lists the message logs that are being processed.
func (tn *tenant) logs() []logRow {
	tn.t.Helper()
	a := tn.send("GET", tn.URL("api")+"/api/v1/MessageProcessingLogs?$filter=Status+eq+'PROCESSING'", "",
		"Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("tester:tester-9f4c2b")), "Accept: application/json")
	return decode[struct{ D struct{ Results []logRow } }](tn.t, a.body).D.Results
}

func TestMemoryHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		bearer := tn.bearer("sender")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", tn.URL("runtime")+"/http/slow?ms=60000", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", strings.TrimPrefix(bearer, "Authorization: "))
		from := time.Now()
		if _, err := tn.client.Do(r); !errors.Is(err, context.DeadlineExceeded) || time.Since(from) != time.Second {
			t.Errorf("%v after %v", err, time.Since(from))
		}
	})
}

func TestUnknownHostIsRefused(t *testing.T) {
	tn := start(t, sandbox.Options{})
	if _, err := tn.try("GET", "https://runtime.example.com/http/echo", ""); err == nil || !strings.Contains(err.Error(), "no part of the sandbox") {
		t.Errorf("got %v", err)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	tn := listen(t, sandbox.Options{})
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			bearer, api := tn.bearer("sender"), tn.bearer("api")
			for j := range 10 {
				name := fmt.Sprintf("P%dx%d", i, j)
				tn.send("POST", tn.URL("runtime")+"/http/orders", `{"sku":"A-100","qty":1}`, bearer)
				packages := tn.URL("api") + "/api/v1/IntegrationPackages"
				if a := tn.send("POST", packages, fmt.Sprintf(`{"Id":%q,"Name":%q}`, name, name), api); a.StatusCode != 201 {
					t.Errorf("create %s: %d %s", name, a.StatusCode, a.body)
				}
				tn.send("GET", packages, "", api)
				tn.send("GET", tn.URL("api")+"/api/v1/MessageProcessingLogs", "", api)
				tn.fault("runtime-503:count=1,path=/http/nowhere")
				tn.send("GET", tn.URL("control")+"/_sandbox/state", "")
				if a := tn.send("DELETE", packages+"('"+name+"')", "", api); a.StatusCode != 202 {
					t.Errorf("delete %s: %d", name, a.StatusCode)
				}
				if a := tn.send("POST", tn.URL("control")+"/_sandbox/keys", fmt.Sprintf(`{"instance":"sandbox-rt","name":%q}`, name)); a.StatusCode != 201 {
					t.Errorf("key %s: %d", name, a.StatusCode)
				}
				tn.send("DELETE", tn.URL("control")+"/_sandbox/faults", "")
			}
		})
	}
	callers.Wait()
	for _, r := range tn.requests("?part=runtime") {
		if r.Status != 200 {
			t.Errorf("%+v", r)
		}
	}
	if got := len(tn.requests("?part=runtime")); got != 160 {
		t.Errorf("%d requests, want 160", got)
	}
}

func BenchmarkEcho(b *testing.B) {
	tn := listen(b, sandbox.Options{})
	bearer := tn.bearer("sender")
	address := tn.URL("runtime") + "/http/echo"
	b.ReportAllocs()
	for b.Loop() {
		if a := tn.send("POST", address, `{"sku":"A-100"}`, bearer, "Content-Type: application/json"); a.StatusCode != 200 {
			b.Fatal(a.StatusCode)
		}
	}
}

// BenchmarkEchoFloor is BenchmarkEcho with a handler that does nothing.
func BenchmarkEchoFloor(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"method":"POST"}`)
	})}
	go server.Serve(l)
	b.Cleanup(func() { server.Close() })
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	tn := &tenant{nil, b, &http.Client{Transport: transport}}
	for b.Loop() {
		tn.send("POST", "http://"+l.Addr().String()+"/http/echo", `{"sku":"A-100"}`, "Authorization: Bearer x", "Content-Type: application/json")
	}
}

func BenchmarkEchoInMemory(b *testing.B) {
	tn := start(b, sandbox.Options{})
	bearer := tn.bearer("sender")
	address := tn.URL("runtime") + "/http/echo"
	b.ReportAllocs()
	for b.Loop() {
		if a := tn.send("POST", address, `{"sku":"A-100"}`, bearer); a.StatusCode != 200 {
			b.Fatal(a.StatusCode)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := sandbox.New(sandbox.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Listen("127.0.0.1:0"); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
