package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
)

// The exit statuses of the program. They are API.
const (
	ExitOK           = 0
	ExitAssertion    = 1
	ExitUsage        = 2
	ExitInvalid      = 3
	ExitNoScenario   = 4
	ExitUnknown      = 5
	ExitCredential   = 6
	ExitProvisioning = 7
	ExitCleanup      = 8
	ExitReport       = 9
	ExitInterrupted  = 130
)

// ExitDoc says what an exit status means.
type ExitDoc struct {
	Status int
	Doc    string
}

// Exits gives every exit status, for the reference and the help.
func Exits() []ExitDoc {
	return []ExitDoc{
		{ExitOK, "all passed"},
		{ExitAssertion, "an assertion failed"},
		{ExitUsage, "wrong usage: flags, arguments, a PATH that does not exist"},
		{ExitInvalid, "a scenario, environment or key file is invalid; nothing was sent"},
		{ExitNoScenario, "no scenario there, or none matched the selection (--allow-empty makes it 0)"},
		{ExitUnknown, "could not find out: network, TLS, timeout, an answer that did not arrive whole, a platform service that answers 5xx or 429 to the end"},
		{ExitCredential, "a credential is invalid, expired, expiring too soon, or lacks a scope"},
		{ExitProvisioning, "provisioning failed"},
		{ExitCleanup, "the tests passed, but a cleanup step failed or something created was not removed"},
		{ExitReport, "a report could not be written"},
		{ExitInterrupted, "interrupted, after cleanup and with complete reports; a second signal of the same kind ends the cleanup at once, and what is left is named"},
	}
}

// ranking is the order in which one exit status wins over another when a run
// has several reasons not to end with 0.
func ranking() []struct {
	class  class
	status int
	reason string
} {
	return []struct {
		class  class
		status int
		reason string
	}{
		{classInterrupted, ExitInterrupted, "interrupted"},
		{classInvalid, ExitInvalid, "a file is invalid"},
		{classCredential, ExitCredential, "a credential was refused or does not hold what is expected of it"},
		{classProvisioning, ExitProvisioning, "provisioning failed"},
		{classUnknown, ExitUnknown, "could not find out: network, TLS, a time limit, an answer that did not arrive whole, or a platform that is out of order"},
		{classAssertion, ExitAssertion, "an assertion failed"},
		{classStep, ExitAssertion, "a step could not be run"},
		{classCleanup, ExitCleanup, "a cleanup step failed"},
		{classReport, ExitReport, "a report could not be written"},
	}
}

// exit gives the status and the reason of the worst class in c.
func (c class) exit() (status int, reason string) {
	for _, r := range ranking() {
		if c&r.class != 0 {
			return r.status, r.reason
		}
	}
	return ExitOK, ""
}

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// Interrupted is the cause to cancel the context of [Plan.Run] with when a
// signal arrived: what was not reached is then reported as interrupted.
func Interrupted() error { return errInterrupted }

// limit is the cause of a context whose time is up: which limit it was.
type limit struct {
	what string
	d    time.Duration
}

// Error says which limit was hit.
func (l *limit) Error() string { return fmt.Sprintf("%s of %s", l.what, formatDuration(l.d)) }

// Timeout makes the HTTP client tell a limit from an interruption.
func (l *limit) Timeout() bool { return true }

// formatDuration writes 2m instead of 2m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if len(s) > len(zero) && s[len(s)-len(zero):] == zero {
			s = s[:len(s)-2]
		}
	}
	return s
}

// ended gives the trouble of a context that ended, or nil.
func ended(ctx context.Context) *trouble {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if l, ok := errors.AsType[*limit](cause); ok {
		return &trouble{problem: Problem{Type: TypeTimeout, Message: "the " + l.Error() + " is up"}, class: classUnknown, err: cause}
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return &trouble{problem: Problem{Type: TypeTimeout, Message: "the time is up"}, class: classUnknown, err: cause}
	}
	if errors.Is(cause, errStopped) {
		return &trouble{problem: Problem{Type: TypeInterrupted, Message: errStopped.Error()}, class: classInterrupted, err: cause}
	}
	return &trouble{problem: Problem{Type: TypeInterrupted, Message: "interrupted"}, class: classInterrupted, err: cause}
}

// fromHTTP turns an error of the HTTP client into trouble.
func fromHTTP(ctx context.Context, err error) *trouble {
	if t := ended(ctx); t != nil && t.problem.Type == TypeInterrupted {
		return t
	}
	t := &trouble{problem: Problem{Type: TypeNetwork, Message: err.Error()}, class: classUnknown, err: err}
	if e, ok := errors.AsType[*httpx.Error](err); ok {
		t.problem.Message, t.problem.Cure = e.Message, e.Cure
		switch string(e.Kind) {
		case "tls":
			t.problem.Type = TypeTLS
		case "timeout":
			t.problem.Type = TypeTimeout
		case "interrupted":
			t.problem.Type, t.class = TypeInterrupted, classInterrupted
		}
	}
	return t
}

// fromOAuth turns an error of a token request into trouble.
func fromOAuth(ctx context.Context, err error) *trouble {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return fromHTTP(ctx, err)
	}
	if t := ended(ctx); t != nil && t.problem.Type == TypeInterrupted {
		return t
	}
	t := &trouble{problem: Problem{Type: TypeNetwork, Message: e.Message, Cure: e.Cure}, class: classUnknown, err: err}
	switch {
	case e.Refused():
		t.problem.Type, t.class = TypeCredential, classCredential
	case e.Kind == "tls":
		t.problem.Type = TypeTLS
	case e.Kind == "timeout":
		t.problem.Type = TypeTimeout
	case e.Kind == "interrupted":
		t.problem.Type, t.class = TypeInterrupted, classInterrupted
	}
	return t
}

// fromExpression turns an error of an expression into trouble: a variable
// that was never captured skips the step, anything else is an error.
func fromExpression(err error) *trouble {
	if n, ok := errors.AsType[*expression.NotSetError](err); ok {
		return &trouble{notSet: n.Name, err: err}
	}
	return &trouble{problem: Problem{Type: TypeExpression, Message: err.Error()}, class: classStep, err: err}
}
