package fault

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Request is what a fault looks at.
type Request struct {
	// Part is the part of the tenant that was asked.
	Part string
	// Path is the path of the request, Method its method.
	Path, Method string
	// Key and Client are the service key and the client ID it came with, where
	// they are known.
	Key, Client string
	// Name is that of the service instance or key it is about, or the ID of the
	// artifact, where it is known.
	Name string
}

// Set is the faults that are active. The zero Set has none; it is safe for
// concurrent use.
type Set struct {
	count  atomic.Int32 // of active, so that a tenant without faults takes no lock
	skew   atomic.Int64
	mu     sync.Mutex
	active []*state
}

type state struct {
	fault     Fault
	hits      int
	remaining int
}

// Status is a fault and how far it is.
type Status struct {
	// Fault is its text.
	Fault string `json:"fault"`
	// Hits counts the requests it showed on.
	Hits int `json:"hits"`
	// Remaining is how often it will still show; absent when it stays.
	Remaining int `json:"remaining,omitzero"`
}

// Add makes a fault active, behind those that are active already.
func (s *Set) Add(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = append(s.active, &state{fault: f, remaining: f.Count})
	s.changed()
}

// Clear ends all faults.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = nil
	s.changed()
}

// List gives the active faults in the order they were added.
func (s *Set) List() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Status, 0, len(s.active))
	for _, a := range s.active {
		list = append(list, Status{Fault: a.fault.String(), Hits: a.hits, Remaining: a.remaining})
	}
	return list
}

// Take gives the first active fault of one of the names that shows on the
// request, and counts it. A fault whose count is used up is active no more.
func (s *Set) Take(r Request, names ...string) (Fault, bool) {
	if s.count.Load() == 0 {
		return Fault{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.active {
		if !slices.Contains(names, a.fault.Name) || !a.fault.matches(r) {
			continue
		}
		a.hits++
		if a.remaining > 0 {
			if a.remaining--; a.remaining == 0 {
				s.active = slices.Delete(s.active, i, i+1)
				s.changed()
			}
		}
		return a.fault, true
	}
	return Fault{}, false
}

// Now is the clock of the tenant: the real one, and what clock-skew adds.
func (s *Set) Now() time.Time { return time.Now().Add(s.Skew()) }

// Skew is how far the clock of the tenant is ahead.
func (s *Set) Skew() time.Duration { return time.Duration(s.skew.Load()) }

// changed brings what is read without the lock up to date.
func (s *Set) changed() {
	s.count.Store(int32(len(s.active)))
	var skew time.Duration
	for _, a := range s.active {
		if a.fault.Name == ClockSkew {
			skew = a.fault.Duration
		}
	}
	s.skew.Store(int64(skew))
}
