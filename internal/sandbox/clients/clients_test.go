package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2/clientcredentials"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/sandbox/clients"
)

// The names under which the clients know the tenant.
const (
	apiHost   = "t.it-cpi018.cfapps.eu10-003.hana.ondemand.com"
	tokenHost = "t.authentication.eu10.hana.ondemand.com"
)

func front(t *testing.T, names map[string]string) *clients.Front {
	t.Helper()
	f, err := clients.Listen(names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

// through gives a client that trusts the authority and calls through the front.
func through(t *testing.T, f *clients.Front, authority []byte) *http.Client {
	t.Helper()
	proxy, err := url.Parse(f.URL())
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestFrontPassesOnWhatCame(t *testing.T) {
	type request struct {
		Method, Target, Host, Body string
		Header                     http.Header
	}
	var got []request
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, request{r.Method, r.RequestURI, r.Host, string(body), r.Header})
		w.Header().Set("X-Csrf-Token", "t")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, "task")
	}))
	defer origin.Close()
	f := front(t, map[string]string{apiHost: origin.URL})
	client := through(t, f, f.CA())
	const target = "/api/v1/X(Id='F',Version='active')/$links/C('a%20key')?$filter=Id+eq+'a;b'&&x"
	for _, body := range []string{"", `{"a":1}`} {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", "https://"+strings.ToUpper(apiHost)+":443"+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusAccepted || string(text) != "task" || res.Header.Get("X-Csrf-Token") != "t" {
			t.Errorf("answer %d %q %v %v", res.StatusCode, text, res.Header, err)
		}
	}
	header := func(length string) http.Header {
		return http.Header{"Accept": {"application/json"}, "User-Agent": {"Go-http-client/1.1"}, "Content-Length": {length}}
	}
	host := strings.TrimPrefix(origin.URL, "http://")
	want := []request{{"PUT", target, host, "", header("0")}, {"PUT", target, host, `{"a":1}`, header("7")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-sent +arrived:\n%s", d)
	}
	seen := f.Requests()
	wanted := []clients.Request{
		{Host: apiHost, Method: "PUT", Target: target, Header: header("0"), Status: 202},
		{Host: apiHost, Method: "PUT", Target: target, Header: header("7"), Body: []byte(`{"a":1}`), Status: 202},
	}
	if d := cmp.Diff(wanted, seen); d != "" {
		t.Errorf("-sent +kept:\n%s", d)
	}
}

func TestFrontRefuses(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s arrived", r.RequestURI) }))
	defer origin.Close()
	f := front(t, map[string]string{apiHost: origin.URL})
	other := front(t, map[string]string{apiHost: origin.URL})
	for _, test := range []struct {
		name, url, want string
		authority       []byte
	}{
		{"a name it does not know", "https://matomo.example.com/", "Forbidden", f.CA()},
		{"another port", "https://" + apiHost + ":8443/", "Forbidden", f.CA()},
		{"a request that is not encrypted", "http://" + apiHost + "/", "", f.CA()},
		{"a client that does not trust it", "https://" + apiHost + "/", "certificate signed by unknown authority", other.CA()},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, err := through(t, f, test.authority).Get(test.url)
			if err == nil {
				defer res.Body.Close()
				if test.want != "" || res.StatusCode != http.StatusMethodNotAllowed {
					t.Errorf("answer %d", res.StatusCode)
				}
				return
			}
			if test.want == "" || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if seen := f.Requests(); len(seen) != 0 {
		t.Errorf("kept %v", seen)
	}
	for _, origin := range []string{"127.0.0.1:80", "https://127.0.0.1:80", "http:", ""} {
		if _, err := clients.Listen(map[string]string{apiHost: origin}); err == nil {
			t.Errorf("the origin %q was taken", origin)
		}
	}
}

// tenant serves a sandbox on sockets.
func tenant(t *testing.T) *sandbox.Tenant {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// secretOf reads the key of the OData API.
func secretOf(t *testing.T, document []byte) (id, secret string) {
	t.Helper()
	var d struct {
		OAuth struct{ ClientID, ClientSecret string }
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	return d.OAuth.ClientID, d.OAuth.ClientSecret
}

// childID and childSecret hand a client to the process that calls as it.
const (
	childID     = "CLIENTS_TEST_ID"
	childSecret = "CLIENTS_TEST_SECRET"
)

// TestAnotherProcess deploys through the front from a process that knows of it
// by HTTPS_PROXY and SSL_CERT_FILE alone, as a public client does.
func TestAnotherProcess(t *testing.T) {
	if os.Getenv(childID) != "" {
		deployAsClient(t)
		return
	}
	s := tenant(t)
	f := front(t, map[string]string{apiHost: s.URL(sandbox.API), tokenHost: s.URL(sandbox.Token)})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, f.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	var id, secret string
	for _, k := range s.Keys() {
		if k.Name == "api" {
			id, secret = secretOf(t, k.JSON)
		}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnotherProcess$", "-test.v")
	child.Env = append(os.Environ(), "HTTPS_PROXY="+f.URL(), "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE="+ca, childID+"="+id, childSecret+"="+secret)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for _, r := range f.Requests() {
		got = append(got, fmt.Sprintf("%s %s %s %d", r.Method, r.Host, r.Target, r.Status))
	}
	want := []string{
		"POST " + tokenHost + " /oauth/token 401", // x/oauth2 tries Basic first
		"POST " + tokenHost + " /oauth/token 200",
		"GET " + apiHost + " /api/v1/IntegrationDesigntimeArtifacts(Id='Echo',Version='active') 200",
		"POST " + apiHost + " /api/v1/DeployIntegrationDesigntimeArtifact?Id='Echo'&Version='active' 202",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// deployAsClient is what the other process does.
func deployAsClient(t *testing.T) {
	config := clientcredentials.Config{
		ClientID: os.Getenv(childID), ClientSecret: os.Getenv(childSecret), TokenURL: "https://" + tokenHost + ":443/oauth/token",
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := config.Client(ctx)
	for _, call := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/api/v1/IntegrationDesigntimeArtifacts(Id='Echo',Version='active')", 200},
		{"POST", "/api/v1/DeployIntegrationDesigntimeArtifact?Id='Echo'&Version='active'", 202},
	} {
		req, err := http.NewRequestWithContext(ctx, call.method, "https://"+apiHost+":443"+call.target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != call.status {
			t.Errorf("%s %s: %d %s %v", call.method, call.target, res.StatusCode, text, err)
		}
	}
}
