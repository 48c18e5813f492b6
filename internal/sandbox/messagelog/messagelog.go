// Package messagelog keeps the message processing logs of the sandbox's
// integration flows: the runtime writes them, the OData API reads them
// (wire/sap.md 6.2).
package messagelog

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The statuses a log of the sandbox may have.
const (
	Processing = "PROCESSING"
	Completed  = "COMPLETED"
	Failed     = "FAILED"
	Retry      = "RETRY"
	Escalated  = "ESCALATED"
	Cancelled  = "CANCELLED"
	Discarded  = "DISCARDED"
	Abandoned  = "ABANDONED"
)

// Statuses gives all statuses (SAP message-status).
func Statuses() []string {
	return []string{Completed, Processing, Retry, Escalated, Failed, Cancelled, Discarded, Abandoned}
}

// Property is a custom header, or an adapter attribute, of a log.
type Property struct{ Name, Value string }

// Attachment is what a flow attached to the log of a message.
type Attachment struct {
	Name, ContentType string
	// Payload is never changed.
	Payload []byte
}

// Stage is a status that a log has for some time on the way to its final one.
type Stage struct {
	Status string
	For    time.Duration
}

// Outcome is how the processing of a message ended, and what it left in the log.
type Outcome struct {
	// End is when the processing ends, as it is shown.
	End time.Time
	// Status is the final status.
	Status string
	// Course is what comes before it, once the processing itself is over: the
	// last stage ends where the log does.
	Course []Stage
	// Error is the error information; empty when there is none.
	Error string
	// Headers are the custom headers, Adapter the attributes that adapters left.
	Headers, Adapter []Property
	// Attachments are, as Error, Headers and Adapter, kept as long as the store
	// has room for them, see [KeepContents].
	Attachments []Attachment
}

// size gives how many bytes the outcome holds.
func (o *Outcome) size() int {
	n := len(o.Error)
	for _, a := range o.Attachments {
		n += len(a.Name) + len(a.ContentType) + cap(a.Payload)
	}
	for _, p := range slices.Concat(o.Headers, o.Adapter) {
		n += len(p.Name) + len(p.Value)
	}
	return n
}

// cut gives the outcome with texts that are no longer than they may be.
func (o Outcome) cut() Outcome {
	o.Error = cut(o.Error, MaxError)
	o.Headers, o.Adapter = cutValues(o.Headers), cutValues(o.Adapter)
	return o
}

func cutValues(list []Property) []Property {
	list = slices.Clone(list)
	for i := range list {
		list[i].Value = cut(list[i].Value, MaxValue)
	}
	return list
}

// cut gives the beginning of a text, of whole characters, which does not hold
// on to the rest.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return strings.Clone(text[:most])
}

// Log is the log of one message.
type Log struct {
	// ID is the message ID: 28 characters of base64url, the first of them A.
	ID string
	// Correlation is common to the messages of one conversation.
	Correlation string
	// Application is the ID the sender gave the message; may be empty.
	Application string
	// Flow is the ID of the integration flow.
	Flow string
	// Start is when the processing began.
	Start time.Time
	Outcome
	// begun is when the processing began, over when it ends, zero: that is not
	// known yet, and visible when the API begins to show it. They are by the
	// real clock, so that a clock that is wrong makes no log come or go.
	begun, over, visible time.Time
}

// at gives the log as it is at the time: before its end it has a status of its
// course or is being processed, and no attachments or custom headers yet; its
// error where the status is one.
func (l *Log) at(now time.Time) Log {
	if !l.over.IsZero() && !now.Before(l.over) {
		return *l
	}
	early := *l
	early.Outcome = Outcome{Status: l.statusAt(now)}
	if early.Status != Processing && early.Status != Completed {
		early.Error = l.Error
	}
	return early
}

// statusAt gives the status at a time before the end.
func (l *Log) statusAt(now time.Time) string {
	if l.over.IsZero() {
		return Processing
	}
	from := l.over
	for _, stage := range slices.Backward(l.Course) {
		if from = from.Add(-stage.For); !now.Before(from) {
			return stage.Status
		}
	}
	return Processing
}

// Keep is how many logs of each flow are kept.
const Keep = 1000

// Limits of what logs hold.
const (
	// KeepContents is how many bytes the attachments, custom headers, adapter
	// attributes and error information of all logs may hold together: what is
	// beyond it goes, that of the log that ended first before the others.
	KeepContents = 256 << 20
	// MaxValue is how many bytes are kept of the value of a custom header or an
	// adapter attribute, and of the IDs that the sender gives; MaxError of error
	// information.
	MaxValue = 1 << 10
	MaxError = 64 << 10
)

// Delay is how long after its start a log appears: the platform writes them
// some time after the call.
const Delay = 100 * time.Millisecond

// Store holds the newest logs of each flow. The zero Store is empty; it is
// safe for concurrent use.
type Store struct {
	mu    sync.RWMutex
	byID  map[string]*Log
	flows map[string]*ring
	// contents are the logs that hold something in the order of their ends, and
	// held the bytes of those that are kept.
	contents []*Log
	held     int
}

// ring is the logs of one flow, the oldest at next once it is full.
type ring struct {
	logs []*Log
	next int
}

// Begin adds a log that is being processed, since now by the real clock. late
// is what the fault log-late adds to the delay; it counts from the flow's end.
func (s *Store) Begin(l Log, now time.Time, late time.Duration) {
	l.Status, l.begun, l.visible = Processing, now, now.Add(Delay)
	l.Correlation, l.Application = cut(l.Correlation, MaxValue), cut(l.Application, MaxValue)
	if late > 0 {
		l.visible = time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID, s.flows = map[string]*Log{}, map[string]*ring{}
	}
	r := s.flows[l.Flow]
	if r == nil {
		r = &ring{}
		s.flows[l.Flow] = r
	}
	s.byID[l.ID] = &l
	if len(r.logs) < Keep {
		r.logs = append(r.logs, &l)
		return
	}
	oldest := r.logs[r.next]
	delete(s.byID, oldest.ID)
	s.drop(oldest)
	r.logs[r.next] = &l
	r.next = (r.next + 1) % Keep
}

// Finish gives the log its outcome. over is the end by the real clock, which
// may be in the future. A log that is kept no more is left alone.
func (s *Store) Finish(id string, o Outcome, over time.Time, late time.Duration) {
	o = o.cut()
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.byID[id]
	if !ok {
		return
	}
	s.drop(l)
	l.Outcome, l.over = o, over
	if late > 0 {
		l.visible = over.Add(late)
	}
	if n := o.size(); n > 0 {
		s.contents, s.held = append(s.contents, l), s.held+n
	}
	for s.held > KeepContents {
		s.drop(s.contents[0])
		s.contents = s.contents[1:]
	}
	if len(s.contents) > 2*len(s.byID) {
		s.contents = slices.DeleteFunc(s.contents, func(l *Log) bool { return l.size() == 0 })
	}
}

// drop forgets what a log holds. The caller holds the lock.
func (s *Store) drop(l *Log) {
	s.held -= l.size()
	l.Attachments, l.Headers, l.Adapter, l.Error = nil, nil, nil, ""
}

// Get gives the log with the message ID as it is at the time, by the real clock.
func (s *Store) Get(id string, now time.Time) (Log, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l, ok := s.byID[id]
	if !ok || !l.shown(now) {
		return Log{}, false
	}
	return l.at(now), true
}

func (l *Log) shown(now time.Time) bool { return !l.visible.IsZero() && !now.Before(l.visible) }

// All gives every log as it is at the time, by the real clock, the newest first.
func (s *Store) All(now time.Time) []Log {
	s.mu.RLock()
	defer s.mu.RUnlock()
	shown := make([]*Log, 0, len(s.byID))
	for _, r := range s.flows {
		for _, l := range r.logs {
			if l.shown(now) {
				shown = append(shown, l)
			}
		}
	}
	slices.SortFunc(shown, func(a, b *Log) int {
		return cmp.Or(b.begun.Compare(a.begun), strings.Compare(a.ID, b.ID))
	})
	all := make([]Log, len(shown))
	for i, l := range shown {
		all[i] = l.at(now)
	}
	return all
}

// NewID gives a message ID (wire/sap.md 5.3): 28 characters of base64url that
// begin with A.
func NewID() string {
	var b [21]byte
	rand.Read(b[:])
	b[0] &= 0x03
	return base64.RawURLEncoding.EncodeToString(b[:])
}
