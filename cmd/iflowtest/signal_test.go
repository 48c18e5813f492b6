package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestHeed(t *testing.T) {
	type at struct {
		after time.Duration
		s     os.Signal
	}
	for name, c := range map[string]struct {
		signals []at
		ended   time.Duration
		want    string
	}{
		"one":                  {[]at{{0, os.Interrupt}}, time.Minute, "first 0s"},
		"of two kinds":         {[]at{{0, os.Interrupt}, {time.Second, syscall.SIGTERM}}, time.Minute, "first 0s, first 1s"},
		"a second one":         {[]at{{0, os.Interrupt}, {time.Millisecond, os.Interrupt}}, 500 * time.Millisecond, "first 0s, second 1ms"},
		"a second one, no end": {[]at{{0, os.Interrupt}, {time.Second, os.Interrupt}}, time.Minute, "first 0s, second 1s, last 2s"},
		"a third one":          {[]at{{0, os.Interrupt}, {time.Second, os.Interrupt}, {10 * time.Millisecond, os.Interrupt}}, time.Minute, "first 0s, second 1s, last 1.01s"},
		"a third one of another kind": {
			[]at{{0, syscall.SIGTERM}, {time.Second, os.Interrupt}, {time.Second, syscall.SIGTERM}, {10 * time.Millisecond, os.Interrupt}}, time.Minute,
			"first 0s, first 1s, second 2s, last 2.01s",
		},
		"none": {nil, time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				started := time.Now()
				var got []string
				note := func(what string) func() {
					return func() { got = append(got, what+" "+time.Since(started).String()) }
				}
				signals, ended, done := make(chan os.Signal, 4), make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					heed(signals, ended, note("first"), note("second"), note("last"))
				}()
				for _, s := range c.signals {
					<-time.After(s.after)
					signals <- s.s
					synctest.Wait()
				}
				<-time.After(c.ended)
				close(ended)
				<-done
				if text := strings.Join(got, ", "); text != c.want {
					t.Errorf("got %q, want %q", text, c.want)
				}
			})
		})
	}
}
