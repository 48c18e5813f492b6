package entitlements

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// Plan is a plan to be assigned.
type Plan struct {
	Service, Plan string
	// Amount is how many instances; zero enables the plan without counting, as
	// plans like those of it-rt are (wire/sap.md 4.2).
	Amount int
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
func (c *Client) Assign(ctx context.Context, subaccount string, plans []Plan, progress func(platform.Progress)) error {
	doing := fmt.Sprintf("assign %s to subaccount %q", listPlans(plans), subaccount)
	var body assignBody
	for _, p := range plans {
		if p.Amount < 0 || p.Service == "" || p.Plan == "" {
			return &platform.Error{Kind: platform.KindRequest, Message: doing + ": want a service, a plan and an amount that is not negative"}
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
	at := func() platform.Look { return c.lookAtAssignments(ctx, doing, subaccount, plans) }
	if job := r.Header.Get("Location"); job != "" {
		address, err := c.job(doing, r, job)
		if err != nil {
			return err
		}
		at = func() platform.Look { return c.lookAtJob(ctx, doing, address) }
	}
	return platform.Poll(ctx, platform.Operation{Doing: doing, Of: "the entitlements", URL: c.key.URL, Look: at, Progress: progress})
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
func (c *Client) job(doing string, r *httpx.Response, location string) (string, *platform.Error) {
	base, err := url.Parse(r.URL)
	if err == nil {
		base, err = base.Parse(location)
	}
	if err != nil || !c.key.trusts(base.String()) {
		e := unexpected(doing, r)
		e.Message = fmt.Sprintf("%s: the platform began, but its job is at a host that is not in the key, %q: nothing is sent there", doing, platform.Shown(location))
		return "", e
	}
	base.User = nil
	return base.String(), nil
}

// lookAtJob reads the state of a job: IN_PROGRESS, COMPLETED or FAILED.
func (c *Client) lookAtJob(ctx context.Context, doing, address string) platform.Look {
	r, err := c.send(ctx, call{method: http.MethodGet, address: address, doing: doing})
	if err != nil {
		return platform.Look{Err: err}
	}
	var job struct {
		Status      string `json:"status"`
		Description string `json:"description"`
	}
	if json.Unmarshal([]byte(r.Body), &job) != nil || job.Status == "" {
		return platform.Look{Err: unexpected(doing, r)}
	}
	if hasFailed(job.Status) {
		return platform.Look{Err: failed(doing, job.Description)}
	}
	return platform.Look{Done: equal(job.Status, "COMPLETED"), State: job.Status, Description: job.Description, RetryAfter: platform.RetryAfter(r)}
}

// lookAtAssignments stands in for a job that the platform does not name.
func (c *Client) lookAtAssignments(ctx context.Context, doing, subaccount string, plans []Plan) platform.Look {
	assigned, err := c.Assignments(ctx, subaccount, "")
	if err != nil {
		return platform.Look{Err: err}
	}
	for _, p := range plans {
		l := platform.Look{State: "not assigned yet"}
		for _, a := range assigned {
			switch {
			case a.Service != p.Service || a.Plan != p.Plan:
			case a.Failed():
				return platform.Look{Err: failed(doing, a.Problem)}
			default:
				l = platform.Look{Done: a.Settled(), State: a.State, Description: a.Problem}
			}
		}
		if !l.Done {
			return l
		}
	}
	return platform.Look{Done: true}
}

func failed(doing, description string) *platform.Error {
	said := fmt.Sprintf("the platform says %q", platform.Cut(description, platform.MaxText))
	if description == "" {
		said = "the platform does not say why"
	}
	return &platform.Error{
		Kind: platform.KindFailed, Detail: platform.Cut(description, platform.MaxDetail), Message: doing + ": it failed; " + said,
		Cure: "check in the cockpit whether the global account has the plan, and how much of it is left",
	}
}
