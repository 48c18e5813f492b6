package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/httpx"
)

// clocked answers every request and notes when it came.
type clocked struct {
	mu     sync.Mutex
	start  time.Time
	times  map[string][]time.Duration // by scheme://host
	answer func(*http.Request) *http.Response
}

func newClocked() *clocked {
	return &clocked{start: time.Now(), times: map[string][]time.Duration{}}
}

// RoundTrip implements http.RoundTripper.
func (c *clocked) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	host := r.URL.Scheme + "://" + r.URL.Host
	c.times[host] = append(c.times[host], time.Since(c.start))
	if c.answer != nil {
		if answer := c.answer(r); answer != nil {
			return answer, nil
		}
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

func (c *clocked) want(t *testing.T, host string, want ...time.Duration) {
	t.Helper()
	// A limiter counts in floating point: a nanosecond is no matter.
	got := c.times[host]
	near := len(got) == len(want)
	for i := 0; near && i < len(want); i++ {
		near = (got[i] - want[i]).Abs() < time.Microsecond
	}
	if !near {
		t.Errorf("%s was asked at %s, want %s", host, got, want)
	}
}

func every(step time.Duration, n int) []time.Duration {
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = time.Duration(i) * step
	}
	return times
}

func get(ctx context.Context, c *httpx.Client, url string) error {
	_, err := c.Do(ctx, &httpx.Request{Method: "GET", URL: url})
	return err
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newClocked()
		c := newClient(t, httpx.Options{Transport: wire, Rate: 10})
		for range 20 {
			got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://a.test/"})
			if err != nil {
				t.Fatal(err)
			}
			if got.Duration != 0 || got.Timings != (httpx.Timings{}) || !got.Started.Equal(time.Now()) {
				t.Errorf("the wait counts: started %s, duration %s, timings %+v", got.Started, got.Duration, got.Timings)
			}
		}
		wire.want(t, "http://a.test", every(100*time.Millisecond, 20)...)
	})
}

func TestRateOfManyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newClocked()
		c := newClient(t, httpx.Options{Transport: wire, Rate: 10})
		var all sync.WaitGroup
		for i := range 20 {
			for _, host := range []string{"a", "b"} {
				all.Go(func() {
					if err := get(t.Context(), c, fmt.Sprintf("http://%s.test/%d", host, i)); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		wire.want(t, "http://a.test", every(100*time.Millisecond, 20)...)
		wire.want(t, "http://b.test", every(100*time.Millisecond, 20)...)
	})
}

func TestRateIsPerHostAndPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newClocked()
		c := newClient(t, httpx.Options{Transport: wire, Rate: 0.5})
		for _, url := range []string{"http://a.test/", "https://a.test/", "http://a.test:8080/", "https://A.test:8080/x", "https://a.test:443/", "http://[::1]/", "http://[::1]:80/"} {
			if err := get(t.Context(), c, url); err != nil {
				t.Fatal(err)
			}
		}
		wire.want(t, "http://a.test", 0)
		wire.want(t, "https://a.test", 0)
		wire.want(t, "http://a.test:8080", 0)
		wire.want(t, "https://A.test:8080", 2*time.Second)
		wire.want(t, "https://a.test:443", 2*time.Second)
		wire.want(t, "http://[::1]", 2*time.Second)
		wire.want(t, "http://[::1]:80", 4*time.Second)
	})
}

func TestRateSavesNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newClocked()
		c := newClient(t, httpx.Options{Transport: wire, Rate: 1})
		if err := httpx.Sleep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := get(t.Context(), c, "http://a.test/"); err != nil {
				t.Fatal(err)
			}
		}
		wire.want(t, "http://a.test", time.Hour, time.Hour+time.Second, time.Hour+2*time.Second)
	})
}

func TestNoRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1)} {
			wire := newClocked()
			c := newClient(t, httpx.Options{Transport: wire, Rate: rate})
			for range 3 {
				if err := get(t.Context(), c, "http://a.test/"); err != nil {
					t.Fatal(err)
				}
			}
			wire.want(t, "http://a.test", 0, 0, 0)
		}
	})
}

func TestRateCountsRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newClocked()
		wire.answer = func(r *http.Request) *http.Response {
			<-time.After(10 * time.Millisecond)
			if r.URL.Path == "/end" {
				return nil
			}
			return &http.Response{StatusCode: 307, Header: http.Header{"Location": {"/end"}}, Body: http.NoBody}
		}
		c := newClient(t, httpx.Options{Transport: wire, Rate: 1})
		for range 2 {
			got, err := c.Do(t.Context(), &httpx.Request{Method: "GET", URL: "http://a.test/", FollowRedirects: true})
			if err != nil {
				t.Fatal(err)
			}
			if want := 20 * time.Millisecond; got.Duration != want || got.Timings.Wait != want {
				t.Errorf("took %s, waited %s, want %s for both", got.Duration, got.Timings.Wait, want)
			}
		}
		wire.want(t, "http://a.test", every(time.Second, 4)...)
	})
}

func TestRateOfRoundTripper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newClocked()
		c := newClient(t, httpx.Options{Transport: wire, Rate: 10})
		client := &http.Client{Transport: c.RoundTripper()}
		for i := range 4 {
			if i == 2 { // one pace for both ways
				if err := get(t.Context(), c, "http://a.test/"); err != nil {
					t.Fatal(err)
				}
				continue
			}
			answer, err := client.Get("http://a.test/")
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
		}
		wire.want(t, "http://a.test", every(100*time.Millisecond, 4)...)

		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("step timeout of 10ms"))
		defer cancel()
		closed := false
		req, err := http.NewRequestWithContext(ctx, "POST", "http://a.test/", closing{&closed})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Do(req)
		wantError(t, httpx.Explain(err, ctx, "POST", "http://a.test/"), httpx.Timeout, "step timeout of 10ms reached while waiting for its turn, at 10 requests a second")
		if !closed {
			t.Error("the body was not closed")
		}
	})
}

// closing is an empty body that notes its end.
type closing struct{ closed *bool }

func (closing) Read([]byte) (int, error) { return 0, io.EOF }
func (c closing) Close() error           { *c.closed = true; return nil }

func TestRateWaitEnds(t *testing.T) {
	const place = "GET http://a.test/p: "
	const turn = " while waiting for its turn, at 0.1 requests a second to a host"
	limit := errors.New("step timeout of 3s")
	tests := []struct {
		name    string
		end     func(context.Context) (context.Context, context.CancelFunc)
		took    time.Duration
		kind    httpx.Kind
		message string
	}{
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 3*time.Second, limit)
		}, 3 * time.Second, httpx.Timeout, place + "step timeout of 3s reached" + turn},
		{"nameless deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 3*time.Second)
		}, 3 * time.Second, httpx.Timeout, place + "time limit reached" + turn},
		{"cancelled with a later deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return cancelledAfter(ctx, time.Second, time.Minute)
		}, time.Second, httpx.Interrupted, place + "interrupted (signal)" + turn},
		{"cancelled before a deadline that is too early", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return cancelledAfter(ctx, time.Second, 3*time.Second)
		}, time.Second, httpx.Interrupted, place + "interrupted (signal)" + turn},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := newClocked()
				c := newClient(t, httpx.Options{Transport: wire, Rate: 0.1})
				if err := get(t.Context(), c, "http://a.test/p?q=1"); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := test.end(t.Context())
				defer cancel()
				e := wantError(t, get(ctx, c, "http://u:p@a.test/p?q=1"), test.kind)
				if e.Message != test.message || (e.Kind == httpx.Timeout) != strings.Contains(e.Cure, "rate") {
					t.Errorf("%s\nwant\n%s\ncure: %s", e.Message, test.message, e.Cure)
				}
				if took := time.Since(wire.start); took != test.took {
					t.Errorf("took %s, want %s", took, test.took)
				}
				// The turn that was not used is the next one's.
				if err := get(t.Context(), c, "http://a.test/p"); err != nil {
					t.Fatal(err)
				}
				wire.want(t, "http://a.test", 0, 10*time.Second)
			})
		})
	}
}

func cancelledAfter(ctx context.Context, d, deadline time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := context.WithTimeoutCause(ctx, deadline, errors.New("step timeout"))
	ctx, cancel := context.WithCancelCause(ctx)
	time.AfterFunc(d, func() { cancel(errors.New("signal")) })
	return ctx, func() { cancel(nil); end() }
}

// TestRateForgetsHosts: what is forgotten is only what makes no difference.
func TestRateForgetsHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := newClocked()
		c := newClient(t, httpx.Options{Transport: wire, Rate: 1})
		ask := func(url string) {
			if err := get(t.Context(), c, url); err != nil {
				t.Fatal(err)
			}
		}
		ask("http://old.test/")
		<-time.After(time.Second)
		ask("http://a.test/")
		for i := range 3000 {
			ask(fmt.Sprintf("http://h%d.test/", i))
		}
		ask("http://a.test/")
		ask("http://old.test/")
		wire.want(t, "http://a.test", time.Second, 2*time.Second)
		wire.want(t, "http://old.test", 0, 2*time.Second)
	})
}
