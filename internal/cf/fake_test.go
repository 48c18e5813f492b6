package cf

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

const (
	apiURL   = "https://api.cf.test"
	loginURL = "https://login.cf.test"
	password = "pa55-w0rd&+ü"
)

// wire answers as wire/sap.md 3 says, one handler for each "METHOD path"; it
// is the transport, so that no socket is there and tests wait for nothing.
type wire struct {
	t *testing.T

	mu       sync.Mutex
	routes   map[string]http.HandlerFunc
	requests []request
	tokens   int
}

type request struct{ Line, Authorization, Body string }

// newWire knows the root and the sign-in server.
func newWire(t *testing.T) *wire {
	w := &wire{t: t, routes: make(map[string]http.HandlerFunc)}
	w.on("GET api.cf.test/", answer(200, `{"links":{"self":{"href":"https://api.cf.test"},
		"cloud_controller_v3":{"href":"https://api.cf.test/v3","meta":{"version":"3.180.0"}},
		"login":{"href":"https://login.cf.test"},"uaa":{"href":"https://uaa.cf.test"},"credhub":null}}`))
	w.on("POST login.cf.test/oauth/token", w.token)
	return w
}

// token answers a grant with a token of its own number.
func (w *wire) token(out http.ResponseWriter, in *http.Request) {
	w.mu.Lock()
	w.tokens++
	n := w.tokens
	w.mu.Unlock()
	write(out, 200, fmt.Sprintf(`{"access_token":%q,"refresh_token":"refresh-%d","token_type":"bearer","expires_in":599,"scope":"cloud_controller.read","jti":"x"}`, tokenNumber(n), n))
}

// tokenNumber is a JWT that does not end by itself.
func tokenNumber(n int) string { return jwt(fmt.Sprintf(`{"jti":"%d","user_name":"tester"}`, n)) }

func jwt(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + part([]byte(claims)) + "." + part([]byte("signature"))
}

func expiring(at time.Time) string {
	return jwt(fmt.Sprintf(`{"jti":"session","exp":%d}`, at.Unix()))
}

func (w *wire) on(pattern string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.routes[pattern] = h
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	line := r.Method + " " + r.URL.Host + r.URL.Path
	w.mu.Lock()
	h := w.routes[line]
	w.requests = append(w.requests, request{strings.TrimSuffix(line+"?"+r.URL.RawQuery, "?"), r.Header.Get("Authorization"), string(body)})
	w.mu.Unlock()
	if h == nil {
		h = answer(404, `{"errors":[{"code":10000,"title":"CF-NotFound","detail":"Unknown request"}]}`)
	}
	recorder := &lossy{ResponseRecorder: httptest.NewRecorder()}
	h(recorder, r)
	if recorder.lost != nil {
		return nil, recorder.lost
	}
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// lossy is an answer that may get lost on the way.
type lossy struct {
	*httptest.ResponseRecorder
	lost error
}

func lose(err error) http.HandlerFunc {
	return func(out http.ResponseWriter, _ *http.Request) { out.(*lossy).lost = err }
}

var errReset = errors.New("connection reset by peer")

func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(out http.ResponseWriter, _ *http.Request) { write(out, status, body, headers...) }
}

func write(out http.ResponseWriter, status int, body string, headers ...string) {
	out.Header().Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		out.Header().Add(headers[i], headers[i+1])
		if headers[i] == "Content-Type" {
			out.Header().Set(headers[i], headers[i+1])
		}
	}
	out.WriteHeader(status)
	io.WriteString(out, body)
}

// inTurn answers with one handler after the other; the last stays.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(out http.ResponseWriter, in *http.Request) {
		mu.Lock()
		h := handlers[min(n, len(handlers)-1)]
		n++
		mu.Unlock()
		h(out, in)
	}
}

func envelope(code int, title, detail string) string {
	text, _ := json.Marshal(map[string][]answerError{"errors": {{code, title, detail}}})
	return string(text)
}

func list(next string, resources ...string) string {
	href := "null"
	if next != "" {
		href = fmt.Sprintf(`{"href":%q}`, next)
	}
	return fmt.Sprintf(`{"pagination":{"total_results":%d,"total_pages":1,"first":{"href":""},"last":{"href":""},"next":%s,"previous":null},"resources":[%s]}`,
		len(resources), href, strings.Join(resources, ","))
}

// lines gives the requests that were made, without those of the sign-in.
func (w *wire) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for _, r := range w.requests {
		if r.Line != "GET api.cf.test/" && !strings.Contains(r.Line, "/oauth/token") {
			lines = append(lines, r.Line)
		}
	}
	return lines
}

// signIns gives the requests to the sign-in server.
func (w *wire) signIns() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []request
	for _, r := range w.requests {
		if strings.Contains(r.Line, "/oauth/token") {
			found = append(found, r)
		}
	}
	return found
}

func (w *wire) client(c Config) *Client {
	w.t.Helper()
	h, err := httpx.New(httpx.Options{Transport: w})
	if err != nil {
		w.t.Fatal(err)
	}
	return New(h, c)
}

// tester is a client signed in with user and password.
func (w *wire) tester() *Client {
	return w.client(Config{API: apiURL, Username: "tester", Password: secret.New("cf.password", password)})
}

// failure gives err as an *platform.Error of the kind that is wanted.
func failure(t *testing.T, err error, want platform.Kind) *platform.Error {
	t.Helper()
	e, ok := errors.AsType[*platform.Error](err)
	if !ok {
		t.Fatalf("got error %v, want one of kind %q", err, want)
	}
	if e.Kind != want {
		t.Errorf("got kind %q (%s), want %q", e.Kind, e.Message, want)
	}
	return e
}
