package report

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

// FuzzPlainEvent compares the short way of writing an event with
// encoding/json.
func FuzzPlainEvent(f *testing.F) {
	f.Add("step-end", "Order \"intake\" <ü>\n", "A-100", 3, 182.125, true, int64(1), "https://tenant.example/http/orders?a=b&c", 200)
	f.Add("", "\xff\u2028", "", 0, 0.0, false, int64(0), "", 0)
	f.Add("scenario-start", "\x7f", "A-100", 100000, 0.1+0.2, true, int64(1_000_000_120), "http://x", 204)
	f.Add("e", "", "", 1, 1234567.891, true, int64(100), "u", 1)
	f.Add("x", "", "\\", -7, 1e-9, true, int64(999999999), "/", 503)
	f.Fuzz(func(t *testing.T, event, step, row string, n int, ms float64, yes bool, nano int64, url string, status int) {
		e := &runner.Event{
			Event: event, Time: time.Unix(nano%1e9, nano).UTC(), Run: row, Scenario: step, ScenarioID: n, Document: row, Row: row,
			RowIndex: status, Rows: n, Step: step, Index: n, Cleanup: yes, Kind: event, File: url, Below: row, Line: n, Column: status, Outcome: runner.Outcome(event),
			Flaky: yes, Reason: url, DurationMs: ms, Attempts: n,
		}
		if yes {
			e.Tags = []string{step, row}
		}
		if url != "" {
			e.Exchange = &runner.Exchange{Method: event, URL: url, Status: status, MessageID: row}
			if yes {
				e.Exchange.Timings = &runner.Timings{DNS: ms, Connect: -ms, TLS: ms * 1000, Wait: float64(n), Body: 0.001}
			}
		}
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if encoder.Encode(e) != nil {
			return // not a number
		}
		got, ok := appendPlain(nil, e)
		if !ok {
			t.Fatal("not taken for a plain event")
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("(-encoding/json +ours):\n%s", diff)
		}
	})
}

// TestPlainEvent sends every other event the long way.
func TestPlainEvent(t *testing.T) {
	for what, e := range map[string]*runner.Event{
		"failures": {Failures: []runner.Failure{{}}},
		"error":    {Err: &runner.Problem{}},
		"info":     {Info: &runner.RunInfo{}},
		"summary":  {Summary: &runner.Summary{}},
		"body":     {Exchange: &runner.Exchange{Body: "x"}},
		"curl":     {Exchange: &runner.Exchange{Curl: "x"}},
		"headers":  {Exchange: &runner.Exchange{Headers: []runner.HeaderField{{}}}},
	} {
		if _, ok := appendPlain(nil, e); ok {
			t.Errorf("an event with %s is taken for a plain one", what)
		}
	}
}
