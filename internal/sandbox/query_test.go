package sandbox_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"iflowtest/internal/sandbox"
)

// asked is a request to the OData API and what is wanted of its answer.
type asked struct {
	path   string
	status int
	want   string
}

func (tn *tenant) asks(tests []asked) {
	tn.t.Helper()
	for _, test := range tests {
		a := tn.odata("GET", strings.ReplaceAll(test.path, " ", "+"), "", "api")
		if a.StatusCode != test.status || !strings.Contains(a.body, test.want) {
			tn.t.Errorf("GET %s: %d %.400s, want %d %s", test.path, a.StatusCode, a.body, test.status, test.want)
		}
	}
}

func TestAQueryIsReadWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		tn.call("/http/broken", "x")
		wait(200)
		tn.asks([]asked{
			{"MessageProcessingLogs/$count?$filter=IntegrationFlowName eq 'No;Such'", 200, "0"},
			{"MessageProcessingLogs/$count?$filter=IntegrationFlowName eq 'No%3BSuch'", 200, "0"},
			{"MessageProcessingLogs/$count?$filter=IntegrationFlowName eq 'No%Such'", 400, "not percent-encoded"},
			{"MessageProcessingLogs?$top=1;$skip=1", 400, "$top"},
			{"MessageProcessingLogs?filterCustomHeaderProperties='a;b' eq 'c'&$top=1", 200, `"results":[]`},
			{"IntegrationPackages?x=%", 400, "not percent-encoded"},
		})
		d := tn.designer()
		d.call(404, "POST", "DeployIntegrationDesigntimeArtifact?Id='Echo;2'&Version='active'", "")
		d.call(400, "POST", "DeployIntegrationDesigntimeArtifact?Id='Echo';&Version='active'", "")
		d.call(400, "POST", "DeployIntegrationDesigntimeArtifact?Id='Echo'&Version='active'&x=%zz", "")
	})
}

func TestTheOtherPartsReadAQueryWholeToo(t *testing.T) {
	tn := start(t, sandbox.Options{})
	bearer := tn.bearer("sender")
	type echo struct{ Query map[string]string }
	a := tn.send("GET", tn.URL("runtime")+"/http/echo?a=1;b=2&c=3", "", bearer)
	if got := decode[echo](t, a.body).Query; got["a"] != "1;b=2" || got["c"] != "3" {
		t.Errorf("query %v", got)
	}
	k := tn.key("sender")
	form := "grant_type=client_credentials&client_id=" + url.QueryEscape(k.ClientID) + "&client_secret=" + url.QueryEscape(k.ClientSecret)
	if a := tn.send("POST", k.TokenURL+"?"+form+";x", ""); a.StatusCode != 401 {
		t.Errorf("a secret with another end: %d", a.StatusCode)
	}
	for _, address := range []string{
		tn.URL("runtime") + "/http/echo?a=%zz", k.TokenURL + "?grant_type=%", tn.URL("uaa") + "/oauth/token?grant_type=%",
		tn.URL("entitlements") + "/entitlements/v1/assignments?subaccountGUID=%zz",
		tn.URL("destination") + "/destination-configuration/v1/destinations/a?$skipTokenRetrieval=%zz",
		tn.URL("control") + "/_sandbox/requests?part=%zz",
	} {
		if a := tn.send("GET", address, "", bearer); a.StatusCode != 400 || !strings.Contains(a.body, "the query is not percent-encoded") {
			t.Errorf("%s: %d %s", address, a.StatusCode, a.body)
		}
	}
	tn.fault("runtime-503")
	if got := decode[[]listed](t, tn.send("GET", tn.URL("control")+"/_sandbox/requests?part=runtime;x", "").body); len(got) != 0 {
		t.Errorf("requests of a part that is none: %v", got)
	}
}

func TestAQueryIsCheckedWithoutRows(t *testing.T) {
	tn := start(t, sandbox.Options{})
	tn.asks([]asked{
		{"MessageProcessingLogs?$filter=Bogus eq 'x'", 400, `MessageProcessingLog has no property \"Bogus\"`},
		{"MessageProcessingLogs?$filter=Status eq 'NOPE' and Bogus eq 'x'", 400, "Bogus"},
		{"MessageProcessingLogs?$filter=LogStart gt 'x'", 400, "the property LogStart (a point in time) with the text"},
		{"MessageProcessingLogs?$filter=LogEnd gt 5", 400, "the property LogEnd (a point in time) with the number 5"},
		{"MessageProcessingLogs?$filter=Status", 400, "want a condition, got the property Status (a text)"},
		{"MessageProcessingLogs?$orderby=Bogus", 400, "Bogus"},
		{"MessageProcessingLogs?$orderby=CustomHeaderProperties", 400, "CustomHeaderProperties"},
		{"MessageProcessingLogs?$select=Bogus", 400, "Bogus"},
		{"MessageProcessingLogs/$count?$filter=Bogus eq 'x'", 400, "Bogus"},
		{"MessageProcessingLogs?$filter=IntegrationArtifact/Id eq 'x' and LogEnd lt datetime'2030-01-01T00:00:00'", 200, `"results":[]`},
		{"MessageProcessingLogs?$filter=length(Status) eq 3", 501, "length"},
		{"UserCredentials?$filter=Bogus eq 'x'", 400, "UserCredential has no property"},
		{"UserCredentials?$orderby=Bogus", 400, "Bogus"},
		{"MessageProcessingLogCustomHeaderProperties?$filter=Nam eq 'x'", 400, "Nam"},
		{"MessageProcessingLogAdapterAttributes?$filter=AdapterId eq 5", 400, "cannot compare"},
		{"IntegrationPackages('SandboxFlows')/ScriptCollectionDesigntimeArtifacts?$filter=Bogus eq 1", 400, "ScriptCollectionDesigntimeArtifact has no property"},
		{"IntegrationPackages('SandboxFlows')/CustomTags?$filter=Name eq 'x'", 501, "Not implemented"},
		{"IntegrationPackages('SandboxFlows')/CustomTags", 200, `"results":[]`},
		{one("Echo", "active") + "/Resources?$filter=Bogus eq 1", 400, "Resource has no property"},
		{one("Echo", "active") + "?$select=Bogus", 400, "Bogus"},
		{"IntegrationRuntimeArtifacts('Echo')?$select=Bogus", 400, "Bogus"},
		{"ServiceEndpoints?$filter=Name eq 'x' and Bogus eq 'x'", 400, "ServiceEndpoint has no property"},
	})
}

func TestWhatIsNotBuiltIsToldFromWhatDoesNotExist(t *testing.T) {
	tn := start(t, sandbox.Options{})
	tests := []asked{
		{"IntegrationFlows", 404, "IntegrationFlows"},
		{"MessageProcessingLog", 404, "MessageProcessingLog"},
		{"IntegrationPackages('SandboxFlows')/Nothing", 404, "Nothing"},
		{"IntegrationPackages/$count", 200, "1"},
		{"IntegrationRuntimeArtifacts/$count", 200, "10"},
		{"ServiceEndpoints/$count?$filter=Name eq 'Echo'", 200, "1"},
		{"UserCredentials/$count", 200, "0"},
		{"KeystoreEntries/$count", 200, "3"},
		{"IntegrationDesigntimeArtifacts/$count", 501, "$count"},
		{"IntegrationPackages('SandboxFlows')/IntegrationDesigntimeArtifacts/$count", 200, "10"},
		{"KeystoreEntries('73616E64626F785F6361')/ChainCertificates", 501, "ChainCertificates"},
		{"KeystoreEntries('73616E64626F785F6361')/Certificate/$value", 501, "Certificate"},
		{one("Echo", "active") + "/DesignGuidelineExecutionResults", 501, "DesignGuidelineExecutionResults"},
		{one("Echo", "active") + "/Name", 501, "single properties"},
		{"ValidateIntegrationDesigntimeArtifact?Id='Echo'", 501, "ValidateIntegrationDesigntimeArtifact"},
	}
	for _, set := range []string{"NumberRanges", "DataStores", "LogFiles", "AccessPolicies", "SecureParameters", "Variables", "JmsBrokers('B')", "TraceMessages(104L)/$value", "MessageStoreEntries", "Partners", "IntegrationAdapterDesigntimeArtifacts", "OAuth2ClientCredentials"} {
		name, _, _ := strings.Cut(set, "(")
		tests = append(tests, asked{set, 501, name})
	}
	tn.asks(tests)
}

func TestASingleKeyMayBeNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		id := tn.call("/http/orders", `{"sku":"A-100","qty":1}`)
		wait(200)
		tn.asks([]asked{
			{"MessageProcessingLogs(MessageGuid='" + id + "')", 200, id},
			{"MessageProcessingLogs(MessageGuid='" + id + "')/CustomHeaderProperties(Id='" + id + "_1')", 200, id + "_1"},
			{"IntegrationRuntimeArtifacts(Id='Echo')", 200, `"Id":"Echo"`},
			{"IntegrationPackages(Id='SandboxFlows')/IntegrationDesigntimeArtifacts(Id='Echo',Version='active')", 200, `"Id":"Echo"`},
			{one("Echo", "active") + "/Configurations(ParameterKey='Sender_Address')", 200, "/echo"},
			{"IntegrationPackages(Name='SandboxFlows')", 400, "want one key, Id"},
			{"IntegrationRuntimeArtifacts(Id='Nope')", 404, "Nope"},
		})
	})
}

// TestEveryAddressLeadsSomewhere follows the addresses that rows name as their
// own.
func TestEveryAddressLeadsSomewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		d := tn.designer()
		d.call(201, "POST", flowsPath, uploadBody(t, "My Flow", "SandboxFlows", flowZip(t, "My Flow", "1.0.0", "/mine")))
		tn.fault("deploy-fails:name=Slow")
		d.deploy("Slow")
		d.deploy("My%20Flow")
		wait(3000)
		type row struct {
			Metadata struct{ URI string } `json:"__metadata"`
		}
		followed := 0
		for _, path := range []string{
			"ServiceEndpoints?$filter=Name+eq+'My+Flow'", "ServiceEndpoints('My%20Flow%24endpointAddress%3Dmine')/EntryPoints",
			"IntegrationDesigntimeArtifacts(Id='My%20Flow',Version='active')/Configurations",
			"IntegrationDesigntimeArtifacts(Id='My%20Flow',Version='active')/Resources",
		} {
			for _, r := range rows[row](tn, path) {
				followed++
				if a := tn.send("GET", r.Metadata.URI, "", d.bearer, "Accept: application/json"); a.StatusCode != 200 || !strings.Contains(a.body, r.Metadata.URI) {
					t.Errorf("%s: %d %s", r.Metadata.URI, a.StatusCode, a.body)
				}
			}
		}
		information := d.call(200, "GET", "IntegrationRuntimeArtifacts('Slow')/ErrorInformation", "").body
		uri := decode[struct{ D row }](t, information).D.Metadata.URI
		if a := tn.send("GET", uri, "", d.bearer, "Accept: application/json"); a.StatusCode != 200 || a.body != information {
			t.Errorf("%s: %d %s", uri, a.StatusCode, a.body)
		}
		if followed != 5 {
			t.Errorf("%d addresses, want 5", followed)
		}
	})
}

func TestLocationsAreEscaped(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	a := d.call(201, "POST", flowsPath, uploadBody(t, "My Flow", "SandboxFlows", flowZip(t, "My Flow", "1.0.0", "/mine")))
	want := d.URL("api") + "/api/v1/IntegrationDesigntimeArtifacts(Id='My%20Flow',Version='1.0.0')"
	if got := a.Header.Get("Location"); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
}

func TestTheLinkToTheLogIsEscaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		id := tn.call("/http/echo", "x")
		wait(200)
		tn.asks([]asked{{"MessageProcessingLogs('" + id + "')", 200, "/shell/monitoring/Messages/%7B%22identifier%22%3A%22" + id + "%22%7D"}})
	})
}
