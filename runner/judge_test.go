package runner

import (
	"strings"
	"testing"
	"testing/synctest"

	"iflowtest/internal/secret"
)

// TestNotJudged: an assertion whose operand cannot be computed is an error, as
// nothing is known of the answer; beside one that does not hold it is a failure.
func TestNotJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for expect, want := range map[string]Outcome{
			`{method: "${int(word)}"}`:              Error,
			`{method: "${int(word)}", path: other}`: Fail,
		} {
			r := newRig(t)
			events, summary := r.events("name: A\nvars: {word: abc}\nsteps:\n  - call: {GET: /http/echo, credential: sender}\n    expect:\n      json: "+expect+"\n", Options{})
			for _, e := range events {
				if e.Event != StepEnd {
					continue
				}
				if e.Outcome != want || (e.Err != nil) != (want == Error) {
					t.Errorf("%s: outcome %s, error %v", expect, e.Outcome, e.Err)
				}
				if e.Err != nil && (e.Err.Type != TypeExpression || !strings.Contains(e.Err.Message, ":6:") || !strings.Contains(e.Err.Message, "abc")) {
					t.Errorf("%s: %+v", expect, e.Err)
				}
			}
			if summary.ExitStatus != ExitAssertion {
				t.Errorf("%s: exit status %d", expect, summary.ExitStatus)
			}
		}
	})
}

// TestBodySize: the size of a body that is shown whole is that of what is shown.
func TestBodySize(t *testing.T) {
	r := secret.NewRedactor()
	r.Add("pin", "topsecretpin1")
	g := &gate{redactor: r}
	for body, cut := range map[string]bool{"a\x00b topsecretpin1": false, "": false, strings.Repeat("ä\x00", maxShownBody): true} {
		shown, size := g.body(body)
		if (size > int64(len(shown))) != cut || !cut && size != int64(len(shown)) {
			t.Errorf("%.10q: %d of %d bytes", body, len(shown), size)
		}
	}
}
