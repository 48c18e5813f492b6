package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"iflowtest/internal/cf"
)

// takeDown deletes what the scenario created, last first, whatever happened;
// each deletion has its own limit and is a case of its own. After a signal all
// are sent at once, as little time is left: deleting an instance deletes its
// keys.
func (x *execution) takeDown(signals context.Context) {
	x.session.mu.Lock()
	created := slices.Clone(x.created)
	x.session.mu.Unlock()
	created = slices.DeleteFunc(created, func(r *resource) bool { return r.gone })
	if len(created) == 0 {
		return
	}
	slices.Reverse(created)
	ctx, cancel := x.hurried(context.WithoutCancel(signals))
	defer cancel()
	if signals.Err() == nil {
		for i, r := range created {
			x.delete(ctx, len(x.scenario.steps)+1+i, r, nil)
		}
		return
	}
	var all sync.WaitGroup
	events := make([][]*Event, len(created))
	for i, r := range created {
		all.Go(func() { x.delete(ctx, len(x.scenario.steps)+1+i, r, &events[i]) })
	}
	all.Wait()
	for _, list := range events {
		for _, e := range list {
			x.account(e)
		}
	}
}

// hurried gives a context that a signal ends some seconds later.
func (x *execution) hurried(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(x.session.hurry, func() { cancel(context.Cause(x.session.hurry)) })
	return ctx, func() { stop(); cancel(nil) }
}

// delete deletes one resource and reports it: at once, or into held where
// several are deleted at a time.
func (x *execution) delete(ctx context.Context, index int, r *resource, held *[]*Event) {
	e := func(name string) *Event {
		e := x.event(name, nil)
		e.Step, e.Index, e.Kind, e.Cleanup = "delete "+r.what, index, r.entry.Kind, true
		return e
	}
	send := func(e *Event) {
		if held != nil {
			*held = append(*held, e)
			return
		}
		x.account(e)
	}
	end := e(StepEnd)
	if reason := x.keeps(r); reason != "" {
		r.entry.Op = opKept
		_ = x.session.journal.note(r.entry)
		x.session.leave("kept: "+r.what, r)
		end.Outcome, end.Reason = Skip, reason
		send(end)
		return
	}
	send(e(StepStart))
	started := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, deletionTimeout, &limit{"deletion timeout", deletionTimeout})
	defer cancel()
	err := x.session.remove(limited, r.entry)
	end.DurationMs, end.Attempts, end.Outcome = milliseconds(time.Since(started)), 1, Pass
	if err != nil {
		t := fromPlatform(limited, err)
		end.Outcome, end.Err = Error, &Problem{Type: TypeCleanup, Message: t.problem.Message, Cure: t.problem.Cure}
		x.session.leave(r.what, r)
	} else {
		r.gone = true
		x.session.removed(r)
	}
	send(end)
}

// keeps gives the reason why a resource stays, or nothing.
func (x *execution) keeps(r *resource) string {
	failed := x.outcome == Fail || x.outcome == Error
	if r.keep == keepAlways || r.keep == keepOnFailure && failed {
		return fmt.Sprintf("kept, as keep is %s; remove it with: %s", r.keep, x.session.plan.cleanupCommand())
	}
	return ""
}

// account emits an event of a deletion and counts its end.
func (x *execution) account(e *Event) {
	if e.Event == StepEnd {
		if e.Outcome == Error {
			x.classes |= classCleanup
			x.outcome = worse(x.outcome, Error)
		}
		x.counts.count(e.Outcome, false)
	}
	x.session.gate.send(e)
}

// leave notes what is left behind, for the end of the run.
func (s *session) leave(what string, r *resource) {
	if r.entry.GUID != "" {
		what += " (" + r.entry.GUID + ")"
	}
	s.mu.Lock()
	s.left = append(s.left, what)
	s.mu.Unlock()
}

// remove deletes a resource that the run created, and waits until it is gone.
func (s *session) remove(ctx context.Context, e entry) error {
	client, _, t := s.foundry(ctx)
	if t != nil {
		return t.err
	}
	return removeResource(ctx, client, e, s.plan.id)
}

// removeResource deletes a resource after it has read it again: name and run
// must match. One whose GUID is not known, as the answer to its creation was
// lost, is looked for by its name. What is gone is removed.
func removeResource(ctx context.Context, client *cf.Client, e entry, run string) error {
	if e.Kind == "service-key" {
		return removeKey(ctx, client, e, run)
	}
	instance, err := findInstance(ctx, client, e)
	if err != nil || instance.GUID == "" {
		return err
	}
	if instance.Name != e.Name || instance.Labels[labelRun] != run {
		return foreign("service instance", e, instance.Name, instance.Labels[labelRun], run)
	}
	for {
		operation, err := client.DeleteInstance(ctx, instance.GUID, instance.Name)
		if err == nil {
			_, err = client.Wait(ctx, operation, nil)
			return err
		}
		if !isKind(err, cf.KindInProgress) {
			return err
		}
		if _, err := client.Settle(ctx, cf.ServiceInstance, instance.GUID, nil); err != nil {
			return err
		}
	}
}

// findInstance reads an instance; the zero Instance: it is gone.
func findInstance(ctx context.Context, client *cf.Client, e entry) (cf.Instance, error) {
	if e.GUID != "" {
		instance, err := client.InstanceByGUID(ctx, e.GUID)
		if isKind(err, cf.KindNotFound) {
			return cf.Instance{}, nil
		}
		return instance, err
	}
	instance, err := client.Instance(ctx, e.Space, e.Name)
	if _, missing := errors.AsType[*cf.NotFoundError](err); missing {
		return cf.Instance{}, nil
	}
	return instance, err
}

func removeKey(ctx context.Context, client *cf.Client, e entry, run string) error {
	key, err := findKey(ctx, client, e)
	if err != nil || key.GUID == "" {
		return err
	}
	if key.Name != e.Name || key.Labels[labelRun] != run {
		return foreign("service key", e, key.Name, key.Labels[labelRun], run)
	}
	for {
		operation, err := client.DeleteKey(ctx, key.GUID, key.Name)
		if err == nil {
			_, err = client.Wait(ctx, operation, nil)
			return err
		}
		if !isKind(err, cf.KindInProgress) {
			return err
		}
		if _, err := client.Settle(ctx, cf.ServiceKey, key.GUID, nil); err != nil {
			return err
		}
	}
}

// findKey reads a key; the zero Key: it is gone.
func findKey(ctx context.Context, client *cf.Client, e entry) (cf.Key, error) {
	if e.GUID != "" {
		key, err := client.KeyByGUID(ctx, e.GUID)
		if isKind(err, cf.KindNotFound) {
			return cf.Key{}, nil
		}
		return key, err
	}
	key, err := client.Key(ctx, e.Instance, e.Name)
	if _, missing := errors.AsType[*cf.NotFoundError](err); missing || isKind(err, cf.KindNotFound) {
		return cf.Key{}, nil
	}
	return key, err
}

func isKind(err error, kind cf.Kind) bool {
	e, ok := errors.AsType[*cf.Error](err)
	return ok && e.Kind == kind
}

// foreignError is a resource that is not the one that the run created.
type foreignError struct{ message string }

// Error says what it is instead.
func (e *foreignError) Error() string { return e.message }

func foreign(what string, e entry, name, labelled, run string) error {
	if name != e.Name {
		return &foreignError{fmt.Sprintf("the %s %s is called %q and not %q; it is left alone", what, e.GUID, name, e.Name)}
	}
	if labelled == "" {
		return &foreignError{fmt.Sprintf("the %s %q does not carry the label of the run %s; it is left alone", what, name, run)}
	}
	return &foreignError{fmt.Sprintf("the %s %q carries the label of the run %s and not of %s; it is left alone", what, name, labelled, run)}
}
