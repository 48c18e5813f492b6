package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"iflowtest/internal/gate"
	"iflowtest/runner"
)

// maxKeyFile bounds a service key in bytes.
const maxKeyFile = 1 << 20

// The beginnings of a KEY that is no file.
const (
	fromEnv   = "env:"
	fromCF    = "cf:"
	fromStdin = "-"
)

// stored gives the KEYs that Cloud Foundry keeps.
func (k *gateSources) stored(args []string) []string {
	var out []string
	for _, a := range args {
		if strings.HasPrefix(a, fromCF) {
			out = append(out, a)
		}
	}
	return out
}

// local reads the KEYs that are on this machine.
func (k *gateSources) local(args []string) error {
	stdin := false
	for _, a := range args {
		var err error
		switch {
		case strings.HasPrefix(a, fromCF):
			err = checkStored(a)
		case a == fromStdin && stdin:
			err = usage("KEY - is given twice; standard input can be read once")
		case a == fromStdin:
			stdin = true
			err = k.stdin()
		case strings.HasPrefix(a, fromEnv):
			err = k.variable(strings.TrimPrefix(a, fromEnv))
		default:
			err = k.path(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *gateSources) stdin() error {
	data, err := io.ReadAll(io.LimitReader(k.p.in, maxKeyFile+1))
	if err != nil {
		return &exitError{status: runner.ExitInvalid, message: fmt.Sprintf("standard input cannot be read: %s", plain(err))}
	}
	k.inputs = append(k.inputs, gate.Input{Name: k.unique("stdin"), File: "stdin", Whole: true, Key: notNil(data)})
	return nil
}

// notNil keeps an empty key apart from none.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

func (k *gateSources) variable(name string) error {
	value, ok := k.s.getenv(name)
	if !ok {
		return usage("KEY env:%s: there is no such variable in the environment", name)
	}
	k.inputs = append(k.inputs, gate.Input{Name: k.unique(name), File: fromEnv + name, Whole: true, Key: []byte(value)})
	return nil
}

// path reads a file, or the keys of a folder.
func (k *gateSources) path(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usage("KEY %s: there is no such file or folder", path)
	case err != nil:
		return usage("KEY %s: cannot be read: %s", path, plain(err))
	case !info.IsDir():
		return k.file(path, info)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return usage("KEY %s: the folder cannot be read: %s", path, plain(err))
	}
	before := len(k.inputs)
	for _, e := range entries { // sorted by name
		file := filepath.Join(path, e.Name())
		switch info, err := os.Stat(file); {
		case strings.HasPrefix(e.Name(), "."):
		case err != nil:
			return usage("KEY %s: cannot be read: %s", file, plain(err))
		case !info.Mode().IsRegular() || !isKeyFile(e.Name()):
			k.p.warn(k.p.redactor.Text(fmt.Sprintf("%s is skipped: keys in a folder are files that end in .json or .txt", file)))
		default:
			if err := k.file(file, info); err != nil {
				return err
			}
		}
	}
	if len(k.inputs) == before {
		return usage("KEY %s: no service key is in this folder; keys are files that end in .json or .txt", path)
	}
	return nil
}

func isKeyFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json", ".txt":
		return true
	}
	return false
}

// file reads a key. A pipe is one as well: <(cf service-key …).
func (k *gateSources) file(path string, info fs.FileInfo) error {
	shown := filepath.ToSlash(path)
	data, err := readKey(path, info)
	if err != nil {
		return &exitError{status: runner.ExitInvalid, message: fmt.Sprintf("the key %s cannot be read: %s; nothing was sent", shown, plain(err))}
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&0o044 != 0 {
		k.p.warn(k.p.redactor.Text(fmt.Sprintf("warning: other users of this machine can read %s (mode %04o); it holds a secret: chmod 600", shown, mode.Perm())))
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	k.inputs = append(k.inputs, gate.Input{Name: k.unique(name), File: shown, Whole: true, Key: notNil(data)})
	return nil
}

func readKey(path string, info fs.FileInfo) ([]byte, error) {
	if info.Mode()&fs.ModeNamedPipe == 0 {
		return readFile(path, info, maxKeyFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeyFile+1))
}

// checkStored checks the form of cf:INSTANCE/KEY.
func checkStored(arg string) error {
	instance, key, ok := strings.Cut(strings.TrimPrefix(arg, fromCF), "/")
	if !ok || instance == "" || key == "" {
		return usage("KEY %s: want cf:INSTANCE/KEY, the names of a service instance and of one of its keys", arg)
	}
	return nil
}

// platform reads the KEYs that Cloud Foundry keeps. One that cannot be read is
// told with its name, and does not keep the others from being looked at; a name
// that does not exist is wrong usage.
func (k *gateSources) platform(ctx context.Context, stored []string) error {
	if k.target == nil {
		return usage("no environment is chosen; choose one with -e, or use --sandbox")
	}
	platform, diags, err := runner.OpenPlatform(k.suite, k.target, k.options)
	if platform != nil {
		// Before the sandbox, which waits for the last connection.
		k.closers = append([]func(){platform.Close}, k.closers...)
	}
	if len(diags) > 0 {
		k.p.diagnostics(diags, k.suite.Sources, k.p.color(k.g, k.p.err))
	}
	if err := errors.Join(err, invalidEnvironment(diags)); err != nil {
		return err
	}
	for _, arg := range stored {
		instance, key, _ := strings.Cut(strings.TrimPrefix(arg, fromCF), "/")
		in := gate.Input{Name: k.unique(instance + "/" + key), File: arg}
		document, err := platform.ServiceKey(ctx, instance, key)
		if err != nil {
			e, ok := errors.AsType[*runner.PlatformError](err)
			if !ok || e.Status == runner.ExitUsage {
				return k.p.platformProblem(err)
			}
			in.Unread = e
		} else {
			in.Key = document
		}
		k.inputs = append(k.inputs, in)
	}
	return nil
}
