package platform

import (
	"errors"
	"fmt"
	"time"

	"iflowtest/internal/httpx"
)

// Kind sorts an [Error].
type Kind string

// The kinds of an Error. No service has all of them.
const (
	// KindNetwork, KindTLS, KindTimeout, KindInterrupted, KindRefusedOrigin and
	// KindRequest are those of httpx: there is no whole answer. KindRequest is
	// also a request that a client does not send because it cannot be right.
	KindNetwork       Kind = "network"
	KindTLS           Kind = "tls"
	KindTimeout       Kind = "timeout"
	KindInterrupted   Kind = "interrupted"
	KindRefusedOrigin Kind = "refused-origin"
	KindRequest       Kind = "request"
	// KindSignIn: the sign-in was refused, or the session of the cf command
	// line is over or cannot be used. Nothing else is tried again.
	KindSignIn Kind = "sign-in"
	// KindKey: the service key cannot be used without a person.
	KindKey Kind = "key"
	// KindUnauthorized: the service does not take a token that is new, or the
	// user.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden: the user or the credential lacks the right, also where the
	// platform says 404 instead (the credentials of a key).
	KindForbidden Kind = "forbidden"
	// KindNotFound: it does not exist, or the user may not see it.
	KindNotFound Kind = "not-found"
	// KindNameTaken: there is one of that name.
	KindNameTaken Kind = "name-taken"
	// KindQuota: the quota of the organisation or the space is used up.
	KindQuota Kind = "quota"
	// KindNotEntitled: the plan cannot be had in this space.
	KindNotEntitled Kind = "not-entitled"
	// KindInProgress: another operation for the resource is under way; the
	// request can be repeated when it is done.
	KindInProgress Kind = "in-progress"
	// KindBusy: the service broker does too much at the same time; the request
	// can be repeated.
	KindBusy Kind = "busy"
	// KindBroker: the service broker refused or failed; Detail has its text.
	KindBroker Kind = "broker"
	// KindFailed: an operation ended in another failure; Detail says which.
	KindFailed Kind = "failed"
	// KindUnsupported: the service does not offer this.
	KindUnsupported Kind = "unsupported"
	// KindRefused: the service refuses the request for another reason, also
	// where it says so with 500 and a text (wire/sap.md 6.1).
	KindRefused Kind = "refused"
	// KindRateLimited: too many requests; RetryAfter says how long to wait.
	KindRateLimited Kind = "rate-limited"
	// KindServer: the service or a gateway in front of it is out of order.
	KindServer Kind = "server"
	// KindAnswer: an answer that is not what the service gives.
	KindAnswer Kind = "answer"
)

// Error is why something could not be done. Message, Title and Detail hold
// foreign text, which passes the redactor before anybody sees it.
type Error struct {
	// Kind sorts it.
	Kind Kind
	// Status is that of the answer; 0: none came, or it stands in a job.
	Status int
	// Code, Title and Detail are those of the platform's (first) error: its
	// number, its name, and what it says in words; 0 and empty: it named none.
	// Of several errors Detail has all texts.
	Code          int
	Title, Detail string
	// Message says what was being done and what happened, Cure what to do
	// about it; the latter may be empty.
	Message, Cure string
	// Method and URL are those of the request, the URL without its query.
	Method, URL string
	// RetryAfter is the time the answer asks to wait; 0: it names none.
	RetryAfter time.Duration
	// Warnings are those that came with the answer.
	Warnings []string
	// MaybeCreated says that a resource may exist although creating it gave
	// this error: see the function of the same name.
	MaybeCreated bool
	// Err is what lies below; may be nil.
	Err error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what lies below.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether err is an [*Error] of one of the kinds.
func Is(err error, kinds ...Kind) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	for _, k := range kinds {
		if e.Kind == k {
			return true
		}
	}
	return false
}

// MaybeCreated tells whether a resource may exist although creating it gave
// this error: the answer was lost, a gateway answered, or the operation failed
// after it had begun. The caller looks the resource up before it creates again
// or gives up. It is false where there was no token, where no connection came
// about, and of requests that create nothing.
func MaybeCreated(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.MaybeCreated
}

// Transport makes the error of a request without a whole answer.
func Transport(doing, method, address string, err error) *Error {
	known, ok := errors.AsType[*httpx.Error](err)
	if !ok {
		known = &httpx.Error{Kind: httpx.Network, Message: err.Error()}
	}
	return &Error{
		Kind: Kind(known.Kind), Message: doing + ": " + known.Message, Cure: known.Cure,
		Method: method, URL: Shown(address), Err: err,
	}
}

// Answer makes the error of an answer that arrived whole: what it means, and
// what else it says; the latter may be empty.
func Answer(doing string, r *httpx.Response, v Verdict, said string) *Error {
	e := &Error{
		Kind: v.Kind, Status: r.Status, Cure: v.Cure, Method: r.Method, URL: Shown(r.URL), RetryAfter: RetryAfter(r),
		Message: fmt.Sprintf("%s: %s (status %d)", doing, v.What, r.Status),
	}
	if said != "" {
		e.Message += "; " + said
	}
	return e
}

// RetryAfter gives the time that an answer asks to wait; 0: it names none.
func RetryAfter(r *httpx.Response) time.Duration {
	asked, _ := httpx.RetryAfter(r.Header, time.Now())
	return asked
}
