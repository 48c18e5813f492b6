// Package destination is the destination service of the sandbox's subaccount
// (wire/sap.md 7): destinations of the subaccount and of the service instance,
// and the search for one, with the token that a caller of it needs.
package destination

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"iflowtest/internal/sandbox/subaccount"
	"iflowtest/internal/sandbox/token"
)

// Part is the name of the part of the tenant.
const Part = "destination"

// Root is the path of the REST API.
const Root = "/destination-configuration/v1"

// Limits of the service.
const (
	maxBody         = 1 << 20
	maxDestinations = 10_000 // of a level
)

// Options is what the service needs.
type Options struct {
	Subaccount *subaccount.Subaccount
	Access     *token.Server
	// Client reaches the token servers of the tenant.
	Client http.RoundTripper
	// TokenServers gives their origins. No other is asked: nothing leaves the
	// tenant.
	TokenServers func() []string
}

// Service is the destination service. It is safe for concurrent use.
type Service struct {
	key [32]byte // of digests
	o   Options
	mux *http.ServeMux

	mu sync.Mutex
	// ofSubaccount and ofInstance hold the destinations of the two levels by
	// name. A destination never changes once it is in.
	ofSubaccount, ofInstance map[string]properties
}

// properties is a destination: all its properties are texts.
type properties map[string]string

// New makes the service, without any destination.
func New(o Options) *Service {
	s := &Service{o: o, mux: http.NewServeMux(), ofSubaccount: map[string]properties{}, ofInstance: map[string]properties{}}
	_, _ = rand.Read(s.key[:]) // it never fails
	for path, level := range map[string]map[string]properties{"/subaccountDestinations": s.ofSubaccount, "/instanceDestinations": s.ofInstance} {
		s.route("GET "+Root+path, func(w http.ResponseWriter, _ *http.Request) { s.list(w, level) })
		s.route("POST "+Root+path, func(w http.ResponseWriter, r *http.Request) { s.create(w, r, level) })
		s.route("PUT "+Root+path, func(w http.ResponseWriter, r *http.Request) { s.update(w, r, level) })
		s.route("GET "+Root+path+"/{name}", func(w http.ResponseWriter, r *http.Request) { s.get(w, r, level) })
		s.route("DELETE "+Root+path+"/{name}", func(w http.ResponseWriter, r *http.Request) { s.remove(w, r, level) })
	}
	s.route("GET "+Root+"/destinations/{name}", s.find)
	s.route("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "There is nothing at "+r.URL.Path)
	})
	return s
}

// State is a destination as the state of the sandbox shows it.
type State struct {
	Name string `json:"name"`
	// Properties is a digest of all of them, which differs from tenant to
	// tenant: secrets are among them.
	Properties string `json:"properties"`
}

// States gives the destinations of the subaccount and of the instance, sorted
// by name.
func (s *Service) States() (ofSubaccount, ofInstance []State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states(s.ofSubaccount), s.states(s.ofInstance)
}

func (s *Service) states(level map[string]properties) []State {
	list := []State{}
	for _, name := range slices.Sorted(maps.Keys(level)) {
		digest := hmac.New(sha256.New, s.key[:])
		for _, property := range slices.Sorted(maps.Keys(level[name])) {
			fmt.Fprintf(digest, "%q%q", property, level[name][property])
		}
		list = append(list, State{name, "hmac-sha256:" + hex.EncodeToString(digest.Sum(nil))})
	}
	return list
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Vcap-Request-Id", subaccount.NewGUID())
	s.mux.ServeHTTP(w, r)
}

// route adds a route for those who come with a token of the service's key.
func (s *Service) route(pattern string, h http.HandlerFunc) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		caller := s.o.Access.Access(w, r, Part, subaccount.PlanLite, token.Accepts{})
		if caller == nil || caller.Basic {
			if caller != nil {
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+Part+`"`)
			}
			refuse(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		h(w, r)
	})
}

// refuse writes an error of the service. (Its shape is not documented.)
func refuse(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, struct {
		Message string `json:"ErrorMessage"`
	}{message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // a caller that went away needs no answer
}

// affected tells how many destinations a request changed.
type affected struct {
	Count int    `json:"Count"`
	Etag  string `json:"Etag,omitempty"`
}

// etag changes with any property.
func (p properties) etag() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(h, "%d:%s%d:%s", len(name), name, len(p[name]), p[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (s *Service) list(w http.ResponseWriter, level map[string]properties) {
	s.mu.Lock()
	all := []properties{}
	for _, name := range slices.Sorted(maps.Keys(level)) {
		all = append(all, level[name])
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, all)
}

func (s *Service) get(w http.ResponseWriter, r *http.Request, level map[string]properties) {
	p, ok := s.named(level, r.PathValue("name"))
	if !ok {
		notFound(w)
		return
	}
	w.Header().Set("ETag", `"`+p.etag()+`"`)
	writeJSON(w, http.StatusOK, p)
}

func (s *Service) named(level map[string]properties, name string) (properties, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := level[name]
	return p, ok
}

func notFound(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, "Configuration with the specified name was not found")
}

func (s *Service) create(w http.ResponseWriter, r *http.Request, level map[string]properties) {
	p, ok := read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	_, taken := level[p["Name"]]
	full := len(level) >= maxDestinations
	if !taken && !full {
		level[p["Name"]] = p
	}
	s.mu.Unlock()
	switch {
	case taken:
		refuse(w, http.StatusConflict, fmt.Sprintf("Destination with name %q already exists", p["Name"]))
	case full:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("There are %d destinations, and no more can be created", maxDestinations))
	default:
		w.Header().Set("ETag", `"`+p.etag()+`"`)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusCreated)
	}
}

func (s *Service) update(w http.ResponseWriter, r *http.Request, level map[string]properties) {
	p, ok := read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	_, there := level[p["Name"]]
	if there {
		level[p["Name"]] = p
	}
	s.mu.Unlock()
	if !there {
		notFound(w)
		return
	}
	writeJSON(w, http.StatusOK, affected{1, p.etag()})
}

func (s *Service) remove(w http.ResponseWriter, r *http.Request, level map[string]properties) {
	s.mu.Lock()
	_, there := level[r.PathValue("name")]
	delete(level, r.PathValue("name"))
	s.mu.Unlock()
	if !there {
		notFound(w)
		return
	}
	writeJSON(w, http.StatusOK, affected{Count: 1})
}

// read takes the destination in the body of a request.
func read(w http.ResponseWriter, r *http.Request) (properties, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "The body is larger than 1 MB, or did not arrive whole")
		return nil, false
	}
	p, err := parse(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, strings.ReplaceAll(err.Error(), "\n", "; "))
		return nil, false
	}
	return p, true
}

// parse reads a destination. The error names every mistake, and no value that
// could be a secret.
func parse(body []byte) (properties, error) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, errors.New("the body is no JSON object of a destination")
	}
	p, errs := properties{}, []error(nil)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text, ok := fields[name].(string)
		if !ok {
			errs = append(errs, fmt.Errorf("property %q: want a text", name))
			continue
		}
		p[name] = text
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, p.check()
}

// maxName is how long the name of a destination may be, in bytes.
const maxName = 200

// check tells what is wrong with a destination. Of other kinds than HTTP with
// client credentials it wants only what makes them one.
func (p properties) check() error {
	var errs []error
	name := p["Name"]
	if name != "" && (len(name) > maxName || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "") {
		errs = append(errs, fmt.Errorf("property \"Name\": want 1 to %d of A-Z a-z 0-9 . _ -", maxName))
	}
	required := []string{"Name", "Type"}
	if p["Type"] == "HTTP" {
		required = append(required, "URL", "ProxyType", "Authentication")
	}
	if p.clientCredentials() {
		required = append(required, "clientId", "tokenServiceURL")
	}
	for _, r := range required {
		if p[r] == "" {
			errs = append(errs, fmt.Errorf("property %q is missing", r))
		}
	}
	for property, values := range map[string][]string{
		"Type": {"HTTP", "RFC", "LDAP", "MAIL", "TCP"}, "ProxyType": {"Internet", "OnPremise", "PrivateLink"}, "tokenServiceURLType": {"Dedicated", "Common"},
		"tokenService.addClientCredentialsInBody": {"true", "false"},
	} {
		if value := p[property]; value != "" && !slices.Contains(values, value) {
			errs = append(errs, fmt.Errorf("property %q: want one of %s", property, strings.Join(values, ", ")))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (p properties) clientCredentials() bool {
	return p["Type"] == "HTTP" && p["Authentication"] == "OAuth2ClientCredentials"
}
