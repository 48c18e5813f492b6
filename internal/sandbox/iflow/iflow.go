// Package iflow is the Cloud Integration runtime of the sandbox: the endpoints
// of its integration flows, who may call them, and the message processing
// logs that calls leave behind (wire/sap.md 5).
package iflow

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"iflowtest/internal/sandbox/csrf"
	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/messagelog"
	"iflowtest/internal/sandbox/page"
	"iflowtest/internal/sandbox/subaccount"
	"iflowtest/internal/sandbox/token"
)

// Part is the name of the part of the tenant.
const Part = "runtime"

// MaxMessage is the largest message an endpoint takes, in bytes: the adapters'
// usual "Maximum Message Size" (wire/sap.md 5.6).
const MaxMessage = 40 << 20

// Message is what reaches a flow.
type Message struct {
	ID     string
	Method string
	// Path is the path as it was asked for.
	Path   string
	Query  url.Values
	Header http.Header
	Host   string
	Body   []byte
	// Received is when it arrived, by the clock of the tenant.
	Received time.Time
}

// Answer is what a flow answers with, and what it leaves in the log.
type Answer struct {
	// Status 0: 200, or 204 without a body.
	Status int
	Header http.Header
	// ContentType of the body; empty when there is none.
	ContentType string
	Body        []byte
	// Write, when not nil, writes the body instead of Body; Size is its length.
	Write func(io.Writer) error
	Size  int64
	// Log is what is left in the log: Status empty is COMPLETED, or FAILED with
	// a Failure; the caller sees nothing of Error; End is set by the runtime.
	Log messagelog.Outcome
	// Async is how long after the answer the flow goes on.
	Async time.Duration
	// Failure ends the flow in an exception: the caller sees a 500 with the
	// message ID (wire/sap.md 5.4), the log the text.
	Failure string
}

// Flow is an integration flow with one endpoint. It never changes once it is
// deployed.
type Flow struct {
	// ID is the ID and the name of the artifact.
	ID string
	// Version of the artifact; empty: [DefaultVersion].
	Version string
	// Undeployed tells that it is not deployed at the start.
	Undeployed bool
	// DeploymentError, when not empty, is the error its deployment ends in.
	DeploymentError string
	// Endpoint is the address with its prefix, such as /http/orders; a
	// trailing "/*" takes everything below as well.
	Endpoint string
	// Role is what a caller must hold.
	Role string
	// Methods it takes; empty: all but HEAD.
	Methods []string
	// CSRF tells that modifying requests need a token.
	CSRF bool
	// Process handles a message. It returns soon after ctx ends.
	Process func(ctx context.Context, m *Message) Answer
}

// endpoint is what an address may be (wire/sap.md 5.1).
var endpoint = regexp.MustCompile(`^/(?:http|cxf)(?:/[A-Za-z0-9_~.$-]+)+(?:/\*)?$`)

// CheckEndpoint tells what is wrong with an address; nil when nothing is.
func CheckEndpoint(address string) error {
	if !endpoint.MatchString(address) {
		return fmt.Errorf("endpoint %q: want /http/ or /cxf/ and an address of A-Z a-z 0-9 _ / ~ - . $, with * only as a last /*", address)
	}
	return nil
}

// Options is what the runtime needs.
type Options struct {
	Access *token.Server
	Faults *fault.Set
	Logs   *messagelog.Store
	// Flows beyond the built-in ones.
	Flows []Flow
}

// Runtime answers the requests to the endpoints. It is safe for concurrent
// use.
type Runtime struct {
	o        Options
	flows    []Flow     // by ID
	mu       sync.Mutex // held by who changes table
	table    atomic.Pointer[table]
	sessions csrf.Sessions
	orders   atomic.Int64
}

// New deploys the built-in flows and those of the options. An ID or an
// endpoint that is there twice is an error.
func New(o Options) (*Runtime, error) {
	rt := &Runtime{o: o}
	rt.orders.Store(firstOrder - 1)
	rt.flows = append(rt.builtIn(), o.Flows...)
	slices.SortStableFunc(rt.flows, func(a, b Flow) int { return strings.Compare(a.ID, b.ID) })
	if err := errors.Join(duplicates(rt.flows)...); err != nil {
		return nil, err
	}
	rt.deployAtStart()
	return rt, nil
}

// Flows gives the flows that are built in and those of the options, deployed
// or not, sorted by ID.
func (rt *Runtime) Flows() []Flow { return slices.Clone(rt.flows) }

// ServeHTTP implements http.Handler.
func (rt *Runtime) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		page.Write(w, http.StatusMethodNotAllowed, "")
		return
	}
	caller := rt.o.Access.Access(w, r, Part, subaccount.PlanFlow, token.Accepts{Certificates: true})
	if caller == nil {
		page.Write(w, http.StatusUnauthorized, "")
		return
	}
	flow, status := rt.reach(r.URL.Path)
	if flow == nil {
		page.Write(w, status, "")
		return
	}
	if !caller.May(flow.Role) {
		page.Write(w, http.StatusForbidden, "")
		return
	}
	if flow.CSRF && rt.handshake(w, r) {
		return
	}
	if len(flow.Methods) > 0 && !slices.Contains(flow.Methods, r.Method) {
		w.Header().Set("Allow", strings.Join(flow.Methods, ", "))
		page.Write(w, http.StatusMethodNotAllowed, "")
		return
	}
	rt.process(w, r, flow)
}

// reach gives the flow that serves an address, or the status of an answer
// without one: 503 while it comes or goes, 404 when there is none
// (wire/sap.md 5.4).
func (rt *Runtime) reach(path string) (*Flow, int) {
	now := time.Now()
	p, ok := rt.table.Load().find(path, now)
	if !ok {
		return nil, http.StatusNotFound
	}
	if p.deployment.Status(now) != Started {
		return nil, http.StatusServiceUnavailable
	}
	return p.flow, http.StatusOK
}

// handshake answers what the protection against cross-site requests keeps
// from the flow (wire/sap.md 5.5).
func (rt *Runtime) handshake(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !csrf.Modifies(r.Method) && csrf.IsFetch(r):
		rt.sessions.Grant(w, r)
		w.WriteHeader(http.StatusOK)
	case csrf.Modifies(r.Method) && !rt.sessions.Valid(r):
		rt.sessions.Refuse(w)
		page.Write(w, http.StatusForbidden, "CSRF token validation failed")
	default:
		return false
	}
	return true
}

// process hands the message to the flow, keeps its log and answers.
func (rt *Runtime) process(w http.ResponseWriter, r *http.Request, flow *Flow) {
	body, ok := read(w, r)
	if !ok {
		return
	}
	m := &Message{
		ID: messagelog.NewID(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(),
		Header: r.Header, Host: r.Host, Body: body, Received: rt.o.Faults.Now(),
	}
	log := messagelog.Log{
		ID: m.ID, Correlation: m.ID, Flow: flow.ID, Start: m.Received,
		Application: strings.Clone(r.Header.Get("SAP_ApplicationID")),
	}
	if c := r.Header.Get("SAP_MplCorrelationId"); c != "" {
		log.Correlation = strings.Clone(c)
	}
	var late time.Duration
	if f, ok := rt.o.Faults.Take(fault.Request{Part: Part, Path: r.URL.Path}, fault.LogLate); ok {
		late = f.Duration
	}
	rt.o.Logs.Begin(log, time.Now(), late)
	a := flow.Process(r.Context(), m)
	a.Log.End = rt.o.Faults.Now().Add(a.Async)
	over := time.Now().Add(a.Async)
	if a.Failure != "" {
		a.Log.Status, a.Log.Error = cmp.Or(a.Log.Status, messagelog.Failed), a.Failure
		rt.o.Logs.Finish(m.ID, a.Log, over, late)
		fail(w, m.ID)
		return
	}
	a.Log.Status = cmp.Or(a.Log.Status, messagelog.Completed)
	rt.o.Logs.Finish(m.ID, a.Log, over, late)
	respond(w, &a, m.ID, log.Correlation)
}

// read takes the whole message.
func read(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	var body bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= MaxMessage {
		body.Grow(int(n) + bytes.MinRead)
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, MaxMessage))
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		page.Write(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the message is larger than %d MB", large.Limit>>20))
		return nil, false
	}
	if err != nil {
		page.Write(w, http.StatusBadRequest, "the message did not arrive whole")
		return nil, false
	}
	return body.Bytes(), true
}

// fail is the answer to an exception: the text with the message ID, and, as on
// the platform, no header that holds it (wire/sap.md 5.4).
func fail(w http.ResponseWriter, id string) {
	text := "An internal server error occured: The MPL ID for the failed message is : " + id + "\nFor more details please check tail log."
	w.Header().Set("Content-Type", "text/plain;charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusInternalServerError)
	io.WriteString(w, text)
}

func respond(w http.ResponseWriter, a *Answer, id, correlation string) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	// The spelling of the platform, which http.Header would change.
	h["SAP_MessageProcessingLogID"] = []string{id}
	h["SAP_MplCorrelationId"] = []string{correlation}
	size := a.Size
	if a.Write == nil {
		size = int64(len(a.Body))
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
		if size == 0 {
			status = http.StatusNoContent
		}
	}
	if a.ContentType != "" {
		h.Set("Content-Type", a.ContentType)
	}
	if status != http.StatusNoContent && status != http.StatusNotModified && status >= 200 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	w.WriteHeader(status)
	// What cannot be written any more has nobody waiting for it.
	if a.Write != nil {
		_ = a.Write(w)
		return
	}
	w.Write(a.Body)
}
