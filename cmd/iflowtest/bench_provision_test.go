package main

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"iflowtest/runner"
)

// BenchmarkProvision measures scenarios that each create an instance and a key
// and delete them, 32 at a time, with a journal, on a sandbox tenant without
// latency: 50 of them, and how the cost of one grows to 500. The jobs of the
// tenant end at the second look at them, 100 ms after the first.
func BenchmarkProvision(b *testing.B) {
	const parallel = 32
	t := served(b)
	provisioning := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`name: P%[1]d
steps:
  - service-instance: {name: "p%[1]d-${run.id}", plan: integration-flow, parameters: {roles: [ESBMessaging.send]}}
  - service-key: {name: key, instance: "p%[1]d-${run.id}", credential: made}
`, i))
		}
		return strings.Join(all, "---\n")
	}
	took := map[int]time.Duration{}
	for b.Loop() {
		for _, n := range []int{50, 500} {
			plan := planOf(b, t, provisioning(n), runner.Options{Parallel: parallel, Journal: b.TempDir()})
			runtime.GC()
			start := time.Now()
			runPlan(b, plan, b.TempDir())
			took[n] += time.Since(start)
			_ = plan.Close()
		}
	}
	perScenario := func(n int) float64 { return float64(took[n].Microseconds()) / 1000 / float64(b.N*n) }
	b.ReportMetric(took[50].Seconds()/float64(b.N), "s/50")
	b.ReportMetric(took[500].Seconds()/float64(b.N), "s/500")
	b.ReportMetric(perScenario(50), "ms/scenario-of-50")
	b.ReportMetric(perScenario(500), "ms/scenario-of-500")
	b.ReportMetric(perScenario(500)/perScenario(50), "growth")
}
