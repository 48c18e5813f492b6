package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// errStopped is the cause of what ends when a run is to end at once.
var errStopped = errors.New("not done: a second signal ended the run")

// stopPatience is how long a run that is to end at once waits for its scenarios
// to say so. What has not ended by then is left as it is: the program is about
// to end.
const stopPatience = 600 * time.Millisecond

// stopping gives a context that ends when the run is to end at once, and what
// has to be called in the end.
func (p *Plan) stopping(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	if p.o.Stop != nil {
		go func() {
			select {
			case <-p.o.Stop:
				cancel(errStopped)
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// awaits waits until all is done or, when the run is to end at once, for so
// long as that may take.
func (s *session) awaits(done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-s.stop.Done():
	}
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		s.leaveNoted()
	}
}

// stopped reports whether the run is to end at once.
func (s *session) stopped() bool { return errors.Is(context.Cause(s.stop), errStopped) }

// leaveNoted names what the journal still has and nobody else has named, as
// scenarios have not come to their end.
func (s *session) leaveNoted() {
	for _, e := range s.journal.remaining() {
		s.mu.Lock()
		named := slices.Contains(s.leftIDs, e.ID)
		s.mu.Unlock()
		if !named {
			r := resource{entry: e, what: fmt.Sprintf("%s %s", wordsOf(e.Kind), e.Name)}
			s.leave(r.described())
		}
	}
}

// named notes that what the entry speaks of is among what is left behind.
func (s *session) named(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leftIDs = append(s.leftIDs, e.ID)
}

// remaining gives what is not removed.
func (j *journal) remaining() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.open)
}

// undo takes back what the scenario created; each deletion ends as not done
// when the run is to end at once.
func (x *execution) undo(signals context.Context) {
	if !x.session.stopped() {
		x.takeDown(signals)
		return
	}
	for _, d := range x.deletions() {
		close(d.done)
		if d.kept == "" {
			d.err = errStopped
			d.t = ended(x.session.stop)
			x.account(x.deleting(d, StepStart))
		}
		x.account(x.deleted(d))
		x.remains(d)
	}
}
