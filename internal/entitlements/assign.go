package entitlements

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"iflowtest/internal/httpx"
)

const (
	// firstInterval is the wait after the first look at a job; each further
	// one is twice the last, up to maxInterval.
	firstInterval = 100 * time.Millisecond
	maxInterval   = 5 * time.Second
	maxRetryAfter = time.Minute
	// outages is how many looks may fail in a row.
	outages = 10
)

// Plan is a plan to be assigned.
type Plan struct {
	Service, Plan string
	// Amount is how many instances; zero enables the plan without counting, as
	// plans like those of it-rt are (wire/sap.md 4.2).
	Amount int
}

// Progress is one look at a job that has not ended.
type Progress struct {
	// State is that of the job, or "no answer".
	State, Description string
	// Elapsed is the time since the wait began; Next the time to the next look.
	Elapsed, Next time.Duration
}

type assignBody struct {
	Plans []assignPlan `json:"subaccountServicePlans"`
}

type assignPlan struct {
	Service     string         `json:"serviceName"`
	Plan        string         `json:"servicePlanName"`
	Assignments []assignTarget `json:"assignmentInfo"`
}

// assignTarget has an amount or enables, never both.
type assignTarget struct {
	Subaccount string `json:"subaccountGUID"`
	Amount     int    `json:"amount,omitzero"`
	Enable     bool   `json:"enable,omitzero"`
}

// Assign assigns plans to a subaccount, all in one request, and waits until the
// job has ended (wire/sap.md 4.2): it looks at once, then after 100 ms, 200 ms
// and so on up to 5 s, or when Retry-After says. Where the platform names no
// job, the assignments themselves are looked at. Assigning what is assigned
// changes nothing. progress is told each look that finds no end; it may be nil.
// The error is as that of [Client.Assignments].
func (c *Client) Assign(ctx context.Context, subaccount string, plans []Plan, progress func(Progress)) error {
	doing := fmt.Sprintf("assign %s to subaccount %q", listPlans(plans), subaccount)
	var body assignBody
	for _, p := range plans {
		if p.Amount < 0 || p.Service == "" || p.Plan == "" {
			return &Error{Kind: KindRequest, Message: doing + ": want a service, a plan and an amount that is not negative"}
		}
		target := assignTarget{Subaccount: subaccount, Amount: p.Amount, Enable: p.Amount == 0}
		body.Plans = append(body.Plans, assignPlan{p.Service, p.Plan, []assignTarget{target}})
	}
	if len(plans) == 0 {
		return nil
	}
	r, err := c.send(ctx, call{method: http.MethodPut, address: c.key.URL + "/entitlements/v1/subaccountServicePlans", body: body, doing: doing})
	if err != nil {
		return err
	}
	if r.Status != http.StatusAccepted {
		return nil
	}
	at := func() look { return c.lookAtAssignments(ctx, doing, subaccount, plans) }
	if job := r.Header.Get("Location"); job != "" {
		address, err := c.job(doing, r, job)
		if err != nil {
			return err
		}
		at = func() look { return c.lookAtJob(ctx, doing, address) }
	}
	return c.poll(ctx, doing, progress, at)
}

func listPlans(plans []Plan) string {
	texts := make([]string, len(plans))
	for i, p := range plans {
		texts[i] = fmt.Sprintf("%q of %q", p.Plan, p.Service)
		if p.Amount > 0 {
			texts[i] += " (amount " + amount(p.Amount) + ")"
		}
	}
	return strings.Join(texts, ", ")
}

// job gives the URL of a job, which is at a service of the key: a token goes
// nowhere else.
func (c *Client) job(doing string, r *httpx.Response, location string) (string, *Error) {
	base, err := url.Parse(r.URL)
	if err == nil {
		base, err = base.Parse(location)
	}
	if err != nil || !c.key.trusts(base.String()) {
		e := unexpected(doing, r)
		e.Message = fmt.Sprintf("%s: the platform began, but its job is at a host that is not in the key, %q: nothing is sent there", doing, shown(location))
		return "", e
	}
	base.User = nil
	return base.String(), nil
}

// look is what one look at a job found.
type look struct {
	done               bool
	state, description string
	retryAfter         time.Duration
	err                error
}

// poll looks until the end, or until too many looks in a row have failed.
func (c *Client) poll(ctx context.Context, doing string, progress func(Progress), at func() look) error {
	start, interval, failed := time.Now(), firstInterval, 0
	for {
		l := at()
		if l.err != nil {
			if failed++; failed > outages || !passing(l.err) || ctx.Err() != nil {
				return l.err
			}
			l.state = "no answer"
		} else {
			failed = 0
		}
		if l.done {
			return nil
		}
		next := max(interval, min(l.retryAfter, maxRetryAfter))
		interval = min(interval*2, maxInterval)
		if progress != nil {
			progress(Progress{State: l.state, Description: l.description, Elapsed: time.Since(start), Next: next})
		}
		if err := httpx.Sleep(ctx, next); err != nil {
			e := transport(fmt.Sprintf("%s: still in progress after %s (state %q)", doing, time.Since(start).Round(time.Millisecond), l.state), http.MethodGet, c.key.URL, httpx.Explain(err, ctx, http.MethodGet, c.key.URL))
			e.Cure = "raise the timeout of the step, or look at the entitlements in the cockpit: the platform goes on with it"
			return e
		}
	}
}

// passing tells whether an error may pass by itself.
func passing(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Kind == KindNetwork || e.Kind == KindServer || e.Kind == KindRateLimited)
}

// lookAtJob reads the state of a job: IN_PROGRESS, COMPLETED or FAILED.
func (c *Client) lookAtJob(ctx context.Context, doing, address string) look {
	r, err := c.send(ctx, call{method: http.MethodGet, address: address, doing: doing})
	if err != nil {
		return look{err: err}
	}
	var job struct {
		Status      string `json:"status"`
		Description string `json:"description"`
	}
	if json.Unmarshal([]byte(r.Body), &job) != nil || job.Status == "" {
		return look{err: unexpected(doing, r)}
	}
	if hasFailed(job.Status) {
		return look{err: failed(doing, job.Description)}
	}
	return look{done: equal(job.Status, "COMPLETED"), state: job.Status, description: job.Description, retryAfter: asked(r)}
}

// lookAtAssignments stands in for a job that the platform does not name.
func (c *Client) lookAtAssignments(ctx context.Context, doing, subaccount string, plans []Plan) look {
	assigned, err := c.Assignments(ctx, subaccount, "")
	if err != nil {
		return look{err: err}
	}
	for _, p := range plans {
		l := look{state: "not assigned yet"}
		for _, a := range assigned {
			switch {
			case a.Service != p.Service || a.Plan != p.Plan:
			case a.Failed():
				return look{err: failed(doing, a.Problem)}
			default:
				l = look{done: a.Settled(), state: a.State, description: a.Problem}
			}
		}
		if !l.done {
			return l
		}
	}
	return look{done: true}
}

func failed(doing, description string) *Error {
	said := fmt.Sprintf("the platform says %q", cut(description, maxText))
	if description == "" {
		said = "the platform does not say why"
	}
	return &Error{
		Kind: KindFailed, Detail: cut(description, maxDetail), Message: doing + ": it failed; " + said,
		Cure: "check in the cockpit whether the global account has the plan, and how much of it is left",
	}
}
