package scenarios

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"iflowtest/internal/diag"
)

// Files opens the files that scenarios name: relative to the file they stand
// in, and never outside the project folder, through whatever links. It is
// safe for concurrent use.
type Files struct {
	root *os.Root
	path string
}

// OpenFiles gives the files below the project folder. Close it in the end.
func OpenFiles(root string) (*Files, error) {
	path, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Files{root: r, path: path}, nil
}

// Close lets go of the project folder. Files that are open stay open.
func (f *Files) Close() error { return f.root.Close() }

// FileError says why a file that a scenario names cannot be opened.
type FileError struct {
	// Code is diag.OutsideRoot or diag.BadFile.
	Code    string
	Message string
	Hints   []string
}

// Error gives the message without the hints.
func (e *FileError) Error() string { return e.Message }

// Diagnostic gives the error at a place.
func (e *FileError) Diagnostic(pos diag.Position) diag.Diagnostic {
	d := diag.Errorf(pos, e.Code, "%s", e.Message)
	d.Hints = slices.Clone(e.Hints)
	return d
}

// OpenRelative opens a file that is named in the file from. The error is a
// *FileError.
func (f *Files) OpenRelative(from, path string) (*os.File, error) {
	name, err := f.name(from, path)
	if err != nil {
		return nil, err
	}
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, f.explain(name, path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{Code: diag.BadFile, Message: quote(path) + " is not a file"}
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, f.explain(name, path, err)
	}
	return file, nil
}

// ReadFile reads a file that is named in the file from. The error is a
// *FileError, or that of reading.
func (f *Files) ReadFile(from, path string) ([]byte, error) {
	file, err := f.OpenRelative(from, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// Stat looks at a file that is named in the file from. The error is a
// *FileError, or that of the file system.
func (f *Files) Stat(from, path string) (fs.FileInfo, error) {
	name, err := f.name(from, path)
	if err != nil {
		return nil, err
	}
	return f.root.Stat(name)
}

// WriteFile writes a file that is named in the file from, whole or not at all,
// and the folders above it. A file that is there keeps its mode. The error is a
// *FileError.
func (f *Files) WriteFile(from, path string, data []byte) error {
	name, err := f.name(from, path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := f.root.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return &FileError{Code: diag.BadFile, Message: quote(path) + " is not a file"}
		}
		mode = info.Mode().Perm()
	}
	written := name + ".new"
	err = f.root.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = f.root.WriteFile(written, data, mode)
	}
	if err == nil {
		err = f.root.Rename(written, name)
	}
	if err != nil {
		_ = f.root.Remove(written)
		return &FileError{Code: diag.BadFile, Message: quote(path) + " cannot be written: " + cause(err)}
	}
	return nil
}

// Resolve gives the absolute path of a file that is named in the file from,
// without opening it. The error is a *FileError.
func (f *Files) Resolve(from, path string) (string, error) {
	name, err := f.name(from, path)
	if err != nil {
		return "", err
	}
	return filepath.Join(f.path, name), nil
}

// name gives the path relative to the project folder.
func (f *Files) name(from, path string) (string, error) {
	if path == "" {
		return "", &FileError{Code: diag.BadFile, Message: "the path is empty"}
	}
	if strings.ContainsRune(path, 0) {
		return "", &FileError{Code: diag.BadFile, Message: quote(path) + " cannot be a path"}
	}
	full := filepath.FromSlash(path)
	if !filepath.IsAbs(full) {
		folder, err := filepath.Abs(filepath.Dir(from))
		if err != nil {
			return "", &FileError{Code: diag.BadFile, Message: err.Error()}
		}
		full = filepath.Join(folder, full)
	}
	for _, root := range []string{f.path, resolved(f.path)} {
		for _, target := range []string{full, resolvedFolder(full)} {
			if rel, err := filepath.Rel(root, target); err == nil && filepath.IsLocal(rel) {
				return rel, nil
			}
		}
	}
	return "", f.outside(path)
}

func resolved(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path
}

// resolvedFolder resolves the links of the folder a path is in, not of its
// last part.
func resolvedFolder(path string) string {
	return filepath.Join(resolved(filepath.Dir(path)), filepath.Base(path))
}

func (f *Files) outside(path string) *FileError {
	return &FileError{
		Code:    diag.OutsideRoot,
		Message: quote(path) + " leads outside the project folder",
		Hints:   []string{"files of scenarios lie below " + filepath.ToSlash(f.path) + "; --root names another folder"},
	}
}

// explain turns an error of the system into one that says what to do.
func (f *Files) explain(name, path string, err error) *FileError {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e := &FileError{Code: diag.BadFile, Message: "no file " + quote(path)}
		if hint := f.near(name); hint != "" {
			e.Hints = append(e.Hints, hint)
		}
		return e
	case errors.Is(err, fs.ErrPermission):
		return &FileError{Code: diag.BadFile, Message: quote(path) + " may not be read"}
	}
	var p *fs.PathError
	if errors.As(err, &p) && strings.Contains(p.Err.Error(), "escapes") {
		return f.outside(path)
	}
	return &FileError{Code: diag.BadFile, Message: quote(path) + " cannot be opened: " + cause(err)}
}

// near proposes a name from the folder that a file was looked for in.
func (f *Files) near(name string) string {
	folder, err := f.root.Open(filepath.Dir(name))
	if err != nil {
		return "there is no folder " + quote(filepath.ToSlash(filepath.Dir(name))) + " in the project folder"
	}
	defer folder.Close()
	names, err := folder.Readdirnames(1000)
	if err != nil {
		return ""
	}
	return nearName(filepath.Base(name), names)
}

// nearName proposes one of the names, or lists the few there are.
func nearName(name string, names []string) string {
	if hint := didYouMean(name, names, ""); hint != "" {
		return hint
	}
	names = slices.DeleteFunc(names, func(n string) bool {
		return strings.HasPrefix(n, ".") || filepath.Ext(n) != filepath.Ext(name)
	})
	if len(names) == 0 {
		return ""
	}
	const shown = 8
	if len(names) > shown {
		names = append(names[:shown:shown], "…")
	}
	return "the folder holds " + strings.Join(names, ", ")
}

// cause is what the system says, without the path.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
