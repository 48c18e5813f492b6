package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

func TestCloudFoundryRefuses(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	c.done(c.createService("taken", "api", ""))
	i, dev, plan := c.service("taken").GUID, c.space("dev"), c.plan("api")
	relations := `"relationships":{"service_plan":{"data":{"guid":"` + plan + `"}},"space":{"data":{"guid":"` + dev + `"}}}`
	instance := func(fields string) string { return `{"type":"managed","name":"new",` + fields + relations + `}` }
	key := func(name, more string) string {
		return `{"type":"key",` + name + more + `"relationships":{"service_instance":{"data":{"guid":"` + i + `"}}}}`
	}
	const instances, bindings = "/v3/service_instances", "/v3/service_credential_bindings"
	for _, test := range []struct {
		method, path, body string
		status, code       int
		title, detail      string
	}{
		{"GET", "/v3/nothing", "", 404, 10000, "NotFound", "Unknown request"},
		{"PUT", "/v3/spaces", "{}", 404, 10000, "NotFound", "Unknown request"},
		{"GET", "/v3/jobs/nope", "", 404, 10010, "ResourceNotFound", "Job not found"},
		{"GET", "/v3/organizations/nope", "", 404, 10010, "ResourceNotFound", "Organization not found"},
		{"GET", "/v3/spaces/nope", "", 404, 10010, "ResourceNotFound", "Space not found"},
		{"GET", "/v3/service_plans/nope", "", 404, 10010, "ResourceNotFound", "Service plan not found"},
		{"GET", "/v3/service_offerings/nope", "", 404, 10010, "ResourceNotFound", "Service offering not found"},
		{"GET", "/v3/feature_flags/nope", "", 404, 10010, "ResourceNotFound", "Feature flag not found"},
		{"GET", instances + "?page=0", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Page must be a positive integer"},
		{"GET", instances + "?per_page=5001", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Per page must be between 1 and 5000"},
		{"GET", instances + "?order_by=color", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Order by can only be: 'created_at', 'updated_at', 'name'"},
		{"GET", instances + "?nmes=x", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Unknown query parameter(s): 'nmes'. Valid parameters are: <*>'names'<*>"},
		{"GET", instances + "?fields[app]=name", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Fields [app] valid resources are: <*>'service_plan'<*>"},
		{"GET", instances + "?fields[space]=color", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Fields valid keys for 'space' are: 'guid', 'name', 'relationships.organization'"},
		{"GET", instances + "?type=app", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Type must be one of 'managed', 'user-provided'"},
		{"GET", instances + "?label_selector=", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Missing label_selector value"},
		{"GET", instances + "?label_selector=a+in", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Invalid label_selector value: expecting a '(', got \"\""},
		{"GET", bindings + "?include=spaces", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Invalid included resource: 'spaces'. Valid included resources are: 'app', 'service_instance'"},
		{"GET", bindings + "?type=route", "", 400, 10005, "BadQueryParameter", "The query parameter is invalid: Type must be one of 'app', 'key'"},
		{"POST", instances, `{"type":`, 400, 1001, "MessageParseError", "Request invalid due to parse error: invalid request body"},
		{"POST", instances, `[]`, 400, 1001, "MessageParseError", "Request invalid due to parse error: invalid request body"},
		{"POST", instances, instance(`"color":1,`), 422, 10008, "UnprocessableEntity", "Unknown field(s): 'color'"},
		{"POST", instances, instance(`"tags":[1],`), 422, 10008, "UnprocessableEntity", "Tags must be a list of strings"},
		{"POST", instances, instance(`"parameters":[],`), 422, 10008, "UnprocessableEntity", "Parameters must be an object"},
		{"POST", instances, instance(`"metadata":{"labels":{"-a":"b"}},`), 422, 10008, "UnprocessableEntity", "Metadata label key error: '-a' starts or ends with invalid characters"},
		{"POST", instances, instance(`"metadata":{"labels":{"run":"a b"}},`), 422, 10008, "UnprocessableEntity", "Metadata label value error: 'a b' contains invalid characters"},
		{"POST", instances, instance(`"metadata":{"labels":{"run":"` + strings.Repeat("a", 64) + `"}},`), 422, 10008, "UnprocessableEntity", "Metadata label value error: 'aaaaaaaa...' is greater than 63 characters"},
		{"POST", instances, instance(`"metadata":{"annotations":{"a":"` + strings.Repeat("ü", 5001) + `"}},`), 422, 10008, "UnprocessableEntity", "Metadata annotation value error: 'üüüüüüüü...' is greater than 5000 characters"},
		{"POST", instances, instance(`"metadata":{"labels":{"cloudfoundry.org/a":"b","nodots/a":"b","a/b/c":"d"}},`), 422, 10008, "UnprocessableEntity",
			"Metadata label key error: key has more than one '/', Metadata label key error: prefix 'cloudfoundry.org' is reserved, Metadata label key error: prefix 'nodots' must be in valid dns format"},
		{"POST", instances, `{"type":"managed","name":"` + strings.Repeat("x", 256) + `",` + relations + `}`, 422, 10008, "UnprocessableEntity", "Name is too long (maximum is 255 characters)"},
		{"POST", instances, `{"type":"managed","name":" ",` + relations + `}`, 422, 10008, "UnprocessableEntity", "Name can't be blank"},
		{"POST", instances, `{"type":"managed","name":1,` + relations + `}`, 422, 10008, "UnprocessableEntity", "Name must be a string"},
		{"POST", instances, `{"name":"a",` + relations + `}`, 422, 10008, "UnprocessableEntity", "Type must be one of 'managed', 'user-provided'"},
		{"POST", instances, `{"type":"managed","name":"a"}`, 422, 10008, "UnprocessableEntity", "Relationships 'relationships' is not an object"},
		{"POST", instances, `{"type":"managed","name":"a","relationships":{"space":{"guid":"x"},"service_plan":{"data":{"guid":"` + plan + `"}}}}`, 422, 10008, "UnprocessableEntity", "Relationships Space must be structured like this: <*>"},
		{"POST", instances, `{"type":"managed","name":"a","relationships":{"space":{"data":{"guid":"x"}},"service_plan":{"data":{"guid":"` + plan + `"}}}}`, 422, 10008, "UnprocessableEntity", "Invalid space. Ensure that the space exists and you have access to it."},
		{"POST", instances, `{"type":"managed","name":"a","relationships":{"space":{"data":{"guid":"` + dev + `"}},"service_plan":{"data":{"guid":"x"}}}}`, 422, 10008, "UnprocessableEntity", "Invalid service plan. Ensure that the service plan exists, is available, and you have access to it."},
		{"PATCH", instances + "/" + i, `{"type":"managed"}`, 422, 10008, "UnprocessableEntity", "Unknown field(s): 'type'"},
		{"PATCH", instances + "/" + i, `{"relationships":{"service_plan":{"data":{"guid":"` + c.plan("integration-flow") + `"}}}}`, 400, 110004, "ServicePlanNotUpdateable", "The service does not support changing plans."},
		{"PATCH", instances + "/nope", `{}`, 404, 10010, "ResourceNotFound", "Service instance not found"},
		{"DELETE", instances + "/" + i + "?purge=true", "", 403, 10003, "NotAuthorized", "You are not authorized to perform the requested action"},
		{"POST", bindings, key("", ""), 422, 10008, "UnprocessableEntity", "Name must be a string, Name can't be blank"},
		{"POST", bindings, key(`"name":"`+strings.Repeat("k", 33)+`",`, ""), 422, 10008, "UnprocessableEntity", "Name is too long (maximum is 32 characters)"},
		{"POST", bindings, strings.Replace(key(`"name":"k",`, ""), `"key"`, `"route"`, 1), 422, 10008, "UnprocessableEntity", "Type must be one of 'key', 'app'"},
		{"POST", bindings, strings.Replace(key(`"name":"k",`, ""), i, "nope", 1), 422, 10008, "UnprocessableEntity", "The service instance could not be found: 'nope'"},
		{"PATCH", bindings + "/nope", `{}`, 404, 10010, "ResourceNotFound", "Service credential binding not found"},
		{"DELETE", bindings + "/nope", "", 404, 10010, "ResourceNotFound", "Service credential binding not found"},
	} {
		t.Run(test.method+" "+test.path+" "+test.body[:min(len(test.body), 60)], func(t *testing.T) {
			c.t = t
			c.refused(c.call(test.method, test.path, test.body), test.status, test.code, test.title, test.detail)
		})
	}
	c.t = t
	if names := namesOf(c.get(instances)); !slices.Equal(slices.Sorted(slices.Values(names)), []string{"sandbox-api", "sandbox-rt", "taken"}) {
		t.Errorf("what was refused is there: %v", names)
	}
}

func TestCloudFoundryWantsAToken(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	c.refused(c.send("GET", c.URL("cloud-foundry")+"/v3/spaces", ""), 401, 10002, "NotAuthenticated", "Authentication error")
	for name, header := range map[string]string{
		"no token": "bearer abc", "basic": "Basic dGVzdGVyOg==", "a token of the subaccount": strings.TrimPrefix(c.bearer("sender"), "Authorization: "),
		"a refresh token": "bearer " + c.refresh, "forged": "bearer " + c.access[:len(c.access)-8] + "AAAAAAAA",
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.refused(c.send("GET", c.URL("cloud-foundry")+"/v3/spaces", "", "Authorization: "+header), 401, 1000, "InvalidAuthToken", "Invalid Auth Token")
		})
	}
	c.t = t
	for _, path := range []string{"/", "/v3", "/v3/info", "/v2/info"} {
		if a := c.send("GET", c.URL("cloud-foundry")+path, ""); a.StatusCode != 200 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if warning := c.send("GET", c.URL("cloud-foundry")+"/v2/info", "").Header.Get("X-Cf-Warnings"); warning != "Endpoint+deprecated" {
		t.Errorf("warning %q", warning)
	}
}

func TestTokensOfThePlatformExpire(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	c.fault("clock-skew:seconds=300")
	c.get("/v3/spaces")
	c.fault("clock-skew:seconds=900")
	c.refused(c.call("GET", "/v3/spaces", ""), 401, 1000, "InvalidAuthToken", "Invalid Auth Token")
	c.keep(c.send("POST", c.URL("uaa")+"/oauth/token", "grant_type=refresh_token&refresh_token="+c.refresh, basicCF, form))
	c.get("/v3/spaces")
}

func parseConfig(t testing.TB, text string) sandbox.Options {
	t.Helper()
	config, diags := sandbox.ParseConfig("sandbox.yaml", []byte(text))
	if len(diags) > 0 {
		t.Fatalf("%v", diags)
	}
	return sandbox.Options{Config: config}
}

func TestRolesOfUsers(t *testing.T) {
	tn := start(t, parseConfig(t, `users:
  - {name: viewer, role: space_auditor}
  - {name: boss@example.com, role: space_manager}
  - {name: guest, role: organization_user}
  - {name: old, expired: true}
  - {name: other, password: another-secret-1}
`))
	instance := signedInAs(tn, "tester").service("sandbox-rt").GUID
	key := signedInAs(tn, "tester").serviceKey("sandbox-rt", "sender").GUID
	for _, user := range []string{"viewer", "boss@example.com"} {
		c := signedInAs(tn, user)
		if names := namesOf(c.get("/v3/service_credential_bindings?type=key&order_by=name")); !slices.Equal(names, []string{"api", "sender"}) {
			t.Errorf("%s sees %v", user, names)
		}
		// The 404 that means 403.
		c.refused(c.call("GET", "/v3/service_credential_bindings/"+key+"/details", ""), 404, 10010, "ResourceNotFound", "Service credential binding not found")
		for _, r := range [][3]string{
			{"PATCH", "/v3/service_instances/" + instance, `{"name":"x"}`}, {"DELETE", "/v3/service_instances/" + instance},
			{"PATCH", "/v3/service_credential_bindings/" + key, `{}`}, {"DELETE", "/v3/service_credential_bindings/" + key},
		} {
			c.refused(c.call(r[0], r[1], r[2]), 403, 10003, "NotAuthorized", "You are not authorized to perform the requested action")
		}
		c.refused(c.createService("x", "api", ""), 403, 10003, "NotAuthorized", "You are not authorized<*>")
		c.refused(c.createKey("sandbox-rt", "x", ""), 403, 10003, "NotAuthorized", "You are not authorized<*>")
		if a := c.call("GET", "/v3/service_instances/"+instance+"/permissions", ""); a.body != `{"manage":false,"read":true}` {
			t.Errorf("permissions of %s: %s", user, a.body)
		}
	}
	guest := signedInAs(tn, "guest")
	if orgs, spaces := guest.get("/v3/organizations"), guest.get("/v3/spaces"); len(orgs.Resources) != 1 || len(spaces.Resources) != 0 {
		t.Errorf("guest sees %v, %v", namesOf(orgs), namesOf(spaces))
	}
	guest.refused(guest.call("GET", "/v3/service_instances/"+instance, ""), 404, 10010, "ResourceNotFound", "Service instance not found")
	c := &cf{tenant: tn}
	if a := c.auth("old", "tester-9f4c2b"); a.StatusCode != 403 || !strings.Contains(a.body, "expired") {
		t.Errorf("an expired password: %d %s", a.StatusCode, a.body)
	}
	if a := c.auth("other", "tester-9f4c2b"); a.StatusCode != 401 {
		t.Errorf("the password of somebody else: %d", a.StatusCode)
	}
	if a := c.auth("other", "another-secret-1"); a.StatusCode != 200 {
		t.Errorf("a password of one's own: %d %s", a.StatusCode, a.body)
	}
}

func TestParametersOfInstances(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	for i, test := range []struct{ plan, parameters, want string }{
		{"integration-flow", `{"roles":["a b"],"grant-types":["magic"],"token-validity":10,"redirect-uris":["x"],"colour":1}`,
			`parameter "colour" is not known: <*>; grant-types: "magic" is none of <*>; redirect-uris: "x": want an absolute URL<*>; roles: "a b": want <*>; token-validity: want a whole number from 3600 to 86400, got 10`},
		{"api", `{"roles":["ESBMessaging.send"]}`, `roles: "ESBMessaging.send" is no role of the plan api`},
		{"api", `{"roles":"WorkspacePackagesEdit"}`, `roles: want a list of texts`},
		{"api", `{"token-validity":"3600"}`, `token-validity: want a whole number from 3600 to 86400, got "3600"`},
	} {
		name := fmt.Sprintf("bad-%d", i)
		j := c.accepted(c.createService(name, test.plan, test.parameters))
		want := "The service broker reported an error during provisioning: invalid input parameters: " + test.want
		if j.State != "FAILED" || j.Errors[0].Code != 60030 || j.Errors[0].Title != "CF-ServiceInstanceProvisionFailed" || !like(want, j.Errors[0].Detail) {
			t.Errorf("%s: %s %+v", test.parameters, j.State, j.Errors)
		}
		i := c.service(name)
		if i.Operation.Type != "create" || i.Operation.State != "failed" || !strings.HasPrefix(i.Operation.Description, "invalid input parameters: ") {
			t.Errorf("%s leaves %+v", test.parameters, i.Operation)
		}
		c.refused(c.createService(name, test.plan, ""), 422, 10008, "UnprocessableEntity", "The service instance name is taken: <*>")
		c.refused(c.call("PATCH", "/v3/service_instances/"+i.GUID, `{"parameters":{}}`), 404, 10010, "ResourceNotFound", "Service instance not found")
		c.refused(c.createKey(name, "k", ""), 422, 10008, "UnprocessableEntity", "The service instance could not be found: '<*>'")
		c.done(c.call("DELETE", "/v3/service_instances/"+i.GUID, ""))
	}
	// The document of SAP leaves the grant types away.
	c.done(c.createService("docs", "api", `{"roles":["WorkspacePackagesEdit"]}`))
	c.done(c.createKey("docs", "k", ""))
	got := decode[tokens](t, c.form(c.credentials("docs", "k")).body)
	if got.Scope != "uaa.resource it!b11463.WorkspacePackagesEdit" || got.ExpiresIn != 43199 {
		t.Errorf("%+v", got)
	}
	c.done(c.createService("password-only", "integration-flow", `{"grant-types":["password"]}`))
	c.done(c.createKey("password-only", "k", ""))
	if a := c.form(c.credentials("password-only", "k")); a.StatusCode != 401 || !strings.Contains(a.body, "Unauthorized grant type") {
		t.Errorf("without the grant type: %d %s", a.StatusCode, a.body)
	}
	j := c.accepted(c.createKey("password-only", "cert", `{"key-type":"certificate"}`))
	if j.State != "FAILED" || j.Errors[0].Detail != "bind could not be completed: a key with a certificate needs the grant type client_credentials" {
		t.Errorf("%+v", j)
	}
	// A failed update leaves the instance as it was.
	docs := c.service("docs").GUID
	if j := c.accepted(c.call("PATCH", "/v3/service_instances/"+docs, `{"parameters":{"roles":["x"]}}`)); j.State != "FAILED" || j.Errors[0].Detail != `update could not be completed: invalid input parameters: roles: "x" is no role of the plan api` {
		t.Errorf("%+v", j)
	}
	if again := decode[tokens](t, c.form(c.credentials("docs", "k")).body); again.Scope != got.Scope {
		t.Errorf("after a failed update: %s", again.Scope)
	}
}

// certificateKey is wire/sap.md 1.3.
type certificateKey struct {
	OAuth struct {
		ClientID, ClientSecret, Certificate, Key, TokenURL, URL string
		Details                                                 *struct{ IssuerDN, SubjectDN, ValidUntil, SerialNumber string } `json:"certificatedetails"`
	}
}

func (c *cf) certificate(instance, name string) (certificateKey, string) {
	c.t.Helper()
	a := c.details(instance, name)
	raw := decode[struct{ Credentials json.RawMessage }](c.t, a.body).Credentials
	return decode[certificateKey](c.t, string(raw)), string(raw)
}

func TestCertificateKeys(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	c.done(c.createKey("sandbox-rt", "cert", `{"key-type":"certificate","validity":30,"key-length":3072}`))
	k, raw := c.certificate("sandbox-rt", "cert")
	if k.OAuth.ClientID != c.key("sender").ClientID || strings.Contains(raw, "clientsecret") || k.OAuth.URL != c.URL("runtime") || k.OAuth.TokenURL != c.URL("token-mtls")+"/oauth/token" {
		t.Errorf("key %s", raw)
	}
	pair, err := tls.X509KeyPair([]byte(k.OAuth.Certificate), []byte(k.OAuth.Key))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(k.OAuth.Key, "-----BEGIN RSA PRIVATE KEY-----\n") || len(pair.Certificate) != 2 {
		t.Errorf("%d certificates, key %.40s", len(pair.Certificate), k.OAuth.Key)
	}
	ca, err := c.CA()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("no certificate in %q", ca)
	}
	leaf := pair.Leaf
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("verify: %v", err)
	}
	if days := time.Until(leaf.NotAfter).Hours() / 24; days < 29.9 || days > 30.1 {
		t.Errorf("valid for %g days", days)
	}
	want := map[string]string{
		"validuntil": leaf.NotAfter.UTC().Format("2006-01-02T15:04:05.000Z"), "serial": fmt.Sprintf("0x%X", leaf.SerialNumber),
		"issuer": "CN=Sandbox CA,OU=Sandbox,O=iflowtest,L=sandbox,C=DE",
	}
	d := k.OAuth.Details
	if diff := cmp.Diff(want, map[string]string{"validuntil": d.ValidUntil, "serial": d.SerialNumber, "issuer": d.IssuerDN}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !regexp.MustCompile(`^CN=[0-9a-f-]{36},L=sandbox-uaa,OU=[0-9a-f-]{36},OU=SAP Cloud Platform Clients,O=SAP SE,C=DE$`).MatchString(d.SubjectDN) {
		t.Errorf("subject %s", d.SubjectDN)
	}
	// It has no secret, so an empty one is wrong.
	if a := c.form(oauth{ClientID: k.OAuth.ClientID, TokenURL: c.URL("token") + "/oauth/token"}); a.StatusCode != 401 {
		t.Errorf("a token without a secret: %d %s", a.StatusCode, a.body)
	}
	for parameters, want := range map[string]string{
		`{"key-type":"certificate","validity":366}`:         `validity: want a whole number from 1 to 365, got 366`,
		`{"key-type":"certificate","validity":0}`:           `validity: want a whole number from 1 to 365, got 0`,
		`{"key-type":"certificate","key-length":1024}`:      `key-length: want a whole number from 2048 to 4096, got 1024`,
		`{"key-type":"certificate","key-length":2500}`:      `key-length: want 2048, 3072 or 4096, got 2500`,
		`{"key-type":"secret"}`:                             `key-type: want certificate or certificate_external, got "secret"<*>`,
		`{"validity":5}`:                                    `key-type is missing`,
		`{"key-type":"certificate","X.509":"x"}`:            `X.509: only with the key-type certificate_external`,
		`{"key-type":"certificate_external"}`:               `X.509 is missing`,
		`{"key-type":"certificate","color":1,"validity":0}`: `parameter "color" is not known: <*>; validity: <*>`,
	} {
		j := c.accepted(c.createKey("sandbox-rt", "bad", parameters)) // a failed key gives way
		if j.State != "FAILED" || j.Errors[0].Code != 10009 || !like("bind could not be completed: invalid input parameters: "+want, j.Errors[0].Detail) {
			t.Errorf("%s: %s %+v", parameters, j.State, j.Errors)
		}
	}
	c.refused(c.details("sandbox-rt", "bad"), 404, 10010, "ResourceNotFound", "Creation of service key failed")
}

func selfSigned(t *testing.T, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "mine"}, NotBefore: until.AddDate(-1, 0, 0), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestExternalCertificateKeys(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	mine, late := selfSigned(t, time.Now().AddDate(0, 1, 0)), selfSigned(t, time.Now().AddDate(0, 0, -1))
	parameters := func(text string) string {
		b, _ := json.Marshal(map[string]any{"key-type": "certificate_external", "X.509": text, "validity": 365, "key-length": 2048})
		return string(b)
	}
	oneLine := strings.ReplaceAll(mine, "\n", "") // as in the example of SAP
	c.done(c.createKey("sandbox-rt", "mine", parameters(oneLine)))
	k, raw := c.certificate("sandbox-rt", "mine")
	if k.OAuth.Certificate != oneLine || k.OAuth.Key != "" || k.OAuth.Details != nil || strings.Contains(raw, "clientsecret") || k.OAuth.ClientID == "" {
		t.Errorf("key %s", raw)
	}
	for text, want := range map[string]string{
		mine:        "X.509: the certificate is used by another service key",
		late:        "X.509: the certificate expired on " + time.Now().AddDate(0, 0, -1).UTC().Format(time.DateOnly),
		"no":        "X.509: want one certificate in PEM, <*>",
		mine + mine: "X.509: want one certificate, not a chain",
		mine[:60] + "!!\n-----END CERTIFICATE-----":                    "X.509: the text between BEGIN and END is not base64",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----": "X.509: the text is not a certificate",
	} {
		j := c.accepted(c.createKey("sandbox-api", "other", parameters(text)))
		if j.State != "FAILED" || !like("bind could not be completed: "+want, j.Errors[0].Detail) {
			t.Errorf("%.40q: %s %+v", text, j.State, j.Errors)
		}
	}
	c.done(c.call("DELETE", "/v3/service_credential_bindings/"+c.serviceKey("sandbox-rt", "mine").GUID, ""))
	c.done(c.createKey("sandbox-api", "other", parameters(mine)))
}

func TestMetadataAndSelectors(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	create := func(name, labels string) {
		body := fmt.Sprintf(`{"type":"managed","name":%q,"metadata":{"labels":%s,"annotations":{"why":"a test"}},"relationships":{"service_plan":{"data":{"guid":%q}},"space":{"data":{"guid":%q}}}}`,
			name, labels, c.plan("api"), c.space("test"))
		c.done(c.call("POST", "/v3/service_instances", body))
	}
	create("one", `{"run":"r1","example.com/env":"dev"}`)
	create("two", `{"run":"r2","empty":""}`)
	create("three", `{}`)
	path := "/v3/service_instances?order_by=name&space_guids=" + c.space("test") + "&label_selector="
	for selector, want := range map[string]string{
		"run": "one two", "!run": "three", "run=r1": "one", "run==r1": "one", "run!=r1": "three two", "run in (r1,r2)": "one two", "run in (r1, r3)": "one",
		"run notin (r1)": "three two", "run,run!=r2": "one", "example.com/env=dev": "one", "example.com/env=dev,run=r2": "", " run = r1 ": "one", "in": "", "empty": "two",
	} {
		got := strings.Join(namesOf(c.get(path+urlEscape(selector))), " ")
		if got != want {
			t.Errorf("%q: %q, want %q", selector, got, want)
		}
	}
	one := c.one(path + "run%3Dr1")
	if diff := cmp.Diff(map[string]string{"run": "r1", "example.com/env": "dev"}, one.Metadata.Labels); diff != "" || one.Metadata.Annotations["why"] != "a test" {
		t.Errorf("metadata %+v\n%s", one.Metadata, diff)
	}
	a := c.call("PATCH", "/v3/service_instances/"+one.GUID, `{"metadata":{"labels":{"run":null,"new":"x"},"annotations":{"why":null}}}`)
	changed := decode[resource](t, a.body)
	if diff := cmp.Diff(map[string]string{"new": "x", "example.com/env": "dev"}, changed.Metadata.Labels); a.StatusCode != 200 || diff != "" || len(changed.Metadata.Annotations) != 0 || changed.Operation.Type != "create" {
		t.Errorf("%d %s\n%s", a.StatusCode, a.body, diff)
	}
	// Keys have metadata too.
	c.done(c.call("POST", "/v3/service_credential_bindings", `{"type":"key","name":"k","metadata":{"labels":{"run":"r1"}},"relationships":{"service_instance":{"data":{"guid":"`+one.GUID+`"}}}}`))
	k := c.one("/v3/service_credential_bindings?label_selector=run%3Dr1")
	if a := c.call("PATCH", "/v3/service_credential_bindings/"+k.GUID, `{"metadata":{"labels":{"run":"r9"}}}`); a.StatusCode != 200 || decode[resource](t, a.body).Metadata.Labels["run"] != "r9" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	c.one("/v3/service_credential_bindings?label_selector=run+in+(r9)&include=service_instance&per_page=50")
}

func urlEscape(s string) string {
	return strings.NewReplacer(" ", "%20", "=", "%3D", ",", "%2C", "!", "%21", "(", "%28", ")", "%29", "/", "%2F").Replace(s)
}

func TestPages(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	for i := range 5 {
		c.done(c.createKey("sandbox-rt", fmt.Sprintf("k%d", i), ""))
	}
	path := "/v3/service_credential_bindings?order_by=-name&per_page=2&service_instance_guids=" + c.service("sandbox-rt").GUID
	var names []string
	pages := 0
	for path != "" {
		p := c.get(path)
		pages++
		names = append(names, namesOf(p)...)
		if p.Pagination.Results != 6 || p.Pagination.Pages != 3 || (p.Pagination.Previous == nil) != (pages == 1) || !strings.Contains(p.Pagination.Last.Href, "page=3&") {
			t.Errorf("page %d: %+v", pages, p.Pagination)
		}
		path = ""
		if p.Pagination.Next != nil {
			path = p.Pagination.Next.Href
		}
	}
	if want := []string{"sender", "k4", "k3", "k2", "k1", "k0"}; !slices.Equal(names, want) || pages != 3 {
		t.Errorf("%d pages: %v, want %v", pages, names, want)
	}
	if p := c.get("/v3/service_credential_bindings?page=9223372036854775807&per_page=5000"); len(p.Resources) != 0 || p.Pagination.Results != 7 {
		t.Errorf("behind the end: %+v", p.Pagination)
	}
}

func TestQuotas(t *testing.T) {
	c := signedIn(t, parseConfig(t, "quota: {organization: 4, space: 3}"))
	c.done(c.createService("third", "api", ""))
	c.refused(c.createService("fourth", "api", ""), 400, 60012, "ServiceInstanceSpaceQuotaExceeded", "You have exceeded your space's services limit.")
	elsewhere := func(name string) answer {
		return c.call("POST", "/v3/service_instances", fmt.Sprintf(`{"type":"managed","name":%q,"relationships":{"service_plan":{"data":{"guid":%q}},"space":{"data":{"guid":%q}}}}`, name, c.plan("api"), c.space("test")))
	}
	c.done(elsewhere("third")) // a name is unique in its space
	c.refused(elsewhere("fifth"), 400, 60005, "ServiceInstanceQuotaExceeded", "You have exceeded your organization's services limit.")
}

func TestFaultsOfProvisioning(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	before := c.state()
	c.fault("provision-fails:name=doomed-*,count=2")
	c.done(c.createService("lucky", "api", ""))
	if j := c.accepted(c.createService("doomed-1", "api", "")); j.State != "FAILED" || j.Errors[0].Code != 60030 || !strings.Contains(j.Errors[0].Detail, "service broker") {
		t.Errorf("%+v", j)
	}
	if j := c.accepted(c.createKey("lucky", "doomed-key", "")); j.State != "FAILED" || j.Errors[0].Code != 10009 {
		t.Errorf("%+v", j)
	}
	c.done(c.createService("doomed-2", "api", ""))
	if state := c.state(); !strings.Contains(state, `"create failed"`) || !strings.Contains(state, `"doomed-key create failed"`) {
		t.Errorf("state %s", state)
	}
	c.fault("provision-fails:path=/v3/service_credential_bindings")
	c.done(c.createService("other", "api", ""))
	if j := c.accepted(c.createKey("other", "k", "")); j.State != "FAILED" {
		t.Errorf("%+v", j)
	}
	c.send("DELETE", c.URL("control")+"/_sandbox/faults", "")

	c.done(c.createKey("lucky", "k", ""))
	c.fault("delete-fails:count=1")
	key := c.serviceKey("lucky", "k").GUID
	if j := c.accepted(c.call("DELETE", "/v3/service_credential_bindings/"+key, "")); j.State != "FAILED" || !strings.HasPrefix(j.Errors[0].Detail, "unbind could not be completed: ") {
		t.Errorf("%+v", j)
	}
	if a := c.form(c.credentials("lucky", "k")); a.StatusCode != 200 {
		t.Errorf("a key whose deletion failed: %d", a.StatusCode)
	}
	c.fault("delete-fails:name=k,count=1")
	lucky := c.service("lucky").GUID
	if j := c.accepted(c.call("DELETE", "/v3/service_instances/"+lucky, "")); j.State != "FAILED" || j.Errors[0].Code != 60027 || !like("Deletion of service instance lucky failed because one or more associated resources could not be deleted.\n\n<*>service key k: <*>", j.Errors[0].Detail) {
		t.Errorf("%+v", j)
	}
	c.fault("delete-fails:name=lucky,count=1")
	if j := c.accepted(c.call("DELETE", "/v3/service_instances/"+lucky, "")); j.State != "FAILED" || !strings.HasPrefix(j.Errors[0].Detail, "delete could not be completed: ") {
		t.Errorf("%+v", j)
	}
	if i := c.service("lucky"); i.Operation.Type != "delete" || i.Operation.State != "failed" || i.Operation.Description == "" {
		t.Errorf("%+v", i.Operation)
	}
	for _, name := range []string{"lucky", "doomed-1", "doomed-2", "other"} {
		c.done(c.call("DELETE", "/v3/service_instances/"+c.service(name).GUID, ""))
	}
	if diff := cmp.Diff(before, c.state()); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestStuckAndSlowCreations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := signedIn(t, sandbox.Options{})
		before := c.state()
		look := func(a answer) string {
			t.Helper()
			return decode[job](t, c.call("GET", a.Header.Get("Location"), "").body).State
		}
		c.fault("provision-slow:seconds=5,count=1")
		slow := c.createService("slow", "api", "")
		for i, want := range []string{"PROCESSING", "POLLING", "POLLING"} {
			if got := look(slow); got != want {
				t.Errorf("look %d: %s, want %s", i, got, want)
			}
			<-time.After(time.Second)
		}
		<-time.After(2 * time.Second)
		if got := look(slow); got != "COMPLETE" {
			t.Errorf("after five seconds: %s", got)
		}
		c.fault("provision-stuck:count=2")
		stuck, key := c.createService("stuck", "api", ""), c.createKey("slow", "stuck-key", "")
		<-time.After(5 * time.Minute)
		if a, b := look(stuck), look(key); a != "PROCESSING" || b != "PROCESSING" || look(stuck) != "PROCESSING" {
			t.Errorf("stuck jobs are %s and %s", a, b)
		}
		c.refused(c.call("PATCH", "/v3/service_instances/"+c.service("slow").GUID, `{"parameters":{}}`), 409, 90008, "AsyncServiceBindingOperationInProgress", "An operation for a service binding of service instance slow is in progress.")
		// What is being created may be deleted, which ends its creation.
		c.done(c.call("DELETE", "/v3/service_credential_bindings/"+c.serviceKey("slow", "stuck-key").GUID, ""))
		c.done(c.call("DELETE", "/v3/service_instances/"+c.service("stuck").GUID, ""))
		if j := decode[job](t, c.call("GET", stuck.Header.Get("Location"), "").body); j.State != "FAILED" || j.Errors[0].Detail != "provision could not be completed: delete in progress" {
			t.Errorf("%+v", j)
		}
		// A job that nobody looks at ends, too.
		c.call("DELETE", "/v3/service_instances/"+c.service("slow").GUID, "")
		if c.state() == before {
			t.Errorf("the deletion was done at once")
		}
		<-time.After(time.Second)
		if diff := cmp.Diff(before, c.state()); diff != "" {
			t.Errorf("-before +after:\n%s", diff)
		}
	})
}

func TestCreationsWhoseAnswerIsLost(t *testing.T) {
	tn := listen(t, sandbox.Options{})
	c := signedInAs(tn, "tester")
	plan, dev := c.plan("api"), c.space("dev")
	for i, lost := range []string{"request", "answer"} {
		c.fault("connection-reset:part=cloud-foundry,method=POST,count=1,lost=" + lost)
		body := fmt.Sprintf(`{"type":"managed","name":"lost","relationships":{"service_plan":{"data":{"guid":%q}},"space":{"data":{"guid":%q}}}}`, plan, dev)
		if a, err := c.try("POST", c.URL("cloud-foundry")+"/v3/service_instances", body, "Authorization: bearer "+c.access); err == nil {
			t.Fatalf("lost %s: %d", lost, a.StatusCode)
		}
		if p := c.get("/v3/service_instances?names=lost"); len(p.Resources) != i {
			t.Errorf("lost %s: %d instances", lost, len(p.Resources))
		}
	}
}

// TestKeyThatGoesWithItsInstance deletes a key and its instance at once.
func TestKeyThatGoesWithItsInstance(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	c.done(c.createService("both", "api", ""))
	c.done(c.createKey("both", "k", ""))
	key, instance := c.serviceKey("both", "k").GUID, c.service("both").GUID
	first := c.call("DELETE", "/v3/service_credential_bindings/"+key, "")
	c.refused(c.call("DELETE", "/v3/service_credential_bindings/"+key, ""), 422, 10008, "UnprocessableEntity", "There is an operation in progress for the service binding.")
	second := c.call("DELETE", "/v3/service_instances/"+instance, "")
	c.refused(c.call("DELETE", "/v3/service_credential_bindings/"+key, ""), 422, 10008, "UnprocessableEntity", "There is an operation in progress for the service <*>")
	c.done(second)
	if j := decode[job](t, c.call("GET", first.Header.Get("Location"), "").body); j.State != "COMPLETE" {
		t.Errorf("the key: %+v", j)
	}
}

func TestRateLimitOfCloudFoundry(t *testing.T) {
	c := signedIn(t, sandbox.Options{})
	c.fault("cf-429:count=2,retry-after=3,path=/v3/spaces")
	a := c.call("GET", "/v3/spaces", "")
	c.refused(a, 429, 10013, "RateLimitExceeded", "Rate Limit Exceeded")
	for name, want := range map[string]string{"Retry-After": "3", "Content-Type": "text/plain; charset=utf-8", "X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "<*>", "X-RateLimit-Reset": "<*>"} {
		if got := a.Header.Get(name); got == "" || !like(want, got) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	c.get("/v3/organizations")
	c.refused(c.send("GET", c.URL("cloud-foundry")+"/v3/spaces", ""), 429, 10014, "IPBasedRateLimitExceeded", "Rate Limit Exceeded: <*>Please log in.")
	c.get("/v3/spaces")
	c.fault("cf-429")
	if a := c.send("GET", c.URL("cloud-foundry")+"/", ""); a.StatusCode != 200 {
		t.Errorf("the root is limited: %d", a.StatusCode)
	}
}

func TestEntitlements(t *testing.T) {
	c := signedIn(t, parseConfig(t, "entitled: {it-rt: [integration-flow]}"))
	if p := c.get("/v3/service_plans?names=api&service_offering_names=it-rt&available=true"); len(p.Resources) != 0 {
		t.Fatalf("a plan that is not entitled is visible: %v", namesOf(p))
	}
	before := c.state()
	key := decode[struct {
		Endpoints map[string]string
		GrantType string `json:"grant_type"`
		UAA       struct{ ClientID, ClientSecret, URL string }
	}](t, string(c.EntitlementsKey().JSON))
	a := c.form(oauth{ClientID: key.UAA.ClientID, ClientSecret: key.UAA.ClientSecret, TokenURL: key.UAA.URL + "/oauth/token"})
	bearer := "Authorization: Bearer " + decode[tokens](t, a.body).AccessToken
	base := key.Endpoints["entitlements_service_url"] + "/entitlements/v1/"
	subaccount := regexp.MustCompile(`subaccount: (\S+)`).FindStringSubmatch(string(c.EnvironmentYAML()))[1]
	assigned := func() []string {
		t.Helper()
		a := c.send("GET", base+"assignments?subaccountGUID="+subaccount, "", bearer)
		got := decode[struct {
			EntitledServices, AssignedServices []struct {
				Name, DisplayName string
				ServicePlans      []struct {
					Name           string
					AssignmentInfo []struct {
						EntityID, EntityType, EntityState string
						UnlimitedAmountAssigned           bool
					}
				}
			}
		}](t, a.body)
		if a.StatusCode != 200 || len(got.EntitledServices) != 1 || len(got.EntitledServices[0].ServicePlans) != 2 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		var names []string
		for _, s := range got.AssignedServices {
			for _, p := range s.ServicePlans {
				if i := p.AssignmentInfo[0]; s.Name != "it-rt" || i.EntityType != "SUBACCOUNT" || i.EntityID != subaccount || i.EntityState != "OK" {
					t.Errorf("assignment %+v", i)
				}
				names = append(names, p.Name)
			}
		}
		return names
	}
	if got := assigned(); !slices.Equal(got, []string{"integration-flow"}) {
		t.Errorf("assigned %v", got)
	}
	put := func(plan, how string) answer {
		t.Helper()
		return c.send("PUT", base+"subaccountServicePlans", fmt.Sprintf(`{"subaccountServicePlans":[{"serviceName":"it-rt","servicePlanName":%q,"assignmentInfo":[{"subaccountGUID":%q,%s}]}]}`, plan, subaccount, how), bearer)
	}
	follow := func(a answer) (states []string, description string) {
		t.Helper()
		if location := a.Header.Get("Location"); a.StatusCode != 202 || a.body == "" || !strings.Contains(location, a.body) {
			t.Fatalf("%d %q %q", a.StatusCode, a.body, location)
		}
		for len(states) < 10 {
			j := decode[struct{ Status, Description string }](t, c.send("GET", a.Header.Get("Location"), "", bearer).body)
			states, description = append(states, j.Status), j.Description
			if j.Status != "IN_PROGRESS" {
				break
			}
		}
		return states, description
	}
	if states, _ := follow(put("api", `"enable":true`)); !slices.Equal(states, []string{"IN_PROGRESS", "COMPLETED"}) {
		t.Errorf("states %v", states)
	}
	if got := assigned(); !slices.Contains(got, "api") {
		t.Errorf("assigned %v", got)
	}
	c.plan("api")
	if states, description := follow(put("integration-flow", `"enable":false`)); states[len(states)-1] != "FAILED" || !strings.Contains(description, "sandbox-rt uses it") {
		t.Errorf("a plan that is used: %v %s", states, description)
	}
	for body, want := range map[string]string{
		`{`:  `"code":11000,"message":"Request payload is invalid"`,
		`{}`: `at least one service plan is required`,
		`{"subaccountServicePlans":[{"serviceName":"xsuaa","servicePlanName":"application","assignmentInfo":[{"subaccountGUID":"x","amount":1,"enable":true}]}]}`: `not entitled to the service plan \"application\" of the service \"xsuaa\"<*>want either enable or amount`,
		`{"subaccountServicePlans":[{"serviceName":"it-rt","servicePlanName":"api","assignmentInfo":[{"subaccountGUID":"x","enable":true}]}]}`:                    `subaccount \"x\" not found`,
	} {
		if a := c.send("PUT", base+"subaccountServicePlans", body, bearer); a.StatusCode != 400 || !like("<*>"+want+"<*>", a.body) {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.body)
		}
	}
	for name, header := range map[string]string{"nobody": "Accept: */*", "a key of the runtime": c.bearer("sender"), "Cloud Foundry": "Authorization: bearer " + c.access} {
		if a := c.send("GET", base+"assignments", "", header); a.StatusCode != 401 || !strings.Contains(a.body, `"error":{`) {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := c.send("GET", base+"assignments?subaccountGUID=nope", "", bearer); a.StatusCode != 404 {
		t.Errorf("another subaccount: %d %s", a.StatusCode, a.body)
	}
	c.done(c.createService("uses-api", "api", ""))
	c.done(c.call("DELETE", "/v3/service_instances/"+c.service("uses-api").GUID, ""))
	follow(put("api", `"amount":0`)) // sandbox-api still uses it
	if got := assigned(); len(got) != 2 {
		t.Errorf("assigned %v", got)
	}
	c.done(c.call("DELETE", "/v3/service_instances/"+c.service("sandbox-api").GUID, ""))
	follow(put("api", `"enable":false`))
	if p := c.get("/v3/service_plans?names=api"); len(p.Resources) != 0 {
		t.Errorf("a plan that was taken away is visible")
	}
	if c.state() == before {
		t.Errorf("sandbox-api is gone, and the state does not tell")
	}
}

func TestProvisioningSideBySide(t *testing.T) {
	tn := listen(t, sandbox.Options{})
	tester := signedInAs(tn, "tester")
	before := tester.state()
	secrets := make([]string, 12)
	t.Run("instances", func(t *testing.T) {
		for i := range secrets {
			name := fmt.Sprintf("side-%d", i)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := &cf{tenant: &tenant{tn.Tenant, t, tn.client}, access: tester.access}
				c.done(c.createService(name, "integration-flow", ""))
				c.done(c.createKey(name, "k", ""))
				key := c.credentials(name, "k")
				secrets[i] = key.ClientSecret
				if a := c.form(key); a.StatusCode != http.StatusOK {
					t.Errorf("a token with the key: %d %s", a.StatusCode, a.body)
				}
				c.done(c.call("DELETE", "/v3/service_instances/"+c.service(name).GUID, ""))
				if a := c.form(key); a.StatusCode != http.StatusUnauthorized {
					t.Errorf("after its deletion: %d", a.StatusCode)
				}
			})
		}
	})
	if diff := cmp.Diff(before, tester.state()); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	slices.Sort(secrets)
	if len(slices.Compact(secrets)) != 12 {
		t.Errorf("keys share secrets")
	}
}
