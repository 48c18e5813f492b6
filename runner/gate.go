package runner

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"iflowtest/internal/secret"
)

// gate is the one way out of a run: every string of an event passes the
// redactor here, and events leave in batches from one goroutine, which works
// while the next requests are on their way. An event waits for batchEvery at
// most.
type gate struct {
	redactor *secret.Redactor
	run      string
	emit     func([]*Event)

	mu      sync.Mutex
	ended   bool      // the end of the run is among what was sent
	room    sync.Cond // signalled when pending was taken
	pending []*Event
	arrived chan struct{} // holds a token when something is pending
	many    chan struct{} // holds a token when much is
	closing chan struct{}
	done    chan struct{}
}

// batchEvery bounds how long an event waits for others, batchMost how many
// wait: beyond it a scenario waits for the reports.
const (
	batchEvery = 10 * time.Millisecond
	batchMost  = 512
)

// openGate starts the goroutine of a gate; close ends it.
func openGate(redactor *secret.Redactor, run string, emit func([]*Event)) *gate {
	g := &gate{
		redactor: redactor, run: run, emit: emit,
		arrived: make(chan struct{}, 1), many: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	g.room.L = &g.mu
	go g.work()
	return g
}

func (g *gate) work() {
	defer close(g.done)
	wait := time.NewTimer(batchEvery)
	defer wait.Stop()
	for open := true; open; {
		select {
		case <-g.arrived:
			wait.Reset(batchEvery)
			select {
			case <-wait.C:
			case <-g.many:
			case <-g.closing:
			}
		case <-g.closing:
			open = false
		}
		g.flush()
	}
}

// flush cleans and emits what is pending.
func (g *gate) flush() {
	g.mu.Lock()
	batch := g.pending
	g.pending = nil
	g.room.Broadcast()
	g.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	for _, e := range batch {
		g.clean(e)
	}
	g.emit(batch)
}

// send stamps the event and hands it on. The event belongs to the gate then.
func (g *gate) send(e *Event) {
	e.Run = g.run
	g.mu.Lock()
	for len(g.pending) >= batchMost {
		g.room.Wait()
	}
	if g.ended { // by a scenario that did not end in time
		g.mu.Unlock()
		return
	}
	g.ended = e.Event == RunEnd
	e.Time = time.Now().UTC()
	g.pending = append(g.pending, e)
	n := len(g.pending)
	g.mu.Unlock()
	switch n {
	case 1:
		signal(g.arrived)
	case batchMost / 2:
		signal(g.many)
	}
}

// signal puts a token into a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// close waits until every event has been emitted.
func (g *gate) close() {
	close(g.closing)
	<-g.done
}

func (g *gate) clean(e *Event) {
	t := g.redactor.Text
	for _, s := range []*string{&e.Scenario, &e.Document, &e.Row, &e.Step, &e.Kind, &e.File, &e.Below, &e.Reason} {
		if *s != "" {
			*s = t(*s)
		}
	}
	for i := range e.Failures {
		f := &e.Failures[i]
		for _, s := range []*string{&f.File, &f.Source, &f.Subject, &f.Path, &f.Operator, &f.Want, &f.Got, &f.Message, &f.Diff} {
			*s = t(*s)
		}
		f.Notes = each(f.Notes, t)
	}
	if p := e.Err; p != nil {
		p.Message, p.Cure = t(p.Message), t(p.Cure)
	}
	if x := e.Exchange; x != nil {
		for _, s := range []*string{&x.Method, &x.URL, &x.RequestBody, &x.Body, &x.MessageID, &x.Curl} {
			if *s != "" {
				*s = t(*s)
			}
		}
	}
	if len(e.Tags) > 0 {
		e.Tags = each(e.Tags, t)
	}
	if i := e.Info; i != nil {
		i.Environment, i.Tags = t(i.Environment), t(i.Tags)
		i.Hosts, i.Warnings = each(i.Hosts, t), each(i.Warnings, t)
		for j := range i.Planned {
			p := &i.Planned[j]
			p.Scenario, p.File, p.Document, p.Steps = t(p.Scenario), t(p.File), t(p.Document), each(p.Steps, t)
		}
	}
	if s := e.Summary; s != nil {
		s.ExitReason, s.CleanupCommand = t(s.ExitReason), t(s.CleanupCommand)
		s.LeftBehind, s.Updated = each(s.LeftBehind, t), each(s.Updated, t)
	}
}

func each(list []string, f func(string) string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = f(s)
	}
	return out
}

// header gives the header fields as they may be shown, in the order of names.
func (g *gate) header(h http.Header) []HeaderField {
	names := make([]string, 0, len(h))
	for n := range h {
		names = append(names, n)
	}
	slices.Sort(names)
	var fields []HeaderField
	for _, n := range names {
		for _, v := range h[n] {
			fields = append(fields, HeaderField{Name: g.redactor.Text(n), Value: g.redactor.Header(n, v)})
		}
	}
	return fields
}

// maxShownBody bounds a body in a report, in bytes.
const maxShownBody = 32 << 10

// body gives a body as it may be shown: redacted first, and then cut. size is
// that of the whole body as it would be shown, in bytes; what was escaped in
// one that is cut does not count.
func (g *gate) body(s string) (shown string, size int64) {
	s = g.redactor.String(s)
	if len(s) <= maxShownBody {
		shown = secret.Harmless(s)
		return shown, int64(len(shown))
	}
	size = int64(len(s))
	s = strings.Clone(s[:maxShownBody])
	for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return secret.Harmless(s), size
}
