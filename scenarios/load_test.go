package scenarios_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
	"iflowtest/scenarios"
)

// project writes files below a new folder; a value of "/" makes a folder.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		dir := filepath.Dir(path)
		if text == "/" {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if text == "/" {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func scenario(name string) string { return "name: " + name + "\nsteps:\n  - wait: 1s\n" }

func shownNames(s *scenarios.Suite) []string {
	var names []string
	for _, c := range s.Scenarios {
		name := "?"
		if c.Name != nil {
			name = c.Name.Text
		}
		names = append(names, c.File+" "+name)
	}
	return names
}

func TestPaths(t *testing.T) {
	folder := project(t, map[string]string{
		"suite/b.yaml":                scenario("b"),
		"suite/a.yml":                 scenario("a1") + "---\n" + scenario("a2"),
		"suite/a/z.yaml":              scenario("z"),
		"suite/environments/e.yaml":   scenario("never"),
		"suite/data/d.yaml":           scenario("never"),
		"suite/a/payloads/p.yaml":     scenario("never"),
		"suite/_common/c.yaml":        scenario("common"),
		"suite/.hidden/h.yaml":        scenario("never"),
		"suite/_one.yaml":             scenario("one"),
		"suite/notes.txt":             "name: never",
		"other.scenario":              scenario("other"),
		"suite/a/environments.yaml":   scenario("file"),
		"suite/data.yaml/inside.yaml": scenario("inside"),
		"odd:12":                      scenario("odd"),
	})
	tests := []struct {
		name  string
		paths []string
		want  []string
	}{
		{"folder", []string{"suite"}, []string{"suite/a/environments.yaml file", "suite/a/z.yaml z", "suite/a.yml a1", "suite/a.yml a2", "suite/b.yaml b", "suite/data.yaml/inside.yaml inside"}},
		{"named although skipped", []string{"suite/_common", "suite/_one.yaml", "suite/data/d.yaml"}, []string{"suite/_common/c.yaml common", "suite/_one.yaml one", "suite/data/d.yaml never"}},
		{"order of the paths, each once", []string{"suite/b.yaml", "suite/a", "./suite/../suite/b.yaml"}, []string{"suite/b.yaml b", "suite/a/environments.yaml file", "suite/a/z.yaml z"}},
		{"any file", []string{"other.scenario"}, []string{"other.scenario other"}},
		{"a line", []string{"suite/a.yml:5"}, []string{"suite/a.yml a2"}},
		{"two lines", []string{"suite/a.yml:6", "suite/a.yml:1"}, []string{"suite/a.yml a1", "suite/a.yml a2"}},
		{"a line and the file", []string{"suite/a.yml:6", "suite/a.yml"}, []string{"suite/a.yml a1", "suite/a.yml a2"}},
		{"a file with a colon", []string{"odd:12"}, []string{"odd:12 odd"}},
		{"none", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, env, l, err := scenarios.Load(tt.paths, scenarios.LoadOptions{WorkingFolder: folder})
			if err != nil || len(l) > 0 || env != nil {
				t.Fatalf("environment %v, diagnostics %v, error %v", env, l, err)
			}
			if diff := cmp.Diff(tt.want, shownNames(s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSelectedLine(t *testing.T) {
	folder := project(t, map[string]string{"a.yaml": scenario("a") + "---\n" + scenario("b") + "  # the end\n---\n" + scenario("c")})
	s, _, l, err := scenarios.Load([]string{"a.yaml:8"}, scenarios.LoadOptions{WorkingFolder: folder})
	if err != nil || len(l) > 0 || len(s.Scenarios) != 1 {
		t.Fatalf("%v %v %v", s, l, err)
	}
	c := s.Scenarios[0]
	if c.Name.Text != "b" || c.SelectedLine != 8 || c.Document != 1 || c.Documents != 3 || c.EndLine != 8 || c.Pos.Line != 5 || c.Path != filepath.Join(folder, "a.yaml") {
		t.Errorf("selected %+v", c)
	}
	if step := c.Steps[0]; step.Pos.Line != 7 || step.EndLine != 7 || !cmp.Equal(step.Keys, []string{"wait"}) || step.Kinds[0].Value.Text != "1s" {
		t.Errorf("step %+v", step)
	}
}

func TestUsage(t *testing.T) {
	folder := project(t, map[string]string{"suite/orders.yaml": scenario("a"), "environments/dev.yaml": "vars: {a: 1}\n", "environments/prod.yml": "vars: {a: 1}\n"})
	tests := []struct {
		name    string
		path    string
		options scenarios.LoadOptions
		message string
		hints   []string
	}{
		{"no such file", "suite/order.yaml", scenarios.LoadOptions{}, `there is no file or folder "suite/order.yaml"`, []string{"did you mean orders.yaml?"}},
		{"no such folder", "nowhere/x", scenarios.LoadOptions{}, `there is no file or folder "nowhere/x"`, nil},
		{"empty path", "", scenarios.LoadOptions{}, "", nil},
		{"no such line", "suite/orders.yaml:40", scenarios.LoadOptions{}, "suite/orders.yaml has no line 40: it has 4", nil},
		{"line 0", "suite/orders.yaml:0", scenarios.LoadOptions{}, `"suite/orders.yaml:0" names no line`, []string{"lines count from 1"}},
		{"line of a folder", "suite:3", scenarios.LoadOptions{}, `"suite" is a folder: a line needs a file`, nil},
		{"no such environment", "suite", scenarios.LoadOptions{Environment: "deb"}, `there is no environment "deb": no file environments/deb.yaml in the working folder, nor beside or above the first path`, []string{"did you mean dev?"}},
		{"far from every environment", "suite", scenarios.LoadOptions{Environment: "integration"}, `there is no environment "integration": no file environments/integration.yaml in the working folder, nor beside or above the first path`, []string{"there is dev, prod"}},
		{"no such environment file", "suite", scenarios.LoadOptions{Environment: "environments/prod.yaml"}, `there is no file or folder "environments/prod.yaml"`, []string{"did you mean prod.yml?"}},
		{"no such root", "suite", scenarios.LoadOptions{Root: "nowhere"}, `--root: there is no folder "nowhere"`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.message == "" {
				tt.message = "a path is empty"
			}
			tt.options.WorkingFolder = folder
			_, _, _, err := scenarios.Load([]string{tt.path}, tt.options)
			var usage *scenarios.UsageError
			if !errors.As(err, &usage) {
				t.Fatalf("error %v, want a *UsageError", err)
			}
			if diff := cmp.Diff(tt.message, usage.Error()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.hints, usage.Hints); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEnvironmentIsFound(t *testing.T) {
	folder := project(t, map[string]string{
		"work/environments/here.yaml":       "vars: {at: here}\n",
		"project/environments/above.yml":    "vars: {at: above}\n",
		"project/suite/sub/a.yaml":          scenario("a"),
		"project/suite/environments/b.yaml": "vars: {at: beside}\n",
		"elsewhere/mine.yaml":               "vars: {at: path}\ntarget: {runtime: https://x}\nsecrets: [at]\n",
	})
	for name, want := range map[string]string{"here": "here", "above": "above", "b": "beside", "../elsewhere/mine.yaml": "path"} {
		s, env, l, err := scenarios.Load([]string{"../project/suite/sub"}, scenarios.LoadOptions{WorkingFolder: filepath.Join(folder, "work"), Environment: name})
		if err != nil || len(l) > 0 {
			t.Fatalf("%s: %v %v", name, l, err)
		}
		if env.Vars[0].Value.Text != want {
			t.Errorf("%s: found %s", name, env.File)
		}
		if want := filepath.Join(folder, "project", "suite"); s.Root != want {
			t.Errorf("root %s, want %s", s.Root, want)
		}
		if base := strings.TrimSuffix(filepath.Base(name), ".yaml"); env.Name != base {
			t.Errorf("the environment is called %q, want %q", env.Name, base)
		}
	}
}

func TestRoot(t *testing.T) {
	folder := project(t, map[string]string{
		"repo/.git":        "/",
		"repo/a/b/x.yaml":  scenario("x"),
		"env/environments": "/",
		"env/suite/x.yaml": scenario("x"),
	})
	tests := []struct{ working, path, root, want string }{
		{"repo", "a/b/x.yaml", "", "repo"},
		{"repo/a", "b:3", "", ""},
		{"repo/a", "b/x.yaml:2", "", "repo"},
		{"env", "suite", "", "env"},
		{"env/suite", ".", "", "env"},
		{"env/suite", "x.yaml", ".", "env/suite"},
		{"env/suite", "x.yaml", "../../repo", "repo"},
	}
	for _, tt := range tests {
		s, _, _, err := scenarios.Load([]string{tt.path}, scenarios.LoadOptions{WorkingFolder: filepath.Join(folder, tt.working), Root: tt.root})
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s: no error", tt.path)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(folder, tt.want); s.Root != want {
			t.Errorf("%+v: root %s, want %s", tt, s.Root, want)
		}
	}
}

func TestLargeFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "huge.yaml")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	f.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, l, err := scenarios.Load([]string{"huge.yaml"}, scenarios.LoadOptions{WorkingFolder: folder})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes were allocated for a file that is too large", got)
	}
	if len(l) != 1 || l[0].Code != diag.TooLarge || l[0].Pos.String() != "huge.yaml:1:1" {
		t.Errorf("diagnostics %v", l)
	}
}

// TestCostIsBounded loads files that are made to take long.
func TestCostIsBounded(t *testing.T) {
	tests := map[string]string{
		"open brackets":      strings.Repeat("[", 1<<20),
		"open mappings":      strings.Repeat("{a: ", 1<<18),
		"one line":           "{name: x, steps: [" + strings.Repeat("{wait: 1s, name: \"a\"}, ", 40_000) + "]}\n",
		"secrets on a line":  "{name: x, steps: [{wait: 1s}], credentials: {" + secretsOnALine(20_000) + "}}\n",
		"mistakes on a line": "{name: x, steps: [" + strings.Repeat("{wait: 1s, timeout: 5}, ", 20_000) + "]}\n",
		"unknown keys":       "name: x\nsteps: [{wait: 1s}]\n" + numbered("key%d: 1\n", 50_000),
		"anchors on a line":  "{name: x, steps: [{wait: 1s}], vars: {" + numbered("a%[1]d: &a%[1]d x, ", 40_000) + "}}\n",
		"unknown aliases":    "name: x\nvars:\n" + numbered("  a%d: &b%[1]d x\n", 20_000) + numbered("  c%d: *d%[1]d\n", 20_000),
		"merges":             "name: x\nvars:\n  a: &a {" + numbered("k%d: 1, ", 1000) + "}\n" + numbered("  b%d: {<<: *a}\n", 5000) + "steps: [{wait: 1s}]\n",
		"deeper and deeper":  "name: x\nvars:\n" + deeper(1000),
		"one long key":       "\"" + strings.Repeat("a", 1<<20) + "\": 1\n",
		"comments":           "name: x\nsteps:\n  - wait: 1s\n    expect:\n" + strings.Repeat("      # a: b\n", 100_000),
		"one long comment":   "name: x\n#" + strings.Repeat(" a", 1<<20) + "\nsteps:\n  - wait: 1s\n",
		"one open quote":     "name: \"" + strings.Repeat("a\n", 1<<19),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if len(text) > 4<<20 {
				t.Fatalf("the file has %d bytes, more than the limit", len(text))
			}
			folder := project(t, map[string]string{"a.yaml": text})
			s, _, l, err := scenarios.Load([]string{"a.yaml"}, scenarios.LoadOptions{WorkingFolder: folder})
			if err != nil {
				t.Fatal(err)
			}
			if len(l) > 201 {
				t.Errorf("%d diagnostics", len(l))
			}
			printed(t, l[:min(len(l), 3)], s.Sources)
		})
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func secretsOnALine(n int) string {
	return numbered("a%d: {token-url: x, client-id: x, client-secret: y}, ", n)
}

func deeper(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+2) + "a:\n")
	}
	return b.String()
}

func TestFilesThatAreNone(t *testing.T) {
	folder := project(t, map[string]string{"suite/a.yaml": scenario("a"), "suite/sub": "/"})
	if err := os.Symlink("nowhere", filepath.Join(folder, "suite", "broken.yaml")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := os.Symlink("..", filepath.Join(folder, "suite", "sub", "loop")); err != nil {
		t.Fatal(err)
	}
	s, _, l, err := scenarios.Load([]string{"suite"}, scenarios.LoadOptions{WorkingFolder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"suite/a.yaml a"}, shownNames(s)); diff != "" {
		t.Error(diff)
	}
	if len(l) != 1 || l[0].Code != diag.BadFile || l[0].Pos.File != "suite/broken.yaml" {
		t.Errorf("diagnostics %v", l)
	}
}

// TestSecretsAreNotShown searches everything that a caller can print for the
// secrets of files, right and wrong ones.
func TestSecretsAreNotShown(t *testing.T) {
	for _, folder := range []string{filepath.Join("..", "testdata", "language", "err")} {
		files, err := filepath.Glob(filepath.Join(folder, "*secret*.yaml"))
		if err != nil || len(files) < 3 {
			t.Fatal(files, err)
		}
		for _, file := range append(files, filepath.Join(folder, "env-wrong.yaml")) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "not") && !strings.Contains(string(text), "hunter2") {
				t.Errorf("%s holds no secret to search for", file)
			}
			_, sources := loadFile(t, folder, filepath.Base(file))
			for _, lines := range sources {
				for i, line := range lines {
					if strings.Contains(line, "not show") || strings.Contains(line, "not-show") || strings.Contains(line, "hunter2") {
						t.Errorf("%s:%d shows %s", file, i+1, line)
					}
				}
			}
		}
	}
}

func TestMask(t *testing.T) {
	folder := project(t, map[string]string{"a.yaml": "name: a\nsteps:\n  - call: {GET: /x, auth: {username: u, password: \"p\\x41ss\"}}\n"})
	s, _, _, err := scenarios.Load([]string{"a.yaml"}, scenarios.LoadOptions{WorkingFolder: folder})
	if err != nil {
		t.Fatal(err)
	}
	n := s.Scenarios[0].Steps[0].Kinds[0].Value.Get("auth").Get("password")
	if n.Text != "pAss" {
		t.Fatalf("password %q", n.Text)
	}
	scenarios.Mask(s.Sources, n)
	if line, _ := s.Sources.Line("a.yaml", 3); line != "  - call: {GET: /x, auth: {username: u, password: ***}}" {
		t.Errorf("shown is %s", line)
	}
}

func TestPayloadFiles(t *testing.T) {
	folder := project(t, map[string]string{
		"outside.json":               "outside",
		"project/suite/a.yaml":       "",
		"project/suite/order.json":   "{}",
		"project/payloads/big.json":  "big",
		"project/suite/folder/x.txt": "x",
	})
	root := filepath.Join(folder, "project")
	for link, target := range map[string]string{"suite/inside.json": "../payloads/big.json", "suite/escape.json": "../../outside.json", "suite/up": "../.."} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	files, err := scenarios.OpenFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	from := filepath.Join(root, "suite", "a.yaml")
	tests := []struct{ path, want, code, message, hint string }{
		{"order.json", "{}", "", "", ""},
		{"./folder/../order.json", "{}", "", "", ""},
		{"../payloads/big.json", "big", "", "", ""},
		{"inside.json", "big", "", "", ""},
		{filepath.Join(root, "payloads", "big.json"), "big", "", "", ""},
		{"../../outside.json", "", diag.OutsideRoot, `"../../outside.json" leads outside the project folder`, "files of scenarios lie below"},
		{filepath.Join(folder, "outside.json"), "", diag.OutsideRoot, "leads outside the project folder", "files of scenarios lie below"},
		{"escape.json", "", diag.OutsideRoot, `"escape.json" leads outside the project folder`, ""},
		{"up/outside.json", "", diag.OutsideRoot, `"up/outside.json" leads outside the project folder`, ""},
		{"/etc/passwd", "", diag.OutsideRoot, `"/etc/passwd" leads outside the project folder`, ""},
		{"orders.json", "", diag.BadFile, `no file "orders.json"`, "did you mean order.json?"},
		{"something.json", "", diag.BadFile, `no file "something.json"`, "the folder holds escape.json, inside.json, order.json"},
		{"nowhere/x.json", "", diag.BadFile, `no file "nowhere/x.json"`, `there is no folder "suite/nowhere" in the project folder`},
		{"folder", "", diag.BadFile, `"folder" is not a file`, ""},
		{"", "", diag.BadFile, "the path is empty", ""},
		{"a\x00b", "", diag.BadFile, `"a\x00b" cannot be a path`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			data, err := files.ReadFile(from, tt.path)
			if tt.code == "" {
				if err != nil || string(data) != tt.want {
					t.Errorf("%q, %v", data, err)
				}
				return
			}
			var fileError *scenarios.FileError
			if !errors.As(err, &fileError) {
				t.Fatalf("error %v, want a *FileError", err)
			}
			d := fileError.Diagnostic(diag.Position{File: "suite/a.yaml", Line: 3})
			if d.Code != tt.code || !strings.Contains(d.Message, tt.message) || !strings.Contains(strings.Join(d.Hints, "\n"), tt.hint) {
				t.Errorf("%v, hints %q", d, d.Hints)
			}
		})
	}
}

func TestLoadIncluded(t *testing.T) {
	folder := project(t, map[string]string{
		"suite/a.yaml":             scenario("a"),
		"suite/_common/login.yaml": "params: [user]\ncredentials:\n  s: {service-key: s.json}\nsteps:\n  - wait: 1s\ncleanup:\n  - wait: 2s\n",
	})
	files, err := scenarios.OpenFiles(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	sources := diag.Sources{}
	from := filepath.Join(folder, "suite", "a.yaml")
	inc, l, err := scenarios.LoadIncluded(files, from, "_common/login.yaml", folder, nil, sources)
	if err != nil || len(l) > 0 {
		t.Fatal(l, err)
	}
	if inc.File != "suite/_common/login.yaml" || inc.Path != filepath.Join(folder, "suite", "_common", "login.yaml") ||
		len(inc.Params) != 1 || inc.Params[0].Text != "user" || len(inc.Steps) != 1 || len(inc.Cleanup) != 1 || len(inc.Credentials) != 1 || inc.Name != nil {
		t.Errorf("included %+v", inc)
	}
	if _, ok := sources.Line(inc.File, 1); !ok {
		t.Error("its lines are not there")
	}
	var fileError *scenarios.FileError
	if _, _, err := scenarios.LoadIncluded(files, from, "_common/logon.yaml", folder, nil, sources); !errors.As(err, &fileError) {
		t.Errorf("error %v, want a *FileError", err)
	}
}

func manyFiles(tb testing.TB, n int) string {
	folder := tb.TempDir()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "language", "ok", "whole.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("s%04d.yaml", i)), text, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return folder
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 500, 1000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			folder := manyFiles(b, n)
			b.ReportAllocs()
			for b.Loop() {
				s, _, l, err := scenarios.Load([]string{"."}, scenarios.LoadOptions{WorkingFolder: folder})
				if err != nil || len(l) > 0 || len(s.Scenarios) != n {
					b.Fatal(l, err)
				}
			}
		})
	}
}

func BenchmarkLoadSteps(b *testing.B) {
	step := "  - call: {GET: /http/orders, credential: sender}\n    expect:\n      status: 200\n      json: {a: 1, b: \"2\", c.d: [1, 2], e: {gte: 3}, f: x}\n"
	folder := b.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.yaml"), []byte("name: a\nsteps:\n"+strings.Repeat(step, 5000)), 0o644); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, l, err := scenarios.Load([]string{"a.yaml"}, scenarios.LoadOptions{WorkingFolder: folder}); err != nil || len(l) > 0 {
			b.Fatal(l, err)
		}
	}
}
