package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

// rowsScenario calls once per row, with five assertions.
const rowsScenario = `name: Rows
row-name: ${row.sku}
data: rows.csv
steps:
  - name: accepts an order
    call: {POST: /http/orders, credential: sender, json: {sku: "${row.sku}", qty: "${int(row.qty)}"}}
    expect:
      status: 200
      headers: {content-type: {contains: json}}
      json:
        lines.0.sku: ${row.sku}
        lines.0.qty: ${int(row.qty)}
        id: {type: string}
`

// BenchmarkRows runs files of 10,000, 50,000 and 100,000 rows with all reports
// in a process of its own, against a sandbox tenant in another. The metrics
// are the most that the process held for each, and the cost of a call through
// that of a file of 200, without the first of each.
func BenchmarkRows(b *testing.B) {
	t := served(b)
	dir := b.TempDir()
	env := filepath.Join(dir, "env.yaml")
	if err := os.WriteFile(env, t.EnvironmentYAML(), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rows.yaml"), []byte(rowsScenario), 0o600); err != nil {
		b.Fatal(err)
	}
	binary := filepath.Join(dir, "iflowtest")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	perCall := map[int]time.Duration{}
	for b.Loop() {
		for _, rows := range []int{200, 1_000, 10_000, 50_000, 100_000} {
			var csv strings.Builder
			csv.WriteString("sku,qty\n")
			for i := range rows {
				fmt.Fprintf(&csv, "A-%06d,%d\n", i, i%9+1)
			}
			if err := os.WriteFile(filepath.Join(dir, "rows.csv"), []byte(csv.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			// A short file is over in a moment: its cost is the mean of many runs.
			times := max(1, 10_000/rows)
			var held float64
			for range times {
				cmd := exec.Command("peak", binary, "run", filepath.Join(dir, "rows.yaml"), "-e", env, "--root", dir,
					"--junit", filepath.Join(dir, "TEST.xml"), "--json", filepath.Join(dir, "run.jsonl"))
				cmd.Stderr = os.Stderr
				out, err := cmd.Output()
				if err != nil {
					b.Fatal(err)
				}
				perCall[rows] += steady(b, filepath.Join(dir, "run.jsonl")) / time.Duration((rows-1)*times)
				mb, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
				if err != nil {
					b.Fatal(err)
				}
				held = max(held, mb)
			}
			b.ReportMetric(held, fmt.Sprintf("peak-MB/%d", rows))
		}
	}
	for _, rows := range []int{1_000, 10_000, 50_000, 100_000} {
		b.ReportMetric(float64(perCall[rows])/float64(perCall[200]), fmt.Sprintf("ratio/%d", rows))
	}
	b.ReportMetric(float64(perCall[100_000].Microseconds())/float64(b.N), "µs/call")
}

// steady gives the time from the end of the first step, which gets a token and
// a connection, to the end of the run.
func steady(b *testing.B, file string) time.Duration {
	b.Helper()
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var first, last time.Time
	for lines := bufio.NewScanner(f); lines.Scan(); {
		event := gjson.GetManyBytes(lines.Bytes(), "event", "time")
		switch {
		case event[0].Str == runner.StepEnd && first.IsZero():
			first = event[1].Time()
		case event[0].Str == runner.RunEnd:
			last = event[1].Time()
		}
	}
	return last.Sub(first)
}

// BenchmarkSuite measures 300 scenarios of four calls, 32 at a time, and the
// same requests by 32 workers with net/http alone, in turn.
func BenchmarkSuite(b *testing.B) {
	const scenarioCount, calls, parallel = 300, 4, 32
	t := served(b)
	var text []string
	for i := range scenarioCount {
		s := fmt.Sprintf("name: S%d\nsteps:\n", i)
		for j := range calls {
			s += fmt.Sprintf("  - name: call %d\n    call: {POST: /http/orders, credential: sender, json: {sku: A-%[1]d, qty: 2}}\n    expect: {status: 200, json: {lines.0.sku: A-%[1]d}}\n", j)
		}
		text = append(text, s)
	}
	scenario := strings.Join(text, "---\n")
	dir := b.TempDir()
	var ours, bare time.Duration
	for b.Loop() {
		plan := planOf(b, t, scenario, runner.Options{Parallel: parallel})
		runtime.GC()
		start := time.Now()
		runPlan(b, plan, dir)
		ours += time.Since(start)
		runtime.GC()
		start = time.Now()
		workers(b, t, scenarioCount*calls, parallel)
		bare += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N*scenarioCount*calls), "µs/call")
	b.ReportMetric(float64(bare.Microseconds())/float64(b.N*scenarioCount*calls), "floor-µs/call")
}

// workers sends orders with net/http alone, several at a time.
func workers(tb testing.TB, t *sandbox.Tenant, requests, parallel int) {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: parallel}}
	defer client.CloseIdleConnections()
	token := bearer(tb, client, t)
	url := t.URL(sandbox.Runtime) + "/http/orders"
	next := make(chan int)
	var all sync.WaitGroup
	for range parallel {
		all.Go(func() {
			for i := range next {
				request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, strings.NewReader(fmt.Sprintf(`{"sku":"A-%d","qty":2}`, i%4)))
				if err != nil {
					tb.Error(err)
					continue
				}
				request.Header.Set("Authorization", "Bearer "+token)
				request.Header.Set("Content-Type", "application/json")
				response, err := client.Do(request)
				if err != nil {
					tb.Error(err)
					continue
				}
				if _, err = io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
					tb.Error(err, response.Status)
				}
				_ = response.Body.Close()
			}
		})
	}
	for i := range requests {
		next <- i
	}
	close(next)
	all.Wait()
}

// BenchmarkCompile measures how long it takes to load and compile 1,000
// scenario files.
func BenchmarkCompile(b *testing.B) {
	const files = 1000
	t := served(b)
	dir := b.TempDir()
	for i := range files {
		text := strings.Replace(manyCalls(5), "Many calls", fmt.Sprintf("Many calls %d", i), 1)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("s%04d.yaml", i)), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	env, diags := scenarios.ReadEnvironment("sandbox", dir, t.EnvironmentYAML())
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	for b.Loop() {
		suite, _, diags, err := scenarios.Load([]string{dir}, scenarios.LoadOptions{Root: dir})
		if err != nil || diags.HasErrors() {
			b.Fatal(err, diags)
		}
		plan, diags, err := runner.Compile(suite, nil, runner.Options{Sandbox: env, Redactor: secret.NewRedactor()})
		if err != nil || diags.HasErrors() || plan.Len() != files {
			b.Fatal(err, diags)
		}
		_ = plan.Close()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/1000files")
}
