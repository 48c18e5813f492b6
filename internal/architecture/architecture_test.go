// Package architecture holds the test that keeps the arrows between the
// packages of this module as they were decided.
package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms names every package and the packages of this module that it may
// import. A package below a room (internal/sandbox/token) has the arrows of
// the room, and may import the rest of the room. What is not listed is
// forbidden.
func rooms() map[string][]string {
	return map[string][]string{
		"cmd/iflowtest":         {"runner", "scenarios", "assertions", "internal/diag", "internal/secret", "internal/report", "internal/sandbox", "internal/servicekey", "internal/expression", "internal/gate", "internal/httpx", "internal/convert"},
		"runner":                {"scenarios", "assertions", "internal/diag", "internal/expression", "internal/secret", "internal/servicekey", "internal/oauth", "internal/httpx", "internal/cf", "internal/destination", "internal/entitlements", "internal/certificate", "internal/cpi", "internal/platform"},
		"scenarios":             {"internal/expression", "internal/diag"},
		"assertions":            {},
		"internal/diag":         {},
		"internal/secret":       {},
		"internal/expression":   {"internal/diag"},
		"internal/servicekey":   {"internal/secret", "internal/certificate"},
		"internal/certificate":  {"internal/secret"},
		"internal/convert":      {"internal/servicekey", "internal/secret"},
		"internal/platform":     {"internal/httpx", "internal/secret", "internal/oauth"},
		"internal/destination":  {"internal/platform", "internal/httpx", "internal/secret", "internal/oauth", "internal/servicekey"},
		"internal/httpx":        {"internal/secret"},
		"internal/oauth":        {"internal/httpx", "internal/secret", "internal/certificate"},
		"internal/gate":         {"runner", "internal/oauth", "internal/servicekey", "internal/certificate", "internal/httpx", "internal/cf", "internal/secret"},
		"internal/report":       {"runner", "internal/diag"},
		"internal/sandbox":      {"internal/expression", "internal/diag"},
		"internal/architecture": {},
		"internal/cf":           {"internal/platform", "internal/httpx", "internal/secret", "internal/oauth"},
		"internal/cpi":          {"internal/platform", "internal/httpx", "internal/secret", "internal/oauth"},
		"internal/entitlements": {"internal/platform", "internal/httpx", "internal/secret", "internal/oauth", "internal/servicekey"},
	}
}

// libraries names the packages that may import a library which belongs to one
// room.
func libraries() map[string][]string {
	return map[string][]string{
		"github.com/spf13/cobra":                   {"cmd/iflowtest"},
		"github.com/spf13/pflag":                   {"cmd/iflowtest"},
		"gopkg.in/yaml.v3":                         {"scenarios", "internal/sandbox"},
		"github.com/tidwall/gjson":                 {"assertions"},
		"golang.org/x/oauth2":                      {"internal/oauth"},
		"github.com/jstemmer/go-junit-report/v2":   {"internal/report"},
		"github.com/expr-lang/expr":                {"internal/expression"},
		"github.com/go-jose/go-jose/v4":            {"internal/oauth", "internal/sandbox"},
		"github.com/santhosh-tekuri/jsonschema/v6": {"assertions"},
		"github.com/stretchr/testify":              {},
	}
}

const module = "iflowtest/"

func TestArrows(t *testing.T) {
	root := filepath.Join("..", "..")
	checked := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "out") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		checked++
		room := roomOf(path.Dir(name))
		if room == "" {
			t.Errorf("%s stands in no room of the house", name)
			return nil
		}
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if problem := forbidden(room, imported, strings.HasSuffix(name, "_test.go")); problem != "" {
				t.Errorf("%s: %s", name, problem)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 20 {
		t.Fatalf("only %d files were found below %s", checked, root)
	}
}

// roomOf gives the room that a folder belongs to.
func roomOf(dir string) string {
	for d := dir; d != "."; d = path.Dir(d) {
		if _, ok := rooms()[d]; ok {
			return d
		}
	}
	return ""
}

// forbidden says what is wrong with an import, or nothing. Tests may use any
// library, and the sandbox as the fake that it is.
func forbidden(room, imported string, test bool) string {
	if in, ok := strings.CutPrefix(imported, module); ok {
		to := roomOf(in)
		allowed := to == room || slices.Contains(rooms()[room], to)
		if test && (to == "internal/sandbox" || room == "cmd/iflowtest") {
			allowed = allowed || room == "runner" || room == "internal/gate" || room == "cmd/iflowtest"
		}
		if !allowed {
			return "the arrow " + room + " → " + to + " is forbidden"
		}
		return ""
	}
	for library, users := range libraries() {
		if imported != library && !strings.HasPrefix(imported, library+"/") {
			continue
		}
		if !slices.Contains(users, room) && (!test || len(users) == 0) {
			return room + " may not import " + library
		}
	}
	return ""
}

func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		room, imported string
		want           bool
	}{
		{"runner", "iflowtest/internal/report", true},
		{"runner", "github.com/spf13/cobra", true},
		{"scenarios", "iflowtest/runner", true},
		{"internal/oauth", "iflowtest/internal/sandbox/token", true},
		{"internal/sandbox", "iflowtest/internal/oauth", true},
		{"assertions", "iflowtest/runner", true},
		{"assertions", "iflowtest/internal/diag", true},
		{"internal/report", "iflowtest/scenarios", true},
		{"internal/report", "iflowtest/runner", false},
		{"internal/sandbox", "iflowtest/internal/sandbox/token", false},
		{"runner", "iflowtest/internal/oauth", false},
		{"internal/platform", "iflowtest/internal/cf", true},
		{"internal/cf", "iflowtest/internal/cpi", true},
		{"internal/cpi", "iflowtest/internal/platform", false},
		{"runner", "strings", false},
	} {
		if got := forbidden(c.room, c.imported, false); (got != "") != c.want {
			t.Errorf("%s importing %s: %q, want an error: %v", c.room, c.imported, got, c.want)
		}
	}
}
