package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"iflowtest/internal/sandbox"
)

// TestCommandLine replays, request by request, what Cloud Foundry's command
// line sends for each of its commands (wire/sap.md 3.1 to 3.6).
func TestCommandLine(t *testing.T) {
	c := &cf{tenant: start(t, sandbox.Options{})}
	before := c.state()
	for _, step := range []struct {
		command string
		run     func(*cf)
	}{
		{"cf api", replayAPI},
		{"cf auth", replayAuth},
		{"cf auth --client-credentials", replayAuthClient},
		{"cf login", replayLogin},
		{"cf target", replayTarget},
		{"cf orgs, cf spaces", replayOrgs},
		{"cf marketplace", replayMarketplace},
		{"cf create-service -c --wait", replayCreateService},
		{"cf create-service-key", replayCreateKeys},
		{"cf service-key, cf service-keys", replayKeys},
		{"cf services", replayServices},
		{"cf service", replayService},
		{"cf update-service -c", replayUpdate},
		{"cf curl", replayCurl},
		{"cf delete-service-key -f", replayDeleteKey},
		{"cf delete-service -f --wait", replayDeleteService},
		{"cf logout", replayLogout},
	} {
		if !t.Run(step.command, func(t *testing.T) {
			c.t = t
			step.run(c)
		}) {
			return
		}
	}
	c.t = t
	if after := c.state(); after != before {
		t.Errorf("something is left\nbefore %s\nafter  %s", before, after)
	}
}

func replayAPI(c *cf) {
	a := c.send("GET", c.URL("cloud-foundry")+"/", "", "Accept: application/json")
	links := decode[struct {
		Links map[string]*struct {
			Href string
			Meta struct{ Version string }
		}
	}](c.t, a.body).Links
	if a.StatusCode != 200 || links["login"].Href != c.URL("uaa") || links["uaa"].Href != c.URL("uaa") || links["self"].Href != c.URL("cloud-foundry") {
		c.t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if v3 := links["cloud_controller_v3"]; v3.Href != c.URL("cloud-foundry")+"/v3" || !regexp.MustCompile(`^3\.(1[6-9]|[2-9]\d)\d\.\d+$`).MatchString(v3.Meta.Version) {
		c.t.Errorf("cloud_controller_v3 %+v", v3)
	}
}

// claimsOf reads a token as the command line does: without its signature.
func claimsOf(c *cf, token string) (claims struct {
	Exp, Iat                        int64
	UserName                        string `json:"user_name"`
	UserID                          string `json:"user_id"`
	ClientID                        string `json:"client_id"`
	JTI, CID, AZP, Zid, Iss, Origin string
	Revocable                       bool
	Scope, Aud                      []string
	GrantType                       string `json:"grant_type"`
}) {
	c.t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		c.t.Fatalf("a token of %d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		c.t.Fatal(err)
	}
	return claims
}

func replayAuth(c *cf) {
	a := c.send("GET", c.URL("uaa")+"/login", "", "Accept: application/json")
	login := decode[struct {
		App     struct{ Version string }
		Links   map[string]string
		Prompts map[string][]string
	}](c.t, a.body)
	if login.App.Version == "" || login.Links["uaa"] != c.URL("uaa") || login.Links["login"] != c.URL("uaa") ||
		!slices.Equal(login.Prompts["username"], []string{"text", "Email"}) || !slices.Equal(login.Prompts["password"], []string{"password", "Password"}) {
		c.t.Errorf("login %s", a.body)
	}
	a = c.auth("tester", "tester-9f4c2b")
	got := decode[tokens](c.t, a.body)
	claims := claimsOf(c, got.AccessToken)
	if a.StatusCode != 200 || got.TokenType != "bearer" || got.RefreshToken == "" || got.ExpiresIn < 60 || got.JTI != claims.JTI || got.Scope != strings.Join(claims.Scope, " ") {
		c.t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if claims.UserName != "tester" || claims.UserID == "" || claims.Origin != "sap.ids" || claims.CID != "cf" || claims.Exp < time.Now().Unix()+60 || claims.Zid == "" || claims.AZP != "cf" || claims.GrantType != "password" {
		c.t.Errorf("claims %+v", claims)
	}
	if err := check(got.AccessToken, c.publishedKeys(c.URL("uaa")+"/token_keys")); err != nil {
		c.t.Errorf("signature: %v", err)
	}
	// --origin
	for origin, status := range map[string]int{"uaa": 200, "sap.ids": 200, "nobody": 401} {
		hint := url.QueryEscape(`{"origin":"` + origin + `"}`)
		a := c.send("POST", c.URL("uaa")+"/oauth/token?login_hint="+hint, "grant_type=password&password=tester-9f4c2b&username=tester", basicCF, form)
		if a.StatusCode != status {
			c.t.Errorf("origin %s: %d %s", origin, a.StatusCode, a.body)
		} else if status == 200 && claimsOf(c, decode[tokens](c.t, a.body).AccessToken).Origin != origin {
			c.t.Errorf("origin %s is not in the token", origin)
		}
	}
	if a := c.auth("tester", "wrong"); a.StatusCode != 401 || a.body != `{"error":"unauthorized","error_description":"Bad credentials"}` {
		c.t.Errorf("a wrong password: %d %s", a.StatusCode, a.body)
	}
	// Before a call, a token that is about to expire is renewed.
	a = c.send("POST", c.URL("uaa")+"/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.refresh}}.Encode(), basicCF, form)
	if renewed := decode[tokens](c.t, a.body); a.StatusCode != 200 || renewed.AccessToken == c.access || renewed.RefreshToken == "" {
		c.t.Errorf("refresh: %d %s", a.StatusCode, a.body)
	}
	if a := c.send("POST", c.URL("uaa")+"/oauth/token", "grant_type=refresh_token&refresh_token="+c.access, basicCF, form); a.StatusCode != 401 || !strings.Contains(a.body, `"invalid_token"`) {
		c.t.Errorf("an access token renews: %d %s", a.StatusCode, a.body)
	}
}

func replayAuthClient(c *cf) {
	a := c.send("POST", c.URL("uaa")+"/oauth/token", "client_id=automation&client_secret=tester-9f4c2b&grant_type=client_credentials", form)
	got := decode[tokens](c.t, a.body)
	if claims := claimsOf(c, got.AccessToken); a.StatusCode != 200 || got.RefreshToken != "" || claims.ClientID != "automation" || claims.UserName != "" || claims.Exp < time.Now().Unix()+60 {
		c.t.Errorf("%d %s: %+v", a.StatusCode, a.body, claims)
	}
	robot := &cf{tenant: c.tenant, access: got.AccessToken}
	robot.one("/v3/organizations?names=sandbox&page=1&per_page=1")
	if a := c.send("POST", c.URL("uaa")+"/oauth/token", "client_id=automation&client_secret=no&grant_type=client_credentials", form); a.StatusCode != 401 || a.body != `{"error":"invalid_client","error_description":"Bad credentials"}` {
		c.t.Errorf("a wrong secret: %d %s", a.StatusCode, a.body)
	}
}

func replayLogin(c *cf) {
	replayAPI(c)
	if a := c.send("GET", c.URL("uaa")+"/login", "", "Accept: application/json"); a.StatusCode != 200 {
		c.t.Errorf("login: %d", a.StatusCode)
	}
	c.auth("tester", "tester-9f4c2b")
	replayTarget(c)
}

func replayTarget(c *cf) {
	c.space("dev")
	c.space("test")
	org := c.one("/v3/organizations?names=sandbox&page=1&per_page=1")
	all := c.get("/v3/spaces?order_by=name&organization_guids=" + org.GUID)
	if names := namesOf(all); !slices.Equal(names, []string{"dev", "test"}) {
		c.t.Errorf("spaces %v", names)
	}
	if p := c.get("/v3/organizations?names=nope&page=1&per_page=1"); p.Pagination.Results != 0 || p.Pagination.Pages != 1 || len(p.Resources) != 0 {
		c.t.Errorf("an org that is not there: %+v", p.Pagination)
	}
	if p := c.get("/v3/spaces?names=dev&organization_guids=nope&page=1&per_page=1"); len(p.Resources) != 0 {
		c.t.Errorf("a space of another org: %v", namesOf(p))
	}
}

func namesOf(p page) []string {
	var names []string
	for _, r := range p.Resources {
		names = append(names, r.Name)
	}
	return names
}

func replayOrgs(c *cf) {
	p := c.get("/v3/organizations?order_by=name&per_page=5000")
	if len(p.Resources) != 1 || p.Resources[0].Name != "sandbox" || p.Resources[0].Created == "" || p.Resources[0].Metadata.Labels == nil || p.Pagination.Next != nil || p.Pagination.Previous != nil {
		c.t.Errorf("%+v", p)
	}
	org := p.Resources[0].GUID
	p = c.get("/v3/spaces?order_by=name&organization_guids=" + org)
	if len(p.Resources) != 2 || p.Resources[0].Relationships["organization"].Data.GUID != org {
		c.t.Errorf("%+v", p)
	}
}

func replayMarketplace(c *cf) {
	for _, path := range []string{
		"/v3/service_plans?available=true&fields[service_offering.service_broker]=name,guid&include=service_offering&per_page=5000&service_offering_names=it-rt&space_guids=" + c.space("dev"),
		"/v3/service_plans?available=true&fields%5Bservice_offering.service_broker%5D=name%2Cguid&include=service_offering&per_page=5000&space_guids=" + c.space("dev"),
	} {
		p := c.get(path)
		if names := namesOf(p); !slices.Equal(names, []string{"api", "integration-flow"}) && !slices.Equal(names, []string{"integration-flow", "api"}) {
			c.t.Errorf("plans %v", names)
		}
		offerings, brokers := p.Included["service_offerings"], p.Included["service_brokers"]
		if len(offerings) != 1 || offerings[0]["name"] != "it-rt" || len(brokers) != 1 || brokers[0]["name"] == "" || brokers[0]["guid"] == "" {
			c.t.Errorf("included %v", p.Included)
		}
		for _, plan := range p.Resources {
			if plan.Relationships["service_offering"].Data.GUID != offerings[0]["guid"] {
				c.t.Errorf("plan %+v", plan)
			}
		}
	}
	if p := c.get("/v3/service_plans?names=Integration-Flow&service_offering_names=IT-RT"); len(p.Resources) != 1 {
		c.t.Errorf("names of plans and offerings are found in any case; got %v", namesOf(p))
	}
}

const flowParameters = `{"grant-types":["client_credentials"],"redirect-uris":[],"roles":["ESBMessaging.send","myRole1"],"token-validity":7200}`

func replayCreateService(c *cf) {
	a := c.createService("mi", "integration-flow", flowParameters)
	if i := c.service("mi"); i.Operation.Type != "create" || i.Operation.State != "in progress" {
		c.t.Errorf("before the job was looked at: %+v", i.Operation)
	}
	j := c.done(a)
	if j.Operation != "service_instance.create" || j.Links["service_instances"].Href != c.URL("cloud-foundry")+"/v3/service_instances/"+c.service("mi").GUID {
		c.t.Errorf("job %+v", j)
	}
	i := c.service("mi")
	if i.Type != "managed" || i.Operation.State != "succeeded" || i.Created == "" || i.Updated == "" || i.Relationships["space"].Data.GUID != c.space("dev") || i.Relationships["service_plan"].Data.GUID != c.plan("integration-flow") {
		c.t.Errorf("%+v", i)
	}
	// The command line takes a name that is taken for success, by its text.
	c.refused(c.createService("mi", "integration-flow", ""), 422, 10008, "UnprocessableEntity", "The service instance name is taken: mi.")
	c.done(c.createService("plain", "api", ""))
}

func replayCreateKeys(c *cf) {
	a := c.createKey("mi", "k1", "")
	c.refused(c.details("mi", "k1"), 404, 10010, "ResourceNotFound", "Creation of service key in progress")
	if j := c.done(a); j.Operation != "service_credential_binding.create" {
		c.t.Errorf("job %+v", j)
	}
	c.done(c.createKey("mi", "k2", `{"key-type":"certificate","validity":30,"key-length":2048}`))
	c.refused(c.createKey("mi", "k1", ""), 422, 10008, "UnprocessableEntity",
		"The binding name is invalid. Key binding names must be unique. The service instance already has a key binding with name 'k1'.")
	c.done(c.createKey("plain", "k1", ""))
}

func replayKeys(c *cf) {
	p := c.get("/v3/service_credential_bindings?per_page=5000&service_instance_guids=" + c.service("mi").GUID + "&type=key")
	if names := namesOf(p); !slices.Equal(names, []string{"k1", "k2"}) {
		c.t.Errorf("keys %v", names)
	}
	k := c.serviceKey("mi", "k1")
	if k.Type != "key" || k.Operation.State != "succeeded" || k.Relationships["service_instance"].Data.GUID != c.service("mi").GUID ||
		k.Links["details"].Href != c.URL("cloud-foundry")+"/v3/service_credential_bindings/"+k.GUID+"/details" || k.Created == "" {
		c.t.Errorf("%+v", k)
	}
	key := c.credentials("mi", "k1")
	a := c.form(key)
	got := decode[tokens](c.t, a.body)
	if a.StatusCode != 200 || got.Scope != "uaa.resource it-rt-sandbox!b26655.ESBMessaging.send it-rt-sandbox!b26655.myRole1" || got.ExpiresIn != 7199 {
		c.t.Errorf("a token with the new key: %d %s", a.StatusCode, a.body)
	}
	if a := c.send("POST", key.URL+"/http/echo", `{}`, "Authorization: Bearer "+got.AccessToken); a.StatusCode != 200 {
		c.t.Errorf("a call with the new key: %d %s", a.StatusCode, a.body)
	}
	c.refused(c.call("GET", "/v3/service_credential_bindings/"+k.GUID+"/parameters", ""), 400, 90007, "ServiceFetchBindingParametersNotSupported", "This service does not support fetching service binding parameters.")
}

func replayServices(c *cf) {
	p := c.get("/v3/service_instances?fields[service_plan]=guid,name,relationships.service_offering&fields[service_plan.service_offering]=guid,name,relationships.service_broker" +
		"&fields[service_plan.service_offering.service_broker]=guid,name&order_by=name&per_page=5000&space_guids=" + c.space("dev"))
	if names := namesOf(p); !slices.Equal(names, []string{"mi", "plain", "sandbox-api", "sandbox-rt"}) {
		c.t.Errorf("instances %v", names)
	}
	if len(p.Included["service_plans"]) != 2 || len(p.Included["service_offerings"]) != 1 || len(p.Included["service_brokers"]) != 1 {
		c.t.Errorf("included %v", p.Included)
	}
	offering := p.Included["service_offerings"][0]
	for _, plan := range p.Included["service_plans"] {
		relations, _ := json.Marshal(plan["relationships"])
		if string(relations) != `{"service_offering":{"data":{"guid":"`+offering["guid"].(string)+`"}}}` {
			c.t.Errorf("plan %v", plan)
		}
	}
	c.get("/v3/service_credential_bindings?include=app&service_instance_guids=" + c.service("mi").GUID + "," + c.service("plain").GUID)
}

func replayService(c *cf) {
	p := c.get("/v3/service_instances?fields[space]=name,guid&fields[space.organization]=name,guid&fields[service_plan]=name,guid" +
		"&fields[service_plan.service_offering]=name,guid,description,tags,documentation_url&fields[service_plan.service_offering.service_broker]=name,guid" +
		"&names=mi&page=1&per_page=1&space_guids=" + c.space("dev"))
	if len(p.Resources) != 1 || len(p.Included["service_plans"]) != 1 || p.Included["service_plans"][0]["name"] != "integration-flow" ||
		p.Included["service_offerings"][0]["name"] != "it-rt" || p.Included["spaces"][0]["name"] != "dev" || p.Included["organizations"][0]["name"] != "sandbox" ||
		p.Included["service_brokers"][0]["guid"] == "" {
		c.t.Errorf("%+v", p)
	}
	i := p.Resources[0].GUID
	for path, want := range map[string]string{
		"/v3/feature_flags/service_instance_sharing":                                                                               `{"name":"service_instance_sharing","enabled":<*>}`,
		"/v3/service_offerings/" + p.Included["service_offerings"][0]["guid"].(string):                                             `{<*>"name":"it-rt"<*>"shareable":<*>}`,
		"/v3/service_instances/" + i + "/relationships/shared_spaces?fields[space]=guid,name,relationships.organization":           `{"data":[],<*>}`,
		"/v3/service_instances/" + i + "/relationships/shared_spaces?fields[space]=name,guid&fields[space.organization]=name,guid": `{"data":[],<*>}`,
		"/v3/service_credential_bindings?include=app&service_instance_guids=" + i + "&type=app":                                    `{"pagination":{"total_results":0,<*>"resources":[],"included":{"apps":[]}}`,
		"/v3/service_instances/" + i + "/relationships/shared_spaces/usage_summary":                                                `{<*>"usage_summary":[]}`,
	} {
		if a := c.call("GET", path, ""); a.StatusCode != 200 || !like(want, a.body) {
			c.t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	c.refused(c.call("GET", "/v3/service_instances/"+i+"/parameters", ""), 400, 120004, "ServiceFetchInstanceParametersNotSupported", "This service does not support fetching service instance parameters.")
}

func replayUpdate(c *cf) {
	i := c.service("mi")
	a := c.call("PATCH", "/v3/service_instances/"+i.GUID, `{"parameters":{"roles":["Orders.approve"]}}`)
	if now := c.service("mi"); now.Operation.Type != "update" || now.Operation.State != "in progress" {
		c.t.Errorf("%+v", now.Operation)
	}
	c.refused(c.call("PATCH", "/v3/service_instances/"+i.GUID, `{"parameters":{}}`), 409, 60016, "AsyncServiceInstanceOperationInProgress", "An operation for service instance mi is in progress.")
	c.refused(c.createKey("mi", "k3", ""), 422, 10008, "UnprocessableEntity", "There is an operation in progress for the service instance.")
	c.refused(c.call("DELETE", "/v3/service_instances/"+i.GUID, ""), 422, 10008, "UnprocessableEntity", "There is an operation in progress for the service instance.")
	c.done(a)
	if got := decode[tokens](c.t, c.form(c.credentials("mi", "k1")).body); got.Scope != "uaa.resource it-rt-sandbox!b26655.Orders.approve" || got.ExpiresIn != 7199 {
		c.t.Errorf("after the update the key gives %+v", got)
	}
	// cf rename-service
	a = c.call("PATCH", "/v3/service_instances/"+i.GUID, `{"name":"mi-2"}`)
	if a.StatusCode != 200 || decode[resource](c.t, a.body).Name != "mi-2" {
		c.t.Errorf("rename: %d %s", a.StatusCode, a.body)
	}
	c.refused(c.call("PATCH", "/v3/service_instances/"+i.GUID, `{"name":"plain"}`), 422, 10008, "UnprocessableEntity", "The service instance name is taken: plain.")
	c.call("PATCH", "/v3/service_instances/"+i.GUID, `{"name":"mi"}`)
}

func replayCurl(c *cf) {
	// The recipe of SAP for the expiry of certificates.
	p := c.get("/v3/service_instances?service_plan_names=integration-flow")
	var guids []string
	for _, i := range p.Resources {
		guids = append(guids, i.GUID)
	}
	p = c.get("/v3/service_credential_bindings?service_instance_guids=" + strings.Join(guids, ","))
	seen := 0
	for _, k := range p.Resources {
		a := c.call("GET", "/v3/service_credential_bindings/"+k.GUID+"/details", "")
		if regexp.MustCompile(`"validuntil":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`).MatchString(a.body) {
			seen++
		}
	}
	if len(p.Resources) != 3 || seen != 1 {
		c.t.Errorf("%d keys, %d of them with validuntil", len(p.Resources), seen)
	}
}

func replayDeleteKey(c *cf) {
	key, guid := c.credentials("mi", "k1"), c.serviceKey("mi", "k1").GUID
	token := decode[tokens](c.t, c.form(key).body).AccessToken
	if j := c.done(c.call("DELETE", "/v3/service_credential_bindings/"+guid, "")); j.Operation != "service_credential_binding.delete" {
		c.t.Errorf("job %+v", j)
	}
	if a := c.form(key); a.StatusCode != 401 {
		c.t.Errorf("the deleted key gets a token: %d %s", a.StatusCode, a.body)
	}
	if a := c.send("POST", key.URL+"/http/echo", "{}", "Authorization: Bearer "+token); a.StatusCode != 401 {
		c.t.Errorf("a token of the deleted key: %d", a.StatusCode)
	}
	c.refused(c.call("GET", "/v3/service_credential_bindings/"+guid, ""), 404, 10010, "ResourceNotFound", "Service credential binding not found")
	if p := c.get("/v3/service_credential_bindings?names=k1&page=1&per_page=1&service_instance_guids=" + c.service("mi").GUID + "&type=key"); len(p.Resources) != 0 {
		c.t.Errorf("k1 is still there")
	}
}

func replayDeleteService(c *cf) {
	i, key := c.service("plain"), c.credentials("plain", "k1")
	guid := c.serviceKey("plain", "k1").GUID
	c.done(c.call("DELETE", "/v3/service_instances/"+i.GUID, ""))
	if a := c.form(key); a.StatusCode != 401 {
		c.t.Errorf("the key went not with its instance: %d %s", a.StatusCode, a.body)
	}
	c.refused(c.call("GET", "/v3/service_instances/"+i.GUID, ""), 404, 10010, "ResourceNotFound", "Service instance not found")
	c.refused(c.call("GET", "/v3/service_credential_bindings/"+guid+"/details", ""), 404, 10010, "ResourceNotFound", "Service credential binding not found")
	c.refused(c.call("DELETE", "/v3/service_instances/"+i.GUID, ""), 404, 10010, "ResourceNotFound", "Service instance not found")
	c.done(c.call("DELETE", "/v3/service_instances/"+c.service("mi").GUID, ""))
}

func replayLogout(c *cf) {
	old := *c
	for _, token := range []string{c.refresh, c.access} {
		claims := claimsOf(c, token)
		if !claims.Revocable {
			c.t.Errorf("the token is not revocable, so the command line would not revoke it")
		}
		if a := c.send("DELETE", c.URL("uaa")+"/oauth/token/revoke/"+claims.JTI, "", "Authorization: Bearer "+token, "Accept: application/json"); a.StatusCode != 200 {
			c.t.Errorf("revoke: %d %s", a.StatusCode, a.body)
		}
	}
	old.refused(old.call("GET", "/v3/organizations", ""), 401, 1000, "InvalidAuthToken", "Invalid Auth Token")
	if a := c.send("POST", c.URL("uaa")+"/oauth/token", "grant_type=refresh_token&refresh_token="+old.refresh, basicCF, form); a.StatusCode != 401 {
		c.t.Errorf("a revoked refresh token: %d", a.StatusCode)
	}
}
