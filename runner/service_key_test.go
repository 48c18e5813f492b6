package runner

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// TestTargetKeys: a service key of the target may be a path, JSON, or that in
// base64, and says what is wrong with it without its secret.
func TestTargetKeys(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "testdata", "keys", "cis.json"))
	if err != nil {
		t.Fatal(err)
	}
	const hidden = "Zm9yZ2VkIHNlY3JldCBvZiB4c3VhYQ="
	if !strings.Contains(string(data), hidden) {
		t.Fatal("the key is another")
	}
	for name, c := range map[string]struct{ value, key, want string }{
		"path":     {"../cis.json", "", ""},
		"JSON":     {"${env.KEY}", string(data), ""},
		"base64":   {"${env.KEY}", base64.StdEncoding.EncodeToString(data), ""},
		"empty":    {"${env.KEY}", "", `the service key of "target.entitlements" is empty`},
		"no file":  {"none.json", "", `cannot read "none.json"`},
		"no URL":   {"${env.KEY}", strings.ReplaceAll(string(data), "entitlements_service_url", "other_url"), "the service key of target.entitlements cannot be used: entitlements: has no entitlements_service_url"},
		"no token": {"${env.KEY}", strings.ReplaceAll(string(data), "clientid", "client"), "the service key of target.entitlements cannot be used: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{
				"cis.json":               string(data),
				"scenario.yaml":          "name: Keys\nsteps:\n- entitlement: {service: it-rt, plans: [api]}\n",
				"environments/test.yaml": "target:\n  entitlements: {service-key: \"" + c.value + "\", subaccount: 10203040-5060-7080-90a0-b0c0d0e0f000}\n",
			} {
				file = filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			suite, env, diags, err := scenarios.Load([]string{filepath.Join(dir, "scenario.yaml")}, scenarios.LoadOptions{Root: dir, WorkingFolder: dir, Environment: "test"})
			if err != nil || diags.HasErrors() {
				t.Fatal(err, diags)
			}
			redactor := secret.NewRedactor()
			plan, diags, err := Compile(suite, env, Options{Redactor: redactor, Env: func(string) (string, bool) { return c.key, true }})
			if err != nil {
				t.Fatal(err)
			}
			if plan != nil {
				defer plan.Close()
			}
			var told []string
			for _, d := range diags {
				told = append(told, d.Message)
			}
			got := strings.Join(told, "\n")
			if c.want == "" && diags.HasErrors() || !strings.Contains(got, c.want) || strings.Contains(got, hidden) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if c.want == "" && strings.Contains(redactor.String("x"+hidden+"y"), hidden) {
				t.Error("the secret of the key is not known")
			}
		})
	}
}
