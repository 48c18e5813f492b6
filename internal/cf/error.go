package cf

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

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

const (
	cureAPI     = "check that api: is the URL of a Cloud Foundry API v3"
	cureRole    = "the user needs the role Space Developer in the space; ask a manager of the organisation"
	cureWait    = "wait until it is done, then try again"
	cureQuota   = "delete instances that are not needed, or have the quota raised"
	cureEntitle = "have the plan entitled to the subaccount (cockpit: Entitlements, Configure Entitlements), or choose a plan that is visible in the space"
)

// rules is the table of wire/sap.md 3.7, the more specific rows first. Texts
// stand before codes, as the API turns many codes into 10008 and keeps the text,
// and brokers, who may say anything, before both.
func rules() []platform.Rule {
	return []platform.Rule{
		numbered(codeLeft, platform.KindBroker, "something that belongs to the instance could not be deleted", "delete its keys and bindings one by one, then the instance"),
		numbered(60030, platform.KindBroker, "the service broker could not create it", "check parameters against the plan; if they are right, ask the owner of the service with the text above"),
		numbered(270020, platform.KindBroker, "the service broker rejected the request", "check parameters and plan; if they are right, ask the owner of the service"),
		worded("service broker reported an error", platform.KindBroker, "the service broker reports an error", "check parameters and plan; if they are right, ask the owner of the service with the text above"),
		worded("name is taken", platform.KindNameTaken, "the name is taken in this space", "choose another name (${run.id} makes it unique), or use the instance that exists with mode: adopt"),
		worded("key binding names must be unique", platform.KindNameTaken, "the instance already has a key of that name", "choose another name, or use the key that exists"),
		worded("creation of service key in progress", platform.KindInProgress, "the key is still being created", cureWait),
		worded("creation of service key failed", platform.KindFailed, "creating the key failed, so it has no credentials", "delete the key and create it again"),
		worded("operation in progress", platform.KindInProgress, "another operation is in progress", cureWait),
		both(10008, "is in progress", platform.KindInProgress, "another operation is in progress", cureWait),
		numbered(60016, platform.KindInProgress, "another operation for the instance is in progress", cureWait),
		numbered(90008, platform.KindInProgress, "another operation for the binding is in progress", cureWait),
		numbered(60012, platform.KindQuota, "the quota of the space for service instances is used up", cureQuota),
		numbered(60005, platform.KindQuota, "the quota of the organisation for service instances is used up", cureQuota),
		worded("exceeded your space's services limit", platform.KindQuota, "the quota of the space for service instances is used up", cureQuota),
		worded("exceeded your organization's services limit", platform.KindQuota, "the quota of the organisation for service instances is used up", cureQuota),
		worded("you have exceeded", platform.KindQuota, "a quota is used up", cureQuota),
		numbered(60007, platform.KindNotEntitled, "the quota does not allow paid plans", "have paid services allowed in the quota of the organisation or the space"),
		worded("paid service plans are not allowed", platform.KindNotEntitled, "the quota does not allow paid plans", "have paid services allowed in the quota of the organisation or the space"),
		worded("invalid service plan", platform.KindNotEntitled, "the plan cannot be had in this space", cureEntitle),
		numbered(90007, platform.KindUnsupported, "the service does not tell the parameters of a key", ""),
		numbered(120004, platform.KindUnsupported, "the service does not tell the parameters of an instance", ""),
		worded("does not support fetching", platform.KindUnsupported, "the service does not tell the parameters", ""),
		numbered(270018, platform.KindBusy, "the service broker cannot do this beside what it does already", "try again when the other operations are done, or run fewer at a time"),
		numbered(10016, platform.KindRateLimited, "the service broker has too many requests", "run fewer at a time, or try again later"),
		numbered(10014, platform.KindRateLimited, "too many requests from this address without a sign-in", "try again later"),
		numbered(10013, platform.KindRateLimited, "too many requests", "lower limits.requests-per-second, run fewer at a time, or try again later"),
		numbered(10015, platform.KindServer, "the platform is not available", platform.CureServer),
		numbered(1000, platform.KindUnauthorized, "the API does not accept the access token, though it is new", "check that api: belongs to the sign-in server that it names, and that this machine's clock is right"),
		numbered(10002, platform.KindUnauthorized, "the API says that nobody is signed in", "check what stands between here and the API: something on the way may drop the header Authorization"),
		numbered(10003, platform.KindForbidden, "the user may not do this", cureRole),
		numbered(10010, platform.KindNotFound, "it does not exist, or the user may not see it", "check the name and the target; Cloud Foundry answers 404 also for what the user's roles do not show"),
		numbered(10000, platform.KindNotFound, "the API does not know this request", cureAPI),
		numbered(10005, platform.KindRefused, "the API does not accept a parameter of the query", "check names and labels for unusual characters"),
		numbered(1001, platform.KindRefused, "the API cannot read the request", "check that parameters is a JSON object"),
		numbered(10008, platform.KindRefused, "the API does not accept the request", ""),

		answered(http.StatusUnauthorized, platform.KindUnauthorized, "the API does not accept the access token, though it is new", "check that api: belongs to the sign-in server that it names, and that this machine's clock is right"),
		answered(http.StatusForbidden, platform.KindForbidden, "the user may not do this", cureRole),
		answered(http.StatusNotFound, platform.KindNotFound, "nothing is there", cureAPI),
		answered(http.StatusTooManyRequests, platform.KindRateLimited, "too many requests", "lower limits.requests-per-second, run fewer at a time, or try again later"),

		platform.Outages(platform.Verdict{What: "the platform is out of order"}),
		platform.Refusals(platform.Verdict{What: "the API refuses the request"}),
		{Status: 300, Last: 399, Verdict: platform.Verdict{What: "the API answers with a redirect", Cure: cureAPI}},
		platform.Others(platform.Verdict{Cure: cureAPI}),
	}
}

// numbered, worded and answered are rows for a code of the platform, a part of
// its text, and a status; both is one for a code with a text.
func numbered(code int, kind platform.Kind, what, cure string) platform.Rule {
	return platform.Rule{Code: code, Verdict: platform.Verdict{Kind: kind, What: what, Cure: cure}}
}

func worded(detail string, kind platform.Kind, what, cure string) platform.Rule {
	return platform.Rule{Detail: detail, Verdict: platform.Verdict{Kind: kind, What: what, Cure: cure}}
}

func both(code int, detail string, kind platform.Kind, what, cure string) platform.Rule {
	return platform.Rule{Code: code, Detail: detail, Verdict: platform.Verdict{Kind: kind, What: what, Cure: cure}}
}

func answered(status int, kind platform.Kind, what, cure string) platform.Rule {
	return platform.Rule{Status: status, Verdict: platform.Verdict{Kind: kind, What: what, Cure: cure}}
}

// judgeCode judges an error of the platform; a status of 0 is that of a job.
func judgeCode(status int, e answerError) platform.Verdict {
	return platform.Judge(rules(), status, e.Code, e.Detail)
}

// judge makes the error of an answer that is no success. Where the body may
// hold secrets (private), text that is no envelope stays out of it.
func judge(doing string, r *httpx.Response, private bool) *platform.Error {
	errs := parseEnvelope(r.Body)
	var first answerError
	if len(errs) > 0 {
		first = errs[0]
	}
	found := judgeCode(r.Status, first)
	if found.Kind == platform.KindRefused { // another of them may say more
		for _, e := range errs {
			if more := judgeCode(r.Status, e); more.Kind != platform.KindRefused {
				found, first = more, e
				break
			}
		}
	}
	said := says(errs)
	if len(errs) == 0 {
		said = foreign(r, private)
	}
	err := platform.Answer(doing, r, found, said)
	err.Code, err.Title, err.Detail, err.Warnings = first.Code, first.Title, details(errs), warnings(r)
	return err
}

// says gives what the platform says, for a message.
func says(errs []answerError) string {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = fmt.Sprintf("%q", platform.Cut(e.Detail, platform.MaxText))
		if e.Detail == "" {
			texts[i] = "nothing"
		}
		if e.Code != 0 {
			texts[i] += fmt.Sprintf(" (code %d, %s)", e.Code, platform.Cut(e.Title, platform.MaxTitle))
		}
	}
	return "the platform says " + strings.Join(texts, ", ")
}

func details(errs []answerError) string {
	var texts []string
	for _, e := range errs {
		if e.Detail != "" {
			texts = append(texts, platform.Cut(e.Detail, platform.MaxDetail))
		}
	}
	return strings.Join(texts, "; ")
}

// unexpected makes the error of an answer that is a success but cannot be used.
func unexpected(doing string, r *httpx.Response, what string) *platform.Error {
	return platform.Answer(doing, r, platform.Verdict{Kind: platform.KindAnswer, What: what, Cure: cureAPI + ", and what stands between here and there"}, "")
}

// foreign describes a body that is not what a Cloud Foundry API gives. Of a
// private one only type and size are told.
func foreign(r *httpx.Response, private bool) string {
	if private {
		return platform.Describe(r).Private()
	}
	return platform.Describe(r).Quoted()
}

// quotedList gives names for a message, the first of them when they are many.
func quotedList(names []string, more int) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", platform.Cut(n, platform.MaxTitle))
	}
	text := strings.Join(quoted, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
