package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

// service is somebody who has signed in to the destination service with its
// key: wire/sap.md 7.
type service struct {
	*tenant
	root, bearer string
}

func (tn *tenant) service() *service {
	tn.t.Helper()
	var k struct{ ClientID, ClientSecret, URI, URL string }
	if err := json.Unmarshal(tn.DestinationKey().JSON, &k); err != nil {
		tn.t.Fatal(err)
	}
	a := tn.form(oauth{ClientID: k.ClientID, ClientSecret: k.ClientSecret, TokenURL: k.URL + "/oauth/token"})
	if a.StatusCode != http.StatusOK {
		tn.t.Fatalf("token of the destination service: %d %s", a.StatusCode, a.body)
	}
	token := decode[map[string]any](tn.t, a.body)["access_token"].(string)
	return &service{tn, k.URI + "/destination-configuration/v1", "Authorization: Bearer " + token}
}

func (s *service) call(method, path, body string) answer {
	s.t.Helper()
	return s.send(method, s.root+path, body, s.bearer, "Content-Type: application/json")
}

// properties of a destination for a key, as wire/sap.md 7 maps them.
func destinationOf(name string, k oauth, more ...string) map[string]string {
	d := map[string]string{
		"Name": name, "Type": "HTTP", "URL": k.URL + "/http/echo", "ProxyType": "Internet", "Authentication": "OAuth2ClientCredentials",
		"clientId": k.ClientID, "clientSecret": k.ClientSecret, "tokenServiceURL": k.TokenURL, "tokenServiceURLType": "Dedicated",
	}
	for _, m := range more {
		name, value, _ := strings.Cut(m, "=")
		d[name] = value
		if value == "" {
			delete(d, name)
		}
	}
	return d
}

func (s *service) create(level string, d map[string]string) {
	s.t.Helper()
	if a := s.call("POST", "/"+level, jsonOf(s.t, d)); a.StatusCode != http.StatusCreated {
		s.t.Fatalf("create %s: %d %s", d["Name"], a.StatusCode, a.body)
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type foundToken struct {
	Type, Value, Error, Scope string
	ExpiresIn                 string                      `json:"expires_in"`
	Header                    struct{ Key, Value string } `json:"http_header"`
}

type search struct {
	Owner                    map[string]any
	DestinationConfiguration map[string]string
	AuthTokens               []foundToken
}

func (s *service) find(name, query string) search {
	s.t.Helper()
	a := s.call("GET", "/destinations/"+name+query, "")
	if a.StatusCode != http.StatusOK {
		s.t.Fatalf("find %s: %d %s", name, a.StatusCode, a.body)
	}
	return decode[search](s.t, a.body)
}

func TestDestinationsOfBothLevels(t *testing.T) {
	for _, level := range []string{"subaccountDestinations", "instanceDestinations"} {
		tn := start(t, sandbox.Options{})
		s := tn.service()
		state := func() string { return tn.send("GET", tn.URL("control")+"/_sandbox/state", "").body }
		before := state()
		if a := s.call("GET", "/"+level, ""); a.StatusCode != 200 || a.body != "[]" {
			t.Errorf("%s: %d %s", level, a.StatusCode, a.body)
		}
		b, a := destinationOf("b", tn.key("sender")), destinationOf("a", tn.key("api"))
		s.create(level, b)
		s.create(level, a)
		if got := decode[[]map[string]string](t, s.call("GET", "/"+level, "").body); !cmp.Equal(got, []map[string]string{a, b}) {
			t.Errorf("%s: %s", level, cmp.Diff([]map[string]string{a, b}, got))
		}
		if got := state(); !strings.Contains(got, `"a",`) || strings.Contains(got, a["clientSecret"]) {
			t.Errorf("state %s", got)
		}
		again := s.call("POST", "/"+level, jsonOf(t, destinationOf("a", oauth{URL: "https://other", ClientID: "x", TokenURL: "https://other"})))
		if again.StatusCode != 409 || !strings.Contains(again.body, `"ErrorMessage":`) || !strings.Contains(again.body, "already exists") {
			t.Errorf("%s: the same again: %d %s", level, again.StatusCode, again.body)
		}
		old := s.call("GET", "/"+level+"/a", "")
		if got := decode[map[string]string](t, old.body); !cmp.Equal(got, a) {
			t.Errorf("%s: what was refused has changed it: %s", level, old.body)
		}
		unchanged := state()
		a["Description"] = "changed"
		if u := s.call("PUT", "/"+level, jsonOf(t, a)); u.StatusCode != 200 || decode[struct{ Count int }](t, u.body).Count != 1 {
			t.Errorf("%s: update: %d %s", level, u.StatusCode, u.body)
		}
		if state() == unchanged {
			t.Errorf("%s: the change is not in the state", level)
		}
		changed := s.call("GET", "/"+level+"/a", "")
		if got := decode[map[string]string](t, changed.body); !cmp.Equal(got, a) || old.Header.Get("ETag") == changed.Header.Get("ETag") {
			t.Errorf("%s: after the update %s, ETag %s", level, changed.body, changed.Header.Get("ETag"))
		}
		for _, name := range []string{"a", "b"} {
			if d := s.call("DELETE", "/"+level+"/"+name, ""); d.StatusCode != 200 || decode[struct{ Count int }](t, d.body).Count != 1 {
				t.Errorf("%s: delete: %d %s", level, d.StatusCode, d.body)
			}
		}
		for _, gone := range []answer{
			s.call("GET", "/"+level+"/a", ""), s.call("DELETE", "/"+level+"/a", ""), s.call("PUT", "/"+level, jsonOf(t, a)), s.call("GET", "/destinations/a", ""),
		} {
			if gone.StatusCode != 404 || !strings.Contains(gone.body, "not found") {
				t.Errorf("%s: what is gone: %d %s", level, gone.StatusCode, gone.body)
			}
		}
		if d := cmp.Diff(before, state()); d != "" {
			t.Errorf("%s: left behind: %s", level, d)
		}
	}
}

func TestDestinationIsFoundWithItsToken(t *testing.T) {
	for name, tn := range map[string]*tenant{"memory": start(t, sandbox.Options{}), "sockets": listen(t, sandbox.Options{}), "TLS": listen(t, sandbox.Options{TLS: true}).as()} {
		s := tn.service()
		k := tn.key("sender")
		s.create("subaccountDestinations", destinationOf("rt", k))
		before := len(tn.requests("?part=token"))
		f := s.find("rt", "")
		if f.Owner["SubaccountId"] == "" || f.Owner["InstanceId"] != nil || len(f.Owner) != 2 {
			t.Errorf("%s: owner %v", name, f.Owner)
		}
		if d := cmp.Diff(destinationOf("rt", k), f.DestinationConfiguration); d != "" {
			t.Errorf("%s: configuration %s", name, d)
		}
		if len(f.AuthTokens) != 1 {
			t.Fatalf("%s: tokens %+v", name, f.AuthTokens)
		}
		got := f.AuthTokens[0]
		if got.Type != "Bearer" || got.Header.Key != "Authorization" || got.Header.Value != "Bearer "+got.Value || got.ExpiresIn != "3599" || !strings.Contains(got.Scope, "ESBMessaging.send") || got.Error != "" {
			t.Errorf("%s: token %+v", name, got)
		}
		if a := tn.send("GET", f.DestinationConfiguration["URL"], "", "Authorization: "+got.Header.Value); a.StatusCode != 200 {
			t.Errorf("%s: the runtime says %d", name, a.StatusCode)
		}
		if asked := len(tn.requests("?part=token")) - before; asked != 1 {
			t.Errorf("%s: the token server was asked %d times", name, asked)
		}
		if f := s.find("rt", "?$skipTokenRetrieval=true"); f.AuthTokens != nil || f.DestinationConfiguration["Name"] != "rt" {
			t.Errorf("%s: without tokens: %+v", name, f)
		}
		// That of the instance comes first.
		s.create("instanceDestinations", destinationOf("rt", k, "Authentication=NoAuthentication"))
		if f := s.find("rt", ""); f.Owner["InstanceId"] == nil || f.AuthTokens != nil {
			t.Errorf("%s: of the instance: %+v", name, f)
		}
	}
}

func TestDestinationTokenRequest(t *testing.T) {
	tn := start(t, sandbox.Options{})
	s := tn.service()
	k := tn.key("api")
	const app = "it!b11463."
	for i, test := range []struct {
		more []string
		want string // of the scope; or of the error after "!"
	}{
		{nil, "MessagePayloadsRead"},
		{[]string{"tokenService.addClientCredentialsInBody=true", "scope=" + app + "MonitoringDataRead"}, app + "MonitoringDataRead"},
		{[]string{"tokenService.addClientCredentialsInBody=false"}, "MessagePayloadsRead"},
		{[]string{"tokenService.addClientCredentialsInBody=false", "clientId=x", "clientSecret=y", "tokenServiceUser=" + k.ClientID, "tokenServicePassword=" + k.ClientSecret}, "MessagePayloadsRead"},
		{[]string{"tokenService.body.scope=" + app + "MonitoringDataRead"}, app + "MonitoringDataRead"},
		{[]string{"tokenServiceURL.queries.scope=" + app + "MonitoringDataRead"}, app + "MonitoringDataRead"},
		{[]string{"tokenServiceURL.headers.Content-Type=text/plain"}, "!401"},
		{[]string{"clientSecret=wrong"}, `!status 401: {"error":"invalid_client","error_description":"Bad credentials"}`},
		{[]string{"clientSecret="}, "!status 401"},
		{[]string{"tokenServiceURL=" + tn.URL("token")}, "!status 404"},
		{[]string{"tokenServiceURL=" + tn.URL("runtime") + "/oauth/token"}, "!cannot be reached"},
		{[]string{"tokenServiceURL=https://tenant.authentication.example.com/oauth/token"}, "!tenant.authentication.example.com of tokenServiceURL cannot be reached"},
		{[]string{"tokenServiceURL=oauth/token"}, "!no absolute URL"},
		{[]string{"tokenService.KeyStoreLocation=key.p12"}, "!key store"},
		{[]string{"tokenService.body.grant_type=password"}, "!Unauthorized grant type"},
	} {
		name := fmt.Sprintf("d%d", i)
		s.create("subaccountDestinations", destinationOf(name, k, test.more...))
		f := s.find(name, "")
		if len(f.AuthTokens) != 1 {
			t.Fatalf("%v: %+v", test.more, f)
		}
		got := f.AuthTokens[0]
		if want, failed := strings.CutPrefix(test.want, "!"); failed {
			if got.Type != "" || got.Value != "" || !strings.Contains(got.Error, want) || strings.Contains(got.Error, k.ClientSecret) {
				t.Errorf("%v: %+v, want the error %s", test.more, got, want)
			}
			continue
		}
		if got.Error != "" || !strings.Contains(got.Scope, test.want) || strings.HasPrefix(test.want, app) && got.Scope != test.want {
			t.Errorf("%v: %+v, want the scope %s", test.more, got, test.want)
		}
	}
}

func TestDestinationTokenFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		s := tn.service()
		s.create("subaccountDestinations", destinationOf("rt", tn.key("sender")))
		s.create("subaccountDestinations", destinationOf("hasty", tn.key("sender"), "tokenServiceURL.SocketReadTimeoutInSeconds=2"))
		for _, test := range []struct{ fault, name, want string }{
			{"token-503:count=1", "rt", "status 503"},
			{"token-garbage:count=1", "rt", "no access_token"},
			{"connection-reset:part=token,count=1", "rt", "reset"},
			{"truncated-body:part=token,count=1", "rt", "broke off"},
			{"token-slow:seconds=11,count=1", "rt", "did not answer in time"},
			{"token-slow:seconds=3,count=1", "hasty", "did not answer in time"},
			{"token-slow:seconds=3,count=1", "rt", ""},
			{"secret-revoked:key=sender,count=1", "rt", "Bad credentials"},
		} {
			tn.fault(test.fault)
			got := s.find(test.name, "").AuthTokens[0]
			if (got.Value == "") != (test.want != "") || !strings.Contains(got.Error, test.want) {
				t.Errorf("%s: %+v, want %q", test.fault, got, test.want)
			}
		}
	})
}

func TestDestinationsWantTheirKey(t *testing.T) {
	tn := start(t, sandbox.Options{})
	s := tn.service()
	at := s.root + "/subaccountDestinations"
	k := decode[struct{ ClientID, ClientSecret string }](t, string(tn.DestinationKey().JSON))
	for name, a := range map[string]answer{
		"nothing":          tn.send("GET", at, ""),
		"another key":      tn.send("GET", at, "", tn.bearer("api")),
		"basic":            tn.send("GET", at, "", "Authorization: Basic "+tn.fill("{{api.basic}}")),
		"nothing, a POST":  tn.send("POST", at, "{}"),
		"its own by Basic": tn.send("GET", at, "", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(k.ClientID+":"+k.ClientSecret))),
	} {
		if a.StatusCode != 401 || a.Header.Get("WWW-Authenticate") == "" || !strings.Contains(a.body, "ErrorMessage") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	for name, target := range map[string]string{"the runtime": tn.URL("runtime") + "/http/echo", "the OData API": tn.URL("api") + "/api/v1/", "entitlements": tn.URL("entitlements") + "/entitlements/v1/assignments"} {
		if a := tn.send("GET", target, "", s.bearer); a.StatusCode != 401 {
			t.Errorf("its token at %s: %d", name, a.StatusCode)
		}
	}
	if a := s.call("GET", "/elsewhere", ""); a.StatusCode != 404 {
		t.Errorf("elsewhere: %d", a.StatusCode)
	}
}

func TestDestinationMistakes(t *testing.T) {
	tn := start(t, sandbox.Options{})
	s := tn.service()
	good := destinationOf("d", tn.key("sender"))
	for body, want := range map[string][]string{
		"":                           {"no JSON object"},
		"null":                       {"no JSON object"},
		"[]":                         {"no JSON object"},
		`{"Name":1,"a":{}}`:          {`property \"Name\": want a text; property \"a\": want a text`},
		"{}":                         {`property \"Name\" is missing; property \"Type\" is missing`},
		`{"Name":"x","Type":"HTTP"}`: {`property \"Authentication\" is missing; property \"ProxyType\" is missing; property \"URL\" is missing`},
		jsonOf(t, destinationOf("d", oauth{}, "URL=https://x", "Type=http")): {`property \"Type\": want one of HTTP, RFC`},
		jsonOf(t, destinationOf("d", oauth{URL: "https://x"})):               {`property \"clientId\" is missing; property \"tokenServiceURL\" is missing`},
		jsonOf(t, destinationOf("a b", tn.key("sender"))):                    {`property \"Name\": want 1 to 200 of`},
		jsonOf(t, destinationOf("d", tn.key("sender"), "tokenServiceURLType=dedicated", "ProxyType=None", "tokenService.addClientCredentialsInBody=yes")): {
			`property \"ProxyType\": want one of Internet`, `property \"tokenService.addClientCredentialsInBody\": want one of true, false`, `property \"tokenServiceURLType\": want one of Dedicated, Common`,
		},
	} {
		a := s.call("POST", "/subaccountDestinations", body)
		for _, w := range want {
			if a.StatusCode != 400 || !strings.Contains(a.body, w) || strings.Contains(a.body, good["clientSecret"]) {
				t.Errorf("%s: %d %s\nwant %s", body, a.StatusCode, a.body, w)
			}
		}
	}
	if a := s.call("GET", "/subaccountDestinations", ""); a.body != "[]" {
		t.Errorf("something was created: %s", a.body)
	}
	// Other kinds are kept as they are.
	for _, d := range []map[string]string{{"Name": "rfc", "Type": "RFC", "jco.client.ashost": "x"}, {"Name": "mail", "Type": "MAIL"}} {
		s.create("instanceDestinations", d)
		if f := s.find(d["Name"], ""); !cmp.Equal(f.DestinationConfiguration, d) || f.AuthTokens != nil {
			t.Errorf("%+v", f)
		}
	}
}

// TestDestinationSecretsAreNotListed: the requests that the service itself
// makes are in the list of requests.
func TestDestinationSecretsAreNotListed(t *testing.T) {
	tn := start(t, sandbox.Options{})
	s := tn.service()
	k := tn.key("sender")
	s.create("subaccountDestinations", destinationOf("rt", k, "tokenServiceURL.queries.client_secret="+k.ClientSecret))
	s.find("rt", "")
	list := tn.send("GET", tn.URL("control")+"/_sandbox/requests", "").body
	for _, secret := range []string{k.ClientSecret, url.QueryEscape(k.ClientSecret)} {
		if strings.Contains(list, secret) {
			t.Errorf("the list shows %s", secret)
		}
	}
	paths := []string{}
	for _, r := range tn.requests("") {
		paths = append(paths, r.Part+" "+r.Path)
	}
	if want := "token /oauth/token"; !slices.Contains(paths, want) || !slices.Contains(paths, "destination /destination-configuration/v1/destinations/rt") {
		t.Errorf("listed %q", paths)
	}
}
