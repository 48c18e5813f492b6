package destination

import (
	"encoding/json"
	"fmt"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// rules are what is special about the service in the judgement of its answers.
func rules() []platform.Rule {
	return []platform.Rule{
		{Status: 401, Verdict: platform.Verdict{Cure: "check that the service key is one of the service destination, and that this machine's clock is right"}},
		{Status: 403, Verdict: platform.Verdict{Cure: "use a key of an instance of the service destination in the subaccount"}},
		{Status: 404, Verdict: platform.Verdict{What: "there is no such destination", Cure: "check its name, and that the service key is one of the subaccount"}},
		{Status: 409, Verdict: platform.Verdict{Kind: platform.KindNameTaken, What: "there is a destination of that name", Cure: "choose another name; ${run.id} makes it unique, or ${row.…} with data"}},
		platform.Refusals(platform.Verdict{Cure: "check name, url and properties of the destination"}),
		platform.Others(platform.Verdict{Cure: "check uri in the service key"}),
	}
}

// judge makes the error of an answer that is no success.
func judge(doing string, r *httpx.Response) *platform.Error {
	said := foreign(r)
	var body struct {
		Message string `json:"ErrorMessage"`
		Other   string `json:"message"`
	}
	if json.Unmarshal([]byte(r.Body), &body) == nil && body.Message+body.Other != "" {
		said = fmt.Sprintf("the service says %q", platform.Cut(strings.TrimSpace(body.Message+" "+body.Other), platform.MaxText))
	}
	return platform.Answer(doing, r, platform.Judge(rules(), r.Status, 0, ""), said)
}

// unexpected makes the error of a success that cannot be used. What it answered
// is not quoted: it may be a destination, with its secret.
func unexpected(doing string, r *httpx.Response) *platform.Error {
	f := platform.Describe(r)
	said := f.Quoted()
	switch f.Form {
	case platform.JSON:
		said = "the answer is JSON of another kind"
	case platform.Text:
		said = fmt.Sprintf("the answer is no JSON, but has the type %q", f.Media)
	}
	return platform.Answer(doing, r, platform.Verdict{
		Kind: platform.KindAnswer, What: "the answer is not what the destination service gives",
		Cure: "check uri in the service key, and what stands between here and there",
	}, said)
}

// foreign describes a refusal that is not one of the service: it holds no
// destination.
func foreign(r *httpx.Response) string {
	f := platform.Describe(r)
	if f.Form == platform.Empty || f.Form == platform.Page {
		return f.Quoted()
	}
	return fmt.Sprintf("the answer begins %q", f.Beginning)
}
