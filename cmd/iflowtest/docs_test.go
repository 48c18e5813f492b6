package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/secret"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

var _ = flag.Bool("update", false, "rewrite the reference under docs/")

// invoke runs a command line in this process.
func invoke(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor()}
	status = p.run(t.Context(), args)
	return status, out.String(), log.String()
}

// TestReferenceIsCurrent compares docs/ with what the program prints.
func TestReferenceIsCurrent(t *testing.T) {
	p := &program{redactor: secret.NewRedactor()}
	pages, err := reference(p.rootCommand())
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		file := filepath.Join("..", "..", "docs", page.name)
		if updating() {
			if err := os.WriteFile(file, page.text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(page.text), string(have)); diff != "" {
			t.Errorf("docs/%s is not what the program prints; run make docs (-program +file):\n%s", page.name, diff)
		}
	}
}

// TestKindExamples runs the example of every kind of step on the sandbox.
func TestKindExamples(t *testing.T) {
	for _, k := range runner.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			if k.Example == "" {
				t.Fatal("has no example")
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "example.yaml")
			if k.ExampleFile != "" {
				beside := filepath.Join(dir, k.ExampleFile)
				if err := os.MkdirAll(filepath.Dir(beside), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(beside, []byte(k.ExampleFileText), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text := "name: Example\nsteps:\n" + indent(k.Example)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if status, out, log := invoke(t, "run", "--sandbox", "--root", dir, file); status != 0 {
				t.Errorf("exit status %d\n%s\n%s\n%s", status, text, out, log)
			}
		})
	}
}

func indent(s string) string {
	return "  " + strings.TrimRight(strings.ReplaceAll(s, "\n", "\n  "), " ")
}

// TestReadme runs every scenario of the README, and reads every environment.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran, read := 0, 0
	for _, block := range strings.Split(string(readme), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		if strings.HasPrefix(text, "# environments/") {
			env, diags := scenarios.ReadEnvironment("README.md", ".", []byte(text))
			if len(diags) > 0 || len(env.Credentials) == 0 {
				t.Errorf("%s\n%v", text, diags)
			}
			read++
			continue
		}
		file := filepath.Join(t.TempDir(), "readme.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, out, log := invoke(t, "run", "--sandbox", file); status != 0 {
			t.Errorf("exit status %d\n%s\n%s\n%s", status, text, out, log)
		}
		ran++
	}
	if ran == 0 || read == 0 {
		t.Errorf("the README holds %d scenarios and %d environments", ran, read)
	}
}

// TestSandboxConfig reads the configuration of the reference, and calls its
// flow.
func TestSandboxConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "sandbox.yaml", sandboxConfig)
	write(t, "price.yaml", `name: Price
steps:
  - call: {POST: /http/price, credential: sender, json: {sku: A-100}}
    expect: {json: {price: 9.5}}
  - call: {POST: /http/price, credential: sender, json: {sku: B-200}}
    expect: {status: 404, json: {error: unknown B-200}}
`)
	if status, out, log := invoke(t, "run", "--sandbox", "--sandbox-config", "sandbox.yaml", "price.yaml"); status != 0 || log != "" {
		t.Errorf("exit status %d\n%s%s", status, out, log)
	}
	write(t, "broken.yaml", "flows:\n  - id: X\n    endpont: /http/x\n")
	if status, _, log := invoke(t, "run", "--sandbox", "--sandbox-config", "broken.yaml", "price.yaml"); status != 3 || !strings.Contains(log, `broken.yaml:3:5:`) {
		t.Errorf("exit status %d, want 3\n%s", status, log)
	}
}
