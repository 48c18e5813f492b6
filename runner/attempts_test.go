package runner

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a transport that gives one answer after the other, and the last
// one from then on.
type answers struct {
	mu   sync.Mutex
	list []answer
	sent []string
}

// answer is one of them; without a status the connection fails.
type answer struct {
	status int
	header string // "Name: value"
	body   string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.list[0]
	if len(a.list) > 1 {
		a.list = a.list[1:]
	}
	a.sent = append(a.sent, r.Method+" "+r.URL.RequestURI())
	if now.status == 0 {
		return nil, fmt.Errorf("connection reset by peer")
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if name, value, ok := strings.Cut(now.header, ": "); ok {
		h.Set(name, value)
	}
	return &http.Response{StatusCode: now.status, Header: h, Body: io.NopCloser(strings.NewReader(now.body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// events runs a scenario and gives its events but for their times.
func (r *rig) events(text string, o Options) ([]Event, Summary) {
	r.t.Helper()
	var events []Event
	summary, err := r.plan(text, o).Run(r.t.Context(), func(batch []*Event) {
		for _, e := range batch {
			events = append(events, *e)
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return events, summary
}

// told gives the attempts and ends of steps as short lines.
func told(events []Event) []string {
	var lines []string
	for _, e := range events {
		if e.Event != Attempt && e.Event != StepEnd {
			continue
		}
		line := fmt.Sprintf("%s %s %d", e.Event, e.Outcome, e.Attempts)
		if e.Flaky {
			line += " flaky"
		}
		if e.Err != nil {
			line += ": " + e.Err.Type + ": " + e.Err.Message
			if e.Err.Cure != "" {
				line += " (" + e.Err.Cure + ")"
			}
		}
		for _, f := range e.Failures {
			line += ": " + f.Message
			for _, n := range f.Notes {
				line += " (" + n + ")"
			}
		}
		if e.Reason != "" {
			line += ": " + e.Reason
		}
		lines = append(lines, line)
	}
	return lines
}

const getJob = `name: Job
steps:
  - call: {GET: "http://127.0.0.1/job"}
`

func TestRetry(t *testing.T) {
	ok := answer{200, "", `{"status":"done"}`}
	for name, c := range map[string]struct {
		step    string
		answers []answer
		want    []string
		least   time.Duration
		most    time.Duration
		sent    int
		exit    int
	}{
		"Retry-After": {
			"    retry: 3\n", []answer{{503, "Retry-After: 2", "busy"}, {503, "Retry-After: 2", "busy"}, ok},
			[]string{"attempt fail 1: status: want 2xx, got 503", "attempt fail 2: status: want 2xx, got 503", "step-end pass 3 flaky"},
			4 * time.Second, 4*time.Second + 300*time.Millisecond, 3, 0,
		},
		"backoff": {
			"    retry: {attempts: 4, every: 1s, backoff: 3, max: 5s}\n", []answer{{}, {502, "", ""}, {429, "", ""}, ok},
			[]string{
				"attempt error 1: network: GET http://127.0.0.1/job: no answer: connection reset by peer (check network, VPN, proxy and firewall)",
				"attempt fail 2: status: want 2xx, got 502", "attempt fail 3: status: want 2xx, got 429", "step-end pass 4 flaky",
			},
			9 * time.Second, 9*time.Second + 900*time.Millisecond, 4, 0,
		},
		"beyond max": {
			"    retry: {max: 5s}\n", []answer{{503, "Retry-After: 60", ""}},
			[]string{"step-end fail 1: status: want 2xx, got 503 (Retry-After asks for 1m, which is more than the max of 5s: it was not tried again)"},
			0, 1, 1, 1,
		},
		"to the end": {
			"    retry: {attempts: 2}\n", []answer{{504, "", ""}},
			[]string{"attempt fail 1: status: want 2xx, got 504", "step-end fail 2: status: want 2xx, got 504"},
			time.Second, 1100 * time.Millisecond, 2, 1,
		},
		"asked for": {
			"    retry: 3\n    expect: {status: 503}\n", []answer{{503, "", ""}},
			[]string{"step-end pass 1"}, 0, 1, 1, 0,
		},
		"not named": {
			"    retry: {on: [network]}\n", []answer{{503, "", ""}},
			[]string{"step-end fail 1: status: want 2xx, got 503"}, 0, 1, 1, 1,
		},
		"an assertion is no transport": {
			"    retry: 3\n    expect: {json: {status: open}}\n", []answer{ok},
			[]string{`step-end fail 1: json status: want "open", got "done"`}, 0, 1, 1, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				wire := &answers{list: c.answers}
				r.transport = wire
				started := time.Now()
				events, summary := r.events(getJob+c.step, Options{})
				took := time.Since(started)
				r.want(told(events), c.want)
				if took < c.least || took > c.most+batchEvery*10 || len(wire.sent) != c.sent || summary.ExitStatus != c.exit {
					t.Errorf("took %v, want %v to %v; sent %d, want %d; exit status %d, want %d", took, c.least, c.most, len(wire.sent), c.sent, summary.ExitStatus, c.exit)
				}
			})
		})
	}
}

const pollJob = getJob + `    poll: {until: {json: {status: done}}, abort-if: {json: {status: failed}}, every: 2s}
`

func TestPoll(t *testing.T) {
	ok, open := answer{200, "", `{"status":"done","n":1}`}, answer{200, "", `{"status":"open"}`}
	for name, c := range map[string]struct {
		step    string
		answers []answer
		want    []string
		least   time.Duration
		sent    int
		exit    int
	}{
		"ready at the fourth look": {
			"    expect: {json: {n: 1}}\n", []answer{open, {404, "", "no job"}, {503, "Retry-After: 7", ""}, ok},
			[]string{
				`attempt fail 1: json status: want "done", got "open"`,
				"attempt fail 2: status: want 2xx, got 404: json status: want \"done\", got text that is not JSON: \"no job\"",
				"attempt fail 3: status: want 2xx, got 503: json status: want \"done\", got an empty body",
				"step-end pass 4",
			},
			2*time.Second + 3*time.Second + 7*time.Second, 4, 0,
		},
		"abort-if": {
			"", []answer{{200, "", `{"status":"failed"}`}},
			[]string{`step-end fail 1: abort-if holds: what is waited for will not come: json status: want "done", got "failed"`},
			0, 1, 1,
		},
		"expect is checked once, on the last answer": {
			"    expect: {json: {n: 2}}\n", []answer{open, ok},
			[]string{`attempt fail 1: json status: want "done", got "open"`, "step-end fail 2: json n: want 2, got 1"},
			2 * time.Second, 2, 1,
		},
		"403 ends it": {
			"", []answer{open, {403, "", "{}"}},
			[]string{`attempt fail 1: json status: want "done", got "open"`, "step-end fail 2: status: want 2xx, got 403"},
			2 * time.Second, 2, 1,
		},
		"401 ends it": {
			"", []answer{{401, "", "{}"}},
			[]string{"step-end fail 1: status: want 2xx, got 401"},
			0, 1, 6,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				wire := &answers{list: c.answers}
				r.transport = wire
				started := time.Now()
				events, summary := r.events(pollJob+c.step, Options{})
				r.want(told(events), c.want)
				if took := time.Since(started); took < c.least || len(wire.sent) != c.sent || summary.ExitStatus != c.exit {
					t.Errorf("took %v, want at least %v; sent %d, want %d; exit status %d, want %d", took, c.least, len(wire.sent), c.sent, summary.ExitStatus, c.exit)
				}
			})
		})
	}
}

func TestPollTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &answers{list: []answer{{200, "", `{"status":"open"}`}}}
		r.transport = wire
		started := time.Now()
		events, summary := r.events(getJob+"    poll: {until: {json: {status: done}}, every: 2s, backoff: 1, timeout: 11s}\n", Options{})
		lines := told(events)
		r.want(lines[len(lines)-1:], []string{`step-end error 6: timeout: the poll timeout of 11s is up after 6 looks; at last: json status: want "done", got "open"`})
		if took := time.Since(started).Round(time.Second); took != 11*time.Second || summary.ExitStatus != ExitUnknown || len(wire.sent) != 6 {
			t.Errorf("took %v, exit status %d, sent %d", took, summary.ExitStatus, len(wire.sent))
		}
		for _, e := range events {
			if e.Event == StepEnd && (e.Exchange == nil || e.Exchange.Status != 200) {
				t.Errorf("the last exchange is not there: %+v", e.Exchange)
			}
		}
	})
}

func TestPollInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.transport = &answers{list: []answer{{200, "", `{"status":"open"}`}}}
		ends, summary := r.run(t.Context(), "timeout: 5s\n"+pollJob, Options{})
		r.want(ends, []string{`error GET http://127.0.0.1/job: timeout: the scenario timeout of 5s is up after 2 looks; at last: json status: want "done", got "open"`})
		if summary.ExitStatus != ExitUnknown {
			t.Errorf("exit status %d", summary.ExitStatus)
		}
	})
}

// TestPolledSecret: a secret that the step captures at last must not be shown
// by a look before.
func TestPolledSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.transport = &answers{list: []answer{{200, "", `{"status":"PIN-4711-x","pin":"PIN-4711-x"}`}, {200, "", `{"status":"done","pin":"PIN-4711-x"}`}}}
		events, _ := r.events(pollJob+"    capture: {pin: {json: pin, secret: true}}\n", Options{})
		r.want(told(events), []string{`attempt fail 1: json status: want "done", got "***(pin)"`, "step-end pass 2"})
	})
}

func TestWaitingMistakes(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no limit":   {getJob + "    poll: {until: {status: 200}, timeout: 0s}\n", "scenario.yaml:4:43: a poll without a time limit may never end"},
		"no wait":    {getJob + "    poll: {until: {status: 200}, every: 0s}\n", "scenario.yaml:4:41: a poll that never waits would ask without end"},
		"one look":   {getJob + "    poll: {until: {status: 200}, every: 3m}\n", "scenario.yaml:4:41: a poll that waits 3m between two looks and ends after 2m looks only once"},
		"max":        {getJob + "    poll: {until: {status: 200}, every: 3s, max: 1s}\n", "scenario.yaml:4:50: max, the longest wait, is 1s, and every, the first one, 3s"},
		"both":       {getJob + "    retry: 3\n    poll: {until: {status: 200}}\n", "scenario.yaml:4:12: the step has a poll, which takes trouble of the transport for not yet; retry adds nothing"},
		"nobody":     {"name: W\nsteps:\n  - wait: 1s\n    retry: 3\n", `scenario.yaml:4:12: a step "wait" asks nobody, so it cannot have "retry"`},
		"until":      {getJob + "    poll: {until: {json: {\"a..b\": 1}}}\n", "scenario.yaml:4:29: json: \"a..b\" has an empty component"},
		"unsafe":     {strings.Replace(getJob, "GET", "POST", 1) + "    retry: 3\n", "scenario.yaml:4:12: retry repeats a POST, which may be processed twice"},
		"unknown in": {getJob + "    poll: {until: {json: {\"a\": \"${nobody}\"}}}\n", "scenario.yaml:4:35: unknown name \"nobody\""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			got := r.mistakes(c.text, Options{})
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	var got []time.Duration
	for n := 1; n < 7; n++ {
		got = append(got, backoff(2*time.Second, 15*time.Second, 1.5, n))
	}
	want := []time.Duration{2 * time.Second, 3 * time.Second, 4500 * time.Millisecond, 6750 * time.Millisecond, 10125 * time.Millisecond, 15 * time.Second}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("wait %d: %v, want %v", i+1, got[i], want[i])
		}
	}
	if d := backoff(time.Second, time.Hour, 1e300, 1000); d != time.Hour {
		t.Errorf("a huge factor gives %v", d)
	}
}
