package httpx_test

import (
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"iflowtest/internal/httpx"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	tests := []struct {
		name, value, date string
		want              time.Duration
		ok                bool
	}{
		{name: "none"},
		{name: "seconds", value: "120", want: 2 * time.Minute, ok: true},
		{name: "zero", value: "0", ok: true},
		{name: "leading zeros", value: "007", want: 7 * time.Second, ok: true},
		{name: "space around", value: " \t5 ", want: 5 * time.Second, ok: true},
		{name: "a day", value: "86400", want: 24 * time.Hour, ok: true},
		{name: "more than a day", value: "86401", want: 24 * time.Hour, ok: true},
		{name: "seconds that a duration cannot hold", value: "9223372036854775807", want: 24 * time.Hour, ok: true},
		{name: "more digits than a number has", value: "99999999999999999999999", want: 24 * time.Hour, ok: true},
		{name: "negative", value: "-1"},
		{name: "signed", value: "+1"},
		{name: "fraction", value: "1.5"},
		{name: "exponent", value: "1e3"},
		{name: "hexadecimal", value: "0x10"},
		{name: "underscore", value: "1_000"},
		{name: "unit", value: "5s"},
		{name: "list", value: "1, 2"},
		{name: "words", value: "soon"},
		{name: "blank", value: "  "},
		{name: "digits that are not ASCII", value: "٣"},
		{name: "date", value: date(90 * time.Second), want: 90 * time.Second, ok: true},
		{name: "now", value: date(0), ok: true},
		{name: "date in the past", value: date(-time.Second), ok: true},
		{name: "date long ago", value: "Mon, 01 Jan 0001 00:00:00 GMT", ok: true},
		{name: "date far ahead", value: "Fri, 31 Dec 9999 23:59:59 GMT", want: 24 * time.Hour, ok: true},
		{name: "date as of RFC 850", value: "Sunday, 22-Nov-26 04:00:10 GMT", want: 10 * time.Second, ok: true},
		{name: "date as of asctime", value: "Sun Nov 22 04:00:10 2026", want: 10 * time.Second, ok: true},
		{name: "date of another standard", value: "2026-11-22T04:00:10Z"},
		{name: "day that does not exist", value: "Sun, 31 Nov 2026 04:00:10 GMT"},
		{name: "the server's clock is ahead", value: date(time.Hour + time.Minute), date: date(time.Hour), want: time.Minute, ok: true},
		{name: "the server's clock is behind", value: date(-time.Hour), date: date(-time.Hour - time.Minute), want: time.Minute, ok: true},
		{name: "the server's clock is garbage", value: date(time.Minute), date: "noon", want: time.Minute, ok: true},
		{name: "seconds need no clock", value: "3", date: date(time.Hour), want: 3 * time.Second, ok: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			if test.value != "" {
				h.Set("Retry-After", test.value)
			}
			if test.date != "" {
				h.Set("Date", test.date)
			}
			if got, ok := httpx.RetryAfter(h, now); got != test.want || ok != test.ok {
				t.Errorf("Retry-After %q: got %s %t, want %s %t", test.value, got, ok, test.want, test.ok)
			}
		})
	}
	if got, ok := httpx.RetryAfter(nil, now); got != 0 || ok {
		t.Errorf("no headers: got %s %t", got, ok)
	}
}

// FuzzRetryAfter holds every answer within its bounds, and seconds against
// arithmetic without limits.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "86401", "99999999999999999999", "Sun, 22 Nov 2026 04:00:10 GMT", "Sunday, 22-Nov-26 04:00:10 GMT", "Sun Nov 22 04:00:10 2026", "1.5", "soon"} {
		f.Add(seed, "")
		f.Add(seed, "Sun, 22 Nov 2026 04:00:00 GMT")
	}
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	digits := regexp.MustCompile(`^[ \t]*([0-9]+)[ \t]*$`)
	f.Fuzz(func(t *testing.T, value, date string) {
		got, ok := httpx.RetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if got < 0 || got > 24*time.Hour || (!ok && got != 0) {
			t.Errorf("%q %q: got %s %t", value, date, got, ok)
		}
		m := digits.FindStringSubmatch(value)
		if m == nil {
			if _, err := http.ParseTime(strings.Trim(value, " \t")); ok != (err == nil) {
				t.Errorf("%q: got %s %t, and as a date %v", value, got, ok, err)
			}
			return
		}
		n, _ := new(big.Int).SetString(m[1], 10)
		if day := big.NewInt(24 * 3600); n.Cmp(day) > 0 {
			n = day
		}
		if want := time.Duration(n.Int64()) * time.Second; !ok || got != want {
			t.Errorf("%q: got %s %t, want %s", value, got, ok, want)
		}
	})
}
