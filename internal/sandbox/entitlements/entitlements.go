// Package entitlements is the entitlements service of the sandbox's global
// account (wire/sap.md 4.2): which plans the subaccount may use, and jobs that
// assign more of them.
package entitlements

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/subaccount"
	"iflowtest/internal/sandbox/token"
)

// Part is the name of the part of the tenant.
const Part = "entitlements"

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// service is the only service that can be assigned.
const service, displayName = "it-rt", "Process Integration Runtime"

// Options is what the service needs.
type Options struct {
	Subaccount *subaccount.Subaccount
	Access     *token.Server
	Faults     *fault.Set
	// Origin gives the origin of the service.
	Origin func() string
	// Takes is how long a job runs at least.
	Takes time.Duration
}

// Server is the service. It is safe for concurrent use.
type Server struct {
	o   Options
	mux *http.ServeMux
	ids map[string]string // of plans
	// parent is the GUID of the global account.
	parent string
}

// New makes the service.
func New(o Options) *Server {
	s := &Server{o: o, mux: http.NewServeMux(), ids: map[string]string{}, parent: subaccount.NewGUID()}
	for _, plan := range subaccount.Plans() {
		s.ids[plan] = service + "-" + plan + "-" + subaccount.NewGUID()
	}
	s.route("GET /entitlements/v1/assignments", "global-account.entitlement.read", s.assignments)
	s.route("PUT /entitlements/v1/subaccountServicePlans", "global-account.entitlement.subaccount.update", s.assign)
	s.route("GET /jobs-management/v1/jobs/{id}/status", "job.read", s.job)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, problem{Code: 11003, Message: "No resource at " + r.URL.Path})
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Correlationid", subaccount.NewGUID())
	s.mux.ServeHTTP(w, r)
}

// route adds a route for those who hold the scope.
func (s *Server) route(pattern, scope string, h http.HandlerFunc) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		caller := s.o.Access.Access(w, r, Part, subaccount.PlanCentral, token.Accepts{})
		switch {
		case caller == nil || caller.Basic:
			refuse(w, http.StatusUnauthorized, problem{Code: 11001, Message: "Unauthorized"})
		case !caller.May(scope):
			refuse(w, http.StatusForbidden, problem{Code: 11002, Message: "Insufficient scope: want " + scope})
		default:
			h(w, r)
		}
	})
}

// problem is an error of the service (wire/sap.md 4.2).
type problem struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Target  string    `json:"target,omitempty"`
	Details []problem `json:"details,omitempty"`
}

func refuse(w http.ResponseWriter, status int, p problem) {
	writeJSON(w, status, struct {
		Error problem `json:"error"`
	}{p})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // a caller that went away needs no answer
}

type entitledService struct {
	Name        string         `json:"name"`
	DisplayName string         `json:"displayName"`
	Plans       []entitledPlan `json:"servicePlans"`
}

type entitledPlan struct {
	Name      string `json:"name"`
	Display   string `json:"displayName"`
	ID        string `json:"uniqueIdentifier"`
	Category  string `json:"category"`
	Amount    int    `json:"amount"`
	Remaining int    `json:"remainingAmount"`
	Unlimited bool   `json:"unlimited"`
}

type assignedService struct {
	Name        string         `json:"name"`
	DisplayName string         `json:"displayName"`
	Owner       string         `json:"ownerType"`
	Plans       []assignedPlan `json:"servicePlans"`
}

type assignedPlan struct {
	Name        string       `json:"name"`
	Display     string       `json:"displayName"`
	ID          string       `json:"uniqueIdentifier"`
	Category    string       `json:"category"`
	Unlimited   bool         `json:"unlimited"`
	Assignments []assignment `json:"assignmentInfo"`
}

type assignment struct {
	Entity     string `json:"entityId"`
	EntityType string `json:"entityType"`
	Amount     int    `json:"amount"`
	Requested  int    `json:"requestedAmount"`
	State      string `json:"entityState"`
	Message    string `json:"stateMessage"`
	Auto       bool   `json:"autoAssign"`
	Unlimited  bool   `json:"unlimitedAmountAssigned"`
	Created    int64  `json:"createdDate"`
	Modified   int64  `json:"modifiedDate"`
	Parent     string `json:"parentId"`
	ParentType string `json:"parentType"`
}

// assignments lists what the global account has, and what the subaccount that
// was asked for has of it.
func (s *Server) assignments(w http.ResponseWriter, r *http.Request) {
	const category = "ELASTIC_SERVICE"
	asked := r.URL.Query().Get("subaccountGUID")
	if asked != "" && asked != s.o.Subaccount.GUID {
		refuse(w, http.StatusNotFound, problem{Code: 11004, Message: "Subaccount " + strconv.Quote(asked) + " not found", Target: "/subaccountGUID"})
		return
	}
	since := s.o.Subaccount.Org().Created.UnixMilli()
	entitled := entitledService{service, displayName, []entitledPlan{}}
	assigned := assignedService{service, displayName, "VENDOR", []assignedPlan{}}
	for _, plan := range subaccount.Plans() {
		entitled.Plans = append(entitled.Plans, entitledPlan{plan, plan, s.ids[plan], category, 1, 1, true})
		if s.o.Subaccount.IsEntitled(plan) {
			assigned.Plans = append(assigned.Plans, assignedPlan{plan, plan, s.ids[plan], category, true, []assignment{{
				s.o.Subaccount.GUID, "SUBACCOUNT", 1, 1, "OK", "", false, true, since, since, s.parent, "GLOBAL_ACCOUNT",
			}}})
		}
	}
	all := []assignedService{}
	if len(assigned.Plans) > 0 {
		all = append(all, assigned)
	}
	writeJSON(w, http.StatusOK, struct {
		Entitled []entitledService `json:"entitledServices"`
		Assigned []assignedService `json:"assignedServices"`
	}{[]entitledService{entitled}, all})
}

// request is the body of an assignment.
type request struct {
	Plans []struct {
		Service     string `json:"serviceName"`
		Plan        string `json:"servicePlanName"`
		Assignments []struct {
			Subaccount string   `json:"subaccountGUID"`
			Enable     *bool    `json:"enable"`
			Amount     *float64 `json:"amount"`
		} `json:"assignmentInfo"`
	} `json:"subaccountServicePlans"`
}

// assign begins to assign plans, or to take them away.
func (s *Server) assign(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuse(w, http.StatusRequestEntityTooLarge, problem{Code: 11000, Message: "Request payload is larger than 1 MB", Target: "/"})
		return
	}
	var wanted request
	if err == nil {
		err = json.Unmarshal(body, &wanted)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, problem{Code: 11000, Message: "Request payload is invalid", Target: "/", Details: []problem{{Code: 11001, Message: "the body is no JSON object of the expected shape"}}})
		return
	}
	assign, remove, wrong := s.read(wanted)
	if len(wrong) > 0 {
		refuse(w, http.StatusBadRequest, problem{Code: 11000, Message: "Request payload is invalid", Target: "/subaccountServicePlans", Details: wrong})
		return
	}
	job := s.o.Subaccount.Entitle(assign, remove, subaccount.Run{Takes: s.o.Takes})
	w.Header().Set("Location", s.o.Origin()+"/jobs-management/v1/jobs/"+job.GUID+"/status")
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, job.GUID) // a caller that went away needs no answer
}

// read gives the plans that are to be assigned and removed, and every mistake.
func (s *Server) read(wanted request) (assign, remove []string, wrong []problem) {
	bad := func(target, format string, args ...any) {
		wrong = append(wrong, problem{Code: 11001, Message: fmt.Sprintf(format, args...), Target: target})
	}
	if len(wanted.Plans) == 0 {
		bad("/subaccountServicePlans", "at least one service plan is required")
	}
	for i, p := range wanted.Plans {
		at := fmt.Sprintf("/subaccountServicePlans/%d", i)
		if p.Service != service || !slices.Contains(subaccount.Plans(), p.Plan) {
			bad(at, "the global account is not entitled to the service plan %q of the service %q; there are %s of %s", p.Plan, p.Service, strings.Join(subaccount.Plans(), ", "), service)
		}
		if len(p.Assignments) == 0 {
			bad(at+"/assignmentInfo", "at least one assignment is required")
		}
		for _, a := range p.Assignments {
			on := a.Enable != nil && *a.Enable || a.Amount != nil && *a.Amount > 0
			switch {
			case (a.Enable == nil) == (a.Amount == nil):
				bad(at+"/assignmentInfo", "want either enable or amount")
			case a.Subaccount != s.o.Subaccount.GUID:
				bad(at+"/assignmentInfo", "subaccount %q not found", a.Subaccount)
			case on:
				assign = append(assign, p.Plan)
			default:
				remove = append(remove, p.Plan)
			}
		}
	}
	return assign, remove, wrong
}

// job tells how far an assignment is.
func (s *Server) job(w http.ResponseWriter, r *http.Request) {
	job, there := s.o.Subaccount.Look(r.PathValue("id"))
	if !there {
		refuse(w, http.StatusNotFound, problem{Code: 11005, Message: "Job not found"})
		return
	}
	status, description := "IN_PROGRESS", "Assigning service plans"
	switch job.State {
	case subaccount.Complete:
		status, description = "COMPLETED", "Service plans assigned"
	case subaccount.Failed:
		status, description = "FAILED", job.Err.Error()
	}
	writeJSON(w, http.StatusOK, struct {
		Status      string `json:"status"`
		Description string `json:"description"`
	}{status, description})
}
