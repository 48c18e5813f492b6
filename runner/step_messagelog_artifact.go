package runner

import (
	"fmt"
	"time"

	"iflowtest/internal/cpi"
)

// The clock of the tenant is known to the second at first. Where that does not
// tell whether a log began before the scenario, it is looked at often until the
// next second of the tenant begins, or it is known well enough.
const (
	doubtEvery = 50 * time.Millisecond
	doubtLimit = 1500 * time.Millisecond
	sharpClock = 150 * time.Millisecond
)

// choose says whether a log of the artifact is the one that is waited for: it
// began after the scenario, belongs to no other execution of the run, and no
// step has looked at it before the latest call. doubt says that it is not yet
// known whether it began after the scenario.
func (w *awaited) choose(l cpi.MessageLog) (c cpi.Choice, doubt bool) {
	x := w.x
	earliest, latest := x.began()
	owner, known := x.session.messages.of(l.ID)
	switch {
	case l.Start.Before(earliest.Truncate(time.Millisecond)):
		return cpi.Stop, false
	case known && owner.execution != x.number(), x.logs.seen[l.ID] == oldLog:
		w.pass(l.ID)
		return cpi.Pass, false
	case known, !l.Start.Before(latest):
		return cpi.Take, false
	case latest.Sub(earliest) > sharpClock && (w.doubt.IsZero() || time.Since(w.doubt) < doubtLimit):
		return cpi.Stop, true
	case !x.logs.sent:
		// Nothing of the scenario can have made it: it is the tenant's own, and
		// only one that surely began afterwards counts.
		w.pass(l.ID)
		return cpi.Pass, false
	}
	return cpi.Take, false
}

func (w *awaited) pass(id string) {
	if w.passed == nil {
		w.passed = map[string]bool{}
	}
	w.passed[id] = true
}

// strange reports whether a message is of another execution.
func (x *execution) strange(id string) bool {
	owner, known := x.session.messages.of(id)
	return known && owner.execution != x.number()
}

// pause gives the time until the next look.
func (w *awaited) pause() time.Duration {
	if !w.doubt.IsZero() && time.Since(w.doubt) < doubtLimit {
		w.hasty++
		return doubtEvery
	}
	return jittered(backoff(logEvery, logMax, 1.5, w.looks-w.hasty))
}

// others says that there are logs which are not the scenario's.
func (w *awaited) others() string {
	switch len(w.passed) {
	case 0:
		return ""
	case 1:
		return "; one that is there was looked at before, is of another scenario, row or call of the run, or began before this one"
	}
	return fmt.Sprintf("; %d that are there were looked at before, are of other scenarios, rows or calls of the run, or began before this one", len(w.passed))
}
