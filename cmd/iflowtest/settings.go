package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"

	"iflowtest/internal/secret"
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
		p.learn(k, v)
	}
	for _, kv := range g.vars {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, usage("--var wants name=value; what was given has no name")
		}
		s.vars[k] = v
	}
	if g.verbose {
		h := slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelDebug})
		s.log = slog.New(p.redactor.Handler(h))
	}
	return s, nil
}

// learn makes the value of a variable of the process environment a secret,
// when its name says that it is one; of a proxy, the password.
func (p *program) learn(name, value string) {
	switch strings.ToUpper(name) {
	case "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY":
		if u, err := url.Parse(value); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				p.redactor.Add("proxy password", password)
			}
		}
	}
	if secret.IsName(name) && utf8.RuneCountInString(value) >= 8 {
		p.redactor.Add("env."+name, value)
	}
}

// getenv looks a variable up as ${env.NAME} sees it.
func (s *settings) getenv(name string) (string, bool) {
	v, ok := s.env[name]
	return v, ok
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
	if err != nil {
		return usage("--env-file %s: cannot be read: %s", file, plain(err))
	}
	data, err := readFile(file, info, maxEnvFile)
	if err != nil {
		return &exitError{status: runner.ExitInvalid, message: fmt.Sprintf("%s: %s", file, plain(err))}
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

// readFile reads a file of at most limit bytes. A pipe could hang and a
// device never end: neither is read.
func readFile(file string, info fs.FileInfo, limit int64) ([]byte, error) {
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("holds more than %d bytes", limit)
	}
	return data, err
}

// badEnvLine gives the line behind the longest beginning that can be read,
// counted from 1.
func badEnvLine(data []byte) int {
	good, at := 0, 0
	for i, line := range bytes.SplitAfter(data, []byte("\n")) {
		at += len(line)
		if _, err := godotenv.UnmarshalBytes(data[:at]); err == nil {
			good = i + 1
		}
	}
	return good + 1
}
