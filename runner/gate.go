package runner

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/secret"
)

// gate is the one way out of a run: every string of an event passes the
// redactor here, and events leave one at a time.
type gate struct {
	redactor *secret.Redactor
	run      string

	mu   sync.Mutex
	emit func(*Event)
}

// send stamps the event, cleans it and emits it.
func (g *gate) send(e *Event) {
	e.Run = g.run
	e.Time = time.Now().UTC()
	g.clean(e)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.emit(e)
}

func (g *gate) clean(e *Event) {
	t := g.redactor.Text
	for _, s := range []*string{&e.Scenario, &e.Document, &e.Row, &e.Step, &e.Kind, &e.File, &e.Reason} {
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
	}
	if s := e.Summary; s != nil {
		s.ExitReason, s.CleanupCommand = t(s.ExitReason), t(s.CleanupCommand)
		s.LeftBehind = each(s.LeftBehind, t)
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
// that of the whole redacted body in bytes.
func (g *gate) body(s string) (shown string, size int64) {
	s = g.redactor.Text(s)
	size = int64(len(s))
	if len(s) > maxShownBody {
		s = strings.ToValidUTF8(strings.Clone(s[:maxShownBody]), "")
	}
	return s, size
}
