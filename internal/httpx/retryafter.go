package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a server can ask for: nobody waits longer.
const maxRetryAfter = 24 * time.Hour

// RetryAfter gives the time that Retry-After asks to wait from now on (RFC
// 9110 10.2.3): whole seconds or a date, which is taken by the server's own
// clock where the header Date tells it. A date in the past is no wait, and
// more than a day counts as a day. It is false when the header is missing or
// says neither.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := strings.Trim(h.Get("Retry-After"), " \t")
	if isDigits(value) {
		// Too many digits for a number are more than a day as well.
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true
		}
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
