package sandbox_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

// designer is somebody who works with the OData API of a tenant.
type designer struct {
	*tenant
	bearer string
}

func (tn *tenant) designer() *designer { return &designer{tn, tn.bearer("api")} }

// call does a request below /api/v1 and wants a status.
func (d *designer) call(status int, method, path, body string) answer {
	d.t.Helper()
	a := d.send(method, d.URL("api")+"/api/v1/"+path, body, d.bearer, "Accept: application/json")
	if a.StatusCode != status {
		d.t.Fatalf("%s %s: got %d, want %d\n%s", method, path, a.StatusCode, status, a.body)
	}
	return a
}

// errorOf gives the message of an error.
func errorOf(t testing.TB, a answer) string {
	t.Helper()
	return decode[struct {
		Error struct {
			Message struct{ Lang, Value string }
		}
	}](t, a.body).Error.Message.Value
}

// artifactRow is a design-time artifact as wire/sap.md 6.5 has it.
type artifactRow struct {
	ID              string `json:"Id"`
	PackageID       string `json:"PackageId"`
	Version, Name   string
	Description     string
	CreatedAt       string
	ModifiedBy      string
	ArtifactContent *string
}

func (d *designer) artifact(path string) artifactRow {
	d.t.Helper()
	return decode[struct{ D artifactRow }](d.t, d.call(200, "GET", path, "").body).D
}

func (d *designer) artifacts(path string) []artifactRow {
	d.t.Helper()
	return decode[struct {
		D struct{ Results []artifactRow }
	}](d.t, d.call(200, "GET", path, "").body).D.Results
}

// zipped makes the content of an artifact: pairs of names and contents.
func zipped(t testing.TB, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for pair := range slices.Chunk(members, 2) {
		w, err := archive.Create(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pair[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// flowZip is an integration flow as a developer uploads it.
func flowZip(t testing.TB, id, version, address string) []byte {
	return zipped(t,
		"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nBundle-Name: "+id+" of a developer\nBundle-SymbolicName: "+id+"; singleton:=true\nBundle-Version: "+version+"\n",
		"metainfo.prop", "description=takes messages\n",
		"src/main/resources/parameters.prop", "Path="+address+"\nLog\\ Level=INFO\n",
		"src/main/resources/script/map.groovy", "return message",
		"src/main/resources/scenarioflows/integrationflow/"+id+".iflw", `<d:definitions xmlns:d="b" xmlns:ifl="i"><d:messageFlow>
			<ifl:property><key>ComponentType</key><value>HTTPS</value></ifl:property>
			<ifl:property><key>urlPath</key><value>{{Path}}</value></ifl:property>
			<ifl:property><key>userRole</key><value>ESBMessaging.send</value></ifl:property>
			<ifl:property><key>xsrfProtection</key><value>0</value></ifl:property>
			<ifl:property><key>direction</key><value>Sender</value></ifl:property></d:messageFlow></d:definitions>`)
}

// uploadBody is the JSON of an upload.
func uploadBody(t testing.TB, id, packageID string, content []byte) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"Name": "", "Id": id, "PackageId": packageID, "ArtifactContent": base64.StdEncoding.EncodeToString(content)})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

const flowsPath = "IntegrationDesigntimeArtifacts"

// one is the path of a flow.
func one(id, version string) string { return flowsPath + "(Id='" + id + "',Version='" + version + "')" }

func TestBuiltInFlowsHaveADesign(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	list := d.artifacts("IntegrationPackages('SandboxFlows')/" + flowsPath + "?$skip=3&$filter=startswith(Id,'Order')")
	var ids []string
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	if want := []string{"OrderIntake", "OrderIntakeXml"}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v: $skip is ignored there", ids, want)
	}
	got := d.artifact(one("OrderIntake", "Active"))
	if got.ArtifactContent != nil || got.CreatedAt == "" {
		t.Errorf("content %v, created at %q", got.ArtifactContent, got.CreatedAt)
	}
	got.CreatedAt = ""
	if diff := cmp.Diff(artifactRow{ID: "OrderIntake", PackageID: "SandboxFlows", Version: "1.0.0", Name: "OrderIntake", ModifiedBy: "sandbox"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	d.call(200, "GET", one("OrderIntake", "1.0.0"), "")
	for _, path := range []string{one("OrderIntake", "1.0.1"), one("Nope", "active"), "ScriptCollectionDesigntimeArtifacts(Id='OrderIntake',Version='active')"} {
		if a := d.call(404, "GET", path, ""); !strings.HasPrefix(errorOf(t, a), "Requested entity could not be found") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	d.call(400, "GET", flowsPath+"('OrderIntake')", "")
	d.call(501, "GET", flowsPath, "")
	d.call(404, "GET", one("Echo", "active")+"/Nothing", "")
	d.call(405, "PATCH", one("Echo", "active"), "")
	expanded := d.call(200, "GET", "IntegrationPackages('SandboxFlows')?$expand="+flowsPath, "")
	if !strings.Contains(expanded.body, `"IntegrationDesigntimeArtifacts":{"results":[{"__metadata"`) {
		t.Errorf("expanded: %s", expanded.body)
	}
}

func TestDownloadIsAZip(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	a := d.call(200, "GET", one("Echo", "active")+"/$value", "")
	_, params, err := mime.ParseMediaType(a.Header.Get("Content-Disposition"))
	if err != nil || params["filename"] != "Echo.zip" || a.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("%v %v %q", err, params, a.Header.Get("Content-Type"))
	}
	archive, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range archive.File {
		names = append(names, f.Name)
	}
	for _, want := range []string{"META-INF/MANIFEST.MF", ".project", "src/main/resources/scenarioflows/integrationflow/Echo.iflw", "src/main/resources/parameters.prop"} {
		if !slices.Contains(names, want) {
			t.Errorf("the zip lacks %s: %v", want, names)
		}
	}
}

// parameterRow is an externalized parameter.
type parameterRow struct{ ParameterKey, ParameterValue, DataType string }

func (d *designer) parameters(id string) []parameterRow {
	d.t.Helper()
	a := d.call(200, "GET", one(id, "active")+"/Configurations", "")
	return decode[struct {
		D struct{ Results []parameterRow }
	}](d.t, a.body).D.Results
}

func TestUploadUpdateDelete(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	d.call(201, "POST", "IntegrationPackages", `{"Id":"Team","Name":"Team"}`)
	before := d.send("GET", d.URL("control")+"/_sandbox/state", "").body
	content := flowZip(t, "Price", "1.0.2", "/price")
	created := d.call(201, "POST", flowsPath, uploadBody(t, "Price", "Team", content))
	if want := d.URL("api") + "/api/v1/" + one("Price", "1.0.2"); created.Header.Get("Location") != want {
		t.Errorf("Location %q, want %q", created.Header.Get("Location"), want)
	}
	got := d.artifact(one("Price", "active"))
	got.CreatedAt = ""
	want := artifactRow{ID: "Price", PackageID: "Team", Version: "1.0.2", Name: "Price of a developer", Description: "takes messages", ModifiedBy: d.key("api").ClientID}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if a := d.call(200, "GET", one("Price", "active")+"/$value", ""); a.body != string(content) {
		t.Errorf("what comes back is not what was sent")
	}
	if state := d.send("GET", d.URL("control")+"/_sandbox/state", "").body; !strings.Contains(strings.Join(strings.Fields(state), ""), `"artifacts":[{"id":"Price","type":"INTEGRATION_FLOW","version":"1.0.2","name":"Priceofadeveloper","description":"takesmessages","content":"sha256:`+fmt.Sprintf("%x", sha256.Sum256(content))+`"}]}`) {
		t.Errorf("state %s", state)
	}
	twice := d.call(500, "POST", flowsPath, uploadBody(t, "Price", "Team", content))
	if !strings.Contains(twice.body, "'Price' already exists") || !strings.HasPrefix(twice.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("twice: %s", twice.body)
	}
	d.call(200, "PUT", one("Price", "active"), uploadBody(t, "", "", flowZip(t, "Price", "1.0.3", "/price")))
	d.call(404, "GET", one("Price", "1.0.2"), "")
	if got := d.artifact(one("Price", "1.0.3")); got.Version != "1.0.3" {
		t.Errorf("after the update: %+v", got)
	}
	renamed := d.call(400, "PUT", one("Price", "active"), uploadBody(t, "", "", flowZip(t, "Other", "1.0.4", "/price")))
	if !strings.Contains(errorOf(t, renamed), "Bundle-SymbolicName 'Other'") {
		t.Errorf("renamed: %s", renamed.body)
	}
	if got := d.artifact(one("Price", "active")); got.Version != "1.0.3" {
		t.Errorf("after an update that was refused: %+v", got)
	}
	// Created with another symbolic name, it stays that.
	d.call(201, "POST", flowsPath, uploadBody(t, "Copy", "Team", content))
	if refused := d.call(400, "PUT", one("Copy", "active"), uploadBody(t, "", "", flowZip(t, "Copy", "1.0.3", "/copy"))); !strings.Contains(errorOf(t, refused), "it is 'Price'") {
		t.Errorf("the ID as symbolic name: %s", refused.body)
	}
	d.call(200, "PUT", one("Copy", "active"), uploadBody(t, "", "", flowZip(t, "Price", "1.0.3", "/copy")))
	d.call(200, "DELETE", one("Copy", "active"), "")
	d.call(200, "DELETE", one("Price", "active"), "")
	d.call(404, "GET", one("Price", "active"), "")
	d.call(404, "DELETE", one("Price", "active"), "")
	if diff := cmp.Diff(before, d.send("GET", d.URL("control")+"/_sandbox/state", "").body); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	// With its package everything in it goes.
	d.call(201, "POST", flowsPath, uploadBody(t, "Price", "Team", content))
	d.call(202, "DELETE", "IntegrationPackages('Team')", "")
	d.call(404, "GET", one("Price", "active"), "")
}

func TestUploadsThatAreWrong(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	good := flowZip(t, "F", "1.0.0", "/f")
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"no JSON":         {400, "PK", "no JSON object"},
		"numbers":         {400, `{"Id": 1}`, "the body is no artifact"},
		"no ID":           {400, uploadBody(t, "", "SandboxFlows", good), "Id '' is not valid"},
		"an ID of a path": {400, uploadBody(t, "a/b", "", good), "Id 'a/b' is not valid: it may hold letters, digits, _ . - and blanks\nPackageId is mandatory"},
		"no package":      {404, uploadBody(t, "F", "Nope", good), "Integration Package 'Nope'"},
		"no Base64":       {400, `{"Id":"F","PackageId":"SandboxFlows","ArtifactContent":"%%"}`, "not encoded in Base64"},
		"no zip":          {400, uploadBody(t, "F", "SandboxFlows", []byte("text")), "not a zip archive"},
		"empty manifest":  {400, uploadBody(t, "F", "SandboxFlows", zipped(t, "META-INF/MANIFEST.MF", "")), "META-INF/MANIFEST.MF is empty"},
		"no manifest":     {400, uploadBody(t, "F", "SandboxFlows", zipped(t, "a.txt", "a")), "has no META-INF/MANIFEST.MF"},
	} {
		if a := d.call(test.status, "POST", flowsPath, test.body); !strings.Contains(errorOf(t, a), test.want) {
			t.Errorf("%s: %s, want %q", name, a.body, test.want)
		}
	}
}

func TestConfigurations(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	d.call(201, "POST", flowsPath, uploadBody(t, "Price", "SandboxFlows", flowZip(t, "Price", "1.0.0", "/price")))
	want := []parameterRow{{"Log Level", "INFO", "xsd:string"}, {"Path", "/price", "xsd:string"}}
	if diff := cmp.Diff(want, d.parameters("Price")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	link := one("Price", "active") + "/$links/Configurations"
	a := d.call(202, "PUT", link+"('Log%20Level')", `{"ParameterValue":"DEBUG","DataType":"xsd:string"}`)
	if a.body != "" {
		t.Errorf("body %q", a.body)
	}
	want[0].ParameterValue = "DEBUG"
	if diff := cmp.Diff(want, d.parameters("Price")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if a := d.call(200, "GET", one("Price", "active")+"/Configurations('Path')", ""); !strings.Contains(a.body, `"ParameterValue":"/price"`) {
		t.Errorf("one: %s", a.body)
	}
	if a := d.call(200, "GET", one("Price", "active")+"/Configurations/$count", ""); a.body != "2" {
		t.Errorf("count %q", a.body)
	}
	// An upload leaves what was configured, as long as the parameter is there.
	d.call(200, "PUT", one("Price", "active"), uploadBody(t, "", "", flowZip(t, "Price", "1.0.1", "/other")))
	want[1].ParameterValue = "/other"
	if diff := cmp.Diff(want, d.parameters("Price")); diff != "" {
		t.Errorf("after an upload: -want +got:\n%s", diff)
	}
	if a := d.call(404, "PUT", link+"('Nope')", `{"ParameterValue":"x"}`); !strings.Contains(errorOf(t, a), "'Nope'") {
		t.Errorf("unknown: %s", a.body)
	}
	d.call(400, "PUT", link+"('Path')", `{"DataType":"xsd:string"}`)
	d.call(405, "DELETE", link+"('Path')", "")
	if a := d.call(200, "GET", one("Price", "active")+"/Resources", ""); !strings.Contains(a.body, `"Name":"map.groovy","ResourceType":"groovy"`) {
		t.Errorf("resources: %s", a.body)
	}
}

func TestSiblingsHaveTheSameShape(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	for _, kind := range []string{"MessageMapping", "ScriptCollection", "ValueMapping"} {
		set, id := kind+"DesigntimeArtifacts", "My"+kind
		content := zipped(t, "META-INF/MANIFEST.MF", "Bundle-SymbolicName: "+id+"\nBundle-Version: 1.2.3\n", "x.bin", "x")
		d.call(201, "POST", set, uploadBody(t, id, "SandboxFlows", content))
		path := set + "(Id='" + id + "',Version='active')"
		if got := d.artifact(path); got.Version != "1.2.3" || got.Name != id {
			t.Errorf("%s: %+v", kind, got)
		}
		if got := d.artifacts("IntegrationPackages('SandboxFlows')/" + set); len(got) != 1 || got[0].ID != id {
			t.Errorf("%s in its package: %+v", kind, got)
		}
		if a := d.call(200, "GET", path+"/$value", ""); a.body != string(content) {
			t.Errorf("%s comes back changed", kind)
		}
		d.call(404, "GET", path+"/Configurations", "")
		// An ID is there once, whatever it is.
		taken := d.call(500, "POST", flowsPath, uploadBody(t, id, "SandboxFlows", flowZip(t, id, "1.0.0", "/x")))
		if want := strings.TrimSuffix(kind, "Mapping"); !strings.HasPrefix(taken.body, want[:5]) || !strings.Contains(taken.body, "'"+id+"' already exists") {
			t.Errorf("%s: %s", kind, taken.body)
		}
		if a := d.call(202, "POST", "Deploy"+kind+"DesigntimeArtifact?Id='"+id+"'&Version='active'", ""); a.body != "" {
			t.Errorf("%s: the task %q is told", kind, a.body)
		}
		d.call(200, "DELETE", path, "")
	}
}

func TestDesigntimeRoles(t *testing.T) {
	config, list := sandbox.ParseConfig("c.yaml", []byte(`instances:
  - {name: reading, plan: api, roles: [WorkspacePackagesRead], keys: [reading]}
  - {name: editing, plan: api, roles: [WorkspacePackagesEdit], keys: [editing]}
  - {name: configuring, plan: api, roles: [WorkspacePackagesConfigure], keys: [configuring]}
  - {name: deploying, plan: api, roles: [WorkspaceArtifactsDeploy], keys: [deploying]}
  - {name: watching, plan: api, roles: [MonitoringDataRead], keys: [watching]}
`))
	if list.HasErrors() {
		t.Fatal(list)
	}
	tn := start(t, sandbox.Options{Config: config})
	for _, test := range []struct{ method, path, body, key string }{
		{"GET", one("Echo", "active"), "", "reading"},
		{"GET", one("Echo", "active") + "/$value", "", "reading"},
		{"PUT", one("Echo", "active") + "/$links/Configurations('Sender_Role')", `{"ParameterValue":"x"}`, "configuring"},
		{"PUT", one("Echo", "active"), `{"Name":"x"}`, "editing"},
		{"POST", "DeployIntegrationDesigntimeArtifact?Id='Echo'&Version='active'", "", "deploying"},
		{"GET", "IntegrationRuntimeArtifacts", "", "watching"},
		{"DELETE", "IntegrationRuntimeArtifacts('Slow')", "", "deploying"},
	} {
		for _, key := range []string{"reading", "editing", "configuring", "deploying", "watching"} {
			a := tn.send(test.method, tn.URL("api")+"/api/v1/"+test.path, test.body, tn.bearer(key))
			if (a.StatusCode/100 == 2) != (key == test.key) || a.StatusCode/100 != 2 && a.StatusCode != 403 {
				t.Errorf("%s %s as %s: %d %s", test.method, test.path, key, a.StatusCode, a.body)
			}
		}
	}
}
