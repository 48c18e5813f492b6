// Package messagelog keeps the message processing logs of the sandbox's
// integration flows: the runtime writes them, the OData API reads them
// (wire/sap.md 6.2).
package messagelog

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
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

// Property is a custom header of a log.
type Property struct{ Name, Value string }

// Outcome is how the processing of a message ended, and what it left in the log.
type Outcome struct {
	// End is when the processing ends; a log whose End is zero or in the future
	// is still being processed.
	End time.Time
	// Status is the final status.
	Status string
	// Error is the error information; empty when there is none.
	Error string
	// Headers are the custom headers.
	Headers []Property
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

// At gives the log as it is at the time: while it is being processed it has
// no end, no error and no custom headers yet.
func (l Log) At(now time.Time) Log {
	if !l.End.IsZero() && !now.Before(l.End) {
		return l
	}
	l.Outcome = Outcome{Status: Processing}
	return l
}

// Keep is how many logs of each flow are kept.
const Keep = 1000

// Delay is how long after its start a log appears: the platform writes them
// some time after the call.
const Delay = 100 * time.Millisecond

// Store holds the newest logs of each flow. The zero Store is empty; it is
// safe for concurrent use.
type Store struct {
	mu    sync.RWMutex
	byID  map[string]*Log
	flows map[string]*ring
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
	delete(s.byID, r.logs[r.next].ID)
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
	l.Outcome = o
	if late > 0 {
		l.visible = o.End.Add(late)
	}
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
	all := make([]Log, 0, len(s.byID))
	for _, l := range s.byID {
		if l.shown(now) {
			all = append(all, l.At(now))
		}
	}
	slices.SortFunc(all, func(a, b Log) int {
		if c := b.Start.Compare(a.Start); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
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
