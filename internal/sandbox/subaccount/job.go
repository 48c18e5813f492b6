package subaccount

import (
	"errors"
	"time"
)

// patience is when a change ends that nobody has looked at.
const patience = time.Second

// maxJobs bounds the jobs that are remembered after their end.
const maxJobs = 20_000

// ErrAborted is the error of a job that a later deletion put an end to.
var ErrAborted = errors.New("delete in progress")

// JobState is how far a job is.
type JobState string

// The states of a job (wire/sap.md 3.4).
const (
	// Processing is a job that has not been handed to the service broker, or
	// that the broker does not answer.
	Processing JobState = "PROCESSING"
	// Polling is a job that waits for the service broker.
	Polling JobState = "POLLING"
	// Complete is a job that ended well.
	Complete JobState = "COMPLETE"
	// Failed is a job that ended with an error.
	Failed JobState = "FAILED"
)

// Job is a change that takes its time, as it is at one moment.
type Job struct {
	GUID string
	// Operation is such as service_instance.create.
	Operation string
	// Resource is the GUID of what it changes.
	Resource         string
	Created, Updated time.Time
	State            JobState
	// Err tells why it failed; nil unless State is Failed.
	Err error
}

// Run is how a job goes. The zero Run ends well as soon as somebody has looked
// at the job once, or after a second.
type Run struct {
	// Takes is how long the job runs at least.
	Takes time.Duration
	// Stuck is a job that never ends.
	Stuck bool
	// Fails is the error it ends with; nil: what the change itself says.
	Fails error
}

// task is a job and what it does when it ends.
type task struct {
	job   Job
	run   Run
	since time.Time // by the real clock, which no fault moves
	looks int
	end   func(err error) error // under the lock; gives the error of the job
}

func (t *task) due(now time.Time) bool {
	age := now.Sub(t.since)
	switch {
	case t.run.Stuck:
		return false
	case t.run.Takes > 0:
		return age >= t.run.Takes
	}
	return t.looks > 0 || age >= patience
}

// begin starts a job. The caller holds the lock.
func (s *Subaccount) begin(operation, resource string, run Run, end func(err error) error) Job {
	now := s.now().UTC()
	t := &task{
		job: Job{GUID: NewGUID(), Operation: operation, Resource: resource, Created: now, Updated: now, State: Processing},
		run: run, since: time.Now(), end: end,
	}
	s.open = append(s.open, t)
	s.running.Store(int32(len(s.open)))
	s.jobs[t.job.GUID] = t
	return t.job
}

// settle ends what is due. The caller holds the lock.
func (s *Subaccount) settle() {
	now := time.Now()
	// The end of one job may abort another, so each is looked for anew.
	for i := 0; i < len(s.open); {
		if t := s.open[i]; t.due(now) {
			s.finish(t, t.run.Fails)
			i = 0
			continue
		}
		i++
	}
}

// finish ends a job. The caller holds the lock.
func (s *Subaccount) finish(t *task, err error) {
	for i, o := range s.open {
		if o == t {
			s.open = append(s.open[:i], s.open[i+1:]...)
			break
		}
	}
	s.running.Store(int32(len(s.open)))
	t.job.State, t.job.Err, t.job.Updated = Complete, t.end(err), s.now().UTC()
	if t.job.Err != nil {
		t.job.State = Failed
	}
	t.end = nil
	s.ended = append(s.ended, t.job.GUID)
	if len(s.ended) > maxJobs {
		delete(s.jobs, s.ended[0])
		s.ended = s.ended[1:]
	}
}

// abort ends every job on a resource because it is going to be deleted. The
// caller holds the lock.
func (s *Subaccount) abort(resource string) {
	for i := 0; i < len(s.open); {
		if t := s.open[i]; t.job.Resource == resource {
			s.finish(t, ErrAborted)
			i = 0
			continue
		}
		i++
	}
}

// Look gives a job as somebody who asks sees it: at the first look it is
// PROCESSING at best, unless it ended long ago.
func (s *Subaccount) Look(guid string) (Job, bool) {
	s.lock()
	defer s.mu.Unlock()
	t, ok := s.jobs[guid]
	if !ok {
		return Job{}, false
	}
	job := t.job
	if t.end != nil && t.looks > 0 && !t.run.Stuck {
		job.State = Polling
	}
	t.looks++
	return job, true
}

// lock takes the lock and ends what is due.
func (s *Subaccount) lock() {
	s.mu.Lock()
	s.settle()
}

// rlock takes the lock for reading after everything that is due has ended.
func (s *Subaccount) rlock() {
	if s.running.Load() > 0 {
		s.lock()
		s.mu.Unlock()
	}
	s.mu.RLock()
}
