package cf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"iflowtest/internal/platform"
)

// Verb is what an operation does.
type Verb string

// The verbs.
const (
	Create Verb = "create"
	Update Verb = "update"
	Delete Verb = "delete"
)

// Operation is a change that the platform works on. It holds names and GUIDs
// only, and may be written down and waited for later.
type Operation struct {
	Verb     Verb
	Resource Resource
	// Name is that of the resource, GUID too where it is known yet.
	Name, GUID string
	// SpaceGUID is where an instance is created, InstanceGUID what a key is
	// created for.
	SpaceGUID, InstanceGUID string
	// Job is the URL of the job; empty: the resource itself is looked at.
	Job string
	// Done says that there is nothing to wait for.
	Done bool
}

func (o Operation) doing() string {
	name := o.Name
	if name == "" {
		name = o.GUID
	}
	return fmt.Sprintf("%s %s %q", o.Verb, o.Resource, platform.Cut(name, platform.MaxTitle))
}

// Progress is one look at an operation that has not ended: its state is that of
// the job (PROCESSING, POLLING) or of the last operation.
type Progress struct {
	platform.Progress
	// GUID is that of the resource, where it is known.
	GUID string
}

// begin sends the request that starts an operation (wire/sap.md 3.4): 202 and
// the Location of a job, or done at once.
func (c *Client) begin(ctx context.Context, o Operation, q call) (Operation, error) {
	q.doing = o.doing()
	q.creates = o.Verb == Create
	r, err := c.send(ctx, q)
	if err != nil {
		return o.begun(err)
	}
	if job := r.Header.Get("Location"); r.Status == http.StatusAccepted && job != "" {
		address, same := resolve(r.URL, job)
		if !same {
			err := unexpected(q.doing, r, fmt.Sprintf("the platform began, but its job is at another host, %q: nothing is sent there", platform.Cut(platform.Shown(job), platform.MaxText)))
			err.MaybeCreated = o.Verb == Create
			return Operation{}, err
		}
		o.Job = address
		return o, nil
	}
	var resource named
	if json.Unmarshal([]byte(r.Body), &resource) == nil && resource.GUID != "" && o.GUID == "" {
		o.GUID = resource.GUID
	}
	// Without a job the resource itself tells how far it is.
	o.Done = r.Status != http.StatusAccepted && o.Verb != Create
	return o, nil
}

// begun judges the refusal of a request that starts an operation: what is gone
// is deleted.
func (o Operation) begun(err *platform.Error) (Operation, error) {
	if o.Verb == Delete && gone(err) == nil {
		o.Done = true
		return o, nil
	}
	if cure := o.deletionCure(err.Kind, err.Code); cure != "" {
		err.Cure = cure
	}
	return Operation{}, err
}

// codeLeft is the code of what stands in the way of the deletion of an instance;
// its row in the table says what to do about it.
const codeLeft = 60027

// deletionCure says what to do when the broker does not delete, where the rules
// speak of parameters and plan; empty: they do not.
func (o Operation) deletionCure(kind platform.Kind, code int) string {
	switch {
	case o.Verb != Delete || kind != platform.KindBroker && kind != platform.KindFailed || code == codeLeft:
		return ""
	case o.Resource == ServiceInstance:
		return "delete the keys and bindings that it still has, then delete it again; if it stays, ask the owner of the service with the text above"
	}
	return "delete it again; if it stays, ask the owner of the service with the text above"
}

// Wait waits until an operation has ended (wire/sap.md 3.4): it looks at once,
// then after 100 ms, 200 ms and so on up to 5 s, or when Retry-After says. A
// job that is gone is replaced by the last operation of the resource itself.
// Answers that fail are borne for a while. progress is told each look that
// finds no end; it may be nil.
//
// The GUID of the resource is given where it is known, also beside an error.
// The error is an [*platform.Error]: of a failed job it has the broker's own text; after
// a failed create the resource may exist ([platform.MaybeCreated]) and must be deleted.
func (c *Client) Wait(ctx context.Context, o Operation, progress func(Progress)) (guid string, err error) {
	if o.Done {
		return o.GUID, nil
	}
	failure := c.poll(ctx, o.doing(), progress, func() string { return o.GUID }, func() platform.Look { return c.lookAt(ctx, &o) })
	if failure == nil {
		return o.GUID, nil
	}
	failure.MaybeCreated = o.Verb == Create
	return o.GUID, failure
}

// Settle waits until no operation is in progress for a service instance or a
// key, whoever began it, and gives what the last one came to (wire/sap.md 3.5).
// One that is gone is settled, with the zero LastOperation. The error is an
// [*platform.Error].
func (c *Client) Settle(ctx context.Context, r Resource, guid string, progress func(Progress)) (LastOperation, error) {
	o := Operation{Verb: "wait for", Resource: r, GUID: guid}
	var last LastOperation
	failure := c.poll(ctx, o.doing(), progress, func() string { return guid }, func() platform.Look {
		found, exists, err := c.state(ctx, &o)
		if err != nil {
			return platform.Look{Err: err}
		}
		last = found
		return platform.Look{Done: !exists || !found.InProgress(), State: found.State, Description: found.Description}
	})
	if failure != nil {
		return last, failure
	}
	return last, nil
}

// poll looks until the end. guid gives the GUID as far as it is known.
func (c *Client) poll(ctx context.Context, doing string, progress func(Progress), guid func() string, at func() platform.Look) *platform.Error {
	o := platform.Operation{Doing: doing, Of: "the resource", URL: c.apiShown(), Look: at}
	if progress != nil {
		o.Progress = func(p platform.Progress) { progress(Progress{p, guid()}) }
	}
	return known(platform.Poll(ctx, o))
}

func (c *Client) apiShown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return platform.Shown(c.address)
}

// job is an asynchronous job of the platform (wire/sap.md 3.4).
type job struct {
	GUID     string        `json:"guid"`
	State    string        `json:"state"`
	Errors   []answerError `json:"errors"`
	Warnings []struct {
		Detail string `json:"detail"`
	} `json:"warnings"`
	Links map[string]json.RawMessage `json:"links"`
}

// lookAt looks at the job of an operation, or, where it has none or it is
// gone, at the resource. What it learns about the GUID stays in o.
func (c *Client) lookAt(ctx context.Context, o *Operation) platform.Look {
	if o.Job == "" {
		return c.lookAtResource(ctx, o)
	}
	r, err := c.send(ctx, call{method: http.MethodGet, path: o.Job, doing: o.doing()})
	switch {
	case err != nil && err.Kind == platform.KindNotFound:
		o.Job = ""
		return c.lookAtResource(ctx, o)
	case err != nil:
		return platform.Look{Err: err}
	}
	var j job
	if json.Unmarshal([]byte(r.Body), &j) != nil || j.State == "" {
		return platform.Look{Err: unexpected(o.doing(), r, "the job cannot be read: "+foreign(r, false))}
	}
	if o.GUID == "" {
		o.GUID = j.resource(o.Resource)
	}
	for _, w := range j.Warnings {
		c.warn([]string{platform.Cut(w.Detail, platform.MaxText)})
	}
	l := platform.Look{State: j.State, RetryAfter: platform.RetryAfter(r)}
	switch strings.ToUpper(j.State) {
	case "COMPLETE":
		l.Done = true
	case "FAILED":
		return c.failed(ctx, o, j)
	}
	return l
}

// resource finds the GUID of the resource in the links of its job.
func (j job) resource(r Resource) string {
	collection := "service_instances"
	if r == ServiceKey {
		collection = "service_credential_bindings"
	}
	for _, raw := range j.Links {
		u, err := url.Parse(link(raw))
		if err != nil {
			continue
		}
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		if i := slices.Index(parts, collection); i >= 0 && i == len(parts)-2 {
			return parts[i+1]
		}
	}
	return ""
}

// failed makes the error of a job that failed, with the broker's own text.
func (c *Client) failed(ctx context.Context, o *Operation, j job) platform.Look {
	errs := j.Errors[:min(len(j.Errors), 20)]
	var first answerError
	if len(errs) > 0 {
		first = errs[0]
	}
	if o.Verb == Delete && first.Code == 10010 { // somebody else was faster
		if _, exists, err := c.state(ctx, o); err == nil && !exists {
			return platform.Look{Done: true}
		}
	}
	if details(errs) == "" {
		if last, exists, err := c.state(ctx, o); err == nil && exists && last.Description != "" {
			first.Detail = last.Description
			errs = []answerError{first}
		}
	}
	return platform.Look{Err: o.failure(first, errs)}
}

func (o *Operation) failure(first answerError, errs []answerError) *platform.Error {
	found := judgeCode(0, first)
	said := says(errs)
	if len(errs) == 0 {
		said = "the platform does not say why"
	}
	if cure := o.deletionCure(found.Kind, first.Code); cure != "" {
		found.Cure = cure
	} else if found.Kind == platform.KindFailed && found.Cure == "" {
		found.Cure = "check parameters and plan; if they are right, ask the owner of the service with the text above"
	}
	return &platform.Error{
		Kind: found.Kind, Code: first.Code, Title: platform.Cut(first.Title, platform.MaxTitle), Detail: details(errs),
		Message: fmt.Sprintf("%s: %s; %s", o.doing(), found.What, said), Cure: found.Cure,
		Method: http.MethodGet, URL: platform.Shown(o.Job),
	}
}

// lookAtResource judges an operation by the resource's own last operation.
func (c *Client) lookAtResource(ctx context.Context, o *Operation) platform.Look {
	last, exists, err := c.state(ctx, o)
	switch {
	case err != nil:
		return platform.Look{Err: err}
	case !exists && o.Verb == Delete:
		return platform.Look{Done: true}
	case !exists:
		return platform.Look{Err: &platform.Error{
			Kind: platform.KindFailed, Message: o.doing() + ": the platform began, but there is no such resource, and no job that says why",
			Cure: "look at the audit events of the space in the cockpit, then try again",
		}}
	case last.InProgress():
		return platform.Look{State: last.State, Description: last.Description}
	case last.Failed():
		return platform.Look{Err: o.failure(answerError{}, []answerError{{Detail: last.Description}})}
	case o.Verb == Delete:
		return platform.Look{Err: &platform.Error{
			Kind: platform.KindFailed, Message: o.doing() + ": the platform began, but the resource is still there, and no job that says why",
			Cure: "try again; if it stays, look at the resource in the cockpit",
		}}
	}
	return platform.Look{Done: true}
}

// state reads the last operation of the resource, which is found by name where
// its GUID is not known.
func (c *Client) state(ctx context.Context, o *Operation) (last LastOperation, exists bool, err *platform.Error) {
	switch {
	case o.Resource == ServiceKey && o.GUID == "":
		found, err := c.keys(ctx, o.doing(), KeyQuery{InstanceGUIDs: []string{o.InstanceGUID}, Names: []string{o.Name}, Type: TypeKey})
		if err != nil || len(found) == 0 {
			return LastOperation{}, false, err
		}
		o.GUID = found[0].GUID
		return found[0].LastOperation, true, nil
	case o.Resource == ServiceKey:
		k, err := c.keyByGUID(ctx, o.doing(), o.GUID)
		return k.LastOperation, err == nil, gone(err)
	case o.GUID == "":
		found, err := c.instances(ctx, o.doing(), Query{Names: []string{o.Name}, SpaceGUIDs: []string{o.SpaceGUID}})
		if err != nil || len(found) == 0 {
			return LastOperation{}, false, err
		}
		o.GUID = found[0].GUID
		return found[0].LastOperation, true, nil
	}
	i, err := c.instanceByGUID(ctx, o.doing(), o.GUID)
	return i.LastOperation, err == nil, gone(err)
}

// gone gives no error for what is not there.
func gone(err *platform.Error) *platform.Error {
	if err != nil && err.Kind == platform.KindNotFound && err.Code == 10010 {
		return nil
	}
	return err
}
