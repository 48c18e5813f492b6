package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"iflowtest/internal/report"
	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

// served is a sandbox tenant on real sockets, for benchmarks.
func served(tb testing.TB) *sandbox.Tenant {
	tb.Helper()
	t, err := sandbox.New(sandbox.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := t.Listen("127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.Serve(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return t
}

// manyCalls is a scenario of n calls with five assertions each.
func manyCalls(n int) string {
	var b strings.Builder
	b.WriteString("name: Many calls\nsteps:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: call %d
    call: {POST: /http/orders, credential: sender, json: {sku: A-%[1]d, qty: 2}}
    expect:
      status: 200
      headers: {content-type: {contains: json}}
      json:
        lines.0.sku: A-%[1]d
        lines.0.qty: 2
        id: {type: string}
`, i)
	}
	return b.String()
}

// planOf compiles a scenario for a tenant.
func planOf(tb testing.TB, t *sandbox.Tenant, scenario string, o runner.Options) *runner.Plan {
	tb.Helper()
	dir := tb.TempDir()
	file := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		tb.Fatal(err)
	}
	suite, _, diags, err := scenarios.Load([]string{file}, scenarios.LoadOptions{Root: dir})
	if err != nil || diags.HasErrors() {
		tb.Fatal(err, diags)
	}
	env, diags := scenarios.ReadEnvironment("sandbox", dir, t.EnvironmentYAML())
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	o.Sandbox = env
	if o.Redactor == nil {
		o.Redactor = secret.NewRedactor()
	}
	plan, diags, err := runner.Compile(suite, nil, o)
	if err != nil || diags.HasErrors() {
		tb.Fatal(err, diags)
	}
	return plan
}

// allReports gives the three reporters, writing to files and nowhere.
func allReports(tb testing.TB) report.Reporter {
	tb.Helper()
	dir := tb.TempDir()
	junit, err := report.Create(filepath.Join(dir, "TEST.xml"))
	if err != nil {
		tb.Fatal(err)
	}
	lines, err := report.Create(filepath.Join(dir, "run.jsonl"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = junit.Close(); _ = lines.Close() })
	j, err := report.NewJUnit(junit, report.JUnitOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return report.Tee(j, report.NewJSONLines(lines), report.NewConsole(report.ConsoleOptions{Out: io.Discard}))
}

func runPlan(tb testing.TB, plan *runner.Plan) {
	tb.Helper()
	reports := allReports(tb)
	summary, err := plan.Run(tb.Context(), func(e *runner.Event) {
		if err := reports.Event(e); err != nil {
			tb.Error(err)
		}
	})
	if err != nil || summary.ExitStatus != 0 {
		tb.Fatal(err, summary)
	}
	if err := reports.Close(); err != nil {
		tb.Fatal(err)
	}
}

// bearer gets a token the bare way.
func bearer(tb testing.TB, t *sandbox.Tenant) string {
	tb.Helper()
	var key struct {
		OAuth struct{ ClientID, ClientSecret, TokenURL string } `json:"oauth"`
	}
	decode(tb, t.Keys()[0].JSON, &key)
	form := strings.NewReader("grant_type=client_credentials&client_id=" + queryEscape(key.OAuth.ClientID) + "&client_secret=" + queryEscape(key.OAuth.ClientSecret))
	response, err := http.Post(key.OAuth.TokenURL, "application/x-www-form-urlencoded", form)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	decode(tb, body, &token)
	return token.AccessToken
}

// floor sends the requests of manyCalls, that for the token included, with
// net/http alone.
func floor(tb testing.TB, t *sandbox.Tenant, n int) {
	tb.Helper()
	token := bearer(tb, t)
	url := t.URL(sandbox.Runtime) + "/http/orders"
	for i := range n {
		request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, bytes.NewReader(fmt.Appendf(nil, `{"sku":"A-%d","qty":2}`, i)))
		if err != nil {
			tb.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			tb.Fatal(err)
		}
		_, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			tb.Fatal(err, response.Status)
		}
	}
}

// BenchmarkCalls measures 200 calls with five assertions each, all reports
// on, and the same requests with net/http alone, in turn; the metric "ratio"
// is the first through the second.
func BenchmarkCalls(b *testing.B) {
	const calls = 200
	t := served(b)
	scenario := manyCalls(calls)
	runPlan(b, planOf(b, t, scenario, runner.Options{}))
	floor(b, t, calls)
	var ours, bare time.Duration
	for b.Loop() {
		plan := planOf(b, t, scenario, runner.Options{})
		start := time.Now()
		runPlan(b, plan)
		ours += time.Since(start)
		start = time.Now()
		floor(b, t, calls)
		bare += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N*calls), "µs/call")
	b.ReportMetric(float64(bare.Microseconds())/float64(b.N*calls), "floor-µs/call")
}
