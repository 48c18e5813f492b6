package cf

import (
	"encoding/json"
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
	// KindRequest are those of httpx: there is no whole answer. KindRequest is
	// also a request that this client does not send because it cannot be right.
	KindNetwork       Kind = "network"
	KindTLS           Kind = "tls"
	KindTimeout       Kind = "timeout"
	KindInterrupted   Kind = "interrupted"
	KindRefusedOrigin Kind = "refused-origin"
	KindRequest       Kind = "request"
	// KindSignIn: the sign-in was refused, or the session of the cf command
	// line is over or cannot be used. Nothing else is tried again.
	KindSignIn Kind = "sign-in"
	// KindUnauthorized: the API does not take a token that is new.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden: the user lacks the right, also where the platform says
	// 404 instead (the credentials of a key).
	KindForbidden Kind = "forbidden"
	// KindNotFound: it does not exist, or the user may not see it.
	KindNotFound Kind = "not-found"
	// KindNameTaken: an instance of that name is in the space, or a key of
	// that name at the instance.
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
	// KindRefused: the API refuses the request for another reason.
	KindRefused Kind = "refused"
	// KindRateLimited: too many requests; RetryAfter says how long to wait.
	KindRateLimited Kind = "rate-limited"
	// KindServer: the platform or a gateway in front of it is out of order.
	KindServer Kind = "server"
	// KindAnswer: an answer that is not what a Cloud Foundry API gives.
	KindAnswer Kind = "answer"
)

// Error is why something could not be done. Message and Detail hold foreign
// text, which passes the redactor before anybody sees it.
type Error struct {
	// Kind sorts it.
	Kind Kind
	// Status is that of the answer; 0: none came, or it stands in a job.
	Status int
	// Code, Title and Detail are those of the platform's (first) error; 0 and
	// empty: it named none. Of several errors Detail has all texts.
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
	// Err is what lies below; may be nil.
	Err error

	created bool // MaybeCreated
	waited  bool // the end came while nothing was under way
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what lies below.
func (e *Error) Unwrap() error { return e.Err }

// MaybeCreated tells whether a resource may exist although creating it gave
// this error: the answer was lost, a gateway answered, or the operation failed
// after it had begun. The caller looks the resource up by name and label before
// it creates again or gives up.
func MaybeCreated(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.created
}

// answerError is one error of the platform's envelope (wire/sap.md 3.7).
type answerError struct {
	Code   int    `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// parseEnvelope reads {"errors":[{code,title,detail}]}; nil: it is none.
func parseEnvelope(body string) []answerError {
	var envelope struct {
		Errors []answerError `json:"errors"`
	}
	if json.Unmarshal([]byte(body), &envelope) != nil {
		return nil
	}
	const most = 20
	return envelope.Errors[:min(len(envelope.Errors), most)]
}

// rule tells one error of the platform: what it is, and what to do about it.
type rule struct {
	status, code int    // 0: any
	detail       string // part of the detail, in lower case; empty: any
	kind         Kind
	what, cure   string
}

const (
	cureRole    = "the user needs the role Space Developer in the space; ask a manager of the organisation"
	cureWait    = "wait until it is done, then try again"
	cureQuota   = "delete instances that are not needed, or have the quota raised"
	cureEntitle = "have the plan entitled to the subaccount (cockpit: Entitlements, Configure Entitlements), or choose a plan that is visible in the space"
	cureServer  = "try again later; if it stays, look at the status page of the platform"
)

// rules is the table of wire/sap.md 3.7, the more specific rows first. Texts
// stand before codes, as the API turns many codes into 10008 and keeps the text,
// and brokers, who may say anything, before both.
func rules() []rule {
	return []rule{
		{code: 60027, kind: KindBroker, what: "something that belongs to the instance could not be deleted", cure: "delete its keys and bindings one by one, then the instance"},
		{code: 60030, kind: KindBroker, what: "the service broker could not create it", cure: "check parameters against the plan; if they are right, ask the owner of the service with the text above"},
		{code: 270020, kind: KindBroker, what: "the service broker rejected the request", cure: "check parameters and plan; if they are right, ask the owner of the service"},
		{detail: "service broker reported an error", kind: KindBroker, what: "the service broker reports an error", cure: "check parameters and plan; if they are right, ask the owner of the service with the text above"},
		{detail: "name is taken", kind: KindNameTaken, what: "the name is taken in this space", cure: "choose another name (${run.id} makes it unique), or use the instance that exists with mode: adopt"},
		{detail: "key binding names must be unique", kind: KindNameTaken, what: "the instance already has a key of that name", cure: "choose another name, or use the key that exists"},
		{detail: "creation of service key in progress", kind: KindInProgress, what: "the key is still being created", cure: cureWait},
		{detail: "creation of service key failed", kind: KindFailed, what: "creating the key failed, so it has no credentials", cure: "delete the key and create it again"},
		{detail: "operation in progress", kind: KindInProgress, what: "another operation is in progress", cure: cureWait},
		{code: 10008, detail: "is in progress", kind: KindInProgress, what: "another operation is in progress", cure: cureWait},
		{code: 60016, kind: KindInProgress, what: "another operation for the instance is in progress", cure: cureWait},
		{code: 90008, kind: KindInProgress, what: "another operation for the binding is in progress", cure: cureWait},
		{code: 60012, kind: KindQuota, what: "the quota of the space for service instances is used up", cure: cureQuota},
		{code: 60005, kind: KindQuota, what: "the quota of the organisation for service instances is used up", cure: cureQuota},
		{detail: "exceeded your space's services limit", kind: KindQuota, what: "the quota of the space for service instances is used up", cure: cureQuota},
		{detail: "exceeded your organization's services limit", kind: KindQuota, what: "the quota of the organisation for service instances is used up", cure: cureQuota},
		{detail: "you have exceeded", kind: KindQuota, what: "a quota is used up", cure: cureQuota},
		{code: 60007, kind: KindNotEntitled, what: "the quota does not allow paid plans", cure: "have paid services allowed in the quota of the organisation or the space"},
		{detail: "paid service plans are not allowed", kind: KindNotEntitled, what: "the quota does not allow paid plans", cure: "have paid services allowed in the quota of the organisation or the space"},
		{detail: "invalid service plan", kind: KindNotEntitled, what: "the plan cannot be had in this space", cure: cureEntitle},
		{code: 90007, kind: KindUnsupported, what: "the service does not tell the parameters of a key"},
		{code: 120004, kind: KindUnsupported, what: "the service does not tell the parameters of an instance"},
		{detail: "does not support fetching", kind: KindUnsupported, what: "the service does not tell the parameters"},
		{code: 270018, kind: KindBusy, what: "the service broker cannot do this beside what it does already", cure: "try again when the other operations are done, or run fewer at a time"},
		{code: 10016, kind: KindRateLimited, what: "the service broker has too many requests", cure: "run fewer at a time, or try again later"},
		{code: 10014, kind: KindRateLimited, what: "too many requests from this address without a sign-in", cure: "try again later"},
		{code: 10013, kind: KindRateLimited, what: "too many requests", cure: "lower limits.requests-per-second, run fewer at a time, or try again later"},
		{code: 10015, kind: KindServer, what: "the platform is not available", cure: cureServer},
		{code: 1000, kind: KindUnauthorized, what: "the API does not accept the access token, though it is new", cure: "check that api: belongs to the sign-in server that it names, and that this machine's clock is right"},
		{code: 10002, kind: KindUnauthorized, what: "the API says that nobody is signed in", cure: "check what stands between here and the API: something on the way may drop the header Authorization"},
		{code: 10003, kind: KindForbidden, what: "the user may not do this", cure: cureRole},
		{code: 10010, kind: KindNotFound, what: "it does not exist, or the user may not see it", cure: "check the name and the target; Cloud Foundry answers 404 also for what the user's roles do not show"},
		{code: 10000, kind: KindNotFound, what: "the API does not know this request", cure: "check that api: is the URL of a Cloud Foundry API v3"},
		{code: 10005, kind: KindRefused, what: "the API does not accept a parameter of the query", cure: "check names and labels for unusual characters"},
		{code: 1001, kind: KindRefused, what: "the API cannot read the request", cure: "check that parameters is a JSON object"},
		{code: 10008, kind: KindRefused, what: "the API does not accept the request"},

		{status: http.StatusUnauthorized, kind: KindUnauthorized, what: "the API does not accept the access token, though it is new", cure: "check that api: belongs to the sign-in server that it names, and that this machine's clock is right"},
		{status: http.StatusForbidden, kind: KindForbidden, what: "the user may not do this", cure: cureRole},
		{status: http.StatusNotFound, kind: KindNotFound, what: "nothing is there", cure: "check that api: is the URL of a Cloud Foundry API v3"},
		{status: http.StatusTooManyRequests, kind: KindRateLimited, what: "too many requests", cure: "lower limits.requests-per-second, run fewer at a time, or try again later"},
	}
}

// judgeCode finds the rule for an error of the platform.
func judgeCode(status int, e answerError) rule {
	detail := strings.ToLower(e.Detail)
	for _, r := range rules() {
		if (r.status == 0 || r.status == status) && (r.code == 0 || r.code == e.Code) && strings.Contains(detail, r.detail) {
			return r
		}
	}
	switch {
	case status >= http.StatusInternalServerError:
		return rule{kind: KindServer, what: "the platform is out of order", cure: cureServer}
	case status >= http.StatusBadRequest:
		return rule{kind: KindRefused, what: "the API refuses the request"}
	case status >= http.StatusMultipleChoices:
		return rule{kind: KindAnswer, what: "the API answers with a redirect", cure: "check that api: is the URL of a Cloud Foundry API v3"}
	case status == 0:
		return rule{kind: KindFailed, what: "the operation failed"}
	}
	return rule{kind: KindAnswer, what: "an answer that was not expected", cure: "check that api: is the URL of a Cloud Foundry API v3"}
}

// judge makes the error of an answer that is no success. Where the body may
// hold secrets (private), text that is no envelope stays out of it.
func judge(doing string, r *httpx.Response, private bool) *Error {
	errs := parseEnvelope(r.Body)
	var first answerError
	if len(errs) > 0 {
		first = errs[0]
	}
	found := judgeCode(r.Status, first)
	if found.kind == KindRefused { // another of them may say more
		for _, e := range errs {
			if more := judgeCode(r.Status, e); more.kind != KindRefused {
				found, first = more, e
				break
			}
		}
	}
	said := says(errs)
	if len(errs) == 0 {
		said = foreign(r, private)
	}
	err := &Error{
		Kind: found.kind, Status: r.Status, Code: first.Code, Title: first.Title, Detail: details(errs),
		Message: fmt.Sprintf("%s: %s (status %d); %s", doing, found.what, r.Status, said),
		Cure:    found.cure,
		Method:  r.Method, URL: shown(r.URL), Warnings: warnings(r.Header.Values("X-Cf-Warnings")),
	}
	if wait, ok := httpx.RetryAfter(r.Header, time.Now()); ok {
		err.RetryAfter = wait
	}
	return err
}

// says gives what the platform says, for a message.
func says(errs []answerError) string {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = fmt.Sprintf("%q", cut(e.Detail, maxText))
		if e.Detail == "" {
			texts[i] = "nothing"
		}
		if e.Code != 0 {
			texts[i] += fmt.Sprintf(" (code %d, %s)", e.Code, cut(e.Title, maxTitle))
		}
	}
	return "the platform says " + strings.Join(texts, ", ")
}

func details(errs []answerError) string {
	var texts []string
	for _, e := range errs {
		if e.Detail != "" {
			texts = append(texts, cut(e.Detail, maxDetail))
		}
	}
	return strings.Join(texts, "; ")
}

// transport makes the error of a request without a whole answer.
func transport(doing, method, address string, err error) *Error {
	known, ok := errors.AsType[*httpx.Error](err)
	if !ok {
		known = &httpx.Error{Kind: httpx.Network, Message: err.Error()}
	}
	return &Error{
		Kind: Kind(known.Kind), Message: doing + ": " + known.Message, Cure: known.Cure,
		Method: method, URL: shown(address), Err: err,
	}
}

// unexpected makes the error of an answer that is a success but cannot be used.
func unexpected(doing string, r *httpx.Response, what string) *Error {
	return &Error{
		Kind: KindAnswer, Status: r.Status, Method: r.Method, URL: shown(r.URL),
		Message: fmt.Sprintf("%s: %s (status %d)", doing, what, r.Status),
		Cure:    "check that api: is the URL of a Cloud Foundry API v3, and what stands between here and there",
	}
}
