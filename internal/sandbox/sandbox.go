// Package sandbox is a tenant of the platform inside the program: on loopback,
// the sign-in of the platform, Cloud Foundry with service instances and keys,
// entitlements, an authorization server, an integration runtime and its OData
// API, which speak the wire as wire/sap.md describes it, so that suites can be learned, written and run
// without an SAP account.
//
// It shares no code with the clients of this project, apart from the
// expression language and the diagnostics, which flows of one's own use: what
// the clients misread, the sandbox must not misread in the same way.
//
// Each part of the tenant has an origin of its own. A Tenant is reached
// through sockets ([Tenant.Listen], [Tenant.Serve]) or in memory
// ([Tenant.RoundTripper]); its state is in memory and gone with it.
package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/api"
	"iflowtest/internal/sandbox/cloudfoundry"
	"iflowtest/internal/sandbox/destination"
	"iflowtest/internal/sandbox/entitlements"
	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/messagelog"
	"iflowtest/internal/sandbox/page"
	"iflowtest/internal/sandbox/subaccount"
	"iflowtest/internal/sandbox/token"
	"iflowtest/internal/sandbox/uaa"
)

// The parts of the tenant.
const (
	CloudFoundry = cloudfoundry.Part
	UAA          = uaa.Part
	Token        = token.Part
	TokenMTLS    = token.MutualPart
	Runtime      = iflow.Part
	API          = api.Part
	Entitlements = entitlements.Part
	Destination  = destination.Part
	Control      = "control"
)

// Parts gives the names of the parts, in the order of their ports.
func Parts() []string {
	return []string{CloudFoundry, UAA, Token, TokenMTLS, Runtime, API, Entitlements, Destination, Control}
}

// Fault is one fault of the tenant, see [ParseFault].
type Fault = fault.Fault

// ParseFault reads a fault such as "runtime-503:path=/http/orders,count=2".
// The error names every mistake.
func ParseFault(s string) (Fault, error) { return fault.Parse(s) }

// FaultDoc describes a fault; the reference is printed from it.
type FaultDoc = fault.Doc

// Faults describes every fault, in the order of the reference.
func Faults() []FaultDoc { return fault.Docs() }

// Options is how a tenant is made. The zero Options is the tenant as it is
// documented.
type Options struct {
	// Config adds flows, keys, faults and more; nil adds nothing.
	Config *Config
	// Faults are active from the start, behind those of Config.
	Faults []Fault
	// TLS makes every part speak TLS; without it, and without tls in Config,
	// TokenMTLS alone does. [Tenant.CA] signs the certificates.
	TLS bool
	// AllowRemote lets Listen take an address that is not loopback.
	AllowRemote bool
}

// Tenant is a sandbox tenant. It is safe for concurrent use.
type Tenant struct {
	o          Options
	latency    time.Duration
	faults     fault.Set
	subaccount *subaccount.Subaccount
	runtime    *iflow.Runtime
	api        *api.API
	logs       messagelog.Store
	requests   requestLog
	// destinations is the destination service.
	destinations *destination.Service
	certificates certificates
	handlers     map[string]http.Handler
	done         chan struct{} // closed by Close: what waits ends

	mu      sync.Mutex
	servers []*server
	closed  bool
}

// New makes a tenant. It opens no socket and starts nothing.
func New(o Options) (*Tenant, error) {
	config := o.Config
	if config == nil {
		config = &Config{}
	}
	o.TLS = o.TLS || config.tls
	t := &Tenant{o: o, latency: config.latency, done: make(chan struct{})}
	for _, f := range slices.Concat(config.faults, o.Faults) {
		t.faults.Add(f)
	}
	var err error
	if t.subaccount, err = subaccount.New(subaccount.Options{
		Now: t.faults.Now, Entitled: config.entitledPlans(), Users: config.users, Quota: config.quota, Expired: t.issuesExpired,
	}); err != nil {
		return nil, err
	}
	if err := config.provision(t.subaccount); err != nil {
		return nil, err
	}
	issuer := token.New(token.Options{
		Subaccount: t.subaccount, Faults: &t.faults, DecodeBasic: config.decodeBasic,
		Origin: func() string { return t.URL(Token) }, MutualOrigin: func() string { return t.URL(TokenMTLS) },
	})
	if t.runtime, err = iflow.New(iflow.Options{Access: issuer, Faults: &t.faults, Logs: &t.logs, Flows: config.flows}); err != nil {
		return nil, err
	}
	t.api = api.New(api.Options{
		Access: issuer, Faults: &t.faults, Logs: &t.logs, Authority: t.subaccount, Flows: t.runtime, Times: config.deploymentTimes(),
		Origin: func() string { return t.URL(API) }, Runtime: func() string { return t.URL(Runtime) },
	})
	t.handlers = map[string]http.Handler{}
	signIn := uaa.New(uaa.Options{Subaccount: t.subaccount, Faults: &t.faults, Origin: func() string { return t.URL(UAA) }})
	t.handlers[UAA] = t.front(UAA, signIn)
	t.handlers[CloudFoundry] = t.front(CloudFoundry, cloudfoundry.New(cloudfoundry.Options{
		Subaccount: t.subaccount, Faults: &t.faults, Caller: signIn.Caller, Takes: config.provisioning,
		Origin: func() string { return t.URL(CloudFoundry) }, SignIn: func() string { return t.URL(UAA) },
		Credentials: func(k *subaccount.Key) json.RawMessage { return t.keyJSON(k, "") },
	}))
	t.handlers[Entitlements] = t.front(Entitlements, entitlements.New(entitlements.Options{
		Subaccount: t.subaccount, Access: issuer, Faults: &t.faults, Takes: config.provisioning,
		Origin: func() string { return t.URL(Entitlements) },
	}))
	t.handlers[Token], t.handlers[TokenMTLS] = t.front(Token, issuer), t.front(TokenMTLS, issuer.MutualTLS())
	t.destinations = destination.New(destination.Options{
		Subaccount: t.subaccount, Access: issuer, Client: t.RoundTripper(),
		TokenServers: func() []string { return []string{t.URL(Token), t.URL(TokenMTLS)} },
	})
	t.handlers[Destination] = t.front(Destination, t.destinations)
	t.handlers[Runtime] = t.front(Runtime, t.runtime)
	t.handlers[API] = t.front(API, t.api)
	t.handlers[Control] = t.front(Control, t.control())
	return t, nil
}

// issuesExpired asks the fault certificate-expired about a key that is being
// created.
func (t *Tenant) issuesExpired(i *subaccount.Instance, key string) bool {
	_, yes := t.faults.Take(fault.Request{Part: CloudFoundry, Path: "/v3/service_credential_bindings", Key: key, Client: i.ClientID}, fault.CertificateExpired)
	return yes
}

// front is what stands before every part: latency, the list of requests, and
// the faults of the connection and of the router.
func (t *Tenant) front(part string, h http.Handler) http.Handler {
	if part == Control {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r, err := plainQuery(part, r)
			if err != nil {
				writeError(w, http.StatusBadRequest, err)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.stamp(w)
		if !t.pause(r) {
			panic(http.ErrAbortHandler)
		}
		seen := &recorder{ResponseWriter: w, log: &t.requests, entry: t.entry(part, r)}
		r, wrong := plainQuery(part, r)
		at := fault.Request{Part: part, Path: r.URL.Path, Method: r.Method}
		if f, ok := t.faults.Take(at, fault.ConnectionReset, fault.Runtime503); ok {
			if f.Name == fault.ConnectionReset {
				seen.record(0)
				if f.Lost == fault.LostAnswer {
					h.ServeHTTP(&held{header: http.Header{}}, r)
				}
				reset(w)
			}
			retryAfter(w, f)
			page.Write(seen, http.StatusServiceUnavailable, "")
			return
		}
		if wrong != nil {
			page.Write(seen, http.StatusBadRequest, wrong.Error())
			return
		}
		if _, ok := t.faults.Take(at, fault.TruncatedBody); ok {
			truncate(seen, r, h)
		}
		h.ServeHTTP(seen, r)
		seen.record(http.StatusOK) // for a handler that wrote nothing at all
	})
}

// plainQuery gives the request with a query that [url.ParseQuery] reads whole:
// ";" is a character like any other. What is not percent-encoded is an error,
// which the parts that have a form of their own for it tell themselves.
func plainQuery(part string, r *http.Request) (*http.Request, error) {
	if part != API && part != CloudFoundry {
		for piece := range strings.SplitSeq(r.URL.RawQuery, "&") {
			if _, err := url.QueryUnescape(piece); err != nil {
				return r, fmt.Errorf("the query is not percent-encoded: %w", err)
			}
		}
	}
	if !strings.Contains(r.URL.RawQuery, ";") {
		return r, nil
	}
	changed, address := *r, *r.URL
	address.RawQuery = strings.ReplaceAll(address.RawQuery, ";", "%3B")
	changed.URL = &address
	return &changed, nil
}

// stamp sets the date of a tenant whose clock is wrong.
func (t *Tenant) stamp(w http.ResponseWriter) {
	if t.faults.Skew() != 0 {
		w.Header().Set("Date", t.faults.Now().UTC().Format(http.TimeFormat))
	}
}

// pause takes the configured latency; false when the caller went away first.
func (t *Tenant) pause(r *http.Request) bool {
	if t.latency <= 0 {
		return true
	}
	timer := time.NewTimer(t.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// CA gives the certificate (PEM) of the authority that signs the certificates of
// the parts that speak TLS and the client certificates of service keys. It is
// generated the first time.
func (t *Tenant) CA() ([]byte, error) { return t.subaccount.CA() }

// URL gives the origin of a part, such as http://127.0.0.1:8791 (with TLS,
// https); before
// [Tenant.Listen] the one under which [Tenant.RoundTripper] knows it. An
// unknown part has none.
func (t *Tenant) URL(part string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.servers {
		if s.part == part {
			return s.origin
		}
	}
	if !slices.Contains(Parts(), part) {
		return ""
	}
	return t.scheme(part) + "://" + part + memoryDomain
}
