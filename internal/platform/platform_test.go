package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
)

const address = "https://service.test/things?x=1"

// line answers requests in turn, each "STATUS BODY": "lost" is no answer,
// "unreachable" not even a connection. It is the transport, so that no socket
// is there and tests wait for nothing.
type line struct {
	answers []string
	header  http.Header
	seen    []string // Authorization of each request
}

// RoundTrip implements http.RoundTripper.
func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	l.seen = append(l.seen, r.Header.Get("Authorization"))
	next := l.answers[min(len(l.seen), len(l.answers))-1]
	trace := httptrace.ContextClientTrace(r.Context())
	if trace != nil && trace.GetConn != nil {
		trace.GetConn("service.test:443")
	}
	if next == "unreachable" {
		return nil, errors.New("connection refused")
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if next == "lost" {
		return nil, io.ErrUnexpectedEOF
	}
	status, body, _ := strings.Cut(next, " ")
	code := 0
	if _, err := fmt.Sscan(status, &code); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: l.header.Clone(), Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func open(t *testing.T, l *line) Sender {
	t.Helper()
	h, err := httpx.New(httpx.Options{Transport: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return Sender{HTTP: h, Patience: Patience{Repeats: 3, Backoff: 250 * time.Millisecond, RateRepeats: 4}}
}

func judge(r *httpx.Response) *Error {
	return Answer("do it", r, Judge(nil, r.Status, 0, ""), Describe(r).Quoted())
}

func get() Request {
	return Request{Method: http.MethodGet, URL: address, Doing: "do it", Repeat: true, Judge: judge}
}

func TestPatience(t *testing.T) {
	create := Request{Method: http.MethodPost, URL: address, Doing: "do it", Creates: true, Judge: judge}
	post := Request{Method: http.MethodPost, URL: address, Doing: "do it", Judge: judge}
	for name, c := range map[string]struct {
		request Request
		answers []string
		header  http.Header
		sent    int
		waited  time.Duration
		kind    Kind // empty: it ends well
		maybe   bool
	}{
		"at once":                      {get(), []string{"200 x"}, nil, 1, 0, "", false},
		"gateways":                     {get(), []string{"502 x", "503 x", "504 x", "200 x"}, nil, 4, 1750 * time.Millisecond, "", false},
		"gateways for ever":            {get(), []string{"503 x"}, nil, 4, 1750 * time.Millisecond, KindServer, false},
		"gateway names a time":         {get(), []string{"503 x", "200 x"}, http.Header{"Retry-After": {"7"}}, 2, 7 * time.Second, "", false},
		"gateway asks for too much":    {get(), []string{"503 x", "200 x"}, http.Header{"Retry-After": {"3600"}}, 2, 30 * time.Second, "", false},
		"500 may be a mistake":         {get(), []string{"500 x"}, nil, 1, 0, KindServer, false},
		"lost":                         {get(), []string{"lost", "unreachable", "200 x"}, nil, 3, 750 * time.Millisecond, "", false},
		"lost, not to be repeated":     {post, []string{"lost"}, nil, 1, 0, KindNetwork, false},
		"gateway, not to be repeated":  {post, []string{"502 x"}, nil, 1, 0, KindServer, false},
		"busy, whatever the method":    {post, []string{"429 x", "429 x", "429 x", "201 x"}, nil, 4, 7 * time.Second, "", false},
		"busy for ever":                {post, []string{"429 x"}, nil, 5, 15 * time.Second, KindRateLimited, false},
		"busy, and names a time":       {get(), []string{"429 x", "200 x"}, http.Header{"Retry-After": {"0"}}, 2, 250 * time.Millisecond, "", false},
		"refused":                      {create, []string{"422 x"}, nil, 1, 0, KindRefused, false},
		"create lost":                  {create, []string{"lost"}, nil, 1, 0, KindNetwork, true},
		"create, gateway":              {create, []string{"502 x"}, nil, 1, 0, KindServer, true},
		"create never sent":            {create, []string{"unreachable"}, nil, 4, 1750 * time.Millisecond, KindNetwork, false},
		"create sent at last":          {create, []string{"unreachable", "201 x"}, nil, 2, 250 * time.Millisecond, "", false},
		"create sent at last and lost": {create, []string{"unreachable", "lost"}, nil, 2, 250 * time.Millisecond, KindNetwork, true},
		"create busy, then not sent":   {create, []string{"429 x", "unreachable"}, nil, 5, time.Second + 1750*time.Millisecond, KindNetwork, false},
		"create redirected":            {create, []string{"304 x"}, nil, 1, 0, KindAnswer, false},
		"create elsewhere":             {Request{Method: "POST", URL: "ftp://x", Doing: "do it", Creates: true, Judge: judge}, []string{"200 x"}, nil, 0, 0, KindRequest, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &line{answers: c.answers, header: c.header}
				s := open(t, l)
				var waited time.Duration
				s.Waiting = func(reason string, d time.Duration) {
					waited += d
					if !strings.HasPrefix(reason, "do it: ") {
						t.Errorf("got reason %q", reason)
					}
				}
				start := time.Now()
				_, err := s.Send(t.Context(), c.request)
				if c.kind == "" && err != nil || c.kind != "" && !Is(err, c.kind) {
					t.Errorf("got %v, want kind %q", err, c.kind)
				}
				if MaybeCreated(err) != c.maybe {
					t.Errorf("maybe created is %t (%v)", !c.maybe, err)
				}
				if len(l.seen) != c.sent || time.Since(start) != c.waited || waited != c.waited {
					t.Errorf("got %d requests in %s, told of %s; want %d in %s", len(l.seen), time.Since(start), waited, c.sent, c.waited)
				}
			})
		})
	}
}

// TestOutage: a gateway that says when it is back, later than a client waits,
// is out of order.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{answers: []string{"503 x"}, header: http.Header{"Retry-After": {"31"}}}
		s := open(t, l)
		s.Outage = 30 * time.Second
		_, err := s.Send(t.Context(), get())
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != KindServer || e.RetryAfter != 31*time.Second || len(l.seen) != 1 {
			t.Errorf("got %+v after %d requests", e, len(l.seen))
		}
	})
}

// TestTime: a wait that the context does not last for is not begun, and one
// that it ends says what it was for.
func TestTime(t *testing.T) {
	for name, c := range map[string]struct {
		answers  []string
		header   http.Header
		limit    time.Duration
		took     time.Duration
		kind     Kind
		message  string
		askedFor time.Duration
	}{
		"busy too long":     {[]string{"429 x"}, http.Header{"Retry-After": {"60"}}, 10 * time.Second, 0, KindRateLimited, "the wait of 1m0s is longer than the time that is left", time.Minute},
		"busy, guessed":     {[]string{"429 x"}, nil, 2 * time.Second, time.Second, KindRateLimited, "the wait of 2s is longer", 0},
		"gateway too long":  {[]string{"503 x"}, http.Header{"Retry-After": {"20"}}, 10 * time.Second, 0, KindServer, "out of order (status 503)", 20 * time.Second},
		"nobody too long":   {[]string{"lost"}, nil, 600 * time.Millisecond, 250 * time.Millisecond, KindNetwork, "do it: GET https://service.test/things", 0},
		"ends while asking": {[]string{"lost"}, nil, 0, 0, KindTimeout, "time limit reached", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				s := open(t, &line{answers: c.answers, header: c.header})
				start := time.Now()
				_, err := s.Send(ctx, get())
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Kind != c.kind || e.RetryAfter != c.askedFor || time.Since(start) != c.took {
					t.Fatalf("got %+v after %s", err, time.Since(start))
				}
				if !strings.Contains(e.Message, c.message) || strings.Contains(e.Message, "x=1") || e.URL != "https://service.test/things" || e.Method != "GET" {
					t.Errorf("got %+v", e)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("a signal")) })
		s := open(t, &line{answers: []string{"429 x"}})
		_, err := s.Send(ctx, Request{Method: http.MethodPost, URL: address, Doing: "do it", Creates: true, Judge: judge})
		if !Is(err, KindInterrupted) || MaybeCreated(err) || !strings.Contains(err.Error(), "do it: waiting 1s after too many requests (status 429)") {
			t.Errorf("got %v", err)
		}
	})
}

// TestRateWindow: X-RateLimit-Reset is the end of a window.
func TestRateWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ window, want time.Duration }{
			{13 * time.Second, 13 * time.Second}, {-time.Hour, time.Second}, {48 * time.Hour, time.Second},
		} {
			reset := fmt.Sprint(time.Now().Add(c.window).Unix())
			s := open(t, &line{answers: []string{"429 x", "200 x"}, header: http.Header{"X-Ratelimit-Reset": {reset}}})
			start := time.Now()
			if _, err := s.Send(t.Context(), get()); err != nil || time.Since(start) != c.want {
				t.Errorf("%s: %v after %s, want %s", c.window, err, time.Since(start), c.want)
			}
		}
	})
}

func TestTokens(t *testing.T) {
	var old []bool
	number := 0
	tokens := func(_ context.Context, refused bool) (secret.Secret, error) {
		old = append(old, refused)
		number++
		return secret.New("token", fmt.Sprintf("bearer %d", number)), nil
	}
	for name, c := range map[string]struct {
		answers []string
		stale   func(*httpx.Response) bool
		seen    []string
		kind    Kind
	}{
		"good":          {[]string{"200 x"}, nil, []string{"bearer 1"}, ""},
		"renewed":       {[]string{"401 x", "200 x"}, nil, []string{"bearer 1", "bearer 2"}, ""},
		"renewed once":  {[]string{"401 x"}, nil, []string{"bearer 1", "bearer 2"}, KindUnauthorized},
		"not the token": {[]string{"401 x"}, func(r *httpx.Response) bool { return r.Body == "y" }, []string{"bearer 1"}, KindUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			number, old = 0, nil
			l := &line{answers: c.answers}
			s := open(t, l)
			s.Stale = c.stale
			q := get()
			q.Authorize = tokens
			_, err := s.Send(t.Context(), q)
			if c.kind == "" && err != nil || c.kind != "" && !Is(err, c.kind) {
				t.Errorf("got %v, want kind %q", err, c.kind)
			}
			if diff := cmp.Diff(c.seen, l.seen); diff != "" || old[0] || len(old) == 2 && !old[1] {
				t.Errorf("asked with refused %v (-want +got):\n%s", old, diff)
			}
		})
	}
	s, q, refused := open(t, &line{answers: []string{"200 x"}}), get(), errors.New("no token")
	q.Authorize = Renewing(func(context.Context, oauth.Token) (oauth.Token, error) { return oauth.Token{}, refused })
	if _, err := s.Send(t.Context(), q); err != refused {
		t.Errorf("got %v, want the error as it is", err)
	}
}

// TestRenewing: what was refused is what is renewed, and each request begins
// with any token.
func TestRenewing(t *testing.T) {
	var asked []string
	source := func(_ context.Context, refused oauth.Token) (oauth.Token, error) {
		asked = append(asked, refused.Value.Reveal())
		return oauth.Token{Value: secret.New("token", fmt.Sprint("t", len(asked)))}, nil
	}
	for range 2 {
		authorize := Renewing(source)
		for _, refused := range []bool{false, true} {
			if _, err := authorize(t.Context(), refused); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]string{"", "t1", "", "t3"}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBeforeAndAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{answers: []string{"503 x", "200 x"}}
		s := open(t, l)
		before, answered := 0, []int{}
		s.Before = func(_ context.Context, q *Request) error {
			before++
			if q.URL != address {
				t.Errorf("got %q", q.URL)
			}
			return nil
		}
		s.Answered = func(r *httpx.Response) { answered = append(answered, r.Status) }
		if _, err := s.Send(t.Context(), get()); err != nil || before != 2 || cmp.Diff([]int{503, 200}, answered) != "" {
			t.Errorf("got %v, %d times before, %v after", err, before, answered)
		}
		s.Before = func(ctx context.Context, _ *Request) error { return context.Canceled }
		if _, err := s.Send(t.Context(), get()); !Is(err, KindInterrupted, KindNetwork) || len(l.seen) != 2 {
			t.Errorf("got %v after %d requests", err, len(l.seen))
		}
	})
}
