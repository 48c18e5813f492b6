package report

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestCreateFolders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "target", "reports", "junit.xml")
	o, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("<a/>")); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path); got != "<a/>" {
		t.Errorf("holds %q", got)
	}
	if o.Name() != path {
		t.Errorf("is named %q", o.Name())
	}
}

// TestCreateEndsFormer checks that a former report is gone as soon as the file
// is open, and that nothing of a longer one is left behind.
func TestCreateEndsFormer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "junit.xml")
	if err := os.WriteFile(path, []byte("former and longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path); got != "" {
		t.Errorf("opened, it holds %q", got)
	}
	for _, s := range []string{"new ", "report"} {
		if _, err := o.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path); got != "new report" {
		t.Errorf("holds %q", got)
	}
}

func TestCreateUnused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "junit.xml")
	o, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty report is left: %v", err)
	}
}

func TestCreateWrong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"empty": "", "folder": dir, "below a file": filepath.Join(file, "junit.xml")} {
		o, err := Create(path)
		if err == nil {
			t.Errorf("%s is opened", name)
			_ = o.Close()
			continue
		}
		if !strings.Contains(err.Error(), "report") || path != "" && !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v does not name the report", name, err)
		}
		if strings.Count(err.Error(), path) > 1 && path != "" {
			t.Errorf("%s: %v names it twice", name, err)
		}
	}
}

// TestCreateFull writes to a device that is always full.
func TestCreateFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skipf("%s has no device that is always full", runtime.GOOS)
	}
	o, err := Create("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewJUnit(o, JUnitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range inOrder() {
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	err = r.Close()
	if err == nil || err.Error() != `report "/dev/full" cannot be written: no space left on device` {
		t.Errorf("got %v", err)
	}
	if err := o.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
