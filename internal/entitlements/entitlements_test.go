package entitlements

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

const (
	subaccount = "11111111-2222-3333-4444-555555555555"
	keyText    = `{"endpoints":{"accounts_service_url":"https://accounts.test","entitlements_service_url":"https://entitlements.test/","provisioning_service_url":"https://provisioning.test"},
		"grant_type":"client_credentials","sap.cloud.service":"com.sap.core.commercial.service.central",
		"uaa":{"clientid":"sb-cis!b1","clientsecret":"cis-secret-1","url":"https://global.authentication.test","xsappname":"cis!b1"}}`
)

// service answers as wire/sap.md 4.2 says; it is the transport, so that no
// socket is there and tests wait for nothing.
type service struct {
	mu       sync.Mutex
	routes   map[string]http.HandlerFunc
	requests []request
	tokens   int
}

type request struct{ Line, Authorization, Body string }

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	line := r.Method + " " + r.URL.Host + r.URL.Path
	s.mu.Lock()
	if line == "POST global.authentication.test/oauth/token" {
		s.tokens++
		n := s.tokens
		s.mu.Unlock()
		return reply(r, answerWith(200, `{"access_token":"token-`+string(rune('0'+n))+`","token_type":"bearer","expires_in":43199}`)), nil
	}
	s.requests = append(s.requests, request{strings.TrimSuffix(line+"?"+r.URL.RawQuery, "?"), r.Header.Get("Authorization"), string(body)})
	h := s.routes[line]
	s.mu.Unlock()
	if h == nil {
		return nil, errors.New("connection reset by peer")
	}
	return reply(r, h), nil
}

func reply(r *http.Request, h http.HandlerFunc) *http.Response {
	recorder := httptest.NewRecorder()
	h(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response
}

func answerWith(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handlers[min(n, len(handlers)-1)]
		n++
		mu.Unlock()
		h(w, r)
	}
}

func client(t *testing.T, s *service) *Client {
	t.Helper()
	key, err := ParseKey("cis", []byte(keyText))
	if err != nil {
		t.Fatal(err)
	}
	h, err := httpx.New(httpx.Options{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return New(h, oauth.NewSource(h, nil), key)
}

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

const (
	assignmentsPath = "GET entitlements.test/entitlements/v1/assignments"
	assignPath      = "PUT entitlements.test/entitlements/v1/subaccountServicePlans"
	jobPath         = "GET entitlements.test/jobs/7"
)

const assignments = `{"entitledServices":[{"name":"it-rt","displayName":"Process Integration Runtime","servicePlans":[
	{"name":"api","displayName":"api","uniqueIdentifier":"x","category":"ELASTIC_SERVICE","amount":1,"remainingAmount":1,"unlimited":true},
	{"name":"integration-flow","category":"ELASTIC_SERVICE","amount":5,"remainingAmount":2.5}]}],
 "assignedServices":[{"name":"it-rt","displayName":"Process Integration Runtime","ownerType":"VENDOR","servicePlans":[
	{"name":"api","displayName":"api","uniqueIdentifier":"x","category":"ELASTIC_SERVICE","unlimited":true,"assignmentInfo":[
		{"entityId":"another","entityType":"SUBACCOUNT","amount":9,"entityState":"OK"},
		{"entityId":"11111111-2222-3333-4444-555555555555","entityType":"DIRECTORY","amount":8,"entityState":"OK"},
		{"entityId":"11111111-2222-3333-4444-555555555555","entityType":"SUBACCOUNT","amount":1,"requestedAmount":1,"entityState":"OK","stateMessage":"","autoAssign":false,"unlimitedAmountAssigned":true,"createdDate":1,"modifiedDate":1}]},
	{"name":"integration-flow","servicePlans":null,"assignmentInfo":[{"entityId":"11111111-2222-3333-4444-555555555555","entityType":"SUBACCOUNT","amount":2,"entityState":"PROCESSING_FAILED","stateMessage":"no quota left","autoAssign":true}]}]},
  {"name":"other","servicePlans":[{"name":"p","assignmentInfo":[{"entityId":"11111111-2222-3333-4444-555555555555","entityType":"SUBACCOUNT","amount":1,"entityState":"OK"}]}]}]}`

func TestAssignments(t *testing.T) {
	s := &service{routes: map[string]http.HandlerFunc{assignmentsPath: answerWith(200, assignments)}}
	c := client(t, s)
	got, err := c.Assignments(t.Context(), subaccount, "it-rt")
	if err != nil {
		t.Fatal(err)
	}
	want := []Assignment{
		{Service: "it-rt", ServiceName: "Process Integration Runtime", Plan: "api", PlanName: "api", Category: "ELASTIC_SERVICE", Amount: 1, Unlimited: true, State: "OK"},
		{Service: "it-rt", ServiceName: "Process Integration Runtime", Plan: "integration-flow", Amount: 2, Automatic: true, State: "PROCESSING_FAILED", Problem: "no quota left"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("assignments (-want +got):\n%s", diff)
	}
	if !got[0].Settled() || got[0].Failed() || got[1].Settled() || !got[1].Failed() {
		t.Error("the states are judged wrongly")
	}
	first := s.requests[0]
	if first.Line != assignmentsPath+"?subaccountGUID="+subaccount || first.Authorization != "Bearer token-1" {
		t.Errorf("got request %+v", first)
	}
	if every, err := c.Assignments(t.Context(), subaccount, ""); err != nil || len(every) != 3 {
		t.Errorf("got %d assignments of all services (%v), want 3", len(every), err)
	}
	available, err := c.Available(t.Context(), subaccount, "it-rt")
	if err != nil {
		t.Fatal(err)
	}
	wantAvailable := []Available{
		{Service: "it-rt", ServiceName: "Process Integration Runtime", Plan: "api", PlanName: "api", Category: "ELASTIC_SERVICE", Amount: 1, Remaining: 1, Unlimited: true},
		{Service: "it-rt", ServiceName: "Process Integration Runtime", Plan: "integration-flow", Category: "ELASTIC_SERVICE", Amount: 5, Remaining: 2.5},
	}
	if diff := cmp.Diff(wantAvailable, available); diff != "" {
		t.Errorf("available (-want +got):\n%s", diff)
	}
	s.routes[assignmentsPath] = answerWith(200, "{}")
	if none, err := c.Assignments(t.Context(), subaccount, ""); err != nil || len(none) != 0 {
		t.Errorf("got %v, %v of an empty answer", none, err)
	}
}

func TestAssign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{routes: map[string]http.HandlerFunc{
			assignPath: answerWith(202, "7", "Location", "/jobs/7", "Content-Type", "text/plain"),
			jobPath: inTurn(answerWith(200, `{"status":"IN_PROGRESS","description":"started"}`), answerWith(503, ""),
				answerWith(200, `{"status":"IN_PROGRESS"}`, "Retry-After", "3"), answerWith(200, `{"status":"COMPLETED"}`)),
		}}
		var seen []platform.Progress
		start := time.Now()
		err := client(t, s).Assign(t.Context(), subaccount, []Plan{{"it-rt", "integration-flow", 0}, {"it-rt", "api", 2}}, func(p platform.Progress) { seen = append(seen, p) })
		if err != nil {
			t.Fatal(err)
		}
		want := `{"subaccountServicePlans":[{"serviceName":"it-rt","servicePlanName":"integration-flow","assignmentInfo":[{"subaccountGUID":"` + subaccount + `","enable":true}]},` +
			`{"serviceName":"it-rt","servicePlanName":"api","assignmentInfo":[{"subaccountGUID":"` + subaccount + `","amount":2}]}]}`
		if s.requests[0].Body != want {
			t.Errorf("got body %s\nwant %s", s.requests[0].Body, want)
		}
		wantSeen := []platform.Progress{
			{State: "IN_PROGRESS", Description: "started", Next: 100 * time.Millisecond},
			{State: "IN_PROGRESS", Elapsed: 350 * time.Millisecond, Next: 3 * time.Second},
		}
		if diff := cmp.Diff(wantSeen, seen); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		if d := time.Since(start); d != 3350*time.Millisecond {
			t.Errorf("took %s", d)
		}
	})
}

func TestAssignWithoutJob(t *testing.T) {
	pending := strings.Replace(assignments, `"amount":1,"requestedAmount":1,"entityState":"OK"`, `"amount":1,"entityState":"PROCESSING"`, 1)
	for name, c := range map[string]struct {
		plan   string
		states []string
		kind   platform.Kind
	}{
		"appears": {"api", []string{`{"assignedServices":[]}`, pending, assignments}, ""},
		"fails":   {"integration-flow", []string{assignments}, platform.KindFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var turns []http.HandlerFunc
				for _, state := range c.states {
					turns = append(turns, answerWith(200, state))
				}
				s := &service{routes: map[string]http.HandlerFunc{assignPath: answerWith(202, ""), assignmentsPath: inTurn(turns...)}}
				err := client(t, s).Assign(t.Context(), subaccount, []Plan{{Service: "it-rt", Plan: c.plan}}, nil)
				switch {
				case c.kind != "":
					if e := failure(t, err, c.kind); e.Detail != "no quota left" {
						t.Errorf("got detail %q", e.Detail)
					}
				case err != nil:
					t.Error(err)
				case len(s.requests) != 1+len(c.states):
					t.Errorf("got %d requests", len(s.requests))
				}
			})
		})
	}
}

func TestAssignAnswers(t *testing.T) {
	one := []Plan{{Service: "it-rt", Plan: "api"}}
	for name, c := range map[string]struct {
		plans  []Plan
		routes map[string]http.HandlerFunc
		kind   platform.Kind
		want   string
	}{
		"at once":   {one, map[string]http.HandlerFunc{assignPath: answerWith(200, "")}, "", ""},
		"nothing":   {nil, nil, "", ""},
		"no plan":   {[]Plan{{Service: "it-rt"}}, nil, platform.KindRequest, "want a service"},
		"negative":  {[]Plan{{"it-rt", "api", -1}}, nil, platform.KindRequest, "not negative"},
		"foreign":   {one, map[string]http.HandlerFunc{assignPath: answerWith(202, "7", "Location", "https://elsewhere.test/jobs/7?x=1")}, platform.KindAnswer, `"https://elsewhere.test/jobs/7"`},
		"failed":    {one, map[string]http.HandlerFunc{assignPath: answerWith(202, "7", "Location", "/jobs/7"), jobPath: answerWith(200, `{"status":"FAILED","description":"quota exceeded"}`)}, platform.KindFailed, `"quota exceeded"`},
		"unread":    {one, map[string]http.HandlerFunc{assignPath: answerWith(202, "7", "Location", "/jobs/7"), jobPath: answerWith(200, `"x"`)}, platform.KindAnswer, "not what the entitlements service gives"},
		"forbidden": {one, map[string]http.HandlerFunc{assignPath: answerWith(403, `{"error":{"code":403,"message":"Forbidden"}}`)}, platform.KindForbidden, `"Forbidden" (code 403)`},
		"other service of the key": {one, map[string]http.HandlerFunc{
			assignPath:                      answerWith(202, "7", "Location", "https://accounts.test/jobs/7"),
			"GET accounts.test/jobs/7":      answerWith(200, `{"status":"completed"}`),
			"GET entitlements.test/ignored": nil,
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := client(t, &service{routes: c.routes}).Assign(t.Context(), subaccount, c.plans, nil)
			if c.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := failure(t, err, c.kind); !strings.Contains(e.Message, c.want) {
				t.Errorf("got %q, want %q", e.Message, c.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		body    string
		kind    platform.Kind
		message string
		code    int
	}{
		"payload":      {400, `{"error":{"code":11000,"message":"Request payload is invalid","target":"/x","details":[{"code":11001,"message":"subaccountGUID is wrong"}]}}`, platform.KindRefused, `"Request payload is invalid", "subaccountGUID is wrong" (code 11000)`, 11000},
		"unauthorized": {401, ``, platform.KindUnauthorized, "the answer is empty", 0},
		"forbidden":    {403, `{"error":{"message":"no"}}`, platform.KindForbidden, `says "no"`, 0},
		"not found":    {404, `{"error":{"code":20007,"message":"Subaccount not found"}}`, platform.KindNotFound, "Subaccount not found", 20007},
		"conflict":     {409, `{"error":{"code":20009,"message":"in process"}}`, platform.KindRefused, "in process", 20009},
		"server":       {500, "<!DOCTYPE html><title>Oh &amp;\n no</title>", platform.KindServer, `titled "Oh & no"`, 0},
		"page":         {200, "<html><title>Sign in</title>", platform.KindAnswer, `titled "Sign in"`, 0},
		"other JSON":   {200, `{"links":{}}`, platform.KindAnswer, "not what the entitlements service gives", 0},
		"redirect":     {302, ``, platform.KindAnswer, "not expected", 0},
		"teapot":       {418, `short and stout`, platform.KindRefused, "short and stout", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{routes: map[string]http.HandlerFunc{assignmentsPath: answerWith(c.status, c.body)}}
			_, err := client(t, s).Assignments(t.Context(), subaccount, "it-rt")
			e := failure(t, err, c.kind)
			if !strings.Contains(e.Message, c.message) || e.Cure == "" || e.Code != c.code || e.Status != c.status {
				t.Errorf("got %+v, want %q and code %d", e, c.message, c.code)
			}
			if again := s.tokens == 2; again != (c.status == 401) {
				t.Errorf("got %d tokens", s.tokens)
			}
		})
	}
}

func TestTokenIsRenewed(t *testing.T) {
	s := &service{routes: map[string]http.HandlerFunc{assignmentsPath: inTurn(answerWith(401, ""), answerWith(200, assignments))}}
	if _, err := client(t, s).Assignments(t.Context(), subaccount, ""); err != nil {
		t.Fatal(err)
	}
	if s.requests[1].Authorization != "Bearer token-2" {
		t.Errorf("got %q", s.requests[1].Authorization)
	}
}

func TestRates(t *testing.T) {
	busy := answerWith(429, `{"error":{"code":11006,"message":"Too many requests","details":[{"code":11007,"message":"limit"}]}}`)
	synctest.Test(t, func(t *testing.T) {
		s := &service{routes: map[string]http.HandlerFunc{assignmentsPath: inTurn(busy, busy, answerWith(429, "", "Retry-After", "9"), answerWith(200, assignments))}}
		start := time.Now()
		if _, err := client(t, s).Assignments(t.Context(), subaccount, ""); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 12*time.Second {
			t.Errorf("waited %s, want 1 s, 2 s and 9 s", d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &service{routes: map[string]http.HandlerFunc{assignmentsPath: busy}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client(t, s).Assignments(ctx, subaccount, "")
		if e := failure(t, err, platform.KindRateLimited); e.Code != 11006 || !strings.Contains(e.Detail, "limit") {
			t.Errorf("got %+v", e)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("gave up after %s, want 3 s: the next wait is too long", d)
		}
	})
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		start := time.Now()
		_, err := client(t, s).Assignments(t.Context(), subaccount, "")
		failure(t, err, platform.KindNetwork)
		if d := time.Since(start); d != 1750*time.Millisecond || len(s.requests) != 4 {
			t.Errorf("gave up after %s and %d requests", d, len(s.requests))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &service{routes: map[string]http.HandlerFunc{
			assignPath: answerWith(202, "7", "Location", "/jobs/7"), jobPath: answerWith(200, `{"status":"IN_PROGRESS"}`),
		}}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Minute, errors.New("limit of 10m0s for the step"))
		defer cancel()
		err := client(t, s).Assign(ctx, subaccount, []Plan{{Service: "it-rt", Plan: "api"}}, nil)
		e := failure(t, err, platform.KindTimeout)
		if !strings.Contains(e.Message, "still in progress after 10m0s") || !strings.Contains(e.Message, "limit of 10m0s for the step") {
			t.Errorf("got %q", e.Message)
		}
		if n := len(s.requests); n > 130 || n < 100 {
			t.Errorf("got %d requests in ten minutes", n)
		}
	})
}

func TestParseKey(t *testing.T) {
	got, err := ParseKey("cis", []byte(keyText))
	if err != nil {
		t.Fatal(err)
	}
	want := Key{
		Name: "cis", URL: "https://entitlements.test",
		Credential: oauth.Credential{Name: "cis", TokenURL: "https://global.authentication.test/oauth/token", ClientID: "sb-cis!b1", ClientSecret: secret.New("cis.client-secret", "cis-secret-1")},
		Origins:    []string{"https://accounts.test:443", "https://entitlements.test:443", "https://provisioning.test:443"},
	}
	if origin, _ := httpx.Origin("https://accounts.test"); origin == "https://accounts.test" {
		want.Origins = []string{"https://accounts.test", "https://entitlements.test", "https://provisioning.test"}
	}
	equalSecrets := cmp.Comparer(func(a, b secret.Secret) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, got, equalSecrets, cmpopts.IgnoreFields(Key{}, "Secrets"), cmpopts.IgnoreUnexported(Key{})); diff != "" {
		t.Errorf("key (-want +got):\n%s", diff)
	}
	if len(got.Secrets) == 0 || got.Secrets[0].Reveal() != "cis-secret-1" {
		t.Error("the secret of the key is not told")
	}
	wrapped, err := ParseKey("cis", []byte("Getting key k for service instance i as tester...\n\n{\"credentials\":"+keyText+"}"))
	if err != nil || wrapped.URL != want.URL {
		t.Errorf("got %q, %v of what cf prints", wrapped.URL, err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no endpoint": {`{"uaa":{"clientid":"a","clientsecret":"verysecret","url":"https://a.test"}}`, "has no entitlements_service_url"},
		"no URL":      {strings.Replace(keyText, "https://entitlements.test/", "entitlements", 1), "no URL"},
		"not JSON":    {"{", "cis"},
	} {
		if _, err := ParseKey("cis", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "verysecret") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestKeyForUsers(t *testing.T) {
	key, err := ParseKey("cis", []byte(strings.Replace(keyText, "client_credentials", "password", 1)))
	if err != nil {
		t.Fatal(err)
	}
	s := &service{}
	h, err := httpx.New(httpx.Options{Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(h, oauth.NewSource(h, nil), key).Assignments(t.Context(), subaccount, "")
	if e := failure(t, err, platform.KindKey); !strings.Contains(e.Cure, "clientCredentials") || len(s.requests) != 0 {
		t.Errorf("got %q after %d requests", e.Cure, len(s.requests))
	}
}

func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{assignments, `{"error":{"code":11000,"message":"m","details":[{"message":"d"}]}}`, "<html><title>x</title>", "", "null", `{"assignedServices":[null]}`, "\ufeff<html>"} {
		f.Add(400, seed)
		f.Add(200, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		r := &httpx.Response{Status: status, Body: body, Header: http.Header{}, URL: "https://entitlements.test"}
		if e := judge("do it", r); e.Kind == "" || !strings.HasPrefix(e.Message, "do it: ") || len(e.Message) > 60_000 {
			t.Errorf("got %+v", e)
		}
		var a answer
		_ = json.Unmarshal([]byte(body), &a)
		_ = unexpected("do it", r)
	})
}
