package main

import (
	"cmp"
	"path/filepath"
	"runtime"
)

const journalHelp = "folder of the journals of runs that create something (default: iflowtest in the user's state folder)"

// journalFolder gives the folder of journals: that of --journal, or one of the
// user, where `iflowtest cleanup` finds what a killed run left behind.
func (p *program) journalFolder(flag string) (string, error) {
	if flag != "" {
		folder, err := filepath.Abs(flag)
		if err != nil {
			return "", usage("--journal %s: %s", flag, plain(err))
		}
		return folder, nil
	}
	state, _ := p.getenv("XDG_STATE_HOME")
	home, _ := p.getenv("HOME")
	if runtime.GOOS == "windows" {
		state, _ = p.getenv("LOCALAPPDATA")
		home, _ = p.getenv("USERPROFILE")
	}
	switch {
	case filepath.IsAbs(state):
	case home != "":
		state = filepath.Join(home, ".local", "state")
	default:
		state = cmp.Or(state, ".")
	}
	folder, err := filepath.Abs(filepath.Join(state, "iflowtest"))
	if err != nil {
		return "", usage("the folder of the journals is not known: %s; give one with --journal", plain(err))
	}
	return folder, nil
}
