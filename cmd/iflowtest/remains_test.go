package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"iflowtest/internal/sandbox"
	"iflowtest/runner"
)

// provisioningSuite provisions in several scenarios side by side, with limits
// of seconds: an instance, two keys, a call with one of them, and in the last
// two scenarios also what a file created once for both.
func provisioningSuite() map[string]string {
	files := map[string]string{
		"suite/_shared.yaml": `steps:
  - service-instance: {name: "shared-${run.id}", plan: api, parameters: {roles: [MonitoringDataRead]}}
    timeout: 3s
  - service-key: {name: shared-key, instance: "shared-${run.id}", credential: shared}
    timeout: 3s
`,
	}
	for i := range 6 {
		include := ""
		if i >= 4 {
			include = "  - include: {file: _shared.yaml, once: true}\n  - token: {credential: shared}\n    timeout: 2s\n"
		}
		files[fmt.Sprintf("suite/s%d.yaml", i)] = fmt.Sprintf(`name: Provisions %[1]d
steps:
%[2]s  - service-instance: {name: "s%[1]d-${run.id}", plan: integration-flow, parameters: {roles: [ESBMessaging.send]}}
    timeout: 3s
  - service-key: {name: first, instance: "s%[1]d-${run.id}", credential: made}
    timeout: 3s
  - call: {POST: /http/orders, credential: made, json: {sku: A-100, qty: 1}}
    timeout: 2s
  - service-key: {name: second, instance: "s%[1]d-${run.id}"}
    timeout: 3s
cleanup:
  - call: {GET: /http/echo, credential: made}
    timeout: 1s
`, i, include)
	}
	return files
}

// yard is a tenant of its own, the suite, and a folder for journals.
type yard struct {
	tenant  *sandbox.Tenant
	dir     string
	journal string
	before  string
}

func newYard(t *testing.T, config string, files map[string]string) *yard {
	t.Helper()
	c, diags := sandbox.ParseConfig("sandbox.yaml", []byte(config))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	tenant, err := sandbox.New(sandbox.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tenant.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	y := &yard{tenant: tenant, dir: t.TempDir()}
	y.journal = filepath.Join(y.dir, "journal")
	for name, text := range files {
		file := filepath.Join(y.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(y.dir, "env.yaml"), tenant.EnvironmentYAML(), 0o600); err != nil {
		t.Fatal(err)
	}
	if y.before, err = y.control(http.MethodGet, "state", ""); err != nil {
		t.Fatal(err)
	}
	return y
}

// control asks or tells the tenant itself.
func (y *yard) control(method, what, body string) (string, error) {
	request, err := http.NewRequest(method, y.tenant.URL(sandbox.Control)+"/_sandbox/"+what, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "text/plain")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, what, response.Status, data)
	}
	return string(data), err
}

// command is the program in a process of its own.
func (y *yard) command(args ...string) (*exec.Cmd, *strings.Builder) {
	var out strings.Builder
	cmd := exec.Command("iflowtest", append(args, "-e", filepath.Join(y.dir, "env.yaml"), "--journal", y.journal)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = y.dir, &out, &out
	return cmd, &out
}

func (y *yard) suite(more ...string) (*exec.Cmd, *strings.Builder) {
	return y.command(append([]string{"run", "suite", "--parallel", "6"}, more...)...)
}

// status gives the exit status of a process that ran.
func status(err error) int {
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return 0
	case ok:
		return exit.ExitCode()
	}
	return -2
}

// clean cleans up, and wants nothing to be left: neither in the tenant, nor in
// the folder of journals.
func (y *yard) clean() error {
	if _, err := y.control(http.MethodDelete, "faults", ""); err != nil {
		return err
	}
	cmd, out := y.command("cleanup")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cleanup: %w\n%s", err, out)
	}
	after, err := y.control(http.MethodGet, "state", "")
	if err != nil {
		return err
	}
	if after != y.before {
		return fmt.Errorf("left behind after cleanup:\n%s\nwas:\n%s\ncleanup said:\n%s", after, y.before, out)
	}
	journals, err := os.ReadDir(y.journal)
	if os.IsNotExist(err) {
		return nil
	}
	for _, j := range journals {
		data, _ := os.ReadFile(filepath.Join(y.journal, j.Name())) // for the message
		err = errors.Join(err, fmt.Errorf("a journal is left, %s:\n%s\ncleanup said:\n%s", j.Name(), data, out))
	}
	return err
}

// randomFault gives a fault of any kind at any place, for some requests or for
// all.
func randomFault(r *rand.Rand) string {
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	count := ""
	if r.IntN(4) > 0 {
		count = ",count=" + strconv.Itoa(1+r.IntN(8))
	}
	place := "part=cloud-foundry,path=" + one(
		"/", "/v3/*", "/v3/organizations", "/v3/spaces", "/v3/service_plans", "/v3/jobs/*",
		"/v3/service_instances", "/v3/service_instances/*", "/v3/service_credential_bindings", "/v3/service_credential_bindings/*", "/v3/service_credential_bindings/*/details")
	method := one("", ",method=GET", ",method=POST", ",method=DELETE")
	name := one("", ",name=s[0-3]-*", ",name=first", ",name=s*", ",name=shared*")
	f := one(
		"connection-reset:"+place+method, "connection-reset:lost=answer,"+place+method, "connection-reset:lost=answer,part=cloud-foundry,method="+one("POST", "DELETE"),
		"connection-reset:part="+one("uaa", "token", "runtime"), "truncated-body:"+place+method, "truncated-body:part="+one("uaa", "token"),
		"cf-429:retry-after=1,"+place+method,
		"provision-fails:"+place[len("part=cloud-foundry,"):]+name, "provision-fails:path=/v3/*"+name,
		"provision-slow:seconds="+one("0.5", "2", "10")+name, "provision-stuck:path=/v3/*"+name,
		"delete-fails:path=/v3/*"+name, "delete-fails:"+place[len("part=cloud-foundry,"):]+name,
		"token-500:path=/oauth/token", "token-503:path=/oauth/token", "token-429:retry-after=1", "token-garbage:path=/oauth/token", "secret-revoked:part=token",
		"runtime-503:path=/http/*",
	)
	return f + count
}

// TestNothingRemains runs the suite many times, each with a fault at a random
// place or ended by SIGKILL at a random moment: after a cleanup nothing is
// left. REMAINS=200,50 makes 200 and 50 runs, REMAINS_SEED repeats those of a
// former test.
func TestNothingRemains(t *testing.T) {
	faults, kills, seed := 15, 10, rand.Uint64()
	if text := os.Getenv("REMAINS"); text != "" {
		if _, err := fmt.Sscanf(text, "%d,%d", &faults, &kills); err != nil {
			t.Fatalf("REMAINS=%s: two numbers are wanted, such as 200,50", text)
		}
	} else if testing.Short() {
		faults, kills = 5, 3
	}
	if text := os.Getenv("REMAINS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("REMAINS_SEED=%s: a whole number is wanted", text)
		}
	}
	t.Logf("REMAINS=%d,%d REMAINS_SEED=%d", faults, kills, seed)
	t.Run("faults", func(t *testing.T) { faultyRuns(t, faults, seed) })
	t.Run("kills", func(t *testing.T) {
		left, creating := killedRuns(t, kills, seed)
		t.Logf("of %d killed runs %d had left something before cleanup, %d were killed with a create in progress", kills, left, creating)
		if left < kills/2 || kills >= 50 && creating < kills/10 {
			t.Errorf("too few of %d: %d had left something, %d were in the middle of a create", kills, left, creating)
		}
	})
}

// beside does something n times, some at the same time, each on a yard that
// nobody else uses meanwhile; each has random numbers of its own.
func beside(t *testing.T, n int, seed uint64, config string, do func(y *yard, i int, r *rand.Rand)) {
	t.Helper()
	const workers = 4
	next := make(chan int)
	var all sync.WaitGroup
	for range min(workers, n) {
		y := newYard(t, config, provisioningSuite())
		all.Go(func() {
			for i := range next {
				do(y, i, rand.New(rand.NewPCG(seed, uint64(i))))
			}
		})
	}
	for i := range n {
		if t.Failed() {
			break
		}
		next <- i
	}
	close(next)
	all.Wait()
}

func faultyRuns(t *testing.T, n int, seed uint64) {
	var mu sync.Mutex
	ends, dirty := map[int]int{}, 0
	beside(t, n, seed, "{}", func(y *yard, i int, r *rand.Rand) {
		f := randomFault(r)
		if _, err := y.control(http.MethodPost, "faults", f); err != nil {
			t.Errorf("run %d: %s: %v", i, f, err)
			return
		}
		cmd, out := y.suite()
		end := status(cmd.Run())
		after, err := y.control(http.MethodGet, "state", "")
		if end < 0 || end == runner.ExitUsage || end == runner.ExitInvalid {
			t.Errorf("run %d: %s: exit status %d\n%s", i, f, end, out)
		}
		// What is left is told: with status 0 there is nothing.
		if err == nil && after != y.before && !strings.Contains(out.String(), "iflowtest cleanup --run ") {
			t.Errorf("run %d: %s: something is left, and the run does not say so:\n%s\n%s", i, f, after, out)
		}
		if err := errors.Join(err, y.clean()); err != nil {
			t.Errorf("run %d: %s: exit status %d: %v\nthe run said:\n%s", i, f, end, err, out)
		}
		mu.Lock()
		defer mu.Unlock()
		ends[end]++
		if after != y.before {
			dirty++
		}
	})
	t.Logf("%d runs with a fault; exit statuses and how often: %v; %d had left something before cleanup", n, ends, dirty)
}

// killedRuns ends each run after a random number of its events: how long a run
// takes depends on the machine, how many events it has does not.
func killedRuns(t *testing.T, n int, seed uint64) (left, creating int) {
	const config = "provisioning: 250ms\nlatency: 2ms\n"
	y := newYard(t, config, provisioningSuite())
	whole, out, err := y.killed(math.MaxInt, 0)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var mu sync.Mutex
	beside(t, n, seed, config, func(y *yard, i int, r *rand.Rand) {
		at, pause := 1+r.IntN(whole), time.Duration(r.Int64N(int64(200*time.Millisecond)))
		_, out, err := y.killed(at, pause)
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			t.Error(err)
			return
		}
		after, err := y.control(http.MethodGet, "state", "")
		if err := errors.Join(err, y.clean()); err != nil {
			t.Errorf("run %d, killed %v after event %d of %d: %v\nthe run said:\n%s", i, pause, at, whole, err, out)
		}
		mu.Lock()
		defer mu.Unlock()
		if after != y.before {
			left++
		}
		if strings.Contains(after, "create in progress") {
			creating++
		}
	})
	return left, creating
}

// killed runs the suite and ends it by SIGKILL a pause after that many events;
// it gives how many there were.
func (y *yard) killed(after int, pause time.Duration) (events int, out *strings.Builder, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer r.Close()
	cmd, out := y.suite("--json", "/dev/fd/3")
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, out, err
	}
	var killer *time.Timer
	for lines := bufio.NewReader(r); ; events++ {
		if _, err := lines.ReadBytes('\n'); err != nil {
			break // the program has ended
		}
		if events+1 == after {
			killer = time.AfterFunc(pause, func() { _ = cmd.Process.Kill() }) // it may have ended
		}
	}
	err = cmd.Wait()
	if killer != nil {
		killer.Stop()
	}
	return events, out, err
}

// TestCleanupBesideRun: the same suite twice at the same time in one space, one
// of them killed, and a cleanup while the other works: the other passes.
func TestCleanupBesideRun(t *testing.T) {
	y := newYard(t, "provisioning: 200ms\n", provisioningSuite())
	for i := range 2 {
		victim, _ := y.suite()
		other, out := y.suite()
		if err := errors.Join(victim.Start(), other.Start()); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- other.Wait() }()
		if err := y.until(func(state string) bool { return strings.Count(state, `"plan": "integration-flow"`) > 6 }); err != nil {
			t.Fatal(err)
		}
		_ = victim.Process.Kill()
		_ = victim.Wait()
		cleanup, said := y.command("cleanup", "--older-than", "1ns")
		if err := cleanup.Run(); err != nil {
			t.Errorf("cleanup: %v\n%s", err, said)
		}
		if err := <-ended; err != nil {
			t.Errorf("round %d: the other run: %v\n%s\ncleanup said:\n%s", i, err, out, said)
		}
		if err := y.clean(); err != nil {
			t.Error(err)
		}
	}
}

// until looks at the state of the tenant until it is as it should be.
func (y *yard) until(holds func(state string) bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		state, err := y.control(http.MethodGet, "state", "")
		if err != nil || holds(state) {
			return err
		}
		<-tick.C
	}
	return errors.New("the state of the tenant never came to what is waited for")
}
