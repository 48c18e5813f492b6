package cf

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// TestErrors has every row of the table of wire/sap.md 3.7.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		status, code  int
		title, detail string
		kind          platform.Kind
		message, cure string
	}{
		{401, 1000, "CF-InvalidAuthToken", "Invalid Auth Token", platform.KindUnauthorized, "does not accept the access token", "clock"},
		{401, 10002, "CF-NotAuthenticated", "Authentication error", platform.KindUnauthorized, "nobody is signed in", "Authorization"},
		{403, 10003, "CF-NotAuthorized", "You are not authorized to perform the requested action", platform.KindForbidden, "may not do this", "Space Developer"},
		{404, 10010, "CF-ResourceNotFound", "Service instance not found", platform.KindNotFound, "does not exist, or the user may not see it", "roles"},
		{404, 10000, "CF-NotFound", "Unknown request", platform.KindNotFound, "does not know this request", "v3"},
		{400, 10005, "CF-BadQueryParameter", "The query parameter is invalid: foo", platform.KindRefused, "parameter of the query", "labels"},
		{400, 1001, "CF-MessageParseError", "Request invalid due to parse error: x", platform.KindRefused, "cannot read the request", "JSON"},
		{422, 10008, "CF-UnprocessableEntity", "The service instance name is taken: mi.", platform.KindNameTaken, "name is taken in this space", "another name"},
		{422, 10008, "CF-UnprocessableEntity", "The binding name is invalid. Key binding names must be unique. The service instance already has a key binding with name 'k1'.", platform.KindNameTaken, "already has a key", "another name"},
		{422, 10008, "CF-UnprocessableEntity", "There is an operation in progress for the service instance.", platform.KindInProgress, "in progress", "wait"},
		{422, 10008, "CF-UnprocessableEntity", "There is an operation in progress for the service binding.", platform.KindInProgress, "in progress", "wait"},
		{422, 10008, "CF-UnprocessableEntity", "An operation for service instance mi is in progress.", platform.KindInProgress, "in progress", "wait"},
		{422, 10008, "CF-UnprocessableEntity", "Invalid service plan. Ensure that the service plan exists, is available, and you have access to it.", platform.KindNotEntitled, "cannot be had", "entitled"},
		{422, 10008, "CF-UnprocessableEntity", "You have exceeded your organization's services limit.", platform.KindQuota, "quota of the organisation", "quota raised"},
		{422, 10008, "CF-UnprocessableEntity", "You have exceeded your space's services limit.", platform.KindQuota, "quota of the space", "quota raised"},
		{422, 10008, "CF-UnprocessableEntity", "The service instance cannot be created because paid service plans are not allowed.", platform.KindNotEntitled, "paid plans", "allowed"},
		{422, 10008, "CF-UnprocessableEntity", "Relationships is not an object", platform.KindRefused, "does not accept the request", ""},
		{409, 60016, "CF-AsyncServiceInstanceOperationInProgress", "An operation for service instance mi is in progress.", platform.KindInProgress, "for the instance is in progress", "wait"},
		{409, 90008, "CF-AsyncServiceBindingOperationInProgress", "An operation for a service binding of service instance mi is in progress.", platform.KindInProgress, "for the binding is in progress", "wait"},
		{400, 60005, "CF-ServiceInstanceQuotaExceeded", "You have exceeded your organization's services limit.", platform.KindQuota, "quota of the organisation", "quota raised"},
		{400, 60012, "CF-ServiceInstanceSpaceQuotaExceeded", "You have exceeded your space's services limit.", platform.KindQuota, "quota of the space", "quota raised"},
		{400, 60007, "CF-ServiceInstanceServicePlanNotAllowed", "The service instance cannot be created because paid service plans are not allowed.", platform.KindNotEntitled, "paid plans", "allowed"},
		{400, 60030, "CF-ServiceInstanceProvisionFailed", "The service broker reported an error during provisioning: role x is unknown", platform.KindBroker, "could not create", "parameters"},
		{422, 10008, "CF-UnprocessableEntity", "The service broker reported an error during provisioning: there is an operation in progress", platform.KindBroker, "broker reports an error", "parameters"},
		{400, 90007, "CF-ServiceFetchBindingParametersNotSupported", "This service does not support fetching service binding parameters.", platform.KindUnsupported, "parameters of a key", ""},
		{400, 120004, "CF-ServiceFetchInstanceParametersNotSupported", "This service does not support fetching service instance parameters.", platform.KindUnsupported, "parameters of an instance", ""},
		{502, 270020, "CF-ServiceBrokerRequestRejected", "rejected", platform.KindBroker, "broker rejected", "parameters"},
		{502, 60027, "CF-ServiceInstanceRecursiveDeleteFailed", "Deletion of service instance mi failed", platform.KindBroker, "could not be deleted", "keys"},
		{422, 270018, "CF-ServiceBrokerConcurrencyError", "The service broker could not perform this operation in parallel with other running operations", platform.KindBusy, "beside", "fewer"},
		{429, 10013, "CF-RateLimitExceeded", "Rate Limit Exceeded", platform.KindRateLimited, "too many requests", "requests-per-second"},
		{429, 10014, "CF-IPBasedRateLimitExceeded", "Rate Limit Exceeded: Unauthenticated requests from this IP address have exceeded the limit. Please log in.", platform.KindRateLimited, "without a sign-in", "later"},
		{429, 10016, "CF-ServiceBrokerRateLimitExceeded", "Service broker concurrent request limit exceeded", platform.KindRateLimited, "broker has too many", "fewer"},
		{503, 10015, "CF-ServiceUnavailable", "unavailable", platform.KindServer, "not available", "later"},
		{500, 10001, "UnknownError", "An unknown error occurred.", platform.KindServer, "out of order", "later"},
		{404, 10010, "CF-ResourceNotFound", "Creation of service key in progress", platform.KindInProgress, "still being created", "wait"},
		{404, 10010, "CF-ResourceNotFound", "Creation of service key failed", platform.KindFailed, "creating the key failed", "delete the key"},
		{418, 99999, "CF-Teapot", "short and stout", platform.KindRefused, "refuses the request", ""},
	} {
		t.Run(fmt.Sprintf("%d %d %s", c.status, c.code, c.kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				w.on("POST api.cf.test/v3/service_instances", answer(c.status, envelope(c.code, c.title, c.detail)))
				_, err := w.tester().CreateInstance(t.Context(), CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"})
				e := failure(t, err, c.kind)
				if e.Status != c.status || e.Code != c.code || e.Title != c.title || e.Detail != c.detail {
					t.Errorf("got %+v", e)
				}
				if !strings.HasPrefix(e.Message, `create service instance "mi": `) || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Message, c.detail) {
					t.Errorf("got message %q, want %q and the platform's words", e.Message, c.message)
				}
				if !strings.Contains(e.Cure, c.cure) || (c.cure == "") != (e.Cure == "") {
					t.Errorf("got cure %q, want %q", e.Cure, c.cure)
				}
				if e.Method != "POST" || e.URL != apiURL+"/v3/service_instances" {
					t.Errorf("got request %s %s", e.Method, e.URL)
				}
				if want := c.status >= 500; platform.MaybeCreated(err) != want {
					t.Errorf("maybe created is %t, want %t", !want, want)
				}
			})
		})
	}
}

func TestSeveralErrors(t *testing.T) {
	w := newWire(t)
	w.on("POST api.cf.test/v3/service_instances", answer(422, `{"errors":[{"code":10008,"title":"CF-UnprocessableEntity","detail":"Unknown field(s): 'x'"},{"code":10008,"title":"CF-UnprocessableEntity","detail":"The service instance name is taken: mi."}]}`))
	_, err := w.tester().CreateInstance(t.Context(), CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"})
	e := failure(t, err, platform.KindNameTaken)
	if e.Detail != "Unknown field(s): 'x'; The service instance name is taken: mi." || !strings.Contains(e.Message, "Unknown field") {
		t.Errorf("got %+v", e)
	}
}

func TestForeignAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		media   string
		body    string
		kind    platform.Kind
		message string
	}{
		"page 502":       {502, "text/html", "<html><head><title>502 Bad Gateway</title></head><body>secret</body></html>", platform.KindServer, `a page (HTML), titled "502 Bad Gateway"`},
		"page 200":       {200, "text/html", "<!doctype html>\n<h1>Sign <b>in</b></h1>", platform.KindAnswer, `titled "Sign in"`},
		"page 403":       {403, "text/html", "<HTML><TITLE>No</TITLE></HTML>", platform.KindForbidden, `titled "No"`},
		"text 404":       {404, "text/plain", "404 Not Found: Requested route ('api.cf.test') does not exist.\n", platform.KindNotFound, `no JSON (text/plain): "404 Not Found: Requested route`},
		"empty 500":      {500, "", "", platform.KindServer, "the answer is empty"},
		"other JSON 400": {400, "application/json", `{"message":"what"}`, platform.KindRefused, `JSON of another kind (application/json): "{\"message\":\"what\"}"`},
		"JSON list 200":  {200, "application/json", `[]`, platform.KindAnswer, "not the JSON that was wanted"},
		"no pages":       {200, "application/json", `{"resources":[]}`, platform.KindAnswer, "pagination is missing"},
		"cut JSON 200":   {200, "application/json", `{"pagination":{"next":null},"resources":[`, platform.KindAnswer, "not the JSON that was wanted"},
		"redirect":       {302, "text/html", "", platform.KindAnswer, "redirect"},
		"limit as text":  {429, "text/plain; charset=utf-8", envelope(10013, "CF-RateLimitExceeded", "Rate Limit Exceeded"), platform.KindRateLimited, "too many requests"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				w.on("GET api.cf.test/v3/spaces", answer(c.status, c.body, "Content-Type", c.media))
				_, err := w.tester().Spaces(t.Context(), "o")
				if e := failure(t, err, c.kind); !strings.Contains(e.Message, c.message) || strings.Contains(e.Message, "secret") {
					t.Errorf("got %q, want %q", e.Message, c.message)
				}
			})
		})
	}
}

func TestWarnings(t *testing.T) {
	w := newWire(t)
	w.on("GET api.cf.test/v3/spaces", answer(200, list(""),
		"X-Cf-Warnings", "Endpoint+deprecated%2C+use+another,100%25 sure", "X-Cf-Warnings", " second%zz ,, "))
	var got []string
	c := w.client(Config{API: apiURL, ClientID: "c", Warned: func(text string) { got = append(got, text) }})
	for range 2 {
		if _, err := c.Spaces(t.Context(), "o"); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"Endpoint deprecated, use another", "100% sure", "second%zz"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		envelope(10008, "CF-UnprocessableEntity", "The service instance name is taken: mi."),
		`{"errors":[]}`, `{"errors":null}`, `{"errors":[null,{}]}`, `{"errors":[{"code":"x"}]}`, `[]`, "", "null",
		"<html><title>&#x1b;[31m</title>", "<!doctype html><h1>", "\xff\xfe", `{"errors":{"code":1}}`,
	} {
		f.Add(422, seed)
		f.Add(200, seed)
		f.Add(0, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		r := &httpx.Response{Status: status, Body: body, Header: http.Header{}, URL: apiURL, Method: "GET"}
		for _, private := range []bool{false, true} {
			e := judge("do it", r, private)
			if e.Kind == "" || !strings.HasPrefix(e.Message, "do it: ") || len(e.Message) > 100_000 {
				t.Errorf("got %+v", e)
			}
			if private && parseEnvelope(body) == nil && len(body) > 40 && strings.Contains(e.Message, body) {
				t.Errorf("the message holds a private body: %q", e.Message)
			}
		}
	})
}

func FuzzSession(f *testing.F) {
	data, err := json.Marshal(map[string]any{"Target": apiURL, "AccessToken": "bearer abc.def.ghi", "RefreshToken": "r", "SpaceFields": Target{"g", "n"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, seed := range []string{"", "{", "null", "[]", `{"AccessToken":1}`, `{"Target":"%zz"}`, `{"accesstoken":"Bearer  x y"}`, `{"SpaceFields":null}`, `{"OrganizationFields":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, problem := parseSession(data)
		if (s == nil) == (problem == "") {
			t.Fatalf("got %v and %q", s, problem)
		}
		if s != nil && !isHeaderText(s.access.Reveal()) {
			t.Errorf("a token that cannot stand in a header: %q", s.access.Reveal())
		}
		if len(problem) > 500 {
			t.Errorf("a problem of %d bytes", len(problem))
		}
	})
}

func FuzzJob(f *testing.F) {
	f.Add(`{"state":"FAILED","errors":[{"detail":"x"}],"links":{"service_instances":{"href":"https://a/v3/service_instances/g"}}}`)
	f.Add(`{"state":"COMPLETE","links":null}`)
	f.Add(`{"links":{"a":null,"b":{"href":"%zz"},"c":{"href":"/v3/service_instances/"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		var j job
		if json.Unmarshal([]byte(body), &j) != nil {
			return
		}
		if guid := j.resource(ServiceInstance); strings.Contains(guid, "/") {
			t.Errorf("got GUID %q", guid)
		}
	})
}

// TestRateLimit: 429 is waited for, whatever the method, within the context.
func TestRateLimit(t *testing.T) {
	limit := func(headers ...string) http.HandlerFunc {
		return answer(429, envelope(10013, "CF-RateLimitExceeded", "Rate Limit Exceeded"), append(headers, "Content-Type", "text/plain; charset=utf-8")...)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		start := time.Now()
		w.on("POST api.cf.test/v3/service_instances", inTurn(
			limit("Retry-After", "17"),
			limit("X-RateLimit-Reset", fmt.Sprint(start.Add(30*time.Second).Unix())),
			limit(),
			limit("Retry-After", start.Add(60*time.Second).UTC().Format(http.TimeFormat)),
			answer(202, "", "Location", apiURL+"/v3/jobs/1")))
		var waits []time.Duration
		c := w.client(Config{API: apiURL, ClientID: "c", Waiting: func(reason string, d time.Duration) {
			waits = append(waits, d)
			if !strings.Contains(reason, `create service instance "mi": too many requests`) {
				t.Errorf("got reason %q", reason)
			}
		}})
		if _, err := c.CreateInstance(t.Context(), CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"}); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{17 * time.Second, 13 * time.Second, 4 * time.Second, 26 * time.Second}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("took %s", d)
		}
	})
	synctest.Test(t, func(t *testing.T) { // the wait is longer than the time that is left
		w := newWire(t)
		w.on("POST api.cf.test/v3/service_instances", limit("Retry-After", "60"))
		ctx, cancel := contextFor(t, 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := w.tester().CreateInstance(ctx, CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"})
		e := failure(t, err, platform.KindRateLimited)
		if e.RetryAfter != time.Minute || !strings.Contains(e.Message, "longer than the time that is left") || time.Since(start) != 0 || platform.MaybeCreated(err) {
			t.Errorf("got %+v after %s", e, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) { // for ever
		w := newWire(t)
		w.on("GET api.cf.test/v3/spaces", limit("Retry-After", "1"))
		_, err := w.tester().Spaces(t.Context(), "o")
		failure(t, err, platform.KindRateLimited)
		if n := len(w.lines()); n != patience().RateRepeats+1 {
			t.Errorf("got %d requests", n)
		}
	})
}

func TestGateways(t *testing.T) {
	for _, bad := range []http.HandlerFunc{answer(502, ""), answer(503, "", "Retry-After", "0"), answer(504, ""), lose(errReset)} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t)
			w.on("GET api.cf.test/v3/spaces", inTurn(bad, bad, bad, answer(200, list(""))))
			start := time.Now()
			if _, err := w.tester().Spaces(t.Context(), "o"); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(start); d != 1750*time.Millisecond {
				t.Errorf("waited %s", d)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t)
			w.on("GET api.cf.test/v3/spaces", bad)
			if _, err := w.tester().Spaces(t.Context(), "o"); err == nil || len(w.lines()) != patience().Repeats+1 {
				t.Errorf("got %v after %d requests", err, len(w.lines()))
			}
		})
	}
	w := newWire(t) // 500 may be a mistake that does not pass
	w.on("GET api.cf.test/v3/spaces", answer(500, ""))
	if _, err := w.tester().Spaces(t.Context(), "o"); err == nil || len(w.lines()) != 1 {
		t.Errorf("got %v after %d requests", err, len(w.lines()))
	}
}
