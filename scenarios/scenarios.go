// Package scenarios is the language: it reads scenario files, files that are
// included and environments into trees whose every key and value has its
// place, checks them against shapes, and says everything that is wrong at
// once. It knows no step kind: what a step does is handed on as it was
// written, and whoever runs it decodes it.
//
// From the same shapes the JSON Schema and the reference are printed.
package scenarios

import (
	"time"

	"iflowtest/internal/diag"
)

// Suite is what a set of paths holds: scenarios in the order of the paths,
// in a folder in name order, in a file from top to bottom.
type Suite struct {
	// Scenarios may be incomplete where the diagnostics of Load hold errors.
	Scenarios []*Scenario
	// Root is the absolute path of the project folder: payload files are
	// opened below it only.
	Root string
	// WorkingFolder is the absolute folder that shown names are relative to.
	WorkingFolder string
	// Sources holds the lines of every file that was read, for the printer.
	// A secret that stands in a file is replaced by *** there.
	Sources diag.Sources
	// Files counts the scenario files that were read, valid or not.
	Files int
}

// Scenario is one document with name and steps. A field whose key is absent
// or wrong is zero.
type Scenario struct {
	// Pos is the first key of the document.
	Pos diag.Position
	// File is the name as it is shown; Path is the absolute path to open.
	File, Path string
	// Below is the name below the PATH that the file was found through, when it
	// lies outside of the working folder; else empty.
	Below string
	// Document counts the documents of the file from 0, Documents is how many
	// of them are scenarios.
	Document, Documents int
	// EndLine is the last line of the document.
	EndLine int
	// SelectedLine is the line of FILE.yaml:LINE that chose this scenario; 0
	// when the whole file was asked for.
	SelectedLine int

	Name        *Node
	Description string
	Tags        []string
	// Timeout of the whole scenario; 0: none.
	Timeout time.Duration
	Lock    []string
	// Skip is the reason; nil: not skipped.
	Skip *Node
	// Vars in the order written.
	Vars []Entry
	// Data is a path (text), a list of mappings, or a mapping with file and
	// parallel; nil: none.
	Data    *Node
	RowName *Node
	// Secrets are names of variables.
	Secrets []string
	// Credentials have been checked against [CredentialShape].
	Credentials    []Entry
	Steps, Cleanup []*Step
}

// Step is one entry of steps or cleanup. A block of common keys that is wrong
// as a whole (an empty expect, a list) has been reported and is nil here.
type Step struct {
	// Pos is the start of the step's mapping.
	Pos diag.Position
	// EndLine is its last line.
	EndLine int

	Name, When, Skip, Expect, Capture, Retry, Poll *Node
	// Timeout of one attempt; 0: the default of the kind.
	Timeout time.Duration
	// OnFailure is "" or "continue".
	OnFailure string
	// Kinds is every key that is no common key, in the order written: the
	// kind of the step, or a mistake.
	Kinds []Entry
	// Keys is every key in the order written.
	Keys []string
}

// Included is a file that a step includes.
type Included struct {
	Pos        diag.Position
	File, Path string
	EndLine    int
	// Name is nil when the file has none.
	Name *Node
	// Params are the names that the step gives with `with`.
	Params         []*Node
	Credentials    []Entry
	Steps, Cleanup []*Step
}

// Environment is the file that -e names.
type Environment struct {
	// File is the name as it is shown, Path the absolute path, Name the file's
	// name without its extension.
	File, Path, Name string
	Pos              diag.Position
	// Target has been checked against [EnvironmentShape]; nil: absent.
	Target      *Node
	Vars        []Entry
	Secrets     []string
	Credentials []Entry
}

// LoadOptions says where to look. The zero value is the working folder of the
// process without an environment.
type LoadOptions struct {
	// Root is the project folder (--root); empty: the nearest folder above
	// the first path that holds environments/ or .git, or the working folder.
	Root string
	// Environment is a path or a name (-e); empty: none.
	Environment string
	// Kinds are the names of the step kinds, for hints.
	Kinds []string
	// WorkingFolder is what relative paths and shown names are relative to;
	// empty: that of the process.
	WorkingFolder string
}

// UsageError says that a path or an environment that was asked for is not
// there, or is named in a way that cannot be: wrong usage of the command, not
// a mistake in a file.
type UsageError struct {
	Message string
	Hints   []string
}

// Error gives the message without the hints.
func (e *UsageError) Error() string { return e.Message }
