package sandbox_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"iflowtest/internal/sandbox"
)

// shapes are the schemas of testdata/shapes: what the rows of each entity set
// hold as wire/sap.md 6 has it. Where it gives a row whole, nothing else may be
// in it.
type shapes struct {
	compiler *jsonschema.Compiler
	names    []string
}

func readShapes(t *testing.T) *shapes {
	t.Helper()
	s := &shapes{compiler: jsonschema.NewCompiler()}
	s.compiler.AssertFormat()
	paths, err := filepath.Glob("testdata/shapes/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.add(t, filepath.Base(path), string(text))
		s.names = append(s.names, strings.TrimSuffix(filepath.Base(path), ".json"))
	}
	for _, name := range s.names {
		s.add(t, "one/"+name+".json", `{"type":"object","properties":{"d":{"$ref":"../`+name+`.json"}},"required":["d"],"additionalProperties":false}`)
		s.add(t, "list/"+name+".json", `{"type":"object","properties":{"d":{"type":"object","properties":{
			"__count":{"$ref":"../definitions.json#/$defs/number"},"__next":{"type":"string","format":"uri"},
			"results":{"type":"array","items":{"$ref":"../`+name+`.json"}}},"required":["results"],"additionalProperties":false}},
			"required":["d"],"additionalProperties":false}`)
	}
	return s
}

func (s *shapes) add(t *testing.T, name, text string) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = s.compiler.AddResource("shapes/"+name, doc)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// check tells in what a document differs from the shape: that of a row, or
// one/SET, or list/SET.
func (s *shapes) check(shape, text string) error {
	schema, err := s.compiler.Compile("shapes/" + shape + ".json")
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(doc)
}

// request is one to the OData API, and the shape of its answer.
type request struct {
	shape, path string
	// rows is how many a list must have at least.
	rows int
}

// prepared is a tenant with something in every set, and the requests that
// look at all of it.
func prepared(t *testing.T) (*tenant, []request) {
	t.Helper()
	text, err := os.ReadFile("testdata/config/ok/log.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tn := configured(t, string(text))
	d := tn.designer()
	failing := tn.call("/http/imported?fail=1", `{"plant":"1010"}`)
	processing := tn.call("/http/import", "x")
	order := tn.call("/http/orders", `{"customer":"ACME","lines":[{"sku":"A-100","qty":1}]}`)
	d.call(201, "POST", "UserCredentials", `{"Name":"ERP","Kind":"successfactors","User":"u","Password":"p","CompanyId":"ACME"}`)
	d.call(201, "POST", "UserCredentials", `{"Name":"Plain","User":"u","Password":"p"}`)
	d.call(201, "POST", "IntegrationPackages", `{"Id":"Shapes","Name":"Shapes","ShortText":"s"}`)
	d.call(201, "POST", flowsPath, uploadBody(t, "Uploaded", "Shapes", flowZip(t, "Uploaded", "1.0.1", "/uploaded")))
	for _, kind := range []string{"MessageMapping", "ScriptCollection", "ValueMapping"} {
		d.call(201, "POST", kind+"DesigntimeArtifacts", fmt.Sprintf(`{"Id":"The%s","Name":"The %s","PackageId":"Shapes"}`, kind, kind))
	}
	tn.fault("deploy-fails:count=1")
	task := d.deploy("Echo")
	d.deploy("Uploaded")
	wait(2500)
	fresh := d.deploy("OrderIntake")
	log := func(id string) string { return "MessageProcessingLogs('" + id + "')" }
	return tn, append(logRequests(tn, log(order), log(failing), log(processing)), slices.Concat([]request{
		{"one/BuildAndDeployStatus", "BuildAndDeployStatus(TaskId='" + task + "')", 0},
		{"one/BuildAndDeployStatus", "BuildAndDeployStatus(TaskId='" + fresh + "')", 0},
		{"list/IntegrationPackages", "IntegrationPackages?$inlinecount=allpages", 2},
		{"list/IntegrationPackages", "IntegrationPackages?$expand=IntegrationDesigntimeArtifacts", 2},
		{"one/IntegrationPackages", "IntegrationPackages('Shapes')", 0},
		{"list/IntegrationDesigntimeArtifacts", "IntegrationPackages('SandboxFlows')/IntegrationDesigntimeArtifacts", 10},
		{"list/IntegrationDesigntimeArtifacts", "IntegrationPackages('Shapes')/IntegrationDesigntimeArtifacts", 1},
		{"one/IntegrationDesigntimeArtifacts", one("Uploaded", "active"), 0},
		{"one/IntegrationDesigntimeArtifacts", one("Uploaded", "active") + "?$expand=Configurations,Resources", 0},
		{"list/Configurations", one("Uploaded", "active") + "/Configurations", 2},
		{"list/Resources", one("Uploaded", "active") + "/Resources", 1},
		{"list/IntegrationRuntimeArtifacts", "IntegrationRuntimeArtifacts", 10},
		{"list/IntegrationRuntimeArtifacts", "IntegrationRuntimeArtifacts?$filter=Status+eq+'ERROR'&$top=5&$skip=0", 1},
		{"one/IntegrationRuntimeArtifacts", "IntegrationRuntimeArtifacts('Uploaded')", 0},
		{"RuntimeArtifactError", "IntegrationRuntimeArtifacts('Echo')/ErrorInformation/$value", 0},
		{"list/ServiceEndpoints", "ServiceEndpoints?$expand=EntryPoints", 9},
		{"list/ServiceEndpoints", "ServiceEndpoints?$expand=EntryPoints,ApiDefinitions&$filter=Name+eq+'TemperatureSoap'", 1},
		{"list/ServiceEndpoints", "ServiceEndpoints", 9},
		{"list/EntryPoints", "ServiceEndpoints('TemperatureSoap%24endpointAddress%3Dtemperature')/EntryPoints", 1},
		{"list/UserCredentials", "UserCredentials", 2},
		{"one/UserCredentials", "UserCredentials('ERP')", 0},
		{"list/KeystoreEntries", "KeystoreEntries", 3},
		{"one/KeystoreEntries", "KeystoreEntries('" + strings.ToUpper(fmt.Sprintf("%x", "sap_cloudintegrationcertificate")) + "')", 0},
		{"services", "", 0},
	}, siblingRequests())...)
}

// logRequests look at logs: one with all a flow of one's own leaves, one that
// failed, and one that is being processed.
func logRequests(tn *tenant, order, failing, processing string) []request {
	tn.t.Helper()
	requests := []request{
		{"list/MessageProcessingLogs", "MessageProcessingLogs?$inlinecount=allpages&$orderby=LogEnd+desc", 3},
		{"list/MessageProcessingLogs", "MessageProcessingLogs?$expand=CustomHeaderProperties,ErrorInformation,AdapterAttributes,Attachments,Runs,MessageStoreEntries", 3},
		{"list/MessageProcessingLogCustomHeaderProperties", "MessageProcessingLogCustomHeaderProperties?$filter=Name+eq+'Plant'&$expand=Log", 1},
		{"list/MessageProcessingLogAdapterAttributes", "MessageProcessingLogAdapterAttributes?$expand=MessageProcessingLog", 2},
		{"one/MessageProcessingLogErrorInformations", failing + "/ErrorInformation", 0},
		{"list/MessageProcessingLogAttachments", failing + "/Attachments", 3},
		{"list/MessageProcessingLogAdapterAttributes", failing + "/AdapterAttributes", 2},
	}
	for _, log := range []string{order, failing, processing} {
		requests = append(requests, request{"one/MessageProcessingLogs", log, 0},
			request{"list/MessageProcessingLogCustomHeaderProperties", log + "/CustomHeaderProperties", 0},
			request{"list/MessageStoreEntries", log + "/MessageStoreEntries", 0},
			request{"list/MessageProcessingLogRuns", log + "/Runs?$expand=RunSteps", 1})
	}
	id := func(path string) string {
		return "('" + rows[namedRow](tn, path)[0].ID + "')"
	}
	run := "MessageProcessingLogRuns" + id(order+"/Runs")
	failed := strings.TrimPrefix(failing, "MessageProcessingLogs")
	return append(requests,
		request{"one/MessageProcessingLogAttachments", "MessageProcessingLogAttachments" + id(order+"/Attachments"), 0},
		request{"one/MessageProcessingLogCustomHeaderProperties", "MessageProcessingLogCustomHeaderProperties" + id(order+"/CustomHeaderProperties"), 0},
		request{"one/MessageProcessingLogs", "MessageProcessingLogCustomHeaderProperties" + id(order+"/CustomHeaderProperties") + "/Log", 0},
		request{"one/MessageProcessingLogAdapterAttributes", "MessageProcessingLogAdapterAttributes" + id(failing+"/AdapterAttributes"), 0},
		request{"one/MessageProcessingLogErrorInformations", "MessageProcessingLogErrorInformations" + failed, 0},
		request{"one/MessageProcessingLogRuns", run, 0},
		request{"list/MessageProcessingLogRunSteps", run + "/RunSteps", 0},
	)
}

// siblingRequests look at the design-time artifacts that are no flows.
func siblingRequests() []request {
	var requests []request
	for _, kind := range []string{"MessageMapping", "ScriptCollection", "ValueMapping"} {
		set := kind + "DesigntimeArtifacts"
		requests = append(requests,
			request{"list/" + set, "IntegrationPackages('Shapes')/" + set, 1},
			request{"one/" + set, set + "(Id='The" + kind + "',Version='active')", 0})
	}
	return requests
}

// ask sends a request and gives what is wrong with the answer.
func (s *shapes) ask(tn *tenant, bearer string, q request) error {
	address := tn.URL("api") + "/api/v1/" + q.path
	a := tn.send("GET", address, "", bearer, "Accept: application/json")
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", a.StatusCode, a.body)
	}
	if media := a.Header.Get("Content-Type"); !strings.HasPrefix(media, "application/json") && !strings.Contains(q.path, "$value") {
		return fmt.Errorf("content type %q", media)
	}
	if err := s.check(q.shape, a.body); err != nil {
		return fmt.Errorf("%w\n%s", err, a.body)
	}
	if strings.HasPrefix(q.shape, "list/") {
		if n := len(decode[struct {
			D struct{ Results []json.RawMessage }
		}](tn.t, a.body).D.Results); n < q.rows {
			return fmt.Errorf("%d rows, want at least %d: %s", n, q.rows, a.body)
		}
	}
	if strings.Contains(q.path, "$value") {
		return nil
	}
	atom := tn.send("GET", address, "", bearer)
	want := "application/atom+xml;type=entry"
	switch {
	case q.shape == "services":
		want = "application/atomsvc+xml"
	case strings.HasPrefix(q.shape, "list/"):
		want = "application/atom+xml;type=feed"
	}
	if media := atom.Header.Get("Content-Type"); atom.StatusCode != http.StatusOK || !strings.HasPrefix(media, want) {
		return fmt.Errorf("in Atom: status %d, content type %q, want %s", atom.StatusCode, media, want)
	}
	if err := document(atom.body); err != nil {
		return fmt.Errorf("in Atom: %w\n%s", err, atom.body)
	}
	return nil
}

// document tells why a text is no well-formed XML document.
func document(text string) error {
	dec := xml.NewDecoder(strings.NewReader(text))
	roots, depth := 0, 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && roots == 1 {
			return nil
		}
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 {
				roots++
			}
		case xml.EndElement:
			depth--
		}
	}
}

func TestShapes(t *testing.T) {
	s := readShapes(t)
	synctest.Test(t, func(t *testing.T) {
		tn, requests := prepared(t)
		bearer := tn.bearer("api")
		valid := map[string]bool{}
		for _, q := range requests {
			if err := s.ask(tn, bearer, q); err != nil {
				t.Errorf("%s %s: %v", q.shape, q.path, err)
				continue
			}
			set, _, _ := strings.Cut(q.path, "(")
			set, _, _ = strings.Cut(set, "?")
			valid[set] = true
		}
		// Whatever the service says it has was looked at.
		services := tn.odata("GET", "", "", "api")
		for _, set := range decode[struct{ D struct{ EntitySets []string } }](t, services.body).D.EntitySets {
			if !valid[set] && !strings.HasPrefix(set, "Deploy") && !strings.HasPrefix(set, "Validate") {
				t.Errorf("%s is in the service document, and no valid answer of it was seen", set)
			}
		}
	})
}

func TestShapesOfErrors(t *testing.T) {
	s := readShapes(t)
	tn := configured(t, "instances: [{name: nobody, plan: api, roles: [CatalogPackagesRead], keys: [nobody]}]")
	api, nobody := tn.bearer("api"), tn.bearer("nobody")
	for _, test := range []struct {
		method, path, bearer string
		status               int
	}{
		{"GET", "MessageProcessingLogs", "Accept: application/json", 401},
		{"GET", "MessageProcessingLogs", tn.bearer("sender"), 401},
		{"GET", "MessageProcessingLogs", nobody, 403}, {"GET", "MessageProcessingLogAttachments('x')/$value", nobody, 403},
		{"GET", "IntegrationPackages", nobody, 403}, {"POST", "IntegrationPackages", nobody, 403}, {"GET", "KeystoreEntries", nobody, 403},
		{"POST", "DeployIntegrationDesigntimeArtifact?Id='Echo'&Version='active'", nobody, 403}, {"DELETE", "IntegrationRuntimeArtifacts('Echo')", nobody, 403},
		{"GET", "Nope", api, 404}, {"GET", "MessageProcessingLogs('Nope')", api, 404}, {"GET", "MessageProcessingLogs('<&>\"')", api, 404},
		{"GET", "IntegrationRuntimeArtifacts('Nope')", api, 404}, {"GET", "IntegrationPackages('Nope')", api, 404},
		{"GET", one("Nope", "active"), api, 404}, {"GET", "BuildAndDeployStatus(TaskId='Nope')", api, 404}, {"GET", "UserCredentials('Nope')", api, 404},
		{"GET", "KeystoreEntries('Nope')", api, 404}, {"GET", "ServiceEndpoints('Nope')", api, 404},
		{"POST", "DeployIntegrationDesigntimeArtifact?Id='Nope'&Version='active'", api, 404},
		{"GET", "MessageProcessingLogs?$filter=Nope+eq", api, 400}, {"GET", "MessageProcessingLogs?$filter=LogStart+gt+datetime'2021-02-01T00:00:00Z'", api, 400},
		{"GET", "KeystoreEntries?$format=json", api, 400}, {"GET", "MessageProcessingLogs('", api, 400},
		{"POST", "IntegrationPackages", api, 400}, {"POST", "UserCredentials", api, 400},
		{"GET", "OAuth2ClientCredentials", api, 501}, {"GET", "CustomTagConfigurations", api, 501}, {"GET", "MessageProcessingLogAttachments", api, 501},
		{"PATCH", "IntegrationPackages('SandboxFlows')", api, 405}, {"POST", "MessageProcessingLogs", api, 405},
	} {
		address := tn.URL("api") + "/api/v1/" + strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22", "&", "%26").Replace(test.path)
		if strings.Contains(test.path, "?") {
			address = tn.URL("api") + "/api/v1/" + test.path
		}
		a := tn.send(test.method, address, "", test.bearer, "Accept: application/json")
		if a.StatusCode != test.status {
			t.Errorf("%s %s: status %d, want %d: %s", test.method, test.path, a.StatusCode, test.status, a.body)
			continue
		}
		if err := s.check("error", a.body); err != nil {
			t.Errorf("%s %s: %v\n%s", test.method, test.path, err, a.body)
		}
		if code := decode[struct{ Error struct{ Code string } }](t, a.body).Error.Code; code != http.StatusText(test.status) {
			t.Errorf("%s %s: code %q", test.method, test.path, code)
		}
		if strings.HasPrefix(test.bearer, "Accept") {
			continue
		}
		xml := tn.send(test.method, address, "", test.bearer)
		if err := document(xml.body); err != nil || xml.StatusCode != test.status || !strings.HasPrefix(xml.Header.Get("Content-Type"), "application/xml") {
			t.Errorf("%s %s in XML: %d %q: %v\n%s", test.method, test.path, xml.StatusCode, xml.Header.Get("Content-Type"), err, xml.body)
		}
	}
	// Business errors are a 500 with text (wire/sap.md 6.1).
	for path, body := range map[string]string{
		"IntegrationPackages": `{"Id":"SandboxFlows","Name":"x"}`, flowsPath: `{"Id":"Echo","Name":"Echo","PackageId":"SandboxFlows"}`,
	} {
		a := tn.odata("POST", path, body, "api")
		if a.StatusCode != 500 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") || strings.TrimSpace(a.body) == "" {
			t.Errorf("%s: %d %q %s", path, a.StatusCode, a.Header.Get("Content-Type"), a.body)
		}
	}
}

// TestShapesRefuse makes sure that a shape that is wrong is seen.
func TestShapesRefuse(t *testing.T) {
	s := readShapes(t)
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		id := tn.call("/http/orders", `{"sku":"A-100","qty":1}`)
		text := tn.odata("GET", "MessageProcessingLogs('"+id+"')", "", "api").body
		if err := s.check("one/MessageProcessingLogs", text); err != nil {
			t.Fatal(err)
		}
		for old, wrong := range map[string]string{
			`"Status":"COMPLETED"`:     `"Status":"DONE"`,
			`"LogStart":"/Date(`:       `"LogStart":"(`,
			`"LogLevel":`:              `"Level":`,
			`"Sender":null`:            `"Sender":1`,
			`"Receiver":null,`:         ``,
			`{"d":{`:                   `{"d":{"More":null,`,
			`{"d":`:                    `{"results":`,
			`HeaderProperties":{`:      `HeaderProperties":{"more":1,`,
			`.api.IntegrationArtifact`: `.api.Artifact`,
			`"MessageGuid":"A`:         `"MessageGuid":"B`,
			`"AlternateWebLink":"http`: `"AlternateWebLink":" http`,
		} {
			changed := strings.Replace(text, old, wrong, 1)
			if changed == text {
				t.Errorf("%s is not in %s", old, text)
			}
			if err := s.check("one/MessageProcessingLogs", changed); err == nil {
				t.Errorf("%s in place of %s is valid", wrong, old)
			}
		}
	})
}

// TestShapesOverTime looks at a log in every status of its course.
func TestShapesOverTime(t *testing.T) {
	s := readShapes(t)
	text, err := os.ReadFile("testdata/config/ok/log.yaml")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		tn := configured(t, string(text))
		id := tn.send("POST", tn.URL("runtime")+"/http/imported", `{"plant":"1"}`, tn.bearer("sender")).Header.Get("SAP_MessageProcessingLogID")
		seen := map[string]bool{}
		for range 20 {
			<-time.After(100 * time.Millisecond)
			text := tn.odata("GET", "MessageProcessingLogs('"+id+"')?$expand=ErrorInformation,Attachments,Runs", "", "api").body
			if err := s.check("one/MessageProcessingLogs", text); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			seen[decode[struct{ D logRow }](t, text).D.Status] = true
		}
		if len(seen) != 4 {
			t.Errorf("seen %v", seen)
		}
	})
}
