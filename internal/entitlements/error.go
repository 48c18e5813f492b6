package entitlements

import (
	"encoding/json"
	"fmt"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

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
		texts = append(texts, platform.Cut(e.Error.Message, platform.MaxText))
	}
	for _, d := range e.Error.Details[:min(len(e.Error.Details), most)] {
		if d.Message != "" {
			texts = append(texts, platform.Cut(d.Message, platform.MaxText))
		}
	}
	return texts
}

// rules are what is special about the service in the judgement of its answers.
func rules() []platform.Rule {
	return []platform.Rule{
		{Status: 401, Verdict: platform.Verdict{Cure: "check that the service key is one of the service cis, and that this machine's clock is right"}},
		{Status: 403, Verdict: platform.Verdict{Cure: "use a key of the service cis, plan central (central-viewer only reads, local does not reach other subaccounts)"}},
		{Status: 404, Verdict: platform.Verdict{What: "the subaccount, the service or the plan is not there", Cure: "check the GUID of the subaccount, and in the cockpit whether the global account has the plan"}},
		platform.Refusals(platform.Verdict{Cure: "check the GUID of the subaccount, and service and plan; a counted plan wants an amount, one that is not wants none"}),
		platform.Others(platform.Verdict{Cure: "check entitlements_service_url in the service key"}),
	}
}

// judge makes the error of an answer that is no success.
func judge(doing string, r *httpx.Response) *platform.Error {
	var body envelope
	if json.Unmarshal([]byte(r.Body), &body) != nil {
		body = envelope{}
	}
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
	e := platform.Answer(doing, r, platform.Judge(rules(), r.Status, 0, ""), said)
	e.Code, e.Detail = body.Error.Code, platform.Cut(strings.Join(texts, "; "), platform.MaxDetail)
	return e
}

// unexpected makes the error of a success that cannot be used.
func unexpected(doing string, r *httpx.Response) *platform.Error {
	return platform.Answer(doing, r, platform.Verdict{
		Kind: platform.KindAnswer, What: "the answer is not what the entitlements service gives",
		Cure: "check entitlements_service_url in the service key, and what stands between here and there",
	}, foreign(r))
}

// foreign describes a body of another kind.
func foreign(r *httpx.Response) string {
	f := platform.Describe(r)
	if f.Form == platform.Empty || f.Form == platform.Page {
		return f.Quoted()
	}
	return fmt.Sprintf("the answer (%s) begins %q", f.Media, f.Beginning)
}

func equal(a, b string) bool { return strings.EqualFold(a, b) }

// hasFailed tells whether a state is one of the failures.
func hasFailed(state string) bool { return strings.Contains(strings.ToUpper(state), "FAILED") }
