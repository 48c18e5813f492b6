// Package cloudfoundry is the Cloud Foundry API v3 of the sandbox tenant, as
// far as service instances and their keys are concerned (wire/sap.md 3):
// organisations, spaces, the marketplace, instances and credential bindings
// with asynchronous jobs, metadata with selectors, pagination, and the error
// envelope with its codes.
package cloudfoundry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/subaccount"
	"iflowtest/internal/sandbox/uaa"
)

// Part is the name of the part of the tenant.
const Part = "cloud-foundry"

// apiVersion is the version of the API that is told.
const apiVersion = "3.180.0"

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// Options is what the API needs.
type Options struct {
	Subaccount *subaccount.Subaccount
	Faults     *fault.Set
	// Caller finds out who sent a request; its errors are those of uaa.
	Caller func(*http.Request) (*subaccount.User, error)
	// Origin gives the origin of the API, SignIn that of the sign-in.
	Origin, SignIn func() string
	// Credentials gives the document of a key.
	Credentials func(*subaccount.Key) json.RawMessage
	// Takes is how long a job runs at least.
	Takes time.Duration
}

// Server is the API. It is safe for concurrent use.
type Server struct {
	o        Options
	mux      *http.ServeMux
	catalog  catalog
	requests atomic.Int64
}

// New makes the API.
func New(o Options) *Server {
	s := &Server{o: o, mux: http.NewServeMux(), catalog: newCatalog(o.Subaccount.Org().Created)}
	s.open("GET /{$}", s.root)
	s.open("GET /v3", s.versionRoot)
	s.open("GET /v3/{$}", s.versionRoot)
	s.open("GET /v3/info", s.info)
	s.open("GET /v2/info", s.legacyInfo)
	s.places()
	s.marketplace()
	s.instances()
	s.bindings()
	s.route("GET /v3/jobs/{guid}", s.getJob)
	s.route("GET /v3/feature_flags", s.listFlags)
	s.route("GET /v3/feature_flags/{name}", s.getFlag)
	s.open("/", func(*call) (*answer, error) {
		return nil, &apiError{http.StatusNotFound, 10000, "NotFound", "Unknown request"}
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Vcap-Request-Id", subaccount.NewGUID()+"::"+subaccount.NewGUID())
	s.mux.ServeHTTP(w, r)
}

// call is one request.
type call struct {
	*http.Request
	w    http.ResponseWriter
	user *subaccount.User // nil where no token is asked for
}

// answer is what a request is answered with.
type answer struct {
	status   int
	location string
	body     any
}

func ok(body any) (*answer, error) { return &answer{status: http.StatusOK, body: body}, nil }

// handler answers a request.
type handler func(*call) (*answer, error)

// open adds a route that needs no token and has no limit.
func (s *Server) open(pattern string, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.reply(&call{Request: r, w: w}, h)
	})
}

// route adds a route for those who are signed in.
func (s *Server) route(pattern string, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if s.limited(w, r) {
			return
		}
		user, err := s.o.Caller(r)
		switch {
		case errors.Is(err, uaa.ErrNoToken):
			err = &apiError{http.StatusUnauthorized, 10002, "NotAuthenticated", "Authentication error"}
		case err != nil:
			err = &apiError{http.StatusUnauthorized, 1000, "InvalidAuthToken", "Invalid Auth Token"}
		}
		if err != nil {
			s.refuse(w, err)
			return
		}
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
			s.refuse(w, badQuery("the query is not well formed"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		s.reply(&call{r, w, user}, h)
	})
}

func (s *Server) reply(c *call, h handler) {
	a, err := h(c)
	if err != nil {
		s.refuse(c.w, err)
		return
	}
	if a.location != "" {
		c.w.Header().Set("Location", a.location)
	}
	if a.body == nil {
		c.w.Header().Set("Content-Length", "0")
		c.w.WriteHeader(a.status)
		return
	}
	writeJSON(c.w, "application/json; charset=utf-8", a.status, a.body)
}

// requestLimit is what the headers tell of the limit of requests in an hour;
// only the fault cf-429 makes it felt. (The numbers of SAP are not known.)
const requestLimit = 20_000

// limited adds the headers of the rate limit, and answers when the fault
// cf-429 says that it is exceeded (wire/sap.md 3.8).
func (s *Server) limited(w http.ResponseWriter, r *http.Request) bool {
	now := s.o.Faults.Now()
	f, exceeded := s.o.Faults.Take(fault.Request{Part: Part, Path: r.URL.Path, Method: r.Method}, fault.CF429)
	remaining := max(0, requestLimit-s.requests.Add(1))
	if exceeded {
		remaining = 0
	}
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(requestLimit))
	h.Set("X-RateLimit-Remaining", strconv.FormatInt(remaining, 10))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(now.Truncate(time.Hour).Add(time.Hour).Unix(), 10))
	if !exceeded {
		return false
	}
	h.Set("Retry-After", strconv.Itoa(int(f.Duration/time.Second)))
	no := &apiError{http.StatusTooManyRequests, 10013, "RateLimitExceeded", "Rate Limit Exceeded"}
	if r.Header.Get("Authorization") == "" {
		no = &apiError{http.StatusTooManyRequests, 10014, "IPBasedRateLimitExceeded", "Rate Limit Exceeded: Unauthenticated requests from this IP address have exceeded the limit. Please log in."}
	}
	writeJSON(w, "text/plain; charset=utf-8", no.status, envelope(no))
	return true
}

// apiError is an error of the API (wire/sap.md 3.7).
type apiError struct {
	status, code  int
	title, detail string // the title without CF-
}

// Error implements error.
func (e *apiError) Error() string { return e.detail }

func unprocessable(format string, args ...any) error {
	return &apiError{http.StatusUnprocessableEntity, 10008, "UnprocessableEntity", fmt.Sprintf(format, args...)}
}

func badQuery(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, 10005, "BadQueryParameter", "The query parameter is invalid: " + fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &apiError{http.StatusNotFound, 10010, "ResourceNotFound", fmt.Sprintf(format, args...)}
}

func notAuthorized() error {
	return &apiError{http.StatusForbidden, 10003, "NotAuthorized", "You are not authorized to perform the requested action"}
}

// problem is an error in the envelope.
type problem struct {
	Code   int    `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

type problems struct {
	Errors []problem `json:"errors"`
}

func envelope(e *apiError) problems {
	return problems{[]problem{{e.code, "CF-" + e.title, e.detail}}}
}

func (s *Server) refuse(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		e = &apiError{http.StatusInternalServerError, 10001, "ServerError", "Server error"}
	}
	writeJSON(w, "application/json; charset=utf-8", e.status, envelope(e))
}

func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // a caller that went away needs no answer
}

// link is a reference to something else.
type link struct {
	Href   string `json:"href"`
	Method string `json:"method,omitempty"`
}

type links map[string]link

// href gives the address of a path of the API.
func (s *Server) href(path string) link { return link{Href: s.o.Origin() + path} }

// metadata is the labels and annotations of something.
type metadata struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func metadataOf(m subaccount.Metadata) metadata {
	shown := metadata{m.Labels, m.Annotations}
	if shown.Labels == nil {
		shown.Labels = map[string]string{}
	}
	if shown.Annotations == nil {
		shown.Annotations = map[string]string{}
	}
	return shown
}

// relation is a reference to one thing by its GUID.
type relation struct {
	Data *reference `json:"data"`
}

type reference struct {
	GUID string `json:"guid"`
	Name string `json:"name,omitempty"`
}

func to(guid string) relation { return relation{&reference{GUID: guid}} }

type relations map[string]relation

// stamp writes a time as the API does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
