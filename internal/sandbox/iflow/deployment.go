package iflow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The statuses of a runtime artifact (wire/sap.md 6.3).
const (
	Starting = "STARTING"
	Started  = "STARTED"
	Stopping = "STOPPING"
	Failed   = "ERROR"
)

// TypeFlow is the type of a runtime artifact that is an integration flow.
const TypeFlow = "INTEGRATION_FLOW"

// DefaultVersion is the version of an artifact that has none of its own.
const DefaultVersion = "1.0.0"

// StopTime is how long an artifact is STOPPING before it is gone.
const StopTime = 200 * time.Millisecond

// Deployment is a runtime artifact: what was deployed under an ID, and when it
// does what. All that is known from the start, so that its status needs nobody
// who changes it. Its times are those of the real clock, for a tenant whose
// clock is wrong deploys as fast as any other; only Deployed is by that clock.
type Deployment struct {
	ID, Name, Version string
	// Type is that of the artifact, such as [TypeFlow].
	Type string
	// Content tells its content and parameters from others; empty: those that
	// the sandbox has for the ID.
	Content string
	// By is who deployed it, Deployed when: what the API shows.
	By       string
	Deployed time.Time
	// On is when the runtime takes it over, in the place of one with the same ID.
	On time.Time
	// Ready is when it stops being STARTING.
	Ready time.Time
	// Listed is from when on its endpoints are listed; not before Ready.
	Listed time.Time
	// Error is why it does not start; empty: it does.
	Error string
	// Flows are its endpoints; an artifact may have none.
	Flows []Flow

	stopping time.Time // when it was undeployed; zero: it was not
	until    time.Time // when another one or nothing takes its place; zero: never
}

// Status gives the status at a time at which the deployment is there.
func (d *Deployment) Status(now time.Time) string {
	switch {
	case !d.stopping.IsZero() && !now.Before(d.stopping):
		return Stopping
	case now.Before(d.Ready):
		return Starting
	}
	return d.FinalStatus()
}

// FinalStatus gives the status it comes to when nobody undeploys it.
func (d *Deployment) FinalStatus() string {
	if d.Error != "" {
		return Failed
	}
	return Started
}

// Lists reports whether its endpoints are listed at the time.
func (d *Deployment) Lists(now time.Time) bool {
	return d.Status(now) == Started && !now.Before(d.Listed)
}

// there reports whether the runtime has it at the time.
func (d *Deployment) there(now time.Time) bool {
	return !now.Before(d.On) && d.before(now)
}

// before reports whether it is not over at the time.
func (d *Deployment) before(now time.Time) bool { return d.until.IsZero() || now.Before(d.until) }

// table is what is deployed and what is about to be. It never changes: whoever
// changes what is deployed makes another one, so that requests take no lock.
type table struct {
	deployments []*Deployment      // by ID and time
	exact       map[string][]place // by lower-case endpoint
	below       map[string][]place // by lower-case endpoint without /*
}

// place is an endpoint of a deployment.
type place struct {
	deployment *Deployment
	flow       *Flow
}

// newTable makes the table of the deployments that are not over at the time.
func newTable(list []*Deployment, now time.Time) *table {
	t := &table{exact: map[string][]place{}, below: map[string][]place{}}
	for _, d := range list {
		if d.before(now) {
			t.deployments = append(t.deployments, d)
		}
	}
	slices.SortStableFunc(t.deployments, func(a, b *Deployment) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), a.On.Compare(b.On))
	})
	for _, d := range t.deployments {
		for i := range d.Flows {
			places, address := t.places(d.Flows[i].Endpoint)
			places[address] = append(places[address], place{d, &d.Flows[i]})
		}
	}
	return t
}

// places tells where an endpoint belongs, and under what.
func (t *table) places(endpoint string) (map[string][]place, string) {
	address := strings.ToLower(endpoint)
	if prefix, ok := strings.CutSuffix(address, "/*"); ok {
		return t.below, prefix
	}
	return t.exact, address
}

// find gives the endpoint an address belongs to: an exact one before the
// longest one that ends in /*. Addresses are compared in any case.
func (t *table) find(path string, now time.Time) (place, bool) {
	address := strings.ToLower(path)
	if p, ok := thereNow(t.exact[address], now); ok {
		return p, true
	}
	for address = strings.TrimSuffix(address, "/"); address != ""; {
		if p, ok := thereNow(t.below[address], now); ok {
			return p, true
		}
		address = address[:strings.LastIndexByte(address, '/')]
	}
	return place{}, false
}

func thereNow(places []place, now time.Time) (place, bool) {
	for _, p := range places {
		if p.deployment.there(now) {
			return p, true
		}
	}
	return place{}, false
}

// conflict tells which endpoint of the deployment another artifact has, or
// will have (wire/sap.md 5.1); empty: none.
func (t *table) conflict(d *Deployment) string {
	own := map[string]bool{}
	for _, f := range d.Flows {
		if err := CheckEndpoint(f.Endpoint); err != nil {
			return err.Error()
		}
		places, address := t.places(f.Endpoint)
		for _, p := range places[address] {
			if p.deployment.ID != d.ID && p.deployment.before(d.On) {
				return fmt.Sprintf("The endpoint '%s' of the integration flow '%s' is already registered by the integration flow '%s'.", f.Endpoint, d.ID, p.deployment.ID)
			}
		}
		if lower := strings.ToLower(f.Endpoint); own[lower] {
			return fmt.Sprintf("The endpoint '%s' is registered by two sender channels of the integration flow '%s'.", f.Endpoint, d.ID)
		} else {
			own[lower] = true
		}
	}
	return ""
}

// with gives the deployments once d has taken its place.
func (t *table) with(d *Deployment) []*Deployment {
	list := []*Deployment{d}
	for _, old := range t.deployments {
		if old.ID == d.ID {
			if !old.On.Before(d.On) {
				continue // it was about to come, and never does
			}
			if old.before(d.On) {
				replaced := *old
				replaced.until = d.On
				old = &replaced
			}
		}
		list = append(list, old)
	}
	return list
}

// Deploy deploys an artifact: from d.On on it is in the place of one that has
// its ID. One whose endpoint another artifact has ends in ERROR, with an error
// that names that artifact.
func (rt *Runtime) Deploy(d Deployment) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	d.Version = cmp.Or(d.Version, DefaultVersion)
	d.Name = cmp.Or(d.Name, d.ID)
	d.Flows = slices.Clone(d.Flows)
	t := rt.table.Load()
	if d.Error == "" {
		d.Error = t.conflict(&d)
	}
	if d.Error != "" {
		d.Flows = nil // nothing is reachable of what does not start
	}
	rt.table.Store(newTable(t.with(&d), time.Now()))
}

// Undeploy takes away what is deployed under the ID: for [StopTime] it is
// STOPPING, then gone. It reports whether there was something. What is only
// about to be deployed comes nevertheless.
func (rt *Runtime) Undeploy(id string) bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	now, t := time.Now(), rt.table.Load()
	list := slices.Clone(t.deployments)
	at := slices.IndexFunc(list, func(d *Deployment) bool { return d.ID == id && d.there(now) })
	if at < 0 {
		return false
	}
	if !list[at].stopping.IsZero() {
		return true
	}
	stopped := *list[at]
	stopped.stopping = now
	if end := now.Add(StopTime); stopped.before(end) {
		stopped.until = end
	}
	list[at] = &stopped
	rt.table.Store(newTable(list, now))
	return true
}

// Deployments gives what is deployed now, sorted by ID.
func (rt *Runtime) Deployments() []Deployment {
	now := time.Now()
	var list []Deployment
	for _, d := range rt.table.Load().deployments {
		if d.there(now) {
			list = append(list, *d)
		}
	}
	return list
}

// Deployment gives what is deployed now under the ID.
func (rt *Runtime) Deployment(id string) (Deployment, bool) {
	now := time.Now()
	for _, d := range rt.table.Load().deployments {
		if d.ID == id && d.there(now) {
			return *d, true
		}
	}
	return Deployment{}, false
}

// Lasting gives what is deployed once all that is under way has ended, sorted
// by ID: it does not change by itself.
func (rt *Runtime) Lasting() []Deployment {
	var list []Deployment
	for _, d := range rt.table.Load().deployments {
		if d.until.IsZero() {
			list = append(list, *d)
		}
	}
	return list
}

// Flow gives the flow that the sandbox has for an ID, deployed or not.
func (rt *Runtime) Flow(id string) (Flow, bool) {
	at, ok := slices.BinarySearchFunc(rt.flows, id, func(f Flow, id string) int { return strings.Compare(f.ID, id) })
	if !ok {
		return Flow{}, false
	}
	return rt.flows[at], true
}

// deployAtStart deploys the flows that are there from the start.
func (rt *Runtime) deployAtStart() {
	now, shown := time.Now(), time.Now()
	if rt.o.Faults != nil {
		shown = rt.o.Faults.Now()
	}
	var list []*Deployment
	for _, f := range rt.flows {
		if f.Undeployed {
			continue
		}
		d := &Deployment{
			ID: f.ID, Name: f.ID, Version: cmp.Or(f.Version, DefaultVersion), Type: TypeFlow, By: "sandbox", Deployed: shown,
			On: now, Ready: now, Listed: now, Error: f.DeploymentError,
		}
		if d.Error == "" {
			d.Flows = []Flow{f}
		}
		list = append(list, d)
	}
	rt.table.Store(newTable(list, now))
}

// duplicates tells every ID and endpoint that is there twice.
func duplicates(flows []Flow) []error {
	var errs []error
	ids, endpoints := map[string]bool{}, map[string]string{}
	for _, f := range flows {
		if err := CheckEndpoint(f.Endpoint); err != nil {
			errs = append(errs, fmt.Errorf("flow %q: %w", f.ID, err))
		}
		if ids[f.ID] {
			errs = append(errs, fmt.Errorf("flow %q is there already", f.ID))
			continue
		}
		ids[f.ID] = true
		address := strings.ToLower(f.Endpoint)
		if other, ok := endpoints[address]; ok {
			errs = append(errs, fmt.Errorf("flow %q: endpoint %q is that of flow %q", f.ID, f.Endpoint, other))
			continue
		}
		endpoints[address] = f.ID
	}
	return errs
}
