package cf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"iflowtest/internal/httpx"
)

// Verb is what an operation does.
type Verb string

// The verbs.
const (
	Create Verb = "create"
	Update Verb = "update"
	Delete Verb = "delete"
)

const (
	// firstInterval is the wait after the first look at an operation; each
	// further one is twice the last, up to maxInterval.
	firstInterval = 100 * time.Millisecond
	maxInterval   = 5 * time.Second
	// maxRetryAfter bounds what a job can ask to wait.
	maxRetryAfter = time.Minute
	// outages is how many looks may fail in a row while an operation is
	// waited for.
	outages = 10
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
	return fmt.Sprintf("%s %s %q", o.Verb, o.Resource, cut(name, maxTitle))
}

// Progress is one look at an operation that has not ended.
type Progress struct {
	// State is that of the job (PROCESSING, POLLING) or of the last operation;
	// "no answer" when the platform could not be asked.
	State string
	// Description is what the broker says about it; may be empty.
	Description string
	// GUID is that of the resource, where it is known.
	GUID string
	// Elapsed is the time since the wait began; Next the time to the next look.
	Elapsed, Next time.Duration
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
			err := unexpected(q.doing, r, fmt.Sprintf("the platform began, but its job is at another host, %q: nothing is sent there", cut(shown(job), maxText)))
			err.created = o.Verb == Create
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
func (o Operation) begun(err *Error) (Operation, error) {
	if o.Verb == Delete && gone(err) == nil {
		o.Done = true
		return o, nil
	}
	return Operation{}, err
}

// Wait waits until an operation has ended (wire/sap.md 3.4): it looks at once,
// then after 100 ms, 200 ms and so on up to 5 s, or when Retry-After says. A
// job that is gone is replaced by the last operation of the resource itself.
// Answers that fail are borne for a while. progress is told each look that
// finds no end; it may be nil.
//
// The GUID of the resource is given where it is known, also beside an error.
// The error is an [*Error]: of a failed job it has the broker's own text; after
// a failed create the resource may exist ([MaybeCreated]) and must be deleted.
func (c *Client) Wait(ctx context.Context, o Operation, progress func(Progress)) (guid string, err error) {
	if o.Done {
		return o.GUID, nil
	}
	failure := c.poll(ctx, o.doing(), progress, func() look { return c.lookAt(ctx, &o) })
	if failure == nil {
		return o.GUID, nil
	}
	failure.created = o.Verb == Create
	return o.GUID, failure
}

// Settle waits until no operation is in progress for a service instance or a
// key, whoever began it, and gives what the last one came to (wire/sap.md 3.5).
// One that is gone is settled, with the zero LastOperation. The error is an
// [*Error].
func (c *Client) Settle(ctx context.Context, r Resource, guid string, progress func(Progress)) (LastOperation, error) {
	o := Operation{Verb: "wait for", Resource: r, GUID: guid}
	var last LastOperation
	failure := c.poll(ctx, o.doing(), progress, func() look {
		found, exists, err := c.state(ctx, &o)
		if err != nil {
			return look{err: err}
		}
		last = found
		return look{done: !exists || !found.InProgress(), state: found.State, description: found.Description, guid: guid}
	})
	if failure != nil {
		return last, failure
	}
	return last, nil
}

// look is what one look at an operation found.
type look struct {
	done                     bool
	state, description, guid string
	retryAfter               time.Duration
	err                      *Error
}

// poll looks until the end, or until too many looks in a row have failed.
func (c *Client) poll(ctx context.Context, doing string, progress func(Progress), at func() look) *Error {
	start, interval, failed := time.Now(), firstInterval, 0
	last := "not known"
	for {
		l := at()
		switch {
		case l.err != nil && (!l.err.passing() || failed >= outages || ctx.Err() != nil):
			return l.err
		case l.err != nil:
			failed++
			l.state = "no answer"
		case l.done:
			return nil
		default:
			failed, last = 0, l.state
		}
		next := max(interval, min(l.retryAfter, maxRetryAfter))
		interval = min(interval*2, maxInterval)
		if progress != nil {
			progress(Progress{State: l.state, Description: l.description, GUID: l.guid, Elapsed: time.Since(start), Next: next})
		}
		if err := httpx.Sleep(ctx, next); err != nil {
			ended := httpx.Explain(err, ctx, http.MethodGet, c.apiShown())
			failure := transport(fmt.Sprintf("%s: still in progress after %s (state %q)", doing, time.Since(start).Round(time.Millisecond), cut(last, maxTitle)), http.MethodGet, c.apiShown(), ended)
			failure.Cure = "raise the timeout of the step, or look at the resource in the cockpit: the platform goes on with it"
			return failure
		}
	}
}

func (c *Client) apiShown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return shown(c.address)
}

// passing tells whether an error may pass by itself.
func (e *Error) passing() bool {
	return e.Kind == KindNetwork || e.Kind == KindServer || e.Kind == KindRateLimited
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
func (c *Client) lookAt(ctx context.Context, o *Operation) look {
	if o.Job == "" {
		return c.lookAtResource(ctx, o)
	}
	r, err := c.send(ctx, call{method: http.MethodGet, path: o.Job, doing: o.doing()})
	switch {
	case err != nil && err.Kind == KindNotFound:
		o.Job = ""
		return c.lookAtResource(ctx, o)
	case err != nil:
		return look{err: err}
	}
	var j job
	if json.Unmarshal([]byte(r.Body), &j) != nil || j.State == "" {
		return look{err: unexpected(o.doing(), r, "the job cannot be read: "+foreign(r, false))}
	}
	if o.GUID == "" {
		o.GUID = j.resource(o.Resource)
	}
	for _, w := range j.Warnings {
		c.warn([]string{cut(w.Detail, maxText)})
	}
	l := look{state: j.State, guid: o.GUID}
	l.retryAfter, _ = httpx.RetryAfter(r.Header, time.Now())
	switch strings.ToUpper(j.State) {
	case "COMPLETE":
		l.done = true
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
func (c *Client) failed(ctx context.Context, o *Operation, j job) look {
	errs := j.Errors[:min(len(j.Errors), 20)]
	var first answerError
	if len(errs) > 0 {
		first = errs[0]
	}
	if o.Verb == Delete && first.Code == 10010 { // somebody else was faster
		if _, exists, err := c.state(ctx, o); err == nil && !exists {
			return look{done: true}
		}
	}
	if details(errs) == "" {
		if last, exists, err := c.state(ctx, o); err == nil && exists && last.Description != "" {
			first.Detail = last.Description
			errs = []answerError{first}
		}
	}
	return look{err: o.failure(first, errs)}
}

func (o *Operation) failure(first answerError, errs []answerError) *Error {
	found := judgeCode(0, first)
	said := says(errs)
	if len(errs) == 0 {
		said = "the platform does not say why"
	}
	if found.kind == KindFailed && found.cure == "" {
		found.cure = "check parameters and plan; if they are right, ask the owner of the service with the text above"
	}
	return &Error{
		Kind: found.kind, Code: first.Code, Title: cut(first.Title, maxTitle), Detail: details(errs),
		Message: fmt.Sprintf("%s: %s; %s", o.doing(), found.what, said), Cure: found.cure,
		Method: http.MethodGet, URL: shown(o.Job),
	}
}

// lookAtResource judges an operation by the resource's own last operation.
func (c *Client) lookAtResource(ctx context.Context, o *Operation) look {
	last, exists, err := c.state(ctx, o)
	switch {
	case err != nil:
		return look{err: err}
	case !exists && o.Verb == Delete:
		return look{done: true}
	case !exists:
		return look{err: &Error{
			Kind: KindFailed, Message: o.doing() + ": the platform began, but there is no such resource, and no job that says why",
			Cure: "look at the audit events of the space in the cockpit, then try again",
		}}
	case last.InProgress():
		return look{state: last.State, description: last.Description, guid: o.GUID}
	case last.Failed():
		return look{err: o.failure(answerError{}, []answerError{{Detail: last.Description}})}
	case o.Verb == Delete:
		return look{err: &Error{
			Kind: KindFailed, Message: o.doing() + ": the platform began, but the resource is still there, and no job that says why",
			Cure: "try again; if it stays, look at the resource in the cockpit",
		}}
	}
	return look{done: true, state: last.State, guid: o.GUID}
}

// state reads the last operation of the resource, which is found by name where
// its GUID is not known.
func (c *Client) state(ctx context.Context, o *Operation) (last LastOperation, exists bool, err *Error) {
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
func gone(err *Error) *Error {
	if err != nil && err.Kind == KindNotFound && err.Code == 10010 {
		return nil
	}
	return err
}
