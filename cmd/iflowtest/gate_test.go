package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
	"iflowtest/runner"
)

// gateOutputs runs the gate over keys that pass and keys that fail, with every
// report on, and gives everything that was written anywhere.
func gateOutputs(t *testing.T, redactor *secret.Redactor) (outputs, secrets map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	tenant := served(t)
	keys := map[string]sandbox.Key{}
	for _, k := range tenant.Keys() {
		keys[k.Name] = k
		write(t, filepath.Join("keys", k.Name+".json"), string(k.JSON))
	}
	control(t, tenant, http.MethodPost, "/_sandbox/keys", `{"instance":"sandbox-rt","name":"second"}`, nil)
	control(t, tenant, http.MethodPost, "/_sandbox/keys", `{"instance":"sandbox-rt","name":"certified","parameters":{"key-type":"certificate"}}`, nil)
	for _, k := range tenant.Keys() {
		keys[k.Name] = k
		write(t, filepath.Join("keys", k.Name+".json"), string(k.JSON))
	}
	control(t, tenant, http.MethodPost, "/_sandbox/faults", "secret-revoked:key=second", nil)
	echo := echoing(t)
	write(t, "env.yaml", string(tenant.EnvironmentYAML()))
	write(t, "keys/echoed.json", fmt.Sprintf(`{"oauth":{"clientid":"sb-1","clientsecret":"ECHOED$secret/+47","tokenurl":"%s/oauth/token","url":"%s"}}`, echo, echo))
	write(t, "key64.txt", base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(keys["sender"].JSON), "\n", ""))))
	write(t, "summary.md", "")
	var out, log bytes.Buffer
	p := &program{
		in: strings.NewReader(""), out: &out, err: &log, redactor: redactor, unredacted: redactor == nil,
		environ: []string{"GITHUB_STEP_SUMMARY=summary.md", "GITHUB_ACTIONS=true"},
	}
	status := p.run(t.Context(), []string{
		"gate", "keys", "key64.txt", "-e", "env.yaml", "-v", "--negative", "--scope", "Orders.approve", "--probe", "/http/echo", "--expect-tenant", "other",
		"--junit", "TEST.xml", "--json", "run.jsonl", "--github",
	})
	if status != 6 {
		t.Fatalf("exit status %d, want 6; %s%s", status, out.String(), log.String())
	}
	outputs = map[string]string{"stdout": out.String(), "stderr": log.String()}
	for _, name := range []string{"TEST.xml", "run.jsonl", "summary.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		outputs[name] = string(data)
	}
	secrets = map[string]string{"echoed": "ECHOED$secret/+47"}
	for name, k := range keys {
		var document struct {
			OAuth struct{ ClientID, ClientSecret, Key string } `json:"oauth"`
		}
		decode(t, k.JSON, &document)
		if s := document.OAuth.ClientSecret; s != "" {
			secrets[name] = s
		}
		if block, _ := pem.Decode([]byte(document.OAuth.Key)); block != nil {
			secrets[name] = base64.StdEncoding.EncodeToString(block.Bytes)[:64]
		}
	}
	return outputs, secrets
}

// echoing is a token server that gives back what it was sent, and no token.
func echoing(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		http.SetCookie(w, &http.Cookie{Name: "echo", Value: "cookie-of-the-echo"})
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"error": "invalid_client", "error_description": "no " + r.PostForm.Get("client_secret") + " cookie-of-the-echo\n::error::executed\n##vso[task.complete]", "sent": r.PostForm.Encode(),
		})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestGateLeaks searches every output of the gate for every secret in every
// encoding.
func TestGateLeaks(t *testing.T) {
	outputs, secrets := gateOutputs(t, secret.NewRedactor())
	if len(secrets) < 5 {
		t.Fatalf("only %d secrets are looked for", len(secrets))
	}
	secrets["cookie"] = "cookie-of-the-echo"
	for what, value := range secrets {
		for _, e := range secret.Encodings(value) {
			for name, text := range outputs {
				if i := strings.Index(text, e.Text); i >= 0 {
					t.Errorf("%s holds the secret %s (%s): …%s…", name, what, e.Name, text[max(0, i-60):min(len(text), i+len(e.Text)+20)])
				}
			}
		}
	}
	for name, text := range outputs {
		if i := strings.Index(text, "eyJ"); i >= 0 {
			t.Errorf("%s holds what looks like a token: …%s…", name, text[max(0, i-60):i+20])
		}
		for line := range strings.Lines(text) {
			if l := strings.TrimSpace(line); strings.HasPrefix(l, "::error::executed") || strings.HasPrefix(l, "##vso[") {
				t.Errorf("%s holds a command for an agent: %q", name, line)
			}
		}
	}
	if !strings.Contains(outputs["stdout"], "***(echoed.client-secret)") {
		t.Errorf("stdout does not say which secret was hidden:\n%s", outputs["stdout"])
	}
	if !strings.Contains(outputs["stdout"], "\n::error ") || !strings.Contains(outputs["summary.md"], "| echoed |") {
		t.Errorf("no annotation, or no table in the summary:\n%s\n%s", outputs["stdout"], outputs["summary.md"])
	}
}

// TestGateLeaksUnredacted shows that TestGateLeaks can fail.
func TestGateLeaksUnredacted(t *testing.T) {
	outputs, secrets := gateOutputs(t, nil)
	for _, name := range []string{"stdout", "TEST.xml", "run.jsonl"} {
		if !strings.Contains(outputs[name], secrets["echoed"]) {
			t.Errorf("%s does not hold the secret that was echoed", name)
		}
	}
}

// TestGateAsksOnce: one token request for each key, two with --negative.
func TestGateAsksOnce(t *testing.T) {
	for _, c := range []struct {
		args []string
		want int
	}{{nil, 5}, {[]string{"--negative"}, 10}, {[]string{"--parallel", "1", "--probe", "/http/echo", "--probe-lenient"}, 5}} {
		tenant := served(t)
		environmentOf(t, tenant)
		for _, name := range []string{"a", "b", "c"} {
			control(t, tenant, http.MethodPost, "/_sandbox/keys", `{"instance":"sandbox-rt","name":"`+name+`"}`, nil)
		}
		write(t, "env.yaml", string(tenant.EnvironmentYAML()))
		status, out, log := invoke(t, append([]string{"gate", "-e", "env.yaml", "--junit", "TEST.xml"}, c.args...)...)
		if status != 0 {
			t.Fatalf("exit status %d\n%s%s", status, out, log)
		}
		if n := counts(requests(t, tenant), tokenRequest); n != c.want {
			t.Errorf("%q: %d token requests, want %d", c.args, n, c.want)
		}
		if suites := counted(t, "TEST.xml"); len(suites.Suites) != 5 {
			t.Errorf("%d suites, want one for each key", len(suites.Suites))
		}
	}
}

// TestGateSendsNothing: a key that cannot be read keeps every other from being
// asked, whatever its place.
func TestGateSendsNothing(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	write(t, "keys/good.json", string(tenant.Keys()[0].JSON))
	write(t, "keys/zzz.json", `{"oauth":{"clientid":"sb-1"}}`)
	if status, out, log := invoke(t, "gate", "keys", "-e", "env.yaml", "--negative"); status != 3 {
		t.Fatalf("exit status %d, want 3\n%s%s", status, out, log)
	}
	if list := requests(t, tenant); len(list) != 0 {
		t.Errorf("%d requests were sent: %v", len(list), list)
	}
}

// TestGateIgnoresInsecure: tls.insecure of an environment does not let the gate
// talk to a server that nobody vouches for.
func TestGateIgnoresInsecure(t *testing.T) {
	t.Chdir(t.TempDir())
	asked := false
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	server.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	write(t, "ca.pem", string(ca))
	credential := fmt.Sprintf("credentials:\n  own: {token-url: \"%s/oauth/token\", client-id: sb-1, client-secret: \"${env.OWN}\"}\n", server.URL)
	write(t, "insecure.yaml", "target: {tls: {insecure: true}}\n"+credential)
	write(t, "ca.yaml", "target: {tls: {ca: ca.pem}}\n"+credential)
	t.Setenv("OWN", "x")
	run := func(env string) (int, string) {
		var out, log bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor(), environ: []string{"OWN=own-secret-4711"}}
		return p.run(t.Context(), []string{"gate", "-e", env}), out.String() + log.String()
	}
	if status, out := run("insecure.yaml"); status != 5 || !strings.Contains(out, "TLS") || asked {
		t.Errorf("exit status %d, want 5 without a request (%v)\n%s", status, asked, out)
	}
	if status, out := run("ca.yaml"); status != 5 || !asked {
		t.Errorf("with the authority: exit status %d, want 5 after a request (%v)\n%s", status, asked, out)
	}
}

// TestGateCertificates: keys with a certificate of an environment are good,
// written out or as service keys, the private key encrypted or not.
func TestGateCertificates(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	control(t, tenant, http.MethodPost, "/_sandbox/keys", `{"instance":"sandbox-rt","name":"certified","parameters":{"key-type":"certificate","validity":20}}`, nil)
	var document struct {
		OAuth struct{ ClientID, Certificate, Key, TokenURL string } `json:"oauth"`
	}
	keys := tenant.Keys()
	key := keys[len(keys)-1].JSON
	decode(t, key, &document)
	ca, err := tenant.CA()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(document.OAuth.Key))
	//lint:ignore SA1019 it is what openssl rsa -aes256 writes
	locked, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte("opens-4711"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	o := document.OAuth
	for name, text := range map[string]string{
		"ca.pem": string(ca), "cert.pem": o.Certificate, "key.pem": o.Key, "locked.pem": string(pem.EncodeToMemory(locked)), "key.json": string(key),
	} {
		write(t, name, text)
	}
	write(t, "certs.yaml", fmt.Sprintf(`target: {tls: {ca: ca.pem}}
credentials:
  whole: {service-key: key.json}
  written: {token-url: %q, client-id: %q, certificate: cert.pem, key: key.pem}
  locked: {token-url: %[1]q, client-id: %[2]q, certificate: cert.pem, key: locked.pem, key-password: "${env.PASSWORD}"}
`, o.TokenURL, o.ClientID))
	for _, c := range []struct {
		password, days string
		want           int
	}{{"opens-4711", "19", 0}, {"opens-4711", "30", 6}, {"wrong-4711", "0", 3}} {
		var out, log bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor(), environ: []string{"PASSWORD=" + c.password}}
		if status := p.run(t.Context(), []string{"gate", "-e", "certs.yaml", "--min-days", c.days}); status != c.want {
			t.Errorf("password %s, --min-days %s: exit status %d, want %d\n%s%s", c.password, c.days, status, c.want, out.String(), log.String())
		}
		if c.want == 0 && strings.Count(out.String(), " fine\n") != 3 {
			t.Errorf("not every key is fine:\n%s", out.String())
		}
	}
}

// TestGateInterrupted: a signal ends with 130, with a complete report.
func TestGateInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then the server sees the client go
		cancel(runner.Interrupted())
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	for _, name := range []string{"a", "b"} {
		write(t, "keys/"+name+".json", fmt.Sprintf(`{"oauth":{"clientid":"sb-1","clientsecret":"secret-4711","tokenurl":"%s/oauth/token"}}`, server.URL))
	}
	var out, log bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor()}
	if status := p.run(ctx, []string{"gate", "keys", "--parallel", "1", "--junit", "TEST.xml"}); status != 130 {
		t.Errorf("exit status %d, want 130\n%s%s", status, out.String(), log.String())
	}
	if suites := counted(t, "TEST.xml"); len(suites.Suites) != 2 || suites.Tests != 12 {
		t.Errorf("%d suites with %d cases, want all of both keys", len(suites.Suites), suites.Tests)
	}
	if !strings.Contains(out.String(), "-                  interrupted\n") {
		t.Errorf("the table does not say that the second key was not reached:\n%s", out.String())
	}
}

// BenchmarkGateSandbox is the whole command on the sandbox, its start included.
func BenchmarkGateSandbox(b *testing.B) {
	for b.Loop() {
		var out, log bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor()}
		if status := p.run(b.Context(), []string{"gate", "--sandbox"}); status != 0 || !strings.Contains(out.String(), "\nsender ") || !strings.Contains(out.String(), "\napi ") {
			b.Fatalf("exit status %d\n%s%s", status, out.String(), log.String())
		}
	}
}

// TestGateSideBySide: as many keys as --parallel says are looked at at the same
// time, and no more: the token server answers none of them before.
func TestGateSideBySide(t *testing.T) {
	const parallel, keys = 32, 50
	t.Chdir(t.TempDir())
	var mu sync.Mutex
	now, most, all := 0, 0, make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		if most = max(most, now); now == parallel && most == parallel {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		mu.Unlock()
		select {
		case <-all:
		case <-r.Context().Done():
		}
		mu.Lock()
		now--
		mu.Unlock()
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	for i := range keys {
		write(t, fmt.Sprintf("keys/k%02d.json", i), fmt.Sprintf(`{"oauth":{"clientid":"sb-%d","clientsecret":"secret-4711","tokenurl":"%s/oauth/token"}}`, i, server.URL))
	}
	if status, out, log := invoke(t, "gate", "keys"); status != 6 {
		t.Errorf("exit status %d, want 6\n%s%s", status, out, log)
	}
	if most != parallel {
		t.Errorf("%d requests at the same time, want %d", most, parallel)
	}
}

// gateTook runs the gate and gives how long it took.
func gateTook(tb testing.TB, env string, args []string) time.Duration {
	tb.Helper()
	var out, log bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor()}
	started := time.Now()
	if status := p.run(tb.Context(), append([]string{"gate", "-e", env, "-q"}, args...)); status != 0 {
		tb.Fatalf("exit status %d\n%s%s", status, out.String(), log.String())
	}
	return time.Since(started)
}

// manyKeys is a tenant with fifty keys and a network: the environment that
// declares them, and one of them as a KEY.
func manyKeys(tb testing.TB, latency time.Duration) (env string, one []string) {
	tb.Helper()
	text := fmt.Sprintf("latency: %s\nkeys:\n", latency)
	for i := range 48 { // there are two already
		text += fmt.Sprintf("  - {name: key-%02d, instance: sandbox-rt}\n", i)
	}
	config, diags := sandbox.ParseConfig("sandbox.yaml", []byte(text))
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	tenant, err := sandbox.New(sandbox.Options{Config: config})
	if err != nil {
		tb.Fatal(err)
	}
	if err := tenant.Listen("127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tenant.Serve(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	dir := tb.TempDir()
	env, key := filepath.Join(dir, "env.yaml"), filepath.Join(dir, "key.json")
	for file, data := range map[string][]byte{env: tenant.EnvironmentYAML(), key: tenant.Keys()[0].JSON} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return env, []string{key}
}

// BenchmarkGate50 looks at fifty keys on one token server that takes 100 ms to
// answer; "singles" is how many times as long as for one key it takes.
func BenchmarkGate50(b *testing.B) {
	env, one := manyKeys(b, 100*time.Millisecond)
	single := gateTook(b, env, one)
	var all time.Duration
	for b.Loop() {
		all += gateTook(b, env, nil)
	}
	b.ReportMetric(float64(all)/float64(b.N)/float64(single), "singles")
}
