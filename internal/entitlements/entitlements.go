// Package entitlements is a client of the entitlements service of SAP BTP:
// which plans a subaccount is entitled to, and entitling it to more.
//
// It follows wire/sap.md 4.2, prints nothing, and waits only within the context
// it is given.
package entitlements

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
)

// Client speaks to the entitlements service with one service key. It is safe
// for concurrent use; make it with [New].
type Client struct {
	sender platform.Sender
	tokens *oauth.Source
	key    Key
}

// New makes a client. Nothing is sent before the first call.
func New(h *httpx.Client, tokens *oauth.Source, key Key) *Client {
	sender := platform.Sender{HTTP: h, Patience: platform.Patience{Repeats: 3, Backoff: 250 * time.Millisecond, RateRepeats: 6}}
	return &Client{sender: sender, tokens: tokens, key: key}
}

// call is one request to the service.
type call struct {
	method, address string
	body            any // sent as JSON; nil: nothing
	doing           string
}

// send sends a request with an access token, which is renewed once when it is
// refused. Everything that is sent here can be sent again: a plan that is
// assigned twice is assigned once. The error is a *platform.Error, or the
// *oauth.Error of the token.
func (c *Client) send(ctx context.Context, q call) (*httpx.Response, error) {
	if c.key.needsUser {
		return nil, c.key.noToken()
	}
	body, err := platform.JSONBody(q.doing, q.body)
	if err != nil {
		return nil, err
	}
	return c.sender.Send(ctx, platform.Request{
		Method: q.method, URL: q.address, Header: http.Header{"Accept": {"application/json"}}, Body: body, Doing: q.doing, Repeat: true,
		Authorize: platform.Bearer(c.tokens, c.key.Credential),
		Judge:     func(r *httpx.Response) *platform.Error { return judge(q.doing, r) },
	})
}

// Assignment is a plan that is assigned to a subaccount.
type Assignment struct {
	Service, ServiceName string // technical name and title
	Plan, PlanName       string
	Category             string
	// Amount is how many instances are assigned, where the plan is counted.
	Amount    float64
	Unlimited bool
	// Automatic says that every subaccount has it without being asked.
	Automatic bool
	// State is "OK", or says how far the assignment is or that it failed;
	// Problem is what the platform says about it.
	State, Problem string
}

// Settled tells whether the assignment is in force.
func (a Assignment) Settled() bool { return a.State == "" || equal(a.State, "OK") }

// Failed tells whether the assignment failed.
func (a Assignment) Failed() bool { return hasFailed(a.State) }

// Available is a plan that the global account has and can assign.
type Available struct {
	Service, ServiceName string
	Plan, PlanName       string
	Category             string
	// Amount and Remaining count instances; with Unlimited they say nothing.
	Amount, Remaining float64
	Unlimited         bool
}

// answer is that of GET …/assignments (wire/sap.md 4.2).
type answer struct {
	Entitled []struct {
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
		Plans       []struct {
			Name        string  `json:"name"`
			DisplayName string  `json:"displayName"`
			Category    string  `json:"category"`
			Amount      float64 `json:"amount"`
			Remaining   float64 `json:"remainingAmount"`
			Unlimited   bool    `json:"unlimited"`
		} `json:"servicePlans"`
	} `json:"entitledServices"`
	Assigned []struct {
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
		Plans       []struct {
			Name        string         `json:"name"`
			DisplayName string         `json:"displayName"`
			Category    string         `json:"category"`
			Unlimited   bool           `json:"unlimited"`
			Assignments []assignmentOf `json:"assignmentInfo"`
		} `json:"servicePlans"`
	} `json:"assignedServices"`
}

type assignmentOf struct {
	EntityID   string  `json:"entityId"`
	EntityType string  `json:"entityType"`
	Amount     float64 `json:"amount"`
	State      string  `json:"entityState"`
	Message    string  `json:"stateMessage"`
	Automatic  bool    `json:"autoAssign"`
	Unlimited  bool    `json:"unlimitedAmountAssigned"`
}

func (c *Client) read(ctx context.Context, subaccount string) (answer, error) {
	var a answer
	doing := fmt.Sprintf("read the entitlements of subaccount %q", subaccount)
	r, err := c.send(ctx, call{
		method: http.MethodGet, doing: doing,
		address: c.key.URL + "/entitlements/v1/assignments?" + url.Values{"subaccountGUID": {subaccount}}.Encode(),
	})
	if err != nil {
		return a, err
	}
	err = json.Unmarshal([]byte(r.Body), &a)
	// JSON of another kind must not read as a subaccount without entitlements.
	empty := a.Entitled == nil && a.Assigned == nil
	if err != nil || empty && strings.TrimSpace(r.Body) != "{}" {
		return a, unexpected(doing, r)
	}
	return a, nil
}

// Assignments lists the plans of a service that are assigned to a subaccount,
// in the platform's order; an empty service means all (wire/sap.md 4.2). The
// subaccount is named by its GUID. The error is an [*platform.Error], or the
// *oauth.Error that says why there is no token.
func (c *Client) Assignments(ctx context.Context, subaccount, service string) ([]Assignment, error) {
	a, err := c.read(ctx, subaccount)
	if err != nil {
		return nil, err
	}
	var found []Assignment
	for _, s := range a.Assigned {
		if service != "" && s.Name != service {
			continue
		}
		for _, p := range s.Plans {
			for _, of := range p.Assignments {
				if !equal(of.EntityType, "SUBACCOUNT") || !equal(of.EntityID, subaccount) {
					continue
				}
				found = append(found, Assignment{
					Service: s.Name, ServiceName: s.DisplayName, Plan: p.Name, PlanName: p.DisplayName, Category: p.Category,
					Amount: of.Amount, Unlimited: of.Unlimited || p.Unlimited, Automatic: of.Automatic, State: of.State, Problem: of.Message,
				})
			}
		}
	}
	return found, nil
}

// Available lists the plans of a service that the global account has, in the
// platform's order; an empty service means all (wire/sap.md 4.2). The error is
// as that of [Client.Assignments].
func (c *Client) Available(ctx context.Context, subaccount, service string) ([]Available, error) {
	a, err := c.read(ctx, subaccount)
	if err != nil {
		return nil, err
	}
	var found []Available
	for _, s := range a.Entitled {
		if service != "" && s.Name != service {
			continue
		}
		for _, p := range s.Plans {
			found = append(found, Available{
				Service: s.Name, ServiceName: s.DisplayName, Plan: p.Name, PlanName: p.DisplayName, Category: p.Category,
				Amount: p.Amount, Remaining: p.Remaining, Unlimited: p.Unlimited,
			})
		}
	}
	return found, nil
}

// amount writes a number of instances.
func amount(n int) string { return strconv.Itoa(n) }
