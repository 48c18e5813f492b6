package main

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestNothingStaysDeployed ends runs that deploy by SIGKILL at random moments:
// after a cleanup the tenant is what it was.
func TestNothingStaysDeployed(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	y := newYard(t, `flows:
  - {id: Draft, endpoint: /http/draft, deployed: false, respond: [{status: 200}]}
  - {id: Other, endpoint: /http/other, deployed: false, respond: [{status: 200}]}
deployment: {build: 100ms, start: 100ms}
latency: 2ms
`, map[string]string{
		"suite/a.yaml": "name: A\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true, undeploy: true}\n  - call: {GET: /http/draft, credential: sender}\n  - artifact: {id: Draft, credential: api, deploy: true}\n",
		"suite/b.yaml": "name: B\nsteps:\n  - artifact: {id: Other, credential: api, deploy: true, undeploy: true}\n",
	})
	whole, out, err := y.killed(1<<30, 0)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	left := 0
	for i := range kills {
		// The first ones are killed for sure while something is deployed.
		at, pause := whole/2, 30*time.Millisecond
		if i > 1 {
			at, pause = 1+r.IntN(whole), time.Duration(r.Int64N(int64(200*time.Millisecond)))
		}
		_, out, err := y.killed(at, pause)
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			t.Fatal(err)
		}
		after, err := y.control(http.MethodGet, "state", "")
		if err := errors.Join(err, y.clean()); err != nil {
			t.Errorf("run %d, killed %v after event %d of %d: %v\nthe run said:\n%s", i, pause, at, whole, err, out)
		}
		if strings.Contains(after, "Draft") && after != y.before {
			left++
		}
	}
	if left == 0 {
		t.Errorf("none of %d killed runs had left anything", kills)
	}
	t.Logf("%d of %d killed runs had left something before cleanup", left, kills)
}
