// Package gate tells whether service keys are still good, before something is
// deployed that needs them: a list of checks for each key, each with a verdict
// that names cause and cure. It knows three answers: fine, invalid, and could
// not find out; the last is never taken for one of the others.
//
// It emits the events of package runner: a scenario for each key, a step for
// each check. It prints nothing.
package gate

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
	"iflowtest/runner"
)

// The defaults of Options.
const (
	// DefaultParallel is how many keys are looked at side by side.
	DefaultParallel = 32
	// DefaultMinLifetime is a token's least life: less does not carry a call
	// through, with clocks that differ by a minute.
	DefaultMinLifetime = time.Minute
)

// requestLimit bounds what is asked of one server for one key, with the waits
// that a 429 or a 503 asks for.
const requestLimit = time.Minute

// Input is one key to look at.
type Input struct {
	// Name is how the key is called; it begins the names of its secrets.
	Name string
	// File, Line, Column and Document are the place of the key in reports, as
	// in [runner.Event]. Whole says that File is the key and nothing else, so
	// that places inside of the document are places in it.
	File         string
	Line, Column int
	Document     string
	Whole        bool
	// Key is a service key as it stands, in any shape of wire/sap.md 1.2 to
	// 1.7 or in base64; nil: Written is all there is.
	Key []byte
	// Written is spelled out by an environment; what is there holds instead of
	// what the key has.
	Written servicekey.Key
	// Password opens the private key; zero: it is not encrypted.
	Password secret.Secret
	// AuthStyle, Scope and Params are those of [oauth.Credential].
	AuthStyle, Scope string
	Params           []oauth.Param
	// Unread is why the key could not be had; nil: it was.
	Unread *runner.PlatformError
}

// Options say what is asked of every key. The zero value asks for what always
// has to hold.
type Options struct {
	// Scopes must all be granted; see [oauth.HasScope].
	Scopes []string
	// MinDays is how many days a certificate must at least be valid.
	MinDays int
	// MinLifetime is how long a token must live from its issue; 0: it has to
	// live at all.
	MinLifetime time.Duration
	// Probe is a path below the key's url, or an absolute URL, that is asked
	// with the token; empty: none. ProbeLenient takes answers that prove
	// nothing for good.
	Probe        string
	ProbeLenient bool
	// Negative asks with a wrong secret or a wrong certificate as well, which
	// must be refused.
	Negative bool
	// Tenant and Audience are judged when they are not empty.
	Tenant, Audience string
	// Parallel is how many keys are looked at side by side; 0: DefaultParallel.
	Parallel int
	// Version and Environment are shown in reports.
	Version, Environment string
	// HTTP is the way to the servers. Insecure is ignored: a gate that does
	// not know who answers is none.
	HTTP httpx.Options
	// Redactor learns every secret; nil hides none, for the test that proves
	// that it does.
	Redactor *secret.Redactor
	// Log is told what happens; nil: nobody.
	Log *slog.Logger

	// without is the id of a check that is switched off, for the test that
	// shows that each is needed.
	without string
}

// Gate looks at keys. Make it with New; it runs once.
type Gate struct {
	o        Options
	log      *slog.Logger
	client   *httpx.Client
	tokens   *oauth.Source
	verifier *oauth.Verifier
	emitter  *runner.Emitter
	probe    *url.URL
	keys     []*inspection
	checks   []check
	// anotherRSA makes the key of the wrong certificates.
	anotherRSA func() (crypto.Signer, error)

	mu       sync.Mutex
	statuses []int
	steps    runner.Counts
}

// UsageError says what is wrong with the options.
type UsageError struct{ Message string }

// Error gives the message.
func (e *UsageError) Error() string { return e.Message }

// New reads the keys and tells the redactor their secrets. Nothing is sent,
// and what is wrong with a key is told by Run. The error is a *[UsageError].
func New(o Options, inputs []Input) (*Gate, error) {
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	o.HTTP.Insecure = false
	g := &Gate{o: o, log: o.Log, emitter: runner.NewEmitter(o.Redactor), anotherRSA: sync.OnceValues(newRSA)}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if g.probe, err = parseProbe(o.Probe); err != nil {
		return nil, err
	}
	if g.client, err = httpx.New(o.HTTP); err != nil {
		return nil, &UsageError{err.Error()}
	}
	g.tokens = oauth.NewSource(g.client, o.Redactor.AddToken)
	g.verifier = oauth.NewVerifier(g.client)
	g.checks = slices.DeleteFunc(checks(), func(c check) bool { return c.id == o.without })
	for i, in := range inputs {
		g.keys = append(g.keys, g.prepare(i+1, in))
	}
	return g, nil
}

// Close lets go of connections.
func (g *Gate) Close() { g.client.Close() }

// Invalid reports whether a key cannot be used, so that Run sends nothing.
func (g *Gate) Invalid() bool {
	return slices.ContainsFunc(g.keys, func(x *inspection) bool { return len(x.problems) > 0 })
}

// Result is what a gate found.
type Result struct {
	// Keys are in the order of the inputs. Every string in them has passed
	// the redactor.
	Keys    []Key
	Summary runner.Summary
}

// Run looks at every key and emits the events, in batches, from the goroutine
// that called it. It ends when every key has its verdicts; cancel ctx with the
// cause [runner.Interrupted] when a signal arrives.
func (g *Gate) Run(ctx context.Context, emit func([]*runner.Event)) Result {
	started := time.Now()
	events := make(chan *runner.Event, 64)
	send := func(e runner.Event) {
		e.Time = time.Now().UTC()
		events <- &e
	}
	go func() {
		defer close(events)
		send(runner.Event{Event: runner.RunStart, Info: g.info()})
		g.all(ctx, send)
		summary := g.summary(ctx)
		send(runner.Event{Event: runner.RunEnd, Summary: &summary, DurationMs: milliseconds(time.Since(started))})
	}()
	result := Result{}
	for e := range events {
		g.emitter.Clean(e)
		if e.Summary != nil {
			result.Summary = *e.Summary
		}
		emit([]*runner.Event{e})
	}
	for _, x := range g.keys {
		result.Keys = append(result.Keys, x.result())
	}
	return result
}

// all looks at the keys, as many at a time as the options say.
func (g *Gate) all(ctx context.Context, send func(runner.Event)) {
	next := make(chan *inspection)
	var workers sync.WaitGroup
	for range min(g.o.Parallel, len(g.keys)) {
		workers.Go(func() {
			for x := range next {
				x.inspect(ctx, send)
			}
		})
	}
	for _, x := range g.keys {
		next <- x
	}
	close(next)
	workers.Wait()
}

func (g *Gate) info() *runner.RunInfo {
	info := &runner.RunInfo{Version: g.o.Version, Environment: g.o.Environment, Scenarios: len(g.keys)}
	for _, x := range g.keys {
		planned := runner.Planned{ScenarioID: x.id, Scenario: x.in.Name, File: x.in.File, Document: x.in.Document}
		for _, c := range g.checks {
			if c.applies(x) {
				planned.Steps = append(planned.Steps, c.name)
			}
		}
		info.Planned = append(info.Planned, planned)
		if u, err := url.Parse(x.credential.TokenURL); err == nil && u.Host != "" && !slices.Contains(info.Hosts, u.Host) {
			info.Hosts = append(info.Hosts, u.Host)
		}
	}
	slices.Sort(info.Hosts)
	return info
}

func (g *Gate) summary(ctx context.Context) runner.Summary {
	g.mu.Lock()
	defer g.mu.Unlock()
	statuses := g.statuses
	if ctx.Err() != nil {
		statuses = append(slices.Clone(statuses), runner.ExitInterrupted)
	}
	s := runner.Summary{Steps: g.steps}
	s.ExitStatus, s.ExitReason = runner.WorstExit(statuses)
	for _, x := range g.keys {
		count(&s.Scenarios, x.outcome)
	}
	if s.ExitStatus != runner.ExitOK && s.ExitStatus != runner.ExitInterrupted {
		s.ExitReason = g.reason(s.ExitStatus)
	}
	return s
}

// reason names the keys that gave the run its status.
func (g *Gate) reason(status int) string {
	var names []string
	for _, x := range g.keys {
		if slices.Contains(x.statuses, status) {
			names = append(names, x.in.Name)
		}
	}
	what := map[int]string{
		runner.ExitInvalid:    "cannot be used as a service key, and nothing was sent",
		runner.ExitCredential: "not good any more",
		runner.ExitUnknown:    "could not find out",
	}[status]
	const most = 5
	shown := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		shown += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return what + ": " + shown
}

// note counts a verdict.
func (g *Gate) note(v verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	count(&g.steps, v.outcome)
	if v.status != runner.ExitOK {
		g.statuses = append(g.statuses, v.status)
	}
}

func count(n *runner.Counts, o runner.Outcome) {
	n.Total++
	switch o {
	case runner.Pass:
		n.Passed++
	case runner.Fail:
		n.Failed++
	case runner.Error:
		n.Errors++
	case runner.Skip:
		n.Skipped++
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// timeLimit is the cause of a context whose time is up.
type timeLimit struct {
	what string
	d    time.Duration
}

// Error says which limit was hit.
func (l *timeLimit) Error() string { return fmt.Sprintf("limit of %s for %s", l.d, l.what) }

// Timeout makes the HTTP client tell a limit from an interruption.
func (l *timeLimit) Timeout() bool { return true }

func limited(ctx context.Context, what string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, requestLimit, &timeLimit{what, requestLimit})
}

// isLoopback reports whether the literal host of a URL is loopback: only
// there plain http gives nothing away.
func isLoopback(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// plainHTTP reports whether a URL would be asked in the clear over a network.
func plainHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.EqualFold(u.Scheme, "http") && !isLoopback(u)
}

func sameOrigin(a, b string) bool {
	x, errX := httpx.Origin(a)
	y, errY := httpx.Origin(b)
	return errors.Join(errX, errY) == nil && x == y
}
