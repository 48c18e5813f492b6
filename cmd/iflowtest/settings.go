package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"

	"iflowtest/runner"
)

// settings are the global flags, resolved.
type settings struct {
	env  map[string]string
	vars map[string]string
	log  *slog.Logger
}

// resolve reads the process environment, the dotenv files and the variables,
// and tells the redactor the secrets among them.
func (p *program) resolve(g *global) (*settings, error) {
	s := &settings{env: map[string]string{}, vars: map[string]string{}, log: slog.New(slog.DiscardHandler)}
	for _, kv := range p.environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			s.env[k] = v
		}
	}
	for _, file := range g.envFiles {
		if err := readEnvFile(file, s.env); err != nil {
			return nil, err
		}
	}
	for k, v := range s.env {
		if isSecretName(k) && utf8.RuneCountInString(v) >= 8 {
			p.redactor.Add("env."+k, v)
		}
	}
	for _, kv := range g.vars {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, usage("--var wants name=value, found %q", kv)
		}
		s.vars[k] = v
	}
	if g.verbose {
		h := slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelDebug})
		s.log = slog.New(p.redactor.Handler(h))
	}
	return s, nil
}

// getenv looks a variable up as ${env.NAME} sees it.
func (s *settings) getenv(name string) (string, bool) {
	v, ok := s.env[name]
	return v, ok
}

// isSecretName reports whether a variable of that name holds a secret.
func isSecretName(name string) bool {
	if name == "PWD" || name == "OLDPWD" {
		return false
	}
	lower := strings.ToLower(name)
	for _, word := range []string{"secret", "password", "passwd", "pwd", "token", "key", "credential"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// maxEnvFile bounds a dotenv file.
const maxEnvFile = 4 << 20

// readEnvFile lays a dotenv file over env. A $ in a value is a $: client
// secrets hold one, and an expansion would break them in silence.
func readEnvFile(file string, env map[string]string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return usage("--env-file %s: there is no such file", file)
	}
	if err == nil && info.Size() > maxEnvFile {
		return &exitError{status: runner.ExitInvalid, message: fmt.Sprintf("%s: holds %d bytes, more than an environment file can", file, info.Size())}
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return usage("--env-file %s: cannot be read: %s", file, errors.Unwrap(err))
	}
	if !utf8.Valid(data) {
		return &exitError{status: runner.ExitInvalid, message: file + ": is not UTF-8"}
	}
	const dollar = "\uE0F1"
	parsed, err := godotenv.Parse(bytes.NewReader(bytes.ReplaceAll(bytes.TrimPrefix(data, []byte("\uFEFF")), []byte("$"), []byte(dollar))))
	if err != nil {
		// The library's message quotes the file, which holds secrets.
		return &exitError{
			status:  runner.ExitInvalid,
			message: fmt.Sprintf("%s:%d: not a line of the form NAME=value", file, badEnvLine(data)),
			hints:   []string{"comments begin with #, values with blanks or quotes stand in quotes"},
		}
	}
	for k, v := range parsed {
		env[k] = strings.ReplaceAll(v, dollar, "$")
	}
	return nil
}

// badEnvLine gives the first line that makes the text before and including it
// unreadable, counted from 1.
func badEnvLine(data []byte) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i := range lines {
		if _, err := godotenv.UnmarshalBytes(lines[i]); err != nil {
			return i + 1
		}
	}
	return len(lines)
}
