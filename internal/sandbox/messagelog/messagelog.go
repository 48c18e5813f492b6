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
	// End is when the processing ends; a log whose End is zero or in the future
	// is still being processed.
	End time.Time
	// Status is the final status.
	Status string
	// Course is what comes before it, once the processing itself is over: the
	// last stage ends at End.
	Course []Stage
	// Error is the error information; empty when there is none.
	Error string
	// Headers are the custom headers, Adapter the attributes that adapters left.
	Headers, Adapter []Property
	// Attachments are kept as long as the store has room for them, see
	// [KeepPayloads].
	Attachments []Attachment
}

// size gives how many bytes the attachments hold.
func (o *Outcome) size() int {
	n := 0
	for _, a := range o.Attachments {
		n += len(a.Payload)
	}
	return n
}

// statusAt gives the status at a time before the end.
func (o *Outcome) statusAt(now time.Time) string {
	if o.End.IsZero() {
		return Processing
	}
	from := o.End
	for _, stage := range slices.Backward(o.Course) {
		if from = from.Add(-stage.For); !now.Before(from) {
			return stage.Status
		}
	}
	return Processing
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
	// visible is when the API begins to show it.
	visible time.Time
}

// At gives the log as it is at the time: before its end it has a status of its
// course or is being processed, and no error, attachments or custom headers yet.
func (l Log) At(now time.Time) Log {
	if !l.End.IsZero() && !now.Before(l.End) {
		return l
	}
	l.Outcome = Outcome{Status: l.statusAt(now)}
	return l
}

// Keep is how many logs of each flow are kept.
const Keep = 1000

// KeepPayloads is how many bytes the attachments of all logs may hold together:
// what is beyond it goes, that of the log that ended first before the others.
const KeepPayloads = 64 << 20

// Delay is how long after its start a log appears: the platform writes them
// some time after the call.
const Delay = 100 * time.Millisecond

// Store holds the newest logs of each flow. The zero Store is empty; it is
// safe for concurrent use.
type Store struct {
	mu    sync.RWMutex
	byID  map[string]*Log
	flows map[string]*ring
	// payloads are the logs with attachments in the order of their ends, and
	// held the bytes of those that are kept.
	payloads []*Log
	held     int
}

// ring is the logs of one flow, the oldest at next once it is full.
type ring struct {
	logs []*Log
	next int
}

// Begin adds a log that is being processed. late is what the fault log-late
// adds to the delay; it counts from the flow's end.
func (s *Store) Begin(l Log, late time.Duration) {
	l.Status, l.visible = Processing, l.Start.Add(Delay)
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

// Finish gives the log its outcome, whose end may be in the future. A log that
// is kept no more is left alone.
func (s *Store) Finish(id string, o Outcome, late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.byID[id]
	if !ok {
		return
	}
	s.drop(l)
	l.Outcome = o
	if late > 0 {
		l.visible = o.End.Add(late)
	}
	if len(o.Attachments) > 0 {
		s.payloads, s.held = append(s.payloads, l), s.held+o.size()
	}
	for s.held > KeepPayloads {
		s.drop(s.payloads[0])
		s.payloads = s.payloads[1:]
	}
	if len(s.payloads) > 2*len(s.byID) {
		s.payloads = slices.DeleteFunc(s.payloads, func(l *Log) bool { return l.Attachments == nil })
	}
}

// drop forgets the attachments of a log. The caller holds the lock.
func (s *Store) drop(l *Log) {
	s.held -= l.size()
	l.Attachments = nil
}

// Get gives the log with the message ID as it is at the time.
func (s *Store) Get(id string, now time.Time) (Log, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l, ok := s.byID[id]
	if !ok || !l.shown(now) {
		return Log{}, false
	}
	return l.At(now), true
}

func (l *Log) shown(now time.Time) bool { return !l.visible.IsZero() && !now.Before(l.visible) }

// All gives every log as it is at the time, the newest first.
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
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.ID, b.ID))
	})
	all := make([]Log, len(shown))
	for i, l := range shown {
		all[i] = l.At(now)
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
