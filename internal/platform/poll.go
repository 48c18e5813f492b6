package platform

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"iflowtest/internal/httpx"
)

const (
	// firstInterval is the wait after the first look at an operation; each
	// further one is twice the last, up to maxInterval.
	firstInterval = 100 * time.Millisecond
	maxInterval   = 5 * time.Second
	// maxRetryAfter bounds what an operation can ask to wait.
	maxRetryAfter = time.Minute
	// MaxFailures is how many looks may fail in a row while an operation is waited
	// for.
	MaxFailures = 10
)

// Look is what one look at an operation found.
type Look struct {
	// Done says that it has ended well; one that failed is an Err.
	Done bool
	// State and Description are what the platform says about it.
	State, Description string
	// RetryAfter is the time it asks to wait; 0: it names none.
	RetryAfter time.Duration
	// Err is why there is nothing to see, or why the operation failed.
	Err error
}

// Progress is one look at an operation that has not ended.
type Progress struct {
	// State is that of the operation; "no answer" when the platform could not
	// be asked. Description is what it says about it; may be empty.
	State, Description string
	// Elapsed is the time since the wait began; Next the time to the next look.
	Elapsed, Next time.Duration
}

// Operation is what the platform works on, as it is waited for.
type Operation struct {
	// Doing says in messages what it does; Of what to look at in the cockpit
	// where it takes too long.
	Doing, Of string
	// URL is where the platform is asked, for the error of a wait that ends.
	URL string
	// Look looks at it.
	Look func() Look
	// Progress is told each look that finds no end; nil: nobody is.
	Progress func(Progress)
}

// Poll waits until an operation has ended: it looks at once, then after 100 ms,
// 200 ms and so on up to 5 s, or when the operation asks for it. Looks that fail
// but may pass are borne ten times in a row. The error is that of a look, or an
// [*Error] of the end of the context.
func Poll(ctx context.Context, o Operation) error {
	start, interval, failed := time.Now(), firstInterval, 0
	last := "not known"
	for {
		l := o.Look()
		switch {
		case l.Err != nil && (!Is(l.Err, KindNetwork, KindServer, KindRateLimited) || failed >= MaxFailures || ctx.Err() != nil):
			return l.Err
		case l.Err != nil:
			failed++
			l.State = "no answer"
		case l.Done:
			return nil
		default:
			failed, last = 0, l.State
		}
		next := max(interval, min(l.RetryAfter, maxRetryAfter))
		interval = min(interval*2, maxInterval)
		if o.Progress != nil {
			o.Progress(Progress{State: l.State, Description: l.Description, Elapsed: time.Since(start), Next: next})
		}
		if err := httpx.Sleep(ctx, next); err != nil {
			return o.ended(ctx, err, time.Since(start), last)
		}
	}
}

// ended makes the error of a wait that was too short.
func (o Operation) ended(ctx context.Context, err error, waited time.Duration, state string) *Error {
	doing := fmt.Sprintf("%s: still in progress after %s (state %q)", o.Doing, waited.Round(time.Millisecond), Cut(state, MaxTitle))
	failure := Transport(doing, http.MethodGet, o.URL, httpx.Explain(err, ctx, http.MethodGet, o.URL))
	failure.Cure = "raise the timeout of the step, or look at " + o.Of + " in the cockpit: the platform goes on with it"
	return failure
}
