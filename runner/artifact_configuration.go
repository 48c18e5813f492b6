package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/cpi"
	"iflowtest/internal/diag"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// parameterValue is what an externalized parameter is to have.
type parameterValue struct {
	key   string
	value value
	place assertions.Place
}

// artifactParameters compiles configuration.
func (c *stepCompiler) artifactParameters(body *scenarios.Node) []parameterValue {
	n := body.Get("configuration")
	if n == nil {
		return nil
	}
	if !isTrue(body.Get("deploy")) {
		c.diags = append(c.diags, diag.Errorf(body.Key("configuration").Pos(), diag.InvalidValue, "configuration is what the step deploys the artifact with, and it deploys nothing").
			WithHint("add deploy: true"))
	}
	var all []parameterValue
	for _, e := range n.Entries() {
		c.noExpression(e.Key)
		p := parameterValue{e.Key.Text, c.value(e.Value, c.scope), c.place(e.Key.Pos())}
		if e.Value.Kind == scenarios.Map || e.Value.Kind == scenarios.List {
			c.diags = append(c.diags, diag.Errorf(e.Value.Pos(), diag.WrongType, "the parameter %s is no single value; an externalized parameter is a text", e.Key.Text))
		}
		if p.value.constant {
			learnParameter(c.o.Redactor, p.key, textOf(p.value.fixed))
		}
		all = append(all, p)
	}
	return all
}

// learnParameter makes the value of a parameter a secret whose name says so.
func learnParameter(r *secret.Redactor, key, value string) {
	if secret.IsName(key) && len(value) >= secretLength {
		r.Add(key, value)
	}
}

// joinKeys names parameters.
func joinKeys(all []parameterValue) string {
	keys := make([]string, 0, len(all))
	for _, p := range all {
		keys = append(keys, p.key)
	}
	return strings.Join(keys, ", ")
}

// configure gives the parameters their values, those that have others. A
// result means that the artifact lacks one of them; nothing is changed then.
func (d *deployment) configure(ctx context.Context) (*result, *trouble) {
	if len(d.parameters) == 0 {
		return nil, nil
	}
	values, t := d.parameterValues()
	if t != nil {
		return nil, t
	}
	present, err := patiently(ctx, d.api, func() ([]cpi.Parameter, error) { return d.api.Parameters(ctx, d.id) })
	if err != nil {
		return d.refused(ctx, err)
	}
	for _, p := range present {
		learnParameter(d.x.session.redactor, p.Key, p.Value)
	}
	if r := d.lacking(present); r != nil {
		return r, nil
	}
	var changes []change
	for i, p := range d.parameters {
		is := present[slices.IndexFunc(present, func(q cpi.Parameter) bool { return q.Key == p.key })]
		if is.Value != values[i] {
			changes = append(changes, change{former: is, set: values[i]})
		}
	}
	if len(changes) == 0 {
		d.x.log().Info("the artifact is configured already", "artifact", d.id)
		return nil, nil
	}
	return d.change(ctx, changes)
}

// tellFormer tells of parameters that a dead run changed: what they have now
// may be its values, and what they had before nobody knows.
func (d *deployment) tellFormer() {
	s := d.x.session
	for _, e := range s.deployments.left(s.journal.folder, kindConfiguration, d.api.root, d.id) {
		if !s.deployments.tell(e) {
			continue
		}
		keys := cmp.Or(strings.Join(e.Keys, ", "), "parameters")
		r := d.resource(kindConfiguration, keepNever)
		r.what = fmt.Sprintf("configuration of artifact %s (%s)", d.id, keys)
		r.title = fmt.Sprintf("restore the configuration of artifact %s from before the run %s", d.id, e.Run)
		r.stays = fmt.Sprintf("the run %s, which was killed, changed %s, and no journal holds the former values: set them again with Configure in the design workspace, then forget this with iflowtest cleanup --run %s", e.Run, keys, e.Run)
		d.x.created = append(d.x.created, r)
		s.leave(fmt.Sprintf("%s, as the run %s, which was killed, changed it", r.what, e.Run))
		d.x.log().Warn("the configuration is not what it was", "artifact", d.id, "because", r.stays)
	}
}

// parameterValues gives the values in the order of the file.
func (d *deployment) parameterValues() ([]string, *trouble) {
	var values []string
	for _, p := range d.parameters {
		v, err := p.value.eval(d.x.values)
		if err != nil {
			return nil, fromExpression(err)
		}
		text := textOf(v)
		learnParameter(d.x.session.redactor, p.key, text)
		values = append(values, text)
	}
	return values, nil
}

// lacking gives a failure for each parameter that the artifact does not have;
// nil: it has all of them.
func (d *deployment) lacking(present []cpi.Parameter) *result {
	var keys []string
	for _, p := range present {
		keys = append(keys, p.Key)
	}
	var failures []assertions.Failure
	for _, p := range d.parameters {
		if slices.Contains(keys, p.key) {
			continue
		}
		message := fmt.Sprintf("the artifact %q has no parameter %q", d.id, p.key)
		if hint := near(p.key, keys); hint != "" {
			message += "; " + hint
		} else {
			message += "; it has none"
		}
		failures = append(failures, wanted(p.place, "configuration", p.key, "nothing", message, nil))
	}
	if failures == nil {
		return nil
	}
	return &result{exchange: d.api.last, failures: failures}
}

// change is another value of a parameter.
type change struct {
	former cpi.Parameter
	set    string
}

// change changes parameters, once the journal has their keys.
func (d *deployment) change(ctx context.Context, changes []change) (*result, *trouble) {
	restored, t := d.restored(changes)
	if t != nil {
		return nil, t
	}
	for _, c := range changes {
		restored.add(c)
		p := c.former
		p.Value = c.set
		d.x.log().Info("setting a parameter", "artifact", d.id, "parameter", p.Key)
		if _, err := patiently(ctx, d.api, func() (struct{}, error) { return struct{}{}, d.api.SetParameter(ctx, d.id, p) }); err != nil {
			return d.refused(ctx, err)
		}
	}
	return nil, nil
}

// restored gives what puts the configuration of the artifact back, and notes
// the keys. There is one for each artifact of a scenario: after a signal all
// that it made is taken back at once, in no order.
func (d *deployment) restored(changes []change) (*restoration, *trouble) {
	r := d.x.here(kindConfiguration, d.api.root, d.id)
	fresh := r == nil
	if fresh {
		r = d.resource(kindConfiguration, keepNever)
		root := d.api.root
		r.restoration = &restoration{api: d.api.apart, id: d.id, own: func(a cpi.RuntimeArtifact) bool { return d.x.session.deployments.made(root, a) }}
		r.title = "restore the configuration of artifact " + d.id
		r.undo = r.restoration.run
	}
	for _, c := range changes {
		if !slices.Contains(r.entry.Keys, c.former.Key) {
			r.entry.Keys = append(slices.Clone(r.entry.Keys), c.former.Key)
		}
	}
	r.what = fmt.Sprintf("configuration of artifact %s (%s)", d.id, strings.Join(r.entry.Keys, ", "))
	if fresh {
		if t := d.x.intend(r); t != nil {
			return nil, t
		}
		r.entry.Op = opCreated
		return r.restoration, nil
	}
	if err := d.x.session.journal.note(r.entry); err != nil {
		return nil, journalTrouble(err)
	}
	return r.restoration, nil
}

// restoration puts the configuration of an artifact back. The former values
// are in memory only.
type restoration struct {
	api     *cpi.Client
	id      string
	changes []change
	// own reports whether the run made a deployment.
	own func(cpi.RuntimeArtifact) bool
	// stays says that the artifact is not undeployed: what the run deployed
	// with other values is deployed again.
	stays bool
}

// add notes a change; the value before the first one of a parameter is what
// comes back.
func (r *restoration) add(c change) {
	i := slices.IndexFunc(r.changes, func(o change) bool { return o.former.Key == c.former.Key })
	if i < 0 {
		r.changes = append(r.changes, c)
		return
	}
	r.changes[i].set = c.set
}

// run puts the former values back, where the parameters still have those that
// the run set. found is false when the artifact is gone.
func (r *restoration) run(ctx context.Context, _ entry) (found bool, err error) {
	present, err := r.api.Parameters(ctx, r.id)
	switch {
	case platform.Is(err, platform.KindNotFound):
		return false, nil
	case err != nil:
		return true, err
	}
	var failed []error
	for _, c := range r.changes {
		if err := r.one(ctx, present, c); err != nil {
			failed = append(failed, err)
		}
	}
	if failed == nil && r.stays {
		return true, r.redeploy(ctx)
	}
	return true, errors.Join(failed...)
}

func (r *restoration) one(ctx context.Context, present []cpi.Parameter, c change) error {
	i := slices.IndexFunc(present, func(p cpi.Parameter) bool { return p.Key == c.former.Key })
	switch {
	case i < 0:
		return &foreignError{fmt.Sprintf("the artifact %q has no parameter %q any more; its value cannot be put back", r.id, c.former.Key)}
	case present[i].Value == c.former.Value:
		return nil
	case present[i].Value != c.set:
		return &foreignError{fmt.Sprintf("the parameter %q of the artifact %q was changed by somebody else since; it is left alone", c.former.Key, r.id)}
	}
	return r.api.SetParameter(ctx, r.id, c.former)
}

// redeploy deploys the artifact with its former values, where the run deployed
// it with others.
func (r *restoration) redeploy(ctx context.Context) error {
	there, err := r.api.RuntimeArtifact(ctx, r.id)
	switch {
	case platform.Is(err, platform.KindNotFound), err == nil && !r.own(there):
		return nil
	case err != nil:
		return err
	}
	task, err := r.api.Deploy(ctx, r.id)
	if err != nil {
		return err
	}
	status, err := awaitBuild(ctx, r.api, r.id, task)
	switch {
	case err != nil:
		return err
	case status != "" && status != cpi.BuildSuccess:
		return fmt.Errorf("the artifact %q could not be deployed with its former configuration, it is deployed with that of the run: the build ended with %s", r.id, status)
	}
	return r.awaitStart(ctx, there)
}

// awaitStart waits until the artifact is no longer the one that was there, and
// has started.
func (r *restoration) awaitStart(ctx context.Context, there cpi.RuntimeArtifact) error {
	built := time.Now()
	for looks := 1; ; looks++ {
		now, err := r.api.RuntimeArtifact(ctx, r.id)
		stale := sameDeployment(now, there.DeployedOn, there.DeployedBy) && time.Since(built) < staleLimit
		switch {
		case err != nil && !platform.Is(err, platform.KindNotFound):
			return err
		case err != nil, stale, now.Status == cpi.Starting, now.Status == cpi.Stopping:
		case now.Status == cpi.Failed:
			return fmt.Errorf("the artifact %q was deployed with its former configuration, and does not start", r.id)
		default:
			return nil
		}
		if httpx.Sleep(ctx, backoff(pause, 5*time.Second, 2, looks)) != nil {
			return &unfinished{fmt.Sprintf("the artifact %q is being deployed with its former configuration", r.id)}
		}
	}
}
