package runner

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// nameless is a tenant whose runtime does not tell message IDs, as the
// platform need not.
type nameless struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n nameless) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := n.RoundTripper.RoundTrip(r)
	if err == nil && strings.HasPrefix(r.URL.Path, "/http/") {
		for name := range answer.Header {
			if strings.Contains(strings.ToLower(name), "mpl") || strings.Contains(strings.ToLower(name), "messageprocessing") {
				delete(answer.Header, name)
			}
		}
	}
	return answer, err
}

// TestMessageLogOfOthers: the log of an artifact is of the scenario, row or
// try that looks for it, however fast they follow each other.
func TestMessageLogOfOthers(t *testing.T) {
	const (
		sends      = "  - call: {POST: /http/import, credential: sender, body: %s}\n"
		looks      = "  - message-log: {artifact: AsyncImport, credential: api}\n"
		order      = "  - call: {POST: /http/orders, credential: sender, json: {sku: A-100, qty: 1}}\n"
		looksOrder = "  - message-log: {artifact: OrderIntake, credential: api}\n"
		limit      = "    timeout: 20s\n"
		none       = `error message-log AsyncImport: timeout: the step timeout of 20s is up: there is no message log of the artifact "AsyncImport" since <time> (clock of the tenant) after some looks`
		other      = "; one that is there was looked at before, is of another scenario, row or call of the run, or began before this one"
		called     = "pass POST /http/import"
		found      = "pass message-log AsyncImport"
	)
	size := func(n int) string { return fmt.Sprintf("    expect: {custom-headers: {ImportSize: \"%d\"}}\n", n) }
	first := "name: First\nsteps:\n" + fmt.Sprintf(sends, "a")
	for name, c := range map[string]struct {
		text     string
		nameless bool
		o        Options
		faults   []string
		want     []string
	}{
		"nothing sent, the other one has looked": {
			text: "name: First\nsteps:\n" + order + looksOrder + "---\nname: Second\nsteps:\n" + looksOrder + limit, nameless: true,
			want: []string{"pass POST /http/orders", "pass message-log OrderIntake", strings.ReplaceAll(none, "AsyncImport", "OrderIntake")},
		},
		"nothing sent, the other one knows its message ID": {
			text: first + "---\nname: Second\nsteps:\n" + looks + limit,
			want: []string{called, none + other},
		},
		"nothing sent, nobody knows": {
			text: first + "  - wait: 400ms\n---\nname: Second\nsteps:\n" + looks + limit, nameless: true,
			want: []string{called, "pass wait 400ms", none},
		},
		"nothing sent, nobody knows, at the same moment": {
			text: first + "---\nname: Second\nsteps:\n" + looks + limit, nameless: true,
			want: []string{called, none + other},
		},
		"side by side, the other one has looked": {
			text: "name: First\nsteps:\n" + order + looksOrder + "---\nname: Second\nsteps:\n  - wait: 700ms\n" + strings.ReplaceAll(order, "A-100", "''") + "    expect: {status: 400}\n" + looksOrder + "    expect: {custom-headers: {OrderStatus: REJECTED}}\n", nameless: true,
			o:    Options{Parallel: 2},
			want: []string{"pass POST /http/orders", "pass message-log OrderIntake", "pass wait 700ms", "pass POST /http/orders", "pass message-log OrderIntake"},
		},
		"side by side, the other one knows its message ID": {
			text: first + "---\nname: Second\nsteps:\n  - wait: 400ms\n  - call: {GET: /http/echo, credential: sender}\n" + looks + limit,
			o:    Options{Parallel: 2},
			want: []string{called, "pass wait 400ms", "pass GET /http/echo", none + other},
		},
		"another one was sent before": {
			text: first + "  - wait: 400ms\n---\nname: Second\nsteps:\n" + fmt.Sprintf(sends, "abc") + looks + size(3), nameless: true,
			want: []string{called, "pass wait 400ms", called, found},
		},
		"row after row": {
			text: "name: Rows\ndata: [{b: a}, {b: ab}, {b: abc}]\nsteps:\n" + fmt.Sprintf(sends, `"${row.b}"`) + looks + "    expect: {custom-headers: {ImportSize: \"${row.index}\"}}\n",
			want: []string{called, found, called, found, called, found},
		},
		"row after row, nameless": {
			text: "name: Rows\ndata: [{b: a}, {b: ab}, {b: abc}]\nsteps:\n" + fmt.Sprintf(sends, `"${row.b}"`) + looks + "    expect: {custom-headers: {ImportSize: \"${row.index}\"}}\n", nameless: true,
			want: []string{called, found, called, found, called, found},
		},
		"row after row, fast": {
			text: "name: Rows\ndata: [{sku: A-100}, {sku: ''}]\nsteps:\n  - call: {POST: /http/orders, credential: sender, json: {sku: \"${row.sku}\", qty: 1}}\n    expect: {status: [200, 400]}\n" + looksOrder + "    expect: {custom-headers: {OrderStatus: ACCEPTED}}\n", nameless: true,
			want: []string{"pass POST /http/orders", "pass message-log OrderIntake", "pass POST /http/orders", `fail message-log OrderIntake: custom-headers OrderStatus: want "ACCEPTED", got "REJECTED"`},
		},
		"try after try": {
			text: "name: Tries\nsteps:\n" + looks + limit + "    on-failure: continue\n" + fmt.Sprintf(sends, "a") + looks + size(2), o: Options{Retries: 1},
			want: []string{none, called, `fail message-log AsyncImport: custom-headers ImportSize: want "2", got "1"`, none, called, `fail message-log AsyncImport: custom-headers ImportSize: want "2", got "1"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				<-time.After(450 * time.Millisecond) // not at the beginning of a second
				r := newRig(t, c.faults...)
				if c.nameless {
					r.transport = nameless{r.tenant.RoundTripper()}
				}
				ends, _ := r.run(t.Context(), c.text, c.o)
				for i, end := range maskIDs(ends) {
					before, rest, cut := strings.Cut(end, " since 2000-")
					_, after, _ := strings.Cut(rest, " (")
					ends[i] = cmp.Or(map[bool]string{true: before + " since <time> (" + after}[cut], end)
				}
				r.want(ends, c.want)
			})
		})
	}
}

// TestMessageLogOfItsOwnFlow: a flow that begins by itself needs no call, and
// what surely began after the scenario is its log.
func TestMessageLogOfItsOwnFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		began := time.Now()
		time.AfterFunc(5*time.Second, func() {
			outside := newRig(t)
			outside.tenant = r.tenant
			outside.run(t.Context(), "name: The world\nsteps:\n"+sends, Options{})
		})
		ends, _ := r.run(t.Context(), "name: A\nsteps:\n  - message-log: {artifact: AsyncImport, credential: api}\n    timeout: 20s\n", Options{})
		r.want(ends, []string{"pass message-log AsyncImport"})
		if d := time.Since(began); d < 5*time.Second {
			t.Errorf("after %s", d)
		}
		<-time.After(20 * time.Second)
	})
}

// TestTenantClock: each answer narrows what is known, and a clock that was set
// is followed.
func TestTenantClock(t *testing.T) {
	local := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ms := func(n int) time.Time { return local.Add(time.Duration(n) * time.Millisecond) }
	var c tenantClock
	hear := func(date time.Time, sent, arrived int, api bool) {
		c.hear(http.Header{"Date": {date.Format(http.TimeFormat)}}, ms(sent), ms(arrived), api)
	}
	bounds := func() string {
		earliest, latest := c.at(local)
		return fmt.Sprint(earliest.Sub(local), " ", latest.Sub(local), " ", c.heard())
	}
	var got []string
	note := func() { got = append(got, bounds()) }
	note()
	c.hear(http.Header{"Date": {"no time"}}, local, local, true)
	note()
	hear(local, 100, 130, false) // 03:04:05 at some time between
	note()
	hear(local, 700, 720, true)
	note()
	hear(local.Add(time.Second), 760, 780, true)
	note()
	hear(local.Add(time.Hour), 800, 820, false) // a host with a clock of its own
	note()
	hear(local.Add(3*time.Second), 900, 910, true) // the clock was set
	note()
	hear(local.Add(3*time.Second), 950, 960, true)
	note()
	want := []string{"0s 0s false", "0s 0s false", "-130ms 900ms true", "-130ms 300ms true", "220ms 300ms true", "220ms 300ms true", "220ms 3.1s true", "2.04s 3.05s true"}
	(&rig{t: t}).want(got, want)
}

// TestMessageOwners: an answer to a call is believed before a look, the first
// look before the next, and the oldest is forgotten.
func TestMessageOwners(t *testing.T) {
	var m messages
	for _, n := range []struct {
		id string
		messageOwner
	}{{"a", messageOwner{1, false}}, {"a", messageOwner{2, false}}, {"b", messageOwner{1, false}}, {"b", messageOwner{2, true}}, {"b", messageOwner{3, true}}} {
		m.note(n.id, n.messageOwner)
	}
	a, _ := m.of("a")
	b, _ := m.of("b")
	if _, known := m.of("c"); a.execution != 1 || b.execution != 2 || known {
		t.Error(a, b, known)
	}
	for i := range 3 * maxOwned {
		m.note(fmt.Sprint(i), messageOwner{4, true})
	}
	_, known := m.of("a")
	last, ok := m.of(fmt.Sprint(3*maxOwned - 1))
	if known || !ok || last.execution != 4 || len(m.owners) != maxOwned || len(m.ids) != maxOwned {
		t.Error(known, last, ok, len(m.owners), len(m.ids))
	}
}
