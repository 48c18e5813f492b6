package platform

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// operation looks at states in turn; the last stays.
func operation(looks ...Look) Operation {
	n := 0
	return Operation{Doing: "make it", Of: "the thing", URL: "https://a.test/?b=c", Look: func() Look {
		n++
		return looks[min(n, len(looks))-1]
	}}
}

func TestPoll(t *testing.T) {
	broken, refused := &Error{Kind: KindNetwork, Message: "lost"}, &Error{Kind: KindForbidden, Message: "no"}
	synctest.Test(t, func(t *testing.T) {
		o := operation(Look{State: "IN PROGRESS", Description: "half"}, Look{Err: broken}, Look{State: "IN PROGRESS", RetryAfter: 9 * time.Second}, Look{RetryAfter: time.Hour}, Look{Done: true})
		var seen []Progress
		o.Progress = func(p Progress) { seen = append(seen, p) }
		if err := Poll(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		want := []Progress{
			{State: "IN PROGRESS", Description: "half", Next: 100 * time.Millisecond},
			{State: "no answer", Elapsed: 100 * time.Millisecond, Next: 200 * time.Millisecond},
			{State: "IN PROGRESS", Elapsed: 300 * time.Millisecond, Next: 9 * time.Second},
			{Elapsed: 9300 * time.Millisecond, Next: time.Minute},
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	synctest.Test(t, func(t *testing.T) { // failures in a row are borne for a while
		looks := 0
		o := operation(Look{Err: broken})
		look := o.Look
		o.Look = func() Look { looks++; return look() }
		if err := Poll(t.Context(), o); err != error(broken) || looks != MaxFailures+1 {
			t.Errorf("got %v after %d looks", err, looks)
		}
	})
	for _, err := range []error{refused, errors.New("no token")} {
		if got := Poll(t.Context(), operation(Look{Err: err})); got != err {
			t.Errorf("got %v, want %v", got, err)
		}
	}
}

func TestPollEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("limit of 1m0s for the step"))
		defer cancel()
		err := Poll(ctx, operation(Look{State: "IN PROGRESS"}, Look{Err: &Error{Kind: KindServer}}, Look{State: "PONDERING"}))
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != KindTimeout || e.URL != "https://a.test/" {
			t.Fatalf("got %+v", err)
		}
		for _, want := range []string{`make it: still in progress after 1m0s (state "PONDERING"): `, "limit of 1m0s for the step"} {
			if !strings.Contains(e.Message, want) {
				t.Errorf("got %q, want %q", e.Message, want)
			}
		}
		if e.Cure != "raise the timeout of the step, or look at the thing in the cockpit: the platform goes on with it" {
			t.Errorf("got cure %q", e.Cure)
		}
	})
}
