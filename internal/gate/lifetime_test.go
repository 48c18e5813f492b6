package gate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/runner"
)

// grantedFor is an answer with a token whose claims and expires_in are these; -1
// leaves a value out.
func grantedFor(f *fake, iat, exp, expiresIn time.Duration) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		now := time.Now()
		claims := map[string]any{"iss": "https://" + tokenHost + "/oauth/token"}
		if iat >= 0 {
			claims["iat"] = now.Add(iat).Unix()
		}
		if exp >= 0 {
			claims["exp"] = now.Add(exp).Unix()
		}
		body := map[string]any{"access_token": f.sign(f.key, "key-1", claims), "token_type": "bearer"}
		if expiresIn >= 0 {
			body["expires_in"] = int(expiresIn / time.Second)
		}
		_ = json.NewEncoder(w).Encode(body)
		return true
	}
}

// TestLifetime: what is judged, what the message says and what the table shows is
// one number, to the second, whoever tells it.
func TestLifetime(t *testing.T) {
	const hour, none = time.Hour, time.Duration(-1)
	for name, c := range map[string]struct {
		iat, exp, expiresIn time.Duration
		life                time.Duration
	}{
		"the platform":                      {0, hour, hour - time.Second, hour},
		"a server that counts every second": {0, hour, hour, hour},
		"a token without expires_in":        {0, hour, none, hour},
		"expires_in says less":              {0, hour, 10 * time.Minute, 10*time.Minute + time.Second},
		"expires_in says more":              {0, hour, 2 * hour, hour},
		"no iat":                            {none, hour, hour, hour},
		"no iat, and no expires_in":         {none, hour, none, hour},
		"a second short":                    {0, hour - time.Second, hour - time.Second, hour - time.Second},
		"ten minutes":                       {0, 10 * time.Minute, 10*time.Minute - time.Second, 10 * time.Minute},
		"two seconds":                       {0, 2 * time.Second, time.Second, 2 * time.Second},
		"one second":                        {0, time.Second, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for _, slack := range []time.Duration{-time.Second, 0, time.Second} {
				synctest.Test(t, func(t *testing.T) {
					want := max(c.life+slack, time.Second)
					short := want > c.life
					s := withFake(func(f *fake, s *scene) {
						f.answer = grantedFor(f, c.iat, c.exp, c.expiresIn)
						s.o.MinLifetime = want
					})(t)
					out := s.run(t, "")
					if shown := out.result.Keys[0].cells()[6]; shown != lifetime(c.life) {
						t.Errorf("the table shows %s, want %s", shown, lifetime(c.life))
					}
					if (out.status == runner.ExitCredential) != short || out.status != runner.ExitOK && !short {
						t.Errorf("--min-lifetime %s: exit status %d: %v", want, out.status, out.told)
					}
					if says := fmt.Sprintf("the token lives %s; at least %s is wanted", lifetime(c.life), lifetime(want)); short != strings.Contains(out.told[checkLifetime], says) {
						t.Errorf("--min-lifetime %s: %q is said: want %q: %t", want, out.told[checkLifetime], says, short)
					}
				})
			}
		})
	}
}

// TestDeadOnArrival: a token that lives no second is not good, and what nobody
// says is not known.
func TestDeadOnArrival(t *testing.T) {
	for name, c := range map[string]struct {
		iat, exp, expiresIn time.Duration
		cell                string
		says                string
	}{
		"no second":   {0, 0, 0, "0s", "the token lives 0s; at least 1s is wanted"},
		"nobody says": {0, -1, -1, "-", "nothing says how long the token lives"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := withFake(func(f *fake, _ *scene) { f.answer = grantedFor(f, c.iat, c.exp, c.expiresIn) })(t)
			out := s.run(t, "")
			if cell := out.result.Keys[0].cells()[6]; cell != c.cell || !strings.Contains(out.told[checkLifetime], c.says) {
				t.Errorf("%s: the table shows %s and the message is %q; want %s and %q", name, cell, out.told[checkLifetime], c.cell, c.says)
			}
		})
	}
}

// TestLifetimeText writes durations as people do.
func TestLifetimeText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", time.Minute: "1m", 10 * time.Minute: "10m", 10*time.Minute - time.Second: "9m59s", time.Hour: "1h", 12 * time.Hour: "12h",
		time.Hour + 20*time.Minute: "1h20m", time.Hour + time.Second: "1h0m1s", 100 * time.Hour: "100h", 20*time.Minute + 500*time.Millisecond: "20m0.5s",
	} {
		if got := lifetime(d); got != want {
			t.Errorf("%d ns: %q, want %q", d, got, want)
		}
	}
}
