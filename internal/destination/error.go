package destination

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"

	"iflowtest/internal/httpx"
)

// Kind sorts an [Error].
type Kind string

// The kinds of an Error.
const (
	// KindNetwork, KindTLS, KindTimeout, KindInterrupted, KindRefusedOrigin and
	// KindRequest are those of httpx: there is no whole answer. KindRequest is
	// also a request that this client does not send.
	KindNetwork       Kind = "network"
	KindTLS           Kind = "tls"
	KindTimeout       Kind = "timeout"
	KindInterrupted   Kind = "interrupted"
	KindRefusedOrigin Kind = "refused-origin"
	KindRequest       Kind = "request"
	// KindUnauthorized: the service does not take a token that is new.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden: the service key lacks the right.
	KindForbidden Kind = "forbidden"
	// KindNotFound: there is no such destination.
	KindNotFound Kind = "not-found"
	// KindNameTaken: there is a destination of that name.
	KindNameTaken Kind = "name-taken"
	// KindRefused: the service refuses the request for another reason.
	KindRefused Kind = "refused"
	// KindRateLimited: too many requests.
	KindRateLimited Kind = "rate-limited"
	// KindServer: the service or a gateway in front of it is out of order.
	KindServer Kind = "server"
	// KindAnswer: an answer that is not what the service gives.
	KindAnswer Kind = "answer"
)

// The longest foreign texts in errors, in bytes.
const (
	maxTitle  = 80
	maxText   = 500
	maxDetail = 4000
)

// Error is why something could not be done. Message holds foreign text, which
// passes the redactor before anybody sees it.
type Error struct {
	// Kind sorts it.
	Kind Kind
	// Status is that of the answer; 0: none came.
	Status int
	// Message says what was being done and what happened, Cure what to do
	// about it; the latter may be empty.
	Message, Cure string
	// Err is what lies below; may be nil.
	Err error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what lies below.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether err is an [*Error] of a kind.
func Is(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}

// MaybeCreated reports whether a create that ended with the error may have
// made the destination all the same: its answer was lost, or is not one of the
// service.
func MaybeCreated(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false // there was no token
	}
	switch e.Kind {
	case KindNetwork, KindTimeout, KindInterrupted, KindServer, KindAnswer:
		return true
	}
	return false
}

// judge makes the error of an answer that is no success.
func judge(doing string, r *httpx.Response) *Error {
	kind, what, cure := judgeStatus(r.Status)
	said := foreign(r)
	var body struct {
		Message string `json:"ErrorMessage"`
		Other   string `json:"message"`
	}
	if json.Unmarshal([]byte(r.Body), &body) == nil && body.Message+body.Other != "" {
		said = fmt.Sprintf("the service says %q", cut(strings.TrimSpace(body.Message+" "+body.Other), maxText))
	}
	return &Error{Kind: kind, Status: r.Status, Message: fmt.Sprintf("%s: %s (status %d); %s", doing, what, r.Status, said), Cure: cure}
}

func judgeStatus(status int) (kind Kind, what, cure string) {
	switch {
	case status == http.StatusUnauthorized:
		return KindUnauthorized, "the service does not accept the access token, though it is new", "check that the service key is one of the service destination, and that this machine's clock is right"
	case status == http.StatusForbidden:
		return KindForbidden, "the service key may not do this", "use a key of an instance of the service destination in the subaccount"
	case status == http.StatusNotFound:
		return KindNotFound, "there is no such destination", "check its name, and that the service key is one of the subaccount"
	case status == http.StatusConflict:
		return KindNameTaken, "there is a destination of that name", "choose another name; ${run.id} makes it unique, or ${row.…} with data"
	case status == http.StatusTooManyRequests:
		return KindRateLimited, "too many requests", "try again later, or run fewer at a time"
	case status >= http.StatusInternalServerError:
		return KindServer, "the service is out of order", "try again later; if it stays, look at the status page of the platform"
	case status >= http.StatusBadRequest:
		return KindRefused, "the service refuses the request", "check name, url and properties of the destination"
	}
	return KindAnswer, "an answer that was not expected", "check uri in the service key"
}

// transport makes the error of a request without a whole answer.
func transport(doing string, err error) *Error {
	known, ok := errors.AsType[*httpx.Error](err)
	if !ok {
		known = &httpx.Error{Kind: httpx.Network, Message: err.Error()}
	}
	return &Error{Kind: Kind(known.Kind), Message: doing + ": " + known.Message, Cure: known.Cure, Err: err}
}

// unexpected makes the error of a success that cannot be used. What it answered
// is not quoted: it may be a destination, with its secret.
func unexpected(doing string, r *httpx.Response) *Error {
	said := "the answer is JSON of another kind"
	if !json.Valid([]byte(r.Body)) {
		said = page(r)
	}
	return &Error{
		Kind: KindAnswer, Status: r.Status,
		Message: fmt.Sprintf("%s: the answer is not what the destination service gives (status %d); %s", doing, r.Status, said),
		Cure:    "check uri in the service key, and what stands between here and there",
	}
}

var (
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlStart = regexp.MustCompile(`(?i)^[\s\x{feff}]*<(!doctype html|html|head|body)`)
)

// page describes a body of another kind without quoting it, but for the title
// of a page.
func page(r *httpx.Response) string {
	body := r.Body[:min(len(r.Body), 64<<10)]
	switch {
	case strings.TrimSpace(body) == "":
		return "the answer is empty"
	case htmlStart.MatchString(body):
		title := ""
		if found := htmlTitle.FindStringSubmatch(body); found != nil {
			title = html.UnescapeString(found[1])
		}
		return fmt.Sprintf("the answer is a page (HTML), titled %q", cut(oneLine(title), maxTitle))
	}
	return fmt.Sprintf("the answer is no JSON, but has the type %q", cut(r.Header.Get("Content-Type"), maxTitle))
}

// foreign is page with the beginning of a text: for refusals, which hold no
// destination.
func foreign(r *httpx.Response) string {
	body := r.Body[:min(len(r.Body), 64<<10)]
	if strings.TrimSpace(body) == "" || htmlStart.MatchString(body) {
		return page(r)
	}
	return fmt.Sprintf("the answer begins %q", cut(oneLine(body), maxTitle))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// cut shortens a text to some n bytes.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
