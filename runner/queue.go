package runner

import (
	"slices"
	"sync"
)

// queue hands scenarios to the workers of a run: in order, but for those that
// wait for a lock, and rows that may run side by side to as many workers as
// they may have. It is safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	changed sync.Cond
	pending []*scenario
	// held are the locks of what runs.
	held map[string]bool
	open []*job
}

// job is a scenario that runs; its rows may have several workers.
type job struct {
	scenario *scenario
	rows     *rowSource // nil without data
	workers  int
	most     int
	done     bool // every row has been handed out
}

func newQueue(pending []*scenario) *queue {
	q := &queue{pending: slices.Clone(pending), held: map[string]bool{}}
	q.changed.L = &q.mu
	return q
}

// take gives a worker something to do, and waits where everything that is left
// needs a lock that is held; nil when nothing is left. Give the job back with
// leave.
func (q *queue) take() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for _, j := range q.open {
			if !j.done && j.workers < j.most {
				j.workers++
				return j
			}
		}
		i := slices.IndexFunc(q.pending, q.free)
		if i >= 0 {
			return q.begin(i)
		}
		if len(q.pending) == 0 {
			return nil
		}
		q.changed.Wait()
	}
}

// free reports whether nobody holds a lock of the scenario.
func (q *queue) free(sc *scenario) bool {
	return !slices.ContainsFunc(sc.locks, func(l string) bool { return q.held[l] })
}

func (q *queue) begin(i int) *job {
	sc := q.pending[i]
	q.pending = slices.Delete(q.pending, i, i+1)
	for _, l := range sc.locks {
		q.held[l] = true
	}
	j := &job{scenario: sc, workers: 1, most: 1}
	if sc.rows != nil {
		j.rows = rowsOf(sc)
		if len(sc.locks) == 0 {
			j.most = sc.rows.Parallel()
		}
	}
	q.open = append(q.open, j)
	if j.most > 1 {
		q.changed.Broadcast()
	}
	return j
}

// next gives the next row of a job.
func (q *queue) next(j *job) (numbered, bool) {
	row, ok := j.rows.take()
	if !ok {
		q.mu.Lock()
		j.done = true
		q.mu.Unlock()
	}
	return row, ok
}

// leave ends the work of one worker on a job; the last one frees its locks.
func (q *queue) leave(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.done = true
	if j.workers--; j.workers > 0 {
		return
	}
	if j.rows != nil {
		j.rows.close()
	}
	q.open = slices.DeleteFunc(q.open, func(o *job) bool { return o == j })
	for _, l := range j.scenario.locks {
		delete(q.held, l)
	}
	q.changed.Broadcast()
}
