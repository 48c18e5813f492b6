package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"iflowtest/internal/sandbox"
)

// cf sends what Cloud Foundry's command line sends (wire/sap.md 3): its
// headers, its paths, its bodies.
type cf struct {
	*tenant
	access, refresh string
}

// tokens is the answer of the sign-in.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope, JTI   string
}

// Basic header of the client cf, whose secret is empty.
const basicCF = "Authorization: Basic Y2Y6"

const form = "Content-Type: application/x-www-form-urlencoded"

// auth signs in with a password.
func (c *cf) auth(user, password string) answer {
	a := c.send("POST", c.URL("uaa")+"/oauth/token", url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}}.Encode(), basicCF, form, "Accept: application/json")
	c.keep(a)
	return a
}

func (c *cf) keep(a answer) {
	if a.StatusCode != http.StatusOK {
		return
	}
	t := decode[tokens](c.t, a.body)
	c.access, c.refresh = t.AccessToken, t.RefreshToken
}

func signedIn(t testing.TB, o sandbox.Options) *cf {
	t.Helper()
	return signedInAs(start(t, o), "tester")
}

func signedInAs(tn *tenant, user string) *cf {
	tn.t.Helper()
	c := &cf{tenant: tn}
	if a := c.auth(user, "tester-9f4c2b"); a.StatusCode != 200 {
		tn.t.Fatalf("auth %s: %d %s", user, a.StatusCode, a.body)
	}
	return c
}

// call sends a request to the API.
func (c *cf) call(method, path, body string) answer {
	c.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = c.URL("cloud-foundry") + path
	}
	return c.send(method, path, body, "User-Agent: cf/8.18.4 (go1.26; amd64 linux)", "Accept: application/json", "Content-Type: application/json",
		"Authorization: bearer "+c.access, "X-B3-Traceid: 1", "X-B3-Spanid: 1")
}

// page is a list with what every resource has.
type page struct {
	Pagination struct {
		Results     int `json:"total_results"`
		Pages       int `json:"total_pages"`
		First, Last struct{ Href string }
		Next        *struct{ Href string }
		Previous    *struct{ Href string }
	}
	Resources []resource
	Included  map[string][]map[string]any
}

type resource struct {
	GUID, Name, Type string
	Created          string `json:"created_at"`
	Updated          string `json:"updated_at"`
	Operation        struct {
		Type, State, Description string
		Created                  string `json:"created_at"`
		Updated                  string `json:"updated_at"`
	} `json:"last_operation"`
	Metadata      struct{ Labels, Annotations map[string]string }
	Relationships map[string]struct{ Data *struct{ GUID string } }
	Links         map[string]struct{ Href string }
	Tags          []string
}

func (c *cf) get(path string) page {
	c.t.Helper()
	a := c.call("GET", path, "")
	if a.StatusCode != 200 {
		c.t.Fatalf("GET %s: %d %s", path, a.StatusCode, a.body)
	}
	p := decode[page](c.t, a.body)
	if p.Resources == nil {
		c.t.Fatalf("GET %s: no resources in %s", path, a.body)
	}
	return p
}

// one gives the only resource of a list.
func (c *cf) one(path string) resource {
	c.t.Helper()
	p := c.get(path)
	if len(p.Resources) != 1 {
		c.t.Fatalf("GET %s: %d resources, want 1", path, len(p.Resources))
	}
	return p.Resources[0]
}

func (c *cf) space(name string) string {
	c.t.Helper()
	org := c.one("/v3/organizations?names=sandbox&page=1&per_page=1")
	return c.one("/v3/spaces?names=" + name + "&organization_guids=" + org.GUID + "&page=1&per_page=1").GUID
}

func (c *cf) plan(name string) string {
	c.t.Helper()
	return c.one("/v3/service_plans?names=" + name + "&service_offering_names=it-rt").GUID
}

// job is a job as it is shown.
type job struct {
	GUID, Operation, State string
	Created                string `json:"created_at"`
	Updated                string `json:"updated_at"`
	Errors                 []apiError
	Warnings               []struct{ Detail string }
	Links                  map[string]struct{ Href string }
}

type apiError struct {
	Code          int
	Title, Detail string
}

// accepted follows the job of a 202 to its end, and checks that it was
// PROCESSING at first.
func (c *cf) accepted(a answer) job {
	c.t.Helper()
	location := a.Header.Get("Location")
	if a.StatusCode != http.StatusAccepted || a.body != "" || !strings.HasPrefix(location, c.URL("cloud-foundry")+"/v3/jobs/") {
		c.t.Fatalf("%d, Location %q, body %q: want a 202 with a job", a.StatusCode, location, a.body)
	}
	for i := range 100 {
		j := decode[job](c.t, c.call("GET", location, "").body)
		switch {
		case i == 0 && j.State != "PROCESSING":
			c.t.Errorf("the first look at the job shows %s", j.State)
		case j.State == "COMPLETE" && len(j.Errors) > 0 || j.State == "FAILED" && len(j.Errors) == 0:
			c.t.Errorf("a job that is %s with %d errors", j.State, len(j.Errors))
		}
		if j.GUID == "" || !strings.HasSuffix(location, j.GUID) || j.Created == "" || j.Updated == "" || j.Errors == nil || j.Warnings == nil || j.Links["self"].Href != location {
			c.t.Errorf("job %+v", j)
		}
		if j.State == "COMPLETE" || j.State == "FAILED" {
			return j
		}
	}
	c.t.Fatalf("the job at %s does not end", location)
	return job{}
}

// done is accepted for a job that must end well.
func (c *cf) done(a answer) job {
	c.t.Helper()
	j := c.accepted(a)
	if j.State != "COMPLETE" {
		c.t.Fatalf("job %s: %s %+v", j.Operation, j.State, j.Errors)
	}
	return j
}

func (c *cf) createService(name, plan, parameters string) answer {
	c.t.Helper()
	body := fmt.Sprintf(`{"type":"managed","name":%q,%s"relationships":{"service_plan":{"data":{"guid":%q}},"space":{"data":{"guid":%q}}}}`,
		name, optional("parameters", parameters), c.plan(plan), c.space("dev"))
	return c.call("POST", "/v3/service_instances", body)
}

func optional(name, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf("%q:%s,", name, value)
}

// service finds an instance as `cf service NAME --guid` does.
func (c *cf) service(name string) resource {
	c.t.Helper()
	return c.one("/v3/service_instances?names=" + url.QueryEscape(name) + "&page=1&per_page=1&space_guids=" + c.space("dev"))
}

func (c *cf) createKey(instance, name, parameters string) answer {
	c.t.Helper()
	return c.call("POST", "/v3/service_credential_bindings", fmt.Sprintf(`{"type":"key","name":%q,%s"relationships":{"service_instance":{"data":{"guid":%q}}}}`,
		name, optional("parameters", parameters), c.service(instance).GUID))
}

func (c *cf) serviceKey(instance, name string) resource {
	c.t.Helper()
	return c.one("/v3/service_credential_bindings?names=" + name + "&page=1&per_page=1&service_instance_guids=" + c.service(instance).GUID + "&type=key")
}

func (c *cf) details(instance, name string) answer {
	c.t.Helper()
	return c.call("GET", "/v3/service_credential_bindings/"+c.serviceKey(instance, name).GUID+"/details", "")
}

// credentials gives the key of details.
func (c *cf) credentials(instance, name string) oauth {
	c.t.Helper()
	a := c.details(instance, name)
	if a.StatusCode != 200 {
		c.t.Fatalf("details: %d %s", a.StatusCode, a.body)
	}
	return parseKey(c.t, decode[struct{ Credentials json.RawMessage }](c.t, a.body).Credentials)
}

// refused checks an error in the envelope.
func (c *cf) refused(a answer, status, code int, title, detail string) {
	c.t.Helper()
	got := decode[struct{ Errors []apiError }](c.t, a.body).Errors
	if a.StatusCode != status || len(got) != 1 || got[0].Code != code || got[0].Title != "CF-"+title || !like(detail, got[0].Detail) {
		c.t.Errorf("%s %s: %d %s\nwant %d, code %d CF-%s: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.body, status, code, title, detail)
	}
}

func (tn *tenant) state() string {
	tn.t.Helper()
	return tn.send("GET", tn.URL("control")+"/_sandbox/state", "").body
}
