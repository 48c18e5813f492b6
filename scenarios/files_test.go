package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writable gives a project folder, and the files in it.
func writable(t *testing.T) (folder string, files *Files) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "project")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := OpenFiles(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	return folder, files
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWriteFile(t *testing.T) {
	folder, files := writable(t)
	from := filepath.Join(folder, "a.yaml")
	for _, text := range []string{"one", "two"} {
		if err := files.WriteFile(from, "expected/deep/a.json", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, filepath.Join(folder, "expected/deep/a.json")); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if err := os.Chmod(filepath.Join(folder, "expected/deep/a.json"), 0o660); err != nil {
		t.Fatal(err)
	}
	if err := files.WriteFile(from, "expected/deep/a.json", []byte("three")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(folder, "expected/deep/a.json"))
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the mode is not kept: %v, %v", info.Mode(), err)
	}
	list, err := os.ReadDir(filepath.Join(folder, "expected/deep"))
	if err != nil || len(list) != 1 {
		t.Errorf("the folder holds %v, %v", list, err)
	}
}

func TestWriteFileThroughLinks(t *testing.T) {
	folder, files := writable(t)
	from := filepath.Join(folder, "a.yaml")
	outside := filepath.Join(filepath.Dir(folder), "outside.json")
	for path, text := range map[string]string{filepath.Join(folder, "shared", "master.json"): "old", outside: "not ours"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"a.json": "shared/master.json", "b.json": "a.json", "new.json": "shared/new.json", "folder": "shared",
		"absolute.json": filepath.Join(folder, "shared", "master.json"),
		"out.json":      "../outside.json", "round.json": "round.json",
	} {
		if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
			t.Skip("links cannot be made here")
		}
	}
	for path, written := range map[string]string{
		"a.json": "shared/master.json", "b.json": "shared/master.json", "absolute.json": "shared/master.json", "new.json": "shared/new.json", "folder/x.json": "shared/x.json",
	} {
		if err := files.WriteFile(from, path, []byte("new by "+path)); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got, want := content(t, filepath.Join(folder, written)), "new by "+path; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
		if info, err := os.Lstat(filepath.Join(folder, path)); !strings.Contains(path, "/") && (err != nil || info.Mode()&os.ModeSymlink == 0) {
			t.Errorf("%s is no link any more: %v", path, err)
		}
		target, err := files.Target(from, path)
		if err != nil || target != resolved(filepath.Join(folder, written)) {
			t.Errorf("%s leads to %s (%v), want %s", path, target, err, written)
		}
	}
	for path, want := range map[string]string{"out.json": "leads outside the project folder", "round.json": "leads in a circle"} {
		if err := files.WriteFile(from, path, []byte("new")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	if got := content(t, outside); got != "not ours" {
		t.Errorf("a file outside of the project was written: %q", got)
	}
}

func TestWriteFileLeavesReadOnlyFilesAlone(t *testing.T) {
	folder, files := writable(t)
	path := filepath.Join(folder, "a.json")
	if err := os.WriteFile(path, []byte("old"), 0o444); err != nil {
		t.Fatal(err)
	}
	err := files.WriteFile(filepath.Join(folder, "a.yaml"), "a.json", []byte("new"))
	if want := `"a.json" is read-only, and is left alone; allow writing to it (chmod u+w) and run again`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := content(t, path); got != "old" {
		t.Errorf("it was written: %q", got)
	}
}
