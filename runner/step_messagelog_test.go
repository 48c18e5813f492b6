package runner

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sends calls AsyncImport, and captures the message ID.
const sends = `  - name: sends
    call: {POST: /http/import, credential: sender, body: abc, headers: {SAP_MplCorrelationId: conversation, SAP_ApplicationID: "4711"}}
    capture: {mpl: {message-id: true}}
`

func TestMessageLog(t *testing.T) {
	for name, c := range map[string]struct {
		steps  string
		faults []string
		want   []string
		exit   int
		took   time.Duration
	}{
		"by message ID": {sends + `  - message-log: {id: "${mpl}", credential: api}
    expect: {json: {Status: COMPLETED, IntegrationFlowName: AsyncImport, MessageGuid: "${mpl}", ErrorInformation: null, IntegrationArtifact.Id: AsyncImport}}
`, nil, []string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 2 * time.Second},
		"late": {sends + "  - message-log: {id: \"${mpl}\", credential: api}\n", []string{"log-late"},
			[]string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 7 * time.Second},
		"by correlation ID": {sends + "  - message-log: {correlation-id: conversation, credential: api}\n    expect: {json: {MessageGuid: \"${mpl}\"}}\n", nil,
			[]string{"pass sends", "pass message-log conversation"}, ExitOK, 2 * time.Second},
		"by application message ID": {sends + "  - message-log: {application-message-id: '4711', credential: api}\n    expect: {json: {MessageGuid: \"${mpl}\"}}\n", nil,
			[]string{"pass sends", "pass message-log 4711"}, ExitOK, 2 * time.Second},
		"by artifact": {strings.Repeat(sends+strings.Repeat("  - message-log: {artifact: AsyncImport, credential: api}\n    expect: {json: {MessageGuid: \"${mpl}\"}}\n", 2), 2), nil,
			slices.Repeat([]string{"pass sends", "pass message-log AsyncImport", "pass message-log AsyncImport"}, 2), ExitOK, 4 * time.Second},
		"what it leads to": {sends + `  - message-log: {id: "${mpl}", credential: api}
    expect: {json: {'CustomHeaderProperties.#(Name=="ImportSize").Value': "3", AdapterAttributes: [], Attachments.#: 0}}
    capture: {size: {json: CustomHeaderProperties.0.Value}}
`, nil, []string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 2 * time.Second},
		"its runs": {sends + "  - message-log: {id: \"${mpl}\", credential: api}\n    expect: {json: {Runs.#: 1, Runs.0.OverallState: COMPLETED}}\n", nil, []string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 2 * time.Second},
		"custom headers": {sends + `  - message-log: {id: "${mpl}", credential: api}
    expect: {custom-headers: {ImportSize: "3"}}
  - message-log: {id: "${mpl}", credential: api}
    expect: {custom-headers: {ImportSize: "4"}, attachments: {payload.xml: {exists: false}}}
`, nil, []string{"pass sends", "pass message-log ${mpl}", `fail message-log ${mpl}: custom-headers ImportSize: want "4", got "3"`}, ExitAssertion, 2 * time.Second},
		"processing": {sends + "  - message-log: {id: \"${mpl}\", credential: api, wait-for: PROCESSING}\n", nil,
			[]string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 100 * time.Millisecond},
		"asked again by poll": {sends + "  - message-log: {id: \"${mpl}\", credential: api, wait-for: PROCESSING}\n    poll: {until: {json: {Status: PROCESSING}}, every: 1s}\n", nil,
			[]string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 100 * time.Millisecond},
		"it went well, and should not": {sends + "  - message-log: {id: \"${mpl}\", credential: api, wait-for: FAILED}\n", nil,
			[]string{"pass sends", "fail message-log ${mpl}: message log <id>: want FAILED, got COMPLETED"}, ExitAssertion, 2 * time.Second},
		"not as expected": {sends + "  - message-log: {id: \"${mpl}\", credential: api}\n    expect: {json: {IntegrationFlowName: OrderIntake}}\n", nil,
			[]string{"pass sends", `fail message-log ${mpl}: json IntegrationFlowName: want "OrderIntake", got "AsyncImport"`}, ExitAssertion, 2 * time.Second},
		"never": {"  - message-log: {id: AGpyvUXKUZJ-xCKXdYXps-l8FDTq, credential: api}\n    timeout: 10s\n", nil,
			[]string{`error message-log AGpyvUXKUZJ-xCKXdYXps-l8FDTq: timeout: the step timeout of 10s is up: there is no message log with the message ID "AGpyvUXKUZJ-xCKXdYXps-l8FDTq" after some looks`}, ExitUnknown, 10 * time.Second},
		"not in time": {sends + "  - message-log: {correlation-id: conversation, credential: api}\n    timeout: 1s\n", nil,
			[]string{"pass sends", `error message-log conversation: timeout: the step timeout of 1s is up: the message log with the correlation ID "conversation" is still PROCESSING after some looks, and COMPLETED is wanted`}, ExitUnknown, time.Second},
		"nothing captured": {"  - set: {mpl: ' '}\n  - message-log: {id: \"${mpl}\", credential: api}\n", nil,
			[]string{"pass set mpl", "error message-log ${mpl}: expression: id of the message log is empty"}, ExitAssertion, 0},
		"API down": {sends + "  - message-log: {id: \"${mpl}\", credential: api}\n", []string{"runtime-503:part=api"},
			[]string{"pass sends", "error message-log ${mpl}: platform: looking for the message log \"<id>\": GET http://api.sandbox.localhost/api/v1/MessageProcessingLogs(%27<id>%27) was answered 503; the answer is a page (HTML), titled \"HTTP Status 503 – Service Unavailable\"; it was asked again for half a minute"}, ExitUnknown, 30 * time.Second},
		"API down, and little time": {sends + "  - message-log: {id: \"${mpl}\", credential: api}\n    timeout: 10s\n", []string{"runtime-503:part=api"},
			[]string{"pass sends", "error message-log ${mpl}: platform: looking for the message log \"<id>\": GET http://api.sandbox.localhost/api/v1/MessageProcessingLogs(%27<id>%27) was answered 503; the answer is a page (HTML), titled \"HTTP Status 503 – Service Unavailable\""}, ExitUnknown, 8 * time.Second},
		"API down for a while": {sends + "  - message-log: {id: \"${mpl}\", credential: api}\n", []string{"runtime-503:part=api,count=16"},
			[]string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 18 * time.Second},
		"network down for a while": {sends + "  - message-log: {id: \"${mpl}\", credential: api}\n", []string{"connection-reset:part=api,count=16"},
			[]string{"pass sends", "pass message-log ${mpl}"}, ExitOK, 18 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.faults...)
				began := time.Now()
				events, summary := r.stepEnds("name: A\nsteps:\n"+c.steps, Options{})
				r.want(maskIDs(inWords(events)), c.want)
				if d := time.Since(began); summary.ExitStatus != c.exit || d < c.took || d > c.took*15/10+500*time.Millisecond {
					t.Errorf("exit status %d after %s, want %d after %s", summary.ExitStatus, d, c.exit, c.took)
				}
			})
		})
	}
}

// maskIDs puts <id> where a message ID stands that is another in each run, and
// leaves out how many looks there were, which is a matter of chance.
func maskIDs(lines []string) []string {
	for i, line := range lines {
		line = regexp.MustCompile(`after \d+ looks`).ReplaceAllString(line, "after some looks")
		words := strings.FieldsFunc(line, func(c rune) bool {
			return !(c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
		})
		for _, w := range words {
			w = strings.TrimPrefix(w, "27")
			if len(w) == 28 && w != "AGpyvUXKUZJ-xCKXdYXps-l8FDTq" {
				line = strings.ReplaceAll(line, w, "<id>")
			}
		}
		lines[i] = line
	}
	return lines
}

// TestMessageLogFailed: the failure holds the error information, and says which
// log it is.
func TestMessageLogFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		const breaks = "name: A\nsteps:\n  - call: {POST: /http/broken, credential: sender, body: x}\n    expect: {status: 500}\n    capture: {mpl: {message-id: true}}\n"
		const why = "java.lang.IllegalStateException: the backend order service answered with an error: 503 Service Unavailable"
		events, summary := r.stepEnds(breaks+"  - message-log: {id: \"${mpl}\", credential: api}\n    expect: {json: {ErrorInformation: {contains: IllegalState}}}\n    capture: {status: {json: Status}}\n", Options{})
		r.want(maskIDs(inWords(events)), []string{"pass POST /http/broken", "fail message-log ${mpl}: message log <id>: want COMPLETED, got FAILED: " + why})
		f := events[1].Failures[0]
		if summary.ExitStatus != ExitAssertion || len(f.Notes) != 2 || !strings.Contains(f.Notes[0], " of Broken, started 2000-01-01T00:00:00") || f.Notes[1] != why {
			t.Errorf("exit status %d, %q", summary.ExitStatus, f.Notes)
		}
		events, summary = r.stepEnds(breaks+"  - message-log: {id: \"${mpl}\", credential: api, wait-for: FAILED}\n    expect: {json: {ErrorInformation: {contains: IllegalState}}}\n", Options{})
		if summary.ExitStatus != ExitOK {
			t.Errorf("exit status %d: %q", summary.ExitStatus, inWords(events))
		}
	})
}

// TestMessageLogSince: an artifact's log of before the scenario does not count,
// whatever the clocks of tenant and runner say.
func TestMessageLogSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, skew := range []string{"3600", "-3600", "0.4"} {
			r := newRig(t, "clock-skew:seconds="+skew)
			_, summary := r.run(t.Context(), "name: Before\nsteps:\n"+sends+"  - wait: 10s\n", Options{})
			if summary.ExitStatus != ExitOK {
				t.Fatal(summary)
			}
			const waits = "  - message-log: {artifact: AsyncImport, credential: api}\n    timeout: 30s\n"
			events, _ := r.stepEnds("name: Nothing sent\nsteps:\n"+waits, Options{})
			if e := events[0]; e.Err == nil || !strings.Contains(e.Err.Message, `there is no message log of the artifact "AsyncImport" since `) || !strings.HasSuffix(e.Err.Message, " looks") {
				t.Errorf("%s: %q", skew, inWords(events))
			}
			events, summary = r.stepEnds("name: Sent\nsteps:\n"+sends+waits+"    expect: {json: {MessageGuid: \"${mpl}\"}}\n", Options{})
			if summary.ExitStatus != ExitOK {
				t.Errorf("%s: %q", skew, inWords(events))
			}
		}
	})
}

// TestMessageLogMisspelt: an artifact that is not deployed has no logs, and the
// near name is told.
func TestMessageLogMisspelt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		events, summary := r.stepEnds("name: A\nsteps:\n  - message-log: {artifact: AsynImport, credential: api}\n", Options{})
		if e := events[0]; summary.ExitStatus != ExitUnknown || e.Err.Cure != `no artifact "AsynImport" is deployed; did you mean "AsyncImport"?` || !strings.HasPrefix(e.Err.Message, "the step timeout of 2m is up: there is no message log of the artifact") {
			t.Errorf("exit status %d: %+v", summary.ExitStatus, e.Err)
		}
	})
}

// TestMessageLogNoNames: what has no name is no help.
func TestMessageLogNoNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := overlaid(t, func(_, resource string) (int, string) {
			if resource == "IntegrationRuntimeArtifacts" {
				return 200, `{"d":{"results":[{"Status":"STARTED"}]}}`
			}
			return 200, `{"d":{"results":[]}}`
		})
		events, _ := r.stepEnds("name: A\nsteps:\n  - message-log: {artifact: Foo, credential: api}\n", Options{})
		if e := events[0]; e.Err.Cure != `no artifact "Foo" is deployed` {
			t.Errorf("%+v", e.Err)
		}
	})
}

// TestMessageLogLinks: each link of a log is followed when a path begins with
// it, and only then.
func TestMessageLogLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, link := range links() {
			r, o := overlaid(t, func(_, resource string) (int, string) {
				if strings.HasSuffix(resource, ")") {
					return 200, `{"d":{"MessageGuid":"A","Status":"COMPLETED"}}`
				}
				return 200, `{"d":{"results":[{"__metadata":{"uri":"x"},"Name":"n","Deep":{"__deferred":{"uri":"y"}}}]}}`
			})
			ends, _ := r.run(t.Context(), "name: A\nsteps:\n  - name: m\n    message-log: {id: A, credential: api}\n    expect: {json: {"+link+": [{Name: n}]}}\n", Options{})
			r.want(ends, []string{"pass m"})
			r.want(o.asked, []string{"GET MessageProcessingLogs('A')", "GET MessageProcessingLogs('A')/" + link})
		}
	})
}

// TestMessageLogStatuses: what is final ends the wait, what is not does not.
func TestMessageLogStatuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for status, want := range map[string]string{
			"COMPLETED":  "pass m",
			"RETRY":      `error m: timeout: the step timeout of 2m is up: the message log with the message ID "A" is still RETRY after some looks, and COMPLETED is wanted: connection refused`,
			"ESCALATED":  "fail m: message log A: want COMPLETED, got ESCALATED: connection refused",
			"CANCELLED":  "fail m: message log A: want COMPLETED, got CANCELLED: connection refused",
			"DISCARDED":  "fail m: message log A: want COMPLETED, got DISCARDED: connection refused",
			"ABANDONED":  "fail m: message log A: want COMPLETED, got ABANDONED: connection refused",
			"PROCESSING": `error m: timeout: the step timeout of 2m is up: the message log with the message ID "A" is still PROCESSING after some looks, and COMPLETED is wanted`,
			"":           `error m: timeout: the step timeout of 2m is up: there is no message log with the message ID "A" after some looks`,
		} {
			r, _ := overlaid(t, func(_, resource string) (int, string) {
				switch {
				case status == "":
					return http.StatusNotFound, ""
				case strings.HasSuffix(resource, "$value"):
					return 200, "connection refused\n\tat line 2\n"
				}
				return 200, fmt.Sprintf(`{"d":{"MessageGuid":"A","Status":%q,"IntegrationFlowName":"F"}}`, status)
			})
			events, _ := r.stepEnds("name: A\nsteps:\n  - name: m\n    message-log: {id: A, credential: api}\n", Options{})
			r.want(maskIDs(inWords(events)), []string{want})
		}
	})
}

// TestMessageLogAttachments: of the attachments that are asserted the content
// is read, and of the others not.
func TestMessageLogAttachments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o := overlaid(t, func(_, resource string) (int, string) {
			switch {
			case strings.HasSuffix(resource, "('2')/$value"):
				return 200, "<order/>"
			case strings.HasSuffix(resource, "/Attachments"):
				return 200, `{"d":{"results":[{"Id":"1","Name":"log.txt","PayloadSize":"99999999"},{"Id":"2","Name":"payload.xml","ContentType":"text/xml","PayloadSize":"8"}]}}`
			}
			return 200, `{"d":{"MessageGuid":"A","Status":"COMPLETED","IntegrationFlowName":"F"}}`
		})
		events, _ := r.stepEnds("name: A\nsteps:\n  - name: m\n    message-log: {id: A, credential: api}\n    expect: {attachments: {payload.xml: <order />}}\n", Options{})
		r.want(inWords(events), []string{`fail m: attachments payload.xml: want "<order />", got "<order/>"`})
		r.want(o.asked, []string{"GET MessageProcessingLogs('A')", "GET MessageProcessingLogs('A')/Attachments", "GET MessageProcessingLogAttachments('2')/$value"})
		if x := events[0].Exchange; x == nil || !strings.HasSuffix(x.URL, "MessageProcessingLogs(%27A%27)") {
			t.Errorf("%+v", x)
		}
	})
}

// TestMessageLogToken: a token that dies while the step waits is renewed.
func TestMessageLogToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "token-short:seconds=20", "log-late:seconds=60")
		ends, summary := r.run(t.Context(), "name: A\nsteps:\n"+sends+"  - message-log: {id: \"${mpl}\", credential: api}\n", Options{})
		if summary.ExitStatus != ExitOK {
			t.Error(ends)
		}
	})
}

// TestMessageLogRate: many steps that wait side by side keep to the rate of the
// tenant.
func TestMessageLogRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		o := &overlay{RoundTripper: r.tenant.RoundTripper(), answer: func(string, string) (int, string) { return 0, "" }}
		r.transport = o
		began := time.Now()
		var rows strings.Builder
		for i := range 30 {
			fmt.Fprintf(&rows, "  - {n: %d}\n", i)
		}
		_, summary := r.run(t.Context(), "name: A\ndata:\n"+rows.String()+"steps:\n"+sends+"  - message-log: {id: \"${mpl}\", credential: api}\n", Options{Parallel: 30, Rate: 20})
		d := time.Since(began)
		if n := len(o.asked); summary.ExitStatus != ExitOK || n < 60 || float64(n) > d.Seconds()*20+1 {
			t.Errorf("%+v: %d requests to the API in %s", summary, n, d)
		}
	})
}
