package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// lastChance is how long a deletion has that could not begin before the time
// that a signal leaves was over.
const lastChance = 2 * time.Second

// deletion is the removal of one resource at the end of its scenario.
type deletion struct {
	*resource
	index int
	// kept is why it stays; empty: it goes.
	kept string
	// instance is the deletion of the instance that a key belongs to, where
	// that goes as well.
	instance *deletion

	// done is closed when what follows is known.
	done    chan struct{}
	started time.Time
	took    time.Duration
	// absent says that there was nothing: the answer to its creation was lost,
	// and it never appeared.
	absent bool
	err    error
	// t is what err means.
	t *trouble
}

// takeDown deletes what the scenario created, last first, whatever happened;
// each deletion has its own limit and is a case of its own. After a signal all
// are sent at once, as little time is left: deleting an instance deletes its
// keys.
func (x *execution) takeDown(signals context.Context) {
	list := x.deletions()
	if len(list) == 0 {
		return
	}
	ctx, cancel := x.hurried(context.WithoutCancel(signals))
	defer cancel()
	turn := make(chan struct{})
	close(turn)
	for _, d := range list {
		if d.kept != "" {
			close(d.done)
			continue
		}
		go func(turn <-chan struct{}) {
			defer close(d.done)
			select {
			case <-turn:
			case <-signals.Done():
			}
			d.run(signals, ctx, x.session)
		}(turn)
		turn = d.done
	}
	for _, d := range list {
		if d.kept == "" {
			x.account(x.deleting(d, StepStart))
		}
		<-d.done
		x.account(x.deleted(d))
	}
	for _, d := range list {
		x.remains(d)
	}
}

// remains names a resource that is left behind, when it is.
func (x *execution) remains(d *deletion) {
	switch {
	case d.stays != "" || d.gone || d.absent:
		return
	case d.kept != "":
		x.session.leave("kept: " + d.described())
	default:
		x.session.leave(d.described())
	}
	x.session.named(d.entry)
}

// deletions gives what there is to delete, in that order.
func (x *execution) deletions() []*deletion {
	var list []*deletion
	for _, r := range slices.Backward(x.created) {
		if !r.gone {
			list = append(list, &deletion{resource: r, index: len(x.scenario.steps) + 1 + len(list), kept: cmp.Or(r.stays, x.keeps(r)), done: make(chan struct{})})
		}
	}
	for _, key := range list {
		if d := key.instanceIn(list); d != nil && key.kept != "" && d.kept == "" {
			// It would go with its instance.
			d.kept = fmt.Sprintf("kept, as %s is kept; remove it with: %s", key.what, x.session.plan.cleanupCommand())
		}
	}
	for _, d := range list {
		if i := d.instanceIn(list); i != nil && i.kept == "" {
			d.instance = i
		}
		if d.restoration != nil {
			d.restoration.stays = !slices.ContainsFunc(list, func(o *deletion) bool { return o.kept == "" && o.undeploys(d.entry) })
		}
	}
	return list
}

// undeploys reports whether it takes back the deployment of the artifact that
// the entry speaks of.
func (d *deletion) undeploys(e entry) bool {
	return d.entry.Kind == kindArtifact && d.entry.API == e.API && d.entry.Name == e.Name
}

// instanceIn gives the deletion of the instance that a key belongs to; nil:
// there is none.
func (d *deletion) instanceIn(list []*deletion) *deletion {
	for _, other := range list {
		if d.entry.Kind == kindKey && other.entry.Kind == kindInstance && other.entry.GUID != "" && other.entry.GUID == d.entry.Instance {
			return other
		}
	}
	return nil
}

// hurried gives a context that a signal ends some seconds later.
func (x *execution) hurried(ctx context.Context) (context.Context, context.CancelFunc) {
	hurry := x.session.hurry
	if hurry.Err() != nil {
		return context.WithTimeoutCause(ctx, lastChance, context.Cause(hurry))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(hurry, func() { cancel(context.Cause(hurry)) })
	return ctx, func() { stop(); cancel(nil) }
}

// run deletes the resource, within its own limit.
func (d *deletion) run(signals, ctx context.Context, s *session) {
	d.started = time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, deletionTimeout, &limit{"deletion timeout", deletionTimeout})
	defer cancel()
	defer func() {
		d.took = time.Since(d.started)
		if v := recover(); v != nil {
			s.plan.o.Log.Error("panic", "value", fmt.Sprint(v))
			d.err = fmt.Errorf("the program made a mistake: %v", v)
		}
		if d.err != nil {
			d.t = fromUndo(limited, d.err)
		}
		if _, held := errors.AsType[*heldError](d.err); held {
			d.t.problem.Cure = "when nobody needs that any more, delete it, and then the instance with: " + s.plan.cleanupCommand()
		}
	}()
	if d.instance != nil && signals.Err() != nil {
		select {
		case <-d.instance.done:
		case <-limited.Done():
		}
		if d.instance.succeeded() {
			return
		}
	}
	found := false
	if d.undo != nil {
		found, d.err = d.undo(limited, d.entry)
	} else {
		found, d.err = s.remove(limited, d.resource)
	}
	d.absent = d.err == nil && !found && d.entry.Op == opIntent
}

// succeeded reports whether a deletion that may be done came to its end; only
// for one whose done is closed, else it has not.
func (d *deletion) succeeded() bool {
	select {
	case <-d.done:
		return d.err == nil
	default:
		return false
	}
}

// neverWas reports whether somebody else holds the name of what was not known
// to exist.
func (d *deletion) neverWas() bool {
	_, foreign := errors.AsType[*foreignError](d.err)
	return foreign && d.entry.Op == opIntent
}

// deleting makes an event of a deletion.
func (x *execution) deleting(d *deletion, name string) *Event {
	e := x.event(name, nil)
	e.Step, e.Index, e.Kind, e.Cleanup = cmp.Or(d.title, "delete "+d.what), d.index, d.entry.Kind, true
	return e
}

// deleted makes the end of a deletion, and notes it in the journal.
func (x *execution) deleted(d *deletion) *Event {
	end := x.deleting(d, StepEnd)
	switch {
	case d.stays != "":
		end.Outcome, end.Reason = Skip, d.stays
		return end
	case d.kept != "":
		end.Outcome, end.Reason = Skip, d.kept
		d.entry.Op = opKept
		if err := x.session.journal.note(d.entry); err != nil {
			x.log().Warn("journal", "error", err)
		}
		return end
	case d.neverWas():
		end.Outcome, end.Reason = Skip, d.err.Error()
		x.forget(d.resource)
	case d.err != nil:
		end.Outcome, end.Err = Error, &Problem{Type: TypeCleanup, Message: d.t.problem.Message, Cure: d.t.problem.Cure}
	case d.absent:
		// Should it appear all the same, the journal knows of it.
		end.Outcome, end.Reason = Skip, d.lost()
	default:
		end.Outcome = Pass
		x.forget(d.resource)
	}
	end.DurationMs, end.Attempts = milliseconds(d.took), 1
	if d.gone && d.entry.Kind == kindInstance {
		for _, r := range x.created {
			if r.entry.Kind == kindKey && r.entry.Instance == d.entry.GUID && !r.gone {
				x.forget(r) // whatever became of its own deletion
			}
		}
	}
	return end
}

// lost says that an answer was lost, and that nothing came of the request.
func (d *deletion) lost() string {
	if d.entry.Kind == kindArtifact {
		return fmt.Sprintf("deploying it got no answer, and it did not appear within %s", formatDuration(lostDeployment))
	}
	return fmt.Sprintf("creating it got no answer, and it did not appear within %s", formatDuration(lookAgain))
}

// described names a resource for people, with its GUID where it is known.
func (r *resource) described() string {
	if r.entry.GUID == "" {
		return r.what
	}
	return r.what + " (" + r.entry.GUID + ")"
}

// keeps gives the reason why a resource stays, or nothing. Neither a signal
// nor a cleanup that failed is a failure of the scenario. What belongs to the
// run is kept when a scenario of it failed.
func (x *execution) keeps(r *resource) string {
	if x.repeated != nil && x.repeated() {
		return "" // the next try makes its own, of the same name
	}
	classes := x.classes
	if slices.ContainsFunc(x.session.plan.shared, func(sh *shared) bool { return sh.x == x }) {
		x.session.mu.Lock()
		classes |= x.session.classes
		x.session.mu.Unlock()
	}
	failed := classes&^(classInterrupted|classCleanup) != 0
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
func (s *session) leave(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ := slices.BinarySearch(s.left, what)
	s.left = slices.Insert(s.left, at, what)
}

// remove deletes a resource that the run created, and waits until it is gone.
// One whose GUID is not known, as the answer to its creation was lost, may
// appear late. found is false when there was none. An instance that holds keys
// or bindings which the run did not make is left, with a [*heldError].
func (s *session) remove(ctx context.Context, r *resource) (found bool, err error) {
	e := r.entry
	if e.Kind == kindDestination {
		return e.removeDestination(ctx, s.destinations())
	}
	client, _, t := s.foundry(ctx)
	if t != nil {
		return false, t.err
	}
	p, err := e.await(ctx, client, time.Now().Add(lookAgain))
	if err != nil || p == nil {
		return false, err
	}
	if err := p.foreign(e); err != nil {
		return true, err
	}
	if e.Kind == kindInstance {
		held, err := strangers(ctx, client, p.guid, e.Run)
		if err == nil && held != "" {
			err = &heldError{p.name, held}
		}
		if err != nil {
			return true, err
		}
		s.space.deleting(e.Name, p.guid, r.scenario)
	}
	return true, p.remove(ctx, client, e)
}

// heldError is an instance that holds what the run did not make.
type heldError struct{ instance, holds string }

// Error says what it holds.
func (e *heldError) Error() string {
	return fmt.Sprintf("the service instance %q holds what the run did not make: %s; it is left alone", e.instance, e.holds)
}

// strangers names keys and bindings of an instance that the run did not make;
// empty: there are none. One that is being deleted does not count.
func strangers(ctx context.Context, client *cf.Client, instance, run string) (string, error) {
	keys, err := client.Keys(ctx, cf.KeyQuery{InstanceGUIDs: []string{instance}})
	if err != nil {
		return "", err
	}
	var names []string
	for _, k := range keys {
		if last := k.LastOperation; k.Labels[labelRun] == run || last.Type == string(cf.Delete) && !last.Failed() {
			continue
		}
		what := "the service key"
		if k.Type == cf.TypeApp {
			what = "the binding"
		}
		names = append(names, fmt.Sprintf("%s %q", what, cmp.Or(k.Name, k.GUID)))
	}
	return strings.Join(names, ", "), nil
}

// present is a resource as it is on the platform.
type present struct {
	guid, name string
	labels     map[string]string
	last       cf.LastOperation
}

// find reads a resource: by its GUID or, where that is not known, by its name.
// nil: it is not there.
func (e entry) find(ctx context.Context, client *cf.Client) (*present, error) {
	if e.Kind == kindKey {
		return e.findKey(ctx, client)
	}
	var i cf.Instance
	var err error
	if e.GUID != "" {
		i, err = client.InstanceByGUID(ctx, e.GUID)
	} else {
		i, err = client.Instance(ctx, e.Space, e.Name)
	}
	if err != nil {
		return nil, unlessMissing(err)
	}
	return &present{i.GUID, i.Name, i.Labels, i.LastOperation}, nil
}

func (e entry) findKey(ctx context.Context, client *cf.Client) (*present, error) {
	var k cf.Key
	var err error
	if e.GUID != "" {
		k, err = client.KeyByGUID(ctx, e.GUID)
	} else {
		k, err = client.Key(ctx, e.Instance, e.Name)
	}
	if err != nil {
		return nil, unlessMissing(err)
	}
	return &present{k.GUID, k.Name, k.Labels, k.LastOperation}, nil
}

// unlessMissing gives no error for what is not there. The 404 of an API that
// does not know the request is one.
func unlessMissing(err error) error {
	if _, missing := errors.AsType[*cf.NotFoundError](err); missing {
		return nil
	}
	if e, ok := errors.AsType[*platform.Error](err); ok && e.Kind == platform.KindNotFound && e.Code == 10010 {
		return nil
	}
	return err
}

// await is find for a resource that may appear late: without a GUID it is
// looked for until a time.
func (e entry) await(ctx context.Context, client *cf.Client, until time.Time) (*present, error) {
	for wait := lookAgain / 32; ; wait *= 2 {
		p, err := e.find(ctx, client)
		left := time.Until(until)
		if err != nil || p != nil || e.GUID != "" || left <= 0 {
			return p, err
		}
		if err := httpx.Sleep(ctx, min(wait, left, lookAgain/4)); err != nil {
			return nil, err
		}
	}
}

// foreign says why a resource is not the one of the entry; nil: it is. Without
// an ID the entry was made of its labels.
func (p *present) foreign(e entry) error {
	what := wordsOf(e.Kind)
	labelled := p.labels[labelRun]
	switch {
	case p.name != e.Name:
		return &foreignError{fmt.Sprintf("the %s %s is called %q and not %q; it is left alone", what, p.guid, p.name, e.Name)}
	case labelled == "":
		return &foreignError{fmt.Sprintf("the %s %q does not carry the label of the run %s; it is left alone", what, p.name, e.Run)}
	case labelled != e.Run:
		return &foreignError{fmt.Sprintf("the %s %q carries the label of the run %s and not of %s; it is left alone", what, p.name, labelled, e.Run)}
	case e.ID > 0 && p.labels[labelResource] != strconv.Itoa(e.ID):
		return &foreignError{fmt.Sprintf("the %s %q was made by another step of the run; it is left alone", what, p.name)}
	}
	return nil
}

// foreignError is a resource that is not the one that the run created.
type foreignError struct{ message string }

// Error says what it is instead.
func (e *foreignError) Error() string { return e.message }

// pause is the wait before a deletion is sent again that something stood in
// the way of.
const pause = 250 * time.Millisecond

// remove deletes the resource and waits until it is gone. What is under way
// for it, or for the instance of a key, is waited for.
func (p *present) remove(ctx context.Context, client *cf.Client, e entry) error {
	for n := 1; ; n++ {
		operation, err := p.begin(ctx, client, e)
		if err == nil {
			_, err = client.Wait(ctx, operation, nil)
		}
		if err == nil || !platform.Is(err, platform.KindInProgress, platform.KindBusy) {
			return err
		}
		if err := p.settle(ctx, client, e); err != nil {
			return err
		}
		if err := httpx.Sleep(ctx, backoff(pause, 5*time.Second, 2, n)); err != nil {
			return err
		}
	}
}

func (p *present) begin(ctx context.Context, client *cf.Client, e entry) (cf.Operation, error) {
	if e.Kind == kindKey {
		return client.DeleteKey(ctx, p.guid, p.name)
	}
	return client.DeleteInstance(ctx, p.guid, p.name)
}

// settle waits until nothing is under way for the resource and, as a key
// cannot be deleted meanwhile, its instance.
func (p *present) settle(ctx context.Context, client *cf.Client, e entry) error {
	if e.Kind == kindInstance {
		_, err := client.Settle(ctx, cf.ServiceInstance, p.guid, nil)
		return err
	}
	_, err := client.Settle(ctx, cf.ServiceKey, p.guid, nil)
	if err == nil && e.Instance != "" {
		_, err = client.Settle(ctx, cf.ServiceInstance, e.Instance, nil)
	}
	return err
}

func wordsOf(kind string) string {
	switch kind {
	case kindKey:
		return "service key"
	case kindDestination:
		return "destination"
	case kindArtifact:
		return "artifact"
	case kindConfiguration:
		return "configuration of the artifact"
	}
	return "service instance"
}
