package oauth

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"iflowtest/internal/httpx"
)

const (
	// smallSkew is how far clocks may be apart without anybody being told.
	smallSkew = time.Minute
	// maxSkew is how far they may be apart for the server's to be believed
	// where this machine's says otherwise.
	maxSkew = 5 * time.Minute
)

// clocks is the time at which a token is judged.
type clocks struct {
	// now is by the clock of this machine.
	now time.Time
	// skew is how far the clock of the server is ahead, when that is known.
	skew  time.Duration
	known bool
}

// clockSkew gives how far the clock of a server is ahead of this machine's, by
// the header Date of an answer. What a request took and the whole seconds of
// the header leave open counts as no difference.
func clockSkew(r *httpx.Response) (skew time.Duration, known bool) {
	if r == nil {
		return 0, false
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	least := date.Sub(r.Started.Add(r.Duration))
	most := date.Add(time.Second).Sub(r.Started)
	switch {
	case least > 0:
		return least, true
	case most < 0:
		return most, true
	}
	return 0, true
}

// judge compares exp, nbf and iat with the clocks: a remark, or why the token
// does not hold, or why that cannot be known.
func (c clocks) judge(j *JWT, tokenURL string) (remark string, certain *Invalid, unsure *Error) {
	local := judgeTimes(j, c.now)
	if !c.known || c.skew == 0 {
		return "", local, nil
	}
	difference := c.difference(tokenURL)
	if invalid := judgeTimes(j, c.now.Add(c.skew)); invalid != nil {
		if c.skew.Abs() > smallSkew {
			invalid.Reason += "; this is by the clock of the server: " + difference
		}
		return "", invalid, nil
	}
	switch {
	case local != nil && c.skew.Abs() > maxSkew:
		return "", nil, &Error{
			Kind:    KindClock,
			Message: fmt.Sprintf("%s, so nothing can be said of the times of the token: by the clock of this machine %s", difference, local.Reason),
			Cure:    "set the clock of this machine (NTP); if it is right, that of the server is wrong",
		}
	case c.skew.Abs() > smallSkew:
		return difference + "; the times of the token are judged by that of the server", nil, nil
	}
	return "", nil, nil
}

// difference says how far the clocks are apart.
func (c clocks) difference(tokenURL string) string {
	server := tokenURL
	if u, err := url.Parse(tokenURL); err == nil {
		server = u.Host
	}
	word := "behind"
	if c.skew < 0 {
		word = "ahead of"
	}
	return fmt.Sprintf("the clock of this machine is %s %s that of %s", c.skew.Abs().Round(time.Second), word, server)
}

// judgeTimes compares exp, nbf and iat with one clock.
func judgeTimes(j *JWT, now time.Time) *Invalid {
	switch {
	case j.Expiry.IsZero():
		return &Invalid{"the token has no exp: it would never expire"}
	case !now.Before(j.Expiry):
		return &Invalid{fmt.Sprintf("the token expired %s ago", now.Sub(j.Expiry).Round(time.Second))}
	case j.NotBefore.After(now.Add(smallSkew)):
		return &Invalid{fmt.Sprintf("the token is valid only in %s (nbf); check the clocks", j.NotBefore.Sub(now).Round(time.Second))}
	case j.IssuedAt.After(now.Add(smallSkew)):
		return &Invalid{fmt.Sprintf("the token was issued %s in the future (iat); check the clocks", j.IssuedAt.Sub(now).Round(time.Second))}
	}
	return nil
}
