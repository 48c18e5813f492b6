package runner

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestStopped: a second signal, however soon or late after the first, ends each
// deletion as not done; every case is reported, and what is left is named and
// removed by a later cleanup.
func TestStopped(t *testing.T) {
	for _, after := range []time.Duration{0, time.Nanosecond, time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				time.AfterFunc(9*time.Second, func() { r.fault("provision-slow:seconds=60") })
				ctx, cancel := context.WithCancelCause(t.Context())
				stop := make(chan struct{})
				var stopped time.Time
				time.AfterFunc(10*time.Second, func() { cancel(Interrupted()) })
				time.AfterFunc(10*time.Second+after, func() { stopped = time.Now(); close(stop) })
				p := r.provision(ctx, twoInstances+"  - name: waits\n    wait: 1m\n    timeout: 1h\n"+"cleanup:\n  - name: tidy\n    wait: 1m\n", Options{Stop: stop})
				if d := time.Since(stopped); d > time.Second {
					t.Errorf("took %v", d)
				}
				slices.Sort(p.ends)
				const not = ": cleanup: not done: a second signal ended the run"
				r.want(p.ends, []string{
					"error delete service instance other-RUN" + not, "error delete service instance smoke-RUN" + not, "error delete service key smoke-key of smoke-RUN" + not,
					"error tidy: interrupted: not done: a second signal ended the run", "error waits: interrupted: interrupted",
					"pass instance", "pass key", "pass second",
				})
				left := strings.Join(p.summary.LeftBehind, ", ")
				for _, want := range []string{"other-" + p.id, "smoke-" + p.id, "smoke-key"} {
					if !strings.Contains(left, want) {
						t.Errorf("left behind: %s; want %s", left, want)
					}
				}
				if p.summary.ExitStatus != ExitInterrupted || p.summary.CleanupCommand == "" || len(r.journals()) != 1 {
					t.Errorf("%+v, %v", p.summary, r.journals())
				}
			})
		})
	}
}

// deaf does not hear that a request is to end.
type deaf struct {
	next   http.RoundTripper
	method string
}

func (d deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == d.method {
		<-time.After(time.Hour)
	}
	return d.next.RoundTrip(r)
}

// TestStoppedWithoutAnEnd: what does not end when it should holds nothing up;
// what is left is named as the journal knows it.
func TestStoppedWithoutAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.transport = deaf{r.tenant.RoundTripper(), http.MethodDelete}
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := make(chan struct{})
		time.AfterFunc(10*time.Second, func() { cancel(Interrupted()) })
		time.AfterFunc(11*time.Second, func() { close(stop) })
		started := time.Now()
		p := r.provision(ctx, twoInstances+"  - wait: 1m\n    timeout: 1h\n", Options{Stop: stop})
		if d := time.Since(started); d > 12*time.Second {
			t.Errorf("took %v", d)
		}
		left := strings.Join(p.summary.LeftBehind, ", ")
		for _, want := range []string{"other-" + p.id, "smoke-" + p.id, "smoke-key"} {
			if !strings.Contains(left, want) {
				t.Errorf("left behind: %s; want %s", left, want)
			}
		}
		if last := p.events[len(p.events)-1]; last.Event != RunEnd || p.summary.ExitStatus != ExitInterrupted || p.summary.CleanupCommand == "" {
			t.Errorf("%+v %+v", last, p.summary)
		}
		<-time.After(24 * time.Hour) // until what is deaf has ended too
	})
}

// TestLeaveNoted: a resource whose name is part of another's is named as well,
// and none is named twice.
func TestLeaveNoted(t *testing.T) {
	one, two := entry{ID: 1, Kind: kindInstance, Name: "s1"}, entry{ID: 2, Kind: kindInstance, Name: "s11"}
	s := session{journal: &journal{open: []entry{one, two}}}
	s.leave("service instance s11")
	s.named(two)
	s.leaveNoted()
	if d := cmp.Diff([]string{"service instance s1", "service instance s11"}, s.left); d != "" {
		t.Error(d)
	}
}
