// Package platform has what the clients of the platform's services have in
// common: one kind of error, the judgement of answers by tables, the
// description of what came instead of an answer, and a sender that is patient
// with gateways and limits and renews a token that is refused.
//
// It knows no service: what is special about one stands in the tables and
// options that its client gives. It prints nothing and waits only within the
// context it is given.
package platform

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"iflowtest/internal/httpx"
)

const (
	maxGatewayWait = 30 * time.Second
	rateBackoff    = time.Second
	maxRateGuess   = 30 * time.Second
	maxRateWindow  = 24 * time.Hour
)

// Patience says how often a sender asks again, and after how long. The zero
// value asks once.
type Patience struct {
	// Repeats is how often a request that may be repeated is sent again after
	// 502, 503, 504 or a broken connection; the first wait is Backoff, each
	// further one twice the last, or what the answer asks for.
	Repeats int
	Backoff time.Duration
	// Outage is the longest wait that a gateway can ask for: one that asks for
	// more is taken for out of order. Zero: it is asked again after 30 s at the
	// latest, whatever it says.
	Outage time.Duration
	// RateRepeats is how often any request is sent again after 429, which
	// refuses without doing anything.
	RateRepeats int
}

// JSONBody writes the body of a request; nil where there is nothing to write. The
// error is an [*Error].
func JSONBody(doing string, v any) (*httpx.Body, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, &Error{Kind: KindRequest, Message: doing + ": " + err.Error(), Err: err}
	}
	return httpx.TextBody("application/json", string(text)), nil
}

// Sender sends requests to one service. It is safe for concurrent use when its
// functions are.
type Sender struct {
	// HTTP sends them.
	HTTP *httpx.Client
	// Patience says how often, and how long it waits in between.
	Patience
	// Before is called before each time a request is sent; an error, which is
	// the cause of the context's end, keeps it from being sent. Nil: nothing is.
	Before func(ctx context.Context, q *Request) error
	// Answered is told each answer that arrived whole, before it is judged;
	// nil: nobody is.
	Answered func(*httpx.Response)
	// Waiting is told before the sender waits to ask again, and why; nil:
	// nobody is.
	Waiting func(reason string, d time.Duration)
	// Stale tells whether an answer means that another token may be taken; nil:
	// each 401 does.
	Stale func(*httpx.Response) bool
}

// Request is one request, however often it is sent.
type Request struct {
	Method, URL string
	// Header is sent as it is, and gets Authorization where Authorize gives it.
	Header http.Header
	Body   *httpx.Body    // nil: none
	Jar    http.CookieJar // nil: none
	// Doing says in messages what the request is for.
	Doing string
	// Repeat says that it may be sent again though it may have had its effect.
	Repeat bool
	// Creates says that an answer that is lost may hide a new resource: see
	// [MaybeCreated]. While no connection came about, it is sent again as if it
	// might be repeated.
	Creates bool
	// Authorize gives the header Authorization; nil: there is none.
	Authorize Authorizer
	// Judge makes the error of an answer that is no success.
	Judge func(*httpx.Response) *Error
}

// Send sends a request until its answer is final: with another token once when
// the first is refused, and with the patience of [Sender.Ask]. The response is
// a success, or the error says why not; it is an [*Error], or what Authorize
// gave.
func (s *Sender) Send(ctx context.Context, q Request) (*httpx.Response, error) {
	if q.Header = q.Header.Clone(); q.Header == nil {
		q.Header = http.Header{}
	}
	for refused := false; ; refused = true {
		if q.Authorize != nil {
			authorization, err := q.Authorize(ctx, refused)
			if err != nil {
				return nil, err
			}
			q.Header.Set("Authorization", authorization.Reveal())
		}
		r, failure := s.Ask(ctx, q)
		switch {
		case failure != nil:
			return nil, failure
		case q.Authorize != nil && !refused && s.stale(r):
			continue
		case r.Status/100 != 2:
			failure := q.Judge(r)
			failure.MaybeCreated = q.Creates && r.Status >= http.StatusInternalServerError
			return nil, failure
		}
		return r, nil
	}
}

func (s *Sender) stale(r *httpx.Response) bool {
	return r.Status == http.StatusUnauthorized && (s.Stale == nil || s.Stale(r))
}

// Ask sends a request until an answer is final, whatever its status: 429 is
// waited for as long as the context lasts, 502, 503, 504 and broken connections
// are tried again where that does no harm. A wait that would outlast the
// context is not begun: the error is then that of the 429, else the answer that
// is there is final. The token is not renewed, and Authorize is not asked.
func (s *Sender) Ask(ctx context.Context, q Request) (*httpx.Response, *Error) {
	var sent sending
	ctx = sent.watch(ctx, q.Creates)
	for n := (attempt{}); ; {
		sent.again()
		r, failure := s.once(ctx, q)
		w, again := s.next(&n, q.Repeat || q.Creates && sent.never(), r, failure)
		switch {
		case !again:
			return r, q.marked(failure, &sent)
		case outlasts(ctx, w.time):
			if w.limited {
				return nil, hopeless(q.Judge(r), w)
			}
			return r, q.marked(failure, &sent)
		}
		if s.Waiting != nil {
			s.Waiting(q.Doing+": "+w.reason, w.time)
		}
		if err := httpx.Sleep(ctx, w.time); err != nil {
			// What creates waits only when nothing was done yet.
			return nil, Transport(q.Doing+": waiting "+w.time.String()+" after "+w.reason, q.Method, q.URL, httpx.Explain(err, ctx, q.Method, q.URL))
		}
	}
}

// once sends a request once.
func (s *Sender) once(ctx context.Context, q Request) (*httpx.Response, *Error) {
	if s.Before != nil {
		if err := s.Before(ctx, &q); err != nil {
			return nil, Transport(q.Doing, q.Method, q.URL, httpx.Explain(err, ctx, q.Method, q.URL))
		}
	}
	r, err := s.HTTP.Do(ctx, &httpx.Request{Method: q.Method, URL: q.URL, Header: q.Header, Body: q.Body, Jar: q.Jar})
	if err != nil {
		return nil, Transport(q.Doing, q.Method, q.URL, err)
	}
	if s.Answered != nil {
		s.Answered(r)
	}
	return r, nil
}

// marked says of a failure whether a resource may exist all the same.
func (q Request) marked(failure *Error, sent *sending) *Error {
	if failure != nil {
		failure.MaybeCreated = q.Creates && sent.maybe(failure.Kind)
	}
	return failure
}

// attempt counts what stood in the way of a request.
type attempt struct{ broken, limited int }

// wait is the time until a request is sent again.
type wait struct {
	time    time.Duration
	reason  string
	limited bool // by a 429
	told    bool // the answer asks for it
}

// next says whether and when a request is sent again.
func (s *Sender) next(n *attempt, harmless bool, r *httpx.Response, failure *Error) (w wait, again bool) {
	harmless = harmless && n.broken < s.Repeats
	switch {
	case failure != nil && harmless && failure.Kind == KindNetwork:
		w = wait{time: s.Backoff << n.broken, reason: "no answer"}
		n.broken++
	case failure == nil && harmless && isGateway(r.Status):
		asked := RetryAfter(r)
		if s.Outage > 0 && asked > s.Outage {
			return w, false
		}
		w = wait{time: min(max(s.Backoff<<n.broken, asked), maxGatewayWait), reason: "status " + strconv.Itoa(r.Status)}
		n.broken++
	case failure == nil && r.Status == http.StatusTooManyRequests && n.limited < s.RateRepeats:
		w = s.rateWait(r.Header, n.limited)
		n.limited++
	default:
		return w, false
	}
	return w, true
}

// rateWait gives the wait that a 429 asks for: Retry-After, else the end of the
// window of X-RateLimit-Reset (wire/sap.md 3.8), else a guess that grows.
func (s *Sender) rateWait(h http.Header, repeat int) wait {
	w := wait{reason: "too many requests (status 429)", limited: true, told: true}
	if asked, ok := httpx.RetryAfter(h, time.Now()); ok {
		w.time = max(asked, s.Backoff)
		return w
	}
	if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		if left := time.Until(time.Unix(reset, 0)); left > 0 && left <= maxRateWindow {
			w.time = left
			return w
		}
	}
	w.time, w.told = min(rateBackoff<<repeat, maxRateGuess), false
	return w
}

// hopeless is the end where the wait would last longer than the context.
func hopeless(failure *Error, w wait) *Error {
	if w.told {
		failure.RetryAfter = w.time
	}
	failure.Message += "; the wait of " + w.time.String() + " is longer than the time that is left"
	return failure
}

func outlasts(ctx context.Context, d time.Duration) bool {
	end, limited := ctx.Deadline()
	return limited && time.Until(end) <= d
}

func isGateway(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
