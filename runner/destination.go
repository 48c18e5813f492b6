package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"iflowtest/internal/destination"
	"iflowtest/internal/diag"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// kindDestination is the kind of a destination, named after its step. It has no
// GUID, and is ready when the service has answered; what Cloud Foundry calls
// labels are properties of it.
const kindDestination = "destination"

// destinationTarget compiles the part of the environment that says where the
// destination service is, when the first step needs it; at is that step.
func (c *compiler) destinationTarget(at diag.Position) {
	if c.plan.destinations != nil {
		return
	}
	c.plan.destinations = &destination.Key{}
	var n *scenarios.Node
	if c.chosen != nil {
		n = c.chosen.Target.Get("destinations")
	}
	if n == nil {
		if !c.o.Check {
			c.diags = append(c.diags, diag.Errorf(at, diag.MissingKey, "the environment has no target.destinations, and the step needs to know where to create").
				WithHint("give it the service-key of an instance of the service destination; or use --sandbox"))
		}
		return
	}
	key, ok := targetKey(c, "destinations", n.Get("service-key"), destination.ParseKey, func(k destination.Key) []secret.Secret { return k.Secrets })
	if ok {
		*c.plan.destinations = key
	}
}

// destinations gives the client of the destination service.
func (s *session) destinations() *destination.Client {
	return destination.New(s.client, s.tokens, *s.plan.destinations)
}

// presentDestination makes of a destination what is compared with a journal.
func presentDestination(p destination.Properties) *present {
	return &present{name: p[destination.Name], labels: map[string]string{labelRun: p[labelRun], labelResource: p[labelResource]}}
}

// findDestination reads a destination; nil: it is not there. One whose creation
// got no answer may appear late: it is looked for until a time.
func (e entry) findDestination(ctx context.Context, client *destination.Client, until time.Time) (*present, error) {
	for wait := lookAgain / 32; ; wait *= 2 {
		p, err := client.Get(ctx, e.Name)
		if err == nil {
			return presentDestination(p), nil
		}
		left := time.Until(until)
		if !platform.Is(err, platform.KindNotFound) {
			return nil, err
		}
		if e.Op != opIntent || left <= 0 {
			return nil, nil
		}
		if err := httpx.Sleep(ctx, min(wait, left, lookAgain/4)); err != nil {
			return nil, err
		}
	}
}

// removeDestination deletes a destination that a run created. found is false
// when there was none.
func (e entry) removeDestination(ctx context.Context, client *destination.Client) (found bool, err error) {
	p, err := e.findDestination(ctx, client, time.Now().Add(lookAgain))
	if err != nil || p == nil {
		return false, err
	}
	if err := p.foreign(e); err != nil {
		return true, err
	}
	err = client.Delete(ctx, e.Name)
	if platform.Is(err, platform.KindNotFound) {
		err = nil // gone all the same
	}
	return true, err
}

// refusedDestination is trouble with what a destination is to be.
func refusedDestination(cure, format string, args ...any) *trouble {
	return &trouble{class: classProvisioning, problem: Problem{Type: TypeProvisioning, Message: fmt.Sprintf(format, args...), Cure: cure}}
}

// destinationService gives what cleanup removes destinations with, or why it
// cannot: the environment is looked at when a journal names the first one.
func (p *Platform) destinationService() (*destination.Client, error) {
	if p.compiler.chosen == nil || p.compiler.chosen.Target.Get("destinations") == nil {
		return nil, errors.New("the environment has no target.destinations; choose the one of the run with -e")
	}
	c := p.compiler
	before := len(c.diags)
	c.destinationTarget(diag.Position{})
	for _, d := range c.diags[before:] {
		if d.Severity == diag.Error {
			c.plan.destinations = nil
			return nil, errors.New(d.Message)
		}
	}
	return destination.New(p.http, p.tokens, *c.plan.destinations), nil
}

// elsewhere says why a destination that a journal names cannot be reached with
// the environment.
func (c *cleaner) elsewhere(e entry) string {
	client, err := c.destinations()
	switch {
	case err != nil:
		return err.Error()
	case e.API != plainAPI(client.URL()):
		return "it is at " + e.API + "; choose the environment of that destination service with -e"
	}
	return ""
}

// destinations is destinationService, asked once.
func (c *cleaner) destinations() (*destination.Client, error) {
	c.service.Do(func() { c.destination, c.noDestination = c.destinationService() })
	return c.destination, c.noDestination
}

// removeDestination removes a destination, after it was read again.
func (c *cleaner) removeDestination(ctx context.Context, f *found) {
	client, err := c.destinations()
	if err != nil {
		f.Action, f.Reason = NotRemoved, err.Error()
		return
	}
	if c.o.DryRun {
		c.wouldRemove(ctx, client, f)
		return
	}
	there, err := f.entry.removeDestination(ctx, client)
	_, foreign := errors.AsType[*foreignError](err)
	switch {
	case foreign:
		f.Action, f.Reason = Left, err.Error()
	case err != nil:
		c.fail(ctx, f, err)
	case !there:
		f.Action = WasGone
	default:
		f.Action = Removed
	}
}

func (c *cleaner) wouldRemove(ctx context.Context, client *destination.Client, f *found) {
	p, err := f.entry.findDestination(ctx, client, c.until)
	if err != nil {
		c.fail(ctx, f, err)
		return
	}
	if p == nil {
		f.Action = WasGone
		return
	}
	f.Action = WouldRemove
	if err := p.foreign(f.entry); err != nil {
		f.Action, f.Reason = Left, err.Error()
	}
}
