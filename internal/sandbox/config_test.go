package sandbox_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
	"iflowtest/internal/sandbox"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// parse reads a configuration of testdata; the name stands for its path.
func parse(t testing.TB, path string) (*sandbox.Config, string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(path)
	config, list := sandbox.ParseConfig(name, data)
	sources := diag.Sources{}
	sources.Add(name, data)
	var b bytes.Buffer
	if err := diag.Print(&b, list, sources, diag.Style{}); err != nil {
		t.Fatal(err)
	}
	if (config == nil) != list.HasErrors() {
		t.Errorf("a configuration with errors is none, and one without is one")
	}
	return config, b.String()
}

func configs(t testing.TB, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "config", folder, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no configurations in %s: %v", folder, err)
	}
	return paths
}

func TestConfigIsRead(t *testing.T) {
	for _, path := range configs(t, "ok") {
		config, said := parse(t, path)
		if said != "" {
			t.Errorf("%s:\n%s", path, said)
			continue
		}
		if _, err := sandbox.New(sandbox.Options{Config: config}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestConfigDiagnostics(t *testing.T) {
	for _, path := range configs(t, "err") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, got := parse(t, path)
			golden := strings.TrimSuffix(path, ".yaml") + ".out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestConfigOfTheDocumentation(t *testing.T) {
	config, said := parse(t, "testdata/config/ok/price.yaml")
	if said != "" {
		t.Fatal(said)
	}
	tn := start(t, sandbox.Options{Config: config})
	bearer := tn.bearer("sender")
	url := tn.URL(sandbox.Runtime) + "/HTTP/Price"
	from := time.Now()
	a := tn.send("POST", url, `{"sku":"A-100"}`, bearer)
	if a.StatusCode != 200 || a.body != `{"sku":"A-100","price":9.5}` {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if took := time.Since(from); took < 45*time.Millisecond {
		t.Errorf("took %v: want at least the latency and the delay", took)
	}
	a = tn.send("POST", url, `{"sku":"Z"}`, bearer)
	if a.StatusCode != 404 || a.body != `{"error":"unknown Z"}` {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	for _, want := range []int{503, 503, 200} {
		if a := tn.send("POST", tn.URL(sandbox.Runtime)+"/http/orders", `{"sku":"A-100","qty":1}`, bearer); a.StatusCode != want {
			t.Errorf("orders: got %d, want %d", a.StatusCode, want)
		}
	}
}

func TestConfigWithEverything(t *testing.T) {
	config, said := parse(t, "testdata/config/ok/everything.yaml")
	if said != "" {
		t.Fatal(said)
	}
	tn := start(t, sandbox.Options{Config: config})
	bearer := tn.bearer("sender-2")
	base := tn.URL(sandbox.Runtime)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/http/all/x?kind=xml", "", 200, "<path>/http/all/x</path>"},
		{"PUT", "/http/all", `{"status":207}`, 207, ""},
		{"PUT", "/http/all", `{"status":99}`, 500, "An internal server error occured"},
		{"POST", "/http/all/deep/er", `{"lines":[{"sku":"A","qty":12345678901234567890}]}`, 200,
			`{"first":{"sku":"A","qty":12345678901234567890},"count":1,"text":"got 1 lines","fixed":[null,true,1.10,"1.10","no","0777"]}`},
		{"POST", "/http/all", "no JSON", 200, "plain no JSON"},
		{"DELETE", "/http/all", "", 405, "Method Not Allowed"},
		{"POST", "/cxf/failing", `{}`, 500, "An internal server error occured"},
	} {
		a := tn.send(test.method, base+test.path, test.body, bearer, "X-Kind: k")
		if a.StatusCode != test.status || !strings.Contains(sortKeys(t, a.body), sortKeys(t, test.want)) {
			t.Errorf("%s %s: got %d %s\nwant %d %s", test.method, test.path, a.StatusCode, a.body, test.status, test.want)
		}
		if test.method == "GET" && (a.Header.Get("X-Kind") != "k" || a.Header.Get("X-Fixed") != "1.10") {
			t.Errorf("headers: %v", a.Header)
		}
	}
	// A role the built-in instance does not have.
	for key, want := range map[string]int{"sender": 403, "approver": 200} {
		if a := tn.send("GET", base+"/http/restricted", "", tn.bearer(key)); a.StatusCode != want {
			t.Errorf("restricted as %s: got %d, want %d", key, a.StatusCode, want)
		}
	}
	if a := tn.send("GET", tn.URL(sandbox.API)+"/api/v1/IntegrationPackages", "", tn.bearer("reader")); a.StatusCode != 403 {
		t.Errorf("packages without their role: got %d, want 403", a.StatusCode)
	}
}

// sortKeys evens out the order of {"sku":…,"qty":…} that an expression gives
// back as a value.
func sortKeys(t testing.TB, s string) string {
	t.Helper()
	return strings.ReplaceAll(s, `{"qty":12345678901234567890,"sku":"A"}`, `{"sku":"A","qty":12345678901234567890}`)
}

func FuzzParseConfig(f *testing.F) {
	for _, folder := range []string{"ok", "err"} {
		for _, path := range configs(f, folder) {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		from := time.Now()
		config, list := sandbox.ParseConfig("x.yaml", data)
		if took := time.Since(from); took > 2*time.Second {
			t.Fatalf("took %v", took)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, d := range list {
			if d.Message == "" || d.Code == "" || d.Pos.File != "x.yaml" || d.Pos.Line > lines {
				t.Errorf("%d lines, but %v", lines, d)
			}
		}
		if config == nil {
			return
		}
		// What is valid by itself makes a tenant.
		if _, err := sandbox.New(sandbox.Options{Config: config}); err != nil {
			t.Errorf("read, but not made: %v", err)
		}
	})
}
