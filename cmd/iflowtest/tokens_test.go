package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iflowtest/internal/sandbox"
)

// request is an entry of /_sandbox/requests.
type request struct {
	Part, Method, Path string
	Status             int
}

// requests asks a tenant what it was sent.
func requests(t *testing.T, tenant *sandbox.Tenant) []request {
	t.Helper()
	var list []request
	control(t, tenant, http.MethodGet, "/_sandbox/requests", "", &list)
	return list
}

// control calls the part of that name.
func control(t *testing.T, tenant *sandbox.Tenant, method, path, body string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, tenant.URL(sandbox.Control)+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(response.Body); err != nil || response.StatusCode/100 != 2 {
		t.Fatal(response.Status, err, b.String())
	}
	if into != nil {
		decode(t, b.Bytes(), into)
	}
}

func counts(list []request, fits func(request) bool) int {
	n := 0
	for _, r := range list {
		if fits(r) {
			n++
		}
	}
	return n
}

func tokenRequest(r request) bool { return r.Part == sandbox.Token && r.Path == "/oauth/token" }

// environmentOf writes the environment of a tenant into the working folder.
func environmentOf(t *testing.T, tenant *sandbox.Tenant) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "env.yaml", string(tenant.EnvironmentYAML()))
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOneToken: twelve scenarios that share a credential ask the token server
// once.
func TestOneToken(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	for i := range 12 {
		write(t, fmt.Sprintf("suite/%02d.yaml", i), fmt.Sprintf("name: S%d\nsteps:\n  - call: {GET: /http/echo, credential: sender}\n", i))
	}
	if status, out, log := invoke(t, "run", "suite", "-e", "env.yaml", "--parallel", "12"); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, out, log)
	}
	list := requests(t, tenant)
	if n := counts(list, tokenRequest); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	if n := counts(list, func(r request) bool { return r.Part == sandbox.Runtime && r.Status == 200 }); n != 12 {
		t.Errorf("%d calls reached the flow, want 12", n)
	}
}

// TestShortTokens: tokens that live three seconds are renewed before they are
// refused.
func TestShortTokens(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	control(t, tenant, http.MethodPost, "/_sandbox/faults", "token-short:seconds=3", nil)
	for i := range 4 {
		write(t, fmt.Sprintf("suite/%02d.yaml", i), fmt.Sprintf("name: S%d\nsteps:\n%s", i, strings.Repeat("  - call: {GET: \"/http/slow?ms=600\", credential: sender}\n", 6)))
	}
	if status, out, log := invoke(t, "run", "suite", "-e", "env.yaml", "--parallel", "4"); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, out, log)
	}
	list := requests(t, tenant)
	if n := counts(list, tokenRequest); n < 2 {
		t.Errorf("%d token requests, want two or more", n)
	}
	if n := counts(list, func(r request) bool { return r.Status == http.StatusUnauthorized }); n != 0 {
		t.Errorf("%d requests were answered 401, want none", n)
	}
}

// TestRevokedKey: of two keys of one instance one is revoked, and refused
// though the other has a token.
func TestRevokedKey(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	control(t, tenant, http.MethodPost, "/_sandbox/keys", `{"instance":"sandbox-rt","name":"second"}`, nil)
	write(t, "env.yaml", string(tenant.EnvironmentYAML()))
	control(t, tenant, http.MethodPost, "/_sandbox/faults", "secret-revoked:key=second", nil)
	write(t, "keys.yaml", `name: Keys
steps:
  - name: first
    call: {GET: /http/echo, credential: sender}
  - name: revoked
    call: {GET: /http/echo, credential: second}
`)
	status, out, log := invoke(t, "run", "keys.yaml", "-e", "env.yaml", "-v")
	if status != 6 || !strings.Contains(out, "keys.yaml:5:5:") {
		t.Fatalf("exit status %d, want 6\n%s%s", status, out, log)
	}
	if n := counts(requests(t, tenant), func(r request) bool { return r.Part == sandbox.Runtime }); n != 1 {
		t.Errorf("%d calls were sent, want 1", n)
	}
}

// TestRenewedOnce: a token that dies on the way is renewed, and the call is
// repeated exactly once; a step that asks for the 401 gets it.
func TestRenewedOnce(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	write(t, "asked.yaml", `name: Asked
steps:
  - name: asks for 401
    call: {GET: /http/echo, base: runtime, credential: api}
    expect: {status: 401}
`)
	if status, out, log := invoke(t, "run", "asked.yaml", "-e", "env.yaml"); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, out, log)
	}
	list := requests(t, tenant)
	if n := counts(list, tokenRequest); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	write(t, "refused.yaml", `name: Refused
steps:
  - call: {GET: /http/echo, base: runtime, credential: api}
`)
	if status, out, log := invoke(t, "run", "refused.yaml", "-e", "env.yaml"); status != 6 {
		t.Fatalf("exit status %d, want 6\n%s%s", status, out, log)
	}
	list = requests(t, tenant)[len(list):]
	if tokens, calls := counts(list, tokenRequest), counts(list, func(r request) bool { return r.Part == sandbox.Runtime }); tokens != 2 || calls != 2 {
		t.Errorf("%d token requests and %d calls, want 2 and 2", tokens, calls)
	}
}

// TestFaults: answers that do not arrive whole are errors, also when only the
// status is asserted; an answer that does is judged.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault  string
		status int
		want   string
	}{
		{"runtime-503", 1, "status: want 200, got 503"},
		{"runtime-503:path=/http/other", 0, ""},
		{"connection-reset:path=/http/echo", 5, "reset"},
		{"truncated-body:path=/http/echo", 5, "cut off"},
		{"token-500", 5, "500"},
		{"token-garbage", 5, ""},
		{"token-forged", 6, ""},
	} {
		t.Run(c.fault, func(t *testing.T) {
			tenant := served(t)
			environmentOf(t, tenant)
			control(t, tenant, http.MethodPost, "/_sandbox/faults", c.fault, nil)
			write(t, "call.yaml", `name: Call
steps:
  - call: {GET: /http/echo, credential: sender}
    expect: {status: 200}
`)
			status, out, log := invoke(t, "run", "call.yaml", "-e", "env.yaml")
			if status != c.status || !strings.Contains(out, c.want) {
				t.Errorf("exit status %d, want %d and %q\n%s%s", status, c.status, c.want, out, log)
			}
		})
	}
}
