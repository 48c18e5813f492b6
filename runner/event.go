package runner

import "time"

// The events of a run, in the field Event.
const (
	RunStart      = "run-start"
	ScenarioStart = "scenario-start"
	StepStart     = "step-start"
	Attempt       = "attempt"
	StepEnd       = "step-end"
	ScenarioEnd   = "scenario-end"
	RunEnd        = "run-end"
)

// Outcome is how a step, a scenario or a run ended. The zero Outcome means
// that it has not ended.
type Outcome string

// The outcomes. A scenario has the worst of its steps: error, fail, pass,
// skip (all steps were skipped).
const (
	Pass  Outcome = "pass"
	Fail  Outcome = "fail"
	Error Outcome = "error"
	Skip  Outcome = "skip"
)

// ReasonBail is why a step is skipped when an earlier scenario stopped the run.
const ReasonBail = "stopped by --bail"

// Event is one thing that happened in a run. It is flat: a reporter sees
// nothing but events, and JSON lines are events byte for byte. Every string
// in it has passed the redactor and is safe to print.
type Event struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	// Run is the run's id: short, lower case, safe in names.
	Run string `json:"run"`
	// Scenario is the scenario's name with its expressions resolved; with Row
	// and File it identifies the scenario in the run.
	Scenario string `json:"scenario,omitempty"`
	// ScenarioID numbers the scenarios of a run from 1 in the order of files,
	// so that reporters can sort and group what runs side by side. 0 in
	// run-start and run-end.
	ScenarioID int `json:"scenarioId,omitempty"`
	// Document is a slug of the scenario's name when its file holds several
	// scenarios, else empty.
	Document string `json:"document,omitempty"`
	// Row is the name of the data row, empty without data.
	Row string `json:"row,omitempty"`
	// RowIndex counts the rows of a scenario from 1, Rows is how many it has,
	// in scenario-start; both are 0 without data. The first row of a scenario
	// has the ScenarioID b, and the last b+Rows-1.
	RowIndex int `json:"rowIndex,omitempty"`
	Rows     int `json:"rows,omitempty"`
	// Step is the step's name with its expressions resolved.
	Step string `json:"step,omitempty"`
	// Index counts the steps of a scenario from 1, cleanup steps after the
	// others; the same in step-start and step-end.
	Index int `json:"index,omitempty"`
	// Cleanup is true for a step of the cleanup block and for deletions.
	Cleanup bool   `json:"cleanup,omitempty"`
	Kind    string `json:"kind,omitempty"`
	// File is relative to the working folder where it can be, with forward
	// slashes.
	File string `json:"file,omitempty"`
	// Below is the file's name below the PATH that it was found through, when
	// it lies outside of the working folder; else empty.
	Below   string  `json:"below,omitempty"`
	Line    int     `json:"line,omitempty"`
	Column  int     `json:"column,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	Flaky   bool    `json:"flaky,omitempty"`
	// Reason says why a step or scenario was skipped.
	Reason string `json:"reason,omitempty"`
	// DurationMs is in milliseconds; set in attempt, step-end, scenario-end
	// and run-end.
	DurationMs float64 `json:"durationMs,omitempty"`
	// Attempts is how many attempts a step took; in attempt, which one it was;
	// in the events of a scenario (scenario-start, scenario-end) that is run
	// again, as it did not pass, which time it is, from 2.
	Attempts int       `json:"attempts,omitempty"`
	Failures []Failure `json:"failures,omitempty"`
	Err      *Problem  `json:"error,omitempty"`
	Exchange *Exchange `json:"exchange,omitempty"`
	// Tags are those of the scenario, in scenario-start.
	Tags []string `json:"tags,omitempty"`
	// Info is set in run-start.
	Info *RunInfo `json:"info,omitempty"`
	// Summary is set in run-end.
	Summary *Summary `json:"summary,omitempty"`
}

// Failure is one assertion that does not hold.
type Failure struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Width is how many characters a caret underlines.
	Width int `json:"width,omitempty"`
	// Source is the source line, for the caret.
	Source string `json:"source,omitempty"`
	// Code is a code of the package diag; "assertion" for all of today.
	Code string `json:"code"`
	// Subject is the key of the expect block: status, json, headers …
	Subject string `json:"subject,omitempty"`
	// Path is the gjson path, header name … below the subject.
	Path     string `json:"path,omitempty"`
	Operator string `json:"operator,omitempty"`
	// Want and Got are as shown: text quoted, "nothing" for what is absent.
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
	// Message is one line and enough alone.
	Message string `json:"message"`
	// Notes are further lines: the longest prefix that exists, what its keys
	// are.
	Notes []string `json:"notes,omitempty"`
	// Diff compares documents, line by line, "-" wanted and "+" found.
	Diff string `json:"diff,omitempty"`
}

// The types of a Problem.
const (
	TypeNetwork      = "network"
	TypeTLS          = "tls"
	TypeTimeout      = "timeout"
	TypeCredential   = "credential"
	TypeProvisioning = "provisioning"
	TypePlatform     = "platform"
	TypeCleanup      = "cleanup"
	TypeInterrupted  = "interrupted"
	TypeCSRF         = "csrf"
	TypeExpression   = "expression"
	TypeFile         = "file"
	TypeInclude      = "include"
	TypeInvalid      = "invalid"
	TypeInternal     = "internal"
)

// Problem is what goes wrong other than an assertion.
type Problem struct {
	// Type is one of the Type constants.
	Type string `json:"type"`
	// Message is what happened and why, one line.
	Message string `json:"message"`
	// Cure is what to do, one line; it can be empty.
	Cure string `json:"cure,omitempty"`
}

// Exchange is a request and its answer. For a step that passed it holds
// method, URL, status and timings only.
type Exchange struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	// RequestHeaders and Headers have their secret values masked; in the
	// order of names.
	RequestHeaders []HeaderField `json:"requestHeaders,omitempty"`
	RequestBody    string        `json:"requestBody,omitempty"`
	// RequestBodySize and BodySize are the sizes of the whole bodies, decoded
	// and redacted, in bytes; what is shown may be their start.
	RequestBodySize int64 `json:"requestBodySize,omitempty"`
	// Status is 0 when no answer came.
	Status  int           `json:"status,omitempty"`
	Headers []HeaderField `json:"headers,omitempty"`
	// Body is the start of the answer, at most 32 KiB, redacted before it was
	// cut.
	Body     string `json:"body,omitempty"`
	BodySize int64  `json:"bodySize,omitempty"`
	// MessageID is the message processing log ID, where the answer names one.
	MessageID string   `json:"messageId,omitempty"`
	Timings   *Timings `json:"timings,omitempty"`
	// Curl is a command line that repeats the request, secrets by name.
	Curl string `json:"curl,omitempty"`
}

// HeaderField is one header line.
type HeaderField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Timings are the parts of an exchange in milliseconds; a part that did not
// happen (a connection that was reused) is 0.
type Timings struct {
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"`
	TLS     float64 `json:"tls"`
	Wait    float64 `json:"wait"`
	Body    float64 `json:"body"`
}

// RunInfo describes a run, for run-start.
type RunInfo struct {
	Version string `json:"version"`
	// Environment is the name of the environment, "sandbox", or empty.
	Environment string `json:"environment,omitempty"`
	// Hosts are the target hosts, sorted.
	Hosts []string `json:"hosts,omitempty"`
	// Tags is the tag expression that selected.
	Tags string `json:"tags,omitempty"`
	Seed int64  `json:"seed,omitempty"`
	// Scenarios is how many were selected.
	Scenarios int `json:"scenarios"`
	// Warnings are printed in every report: TLS that is not verified.
	Warnings []string `json:"warnings,omitempty"`
	// Planned are the scenarios that were selected, so that a record of a run
	// that was killed tells also what it did not come to.
	Planned []Planned `json:"planned,omitempty"`
}

// Planned is a scenario that a run was about to execute.
type Planned struct {
	// ScenarioID is that of the scenario, or of its first row.
	ScenarioID int    `json:"scenarioId"`
	Scenario   string `json:"scenario"`
	File       string `json:"file"`
	Document   string `json:"document,omitempty"`
	// Rows is how many rows it runs; 0 without data.
	Rows int `json:"rows,omitempty"`
	// Steps are the names of its steps, cleanup included, their expressions
	// as written.
	Steps []string `json:"steps,omitempty"`
}

// Counts counts steps or scenarios by outcome.
type Counts struct {
	Total   int `json:"total"`
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Errors  int `json:"errors"`
	Skipped int `json:"skipped"`
	Flaky   int `json:"flaky,omitempty"`
}

// Summary is how a run ended.
type Summary struct {
	Scenarios Counts `json:"scenarios"`
	Steps     Counts `json:"steps"`
	// ExitStatus is that of the program, from the table in the reference.
	ExitStatus int `json:"exitStatus"`
	// ExitReason is one line: why it is that status.
	ExitReason string `json:"exitReason,omitempty"`
	// Updated are the expected files that the run wrote, sorted, as the files of
	// scenarios are named; AsExpected is how many others were as they should be.
	// Both are for a run that updates expected files.
	Updated    []string `json:"updated,omitempty"`
	AsExpected int      `json:"asExpected,omitempty"`
	// LeftBehind names what was created and not removed.
	LeftBehind []string `json:"leftBehind,omitempty"`
	// CleanupCommand removes it; empty when nothing is left.
	CleanupCommand string `json:"cleanupCommand,omitempty"`
}
