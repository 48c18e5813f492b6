package cf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/platform"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(t.Context(), d, fmt.Errorf("limit of %s for the step", d))
}

func resource(guid, name string) string { return fmt.Sprintf(`{"guid":%q,"name":%q}`, guid, name) }

// byQuery answers by the query.
func byQuery(answers map[string]http.HandlerFunc) http.HandlerFunc {
	return func(out http.ResponseWriter, in *http.Request) {
		h := answers[in.URL.RawQuery]
		if h == nil {
			h = answer(400, envelope(10005, "CF-BadQueryParameter", "The query parameter is invalid: "+in.URL.RawQuery))
		}
		h(out, in)
	}
}

func TestOrganizationAndSpace(t *testing.T) {
	w := newWire(t)
	w.on("GET api.cf.test/v3/organizations", byQuery(map[string]http.HandlerFunc{
		"names=acme+dev&page=1&per_page=1":       answer(200, list(apiURL+"/v3/organizations?page=2", resource("o-1", "acme dev"))),
		"page=2":                                 answer(200, list("")),
		"names=a%252Cb&page=1&per_page=1":        answer(200, list("", resource("o-2", "a,b"))),
		"names=Acme&page=1&per_page=1":           answer(200, list("")),
		"names=overlooked&page=1&per_page=1":     answer(200, list("", resource("o-1", "acme dev"))),
		"order_by=name&per_page=5000":            answer(200, list("", resource("o-2", "b"), resource("o-1", "a"), resource("o-1", "a"))),
		"names=100%2525%252B1&page=1&per_page=1": answer(200, list("", resource("o-3", "100%+1"))),
	}))
	w.on("GET api.cf.test/v3/spaces", byQuery(map[string]http.HandlerFunc{
		"names=dev&organization_guids=o-1&page=1&per_page=1": answer(200, list("", resource("s-1", "dev"))),
		"names=x&organization_guids=o-1&page=1&per_page=1":   answer(200, list("")),
		"order_by=name&organization_guids=o-1&per_page=5000": answer(200, list("", resource("s-1", "dev"))),
		"names=x&organization_guids=o-2&page=1&per_page=1":   answer(200, list("")),
		"order_by=name&organization_guids=o-2&per_page=5000": answer(200, list("")),
	}))
	c := w.tester()
	for name, guid := range map[string]string{"acme dev": "o-1", "a,b": "o-2", "100%+1": "o-3"} {
		if got, err := c.Organization(t.Context(), name); err != nil || got != (Organization{guid, name}) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	for _, name := range []string{"Acme", "overlooked"} {
		_, err := c.Organization(t.Context(), name)
		missing, ok := errors.AsType[*NotFoundError](err)
		if !ok || missing.Kind != OrganizationResource || missing.Name != name || !slices.Equal(missing.Existing, []string{"a", "b"}) || missing.Cure == "" {
			t.Fatalf("got %v", err)
		}
		want := fmt.Sprintf(`organisation %q does not exist, or the user may not see it; there is "a", "b"`, name)
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	if got, err := c.Space(t.Context(), "o-1", "dev"); err != nil || got != (Space{"s-1", "dev", "o-1"}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err := c.Space(t.Context(), "o-1", "x")
	if err == nil || err.Error() != `space "x" does not exist in the organisation, or the user may not see it; there is "dev"` {
		t.Errorf("got %v", err)
	}
	_, err = c.Space(t.Context(), "o-2", "x")
	if err == nil || !strings.HasSuffix(err.Error(), "there is none that the user may see") {
		t.Errorf("got %v", err)
	}
	if got, err := c.Spaces(t.Context(), "o-1"); err != nil || !slices.Equal(got, []Space{{"s-1", "dev", "o-1"}}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestNotFoundIsBounded(t *testing.T) {
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("n%02d", 29-i))
	}
	e := notFound(SpaceResource, "x", "", names, "")
	if len(e.Existing) != 20 || e.Existing[0] != "n00" || e.More != 10 || !strings.HasSuffix(e.Error(), `"n19" and 10 more`) {
		t.Errorf("got %v", e)
	}
}

func TestPagination(t *testing.T) {
	w := newWire(t)
	const path = "GET api.cf.test/v3/spaces"
	for name, c := range map[string]struct {
		answers []http.HandlerFunc
		count   int
		message string
	}{
		"three pages": {[]http.HandlerFunc{answer(200, list(apiURL+"/v3/spaces?page=2&per_page=1", resource("1", "a"))), answer(200, list("/v3/spaces?page=3", resource("2", "b"))), answer(200, list("", resource("3", "c")))}, 3, ""},
		"other host":  {[]http.HandlerFunc{answer(200, list("https://evil.test/v3/spaces?page=2&token=1", resource("1", "a")))}, 0, `points to "https://evil.test/v3/spaces", which is another host`},
		"no TLS":      {[]http.HandlerFunc{answer(200, list("http://api.cf.test/v3/spaces?page=2", resource("1", "a")))}, 0, "another host"},
		"circle":      {[]http.HandlerFunc{answer(200, list(apiURL+"/v3/spaces?page=2"))}, 0, "go in circles"},
		"fails later": {[]http.HandlerFunc{answer(200, list(apiURL+"/v3/spaces?page=2")), answer(403, envelope(10003, "CF-NotAuthorized", "no"))}, 0, "may not do this"},
		"not lists":   {[]http.HandlerFunc{answer(200, list(apiURL+"/v3/spaces?page=2")), answer(200, "{}")}, 0, "pagination is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			w.on(path, inTurn(c.answers...))
			got, err := w.tester().Spaces(t.Context(), "o")
			if len(got) != c.count || (err == nil) != (c.message == "") || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	for _, r := range w.requests {
		if strings.Contains(r.Line, "evil.test") {
			t.Error("the token was sent to another host")
		}
	}
	synctest.Test(t, func(t *testing.T) { // never ends
		w := newWire(t)
		n := 0
		w.on(path, func(out http.ResponseWriter, _ *http.Request) {
			n++
			write(out, 200, list(fmt.Sprintf("%s/v3/spaces?page=%d", apiURL, n)))
		})
		_, err := w.tester().Spaces(t.Context(), "o")
		if err == nil || n != maxPages {
			t.Errorf("got %v after %d pages", err, n)
		}
	})
}

const planList = `{"pagination":{"next":null},"resources":[
 {"guid":"p-2","name":"integration-flow","free":true,"relationships":{"service_offering":{"data":{"guid":"f-1"}}}},
 {"guid":"p-1","name":"api","free":false,"relationships":{"service_offering":{"data":{"guid":"f-1"}}}},
 {"guid":"p-3","name":"standard","relationships":{"service_offering":{"data":{"guid":"f-2"}}}}],
 "included":{"service_offerings":[{"guid":"f-1","name":"it-rt","relationships":{"service_broker":{"data":{"guid":"b-1"}}}},{"guid":"f-2","name":"xsuaa"}],
 "service_brokers":[{"guid":"b-1","name":"cpi-broker"}]}}`

func TestPlan(t *testing.T) {
	w := newWire(t)
	var queries []string
	w.on("GET api.cf.test/v3/service_plans", func(out http.ResponseWriter, in *http.Request) {
		q := in.URL.Query()
		queries = append(queries, q.Encode())
		switch {
		case q.Get("names") == "twice":
			write(out, 200, `{"pagination":{"next":null},"resources":[{"guid":"1","name":"twice"},{"guid":"2","name":"twice"}]}`)
		case strings.EqualFold(q.Get("names"), "api") && q.Get("service_offering_names") == "it-rt", q.Get("names") == "":
			write(out, 200, planList) // overlooks the filters: the client must not
		default:
			write(out, 200, list(""))
		}
	})
	c := w.tester()
	want := Plan{GUID: "p-1", Name: "api", Offering: "it-rt", OfferingGUID: "f-1", Broker: "cpi-broker"}
	for _, name := range []string{"api", "API"} {
		if got, err := c.Plan(t.Context(), "s-1", "it-rt", name); err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if want := "available=true&fields%5Bservice_offering.service_broker%5D=name%2Cguid&include=service_offering&names=api&per_page=5000&service_offering_names=it-rt&space_guids=s-1"; queries[0] != want {
		t.Errorf("got query %s\nwant %s", queries[0], want)
	}
	for _, c2 := range []struct {
		offering, plan string
		kind           Resource
		existing       []string
		message        string
	}{
		{"it-rt", "premium", ServicePlan, []string{"api", "integration-flow"}, `service plan "premium" is not visible in the space (offering "it-rt"); visible are "api", "integration-flow"`},
		{"it-xx", "api", ServiceOffering, []string{"it-rt", "xsuaa"}, `service offering "it-xx" is not visible in the space; visible are "it-rt", "xsuaa"`},
	} {
		_, err := c.Plan(t.Context(), "s-1", c2.offering, c2.plan)
		missing, ok := errors.AsType[*NotFoundError](err)
		if !ok || missing.Kind != c2.kind || !slices.Equal(missing.Existing, c2.existing) || !strings.HasPrefix(err.Error(), c2.message) || !strings.Contains(missing.Cure, "entitled") {
			t.Errorf("got %v", err)
		}
	}
	_, err := c.Plan(t.Context(), "s-1", "it-rt", "twice")
	if e := failure(t, err, platform.KindRefused); !strings.Contains(e.Message, "2 service brokers") {
		t.Errorf("got %q", e.Message)
	}
	plans, err := c.Plans(t.Context(), "", "it-rt")
	if err != nil || len(plans) != 2 || plans[0].Name != "api" || plans[1].Name != "integration-flow" || !plans[1].Free {
		t.Errorf("got %+v, %v", plans, err)
	}
}

const instanceJSON = `{"guid":"i-1","created_at":"2026-11-22T10:00:00Z","updated_at":"2026-11-22T10:01:00Z","name":"mi","tags":["t"],"type":"managed",
 "maintenance_info":{},"upgrade_available":false,"dashboard_url":null,
 "last_operation":{"type":"create","state":"succeeded","description":"done","created_at":"2026-11-22T10:00:00Z","updated_at":"bad"},
 "relationships":{"service_plan":{"data":{"guid":"p-1"}},"space":{"data":{"guid":"s-1"}},"shared_spaces":{"data":[{"guid":"x"}]}},
 "metadata":{"labels":{"iflowtest-run":"r1"},"annotations":{"a":"b"}},"links":{}`

const instanceIncluded = `"included":{"spaces":[{"guid":"s-1","name":"dev","relationships":{"organization":{"data":{"guid":"o-1"}}}}],
 "organizations":[{"guid":"o-1","name":"acme"}],"service_plans":[{"guid":"p-1","name":"api"}],"service_offerings":[{"guid":"f-1","name":"it-rt"}]}`

func wantInstance() Instance {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return Instance{
		GUID: "i-1", Name: "mi", Type: "managed", SpaceGUID: "s-1", Space: "dev", Organization: "acme", PlanGUID: "p-1", Plan: "api", Offering: "it-rt",
		Tags: []string{"t"}, Labels: map[string]string{"iflowtest-run": "r1"}, Annotations: map[string]string{"a": "b"},
		LastOperation: LastOperation{Type: "create", State: "succeeded", Description: "done", CreatedAt: at}, CreatedAt: at, UpdatedAt: at.Add(time.Minute),
	}
}

func TestInstances(t *testing.T) {
	w := newWire(t)
	one := `{"pagination":{"next":null},"resources":[` + instanceJSON + `}],` + instanceIncluded + `}`
	var asked map[string][]string
	w.on("GET api.cf.test/v3/service_instances", func(out http.ResponseWriter, in *http.Request) {
		asked = in.URL.Query()
		if in.URL.Query().Get("names") == "gone" {
			write(out, 200, list(""))
			return
		}
		write(out, 200, one)
	})
	w.on("GET api.cf.test/v3/service_instances/i-1", answer(200, instanceJSON+`,`+instanceIncluded+`}`))
	c := w.tester()
	selector, err := Select(Equal("iflowtest-run", "r1"), In("k", "b", "a"), NotIn("k", "c"), Exists("e"), Missing("m"), NotEqual("n", "v"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Instances(t.Context(), Query{
		Names: []string{"mi", "x"}, SpaceGUIDs: []string{"s-1"}, OrganizationGUIDs: []string{"o-1"}, Offerings: []string{"IT-RT"}, Plans: []string{"api"}, Labels: selector,
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Instance{wantInstance()}, got); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
	want := map[string][]string{
		"names": {"mi,x"}, "space_guids": {"s-1"}, "organization_guids": {"o-1"}, "service_plan_names": {"api"}, "type": {"managed"}, "per_page": {"5000"},
		"label_selector":                        {"iflowtest-run=r1,k in (a,b),k notin (c),e,!m,n!=v"},
		"fields[space]":                         {"guid,name,relationships.organization"},
		"fields[space.organization]":            {"guid,name"},
		"fields[service_plan]":                  {"guid,name,relationships.service_offering"},
		"fields[service_plan.service_offering]": {"guid,name"},
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if none, err := c.Instances(t.Context(), Query{Offerings: []string{"xsuaa"}}); err != nil || len(none) != 0 {
		t.Errorf("got %v, %v of another offering", none, err)
	}
	if i, err := c.Instance(t.Context(), "s-1", "mi"); err != nil || i.GUID != "i-1" {
		t.Errorf("got %v, %v", i, err)
	}
	if i, err := c.InstanceByGUID(t.Context(), "i-1"); err != nil || cmp.Diff(wantInstance(), i) != "" {
		t.Errorf("got %v, %v", cmp.Diff(wantInstance(), i), err)
	}
	_, err = c.Instance(t.Context(), "s-1", "gone")
	if missing, ok := errors.AsType[*NotFoundError](err); !ok || !slices.Equal(missing.Existing, []string{"mi"}) {
		t.Errorf("got %v", err)
	}
	w.on("GET api.cf.test/v3/service_instances/i-2", answer(404, envelope(10010, "CF-ResourceNotFound", "Service instance not found")))
	_, err = c.InstanceByGUID(t.Context(), "i-2")
	failure(t, err, platform.KindNotFound)
}

func TestKeys(t *testing.T) {
	w := newWire(t)
	var asked []string
	w.on("GET api.cf.test/v3/service_credential_bindings", func(out http.ResponseWriter, in *http.Request) {
		q := in.URL.Query()
		asked = append(asked, fmt.Sprintf("%d %s %s %s", strings.Count(q.Get("service_instance_guids"), ",")+1, q.Get("names"), q.Get("type"), q.Get("label_selector")))
		write(out, 200, list("", `{"guid":"k-1","name":"key","type":"key","created_at":"2026-11-22T10:00:00Z","last_operation":{"type":"create","state":"in progress"},
			"metadata":{"labels":{"a":"b"}},"relationships":{"service_instance":{"data":{"guid":"i-1"}}}}`, `{"guid":"k-0","name":null,"type":"app","last_operation":null}`))
	})
	c := w.tester()
	guids := make([]string, 250)
	for i := range guids {
		guids[i] = fmt.Sprintf("%036d", i)
	}
	got, err := c.Keys(t.Context(), KeyQuery{InstanceGUIDs: guids})
	if err != nil || len(got) != 6 {
		t.Fatalf("got %v, %v", got, err)
	}
	if want := []string{"100   ", "100   ", "50   "}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if got[0].Type != TypeApp || got[5].Name != "key" || !got[5].LastOperation.InProgress() || got[5].Labels["a"] != "b" || got[5].InstanceGUID != "i-1" {
		t.Errorf("got %+v", got)
	}
	k, err := c.Key(t.Context(), "i-1", "key")
	if err != nil || k.GUID != "k-1" || asked[3] != "1 key key " {
		t.Errorf("got %v, %v, asked %q", k, err, asked[3])
	}
	_, err = c.Key(t.Context(), "i-1", "none")
	if missing, ok := errors.AsType[*NotFoundError](err); !ok || missing.Kind != ServiceKey || len(missing.Existing) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestKeyDetails(t *testing.T) {
	const path = "GET api.cf.test/v3/service_credential_bindings/k-1"
	for name, c := range map[string]struct {
		details, key http.HandlerFunc
		kind         platform.Kind
		message      string
	}{
		"good":        {answer(200, `{"credentials":{"oauth":{"clientid":"x"}},"syslog_drain_url":null}`), nil, "", ""},
		"forbidden":   {answer(404, envelope(10010, "CF-ResourceNotFound", "Service credential binding not found")), answer(200, `{"guid":"k-1","name":"key"}`), platform.KindForbidden, "may not read its credentials"},
		"gone":        {answer(404, envelope(10010, "CF-ResourceNotFound", "Service credential binding not found")), answer(404, envelope(10010, "CF-ResourceNotFound", "Service credential binding not found")), platform.KindNotFound, "does not exist"},
		"in progress": {answer(404, envelope(10010, "CF-ResourceNotFound", "Creation of service key in progress")), nil, platform.KindInProgress, "still being created"},
		"failed":      {answer(404, envelope(10010, "CF-ResourceNotFound", "Creation of service key failed")), nil, platform.KindFailed, "creating the key failed"},
		"cut off":     {answer(200, `{"credentials":{"oauth":{"clientsecret":"TOPSECRET`), nil, platform.KindAnswer, "bytes"},
		"page":        {answer(500, `<html><title>TOPSECRET</title>`), nil, platform.KindServer, "bytes"},
		"text":        {answer(403, `TOPSECRET`), nil, platform.KindForbidden, "bytes"},
		"none":        {answer(200, `{"credentials":null}`), nil, platform.KindAnswer, "no credentials"},
		"empty":       {answer(200, ``), nil, platform.KindAnswer, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			w.on(path+"/details", c.details)
			if c.key != nil {
				w.on(path, c.key)
			}
			got, err := w.tester().KeyDetails(t.Context(), "k-1")
			if c.kind == "" {
				if err != nil || string(got) != `{"oauth":{"clientid":"x"}}` {
					t.Errorf("got %s, %v", got, err)
				}
				return
			}
			e := failure(t, err, c.kind)
			if !strings.Contains(e.Message, c.message) || strings.Contains(fmt.Sprintf("%+v", e), "TOPSECRET") {
				t.Errorf("got %+v, want %q", e, c.message)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	w := newWire(t)
	w.on("GET api.cf.test/v3/service_instances/i-1/parameters", inTurn(answer(200, `{"roles":["a"]}`), answer(200, `{`),
		answer(400, envelope(120004, "CF-ServiceFetchInstanceParametersNotSupported", "This service does not support fetching service instance parameters."))))
	w.on("GET api.cf.test/v3/service_credential_bindings/k-1/parameters", answer(400, envelope(10008, "CF-UnprocessableEntity", "This service does not support fetching service binding parameters.")))
	c := w.tester()
	if got, err := c.InstanceParameters(t.Context(), "i-1"); err != nil || string(got) != `{"roles":["a"]}` {
		t.Errorf("got %s, %v", got, err)
	}
	_, err := c.InstanceParameters(t.Context(), "i-1")
	failure(t, err, platform.KindAnswer)
	_, err = c.InstanceParameters(t.Context(), "i-1")
	failure(t, err, platform.KindUnsupported)
	_, err = c.KeyParameters(t.Context(), "k-1")
	failure(t, err, platform.KindUnsupported)
}

func TestCreateBodies(t *testing.T) {
	w := newWire(t)
	accepted := answer(202, "", "Location", apiURL+"/v3/jobs/7")
	w.on("POST api.cf.test/v3/service_instances", accepted)
	w.on("POST api.cf.test/v3/service_credential_bindings", accepted)
	w.on("PATCH api.cf.test/v3/service_instances/i-1", inTurn(accepted, answer(200, `{"guid":"i-1"}`)))
	c := w.tester()
	instance, err := c.CreateInstance(t.Context(), CreateInstance{
		Name: "mi", SpaceGUID: "s-1", PlanGUID: "p-1", Parameters: json.RawMessage(`{"roles":["ESBMessaging.send"]}`),
		Labels: map[string]string{"run": "r1"}, Annotations: map[string]string{"n": "a b"}, Tags: []string{"t"},
	})
	want := Operation{Verb: Create, Resource: ServiceInstance, Name: "mi", SpaceGUID: "s-1", Job: apiURL + "/v3/jobs/7"}
	if err != nil || instance != want {
		t.Errorf("got %+v, %v", instance, err)
	}
	if _, err := c.CreateInstance(t.Context(), CreateInstance{Name: "mi", SpaceGUID: "s-1", PlanGUID: "p-1"}); err != nil {
		t.Error(err)
	}
	key, err := c.CreateKey(t.Context(), CreateKey{Name: "k1", InstanceGUID: "si-1", Parameters: json.RawMessage(`{"key-type":"certificate","validity":30}`)})
	want = Operation{Verb: Create, Resource: ServiceKey, Name: "k1", InstanceGUID: "si-1", Job: apiURL + "/v3/jobs/7"}
	if err != nil || key != want {
		t.Errorf("got %+v, %v", key, err)
	}
	if o, err := c.UpdateInstance(t.Context(), UpdateInstance{GUID: "i-1", Parameters: json.RawMessage(`{"roles":[]}`)}); err != nil || o.Job == "" || o.Done {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err := c.UpdateInstance(t.Context(), UpdateInstance{GUID: "i-1", Labels: map[string]string{"a": ""}}); err != nil || !o.Done {
		t.Errorf("got %+v, %v", o, err)
	}
	var bodies []string
	for _, r := range w.requests {
		if strings.Contains(r.Line, "/v3/") {
			bodies = append(bodies, r.Body)
		}
	}
	wantBodies := []string{
		`{"type":"managed","name":"mi","parameters":{"roles":["ESBMessaging.send"]},"tags":["t"],"metadata":{"labels":{"run":"r1"},"annotations":{"n":"a b"}},"relationships":{"service_plan":{"data":{"guid":"p-1"}},"space":{"data":{"guid":"s-1"}}}}`,
		`{"type":"managed","name":"mi","relationships":{"service_plan":{"data":{"guid":"p-1"}},"space":{"data":{"guid":"s-1"}}}}`,
		`{"type":"key","name":"k1","parameters":{"key-type":"certificate","validity":30},"relationships":{"service_instance":{"data":{"guid":"si-1"}}}}`,
		`{"parameters":{"roles":[]}}`,
		`{"metadata":{"labels":{"a":""}}}`,
	}
	if diff := cmp.Diff(wantBodies, bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

func TestCreateIsCheckedFirst(t *testing.T) {
	w := newWire(t)
	for name, c := range map[string]struct {
		create CreateInstance
		want   string
	}{
		"name":       {CreateInstance{}, "it has no name"},
		"parameters": {CreateInstance{Name: "mi", Parameters: json.RawMessage(`{"a":`)}, "parameters is not a JSON object"},
		"list":       {CreateInstance{Name: "mi", Parameters: json.RawMessage(`[]`)}, "parameters is not a JSON object"},
		"null":       {CreateInstance{Name: "mi", Parameters: json.RawMessage(`null`)}, "parameters is not a JSON object"},
		"labels":     {CreateInstance{Name: "mi", Labels: map[string]string{"b c": "x", "a": "y z"}}, `label "a": the value "y z" may only hold A-Z a-z 0-9 . _ - and begins and ends with a letter or a digit; label "b c": the key may`},
	} {
		_, err := w.tester().CreateInstance(t.Context(), c.create)
		if e := failure(t, err, platform.KindRequest); !strings.Contains(e.Message, c.want) || platform.MaybeCreated(err) {
			t.Errorf("%s: got %q, want %q", name, e.Message, c.want)
		}
	}
	if len(w.requests) != 0 {
		t.Error("something was sent")
	}
}

func TestLabels(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		key, value string
		good       bool
	}{
		{"iflowtest-run", "r1", true}, {"a", "", true}, {long, long, true}, {"acme.com/run", "x", true}, {"a.b_c-d", "1.2_3-4", true},
		{"", "x", false}, {long + "a", "x", false}, {"a", long + "a", false}, {"a b", "x", false}, {"a", "x y", false}, {"a", "ü", false},
		{"-a", "x", false}, {"a-", "x", false}, {"a", ".x", false}, {"a/b/c", "x", false}, {"/a", "x", false}, {"A.com/a", "x", false}, {"a", "x,y", false},
	} {
		if err := CheckLabel(c.key, c.value); (err == nil) != c.good {
			t.Errorf("%q=%q: got %v", c.key, c.value, err)
		}
	}
	for _, r := range []Requirement{Equal("a", "b,c"), In("a"), NotIn("a"), In("a", "b)"), Exists("!a"), Missing(""), NotEqual("a=b", "c")} {
		if s, err := Select(r); err == nil {
			t.Errorf("got selector %q of what no label can be", s)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name     string
		instance string // problem, "advice: " before what is only advice
		key      string
	}{
		{"smoke-1_a.B", "", ""},
		{"", "has no name", "has no name"},
		{strings.Repeat("ü", 33), "advice: has 33 characters; at most 32 are allowed", "has 33 characters; at most 32 are allowed"},
		{strings.Repeat("a", 32), "", ""},
		{"my instance", "advice: may only hold A-Z a-z 0-9 . _ -", ""},
	} {
		for what, err := range map[string]error{c.instance: CheckInstanceName(c.name), "key " + c.key: CheckKeyName(c.name)} {
			want := strings.TrimPrefix(what, "key ")
			got := ""
			if e, ok := errors.AsType[*NameError](err); ok {
				got = e.Problem
				if e.Advice {
					got = "advice: " + got
				}
				if !strings.Contains(e.Error(), fmt.Sprintf("%q", c.name)) {
					t.Errorf("the message does not name it: %s", e)
				}
			}
			if got != want {
				t.Errorf("%q: got %q, want %q", c.name, got, want)
			}
		}
	}
}
