package cpi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

const root = "https://tenant.example/api/v1"

// answer is what the tenant of a test says.
type answer struct {
	status int
	header http.Header
	body   string
}

// tenant is a transport that answers from a script, and notes what was asked.
type tenant struct {
	answers []answer // the last one stays
	asked   []*http.Request
	err     error // of the first request; nil: none
}

func (t *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	t.asked = append(t.asked, r)
	if err := t.err; err != nil {
		t.err = nil
		return nil, err
	}
	if len(t.answers) == 0 {
		return nil, errors.New("nothing more to say")
	}
	a := t.answers[0]
	if len(t.answers) > 1 {
		t.answers = t.answers[1:]
	}
	h := a.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r}, nil
}

// requests gives what was asked, one line each.
func (t *tenant) requests() []string {
	var all []string
	for _, r := range t.asked {
		all = append(all, r.Method+" "+strings.TrimPrefix(r.URL.String(), "https://tenant.example"))
	}
	return all
}

// client speaks to the tenant with tokens that tell which number they are.
func (t *tenant) client(tb testing.TB) *Client {
	tb.Helper()
	h, err := httpx.New(httpx.Options{Transport: t})
	if err != nil {
		tb.Fatal(err)
	}
	return New(h, Config{Root: root + "/", Pace: NewPace(), Token: func(context.Context, oauth.Token) (oauth.Token, error) { return oauth.Token{}, nil }})
}

func says(bodies ...string) *tenant {
	t := &tenant{}
	for _, b := range bodies {
		t.answers = append(t.answers, answer{status: 200, body: b})
	}
	return t
}

func fails(status int, contentType, body string) *tenant {
	return &tenant{answers: []answer{{status, http.Header{"Content-Type": {contentType}}, body}}}
}

// liveRow is a row as a tenant gave it (wire/sap.md 6.2), shortened.
const liveRow = `{"__metadata":{"id":"x","uri":"x","type":"com.sap.hci.api.MessageProcessingLog"},
 "MessageGuid":"AGk_1","CorrelationId":"AGk_0","ApplicationMessageId":null,"LogStart":"/Date(1765786792442)/","LogEnd":"/Date(1765786794800)/",
 "IntegrationFlowName":"F","Status":"FAILED","AlternateWebLink":"https://t/x<y>&z",
 "IntegrationArtifact":{"__metadata":{"type":"t"},"Id":"FI","Name":"F"},"Big":12345678901234567890,
 "CustomHeaderProperties":{"__deferred":{"uri":"…"}},"ErrorInformation":{"__deferred":{"uri":"…"}}}`

func TestMessageLog(t *testing.T) {
	tenant := says(`{"d":` + liveRow + `}`)
	l, err := tenant.client(t).MessageLog(t.Context(), "it's/1")
	if err != nil {
		t.Fatal(err)
	}
	got := []any{l.ID, l.CorrelationID, l.ApplicationID, l.Flow, l.Artifact, l.Status, l.Start.Format(time.RFC3339Nano), l.End.UnixMilli(), l.JSON(map[string]any{"ErrorInformation": "why"})}
	want := []any{"AGk_1", "AGk_0", "", "F", "FI", "FAILED", "2025-12-15T08:19:52.442Z", int64(1765786794800),
		`{"AlternateWebLink":"https://t/x<y>&z","ApplicationMessageId":null,"Big":12345678901234567890,"CorrelationId":"AGk_0","ErrorInformation":"why",` +
			`"IntegrationArtifact":{"Id":"FI","Name":"F"},"IntegrationFlowName":"F","LogEnd":"/Date(1765786794800)/","LogStart":"/Date(1765786792442)/","MessageGuid":"AGk_1","Status":"FAILED"}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"GET /api/v1/MessageProcessingLogs(%27it%27%27s%2F1%27)"}, tenant.requests()); diff != "" {
		t.Error(diff)
	}
	if accept := tenant.asked[0].Header.Get("Accept"); accept != "application/json" {
		t.Errorf("Accept is %q", accept)
	}
}

func TestNewest(t *testing.T) {
	tenant := says(`{"d":{"__count":"7","results":[`+liveRow+`],"__next":"MessageProcessingLogs?$skiptoken=1"}}`, `{"d":{"results":[]}}`)
	c := tenant.client(t)
	since := time.Date(2026, 1, 2, 3, 4, 5, 999, time.FixedZone("", 3600))
	l, count, found, err := c.Newest(t.Context(), Search{Artifact: "O'Flow", Since: since}, nil)
	if err != nil || !found || count != 7 || l.ID != "AGk_1" {
		t.Errorf("%+v %d %v %v", l, count, found, err)
	}
	if _, _, found, err := c.Newest(t.Context(), Search{CorrelationID: "c", ApplicationID: "a"}, nil); found || err != nil {
		t.Error(found, err)
	}
	var filters []string
	for _, r := range tenant.asked {
		q := r.URL.Query()
		filters = append(filters, q.Get("$filter")+"|"+q.Get("$top")+"|"+q.Get("$orderby"))
		if strings.Contains(r.URL.RawQuery, "+") {
			t.Errorf("blanks are +: %s", r.URL.RawQuery)
		}
	}
	want := []string{
		"IntegrationArtifact/Id eq 'O''Flow' and Status ne 'DISCARDED' and LogStart ge datetime'2026-01-02T02:04:05'|1|LogStart desc",
		"CorrelationId eq 'c' and ApplicationMessageId eq 'a'|1|LogStart desc",
	}
	if diff := cmp.Diff(want, filters); diff != "" {
		t.Error(diff)
	}
}

// TestPages: lists are read to their end, within the origin.
func TestPages(t *testing.T) {
	t.Run("to the end", func(t *testing.T) {
		tenant := says(
			`{"d":{"results":[{"Id":"A"},{"Id":"B"}],"__next":"https://tenant.example:443/api/v1/IntegrationRuntimeArtifacts?$skiptoken=2"}}`,
			`{"d":{"results":[{"Id":"C"}],"__next":"IntegrationRuntimeArtifacts?$skiptoken=3"}}`,
			`{"d":[{"Id":"D","Status":"STARTED","Version":1.0}]}`)
		all, err := tenant.client(t).RuntimeArtifacts(t.Context())
		if err != nil || len(all) != 4 || all[3].ID != "D" || all[3].Version != "1.0" {
			t.Errorf("%+v %v", all, err)
		}
		want := []string{"GET /api/v1/IntegrationRuntimeArtifacts", "GET :443/api/v1/IntegrationRuntimeArtifacts?$skiptoken=2", "GET /api/v1/IntegrationRuntimeArtifacts?$skiptoken=3"}
		if diff := cmp.Diff(want, tenant.requests()); diff != "" {
			t.Error(diff)
		}
	})
	for name, next := range map[string]string{
		"another host":   "https://evil.example/api/v1/IntegrationRuntimeArtifacts?$skiptoken=2",
		"another scheme": "http://tenant.example/api/v1/IntegrationRuntimeArtifacts?$skiptoken=2",
		"no scheme":      "//evil.example/x",
		"circles":        "IntegrationRuntimeArtifacts",
	} {
		t.Run(name, func(t *testing.T) {
			tenant := says(`{"d":{"results":[{"Id":"A"}],"__next":"` + next + `"}}`)
			_, err := tenant.client(t).RuntimeArtifacts(t.Context())
			e, ok := errors.AsType[*platform.Error](err)
			if !ok || e.Kind != platform.KindAnswer || len(tenant.asked) != 1 {
				t.Errorf("%v after %d requests", err, len(tenant.asked))
			}
		})
	}
}

// TestErrors: an error in each of its dresses.
func TestErrors(t *testing.T) {
	const at = `looking for the artifact "F": GET https://tenant.example/api/v1/IntegrationRuntimeArtifacts%28%27F%27%29 was answered `
	for name, c := range map[string]struct {
		tenant  *tenant
		kind    platform.Kind
		message string
	}{
		"JSON":              {fails(404, "application/json", `{"error":{"code":"Not Found","message":{"lang":"en","value":"Requested entity could not be found"}}}`), platform.KindNotFound, at + `404: "Requested entity could not be found"`},
		"null":              {fails(400, "application/json", `{"error":{"code":"Bad Request","message":{"lang":"en","value":null}}}`), platform.KindRefused, at + `400: "Bad Request"`},
		"text as message":   {fails(400, "application/json", `{"error":{"code":"X","message":"no such option"}}`), platform.KindRefused, at + `400: "no such option"`},
		"gateway":           {fails(429, "application/json", `{"message":"slow down"}`), platform.KindRateLimited, at + `429: "slow down"`},
		"XML":               {fails(400, "application/xml", `<?xml version="1.0"?><error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code/><message xml:lang="en">$top is not supported</message></error>`), platform.KindRefused, at + `400: "$top is not supported"`},
		"page":              {fails(503, "text/html", `<html><head><title>Down &amp; out</title></head></html>`), platform.KindServer, at + `503; the answer is a page (HTML), titled "Down & out"`},
		"page for 404":      {fails(404, "text/html", `<!doctype html><h1>HTTP Status 404</h1>`), platform.KindAnswer, at + `404; the answer is a page (HTML), titled "HTTP Status 404"`},
		"text":              {fails(500, "text/plain", "the artifact\n is locked"), platform.KindServer, at + `500: "the artifact is locked"`},
		"not found in text": {fails(500, "text/plain", "Requested entity could not be found."), platform.KindNotFound, at + `500: "Requested entity could not be found."`},
		"empty":             {fails(403, "", ""), platform.KindForbidden, at + `403 with no text`},
		"401":               {fails(401, "text/html", "<html><title>401</title></html>"), platform.KindUnauthorized, at + `401; the answer is a page (HTML), titled "401"`},
		"redirect":          {&tenant{answers: []answer{{302, http.Header{"Location": {"https://login.example/x?state=1"}}, ""}}}, platform.KindAnswer, at + `302, and points to "https://login.example/x"`},
		"login page":        {fails(200, "text/html", `<html><title>Sign in</title></html>`), platform.KindAnswer, `looking for the artifact "F": GET https://tenant.example/api/v1/IntegrationRuntimeArtifacts%28%27F%27%29 was answered 200, but no entity of OData 2.0 ({"d":{…}}) came; the answer is a page (HTML), titled "Sign in"`},
		"other JSON":        {fails(200, "application/json", `{"value":[]}`), platform.KindAnswer, `looking for the artifact "F": GET https://tenant.example/api/v1/IntegrationRuntimeArtifacts%28%27F%27%29 was answered 200, but no entity of OData 2.0 ({"d":{…}}) came; the answer is JSON of another kind (application/json): "{\"value\":[]}"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := c.tenant.client(t).RuntimeArtifact(t.Context(), "F")
				e, ok := errors.AsType[*platform.Error](err)
				if !ok {
					t.Fatal(err)
				}
				message := strings.NewReplacer("(%27", "%28%27", "%27)", "%27%29").Replace(e.Message)
				if e.Kind != c.kind || message != c.message {
					t.Errorf("%s\n got %s\nwant %s", e.Kind, message, c.message)
				}
			})
		})
	}
}

// TestBusinessError: what changes something is refused with 500 and a text, and
// not sent again.
func TestBusinessError(t *testing.T) {
	tenant := fails(500, "text/plain", "Artifact F is locked by another user")
	_, err := tenant.client(t).Deploy(t.Context(), "F")
	if e, ok := errors.AsType[*platform.Error](err); !ok || e.Kind != platform.KindRefused || e.Detail != "Artifact F is locked by another user" || len(tenant.asked) != 1 {
		t.Errorf("%v after %d requests", err, len(tenant.asked))
	}
}

// TestPatience: what passes by itself is waited for, within limits.
func TestPatience(t *testing.T) {
	const started = `{"d":{"Id":"F","Status":"STARTED"}}`
	for name, c := range map[string]struct {
		tenant   *tenant
		requests int
		waited   time.Duration
		kind     platform.Kind
	}{
		"503 three times":  {&tenant{answers: []answer{{503, nil, ""}, {502, nil, ""}, {504, nil, ""}, {200, nil, started}}}, 4, 3500 * time.Millisecond, ""},
		"503 to the end":   {&tenant{answers: []answer{{503, nil, ""}}}, 4, 3500 * time.Millisecond, platform.KindServer},
		"503, retry after": {&tenant{answers: []answer{{503, http.Header{"Retry-After": {"7"}}, ""}, {200, nil, started}}}, 2, 7 * time.Second, ""},
		"503, tomorrow":    {&tenant{answers: []answer{{503, http.Header{"Retry-After": {"86400"}}, ""}}}, 1, 0, platform.KindServer},
		"429, retry after": {&tenant{answers: []answer{{429, http.Header{"Retry-After": {"45"}}, ""}, {200, nil, started}}}, 2, 45 * time.Second, ""},
		"429 to the end":   {&tenant{answers: []answer{{429, nil, ""}}}, 6, (1 + 2 + 4 + 8 + 16) * time.Second, platform.KindRateLimited},
		"429, too long":    {&tenant{answers: []answer{{429, http.Header{"Retry-After": {"7200"}}, ""}}}, 1, 0, platform.KindRateLimited},
		"broken":           {&tenant{err: io.ErrUnexpectedEOF, answers: []answer{{200, nil, started}}}, 2, 500 * time.Millisecond, ""},
		"500":              {&tenant{answers: []answer{{500, nil, ""}}}, 1, 0, platform.KindServer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began := time.Now()
				a, err := c.tenant.client(t).RuntimeArtifact(ctx, "F")
				e, _ := errors.AsType[*platform.Error](err)
				switch {
				case c.kind == "" && (err != nil || a.Status != Started):
					t.Errorf("%+v %v", a, err)
				case c.kind != "" && (e == nil || e.Kind != c.kind):
					t.Errorf("want %s, got %v", c.kind, err)
				}
				if len(c.tenant.asked) != c.requests || time.Since(began) != c.waited {
					t.Errorf("%d requests in %s, want %d in %s", len(c.tenant.asked), time.Since(began), c.requests, c.waited)
				}
			})
		})
	}
}

// TestDeployOnce: a deployment whose answer is lost is not sent again.
func TestDeployOnce(t *testing.T) {
	for _, tenant := range []*tenant{{err: io.ErrUnexpectedEOF, answers: []answer{{202, nil, "task"}}}, {answers: []answer{{503, nil, ""}}}} {
		if _, err := tenant.client(t).Deploy(t.Context(), "F"); err == nil || len(tenant.asked) != 1 {
			t.Errorf("%v after %d requests", err, len(tenant.asked))
		}
	}
}

func TestDeploy(t *testing.T) {
	tenant := &tenant{answers: []answer{{202, nil, "74d45405-68cf\n"}, {200, nil, `{"d":{"TaskId":"x","Status":"Success"}}`}, {202, nil, ""}, {200, nil, "<html><title>Hi</title></html>"}}}
	c := tenant.client(t)
	task, err := c.Deploy(t.Context(), "My Flow")
	if err != nil || task != "74d45405-68cf" {
		t.Errorf("%q %v", task, err)
	}
	if status, err := c.BuildStatus(t.Context(), task); status != BuildSuccess || err != nil {
		t.Error(status, err)
	}
	if task, err := c.Deploy(t.Context(), "M"); task != "" || err != nil {
		t.Errorf("%q %v", task, err)
	}
	if _, err := c.Deploy(t.Context(), "M"); err == nil || !strings.Contains(err.Error(), `no task ID came; the answer is a page (HTML), titled "Hi"`) {
		t.Error(err)
	}
	want := []string{
		"POST /api/v1/DeployIntegrationDesigntimeArtifact?Id=%27My%20Flow%27&Version=%27Active%27",
		"GET /api/v1/BuildAndDeployStatus(TaskId=%2774d45405-68cf%27)",
	}
	if diff := cmp.Diff(want, tenant.requests()[:2]); diff != "" {
		t.Error(diff)
	}
	if r := tenant.asked[0]; r.ContentLength != 0 || r.Header.Get("X-Csrf-Token") != "" {
		t.Errorf("%d bytes, CSRF token %q", r.ContentLength, r.Header.Get("X-Csrf-Token"))
	}
}

func TestRuntimeError(t *testing.T) {
	for want, a := range map[string][]answer{
		"The generation and build of the artifact were unsuccessful.": {{200, nil, `{"message":{"subsystemName":"CONTENT","subsytemPartName":"CONTENT_DEPLOY","messageId":"GenerationFailed","messageText":""},"parameter":["The generation and build of the artifact were unsuccessful."]}`}},
		"GenerationFailed": {{200, nil, `{"message":{"messageId":"GenerationFailed","messageText":""}}`}},
		"a\nb":             {{200, nil, `{"message":{"messageText":"a"},"childMessageInstances":[{"message":{"messageText":"b"}}]}`}},
		"plain":            {{200, nil, " plain "}},
		"{\"x\":1}":        {{200, nil, `{"x":1}`}},
		"":                 {{204, nil, ""}},
		"after 406":        {{406, nil, ""}, {200, nil, "after 406"}},
	} {
		tenant := &tenant{answers: a}
		if got, err := tenant.client(t).RuntimeError(t.Context(), "F"); got != want || err != nil {
			t.Errorf("want %q, got %q %v", want, got, err)
		}
	}
}

func TestDetails(t *testing.T) {
	tenant := says(
		`{"d":{"results":[{"Id":"1","Name":"Order","Value":"4711","Log":{"__deferred":{}}},{"Name":"Order","Value":"4712"}]}}`,
		`{"d":{"results":[{"Id":"sap-it-res:1","Name":"Payload","ContentType":"text/plain","PayloadSize":"12","TimeStamp":"/Date(1611846759005)/"},{"Id":"2","PayloadSize":null}]}}`,
		`{"d":{"results":[{"__metadata":{},"Id":"1","AdapterId":"HTTPS","Name":"Status","Value":"200","Log":{"__deferred":{}}}]}}`,
		"java.lang.IllegalStateException: no\n")
	c := tenant.client(t)
	headers, err := c.CustomHeaders(t.Context(), "A")
	if diff := cmp.Diff([]Property{{"Order", "4711"}, {"Order", "4712"}}, headers); diff != "" || err != nil {
		t.Error(diff, err)
	}
	attachments, err := c.Attachments(t.Context(), "A")
	want := []Attachment{{ID: "sap-it-res:1", Name: "Payload", ContentType: "text/plain", Size: 12, At: time.UnixMilli(1611846759005).UTC()}, {ID: "2", Size: -1}}
	if diff := cmp.Diff(want, attachments, cmpopts.IgnoreUnexported(Attachment{})); diff != "" || err != nil {
		t.Error(diff, err)
	}
	attributes, err := c.Details(t.Context(), "A", "AdapterAttributes")
	if diff := cmp.Diff([]any{map[string]any{"Id": "1", "AdapterId": "HTTPS", "Name": "Status", "Value": "200"}}, attributes); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if text, err := c.MessageError(t.Context(), "A"); text != "java.lang.IllegalStateException: no" || err != nil {
		t.Error(text, err)
	}
}

// TestContent: an attachment is read from where its entry says, when that is on
// the origin, and else by its ID.
func TestContent(t *testing.T) {
	for name, c := range map[string]struct {
		metadata string
		answers  []answer
		want     string
		asked    []string
	}{
		"by its address": {`{"uri":"https://tenant.example/api/v1/A('1')"}`, []answer{{200, nil, "text"}}, "text", []string{"GET /api/v1/A('1')/$value"}},
		"by its media":   {`{"uri":"https://tenant.example/api/v1/A('1')","media_src":"https://tenant.example/m/1"}`, []answer{{200, nil, "text"}}, "text", []string{"GET /m/1"}},
		"another host":   {`{"uri":"https://evil.example/api/v1/A('1')"}`, []answer{{200, nil, "text"}}, "text", []string{"GET /api/v1/MessageProcessingLogAttachments(%271%27)/$value"}},
		"no address": {`{}`, []answer{{404, nil, "no"}, {200, nil, "text"}}, "text",
			[]string{"GET /api/v1/MessageProcessingLogAttachments(%271%27)/$value", "GET /api/v1/MessageProcessingLogs(%27M%27)/Attachments(%271%27)/$value"}},
		"nowhere": {`{}`, []answer{{404, nil, "no"}}, "",
			[]string{"GET /api/v1/MessageProcessingLogAttachments(%271%27)/$value", "GET /api/v1/MessageProcessingLogs(%27M%27)/Attachments(%271%27)/$value"}},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := &tenant{answers: append([]answer{{200, nil, `{"d":{"results":[{"__metadata":` + c.metadata + `,"Id":"1"}]}}`}}, c.answers...)}
			client := tenant.client(t)
			list, err := client.Attachments(t.Context(), "M")
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			text, err := client.Content(t.Context(), list[0])
			if text != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q %v", text, err)
			}
			if diff := cmp.Diff(c.asked, tenant.requests()[1:]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRenewal: a token that is invalid is renewed once, another refusal not.
func TestRenewal(t *testing.T) {
	invalid := answer{401, http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}, ""}
	for name, c := range map[string]struct {
		answers  []answer
		renewals int
		ok       bool
	}{
		"once":          {[]answer{invalid, {200, nil, `{"d":{"Id":"F"}}`}}, 1, true},
		"twice refused": {[]answer{invalid}, 1, false},
		"wrong plan":    {[]answer{{401, nil, "no"}}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := &tenant{answers: c.answers}
			h, err := httpx.New(httpx.Options{Transport: tenant})
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			client := New(h, Config{Root: root, Token: func(context.Context, oauth.Token) (oauth.Token, error) { asked++; return oauth.Token{}, nil }})
			_, err = client.RuntimeArtifact(t.Context(), "F")
			if (err == nil) != c.ok || asked != c.renewals+1 {
				t.Errorf("%v after %d tokens", err, asked)
			}
			if e, ok := errors.AsType[*platform.Error](err); !c.ok && (!ok || e.Kind != platform.KindUnauthorized) {
				t.Error(err)
			}
		})
	}
	refusal := errors.New("no token")
	h, err := httpx.New(httpx.Options{Transport: says()})
	if err != nil {
		t.Fatal(err)
	}
	client := New(h, Config{Root: root, Token: func(context.Context, oauth.Token) (oauth.Token, error) { return oauth.Token{}, refusal }})
	if _, err := client.RuntimeArtifact(t.Context(), "F"); !errors.Is(err, refusal) {
		t.Error(err)
	}
}

// TestBasic: what changes something carries a CSRF token, fetched once, and
// again when its session is over; what reads does not.
func TestBasic(t *testing.T) {
	grant := func(token string) answer {
		return answer{200, http.Header{"X-Csrf-Token": {token}, "Set-Cookie": {"JSESSIONID=" + token + "; Path=/api/v1; Secure"}}, "{}"}
	}
	tenant := &tenant{answers: []answer{
		grant("one-token"), {202, nil, "t1"}, {202, nil, "t2"},
		{403, http.Header{"X-Csrf-Token": {"required"}}, ""}, grant("two-token"), {202, nil, "t3"},
		{200, nil, `{"d":{"Id":"F"}}`}, {403, nil, "role"},
	}}
	h, err := httpx.New(httpx.Options{Transport: tenant})
	if err != nil {
		t.Fatal(err)
	}
	var learned []string
	c := New(h, Config{Root: root, User: "u", Password: secret.New("password", "p:w"), Learned: func(name, value string) { learned = append(learned, name+"="+value) }})
	for _, want := range []string{"t1", "t2", "t3"} {
		if task, err := c.Deploy(t.Context(), "F"); task != want || err != nil {
			t.Fatal(task, err)
		}
	}
	if _, err := c.RuntimeArtifact(t.Context(), "F"); err != nil {
		t.Error(err)
	}
	if _, err := c.Deploy(t.Context(), "F"); err == nil || !strings.Contains(err.(*platform.Error).Cure, "WorkspaceArtifactsDeploy") {
		t.Error(err)
	}
	var sent []string
	for _, r := range tenant.asked {
		cookie, _ := r.Cookie("JSESSIONID")
		line := r.Method + " " + r.Header.Get("X-Csrf-Token")
		if cookie != nil {
			line += " " + cookie.Value
		}
		sent = append(sent, line)
		if user, password, ok := r.BasicAuth(); !ok || user != "u" || password != "p:w" {
			t.Error(user, password)
		}
	}
	want := []string{"GET fetch", "POST one-token one-token", "POST one-token one-token", "POST one-token one-token", "GET fetch one-token", "POST two-token two-token", "GET  two-token", "POST two-token two-token"}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"csrf token=one-token", "csrf token=two-token"}, learned); diff != "" {
		t.Error(diff)
	}
}

// TestPace: each kind of request has a limit of its own.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := says(`{"d":{"Id":"P","Status":"DEPLOYING"}}`)
		c := tenant.client(t)
		began := time.Now()
		for range 31 {
			if _, err := c.BuildStatus(t.Context(), "T"); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began).Round(time.Millisecond); d != 2100*time.Millisecond {
			t.Errorf("31 requests at 10 a second, and 10 at once, took %s", d)
		}
		began = time.Now()
		for range 100 {
			if _, err := c.MessageLog(t.Context(), "A"); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("100 message logs took %s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.BuildStatus(ctx, "T"); err == nil || err.(*platform.Error).Kind != platform.KindTimeout {
			t.Error(err)
		}
	})
}

func TestParseDate(t *testing.T) {
	for text, want := range map[string]string{
		"/Date(1611846759005)/":        "2021-01-28T15:12:39.005Z",
		"/Date(1611846759005+0120)/":   "2021-01-28T15:12:39.005Z",
		"/Date(-1)/":                   "1969-12-31T23:59:59.999Z",
		"/Date(-1-0060)/":              "1969-12-31T23:59:59.999Z",
		"1611846759005":                "2021-01-28T15:12:39.005Z",
		"":                             "",
		"/Date()/":                     "",
		"/Date(1":                      "",
		"2021-01-28":                   "",
		"/Date(99999999999999999)/":    "",
		"/Date(9223372036854775808)/":  "",
		"/Date(-9223372036854775808)/": "",
	} {
		got := ""
		if at, ok := ParseDate(text); ok {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q: want %q, got %q", text, want, got)
		}
	}
}

func TestDesigntimeIDs(t *testing.T) {
	tenant := says(`{"d":{"results":[{"Id":"P"},{"Id":"Q"}]}}`, `{"d":{"results":[{"Id":"A"}]}}`, `{"d":{"results":[{"Id":"B"},{"Id":"C"}]}}`)
	ids, err := tenant.client(t).DesigntimeIDs(t.Context())
	if diff := cmp.Diff([]string{"A", "B", "C"}, ids); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// FuzzOData: whatever an answer holds, it is read or refused, and what is told
// of it is short.
func FuzzOData(f *testing.F) {
	for _, body := range []string{
		`{"d":` + liveRow + `}`, `{"d":{"results":[` + liveRow + `],"__count":"7","__next":"x?$skiptoken=1"}}`, `{"d":[{"Id":1}]}`, `{"d":{"results":[null]}}`, `{"d":null}`,
		`{"error":{"code":"Not Found","message":{"lang":"en","value":null}}}`, `{"error":{"code":"X","message":"m"}}`, `{"error":"invalid_token","error_description":"d"}`,
		`{"code":"Bad Request","message":{"@lang":"en","#text":"t"}}`, `<error xmlns="x"><code/><message xml:lang="en">m</message></error>`,
		`<!DOCTYPE e [<!ENTITY a "b">]><error><message>&a;</message></error>`, `<html><title>T</title>`, "plain", "", "\ufeff{}", `{"message":{"messageText":"a"},"parameter":["p"],"childMessageInstances":[{}]}`,
		`{"d":{"LogStart":"/Date(99999999999999999)/","LogEnd":"/Date(99999999999999999999)/","MessageGuid":["x"],"IntegrationArtifact":"x"}}`,
	} {
		f.Add(500, body)
		f.Add(200, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 || status == 304 {
			return
		}
		r := &httpx.Response{Method: "GET", URL: root + "/X", Status: status, Body: body, Header: http.Header{}}
		e := judge(call{method: "GET", resource: "X", doing: "asking"}, r)
		if len([]rune(e.Message)) > 6*platform.MaxText || e.Kind == "" || strings.ContainsAny(e.Message, "\n\r") {
			t.Errorf("%s: %q", e.Kind, e.Message)
		}
		if len([]rune(errorText(body))) > len([]rune(body))+1 {
			t.Errorf("%q became %q", body, errorText(body))
		}
		if d, ok := parseEntity(body); ok {
			check(t, d)
		}
		if p, ok := parsePage(body); ok {
			for _, r := range p.rows {
				check(t, r)
			}
			if p.count < -1 {
				t.Error(p.count)
			}
		}
	})
}

// check reads a row in every way: what is given of it is JSON, and is the same
// when it is read again.
func check(t *testing.T, r row) {
	l, a := messageLog(r), runtimeArtifact(r)
	for _, text := range []string{l.JSON(nil), a.JSON("x")} {
		again, ok := parseEntity(`{"d":` + text + `}`)
		if _, list := r["results"]; !ok && !list {
			t.Fatalf("not an entity: %s", text)
		}
		if ok && again.plain(nil) != text {
			t.Errorf("%s became %s", text, again.plain(nil))
		}
	}
	for _, at := range []time.Time{l.Start, l.End, a.DeployedOn} {
		if _, err := at.MarshalJSON(); err != nil {
			t.Error(err)
		}
	}
	_ = fmt.Sprint(l, a)
}
