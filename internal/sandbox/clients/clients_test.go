// Package clients_test calls a sandbox tenant from programs that know nothing of
// it: from a process of its own, and from public clients where they can be had.
package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2/clientcredentials"

	"iflowtest/internal/sandbox"
)

// The names under which the clients know the tenant behind its proxy.
const (
	apiHost   = "api.sandbox.example"
	tokenHost = "token.sandbox.example"
)

// tenant serves a sandbox behind its proxy.
func tenant(t *testing.T) *sandbox.Tenant {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(reason string) { t.Errorf("the proxy refused %s", reason) }
	if err := errors.Join(s.Listen("127.0.0.1:0"), s.ListenProxy("127.0.0.1:0", refused)); err != nil {
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

// direct gives a client that trusts the authority (PEM; empty: whom everybody
// trusts) and calls without a proxy.
func direct(t *testing.T, authority []byte) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	if len(authority) > 0 {
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(authority)
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted}
	}
	return &http.Client{Transport: transport}
}

// request is what the sandbox lists of one that it answered.
type request struct {
	Part, Method, Path, Query string
	Status                    int
}

// line is the request without the status.
func (r request) line() string {
	if r.Query != "" {
		return r.Part + " " + r.Method + " " + r.Path + "?" + r.Query
	}
	return r.Part + " " + r.Method + " " + r.Path
}

// requests asks the part control what arrived.
func requests(t *testing.T, client *http.Client, control string) []request {
	t.Helper()
	res, err := client.Get(control + "/_sandbox/requests")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var list []request
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("requests: %d %v", res.StatusCode, err)
	}
	return list
}

// secretOf reads a service key.
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

// throughProxy is the environment of a process that calls through a proxy and
// trusts the authority in a file.
func throughProxy(proxy, authority string) []string {
	return []string{"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE=" + authority}
}

// childID and childSecret hand a client to the process that calls as it.
const (
	childID     = "CLIENTS_TEST_ID"
	childSecret = "CLIENTS_TEST_SECRET"
)

// TestAnotherProcess deploys through the proxy from a process that knows of it
// by HTTPS_PROXY and SSL_CERT_FILE alone, as a public client does.
func TestAnotherProcess(t *testing.T) {
	if os.Getenv(childID) != "" {
		deployAsClient(t)
		return
	}
	s := tenant(t)
	authority, err := s.CA()
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(authority))
	var id, secret string
	for _, k := range s.Keys() {
		if k.Name == "api" {
			id, secret = secretOf(t, k.JSON)
		}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnotherProcess$", "-test.v")
	child.Env = append(append(os.Environ(), throughProxy(s.URL(sandbox.Proxy), ca)...), childID+"="+id, childSecret+"="+secret)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for _, r := range requests(t, direct(t, authority), s.URL(sandbox.Control)) {
		got = append(got, fmt.Sprintf("%s %d", r.line(), r.Status))
	}
	want := []string{
		"token POST /oauth/token 401", // x/oauth2 tries Basic first
		"token POST /oauth/token 200",
		"api GET /api/v1/IntegrationDesigntimeArtifacts(Id='Echo',Version='active') 200",
		"api POST /api/v1/DeployIntegrationDesigntimeArtifact?Id='Echo'&Version='active' 202",
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
