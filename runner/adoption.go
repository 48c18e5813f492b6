package runner

import (
	"errors"
	"fmt"
	"sync"

	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
)

// adoptions knows what became of the instances that scenarios share: only the
// one that created an instance deletes it, and when it ends, whoever adopted it
// meanwhile. It is safe for concurrent use; the zero value is ready.
type adoptions struct {
	mu sync.Mutex
	// deleted names by GUID the scenario that deletes what it created, guids
	// has by name what a step found or deleted.
	deleted, guids map[string]string
}

// used notes that a step found an instance.
func (a *adoptions) used(name, guid string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.guids == nil {
		a.guids = map[string]string{}
	}
	a.guids[name] = guid
}

// deleting notes that a scenario is about to delete what it created.
func (a *adoptions) deleting(name, guid, scenario string) {
	a.used(name, guid)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deleted == nil {
		a.deleted = map[string]string{}
	}
	a.deleted[guid] = scenario
}

// fate says what became of an instance, as far as the run knows; empty: it
// knows of nothing. Without a GUID it is one that is not there.
func (a *adoptions) fate(name, guid string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	missing := guid == ""
	if missing {
		guid = a.guids[name]
	}
	scenario, deleted := a.deleted[guid]
	switch {
	case deleted:
		return fmt.Sprintf("the scenario %q created the service instance %q, and deleted it when it ended", scenario, name)
	case missing && guid != "":
		return fmt.Sprintf("the service instance %q was there when a step of this run adopted it, and was deleted since", name)
	}
	return ""
}

// shareInstead is what to do about an instance that vanishes.
const shareInstead = "create what several scenarios share in a file that each includes with once: true; it stays until the run ends"

// vanished adds to trouble with an instance what became of that.
func (x *execution) vanished(t *trouble, name, guid string) *trouble {
	if t == nil || t.notSet != "" || t.class&classInterrupted != 0 {
		return t
	}
	if fate := x.session.space.fate(name, guid); fate != "" {
		t.problem.Message, t.problem.Cure = t.problem.Message+"; "+fate, shareInstead
	}
	return t
}

// explained is the error, and that of [execution.withdrawn] where there is one.
func (x *execution) explained(cr *credential, err error) error {
	if told := x.withdrawn(cr, err); told != nil {
		return told
	}
	return err
}

// withdrawn adds to the refusal of a key that it went with its instance; nil:
// that is not known.
func (x *execution) withdrawn(cr *credential, err error) error {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || !e.Refused() || cr.fresh == nil {
		return nil
	}
	fate := x.session.space.fate(cr.fresh.instance, cr.fresh.instanceGUID)
	if fate == "" {
		return nil
	}
	told := *e
	told.Message, told.Cure = e.Message+"; "+fate+" with its keys", shareInstead
	return &told
}

// taken reports whether trouble is that somebody else holds the name: what has
// it is there by now, and may be adopted.
func taken(t *trouble) bool {
	if t == nil {
		return false
	}
	_, foreign := errors.AsType[*foreignError](t.err)
	return foreign || platform.Is(t.err, platform.KindNameTaken)
}
