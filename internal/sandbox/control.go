package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"iflowtest/internal/sandbox/api"
	"iflowtest/internal/sandbox/destination"
	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/subaccount"
)

// maxControl bounds the body of a request to the control part.
const maxControl = 1 << 20

// control is what a test asks and tells the tenant itself.
func (t *Tenant) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sandbox/requests", t.getRequests)
	mux.HandleFunc("GET /_sandbox/state", t.getState)
	mux.HandleFunc("GET /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, t.faults.List())
	})
	mux.HandleFunc("POST /_sandbox/faults", t.postFaults)
	mux.HandleFunc("DELETE /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		t.faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_sandbox/keys", t.getKeys)
	mux.HandleFunc("POST /_sandbox/keys", t.postKey)
	mux.HandleFunc("DELETE /_sandbox/keys/{name}", t.deleteKey)
	mux.HandleFunc("GET /_sandbox/{$}", t.getIndex)
	mux.HandleFunc("GET /{$}", t.getIndex)
	for path, methods := range map[string]string{
		"/_sandbox/requests": "GET, HEAD", "/_sandbox/state": "GET, HEAD", "/_sandbox/faults": "GET, HEAD, POST, DELETE",
		"/_sandbox/keys": "GET, HEAD, POST", "/_sandbox/keys/{name}": "DELETE", "/_sandbox/{$}": "GET, HEAD", "/{$}": "GET, HEAD",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", methods)
			writeError(w, http.StatusMethodNotAllowed, errors.New(r.Method+" is not allowed at "+strconv.Quote(r.URL.Path)+"; want "+methods))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, errors.New("there is nothing at "+strconv.Quote(r.URL.Path)+"; GET /_sandbox/ lists what there is"))
	})
	return mux
}

// getIndex says where everything is.
func (t *Tenant) getIndex(w http.ResponseWriter, _ *http.Request) {
	type origin struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	type operation struct {
		Method string `json:"method"`
		Path   string `json:"path"`
		Doc    string `json:"doc"`
	}
	var parts []origin
	for _, p := range Parts() {
		parts = append(parts, origin{p, t.URL(p)})
	}
	writeJSON(w, http.StatusOK, struct {
		Parts      []origin    `json:"parts"`
		Operations []operation `json:"operations"`
	}{parts, []operation{
		{"GET", "/_sandbox/requests", "the newest 10000 requests, oldest first; ?part=, ?method=, ?path= narrow the list"},
		{"GET", "/_sandbox/state", "what exists, by part"},
		{"GET", "/_sandbox/faults", "the faults that are active"},
		{"POST", "/_sandbox/faults", `adds faults: {"fault": "runtime-503:count=2"}, a list of texts, or text/plain with one a line`},
		{"DELETE", "/_sandbox/faults", "ends all faults"},
		{"GET", "/_sandbox/keys", "the service keys, with their secrets"},
		{"POST", "/_sandbox/keys", `creates a service key: {"instance": "sandbox-rt", "name": "sender-2"}; "parameters" as for Cloud Foundry`},
		{"DELETE", "/_sandbox/keys/NAME", "deletes a service key"},
	}})
}

// getRequests lists requests, narrowed by part, method and path.
func (t *Tenant) getRequests(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	list := []request{}
	for _, e := range t.requests.list() {
		if is(q.Get("part"), e.Part) && is(q.Get("method"), e.Method) && is(q.Get("path"), e.Path) {
			list = append(list, e)
		}
	}
	writeJSON(w, http.StatusOK, list)
}

// is holds for what was not asked for, too.
func is(wanted, got string) bool { return wanted == "" || strings.EqualFold(wanted, got) }

// state is what exists, without anything that changes by itself: two of them
// can be compared whole.
type state struct {
	CloudFoundry struct {
		ServiceInstances []instanceState `json:"service-instances"` // by name and space
	} `json:"cloud-foundry"`
	Runtime struct {
		Flows     []flowState     `json:"flows"`
		Artifacts []artifactState `json:"artifacts"`
	} `json:"runtime"`
	Entitlements struct {
		Plans []string `json:"it-rt"`
	} `json:"entitlements"`
	API struct {
		Packages    []api.Package    `json:"packages"`
		Credentials []api.Credential `json:"user-credentials"`
	} `json:"api"`
	Destination struct {
		Subaccount []destination.State `json:"subaccount"`
		Instance   []destination.State `json:"instance"`
	} `json:"destination"`
}

type instanceState struct {
	Name  string   `json:"name"`
	Space string   `json:"space"`
	Plan  string   `json:"plan"`
	Roles []string `json:"roles"`
	Keys  []string `json:"keys"`
	// Operation is what was not done to its end, such as "create failed".
	Operation string `json:"operation,omitzero"`
}

type flowState struct {
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
	Role     string `json:"role"`
}

// artifactState is a deployed artifact as it is in the end, when nothing is
// under way any more.
type artifactState struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Version string `json:"version"`
	Status  string `json:"status"`
	// Content is a digest of what is deployed, with its parameters; empty: what
	// the sandbox has for the ID.
	Content string `json:"content,omitzero"`
}

func (t *Tenant) getState(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, t.state())
}

func (t *Tenant) state() state {
	var s state
	s.CloudFoundry.ServiceInstances = []instanceState{}
	keys := map[string][]string{}
	for _, k := range t.subaccount.AllKeys() {
		keys[k.Instance.GUID] = append(keys[k.Instance.GUID], strings.TrimSuffix(k.Name+" "+unfinished(k.Operation), " "))
	}
	for _, i := range t.subaccount.Instances() {
		s.CloudFoundry.ServiceInstances = append(s.CloudFoundry.ServiceInstances, instanceState{
			i.Name, i.Space, i.Plan, append([]string{}, i.Roles...), sorted(keys[i.GUID]), unfinished(i.Operation),
		})
	}
	s.Runtime.Flows, s.Runtime.Artifacts = []flowState{}, []artifactState{}
	for _, d := range t.runtime.Lasting() {
		s.Runtime.Artifacts = append(s.Runtime.Artifacts, artifactState{d.ID, d.Type, d.Version, d.FinalStatus(), d.Content})
		for _, f := range d.Flows {
			s.Runtime.Flows = append(s.Runtime.Flows, flowState{d.ID, f.Endpoint, f.Role})
		}
	}
	s.Entitlements.Plans = sorted(t.subaccount.Entitled())
	s.API.Packages, s.API.Credentials = t.api.Packages(), t.api.Credentials()
	s.Destination.Subaccount, s.Destination.Instance = t.destinations.States()
	return s
}

// unfinished names an operation that is under way or failed. One that did not
// change what exists is not told.
func unfinished(o subaccount.Operation) string {
	if o.State == subaccount.Succeeded || o.Type == subaccount.Update {
		return ""
	}
	return o.Type + " " + o.State
}

// postFaults adds one fault or several; when one of them is wrong, none.
func (t *Tenant) postFaults(w http.ResponseWriter, r *http.Request) {
	body, ok := readControl(w, r)
	if !ok {
		return
	}
	texts, err := faultTexts(r.Header.Get("Content-Type"), body)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	var faults []Fault
	var errs []error
	for _, text := range texts {
		f, err := fault.Parse(text)
		faults, errs = append(faults, f), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	for _, f := range faults {
		t.faults.Add(f)
	}
	writeJSON(w, http.StatusCreated, t.faults.List())
}

// faultTexts reads {"fault": "…"}, {"faults": ["…"]}, ["…"], or lines of text.
func faultTexts(contentType string, body []byte) ([]string, error) {
	var texts []string
	media, _, _ := mime.ParseMediaType(contentType)
	trimmed := bytes.TrimSpace(body)
	switch {
	case media != "text/plain" && bytes.HasPrefix(trimmed, []byte("[")):
		if err := json.Unmarshal(trimmed, &texts); err != nil {
			return nil, errors.New("the body is no JSON list of texts")
		}
	case media != "text/plain" && bytes.HasPrefix(trimmed, []byte("{")):
		var one struct {
			Fault  string   `json:"fault"`
			Faults []string `json:"faults"`
		}
		dec := json.NewDecoder(bytes.NewReader(trimmed))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&one); err != nil {
			return nil, errors.New(`the body is no JSON object with "fault" or "faults"`)
		}
		texts = one.Faults
		if one.Fault != "" {
			texts = append(texts, one.Fault)
		}
	default:
		for line := range strings.Lines(string(trimmed)) {
			if line = strings.TrimSpace(line); line != "" {
				texts = append(texts, line)
			}
		}
	}
	if len(texts) == 0 {
		return nil, errors.New(`the body names no fault: want {"fault": "runtime-503:count=2"}`)
	}
	return texts, nil
}

// keyState is a service key as the control part shows it.
type keyState struct {
	Name     string          `json:"name"`
	Instance string          `json:"instance"`
	Plan     string          `json:"plan"`
	Key      json.RawMessage `json:"key"`
}

func (t *Tenant) keyState(k *subaccount.Key) keyState {
	return keyState{k.Name, k.Instance.Name, k.Instance.Plan, t.keyJSON(k, "")}
}

func (t *Tenant) getKeys(w http.ResponseWriter, _ *http.Request) {
	list := []keyState{}
	for _, k := range t.subaccount.Keys() {
		list = append(list, t.keyState(k))
	}
	writeJSON(w, http.StatusOK, list)
}

// postKey creates a key of an instance and answers with its document, as the
// cockpit would let it be downloaded.
func (t *Tenant) postKey(w http.ResponseWriter, r *http.Request) {
	body, ok := readControl(w, r)
	if !ok {
		return
	}
	var spec struct {
		Instance   string          `json:"instance"`
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&spec); err != nil {
		writeError(w, http.StatusBadRequest, errors.New(`the body is no JSON object such as {"instance": "sandbox-rt", "name": "sender-2"}`))
		return
	}
	k, err := t.subaccount.CreateKey(spec.Instance, spec.Name, spec.Parameters)
	if err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusCreated, json.RawMessage(t.keyJSON(k, "")))
}

func (t *Tenant) deleteKey(w http.ResponseWriter, r *http.Request) {
	if err := t.subaccount.DeleteKey(r.PathValue("name")); err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, subaccount.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, subaccount.ErrExists):
		return http.StatusConflict
	}
	return http.StatusBadRequest
}

func readControl(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControl))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		writeError(w, http.StatusRequestEntityTooLarge, errors.New("the body is larger than 1 MB"))
		return nil, false
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, errors.New("the body did not arrive whole"))
		return nil, false
	}
	return body, true
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		http.Error(w, "the answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write(b.Bytes()) // a caller that went away needs no answer
}
