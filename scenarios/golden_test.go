package scenarios_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
	"iflowtest/scenarios"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func kinds() []string {
	return []string{"token", "call", "entitlement", "service-instance", "service-key", "destination", "artifact", "message-log", "wait", "set", "include"}
}

// loadFile loads a file as what its name says: env-… is an environment,
// include-… an included file, everything else holds scenarios.
func loadFile(t *testing.T, folder, name string) (diag.List, diag.Sources) {
	t.Helper()
	o := scenarios.LoadOptions{WorkingFolder: folder, Kinds: kinds()}
	paths := []string{name}
	switch {
	case strings.HasPrefix(name, "env-"):
		o.Environment, paths = name, nil
	case strings.HasPrefix(name, "include-"):
		files, err := scenarios.OpenFiles(folder)
		if err != nil {
			t.Fatal(err)
		}
		defer files.Close()
		sources := diag.Sources{}
		_, l, err := scenarios.LoadIncluded(files, filepath.Join(folder, "from.yaml"), name, folder, kinds(), sources)
		if err != nil {
			t.Fatal(err)
		}
		return l, sources
	}
	suite, _, l, err := scenarios.Load(paths, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, suite.Sources
}

func printed(t *testing.T, l diag.List, sources diag.Sources) string {
	t.Helper()
	var b strings.Builder
	if err := diag.Print(&b, l, sources, diag.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestErrors loads every file of testdata/language/err and compares the whole output,
// carets included, with its .out twin.
func TestErrors(t *testing.T) {
	folder := filepath.Join("..", "testdata", "language", "err")
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("%s holds %d files, want at least 50", folder, len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			l, sources := loadFile(t, folder, filepath.Base(file))
			if len(l) == 0 {
				t.Error("no diagnostic")
			}
			got := printed(t, l, sources)
			golden := strings.TrimSuffix(file, ".yaml") + ".out"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRight loads every file of testdata/language/ok, which must give no diagnostic.
func TestRight(t *testing.T) {
	folder := filepath.Join("..", "testdata", "language", "ok")
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if l, sources := loadFile(t, folder, filepath.Base(file)); len(l) > 0 {
				t.Errorf("diagnostics:\n%s", printed(t, l, sources))
			}
		})
	}
}
