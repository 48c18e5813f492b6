package clients_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iflowtest/internal/sandbox"
)

// TestPublicClients runs flashpipe and the integrationArtifact* steps of SAP's
// Jenkins library against the program's own sandbox. "make clients" calls it:
// it needs the program (IFLOWTEST), and builds the clients from the module proxy
// of the go command unless FLASHPIPE and PIPER name them.
func TestPublicClients(t *testing.T) {
	program := os.Getenv("IFLOWTEST")
	if program == "" {
		t.Skip("it fetches and builds two large programs: make clients runs it")
	}
	t.Run("flashpipe", func(t *testing.T) {
		client := obtain(t, "FLASHPIPE", "github.com/engswee/flashpipe", "./cmd/flashpipe")
		for _, signIn := range []string{"OAuth", "Basic"} {
			t.Run(signIn, func(t *testing.T) {
				runFlashpipe(t, serve(t, program, "--tls", "--proxy", "127.0.0.1:0"), client, signIn == "Basic")
			})
		}
	})
	t.Run("piper", func(t *testing.T) {
		client := obtain(t, "PIPER", "github.com/SAP/jenkins-library", ".")
		runPiper(t, serve(t, program), client)
	})
}

// obtain gives a client: the program that the variable names, or one that is
// built from the module outside of this tree. What cannot be had is skipped, with
// the reason.
func obtain(t *testing.T, variable, module, main string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", module+"@latest")
	download.Dir = t.TempDir() // no module: nothing of ours is changed
	out, err := download.Output()
	var got struct{ Dir, Version, Error string }
	if problem := json.Unmarshal(out, &got); problem != nil || err != nil || got.Error != "" || got.Dir == "" {
		t.Skipf("%s cannot be fetched (%s names one that is there): %s %v", module, variable, got.Error, errors.Join(err, problem))
	}
	path := filepath.Join(t.TempDir(), filepath.Base(module))
	build := exec.CommandContext(ctx, "go", "build", "-p", "2", "-trimpath", "-o", path, main)
	build.Dir = got.Dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("%s %s cannot be built: %v\n%s", module, got.Version, err, out)
	}
	t.Logf("%s %s", module, got.Version)
	return path
}

// server is a sandbox in a process of its own.
type server struct {
	origins map[string]string // of the parts, and of the proxy
	keys    string            // the folder of the service keys
	ca      string            // the file of the authority
	client  *http.Client
}

// quick makes a deployment done when the answer to it is there: Piper waits 42
// seconds when the first status is not the last, and never for an endpoint.
const quick = "deployment: {build: 0s, start: 0s, endpoint: 0s}\n"

// serve starts the program's sandbox.
func serve(t *testing.T, program string, flags ...string) *server {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "sandbox.yaml")
	write(t, config, quick)
	s := &server{origins: map[string]string{}, keys: filepath.Join(dir, "keys"), ca: filepath.Join(dir, "ca.pem")}
	arguments := []string{"sandbox", "--listen", "127.0.0.1:0", "--sandbox-config", config, "--write-keys", s.keys, "--write-ca", s.ca}
	cmd := exec.Command(program, append(arguments, flags...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
			t.Errorf("the sandbox: %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	ready := false
	for !ready && lines.Scan() {
		part, origin, _ := strings.Cut(lines.Text(), " ")
		s.origins[part] = strings.TrimSpace(origin)
		ready = part == "ready"
	}
	if !ready {
		t.Fatalf("the sandbox ended before it was ready: %v", lines.Err())
	}
	s.client = direct(t, []byte(read(t, s.ca)))
	return s
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// client runs commands of a client in a folder of its own.
type client struct {
	t       *testing.T
	program string
	dir     string
	env     []string
	common  []string // arguments of every command
}

// do runs a command, which must end with success, or without it.
func (c *client) do(succeeds bool, arguments ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, append(arguments, c.common...)...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended || (err == nil) != succeeds {
		// The arguments hold secrets.
		c.t.Fatalf("%s %s: %v, want success %v\n%s", filepath.Base(c.program), arguments[0], err, succeeds, out)
	}
	return string(out)
}

// artifact copies an artifact to a folder that the client may write to.
func (c *client) artifact(name string) string {
	c.t.Helper()
	dir := filepath.Join(c.dir, name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "clients", "artifacts", name))); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

const packageFile = `{"d": {"Id": "Logistics", "Name": "Logistics", "Description": "%s", "ShortText": "stock", "Version": "1.0.0"}}`

// runFlashpipe does what a pipeline does with flashpipe: a package, an artifact
// that is new, changed, and deployed both times.
func runFlashpipe(t *testing.T, s *server, program string, basic bool) {
	id, secret := secretOf(t, []byte(read(t, filepath.Join(s.keys, "api.json"))))
	dir := t.TempDir()
	c := &client{t: t, program: program, dir: dir, common: []string{"--tmn-host", apiHost}}
	c.env = append(throughProxy(s.origins["proxy"], s.ca), "HOME="+dir)
	signIn := func(secret string) []string {
		if basic {
			return []string{"--tmn-userid", id, "--tmn-password", secret}
		}
		return []string{"--oauth-host", tokenHost, "--oauth-clientid", id, "--oauth-clientsecret", secret}
	}
	known := c.common
	c.common = append(known, signIn(secret)...)
	packages := filepath.Join(dir, "Logistics.json")
	for _, description := range []string{"first", "second"} {
		write(t, packages, fmt.Sprintf(packageFile, description))
		c.do(true, "update", "package", "--package-file", packages)
	}
	for _, name := range []string{"StockTransfer", "StockTransferChanged"} {
		c.do(true, "update", "artifact", "--artifact-id", "StockTransfer", "--package-id", "Logistics",
			"--dir-artifact", c.artifact(name), "--dir-work", filepath.Join(dir, "work"))
		c.do(true, "deploy", "--artifact-ids", "StockTransfer", "--delay-length", "1", "--max-check-limit", "20")
		s.answers(t, "/http/stock/transfer", `{"plant":"1010"}`)
	}
	c.do(false, "deploy", "--artifact-ids", "Missing", "--delay-length", "1")
	c.common = append(known, signIn("nobodys")...)
	c.do(false, "deploy", "--artifact-ids", "StockTransfer", "--delay-length", "1")
	conversations := recorded(t, "flashpipe.txt")
	for _, r := range requests(t, s.client, s.origins["control"]) {
		if r.Part != sandbox.Runtime && !conversations[r.line()] {
			t.Errorf("no conversation of testdata/clients/flashpipe.txt has the request %s", r.line())
		}
	}
}

// recorded gives the requests of a file of conversations, as the sandbox lists
// them.
func recorded(t *testing.T, file string) map[string]bool {
	t.Helper()
	lines := map[string]bool{}
	var method, target string
	for line := range strings.Lines(read(t, filepath.Join("..", "testdata", "clients", file))) {
		text, sent := strings.CutPrefix(strings.TrimSpace(line), "> ")
		if head, first := strings.CutSuffix(text, " HTTP/1.1"); sent && first {
			method, target, _ = strings.Cut(head, " ")
		}
		host, named := strings.CutPrefix(text, "Host: {{host.")
		if !sent || !named {
			continue
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		r := request{Part: strings.TrimSuffix(host, "}}"), Method: method, Path: u.Path, Query: u.RawQuery}
		lines[r.line()] = true
	}
	if len(lines) == 0 {
		t.Fatalf("%s has no requests", file)
	}
	return lines
}

// answers posts a message to a flow with the key of a sender.
func (s *server) answers(t *testing.T, path, message string) {
	t.Helper()
	id, secret := secretOf(t, []byte(read(t, filepath.Join(s.keys, "sender.json"))))
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.origins["runtime"]+path, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(id, secret)
	res, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil || res.StatusCode != http.StatusOK || text.String() != message {
		t.Errorf("%s: %d %s %v", path, res.StatusCode, &text, err)
	}
}

// runPiper does what a pipeline does with Piper: it takes the service keys as
// the sandbox wrote them, and calls the parts themselves.
func runPiper(t *testing.T, s *server, program string) {
	dir := t.TempDir()
	c := &client{t: t, program: program, dir: dir, env: []string{"HOME=" + dir}, common: []string{"--noTelemetry"}}
	api := []string{"--apiServiceKey", read(t, filepath.Join(s.keys, "api.json"))}
	step := func(succeeds bool, name, flow string, arguments ...string) string {
		return c.do(succeeds, append(append([]string{name, "--integrationFlowId", flow}, api...), arguments...)...)
	}
	step(true, "integrationArtifactDeploy", "OrderIntake")
	step(false, "integrationArtifactDeploy", "Missing")
	step(true, "integrationArtifactDownload", "OrderIntake", "--integrationFlowVersion", "Active", "--downloadPath", "downloaded")
	if files, err := fs.Glob(os.DirFS(dir), "downloaded/OrderIntake*"); err != nil || len(files) != 1 {
		t.Errorf("downloaded %v, %v", files, err)
	}
	step(true, "integrationArtifactGetServiceEndpoint", "OrderIntake")
	endpoint := strings.TrimSpace(read(t, filepath.Join(dir, ".pipeline", "commonPipelineEnvironment", "custom", "integrationFlowServiceEndpoint")))
	if want := s.origins["runtime"] + "/http/orders"; endpoint != want {
		t.Errorf("endpoint %q, want %q", endpoint, want)
	}
	write(t, filepath.Join(dir, "order.json"), `{"sku":"A-100","qty":2}`)
	trigger := []string{"integrationArtifactTriggerIntegrationTest", "--integrationFlowId", "OrderIntake",
		"--integrationFlowServiceKey", read(t, filepath.Join(s.keys, "sender.json")), "--integrationFlowServiceEndpointUrl", endpoint}
	c.do(true, append(trigger, "--contentType", "application/json", "--messageBodyPath", "order.json")...)
	step(true, "integrationArtifactGetMplStatus", "OrderIntake")
	step(true, "integrationArtifactUnDeploy", "OrderIntake")
}
