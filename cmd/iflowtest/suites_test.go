package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jstemmer/go-junit-report/v2/junit"
)

// counted compares the counters of a JUnit file with its contents.
func counted(t *testing.T, file string) junit.Testsuites {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var root junit.Testsuites
	if err := xml.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	var tests, failures, errors int
	seen := map[string]bool{}
	for _, s := range root.Suites {
		var t1, f1, e1, s1 int
		for _, c := range s.Testcases {
			t1++
			switch {
			case c.Failure != nil:
				f1++
			case c.Error != nil:
				e1++
			case c.Skipped != nil:
				s1++
			}
			key := c.Classname + "\x00" + c.Name
			if seen[key] {
				t.Errorf("%s %s is there twice", c.Classname, c.Name)
			}
			seen[key] = true
		}
		if s.Tests != t1 || s.Failures != f1 || s.Errors != e1 || s.Skipped != s1 {
			t.Errorf("suite %s counts %d/%d/%d/%d and holds %d/%d/%d/%d", s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, t1, f1, e1, s1)
		}
		tests, failures, errors = tests+t1, failures+f1, errors+e1
	}
	if root.Tests != tests || root.Failures != failures || root.Errors != errors {
		t.Errorf("the file counts %d/%d/%d and holds %d/%d/%d", root.Tests, root.Failures, root.Errors, tests, failures, errors)
	}
	return root
}

// TestShippedSuites runs the suites that ship, as the README does.
func TestShippedSuites(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	file := filepath.Join(t.TempDir(), "reports", "TEST-all.xml")
	status, out, log := invoke(t, "run", "--sandbox", "scenarios", "--junit", file)
	if status != 0 {
		t.Fatalf("exit status %d\n%s\n%s", status, out, log)
	}
	root := counted(t, file)
	if root.Tests < 20 || root.Failures+root.Errors > 0 {
		t.Errorf("%d cases, %d failures, %d errors", root.Tests, root.Failures, root.Errors)
	}
}

// TestBrokenSuite breaks one assertion of a shipped suite: console and file
// name its place.
func TestBrokenSuite(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "scenarios", "smoke", "orders.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	broken := strings.Replace(string(text), "total: 19.75", "total: 19.76", 1)
	if err := os.WriteFile("orders.yaml", []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, _ := invoke(t, "run", "--sandbox", "orders.yaml", "--junit", "TEST.xml")
	if status != 1 {
		t.Fatalf("exit status %d, want 1\n%s", status, out)
	}
	counted(t, "TEST.xml")
	report, err := os.ReadFile("TEST.xml")
	if err != nil {
		t.Fatal(err)
	}
	const want = `orders.yaml:24:9: json total: want 19.76, got 19.75`
	for where, text := range map[string]string{"the console": out, "the file": string(report)} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", where, want, text)
		}
	}
}
