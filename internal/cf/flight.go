package cf

import (
	"context"
	"sync"
)

// flight is one piece of work that any number of callers wait for. It belongs
// to none of them: it ends when it is done, or when the last has left.
type flight struct {
	mu      sync.Mutex
	current *work
}

type work struct {
	done    chan struct{}
	cancel  context.CancelCauseFunc
	waiters int
	err     error
}

// do joins the work under way or begins it. The error is that of the work, or
// the cause of the end of the caller's own context.
func (f *flight) do(ctx context.Context, job func(context.Context) error) error {
	f.mu.Lock()
	w := f.current
	if w == nil {
		w = f.begin(ctx, job)
	}
	w.waiters++
	f.mu.Unlock()

	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		f.leave(w, context.Cause(ctx))
		return context.Cause(ctx)
	}
}

// begin sends the work off; the lock is held. It outlives the context of the
// caller, for the others who may join.
func (f *flight) begin(ctx context.Context, job func(context.Context) error) *work {
	detached, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	w := &work{done: make(chan struct{}), cancel: cancel}
	f.current = w
	go func() {
		defer cancel(nil)
		err := job(detached)
		f.mu.Lock()
		defer f.mu.Unlock()
		w.err = err
		if f.current == w {
			f.current = nil
		}
		close(w.done)
	}()
	return w
}

// leave gives up waiting; the last one out ends the work.
func (f *flight) leave(w *work, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.waiters--
	if w.waiters > 0 {
		return
	}
	w.cancel(cause)
	if f.current == w {
		f.current = nil
	}
}
