package cf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
)

const jobPath = "GET api.cf.test/v3/jobs/7"

func jobJSON(state string) string {
	return fmt.Sprintf(`{"guid":"7","created_at":"2026-11-22T10:00:00Z","updated_at":"2026-11-22T10:00:00Z","operation":"service_instance.create","state":%q,"errors":[],"warnings":[],
		"links":{"self":{"href":"https://api.cf.test/v3/jobs/7"},"service_instances":{"href":"https://api.cf.test/v3/service_instances/i-1"}}}`, state)
}

func failedJob(code int, title, detail string) string {
	return fmt.Sprintf(`{"guid":"7","state":"FAILED","errors":[{"code":%d,"title":%q,"detail":%q}],"warnings":null,"links":{"service_instances":{"href":"/v3/service_instances/i-1"}}}`, code, title, detail)
}

func instanceIn(kind, state, description string) string {
	return fmt.Sprintf(`{"guid":"i-1","name":"mi","last_operation":{"type":%q,"state":%q,"description":%q}}`, kind, state, description)
}

func creating() Operation {
	return Operation{Verb: Create, Resource: ServiceInstance, Name: "mi", SpaceGUID: "s-1", Job: apiURL + "/v3/jobs/7"}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		w.on(jobPath, inTurn(answer(200, jobJSON("PROCESSING")), answer(200, jobJSON("POLLING")), answer(200, jobJSON("POLLING"), "Retry-After", "9"), answer(200, jobJSON("COMPLETE"))))
		var seen []Progress
		guid, err := w.tester().Wait(t.Context(), creating(), func(p Progress) { seen = append(seen, p) })
		if err != nil || guid != "i-1" {
			t.Fatalf("got %q, %v", guid, err)
		}
		want := []Progress{
			{platform.Progress{State: "PROCESSING", Next: 100 * time.Millisecond}, "i-1"},
			{platform.Progress{State: "POLLING", Elapsed: 100 * time.Millisecond, Next: 200 * time.Millisecond}, "i-1"},
			{platform.Progress{State: "POLLING", Elapsed: 300 * time.Millisecond, Next: 9 * time.Second}, "i-1"},
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	})
}

// TestWaitAddsLittle: whatever the platform takes, the wait ends at most one
// interval of 5 s later, and a job that is done at once costs no wait.
func TestWaitAddsLittle(t *testing.T) {
	for _, takes := range []time.Duration{0, time.Millisecond, time.Second, 10 * time.Second, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t)
			start := time.Now()
			w.on(jobPath, func(out http.ResponseWriter, _ *http.Request) {
				state := "POLLING"
				if time.Since(start) >= takes {
					state = "COMPLETE"
				}
				write(out, 200, jobJSON(state))
			})
			if _, err := w.tester().Wait(t.Context(), creating(), nil); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			if more := took - takes; more > 5*time.Second || more > max(takes, 100*time.Millisecond) {
				t.Errorf("took %s where the platform takes %s", took, takes)
			}
			if n := len(w.lines()); n > int(takes/(5*time.Second))+8 {
				t.Errorf("%d requests for %s", n, takes)
			}
		})
	}
}

func TestWaitFails(t *testing.T) {
	instance := func(h http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{"GET api.cf.test/v3/service_instances/i-1": h}
	}
	missing := answer(404, envelope(10010, "CF-ResourceNotFound", "Service instance not found"))
	for name, c := range map[string]struct {
		verb    Verb
		job     http.HandlerFunc
		routes  map[string]http.HandlerFunc
		kind    platform.Kind // empty: it ends well
		message string
	}{
		"broker":                   {Create, answer(200, failedJob(60030, "CF-ServiceInstanceProvisionFailed", "The service broker reported an error during provisioning: role x is unknown")), nil, platform.KindBroker, `"The service broker reported an error during provisioning: role x is unknown" (code 60030`},
		"broker with 10008":        {Create, answer(200, failedJob(10008, "CF-UnprocessableEntity", "roles: x is unknown")), nil, platform.KindRefused, "roles: x is unknown"},
		"other code":               {Create, answer(200, failedJob(4711, "CF-Other", "what happened")), nil, platform.KindFailed, "the operation failed; the platform says \"what happened\""},
		"without errors":           {Create, answer(200, jobJSON("FAILED")), instance(answer(200, instanceIn("create", "failed", "broker text"))), platform.KindFailed, `"broker text"`},
		"without any word":         {Create, answer(200, jobJSON("FAILED")), instance(missing), platform.KindFailed, "does not say why"},
		"not a job":                {Create, answer(200, `{"guid":"7"}`), nil, platform.KindAnswer, "job cannot be read"},
		"page":                     {Create, answer(200, `<html><title>Sign in</title>`), nil, platform.KindAnswer, "Sign in"},
		"forbidden":                {Create, answer(403, envelope(10003, "CF-NotAuthorized", "no")), nil, platform.KindForbidden, "may not do this"},
		"gone, failed":             {Update, missing, instance(answer(200, instanceIn("update", "failed", "no such role"))), platform.KindFailed, "no such role"},
		"gone, succeeded":          {Update, missing, instance(inTurn(answer(200, instanceIn("update", "in progress", "")), answer(200, instanceIn("update", "succeeded", "")))), "", ""},
		"gone, and so is it":       {Update, missing, instance(missing), platform.KindFailed, "there is no such resource"},
		"delete: gone":             {Delete, missing, instance(inTurn(answer(200, instanceIn("delete", "in progress", "")), missing)), "", ""},
		"delete: still there":      {Delete, missing, instance(answer(200, instanceIn("create", "succeeded", ""))), platform.KindFailed, "still there"},
		"delete: failed":           {Delete, answer(200, failedJob(60027, "CF-ServiceInstanceRecursiveDeleteFailed", "Deletion of service instance mi failed")), nil, platform.KindBroker, "could not be deleted"},
		"delete: somebody else":    {Delete, answer(200, failedJob(10010, "CF-ResourceNotFound", "Service instance not found")), instance(missing), "", ""},
		"delete: 10010 but not":    {Delete, answer(200, failedJob(10010, "CF-ResourceNotFound", "Broker not found")), instance(answer(200, instanceIn("delete", "failed", ""))), platform.KindNotFound, "Broker not found"},
		"unknown state, then good": {Create, inTurn(answer(200, jobJSON("PONDERING")), answer(200, jobJSON("complete"))), nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				w.on(jobPath, c.job)
				for path, h := range c.routes {
					w.on(path, h)
				}
				o := creating()
				o.Verb = c.verb
				if c.verb != Create {
					o.GUID = "i-1"
				}
				guid, err := w.tester().Wait(t.Context(), o, nil)
				if c.kind == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				e := failure(t, err, c.kind)
				if want := fmt.Sprintf(`%s service instance "mi": `, c.verb); !strings.HasPrefix(e.Message, want) || !strings.Contains(e.Message, c.message) {
					t.Errorf("got %q, want %q", e.Message, c.message)
				}
				if platform.MaybeCreated(err) != (c.verb == Create) {
					t.Errorf("maybe created is %t", platform.MaybeCreated(err))
				}
				if strings.Contains(name, "broker") && guid != "i-1" {
					t.Errorf("got GUID %q beside the error, want i-1", guid)
				}
			})
		})
	}
}

// TestWaitWithoutJob: where the platform names no job, or it is gone before the
// GUID is known, the resource is found by its name.
func TestWaitWithoutJob(t *testing.T) {
	gone := answer(404, envelope(10010, "CF-ResourceNotFound", "Job not found"))
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		w.on(jobPath, gone)
		w.on("GET api.cf.test/v3/service_instances", answer(200, list("", instanceIn("create", "in progress", "step 1 of 2"))))
		w.on("GET api.cf.test/v3/service_instances/i-1", answer(200, instanceIn("create", "succeeded", "")))
		var seen []Progress
		guid, err := w.tester().Wait(t.Context(), creating(), func(p Progress) { seen = append(seen, p) })
		if err != nil || guid != "i-1" {
			t.Errorf("got %q, %v", guid, err)
		}
		if want := []Progress{{platform.Progress{State: "in progress", Description: "step 1 of 2", Next: 100 * time.Millisecond}, "i-1"}}; cmp.Diff(want, seen) != "" {
			t.Errorf("got progress %+v", seen)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		w.on("POST api.cf.test/v3/service_credential_bindings", answer(201, `{"guid":"k-1","name":"k1"}`))
		w.on("GET api.cf.test/v3/service_credential_bindings/k-1", inTurn(answer(200, `{"guid":"k-1","last_operation":{"type":"create","state":"initial"}}`), answer(200, `{"guid":"k-1","last_operation":{"type":"create","state":"succeeded"}}`)))
		c := w.tester()
		o, err := c.CreateKey(t.Context(), CreateKey{Name: "k1", InstanceGUID: "i-1"})
		if err != nil || o.Done || o.GUID != "k-1" {
			t.Fatalf("got %+v, %v", o, err)
		}
		if guid, err := c.Wait(t.Context(), o, nil); err != nil || guid != "k-1" {
			t.Errorf("got %q, %v", guid, err)
		}
	})
	w := newWire(t)
	w.on(jobPath, gone)
	w.on("GET api.cf.test/v3/service_credential_bindings", answer(200, list("")))
	_, err := w.tester().Wait(t.Context(), Operation{Verb: Create, Resource: ServiceKey, Name: "k1", InstanceGUID: "i-1", Job: "/v3/jobs/7"}, nil)
	failure(t, err, platform.KindFailed)
	_, err = w.tester().Wait(t.Context(), Operation{Verb: Delete, Resource: ServiceKey, Name: "k1", GUID: "k-1", Done: true}, nil)
	if err != nil {
		t.Error(err)
	}
}

func TestWaitBearsOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		start := time.Now()
		w.on(jobPath, func(out http.ResponseWriter, in *http.Request) {
			switch d := time.Since(start); {
			case d < 10*time.Second:
				write(out, 503, "<html><title>down</title>")
			case d < 20*time.Second:
				lose(errReset)(out, in)
			default:
				write(out, 200, jobJSON("COMPLETE"))
			}
		})
		states := map[string]bool{}
		if _, err := w.tester().Wait(t.Context(), creating(), func(p Progress) { states[p.State] = true }); err != nil || !states["no answer"] {
			t.Errorf("got %v, progress %v", err, states)
		}
	})
	synctest.Test(t, func(t *testing.T) { // for ever
		w := newWire(t)
		w.on(jobPath, answer(503, ""))
		_, err := w.tester().Wait(t.Context(), creating(), nil)
		failure(t, err, platform.KindServer)
		if !platform.MaybeCreated(err) {
			t.Error("the instance may exist")
		}
	})
}

func TestWaitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		kind platform.Kind
		want string
	}{
		"limit": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("limit of 10m0s for the step"))
		}, platform.KindTimeout, `still in progress after 10m0s (state "POLLING"): `},
		"signal": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(7*time.Second, func() { cancel(errors.New("SIGINT")) })
			return ctx, func() { cancel(nil) }
		}, platform.KindInterrupted, "still in progress after 7s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				w.on(jobPath, answer(200, jobJSON("POLLING")))
				ctx, cancel := c.end(t.Context())
				defer cancel()
				guid, err := w.tester().Wait(ctx, creating(), nil)
				if e := failure(t, err, c.kind); !strings.Contains(e.Message, c.want) || guid != "i-1" || !platform.MaybeCreated(err) {
					t.Errorf("got %q, GUID %q", e.Message, guid)
				}
			})
		})
	}
}

func TestJobWarnings(t *testing.T) {
	w := newWire(t)
	w.on(jobPath, answer(200, strings.Replace(jobJSON("COMPLETE"), `"warnings":[]`, `"warnings":[{"detail":"plan is deprecated"},{"detail":""}]`, 1)))
	var got []string
	c := w.client(Config{API: apiURL, ClientID: "c", Warned: func(text string) { got = append(got, text) }})
	if _, err := c.Wait(t.Context(), creating(), nil); err != nil || cmp.Diff([]string{"plan is deprecated"}, got) != "" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestLostAnswers: a create goes out once, and is never taken for not done.
func TestLostAnswers(t *testing.T) {
	const path = "POST api.cf.test/v3/service_instances"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   platform.Kind
		maybe  bool
	}{
		"reset":              {lose(errReset), platform.KindNetwork, true},
		"gateway":            {answer(502, "<html><title>502 Bad Gateway</title>"), platform.KindServer, true},
		"gateway timeout":    {answer(504, ""), platform.KindServer, true},
		"server":             {answer(500, envelope(10001, "UnknownError", "x")), platform.KindServer, true},
		"refused":            {answer(422, envelope(10008, "CF-UnprocessableEntity", "The service instance name is taken: mi.")), platform.KindNameTaken, false},
		"forbidden":          {answer(403, ""), platform.KindForbidden, false},
		"job somewhere else": {answer(202, "", "Location", "https://evil.test/v3/jobs/7"), platform.KindAnswer, true},
		"never": {func(out http.ResponseWriter, in *http.Request) {
			<-in.Context().Done()
			lose(context.Cause(in.Context()))(out, in)
		}, platform.KindTimeout, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				w.on(path, c.answer)
				ctx, cancel := contextFor(t, time.Minute)
				defer cancel()
				_, err := w.tester().CreateInstance(ctx, CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"})
				failure(t, err, c.kind)
				if platform.MaybeCreated(err) != c.maybe {
					t.Errorf("maybe created is %t (%v)", platform.MaybeCreated(err), err)
				}
				if n := len(w.lines()); n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // the end comes while 429 is waited for
		w := newWire(t)
		w.on(path, answer(429, "", "Retry-After", "10"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := w.tester().CreateInstance(ctx, CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"})
		failure(t, err, platform.KindInterrupted)
		if platform.MaybeCreated(err) {
			t.Error("a create that was refused with 429 is taken for one that was lost")
		}
	})
	if platform.MaybeCreated(nil) || platform.MaybeCreated(errReset) || platform.MaybeCreated(&NotFoundError{}) {
		t.Error("other errors are taken for a create")
	}
	if !platform.MaybeCreated(fmt.Errorf("step: %w", &platform.Error{MaybeCreated: true})) {
		t.Error("a wrapped error is not recognised")
	}
}

// TestNeverSent: over real connections, what never left the machine created
// nothing.
func TestNeverSent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	accepted := make(chan struct{})
	go func() { // takes a request and hangs up
		defer close(accepted)
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		buffer := make([]byte, 1<<16)
		_, _ = connection.Read(buffer)
		connection.Close()
	}()
	h, err := httpx.New(httpx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	c := New(h, Config{API: address, ClientID: "c", ClientSecret: secret.New("s", "x")})
	c.token = newToken("abc", "", 0, time.Now())
	c.sender.Patience = platform.Patience{} // what was not sent would be sent again
	_, err = c.CreateInstance(t.Context(), CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"})
	failure(t, err, platform.KindNetwork)
	if !platform.MaybeCreated(err) {
		t.Errorf("the request left, and is taken for not sent: %v", err)
	}
	<-accepted
	listener.Close()
	_, err = c.CreateInstance(t.Context(), CreateInstance{Name: "mi", SpaceGUID: "s", PlanGUID: "p"})
	failure(t, err, platform.KindNetwork)
	if platform.MaybeCreated(err) {
		t.Errorf("nobody listens, and the instance is taken for created: %v", err)
	}
}

func TestDelete(t *testing.T) {
	const path = "DELETE api.cf.test/v3/service_instances/i-1"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		done   bool
		job    string
		kind   platform.Kind
	}{
		"job":         {answer(202, "", "Location", apiURL+"/v3/jobs/7"), false, apiURL + "/v3/jobs/7", ""},
		"at once":     {answer(204, ""), true, "", ""},
		"gone":        {answer(404, envelope(10010, "CF-ResourceNotFound", "Service instance not found")), true, "", ""},
		"no such API": {answer(404, envelope(10000, "CF-NotFound", "Unknown request")), false, "", platform.KindNotFound},
		"page":        {answer(404, "<html><title>no route</title>"), false, "", platform.KindNotFound},
		"in progress": {answer(409, envelope(60016, "CF-AsyncServiceInstanceOperationInProgress", "An operation for service instance mi is in progress.")), false, "", platform.KindInProgress},
		"lost, gone":  {inTurn(lose(errReset), answer(404, envelope(10010, "CF-ResourceNotFound", "Service instance not found"))), true, "", ""},
		"gateway":     {inTurn(answer(502, ""), answer(202, "", "Location", "/v3/jobs/8")), false, apiURL + "/v3/jobs/8", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				w.on(path, c.answer)
				o, err := w.tester().DeleteInstance(t.Context(), "i-1", "mi")
				if c.kind != "" {
					failure(t, err, c.kind)
					return
				}
				if err != nil || o.Done != c.done || o.Job != c.job || o.GUID != "i-1" {
					t.Errorf("got %+v, %v", o, err)
				}
			})
		})
	}
	w := newWire(t)
	w.on("DELETE api.cf.test/v3/service_credential_bindings/k-1", answer(202, "", "Location", apiURL+"/v3/jobs/7"))
	if o, err := w.tester().DeleteKey(t.Context(), "k-1", "key"); err != nil || o.Job == "" || o.Resource != ServiceKey {
		t.Errorf("got %+v, %v", o, err)
	}
}

// TestDeletionCures: what to do about a deletion that failed says nothing of
// parameters and plans, whether the broker refuses it at once or later.
func TestDeletionCures(t *testing.T) {
	broker := "The service broker reported an error during deprovisioning: still in use"
	for name, c := range map[string]struct {
		resource Resource
		code     int
		title    string
		detail   string
		cure     string
	}{
		"instance":           {ServiceInstance, 10009, "CF-UnableToPerform", broker, "delete the keys and bindings that it still has"},
		"instance, rejected": {ServiceInstance, 270020, "CF-ServiceBrokerRequestRejected", "rejected", "delete the keys and bindings that it still has"},
		"instance, other":    {ServiceInstance, 4711, "CF-Other", broker, "delete the keys and bindings that it still has"},
		"instance, left":     {ServiceInstance, 60027, "CF-ServiceInstanceRecursiveDeleteFailed", "Deletion of service instance mi failed", "one by one"},
		"key":                {ServiceKey, 10009, "CF-UnableToPerform", broker, "delete it again"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t)
				guid, collection := "i-1", "service_instances"
				remove := func(client *Client) (Operation, error) { return client.DeleteInstance(t.Context(), guid, "mi") }
				if c.resource == ServiceKey {
					guid, collection = "k-1", "service_credential_bindings"
					remove = func(client *Client) (Operation, error) { return client.DeleteKey(t.Context(), guid, "mi") }
				}
				check := func(err error) {
					t.Helper()
					e, ok := errors.AsType[*platform.Error](err)
					if !ok || !strings.Contains(e.Cure, c.cure) || strings.Contains(e.Cure, "parameters") {
						t.Errorf("got %v with cure %q, want %q", err, e.Cure, c.cure)
					}
				}
				client := w.tester()
				w.on("DELETE api.cf.test/v3/"+collection+"/"+guid, inTurn(
					answer(422, envelope(c.code, c.title, broker)), answer(202, "", "Location", apiURL+"/v3/jobs/7")))
				w.on(jobPath, answer(200, failedJob(c.code, c.title, c.detail)))
				_, err := remove(client)
				check(err)
				o, err := remove(client)
				if err != nil {
					t.Fatal(err)
				}
				_, err = client.Wait(t.Context(), o, nil)
				check(err)
			})
		})
	}
}

func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t)
		w.on("GET api.cf.test/v3/service_instances/i-1", inTurn(answer(200, instanceIn("create", "initial", "")), answer(200, instanceIn("create", "in progress", "half")), answer(200, instanceIn("create", "failed", "text"))))
		n := 0
		got, err := w.tester().Settle(t.Context(), ServiceInstance, "i-1", func(Progress) { n++ })
		if err != nil || !got.Failed() || got.Description != "text" || n != 2 {
			t.Errorf("got %+v, %v after %d looks", got, err, n)
		}
		w.on("GET api.cf.test/v3/service_credential_bindings/k-1", answer(404, envelope(10010, "CF-ResourceNotFound", "Service credential binding not found")))
		if got, err := w.tester().Settle(t.Context(), ServiceKey, "k-1", nil); err != nil || got != (LastOperation{}) {
			t.Errorf("got %+v, %v", got, err)
		}
		w.on("GET api.cf.test/v3/service_instances/i-1", answer(403, ""))
		_, err = w.tester().Settle(t.Context(), ServiceInstance, "i-1", nil)
		failure(t, err, platform.KindForbidden)
	})
}

// TestGUIDsStayInTheirPlace: a GUID from a journal or an answer cannot make
// another request out of it.
func TestGUIDsStayInTheirPlace(t *testing.T) {
	w := newWire(t)
	escaped := ""
	w.on("DELETE api.cf.test/v3/service_instances/../organizations/o-1?x=", func(out http.ResponseWriter, in *http.Request) {
		escaped = in.URL.EscapedPath()
		write(out, 204, "")
	})
	if _, err := w.tester().DeleteInstance(t.Context(), "../organizations/o-1?x=", "mi"); err != nil {
		t.Error(err)
	}
	if want := "/v3/service_instances/..%2Forganizations%2Fo-1%3Fx="; escaped != want {
		t.Errorf("got path %q, want %q", escaped, want)
	}
	before := len(w.requests)
	for _, guid := range []string{"", ".", ".."} {
		_, err := w.tester().DeleteInstance(t.Context(), guid, "mi")
		failure(t, err, platform.KindRequest)
	}
	if len(w.requests) != before {
		t.Error("something was sent")
	}
}

// TestNoSecretsInErrors walks through failures of every sort and looks for the
// password and the tokens in whatever an error shows.
func TestNoSecretsInErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, h := range []http.HandlerFunc{lose(errReset), answer(401, ""), answer(500, ""), answer(200, "{"), answer(429, "")} {
			w := newWire(t)
			w.on("GET api.cf.test/v3/spaces", h)
			c := w.tester()
			_, err := c.Spaces(t.Context(), "o")
			e, ok := errors.AsType[*platform.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			c.mu.Lock()
			state := fmt.Sprintf("%+v %+v", c.config, c.token)
			c.mu.Unlock()
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", *e), state} {
				for _, s := range []string{password, tokenNumber(1), "refresh-1"} {
					if strings.Contains(text, s) {
						t.Errorf("a secret in %s", text)
					}
				}
			}
		}
	})
}
