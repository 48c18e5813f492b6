package scenarios

import (
	"cmp"
	"crypto/rand"
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
// and the folders above it. A file that is there keeps its mode, and a link
// stays one: what it leads to is written. A file that is read-only is left
// alone. The error is a *FileError.
func (f *Files) WriteFile(from, path string, data []byte) error {
	name, err := f.written(from, path)
	if err != nil {
		return err
	}
	var mode fs.FileMode
	if info, err := f.root.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return &FileError{Code: diag.BadFile, Message: quote(path) + " is not a file"}
		}
		if mode = info.Mode().Perm(); mode&0o200 == 0 {
			return &FileError{
				Code:    diag.BadFile,
				Message: quote(path) + " is read-only, and is left alone; allow writing to it (chmod u+w) and run again",
			}
		}
	}
	if err := f.replace(name, data, mode); err != nil {
		message := quote(path) + " cannot be written: " + cause(err)
		if errors.Is(err, fs.ErrPermission) {
			message += "; allow writing to its folder and run again"
		}
		return &FileError{Code: diag.BadFile, Message: message}
	}
	return nil
}

// replace writes a file beside the one of that name, and puts it in its place.
// Without a mode the file is new.
func (f *Files) replace(name string, data []byte, mode fs.FileMode) error {
	if err := f.root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	beside := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+strings.ToLower(rand.Text()[:8]))
	file, err := f.root.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil && mode != 0 {
		err = file.Chmod(mode)
	}
	err = cmp.Or(err, file.Close())
	if err == nil {
		err = f.root.Rename(beside, name)
	}
	if err != nil {
		_ = f.root.Remove(beside)
	}
	return err
}

// maxLinks is how many links from one to the next are followed.
const maxLinks = 40

// written gives the name of the file that is written for a path: that which the
// links of its last part lead to.
func (f *Files) written(from, path string) (string, error) {
	name, err := f.name(from, path)
	if err != nil {
		return "", err
	}
	for range maxLinks {
		info, err := f.root.Lstat(name)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return name, nil // a folder that cannot be looked into cannot be written to either
		}
		target, err := f.root.Readlink(name)
		if err != nil {
			return "", f.explain(name, path, err)
		}
		if name, err = f.name(filepath.Join(f.path, name), target); err != nil {
			return "", f.outside(path)
		}
	}
	return "", &FileError{Code: diag.BadFile, Message: quote(path) + " is a link that leads in a circle"}
}

// Target gives the absolute path of the file that [Files.WriteFile] writes for
// a file that is named in the file from: two paths that lead to one file give
// the same. The error is a *FileError.
func (f *Files) Target(from, path string) (string, error) {
	name, err := f.written(from, path)
	if err != nil {
		return "", err
	}
	return resolvedFolder(filepath.Join(f.path, name)), nil
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
