package cpi

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"iflowtest/internal/httpx"
)

// Kind sorts an [Error].
type Kind string

// The kinds of an Error.
const (
	// KindNetwork, KindTLS, KindTimeout, KindInterrupted, KindRefusedOrigin and
	// KindRequest are those of httpx: there is no whole answer.
	KindNetwork       Kind = "network"
	KindTLS           Kind = "tls"
	KindTimeout       Kind = "timeout"
	KindInterrupted   Kind = "interrupted"
	KindRefusedOrigin Kind = "refused-origin"
	KindRequest       Kind = "request"
	// KindUnauthorized: the API does not take the token, or the user.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden: the credential lacks a role.
	KindForbidden Kind = "forbidden"
	// KindNotFound: there is no such entity.
	KindNotFound Kind = "not-found"
	// KindRefused: the API refuses the request for another reason, also where
	// it says so with 500 and a text (wire/sap.md 6.1).
	KindRefused Kind = "refused"
	// KindRateLimited: too many requests; RetryAfter says how long to wait.
	KindRateLimited Kind = "rate-limited"
	// KindServer: the platform or a gateway in front of it is out of order.
	KindServer Kind = "server"
	// KindAnswer: an answer that is not what the OData API gives.
	KindAnswer Kind = "answer"
)

// Error is why something could not be done. Message and Text hold foreign
// text, which passes the redactor before anybody sees it.
type Error struct {
	// Kind sorts it.
	Kind Kind
	// Status is that of the answer; 0: none came.
	Status int
	// Code and Text are what the platform says; empty: nothing.
	Code, Text string
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

// IsNotFound reports whether an error says that there is no such entity.
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == KindNotFound
}

// transport is a request without a whole answer.
func transport(q call, address string, err error) *Error {
	e := &Error{Kind: KindNetwork, Method: q.method, URL: shown(address), Message: q.doing + ": " + err.Error(), Err: err}
	if h, ok := errors.AsType[*httpx.Error](err); ok {
		e.Kind, e.Cure = Kind(h.Kind), h.Cure
	}
	return e
}

// judge says what an answer that is no success means (wire/sap.md 6.1).
func judge(q call, r *httpx.Response) *Error {
	code, text := said(r.Body)
	e := &Error{Status: r.Status, Code: code, Text: text, Method: r.Method, URL: shown(r.URL)}
	e.RetryAfter, _ = httpx.RetryAfter(r.Header, time.Now())
	e.Kind, e.Cure = kindOf(q, r, e)
	what := fmt.Sprintf("%s: %s %s was answered %d", q.doing, r.Method, e.URL, r.Status)
	switch {
	case text != "":
		e.Message = fmt.Sprintf("%s: %q", what, cut(oneLine(text), maxText))
	case r.Status/100 == 3:
		e.Message = fmt.Sprintf("%s, and points to %q", what, cut(shown(r.Header.Get("Location")), maxText))
	case strings.TrimSpace(r.Body) == "":
		e.Message = what + " with no text"
	default:
		e.Message = what + "; " + foreign(r)
	}
	return e
}

// kindOf sorts an answer and says what to do about it.
func kindOf(q call, r *httpx.Response, e *Error) (Kind, string) {
	switch {
	case r.Status == http.StatusUnauthorized:
		return KindUnauthorized, "the credential must be of plan api, and belong to this tenant"
	case r.Status == http.StatusForbidden:
		return KindForbidden, "the instance of the service key lacks the role: " + role(q) + " is needed; a changed role takes up to an hour"
	case r.Status == http.StatusNotFound && !isHTML(r.Body):
		return KindNotFound, ""
	case strings.Contains(r.Body, "Requested entity could not be found"):
		return KindNotFound, "" // also with another status (wire/sap.md 6.3)
	case r.Status == http.StatusNotFound, r.Status/100 == 3:
		return KindAnswer, "check that target.api is the URL of the OData API, ending in " + Path
	case r.Status == http.StatusTooManyRequests:
		return KindRateLimited, "send fewer requests at a time: target.limits.requests-per-second, or --parallel"
	case r.Status == http.StatusInternalServerError && q.method != http.MethodGet && e.Text != "":
		return KindRefused, "the platform answers with status 500 also what is wrong with the request: read its text"
	case r.Status >= 500:
		return KindServer, "try again later; if it stays, look into the status of the platform"
	}
	return KindRefused, ""
}

// role names the role that a request needs (wire/sap.md 1.5).
func role(q call) string {
	switch {
	case strings.HasPrefix(q.resource, "DeployIntegrationDesigntimeArtifact"), q.method == http.MethodDelete:
		return "WorkspaceArtifactsDeploy"
	case strings.Contains(q.resource, "/Attachments"):
		return "MessagePayloadsRead"
	case q.method == http.MethodPut && strings.HasPrefix(q.resource, "IntegrationDesigntimeArtifacts"):
		return "WorkspacePackagesConfigure"
	case strings.HasPrefix(q.resource, "Message"), strings.HasPrefix(q.resource, "IntegrationRuntime"):
		return "MonitoringDataRead"
	}
	return "WorkspacePackagesRead"
}

// answerError is a success whose body is not what was wanted.
func answerError(q call, r *httpx.Response, what string) *Error {
	return &Error{
		Kind: KindAnswer, Status: r.Status, Method: r.Method, URL: shown(r.URL),
		Message: fmt.Sprintf("%s: %s %s was answered %d, but %s; %s", q.doing, r.Method, shown(r.URL), r.Status, what, foreign(r)),
		Cure:    "check that target.api is the URL of the OData API, ending in " + Path,
	}
}

// said gives code and text of an error in any of its dresses (wire/sap.md 6.1):
// JSON, XML, or plain text. Both are empty for a page, and for an empty body.
func said(body string) (code, text string) {
	trimmed := strings.TrimSpace(strings.TrimPrefix(body, "\ufeff"))
	switch {
	case trimmed == "" || isHTML(trimmed):
		return "", ""
	case trimmed[0] == '{':
		return saidJSON(trimmed)
	case trimmed[0] == '<':
		return saidXML(trimmed)
	}
	return "", cut(trimmed, maxDetail)
}

// saidJSON reads {"error":{"code","message":{"value"}}}, and what gateways and
// authorization servers give: {"error":"…","error_description":"…"},
// {"message":"…"}.
func saidJSON(body string) (code, text string) {
	var r row
	if json.Unmarshal([]byte(body), &r) != nil {
		return "", cut(body, maxDetail)
	}
	if e := r.member("error"); e != nil {
		code, text = e.text("code"), e.text("message")
		if m := e.member("message"); m != nil {
			text = m.text("value")
		}
		if text == "" {
			text = code
		}
		return cut(code, maxTitle), cut(text, maxDetail)
	}
	for _, name := range []string{"error_description", "message", "error"} {
		if text = r.text(name); text != "" {
			return cut(r.text("error"), maxTitle), cut(text, maxDetail)
		}
	}
	return "", ""
}

// saidXML reads <error><code/><message>…</message></error>.
func saidXML(body string) (code, text string) {
	var e struct {
		XMLName xml.Name
		Code    string `xml:"code"`
		Message string `xml:"message"`
	}
	if xml.Unmarshal([]byte(body), &e) != nil || e.XMLName.Local != "error" {
		return "", ""
	}
	text = strings.TrimSpace(e.Message)
	if text == "" {
		text = strings.TrimSpace(e.Code)
	}
	return cut(strings.TrimSpace(e.Code), maxTitle), cut(text, maxDetail)
}
