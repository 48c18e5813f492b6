package runner

import (
	"context"
	"time"

	"iflowtest/assertions"
	"iflowtest/scenarios"
)

// Kind is a kind of step: its name, what its body looks like, its
// documentation, and how it is compiled. The reference and the JSON Schema are
// printed from the same values that the compiler uses.
type Kind struct {
	// Name is the key that names the kind in a step.
	Name string
	// Summary is one line; Doc is the rest, in Markdown.
	Summary, Doc string
	// Shape is what the body must look like.
	Shape scenarios.Shape
	// Example is the YAML of a list of steps that runs on the sandbox tenant.
	Example string
	// ExampleFile is the name of a file that the example needs beside it, and
	// ExampleFileText what is in it; empty: none.
	ExampleFile, ExampleFileText string
	// Subjects are the subjects that expect has after such a step; empty means
	// that the step has neither expect nor capture.
	Subjects []string
	// Timeout is the default limit of one attempt.
	Timeout time.Duration

	// answers says that a status outside 2xx fails the step unless it was
	// asked for.
	answers bool
	// title gives the step's default name.
	title func(body *scenarios.Node) string
	// compile decodes the body.
	compile func(c *stepCompiler, body *scenarios.Node) action
}

// defaultTimeout is the limit of one attempt of a step that does not wait by
// nature.
const defaultTimeout = 60 * time.Second

// Kinds gives every kind of step of the language, in the order of the
// reference.
func Kinds() []Kind {
	return []Kind{
		tokenKind(),
		callKind(),
		setKind(),
		waitKind(),
		includeKind(),
		entitlementKind(),
		serviceInstanceKind(),
		serviceKeyKind(),
		destinationKind(),
		artifactKind(),
		messageLogKind(),
	}
}

// action is a compiled step body: what is done in one attempt. It is
// immutable and shared by the rows and repeats of a scenario.
type action interface {
	do(ctx context.Context, x *execution) (*result, *trouble)
}

// result is what one attempt produced. The zero result is that of a step that
// asked nobody.
type result struct {
	// checked is what expect and capture look at; nil when there is nothing.
	checked *assertions.Result
	// failures are what the step itself did not find as it wants it, before
	// anything that expect says.
	failures []assertions.Failure
	// exchange describes the request and its answer; nil when there was none.
	exchange *exchange
	// refused says that the platform refused a credential, which is an exit
	// status of its own.
	refused bool
}

// trouble is what ended an attempt other than an assertion.
type trouble struct {
	problem Problem
	class   class
	// notSet names a variable that was never captured: the step is skipped.
	notSet string
	// err is the cause, for errors.Is; it is never printed.
	err error
}

// class is why a run does not end with 0; see [Summary.ExitStatus].
type class uint16

const (
	classAssertion class = 1 << iota
	classUnknown         // could not find out
	classCredential
	classProvisioning
	classCleanup
	classInvalid
	classInterrupted
	classReport
	classStep // a step could not be run as it is written
)
