package scenarios

import "iflowtest/internal/diag"

// ReadEnvironment reads an environment that is not in a file, such as that of
// a sandbox tenant. name stands where messages name the file; folder is what
// its paths are relative to.
func ReadEnvironment(name, folder string, text []byte) (*Environment, diag.List) {
	l := loader{sources: diag.Sources{}, grammar: newGrammar(nil)}
	src, docs, problems := parse(name, text)
	env := l.environment(src, docs, &problems)
	env.File, env.Path, env.Name = name, folder+"/"+name, name
	return env, problems.Sorted()
}
