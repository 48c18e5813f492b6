package cpi

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

const cureAPI = "check that target.api is the URL of the OData API, ending in " + Path

// judge says what an answer that is no success means (wire/sap.md 6.1). Title
// and Detail of the error are the platform's code and text.
func judge(q call, r *httpx.Response) *platform.Error {
	code, text := said(r.Body)
	e := platform.Answer(q.doing, r, platform.Judge(q.rules(r, text), r.Status, 0, ""), "")
	e.Title, e.Detail = code, text
	what := fmt.Sprintf("%s: %s %s was answered %d", q.doing, r.Method, e.URL, r.Status)
	switch {
	case text != "":
		e.Message = fmt.Sprintf("%s: %q", what, platform.Cut(platform.OneLine(text), platform.MaxText))
	case r.Status/100 == 3:
		e.Message = fmt.Sprintf("%s, and points to %q", what, platform.Cut(platform.Shown(r.Header.Get("Location")), platform.MaxText))
	case strings.TrimSpace(r.Body) == "":
		e.Message = what + " with no text"
	default:
		e.Message = what + "; " + platform.Describe(r).Quoted()
	}
	return e
}

// rules are what is special about the OData API in the judgement of its
// answers: what does not exist is told with other statuses as well (wire/sap.md
// 6.3), and 404 as a page comes from something else.
func (q call) rules(r *httpx.Response, text string) []platform.Rule {
	rules := []platform.Rule{
		{Status: 401, Verdict: platform.Verdict{Cure: "the credential must be of plan api, and belong to this tenant"}},
		{Status: 403, Verdict: platform.Verdict{Cure: "the instance of the service key lacks the role: " + role(q) + " is needed; a changed role takes up to an hour"}},
	}
	if r.Status == http.StatusNotFound && !platform.IsHTML(r.Body) || strings.Contains(r.Body, "Requested entity could not be found") {
		return append(rules, platform.Rule{Verdict: platform.Verdict{Kind: platform.KindNotFound}})
	}
	if q.method != http.MethodGet && text != "" {
		rules = append(rules, platform.Rule{Status: 500, Verdict: platform.Verdict{Kind: platform.KindRefused, Cure: "the platform answers with status 500 also what is wrong with the request: read its text"}})
	}
	return append(rules,
		platform.Rule{Status: 404, Verdict: platform.Verdict{Kind: platform.KindAnswer, Cure: cureAPI}},
		platform.Rule{Status: 300, Last: 399, Verdict: platform.Verdict{Cure: cureAPI}},
		platform.Rule{Status: 429, Verdict: platform.Verdict{Cure: "send fewer requests at a time: target.limits.requests-per-second, or --parallel"}},
		platform.Outages(platform.Verdict{Cure: "try again later; if it stays, look into the status of the platform"}),
	)
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
func answerError(q call, r *httpx.Response, what string) *platform.Error {
	r = hidden(r, q.secret)
	e := platform.Answer(q.doing, r, platform.Verdict{Kind: platform.KindAnswer, Cure: cureAPI}, "")
	e.Message = fmt.Sprintf("%s: %s %s was answered %d, but %s; %s", q.doing, r.Method, e.URL, r.Status, what, platform.Describe(r).Quoted())
	return e
}

// said gives code and text of an error in any of its dresses (wire/sap.md 6.1):
// JSON, XML, or plain text. Both are empty for a page, and for an empty body.
func said(body string) (code, text string) {
	trimmed := strings.TrimSpace(strings.TrimPrefix(body, "\ufeff"))
	switch {
	case trimmed == "" || platform.IsHTML(trimmed):
		return "", ""
	case trimmed[0] == '{':
		return saidJSON(trimmed)
	case trimmed[0] == '<':
		return saidXML(trimmed)
	}
	return "", platform.Cut(trimmed, platform.MaxDetail)
}

// saidJSON reads {"error":{"code","message":{"value"}}}, and what gateways and
// authorization servers give: {"error":"…","error_description":"…"},
// {"message":"…"}.
func saidJSON(body string) (code, text string) {
	var r row
	if json.Unmarshal([]byte(body), &r) != nil {
		return "", platform.Cut(body, platform.MaxDetail)
	}
	if e := r.member("error"); e != nil {
		code, text = e.text("code"), e.text("message")
		if m := e.member("message"); m != nil {
			text = m.text("value")
		}
		if text == "" {
			text = code
		}
		return platform.Cut(code, platform.MaxTitle), platform.Cut(text, platform.MaxDetail)
	}
	for _, name := range []string{"error_description", "message", "error"} {
		if text = r.text(name); text != "" {
			return platform.Cut(r.text("error"), platform.MaxTitle), platform.Cut(text, platform.MaxDetail)
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
	return platform.Cut(strings.TrimSpace(e.Code), platform.MaxTitle), platform.Cut(text, platform.MaxDetail)
}
