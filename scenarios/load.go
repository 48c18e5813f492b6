package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"iflowtest/internal/diag"
)

// Load reads the scenario files that the paths name, and the environment. It
// gives what could be read, and everything that is wrong with it; the error is
// a *UsageError when a path or the environment is not there at all. The
// environment is nil when none is asked for.
func Load(paths []string, o LoadOptions) (*Suite, *Environment, diag.List, error) {
	folder, err := filepath.Abs(o.WorkingFolder)
	if err != nil {
		return nil, nil, nil, &UsageError{Message: "the working folder cannot be found: " + cause(err)}
	}
	l := loader{options: o, folder: folder, sources: diag.Sources{}, grammar: newGrammar(o.Kinds)}
	l.collect(paths)
	environment := l.findEnvironment(paths)
	root := l.findRoot(paths)
	if l.usage != nil {
		return nil, nil, nil, l.usage
	}
	suite := &Suite{Root: root, WorkingFolder: folder, Sources: l.sources, Files: len(l.files)}
	suite.Scenarios = l.readFiles()
	var env *Environment
	if environment != "" {
		env = l.readEnvironment(environment)
	}
	l.maskVariables(suite.Scenarios, env)
	if l.usage != nil {
		return nil, nil, nil, l.usage
	}
	for name, src := range l.read {
		l.sources[name] = src.shown
	}
	return suite, env, l.l.Sorted(), nil
}

// loader finds and reads files.
type loader struct {
	options LoadOptions
	grammar *grammar
	folder  string
	base    string // the path that files are being collected from, or its folder
	files   []*file
	known   map[string]*file
	sources diag.Sources
	read    map[string]*source
	l       diag.List
	usage   *UsageError
}

// file is one scenario file that was asked for.
type file struct {
	path, shown, below string
	// lines are those of FILE.yaml:LINE; empty: all of the file.
	lines []int
	whole bool
}

func (l *loader) usagef(hint, format string, args ...any) {
	if l.usage != nil {
		return
	}
	l.usage = &UsageError{Message: fmt.Sprintf(format, args...)}
	if hint != "" {
		l.usage.Hints = []string{hint}
	}
}

func (l *loader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.folder, path)
}

// shown is a path as messages and reports name it.
func (l *loader) shown(path string) string {
	if rel, err := filepath.Rel(l.folder, path); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(path)
}

var pathWithLine = regexp.MustCompile(`^(.+):([0-9]+)$`)

// collect finds the files of all paths.
func (l *loader) collect(paths []string) {
	l.known = map[string]*file{}
	for _, p := range paths {
		if p == "" {
			l.usagef("", "a path is empty")
			continue
		}
		path, line := l.splitLine(p)
		full := l.absolute(path)
		info, err := os.Stat(full)
		l.base = full
		if err == nil && !info.IsDir() {
			l.base = filepath.Dir(full)
		}
		switch {
		case err != nil:
			l.notThere(p, full, err)
		case info.IsDir() && line > 0:
			l.usagef("", "%q is a folder: a line needs a file", path)
		case info.IsDir():
			l.walk(full, nil)
		default:
			l.add(full, line)
		}
	}
}

// splitLine takes the line from FILE.yaml:LINE, unless a file is called that.
func (l *loader) splitLine(p string) (path string, line int) {
	m := pathWithLine.FindStringSubmatch(p)
	if m == nil {
		return p, 0
	}
	if _, err := os.Stat(l.absolute(p)); err == nil {
		return p, 0
	}
	line, err := strconv.Atoi(m[2])
	if err != nil || line < 1 {
		l.usagef("lines count from 1", "%q names no line", p)
		return m[1], 0
	}
	return m[1], line
}

func (l *loader) notThere(p, full string, err error) {
	if !errors.Is(err, fs.ErrNotExist) {
		l.usagef("", "%q cannot be read: %s", p, cause(err))
		return
	}
	var names []string
	entries, _ := os.ReadDir(filepath.Dir(full))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	l.usagef(didYouMean(filepath.Base(full), names, ""), "there is no file or folder %q", p)
}

func (l *loader) add(full string, line int) {
	f := l.known[full]
	if f == nil {
		f = &file{path: full, shown: l.shown(full), below: l.below(full)}
		l.known[full] = f
		l.files = append(l.files, f)
	}
	if line == 0 {
		f.whole = true
	} else {
		f.lines = append(f.lines, line)
	}
}

// below is the name of a file below the path that it was found through, when
// it lies outside of the working folder; else empty.
func (l *loader) below(full string) string {
	if !filepath.IsAbs(l.shown(full)) {
		return ""
	}
	if rel, err := filepath.Rel(l.base, full); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return filepath.Base(full)
}

// walk adds the scenario files of a folder in name order. above are the
// folders it was reached through: a link may lead back to one of them.
func (l *loader) walk(folder string, above []os.FileInfo) {
	if self, err := os.Stat(folder); err == nil {
		if slices.ContainsFunc(above, func(i os.FileInfo) bool { return os.SameFile(i, self) }) {
			return
		}
		above = append(above[:len(above):len(above)], self)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		l.l = append(l.l, diag.Errorf(diag.Position{File: l.shown(folder)}, diag.BadFile, "the folder cannot be read: %s", cause(err)))
	}
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(folder, e.Name())
		if name[0] == '.' || name[0] == '_' {
			continue
		}
		isFolder := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			if info, err := os.Stat(path); err == nil {
				isFolder = info.IsDir()
			}
		}
		switch {
		case isFolder && (name == "environments" || name == "data" || name == "payloads"):
		case isFolder:
			l.walk(path, above)
		case isYAML(name):
			l.add(path, 0)
		}
	}
}

func isYAML(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".yaml" || ext == ".yml"
}

// findRoot gives the project folder.
func (l *loader) findRoot(paths []string) string {
	if l.options.Root != "" {
		root := l.absolute(l.options.Root)
		if info, err := os.Stat(root); err != nil || !info.IsDir() {
			l.usagef("", "--root: there is no folder %q", l.options.Root)
		}
		return root
	}
	for folder := range l.above(paths) {
		for _, mark := range []string{"environments", ".git"} {
			if _, err := os.Stat(filepath.Join(folder, mark)); err == nil {
				return folder
			}
		}
	}
	return l.folder
}

// above gives the folder of the first path, or the path when it is a folder,
// and all folders above it.
func (l *loader) above(paths []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start := l.folder
		if len(paths) > 0 {
			path := paths[0]
			if m := pathWithLine.FindStringSubmatch(path); m != nil {
				if _, err := os.Stat(l.absolute(path)); err != nil {
					path = m[1]
				}
			}
			start = l.absolute(path)
			if info, err := os.Stat(start); err == nil && !info.IsDir() {
				start = filepath.Dir(start)
			}
		}
		for yield(start) {
			parent := filepath.Dir(start)
			if parent == start {
				return
			}
			start = parent
		}
	}
}

// findEnvironment gives the path of the environment, "" when none is wanted.
func (l *loader) findEnvironment(paths []string) string {
	name := l.options.Environment
	if name == "" {
		return ""
	}
	if strings.ContainsAny(name, `/\`) || isYAML(name) {
		full := l.absolute(name)
		if _, err := os.Stat(full); err != nil {
			l.notThere(name, full, err)
		}
		return full
	}
	var found []string
	folders := []string{l.folder}
	for folder := range l.above(paths) {
		folders = append(folders, folder)
	}
	for _, folder := range folders {
		for _, ext := range []string{".yaml", ".yml"} {
			path := filepath.Join(folder, "environments", name+ext)
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				return path
			}
		}
		found = append(found, environmentNames(folder)...)
	}
	slices.Sort(found)
	hint := didYouMean(name, found, "")
	if found = slices.Compact(found); hint == "" && len(found) > 0 {
		hint = "there is " + strings.Join(found, ", ")
	}
	l.usagef(hint, "there is no environment %q: no file environments/%s.yaml in the working folder, nor beside or above the first path", name, name)
	return ""
}

func environmentNames(folder string) []string {
	var names []string
	entries, _ := os.ReadDir(filepath.Join(folder, "environments"))
	for _, e := range entries {
		if isYAML(e.Name()) {
			names = append(names, strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
		}
	}
	return names
}

// result is what one scenario file gave.
type result struct {
	scenarios []*Scenario
	src       *source
	l         diag.List
	usage     *UsageError
}

// readFiles reads all scenario files, several at a time.
func (l *loader) readFiles() []*Scenario {
	results := make([]result, len(l.files))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range l.files {
		g.Go(func() error {
			results[i] = l.readFile(f)
			return nil
		})
	}
	_ = g.Wait() // the functions give no errors
	var all []*Scenario
	l.read = make(map[string]*source, len(results)+1)
	for i, r := range results {
		all = append(all, r.scenarios...)
		l.l = append(l.l, r.l...)
		if r.src != nil {
			l.read[l.files[i].shown] = r.src
		}
		if l.usage == nil {
			l.usage = r.usage
		}
	}
	return all
}

// readBytes reads a file that may be of any size and kind.
func readBytes(path, shown string) ([]byte, diag.List) {
	pos := diag.Position{File: shown}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, diag.List{diag.Errorf(pos, diag.BadFile, "this is not a file that can be read")}
	}
	if err == nil && info.Size() > maxFileSize {
		return nil, tooLarge(pos, info.Size())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, diag.List{diag.Errorf(pos, diag.BadFile, "the file cannot be read: %s", cause(err))}
	}
	defer f.Close()
	var data bytes.Buffer
	if info != nil {
		data.Grow(int(info.Size()) + bytes.MinRead)
	}
	if _, err := data.ReadFrom(io.LimitReader(f, maxFileSize+1)); err != nil {
		return nil, diag.List{diag.Errorf(pos, diag.BadFile, "the file cannot be read: %s", cause(err))}
	}
	if data.Len() > maxFileSize {
		return nil, tooLarge(pos, int64(data.Len()))
	}
	return data.Bytes(), nil
}

func tooLarge(pos diag.Position, size int64) diag.List {
	pos.Line, pos.Column = 1, 1
	return diag.List{diag.Errorf(pos, diag.TooLarge, "the file has %d bytes, want at most %d (4 MiB)", size, maxFileSize).
		WithHint("split it, or move the repetition into data rows")}
}

func (l *loader) readFile(f *file) result {
	data, problems := readBytes(f.path, f.shown)
	if problems != nil {
		return result{l: problems}
	}
	src, docs, problems := parse(f.shown, data)
	r := result{src: src, l: problems}
	if problems.HasErrors() {
		src.maskByText()
	}
	read := reader{src: src, grammar: l.grammar}
	if len(docs) == 0 && !problems.HasErrors() {
		read.errorf(src.at(1, 1, 1), diag.BadFile, "the file holds no scenario")
		read.hint("a scenario has name and steps; a file that is none belongs below a folder whose name begins with _ or .")
	}
	for _, doc := range meaningful(docs) {
		if doc.root == nil {
			continue
		}
		s := read.readScenario(doc.root)
		s.File, s.Path, s.Below = f.shown, f.path, f.below
		s.Document, s.EndLine = doc.index, doc.end
		r.scenarios = append(r.scenarios, s)
	}
	read.uniqueNames(r.scenarios)
	r.l = bounded(f.shown, append(r.l, read.l...))
	for _, s := range r.scenarios {
		s.Documents = len(r.scenarios)
	}
	if !f.whole {
		r.scenarios, r.usage = selectLines(f, docs, r.scenarios, len(src.lines))
	}
	return r
}

// bounded keeps a file of megabytes that is wrong everywhere from filling the
// terminal.
func bounded(file string, l diag.List) diag.List {
	if len(l) <= maxShown {
		return l
	}
	sorted := l.Sorted()
	if len(sorted) <= maxShown {
		return sorted
	}
	more := diag.Errorf(diag.Position{File: file}, diag.BadFile, "only %d of the %d mistakes in this file are shown", maxShown, len(sorted))
	return append(sorted[:maxShown:maxShown], more)
}

// meaningful leaves out documents that are empty, unless all are.
func meaningful(docs []document) []document {
	empty := func(d document) bool { return d.root != nil && d.root.Kind == Null }
	full := slices.DeleteFunc(slices.Clone(docs), empty)
	if len(full) == 0 && len(docs) > 0 {
		return docs[:1]
	}
	return full
}

// uniqueNames reports scenarios of one file that have the same name.
func (r *reader) uniqueNames(all []*Scenario) {
	first := map[string]*Node{}
	for _, s := range all {
		if s.Name == nil {
			continue
		}
		if f, again := first[s.Name.Text]; again {
			r.errorf(s.Name.Pos(), diag.DuplicateName, "a scenario of this file has the name %q already, in line %d", shorten(s.Name.Text), f.Pos().Line)
			continue
		}
		first[s.Name.Text] = s.Name
	}
}

// selectLines keeps the scenarios of the documents that hold the lines.
func selectLines(f *file, docs []document, all []*Scenario, lines int) ([]*Scenario, *UsageError) {
	var kept []*Scenario
	for _, line := range f.lines {
		if line > lines {
			return nil, &UsageError{Message: fmt.Sprintf("%s has no line %d: it has %d", f.shown, line, lines)}
		}
		i := slices.IndexFunc(docs, func(d document) bool { return d.start <= line && line <= d.end })
		if i < 0 {
			continue
		}
		j := slices.IndexFunc(all, func(s *Scenario) bool { return s.Document == docs[i].index })
		if j >= 0 && all[j].SelectedLine == 0 {
			all[j].SelectedLine = line
			kept = append(kept, all[j])
		}
	}
	slices.SortFunc(kept, func(a, b *Scenario) int { return a.Document - b.Document })
	return kept, nil
}

// readEnvironment reads the environment file.
func (l *loader) readEnvironment(path string) *Environment {
	shown := l.shown(path)
	base := filepath.Base(path)
	env := &Environment{}
	data, problems := readBytes(path, shown)
	if problems == nil {
		src, docs, syntax := parse(shown, data)
		problems = syntax
		l.read[shown] = src
		env = l.environment(src, docs, &problems)
		if syntax.HasErrors() {
			src.maskByText()
		}
	}
	l.l = append(l.l, problems...)
	env.File, env.Path, env.Name = shown, path, strings.TrimSuffix(base, filepath.Ext(base))
	return env
}

func (l *loader) environment(src *source, docs []document, problems *diag.List) *Environment {
	read := reader{src: src, grammar: l.grammar}
	env := &Environment{Pos: src.at(1, 1, 1)}
	docs = meaningful(docs)
	switch {
	case len(docs) == 0 && !problems.HasErrors():
		read.errorf(src.at(1, 1, 1), diag.BadFile, "the environment is empty")
	case len(docs) > 1:
		read.errorf(src.at(docs[1].start, 1, 3), diag.BadFile, "an environment is one document, this file has %d", len(docs))
	}
	if len(docs) > 0 && docs[0].root != nil {
		env = read.readEnvironment(docs[0].root)
	}
	*problems = bounded(src.file, append(*problems, read.l...))
	return env
}

// maskVariables takes the values of secret variables out of the lines that
// are shown.
func (l *loader) maskVariables(all []*Scenario, env *Environment) {
	var common []string
	if env != nil {
		common = env.Secrets
		maskEntries(l.read[env.File], env.Vars, common)
	}
	for _, s := range all {
		if len(common)+len(s.Secrets) > 0 {
			maskEntries(l.read[s.File], s.Vars, append(slices.Clone(s.Secrets), common...))
		}
		if env != nil && len(s.Secrets) > 0 {
			maskEntries(l.read[env.File], env.Vars, s.Secrets)
		}
	}
}

func maskEntries(src *source, vars []Entry, secrets []string) {
	for _, e := range vars {
		if src != nil && slices.Contains(secrets, e.Key.Text) && !e.Value.IsComputed() {
			src.maskAll(e.Value)
		}
	}
}

// LoadIncluded reads a file that a step includes: path as it is written in
// the file from. Its lines are added to sources. The error is a *FileError.
func LoadIncluded(files *Files, from, path, workingFolder string, kinds []string, sources diag.Sources) (*Included, diag.List, error) {
	full, err := files.Resolve(from, path)
	if err != nil {
		return nil, nil, err
	}
	f, err := files.OpenRelative(from, path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	folder, err := filepath.Abs(workingFolder)
	if err != nil {
		return nil, nil, err
	}
	l := loader{folder: folder}
	shown := l.shown(full)
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, nil, &FileError{Code: diag.BadFile, Message: quote(path) + " cannot be read: " + cause(err)}
	}
	if len(data) > maxFileSize {
		return &Included{File: shown, Path: full}, tooLarge(diag.Position{File: shown}, int64(len(data))), nil
	}
	inc, src, problems := parseIncluded(shown, data, kinds)
	inc.Path = full
	sources[shown] = src.shown
	return inc, problems, nil
}

func parseIncluded(shown string, data []byte, kinds []string) (*Included, *source, diag.List) {
	src, docs, problems := parse(shown, data)
	if problems.HasErrors() {
		src.maskByText()
	}
	read := reader{src: src, grammar: newGrammar(kinds)}
	inc := &Included{Pos: src.at(1, 1, 1)}
	docs = meaningful(docs)
	switch {
	case len(docs) == 0 && !problems.HasErrors():
		read.errorf(src.at(1, 1, 1), diag.BadFile, "the included file is empty")
	case len(docs) > 1:
		read.errorf(src.at(docs[1].start, 1, 3), diag.BadFile, "an included file is one document, this file has %d", len(docs))
	}
	if len(docs) > 0 && docs[0].root != nil {
		inc = read.readIncluded(docs[0].root)
		inc.EndLine = docs[0].end
	}
	inc.File = shown
	return inc, src, bounded(shown, append(problems, read.l...)).Sorted()
}
