package entitlements

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

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
	// KindKey: the service key cannot be used without a person.
	KindKey Kind = "key"
	// KindUnauthorized: the service does not take a token that is new.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden: the service key lacks the right.
	KindForbidden Kind = "forbidden"
	// KindNotFound: the subaccount, the service or the plan is not there.
	KindNotFound Kind = "not-found"
	// KindRefused: the service refuses the request for another reason.
	KindRefused Kind = "refused"
	// KindFailed: the job failed; Detail says why.
	KindFailed Kind = "failed"
	// KindRateLimited: too many requests.
	KindRateLimited Kind = "rate-limited"
	// KindServer: the service or a gateway in front of it is out of order.
	KindServer Kind = "server"
	// KindAnswer: an answer that is not what the service gives.
	KindAnswer Kind = "answer"
)

// The longest foreign texts in errors, in characters.
const (
	maxTitle  = 80
	maxText   = 500
	maxDetail = 4000
)

// Error is why something could not be done. Message and Detail hold foreign
// text, which passes the redactor before anybody sees it.
type Error struct {
	// Kind sorts it.
	Kind Kind
	// Status is that of the answer; 0: none came, or it stands in a job.
	Status int
	// Code is the platform's; 0: it named none. Detail has all its texts.
	Code   int
	Detail string
	// Message says what was being done and what happened, Cure what to do
	// about it; the latter may be empty.
	Message, Cure string
	// Method and URL are those of the request, the URL without its query.
	Method, URL string
	// RetryAfter is the time the answer asks to wait; 0: it names none.
	RetryAfter time.Duration
	// Err is what lies below; may be nil.
	Err error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what lies below.
func (e *Error) Unwrap() error { return e.Err }

// envelope is what the service says when it refuses (wire/sap.md 4.2).
type envelope struct {
	Error struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Details []struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"details"`
	} `json:"error"`
}

// texts gives what the envelope says, the details after the message.
func (e envelope) texts() []string {
	const most = 20
	var texts []string
	if e.Error.Message != "" {
		texts = append(texts, cut(e.Error.Message, maxText))
	}
	for _, d := range e.Error.Details[:min(len(e.Error.Details), most)] {
		if d.Message != "" {
			texts = append(texts, cut(d.Message, maxText))
		}
	}
	return texts
}

// judge makes the error of an answer that is no success.
func judge(doing string, r *httpx.Response) *Error {
	var body envelope
	if json.Unmarshal([]byte(r.Body), &body) != nil {
		body = envelope{}
	}
	kind, what, cure := judgeStatus(r.Status)
	said := foreign(r)
	texts := body.texts()
	if len(texts) > 0 {
		quoted := make([]string, len(texts))
		for i, t := range texts {
			quoted[i] = fmt.Sprintf("%q", t)
		}
		said = "the platform says " + strings.Join(quoted, ", ")
		if body.Error.Code != 0 {
			said += fmt.Sprintf(" (code %d)", body.Error.Code)
		}
	}
	return &Error{
		Kind: kind, Status: r.Status, Code: body.Error.Code, Detail: cut(strings.Join(texts, "; "), maxDetail),
		Message: fmt.Sprintf("%s: %s (status %d); %s", doing, what, r.Status, said), Cure: cure,
		Method: r.Method, URL: shown(r.URL), RetryAfter: asked(r),
	}
}

func judgeStatus(status int) (kind Kind, what, cure string) {
	switch {
	case status == http.StatusUnauthorized:
		return KindUnauthorized, "the service does not accept the access token, though it is new", "check that the service key is one of the service cis, and that this machine's clock is right"
	case status == http.StatusForbidden:
		return KindForbidden, "the service key may not do this", "use a key of the service cis, plan central (central-viewer only reads, local does not reach other subaccounts)"
	case status == http.StatusNotFound:
		return KindNotFound, "the subaccount, the service or the plan is not there", "check the GUID of the subaccount, and in the cockpit whether the global account has the plan"
	case status == http.StatusTooManyRequests:
		return KindRateLimited, "too many requests", "try again later, or run fewer at a time"
	case status >= http.StatusInternalServerError:
		return KindServer, "the service is out of order", "try again later; if it stays, look at the status page of the platform"
	case status >= http.StatusBadRequest:
		return KindRefused, "the service refuses the request", "check the GUID of the subaccount, and service and plan; a counted plan wants an amount, one that is not wants none"
	}
	return KindAnswer, "an answer that was not expected", "check entitlements_service_url in the service key"
}

// transport makes the error of a request without a whole answer.
func transport(doing, method, address string, err error) *Error {
	known, ok := errors.AsType[*httpx.Error](err)
	if !ok {
		known = &httpx.Error{Kind: httpx.Network, Message: err.Error()}
	}
	return &Error{Kind: Kind(known.Kind), Message: doing + ": " + known.Message, Cure: known.Cure, Method: method, URL: shown(address), Err: err}
}

// unexpected makes the error of a success that cannot be used.
func unexpected(doing string, r *httpx.Response) *Error {
	return &Error{
		Kind: KindAnswer, Status: r.Status, Method: r.Method, URL: shown(r.URL),
		Message: fmt.Sprintf("%s: the answer is not what the entitlements service gives (status %d); %s", doing, r.Status, foreign(r)),
		Cure:    "check entitlements_service_url in the service key, and what stands between here and there",
	}
}

var (
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlStart = regexp.MustCompile(`(?i)^[\s\x{feff}]*<(!doctype html|html|head|body)`)
)

// foreign describes a body of another kind: the title of a page, or the
// beginning of a text.
func foreign(r *httpx.Response) string {
	body := r.Body[:min(len(r.Body), 64<<10)]
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
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
	return fmt.Sprintf("the answer (%s) begins %q", cut(media, maxTitle), cut(oneLine(body), maxTitle))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// cut shortens a text to at most n characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	if runes := []rune(text[:min(len(text), 4*n+4)]); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return text
}

// shown gives a URL without user, password and query.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}

func equal(a, b string) bool { return strings.EqualFold(a, b) }

// hasFailed tells whether a state is one of the failures.
func hasFailed(state string) bool { return strings.Contains(strings.ToUpper(state), "FAILED") }
