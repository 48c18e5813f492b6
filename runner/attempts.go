package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/scenarios"
)

// attempted is what a step came to, after one attempt or several.
type attempted struct {
	result   *result
	failures []assertions.Failure
	trouble  *trouble
	// count is how many attempts there were; flaky says that one before the
	// last did not work out.
	count int
	flaky bool
	// note is why there was no further attempt, where that is no matter of
	// course.
	note string
}

// polling is a compiled poll.
type polling struct {
	scenarios.Poll
	until, abortIf *assertions.Expectation
	place          assertions.Place // of abort-if
}

// attempts does what the step says: once, or as its retry or poll wants.
func (x *execution) attempts(ctx context.Context, st *step, name string, first *trouble) attempted {
	switch {
	case first != nil:
		return attempted{trouble: first, count: 1}
	case st.poll != nil:
		return x.polled(ctx, st, name)
	case st.retry != nil:
		return x.retried(ctx, st, name)
	}
	r, t := x.do(ctx, st)
	return x.look(st, attempted{result: r, trouble: t, count: 1})
}

// do does what the step says, once, within the time of one attempt.
func (x *execution) do(ctx context.Context, st *step) (r *result, t *trouble) {
	if st.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, st.timeout, &limit{"step timeout", st.timeout})
		defer cancel()
	}
	defer func() {
		if v := recover(); v != nil {
			t = &trouble{class: classUnknown, problem: *x.mistake(v)}
		}
	}()
	if _, calls := st.action.(*callAction); calls {
		x.logs.call()
	}
	r, t = st.action.do(ctx, x)
	if r != nil {
		x.hearTenant(r.exchange)
	}
	if r != nil && r.exchange != nil && x.log().Enabled(ctx, slog.LevelDebug) {
		x.log().Debug("request", "method", r.exchange.method, "url", r.exchange.url, "status", r.exchange.status)
	}
	return r, t
}

// look takes the captures of a result and checks what is expected of it.
func (x *execution) look(st *step, a attempted) attempted {
	if a.trouble != nil || a.result == nil {
		return a
	}
	if a.result.checked == nil {
		a.failures = a.result.failures
		return a
	}
	// What is captured may be a secret that a failed assertion would show. Its
	// variables hold from the next step on, but for the redactor at once.
	captured, missing := x.captured(st, a.result)
	a.failures = slices.Clone(a.result.failures)
	switch {
	case st.expected != nil && len(a.result.failures) == 0:
		a.failures = append(a.failures, x.checkUpdating(st, a.result.checked)...)
	case st.expect != nil:
		a.failures = append(a.failures, st.expect.Check(a.result.checked, x.compute)...)
	}
	for _, v := range captured {
		x.set(v.Name, v.Value, false)
	}
	a.failures = append(a.failures, missing...)
	return a
}

// captured takes the captures of a result; those that are secrets are known
// to the redactor then.
func (x *execution) captured(st *step, r *result) (captured []assertions.Captured, missing []assertions.Failure) {
	if st.captures == nil {
		return nil, nil
	}
	captured, missing = st.captures.Take(r.checked, x.compute)
	for _, v := range captured {
		if v.Secret || x.scenario.secrets[v.Name] {
			learn(x.session.redactor, v.Name, v.Value)
		}
	}
	return captured, missing
}

// retried repeats the step on trouble of the transport.
func (x *execution) retried(ctx context.Context, st *step, name string) attempted {
	var a attempted
	for n := 1; ; n++ {
		started := time.Now()
		r, t := x.do(ctx, st)
		a = attempted{result: r, trouble: t, count: n, flaky: n > 1}
		if n == st.retry.Attempts || !x.transient(ctx, st, a) {
			break
		}
		after, told := retryAfter(r, t)
		if told && after > st.retry.Max {
			a.note = fmt.Sprintf("Retry-After asks for %s, which is more than the max of %s: it was not tried again", formatDuration(after), formatDuration(st.retry.Max))
			break
		}
		x.report(st, name, x.assessed(st, a), started)
		wait := max(jittered(backoff(st.retry.Every, st.retry.Max, st.retry.Backoff, n)), after)
		if httpx.Sleep(ctx, wait) != nil {
			a.trouble = ended(ctx)
			return a
		}
	}
	return x.look(st, a)
}

// transient reports whether retry names what happened, and the step does not
// ask for it.
func (x *execution) transient(ctx context.Context, st *step, a attempted) bool {
	if ctx.Err() != nil {
		return false
	}
	if status := statusOf(a.result, a.trouble); status != 0 {
		return slices.Contains(st.retry.Statuses, status) && !x.asksFor(status)
	}
	return st.retry.Network && isNetwork(a.trouble)
}

// isNetwork reports whether no whole answer came: trouble that may be over at
// the next attempt.
func isNetwork(t *trouble) bool {
	return t != nil && (t.problem.Type == TypeNetwork || t.problem.Type == TypeTimeout)
}

// statusOf gives the status of the answer, or of that of the token server when
// it stood in the way; 0 when none arrived whole.
func statusOf(r *result, t *trouble) int {
	if t != nil {
		if e, ok := errors.AsType[*oauth.Error](t.err); ok {
			return e.Status
		}
		if e, ok := errors.AsType[*platform.Error](t.err); ok {
			return e.Status
		}
		return 0
	}
	if r == nil || r.checked == nil {
		return 0
	}
	return r.checked.Status
}

// retryAfter gives what the answer says of the time to wait.
func retryAfter(r *result, t *trouble) (time.Duration, bool) {
	if t != nil {
		if e, ok := errors.AsType[*oauth.Error](t.err); ok {
			return e.RetryAfter, e.RetryAfter > 0
		}
		if e, ok := errors.AsType[*platform.Error](t.err); ok {
			return e.RetryAfter, e.RetryAfter > 0
		}
		return 0, false
	}
	if r == nil || r.checked == nil {
		return 0, false
	}
	return httpx.RetryAfter(r.checked.Header, time.Now())
}

// backoff gives the wait after attempt n.
func backoff(every, most time.Duration, factor float64, n int) time.Duration {
	wait := float64(every)
	for range n - 1 {
		if wait >= float64(most) {
			break
		}
		wait *= factor
	}
	return time.Duration(min(wait, float64(most)))
}

// jittered lengthens a wait by up to a tenth, so that those who were refused
// together do not come back together.
func jittered(d time.Duration) time.Duration { return d + rand.N(d/10+1) }

// assessed gives what is wrong with an attempt, for its event: the answer is
// judged without taking anything from it.
func (x *execution) assessed(st *step, a attempted) attempted {
	if a.trouble == nil && a.result != nil && a.result.checked != nil {
		x.captured(st, a.result)
		a.failures = append(slices.Clone(a.result.failures), st.expect.Check(a.result.checked, x.compute)...)
	}
	return a
}

// report emits the event of an attempt after which there is another.
func (x *execution) report(st *step, name string, a attempted, started time.Time) {
	e := x.event(Attempt, st)
	e.Step, e.Attempts, e.DurationMs = name, a.count, milliseconds(time.Since(started))
	x.judge(e, a)
	if e.Outcome == Pass {
		e.Outcome = Fail
		e.Reason = fmt.Sprintf("%d %s", statusOf(a.result, nil), http.StatusText(statusOf(a.result, nil)))
	}
	if ex := e.Exchange; ex != nil {
		e.Exchange = &Exchange{Method: ex.Method, URL: ex.URL, Status: ex.Status, MessageID: ex.MessageID, Timings: ex.Timings}
	}
	x.session.gate.send(e)
}

// polled repeats the step until its answer is the one that is waited for.
func (x *execution) polled(ctx context.Context, st *step, name string) attempted {
	p := st.poll
	limited, cancel := context.WithTimeoutCause(ctx, p.Timeout, &limit{"poll timeout", p.Timeout})
	defer cancel()
	for n := 1; ; n++ {
		started := time.Now()
		a, over := x.pollOnce(limited, st, n)
		if over {
			return a
		}
		if limited.Err() == nil {
			x.report(st, name, a, started)
			after, _ := retryAfter(a.result, a.trouble)
			wait := max(jittered(backoff(p.Every, p.Max, p.Backoff, n)), min(after, p.Max))
			if httpx.Sleep(limited, wait) == nil {
				continue
			}
		}
		return x.unfinished(limited, a)
	}
}

// pollOnce looks once. over says that the wait has ended, one way or another.
func (x *execution) pollOnce(ctx context.Context, st *step, n int) (a attempted, over bool) {
	r, t := x.do(ctx, st)
	a = attempted{result: r, trouble: t, count: n}
	status := statusOf(r, t)
	if t != nil {
		return a, !isNetwork(t) && !notYet(status)
	}
	if r == nil || r.checked == nil {
		a = x.look(st, a)
		return a, len(a.failures) == 0 // there is nothing to look at yet
	}
	x.captured(st, r)
	if a.failures = st.poll.until.Check(r.checked, x.compute); len(a.failures) == 0 {
		return x.look(st, a), true
	}
	if st.poll.abortIf != nil && len(st.poll.abortIf.Check(r.checked, x.compute)) == 0 {
		a.failures = append([]assertions.Failure{{
			Place: st.poll.place, Subject: "abort-if", Message: "abort-if holds: what is waited for will not come",
		}}, a.failures...)
		return a, true
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return x.look(st, a), true
	}
	return a, false
}

// notYet reports whether a status says nothing about the end of a wait.
func notYet(status int) bool {
	return status == http.StatusNotFound || status == http.StatusTooManyRequests || status >= 500
}

// unfinished is a poll whose time is up before what it waits for came.
func (x *execution) unfinished(ctx context.Context, a attempted) attempted {
	t := ended(ctx)
	last := ""
	switch {
	case len(a.failures) > 0:
		last = a.failures[0].Message
	case a.trouble != nil && isNetwork(a.trouble) && a.trouble.problem.Type != TypeTimeout:
		last = a.trouble.problem.Message
	}
	if last != "" && t.problem.Type == TypeTimeout {
		t.problem.Message += fmt.Sprintf(" after %s; at last: %s", looks(a.count), last)
	}
	a.trouble, a.failures = t, nil
	return a
}

func looks(n int) string {
	if n == 1 {
		return "1 look"
	}
	return fmt.Sprintf("%d looks", n)
}

// joinSentences puts two remarks into one line.
func joinSentences(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
