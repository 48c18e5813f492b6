package api

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/bundle"
	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/odata"
	"iflowtest/internal/sandbox/subaccount"
)

// DeploymentTimes is how long the steps of a deployment take: the build, the
// start after it, and the listing of the endpoints after that.
type DeploymentTimes struct{ Build, Start, Endpoint time.Duration }

// DefaultDeploymentTimes gives the times of a sandbox that names none.
func DefaultDeploymentTimes() DeploymentTimes {
	return DeploymentTimes{Build: 300 * time.Millisecond, Start: 300 * time.Millisecond, Endpoint: time.Second}
}

// The statuses of a task (wire/sap.md 6.4).
const (
	deploying = "DEPLOYING"
	succeeded = "SUCCESS"
	failed    = "FAIL"
)

// task is a build that was asked for.
type task struct {
	id     string
	end    time.Time
	failed bool
}

func (t task) status(now time.Time) string {
	switch {
	case now.Before(t.end):
		return deploying
	case t.failed:
		return failed
	}
	return succeeded
}

// keepTasks is how many tasks are remembered.
const keepTasks = 1000

// tasks is the newest builds. The zero tasks has none; it is safe for
// concurrent use.
type tasks struct {
	mu   sync.Mutex
	list []task
}

func (ts *tasks) add(t task) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.list) >= keepTasks {
		ts.list = append(ts.list[:0], ts.list[1:]...)
	}
	ts.list = append(ts.list, t)
}

func (ts *tasks) get(id string) (task, bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.list {
		if t.id == id {
			return t, true
		}
	}
	return task{}, false
}

// buildError is what the error information of an artifact whose build failed
// begins with, and checkIt what follows where no reason is known.
const (
	buildError = "The generation and build of the artifact were unsuccessful. "
	checkIt    = "Check the artifact in the design workspace, correct it, and deploy it again."
)

// serveDeploy answers the function imports that deploy an artifact: 202 and,
// for an integration flow, the ID of the task as plain text (wire/sap.md 6.4).
func (a *API) serveDeploy(kind artifactKind) func(c *call) {
	return func(c *call) {
		if !c.allow(http.MethodPost) {
			return
		}
		if len(c.path) != 1 || c.path[0].Keys != nil {
			c.nowhere()
			return
		}
		id, err := parameter(c.values, "Id")
		if err != nil {
			c.fail(err)
			return
		}
		version, err := parameter(c.values, "Version")
		if err != nil {
			c.fail(err)
			return
		}
		x, ok := a.artifacts.get(kind, id)
		if !ok || !x.is(version) {
			c.fail(missing(kind.title+" Designtime Artifact", id))
			return
		}
		d, problem := a.deployment(x)
		t := a.deploy(c, d, problem)
		if kind.runtime != iflow.TypeFlow {
			c.w.WriteHeader(http.StatusAccepted)
			return
		}
		c.w.Header().Set("Content-Type", "text/plain;charset=utf-8")
		c.w.WriteHeader(http.StatusAccepted)
		c.w.Write([]byte(t.id)) // a caller that went away needs no answer
	}
}

// deployment makes of a design what is going to be deployed; problem tells why
// it cannot be built. Of an uploaded flow whose ID is that of one the sandbox
// has, the senders count, and the flow of the sandbox answers.
func (a *API) deployment(x *artifact) (d iflow.Deployment, problem string) {
	d = iflow.Deployment{ID: x.id, Name: x.name, Version: x.version, Type: x.kind.runtime, Content: a.deployed(x)}
	b := x.load().bundle
	if problem = b.Problem(x.kind.bundle); problem != "" || x.kind.runtime != iflow.TypeFlow {
		return d, problem
	}
	own, isOwn := a.o.Flows.Flow(x.id)
	d.Error = own.DeploymentError
	if isOwn && len(b.Senders) == 0 {
		// Its sender may be of a kind that the sandbox does not read.
		d.Flows = []iflow.Flow{own}
		return d, ""
	}
	for _, sender := range b.Senders {
		sender, missing := sender.Resolve(x.values())
		if len(missing) > 0 && d.Error == "" {
			d.Error = fmt.Sprintf("The externalized parameter '%s' of the integration flow '%s' has no value.", missing[0], x.id)
		}
		f := own
		if !isOwn {
			f = iflow.PassThrough(x.id)
		}
		if sender.Protocol == bundle.HTTPS {
			f.CSRF = sender.CSRF == "1" || sender.CSRF == "true"
		}
		f.Endpoint, f.Role = sender.Endpoint(), cmp.Or(sender.Role, subaccount.DefaultRole)
		d.Flows = append(d.Flows, f)
	}
	return d, ""
}

// parameter reads a parameter of a function import: a text in quotes.
func parameter(query url.Values, name string) (string, *odata.Error) {
	value := query.Get(name)
	if len(value) < 3 || value[0] != '\'' || value[len(value)-1] != '\'' {
		return "", odata.Errorf(http.StatusBadRequest, "%s %q: want a text in single quotes", name, value)
	}
	return strings.ReplaceAll(value[1:len(value)-1], "''", "'"), nil
}

// deploy begins a deployment, which fails when there is a problem with what is
// to be built, and gives its task.
func (a *API) deploy(c *call, d iflow.Deployment, problem string) task {
	at := fault.Request{Part: Part, Path: c.r.URL.Path, Method: c.r.Method, Name: d.ID}
	times := a.o.Times
	if f, ok := a.o.Faults.Take(at, fault.DeploySlow); ok {
		times.Build += f.Duration
	}
	if f, ok := a.o.Faults.Take(at, fault.EndpointLate); ok {
		times.Endpoint += f.Duration
	}
	t := task{id: subaccount.NewGUID(), end: time.Now().Add(times.Build)}
	d.By, d.Deployed = c.caller.Name, a.o.Faults.Now().Add(times.Build)
	d.On = t.end
	d.Ready = d.On.Add(times.Start)
	d.Listed = d.Ready.Add(times.Endpoint)
	if _, ok := a.o.Faults.Take(at, fault.DeployFails); ok {
		problem = cmp.Or(problem, checkIt)
	}
	if problem != "" {
		t.failed, d.Error, d.Ready = true, buildError+problem, d.On
	}
	a.o.Flows.Deploy(d)
	a.tasks.add(t)
	return t
}

// serveTask answers BuildAndDeployStatus.
func (a *API) serveTask(c *call) {
	if !c.allow(http.MethodGet) {
		return
	}
	id, ok := c.path[0].Key("")
	if !ok || len(c.path) != 1 {
		c.nowhere()
		return
	}
	t, ok := a.tasks.get(id)
	if !ok {
		c.unknown("Build And Deploy Status", id)
		return
	}
	c.one(&odata.Entity{
		Set: "BuildAndDeployStatus", Type: "BuildAndDeployStatus", Key: "TaskId=" + odata.Key(id),
		Properties: []odata.Property{{Name: "TaskId", Value: id}, {Name: "Status", Value: t.status(time.Now())}},
	})
}
