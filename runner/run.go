package runner

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
)

// session is what the scenarios of a run share. It is safe for concurrent use.
type session struct {
	plan     *Plan
	gate     *gate
	client   *httpx.Client
	tokens   *oauth.Source
	verifier *oauth.Verifier
	redactor *secret.Redactor
	// hurry ends what cleanup is under way some seconds after a signal, for
	// all scenarios at the same time.
	hurry context.Context
	// stop ends when the run is to end at once.
	stop context.Context
	// limited is the context of all steps but those of cleanup.
	limited context.Context
	// bailed says that no further step may start; what runs may end.
	bailed atomic.Bool

	// paces are those of the OData APIs, deployments what the run deployed.
	paces       paces
	deployments deployments
	// clock is that of the tenant, messages whose messages there were.
	clock    tenantClock
	messages messages

	// space is where the run provisions, journal where it notes what.
	space   space
	journal *journal

	// updates are the expected files, with Options.UpdateExpected.
	updates updates

	mu        sync.Mutex
	classes   class
	left      []string // what is left behind
	leftIDs   []int    // the resources among it
	scenarios Counts
	steps     Counts
}

// Run runs the plan and emits its events, in batches of what happened within
// some milliseconds, from one goroutine, in an order that is the same for the
// events of one scenario. It returns when every scenario has ended and cleaned
// up, and every event has been emitted. Cancel ctx with the cause
// [Interrupted] when a signal arrives. The events belong to emit.
func (p *Plan) Run(ctx context.Context, emit func(events []*Event)) (Summary, error) {
	client, err := httpx.New(p.clientOptions())
	if err != nil {
		return Summary{}, err
	}
	defer client.Close()
	s := &session{
		plan:     p,
		gate:     openGate(p.o.Redactor, p.id, emit),
		client:   client,
		tokens:   oauth.NewSource(client, p.o.Redactor.AddToken),
		verifier: oauth.NewVerifier(client),
		redactor: p.o.Redactor,
		journal:  &journal{folder: p.o.Journal, run: p.id},
	}
	defer s.gate.close()
	defer s.journal.close()
	started := time.Now()
	s.gate.send(&Event{Event: RunStart, Info: p.info()})
	s.all(ctx)
	summary := s.summary()
	shown := summary // the gate cleans what it is given
	s.gate.send(&Event{Event: RunEnd, DurationMs: milliseconds(time.Since(started)), Summary: &shown})
	return summary, nil
}

// clientOptions are those of the HTTP client of the run.
func (p *Plan) clientOptions() httpx.Options {
	return httpx.Options{
		Transport:    p.o.Transport,
		CA:           p.target.ca,
		Insecure:     p.target.insecure,
		Proxy:        p.target.proxy,
		LoopbackOnly: p.o.Sandbox != nil,
		Rate:         cmp.Or(p.o.Rate, p.target.rate),
		UserAgent:    "iflowtest/" + cmp.Or(p.o.Version, "devel"),
	}
}

// info describes the run.
func (p *Plan) info() *RunInfo {
	info := &RunInfo{
		Version: cmp.Or(p.o.Version, "devel"), Environment: p.envName,
		Tags: p.o.Tags, Seed: p.o.Seed, Scenarios: len(p.scenarios), Warnings: p.warnings,
	}
	for _, sc := range p.scenarios {
		planned := Planned{ScenarioID: sc.id, Scenario: sc.name, File: sc.file, Document: sc.document}
		if sc.rows != nil {
			planned.Rows = sc.units
		}
		for _, st := range sc.steps {
			planned.Steps = append(planned.Steps, st.fixed)
		}
		info.Planned = append(info.Planned, planned)
	}
	hosts := map[string]bool{}
	for _, base := range []string{p.target.runtime, p.target.api} {
		if u, err := url.Parse(base); err == nil && u.Host != "" {
			hosts[u.Host] = true
		}
	}
	info.Hosts = slices.Sorted(maps.Keys(hosts))
	return info
}

// all runs the scenarios, as many at a time as the options say.
func (s *session) all(ctx context.Context) {
	var end func()
	s.stop, end = s.plan.stopping(ctx)
	defer end()
	hurry, stop := context.WithCancelCause(s.stop)
	defer stop(nil)
	s.hurry = hurry
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(interruptedCleanup, func() { stop(&limit{"cleanup timeout after a signal", interruptedCleanup}) })
		context.AfterFunc(hurry, func() { timer.Stop() })
	})()
	limited := ctx
	if d := s.plan.o.Timeout; d > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, d, &limit{"run timeout", d})
		defer cancel()
	}
	s.limited = limited
	done := make(chan struct{})
	go func() {
		defer close(done)
		q := newQueue(s.plan.scenarios)
		var workers sync.WaitGroup
		for range min(s.plan.o.Parallel, s.plan.units()) {
			workers.Go(func() { s.work(ctx, limited, q) })
		}
		workers.Wait()
		s.endShared(ctx)
	}()
	s.awaits(done)
	if ctx.Err() != nil {
		s.mu.Lock()
		s.classes |= classInterrupted
		s.mu.Unlock()
	}
}

// work is what one worker does: it runs scenarios until none is left.
func (s *session) work(signals, ctx context.Context, q *queue) {
	for j := q.take(); j != nil; j = q.take() {
		if j.rows == nil {
			s.scenario(signals, ctx, j.scenario, j.scenario.id, nil)
		} else {
			for row, ok := q.next(j); ok; row, ok = q.next(j) {
				s.row(signals, ctx, j.scenario, row)
			}
		}
		q.leave(j)
	}
}

// add adds other counts.
func (c *Counts) add(o Counts) {
	c.Total += o.Total
	c.Passed += o.Passed
	c.Failed += o.Failed
	c.Errors += o.Errors
	c.Skipped += o.Skipped
	c.Flaky += o.Flaky
}

// count counts an outcome.
func (c *Counts) count(o Outcome, flaky bool) {
	c.Total++
	switch o {
	case Pass:
		c.Passed++
	case Fail:
		c.Failed++
	case Error:
		c.Errors++
	case Skip:
		c.Skipped++
	}
	if flaky {
		c.Flaky++
	}
}

func (s *session) summary() Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, reason := s.classes.exit()
	sum := Summary{Scenarios: s.scenarios, Steps: s.steps, ExitStatus: status, ExitReason: reason}
	sum.Updated, sum.AsExpected = s.updates.summary()
	if len(s.left) > 0 {
		sum.LeftBehind, sum.CleanupCommand = slices.Clone(s.left), s.plan.cleanupCommandOf(s.leftBy())
	}
	return sum
}

// cleanupCommand is the command that removes what the run leaves behind.
func (p *Plan) cleanupCommand() string { return p.cleanupCommandOf(p.id) }

// cleanupCommandOf is the command that removes what a run of the same
// environment left behind.
func (p *Plan) cleanupCommandOf(run string) string {
	command := "iflowtest cleanup --run " + run
	if p.o.Environment != "" {
		command += " -e " + p.o.Environment
	}
	if p.o.JournalShown != "" {
		command += " --journal " + p.o.JournalShown
	}
	return command
}

// openFile opens a payload file at run time.
func (p *Plan) openFile(from fileRef, name string) (io.ReadCloser, error) {
	f, err := p.files.OpenRelative(from.path, name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// fileSize gives the size of a payload file in bytes.
func (p *Plan) fileSize(from fileRef, name string) (int64, error) {
	f, err := p.files.OpenRelative(from.path, name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
