package main

import (
	"os"
	"strings"
	"testing"
)

// TestPlanHidesSecrets: a plan resolves expressions, and shows no secret, nor
// what is left of one where a long value is cut.
func TestPlanHidesSecrets(t *testing.T) {
	const value = "p\"n % 'ü' $x\nsecond line of it"
	t.Chdir(t.TempDir())
	text := `name: Plan
secrets: [pin]
vars: {pin: "${env.PLAN_SECRET}", long: "` + strings.Repeat("x", 290) + `${env.PLAN_SECRET}"}
steps:
  - name: with ${pin}
    call:
      POST: "/http/echo?p=${urlEncode(pin)}"
      credential: sender
      headers: {X-Pin: "${env.PLAN_SECRET}"}
      json: {pin: "${pin}", long: "${long}"}
    expect: {json: {pin: "${pin}"}}
    poll: {until: {json: {pin: "${pin}"}}}
`
	if err := os.WriteFile("plan.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{nil, {"--json"}} {
		out := leaked(t, []string{"PLAN_SECRET=" + value}, append([]string{"plan", "--sandbox", "plan.yaml"}, more...), value, "second line of it")
		if strings.Contains(out, "xp\"n") || !strings.Contains(out, "***(") || !strings.Contains(out, "nothing was sent") && more == nil {
			t.Errorf("no secret stood there, or a part of one does:\n%s", out)
		}
	}
}
