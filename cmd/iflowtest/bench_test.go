package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

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

// allReports opens the three reports as the command does, with the files in
// dir and a console that nobody reads.
func allReports(tb testing.TB, dir string) *reports {
	tb.Helper()
	p := &program{out: io.Discard, err: io.Discard}
	r, err := p.openReports(&global{color: "never"}, &runFlags{
		junit: filepath.Join(dir, "TEST.xml"), junitPlaces: "never", json: filepath.Join(dir, "run.jsonl"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func runPlan(tb testing.TB, plan *runner.Plan, dir string) {
	tb.Helper()
	r := allReports(tb, dir)
	summary, err := plan.Run(tb.Context(), r.events)
	r.close()
	if err := errors.Join(err, r.err); err != nil || summary.ExitStatus != 0 {
		tb.Fatal(err, summary)
	}
}

// bearer gets a token the bare way.
func bearer(tb testing.TB, client *http.Client, t *sandbox.Tenant) string {
	tb.Helper()
	var key struct {
		OAuth struct{ ClientID, ClientSecret, TokenURL string } `json:"oauth"`
	}
	decode(tb, t.Keys()[0].JSON, &key)
	form := strings.NewReader("grant_type=client_credentials&client_id=" + queryEscape(key.OAuth.ClientID) + "&client_secret=" + queryEscape(key.OAuth.ClientSecret))
	response, err := client.Post(key.OAuth.TokenURL, "application/x-www-form-urlencoded", form)
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
// net/http alone: with a client of its own, as a run has one.
func floor(tb testing.TB, t *sandbox.Tenant, n int) {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	token := bearer(tb, client, t)
	url := t.URL(sandbox.Runtime) + "/http/orders"
	for i := range n {
		request, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, bytes.NewReader(fmt.Appendf(nil, `{"sku":"A-%d","qty":2}`, i)))
		if err != nil {
			tb.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
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
	dir := b.TempDir()
	scenario := manyCalls(calls)
	runPlan(b, planOf(b, t, scenario, runner.Options{}), dir)
	floor(b, t, calls)
	var ours, bare time.Duration
	for b.Loop() {
		plan := planOf(b, t, scenario, runner.Options{})
		runtime.GC()
		start := time.Now()
		runPlan(b, plan, dir)
		ours += time.Since(start)
		runtime.GC()
		start = time.Now()
		floor(b, t, calls)
		bare += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N*calls), "µs/call")
	b.ReportMetric(float64(bare.Microseconds())/float64(b.N*calls), "floor-µs/call")
}

// BenchmarkLargeAnswers measures 20 answers of 5 MB with five paths each, and
// reading and validating the same answers with net/http and gjson alone.
func BenchmarkLargeAnswers(b *testing.B) {
	const calls = 20
	body := largeBody(5 << 20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}))
	defer server.Close()
	var scenario strings.Builder
	scenario.WriteString("name: Large answers\nsteps:\n")
	for range calls {
		fmt.Fprintf(&scenario, `  - call: {GET: "%s/"}
    expect:
      json:
        rows.0.sku: A-0
        rows.10000.sku: A-10000
        rows.#: {gt: 20000}
        rows.20000.qty: 20000
        total: 42
`, server.URL)
	}
	t := served(b)
	dir := b.TempDir()
	var ours, bare time.Duration
	for b.Loop() {
		plan := planOf(b, t, scenario.String(), runner.Options{})
		runtime.GC()
		start := time.Now()
		runPlan(b, plan, dir)
		ours += time.Since(start)
		runtime.GC()
		start = time.Now()
		for range calls {
			response, err := http.Get(server.URL)
			if err != nil {
				b.Fatal(err)
			}
			read, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil || !gjson.ValidBytes(read) {
				b.Fatal(err)
			}
		}
		bare += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N*calls), "µs/call")
	b.ReportMetric(float64(bare.Microseconds())/float64(b.N*calls), "floor-µs/call")
}

// largeBody is a JSON document of at least size bytes.
func largeBody(size int) []byte {
	b := []byte(`{"rows":[`)
	for i := 0; len(b) < size; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"sku":"A-%d","qty":%d,"text":"%s"}`, i, i, strings.Repeat("x", 150))
	}
	return append(b, `],"total":42}`...)
}

// BenchmarkParallel measures 100 scenarios of one call of 200 ms each, 32 at a
// time; the metric "ratio" is through the ideal, four rounds of 200 ms.
func BenchmarkParallel(b *testing.B) {
	const scenarioCount, parallel, delay = 100, 32, 200 * time.Millisecond
	t := served(b)
	var scenario strings.Builder
	for i := range scenarioCount {
		fmt.Fprintf(&scenario, "name: S%d\nsteps:\n  - call: {GET: \"/http/slow?ms=%d\", credential: sender}\n---\n", i, delay.Milliseconds())
	}
	text := strings.TrimSuffix(scenario.String(), "---\n")
	dir := b.TempDir()
	var ours time.Duration
	for b.Loop() {
		plan := planOf(b, t, text, runner.Options{Parallel: parallel})
		start := time.Now()
		runPlan(b, plan, dir)
		ours += time.Since(start)
	}
	rounds := (scenarioCount + parallel - 1) / parallel
	b.ReportMetric(float64(ours)/float64(b.N)/float64(time.Duration(rounds)*delay), "ratio")
}

// BenchmarkMemory runs 5,000 calls with five assertions each and all reports
// in a process of its own, against a sandbox tenant in another: the metric
// "peak-MB" is the most that the process held. "growth-MB" is what the live
// heap of a run grew between call 500 and the last.
func BenchmarkMemory(b *testing.B) {
	const calls = 5000
	t := served(b)
	dir := b.TempDir()
	file, env := filepath.Join(dir, "many.yaml"), filepath.Join(dir, "env.yaml")
	for name, data := range map[string][]byte{file: []byte(manyCalls(calls)), env: t.EnvironmentYAML()} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "iflowtest")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	var peak, growth float64
	for b.Loop() {
		cmd := exec.Command("peak", binary, "run", file, "-e", env, "--junit", filepath.Join(dir, "TEST.xml"), "--json", filepath.Join(dir, "run.jsonl"))
		out, err := cmd.Output()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		held, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			b.Fatal(err)
		}
		peak = max(peak, held)
		growth = max(growth, heapGrowth(b, t, dir, calls))
	}
	b.ReportMetric(peak, "peak-MB")
	b.ReportMetric(growth, "growth-MB")
}

// peak runs a command and prints the most memory that it held, in MB. It is a
// process of its own, as a new process counts what its parent held.
func peak() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(peakMB(cmd.ProcessState))
}

// heapGrowth gives the growth of the live heap from call 500 to the last.
func heapGrowth(b *testing.B, t *sandbox.Tenant, dir string, calls int) float64 {
	b.Helper()
	plan := planOf(b, t, manyCalls(calls), runner.Options{})
	r := allReports(b, dir)
	var early, late uint64
	done := 0
	_, err := plan.Run(b.Context(), func(batch []*runner.Event) {
		r.events(batch)
		for _, e := range batch {
			if e.Event != runner.StepEnd {
				continue
			}
			switch done++; done {
			case 500:
				early = liveHeap()
			case calls:
				late = liveHeap()
			}
		}
	})
	r.close()
	if err := errors.Join(err, r.err); err != nil {
		b.Fatal(err)
	}
	return (float64(late) - float64(early)) / 1e6
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkVersion measures "iflowtest version" against a program that prints
// a line, in turn; "extra-ms" is how much longer the first takes.
func BenchmarkVersion(b *testing.B) {
	dir := b.TempDir()
	line := filepath.Join(dir, "line.go")
	if err := os.WriteFile(line, []byte("package main\n\nfunc main() { println(\"a line\") }\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	ours, bare := filepath.Join(dir, "iflowtest"), filepath.Join(dir, "line")
	for binary, source := range map[string]string{ours: ".", bare: line} {
		if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	var first, second time.Duration
	for b.Loop() {
		for _, p := range []struct {
			total *time.Duration
			cmd   *exec.Cmd
		}{{&first, exec.Command(ours, "version")}, {&second, exec.Command(bare)}} {
			start := time.Now()
			if err := p.cmd.Run(); err != nil {
				b.Fatal(err)
			}
			*p.total += time.Since(start)
		}
	}
	b.ReportMetric(float64((first-second).Microseconds())/1000/float64(b.N), "extra-ms")
}
