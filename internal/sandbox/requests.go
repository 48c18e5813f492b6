package sandbox

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// keepRequests is how many requests are listed.
const keepRequests = 10_000

// request is one request that was answered.
type request struct {
	Part   string `json:"part"`
	Method string `json:"method"`
	Path   string `json:"path"`
	// Query is the query without its secrets.
	Query string `json:"query,omitempty"`
	// Status is 0 when the connection was reset instead of an answer.
	Status int `json:"status"`
	// Time is when the request arrived.
	Time time.Time `json:"time"`
}

// requestLog keeps the newest requests. The zero requestLog is empty; it is
// safe for concurrent use.
type requestLog struct {
	mu      sync.Mutex
	entries []request
	next    int               // the oldest, once it is full
	names   map[string]string // so that equal paths are kept once
}

// maxNames bounds the paths that are shared.
const maxNames = 1024

func (l *requestLog) add(e request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Method, e.Path = l.shared(e.Method), l.shared(e.Path)
	if len(l.entries) < keepRequests {
		l.entries = append(l.entries, e)
		return
	}
	l.entries[l.next] = e
	l.next = (l.next + 1) % keepRequests
}

// shared gives a copy of the text that does not hold on to the request it
// came with.
func (l *requestLog) shared(text string) string {
	if s, ok := l.names[text]; ok {
		return s
	}
	s := strings.Clone(text)
	if l.names == nil {
		l.names = map[string]string{}
	}
	if len(l.names) < maxNames {
		l.names[s] = s
	}
	return s
}

// list gives the requests, the oldest first.
func (l *requestLog) list() []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.entries[l.next:], l.entries[:l.next])
}

// maxShown bounds what is kept of a path or a query, in bytes.
const maxShown = 2 << 10

func shorten(text string) string {
	if len(text) > maxShown {
		return strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// entry notes what is known of a request when it arrives.
func (t *Tenant) entry(part string, r *http.Request) request {
	e := request{Part: part, Method: r.Method, Path: shorten(t.maskPath(r.URL.Path)), Time: t.faults.Now().UTC().Truncate(time.Millisecond)}
	if r.URL.RawQuery != "" {
		e.Query = shorten(t.maskQuery(r.URL.RawQuery))
	}
	return e
}

// secretName is a parameter whose value is never shown, and secretValue a value
// that seems to have one in it, such as a condition.
var (
	secretName  = regexp.MustCompile(`(?i)secret|passw|token|assertion|credential|api-?_?key|^code$`)
	secretValue = regexp.MustCompile(`(?i)(?:secret|passw|token|assertion|credential|api-?_?key)[a-z0-9_.-]*["']?\s*(?:[=:]|(?:eq|ne)\s)`)
)

// maskQuery gives a query with the values of secret parameters, and secrets
// wherever they stand, replaced by "***". Where parameters are parted by ";",
// what follows a secret one goes with it.
func (t *Tenant) maskQuery(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		pieces := strings.Split(part, ";")
		for j, piece := range pieces {
			masked := t.maskParameter(piece)
			pieces[j] = masked
			if masked != piece {
				pieces = pieces[:j+1]
				break
			}
		}
		parts[i] = strings.Join(pieces, ";")
	}
	return strings.Join(parts, "&")
}

func (t *Tenant) maskParameter(part string) string {
	name, value, ok := strings.Cut(part, "=")
	plainName, errName := url.QueryUnescape(name)
	plain, err := url.QueryUnescape(value)
	switch {
	case ok && (errName != nil || secretName.MatchString(plainName)):
		return name + "=***"
	case err != nil || t.subaccount.Mask(plain) != plain || t.subaccount.Mask(plainName) != plainName:
		return "***"
	case ok && secretValue.MatchString(plain):
		return name + "=***"
	}
	return part
}

// maskPath gives a path, which is not encoded any more, without secrets: those
// the tenant knows, and what follows the name of one as in "/a;password=b".
func (t *Tenant) maskPath(path string) string {
	segments := strings.Split(t.subaccount.Mask(path), "/")
	for i, segment := range segments {
		if at := secretValue.FindStringIndex(segment); at != nil {
			segments[i] = segment[:at[1]] + "***"
		}
	}
	return strings.Join(segments, "/")
}

// recorder adds the request to the list when its status is known, so that it
// is there before the caller has the answer.
type recorder struct {
	http.ResponseWriter
	log   *requestLog
	entry request
	done  bool
}

func (r *recorder) record(status int) {
	if r.done {
		return
	}
	r.done = true
	r.entry.Status = status
	r.log.add(r.entry)
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if status >= http.StatusOK {
		r.record(status)
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	r.record(http.StatusOK)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
