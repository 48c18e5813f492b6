package runner

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"iflowtest/internal/cpi"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// The kinds of resources that an artifact step makes: what it deploys, and the
// values of parameters it changes. Both stand in journals.
const (
	kindArtifact      = "artifact"
	kindConfiguration = "artifact-configuration"
)

// ofIntegration reports whether the entry speaks of something of Cloud
// Integration.
func (e entry) ofIntegration() bool { return e.Kind == kindArtifact || e.Kind == kindConfiguration }

// deployments are the newest deployments of a run, by the root of the API and
// the ID: a scenario may deploy again what another one is to undeploy. The zero
// value is ready; it is safe for concurrent use.
type deployments struct {
	mu  sync.Mutex
	all map[string]cpi.RuntimeArtifact
	// dead is what dead runs left, once it is read; told are the entries of it
	// that were told of.
	read sync.Once
	dead []entry
	told map[string]bool
	// by are the runs of what was told, in that order.
	by []string
	// gone are the newest undeployments of the run.
	gone map[string]undeployed
}

// undeployed is an undeployment by a scenario of the run.
type undeployed struct {
	scenario string
	asked    time.Time // when the platform was asked for it
}

// took notes that a scenario undeploys an artifact.
func (d *deployments) took(root, id, scenario string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone == nil {
		d.gone = map[string]undeployed{}
	}
	d.gone[root+" "+id] = undeployed{scenario, time.Now()}
}

// taken gives the newest undeployment of an artifact by the run; false: there
// was none since some time.
func (d *deployments) taken(root, id string, since time.Time) (undeployed, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.gone[root+" "+id]
	return t, ok && !t.asked.Before(since)
}

// left gives what dead runs, whose journals are in a folder, left of an
// artifact. The folder is read once.
func (d *deployments) left(folder, kind, root, id string) []entry {
	d.read.Do(func() { d.dead = unsettled(folder) })
	var of []entry
	for _, e := range d.dead {
		if e.Kind == kind && e.API == root && e.Name == id {
			of = append(of, e)
		}
	}
	return of
}

// tell reports whether an entry of a dead run is told of for the first time.
func (d *deployments) tell(e entry) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := fmt.Sprint(e.Run, " ", e.ID)
	if d.told == nil {
		d.told = map[string]bool{}
	}
	if d.told[key] {
		return false
	}
	d.told[key], d.by = true, append(d.by, e.Run)
	return true
}

// leftBy gives the run that left what is left behind: a dead one, when this one
// left nothing itself.
func (s *session) leftBy() string {
	s.deployments.mu.Lock()
	defer s.deployments.mu.Unlock()
	if by := s.deployments.by; len(by) > 0 && len(by) == len(s.left) {
		return by[0]
	}
	return s.plan.id
}

func (d *deployments) saw(root string, a cpi.RuntimeArtifact) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[string]cpi.RuntimeArtifact{}
	}
	d.all[root+" "+a.ID] = a
}

// made reports whether the run made the deployment.
func (d *deployments) made(root string, a cpi.RuntimeArtifact) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known, ok := d.all[root+" "+a.ID]
	return ok && sameDeployment(a, known.DeployedOn, known.DeployedBy)
}

func sameDeployment(a cpi.RuntimeArtifact, on time.Time, by string) bool {
	return a.DeployedOn.Equal(on) && a.DeployedBy == by
}

// named gives the name of the scenario, with that of its row.
func (x *execution) named() string {
	if x.row == nil {
		return strconv.Quote(x.scenario.name)
	}
	return fmt.Sprintf("%q (row %s)", x.scenario.name, x.rowName)
}

// here gives what the scenario made of an artifact and is still to be taken
// back; nil: nothing.
func (x *execution) here(kind, root, id string) *resource {
	for _, r := range x.created {
		if !r.gone && r.stays == "" && r.entry.Kind == kind && r.entry.API == root && r.entry.Name == id {
			return r
		}
	}
	return nil
}

// intend notes what is about to be deployed, when it is to go. What the
// scenario deployed before is deployed anew, and goes once.
func (d *deployment) intend(ctx context.Context, existed bool) *trouble {
	if t := ended(ctx); t != nil {
		return t
	}
	made := d.x.here(kindArtifact, d.api.root, d.id)
	switch {
	case made != nil:
		d.made, d.former = made, made.entry
		return d.x.intendAgain(made)
	case !d.undeploy:
		return nil
	case existed && d.deadRun() == "":
		d.leave()
		return nil
	case existed:
		d.x.log().Info("the artifact goes when the scenario ends, as a run that was killed deployed it", "artifact", d.id, "run", d.deadRun())
	}
	r := d.resource(kindArtifact, d.keep)
	r.what, r.title = "artifact "+d.id, "undeploy artifact "+d.id
	root, undo := d.api.root, d.api.apart
	r.undo = func(ctx context.Context, e entry) (bool, error) {
		all := &d.x.session.deployments
		u := undeployment{
			api: undo, e: e, own: func(a cpi.RuntimeArtifact) bool { return all.made(root, a) },
			asked: func() { all.took(root, d.id, d.x.named()) },
		}
		return u.run(ctx)
	}
	if t := d.x.intend(r); t != nil {
		return t
	}
	d.made = r
	return nil
}

// resource makes what the step is about to make.
func (d *deployment) resource(kind, keep string) *resource {
	return &resource{keep: keep, entry: entry{Time: time.Now(), Kind: kind, Name: d.id, API: d.api.root, Credential: d.api.credential}}
}

// intendAgain notes that what the scenario deployed is about to be deployed
// anew: what it was before says nothing any more.
func (x *execution) intendAgain(r *resource) *trouble {
	r.entry.Op, r.entry.Time, r.entry.GUID, r.entry.Deployed, r.entry.By = opIntent, time.Now(), "", time.Time{}, ""
	if err := x.session.journal.note(r.entry); err != nil {
		return journalTrouble(err)
	}
	return nil
}

// leave tells that the artifact stays, as it was there before.
func (d *deployment) leave() {
	reason := "it was deployed before the step, which replaced it: what the step did not create it does not undeploy"
	if slices.ContainsFunc(d.x.created, func(r *resource) bool {
		return r.stays != "" && r.entry.Kind == kindArtifact && r.entry.API == d.api.root && r.entry.Name == d.id
	}) {
		return
	}
	r := d.resource(kindArtifact, keepNever)
	r.what, r.title, r.stays = "artifact "+d.id, "undeploy artifact "+d.id, reason
	d.x.created = append(d.x.created, r)
	d.x.log().Info("the artifact stays deployed", "artifact", d.id, "because", reason)
}

// deadRun gives the dead run that deployed what was there before the step, and
// could not undeploy it: it is the step's own to undeploy then. Empty: none is
// known to have.
func (d *deployment) deadRun() string {
	for _, e := range d.x.session.deployments.left(d.x.session.journal.folder, kindArtifact, d.api.root, d.id) {
		if (undeployment{e: e}).foreign(d.before) == nil {
			return e.Run
		}
	}
	return ""
}

// withdraw takes the note back: the platform refused the deployment.
func (d *deployment) withdraw() {
	switch {
	case d.made == nil:
	case d.former.ID == 0:
		d.x.forget(d.made)
	default:
		d.made.entry = d.former
		d.x.noted(d.made)
	}
}

// begun notes that the deployment began.
func (d *deployment) begun(task string) {
	if d.made != nil {
		d.made.entry.Op, d.made.entry.GUID = opCreated, task
		d.x.noted(d.made)
	}
}

// seen notes what the deployment became in the runtime.
func (d *deployment) seen(found cpi.RuntimeArtifact) {
	if d.built.IsZero() || d.stale(found) {
		return
	}
	d.x.session.deployments.saw(d.api.root, found)
	if d.made == nil || found.DeployedOn.IsZero() || sameDeployment(found, d.made.entry.Deployed, d.made.entry.By) {
		return
	}
	d.made.entry.Deployed, d.made.entry.By = found.DeployedOn, found.DeployedBy
	d.x.noted(d.made)
}

// noted writes what is new about a resource.
func (x *execution) noted(r *resource) {
	if err := x.session.journal.note(r.entry); err != nil {
		x.log().Warn("journal", "error", err)
	}
}

// provisions describes what the step deploys and changes, and what is taken
// back.
func (a *artifactAction) provisions(d *StepDescription, known *expression.Values) {
	if !a.deploy {
		return
	}
	what := "artifact " + a.id.Partial(known)
	d.Deploys = append(d.Deploys, what)
	if len(a.parameters) > 0 {
		configuration := "the configuration of " + what + ": " + joinKeys(a.parameters)
		d.Changes, d.Restores = append(d.Changes, configuration), append(d.Restores, configuration)
	}
	if a.undeploy && a.keep != keepAlways {
		what += ", unless it was deployed before"
		if a.keep == keepOnFailure {
			what += ", or the scenario fails"
		}
		d.Undeploys = append(d.Undeploys, what)
	}
}

// How long after its note a deployment without a task may still appear, as the
// answer to it was lost; how long after its build; and how long after its note
// what is there cannot be of the run.
const (
	lostDeployment    = time.Minute
	builtDeployment   = staleLimit
	foreignDeployment = provisioningTimeout + 5*time.Minute
)

// undeployment takes back what a run deployed.
type undeployment struct {
	api *cpi.Client
	e   entry
	// own reports whether the run made a deployment that is newer than the
	// entry; nil: none is.
	own func(cpi.RuntimeArtifact) bool
	// asked is called when the platform has been asked; nil: nothing is.
	asked func()
}

// run undeploys, and waits until nothing is there. found is false when there
// was nothing.
func (u undeployment) run(ctx context.Context) (found bool, err error) {
	for {
		there, more, err := u.find(ctx)
		if err != nil || !more {
			return found || more, err
		}
		if err := u.foreign(there); err != nil {
			return true, err
		}
		found = true
		// Without a task what is there may be the deployment before the one
		// that was asked for, which then still comes.
		if err := u.stop(ctx, there); err != nil || u.e.GUID != "" || !u.e.Deployed.IsZero() {
			return true, err
		}
	}
}

// find looks for what was deployed. While it is still built, it is waited for:
// it would appear afterwards.
func (u undeployment) find(ctx context.Context) (there cpi.RuntimeArtifact, found bool, err error) {
	until := time.Now()
	if u.e.Deployed.IsZero() {
		if until, err = u.awaitBuild(ctx); err != nil {
			return there, false, err
		}
	}
	for looks := 1; ; looks++ {
		there, err = u.api.RuntimeArtifact(ctx, u.e.Name)
		if err == nil || !platform.Is(err, platform.KindNotFound) {
			return there, err == nil, err
		}
		left := time.Until(until)
		if left <= 0 {
			return there, false, nil
		}
		if err := httpx.Sleep(ctx, min(backoff(pause, 5*time.Second, 2, looks), left)); err != nil {
			return there, false, err
		}
	}
}

// awaitBuild waits until nothing is built any more, and gives the time until
// which what was built may appear.
func (u undeployment) awaitBuild(ctx context.Context) (time.Time, error) {
	soon := time.Now().Add(lookAgain)
	if u.e.GUID == "" {
		if lost := u.e.Time.Add(lostDeployment); lost.After(soon) {
			return lost, nil
		}
		return soon, nil
	}
	status, err := awaitBuild(ctx, u.api, u.e.Name, u.e.GUID)
	if err == nil && status == cpi.BuildSuccess {
		return time.Now().Add(builtDeployment), nil
	}
	return time.Now().Add(lookAgain), err // it failed, is forgotten, or never began
}

// awaitBuild waits until a deployment is built or failed, and gives the status;
// empty: nothing is known of it.
func awaitBuild(ctx context.Context, api *cpi.Client, id, task string) (string, error) {
	for looks := 1; ; looks++ {
		status, err := api.BuildStatus(ctx, task)
		switch {
		case platform.Is(err, platform.KindNotFound):
			return "", nil
		case err != nil:
			return "", err
		case status != cpi.BuildDeploying:
			return status, nil
		}
		if httpx.Sleep(ctx, backoff(pause, 5*time.Second, 2, looks)) != nil {
			return status, &unfinished{fmt.Sprintf("the deployment of the artifact %q (task %s) is still %s", id, task, status)}
		}
	}
}

// foreign says why what is deployed is not what the run deployed; nil: it is.
func (u undeployment) foreign(a cpi.RuntimeArtifact) error {
	seen := !u.e.Deployed.IsZero()
	switch {
	case seen && sameDeployment(a, u.e.Deployed, u.e.By), u.own != nil && u.own(a):
		return nil
	case seen:
		return &foreignError{fmt.Sprintf("the artifact %q was deployed again since, at %s by %q; it is left alone", a.ID, a.DeployedOn.UTC().Format(time.RFC3339), a.DeployedBy)}
	case a.DeployedOn.After(u.e.Time.Add(foreignDeployment)):
		return &foreignError{fmt.Sprintf("the artifact %q was deployed at %s by %q, long after the run was about to; it is left alone", a.ID, a.DeployedOn.UTC().Format(time.RFC3339), a.DeployedBy)}
	}
	return nil
}

// stop undeploys and waits until the runtime has it no more. What is deployed
// anew meanwhile is somebody else's.
func (u undeployment) stop(ctx context.Context, there cpi.RuntimeArtifact) error {
	now := there
	for looks, asked := 1, false; ; looks++ {
		if !asked && now.Status != cpi.Stopping {
			err := u.api.Undeploy(ctx, u.e.Name)
			switch {
			case platform.Is(err, platform.KindNotFound):
				return nil
			case err == nil:
				asked = true
				if u.asked != nil {
					u.asked()
				}
			case now.Status != cpi.Starting || !platform.Is(err, platform.KindRefused):
				return err
			}
		}
		if httpx.Sleep(ctx, backoff(pause, 5*time.Second, 2, looks)) != nil {
			return &unfinished{fmt.Sprintf("the artifact %q is still %s", u.e.Name, now.Status)}
		}
		next, err := u.api.RuntimeArtifact(ctx, u.e.Name)
		switch {
		case platform.Is(err, platform.KindNotFound), err == nil && !sameDeployment(next, there.DeployedOn, there.DeployedBy):
			return nil
		case err != nil:
			return err
		}
		now = next
	}
}

// unfinished is what stood when the time to take something back was up.
type unfinished struct{ message string }

// Error says what stood.
func (e *unfinished) Error() string { return e.message }
