package platform

import (
	"cmp"
	"strings"
)

// Verdict is what an answer means: its kind, what happened in words, and what
// to do about it.
type Verdict struct {
	Kind       Kind
	What, Cure string
}

// Rule is a row of the table that answers are judged by. What is zero or empty
// of the first four does not count.
type Rule struct {
	// Status is that of the answer; with Last the first of several.
	Status, Last int
	// Code is the platform's own number; Detail a part of its text, in lower
	// case.
	Code   int
	Detail string
	// Verdict is what it means. Without a Kind it adds to the common judgement
	// of the status, whose words it may replace.
	Verdict
}

func (r Rule) fits(status, code int, detail string) bool {
	return (r.Status == 0 || status >= r.Status && status <= max(r.Status, r.Last)) &&
		(r.Code == 0 || r.Code == code) && strings.Contains(detail, r.Detail)
}

// The classes of statuses (RFC 9110 15); what is above the last is of it.
const (
	firstRefusal = 400
	firstOutage  = 500
	lastStatus   = 1<<31 - 1
)

// Refusals is the row for 4xx.
func Refusals(v Verdict) Rule { return Rule{Status: firstRefusal, Last: firstOutage - 1, Verdict: v} }

// Outages is the row for 5xx.
func Outages(v Verdict) Rule { return Rule{Status: firstOutage, Last: lastStatus, Verdict: v} }

// Others is the row for what should have been a success, and for redirects.
func Others(v Verdict) Rule { return Rule{Status: 1, Last: firstRefusal - 1, Verdict: v} }

// CureServer is what to do about a platform that is out of order.
const CureServer = "try again later; if it stays, look at the status page of the platform"

// common is the judgement of statuses that all services share.
func common() []Rule {
	return []Rule{
		{Status: 401, Verdict: Verdict{KindUnauthorized, "the service does not accept the access token, though it is new", ""}},
		{Status: 403, Verdict: Verdict{KindForbidden, "the service key may not do this", ""}},
		{Status: 404, Verdict: Verdict{KindNotFound, "nothing is there", ""}},
		{Status: 429, Verdict: Verdict{KindRateLimited, "too many requests", "try again later, or run fewer at a time"}},
		Outages(Verdict{KindServer, "the service is out of order", CureServer}),
		Refusals(Verdict{KindRefused, "the service refuses the request", ""}),
		Others(Verdict{KindAnswer, "an answer that was not expected", ""}),
	}
}

// Judge finds the first rule that fits an answer, else judges it by its status
// alone. A status of 0 is that of an operation: it failed.
func Judge(rules []Rule, status, code int, detail string) Verdict {
	detail = strings.ToLower(detail)
	usual := Verdict{Kind: KindFailed, What: "the operation failed"}
	for _, r := range common() {
		if r.fits(status, 0, "") {
			usual = r.Verdict
			break
		}
	}
	for _, r := range rules {
		switch {
		case !r.fits(status, code, detail):
		case r.Kind != "":
			return r.Verdict
		default:
			return Verdict{usual.Kind, cmp.Or(r.What, usual.What), cmp.Or(r.Cure, usual.Cure)}
		}
	}
	return usual
}
