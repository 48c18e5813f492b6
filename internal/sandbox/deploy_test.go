package sandbox_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

// configured starts a tenant with a configuration.
func configured(t testing.TB, text string) *tenant {
	t.Helper()
	config, list := sandbox.ParseConfig("sandbox.yaml", []byte(text))
	if list.HasErrors() {
		t.Fatal(list)
	}
	return start(t, sandbox.Options{Config: config})
}

// deploy asks for a deployment and gives its task.
func (d *designer) deploy(id string) string {
	d.t.Helper()
	a := d.call(202, "POST", "DeployIntegrationDesigntimeArtifact?Id='"+id+"'&Version='Active'", "")
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		d.t.Errorf("the task is %s", a.Header.Get("Content-Type"))
	}
	return a.body
}

// task gives the status of a task.
func (d *designer) task(id string) string {
	d.t.Helper()
	return decode[struct{ D struct{ Status string } }](d.t, d.call(200, "GET", "BuildAndDeployStatus(TaskId='"+id+"')", "").body).D.Status
}

// deployed is a runtime artifact.
type deployed struct{ ID, Version, Name, Type, Status, DeployedBy string }

// status gives the status of a runtime artifact; "" when it is not deployed.
func (d *designer) status(id string) string {
	d.t.Helper()
	a := d.send("GET", d.URL("api")+"/api/v1/IntegrationRuntimeArtifacts('"+id+"')", "", d.bearer, "Accept: application/json")
	if a.StatusCode == 404 {
		return ""
	}
	return decode[struct{ D deployed }](d.t, a.body).D.Status
}

// endpoints gives the addresses that are listed for a flow.
func (d *designer) endpoints(id string) []string {
	d.t.Helper()
	a := d.call(200, "GET", "ServiceEndpoints?$expand=EntryPoints&$filter=Name+eq+'"+id+"'", "")
	var addresses []string
	for _, row := range decode[struct {
		D struct {
			Results []struct {
				EntryPoints struct{ Results []struct{ URL string } }
			}
		}
	}](d.t, a.body).D.Results {
		for _, e := range row.EntryPoints.Results {
			addresses = append(addresses, strings.TrimPrefix(e.URL, d.URL("runtime")))
		}
	}
	return addresses
}

// reason gives the error information of a runtime artifact.
func (d *designer) reason(id string) string {
	d.t.Helper()
	a := d.call(200, "GET", "IntegrationRuntimeArtifacts('"+id+"')/ErrorInformation/$value", "")
	const head, tail = `{"message":{"subsystemName":"CONTENT","subsytemPartName":"CONTENT_DEPLOY","messageId":"GenerationFailed","messageText":""},"parameter":["`, `"]}`
	if !strings.HasPrefix(a.body, head) || !strings.HasSuffix(a.body, tail) {
		d.t.Errorf("error information %s", a.body)
	}
	return strings.TrimSuffix(strings.TrimPrefix(a.body, head), tail)
}

// invoke sends a message to an endpoint.
func (d *designer) invoke(path, body string) answer {
	d.t.Helper()
	return d.send("POST", d.URL("runtime")+path, body, d.tenant.bearer("sender"), "Content-Type: text/x-message")
}

// wait lets milliseconds pass.
func wait(ms int) { <-time.After(time.Duration(ms) * time.Millisecond) }

func TestDeploymentTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		d.call(201, "POST", flowsPath, uploadBody(t, "Price", "SandboxFlows", flowZip(t, "Price", "1.0.2", "/price")))
		type moment struct {
			Task, Status string
			Endpoints    []string
			Answer       int
		}
		id := ""
		look := func() moment {
			return moment{d.task(id), d.status("Price"), d.endpoints("Price"), d.invoke("/http/price", "m").StatusCode}
		}
		if a := d.invoke("/http/price", "m"); a.StatusCode != 404 {
			t.Errorf("before: %d", a.StatusCode)
		}
		id = d.deploy("Price")
		if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
			t.Errorf("task %q", id)
		}
		listed := []string{"/http/price"}
		for i, want := range []moment{
			{"DEPLOYING", "", nil, 404},         // 150 ms
			{"SUCCESS", "STARTING", nil, 503},   // 450 ms
			{"SUCCESS", "STARTED", nil, 200},    // 750 ms
			{"SUCCESS", "STARTED", listed, 200}, // 1750 ms
			{"SUCCESS", "STOPPING", nil, 503},   // undeployed
			{"SUCCESS", "", nil, 404},           // 250 ms later
		} {
			switch i {
			case 3:
				wait(1000)
			case 4:
				d.call(202, "DELETE", "IntegrationRuntimeArtifacts('Price')", "")
				d.call(202, "DELETE", "IntegrationRuntimeArtifacts('Price')", "")
			case 0:
				wait(150)
			default:
				wait(300)
			}
			if diff := cmp.Diff(want, look()); diff != "" {
				t.Errorf("moment %d: -want +got:\n%s", i, diff)
			}
		}
		d.call(404, "DELETE", "IntegrationRuntimeArtifacts('Price')", "")
		d.call(404, "GET", "IntegrationRuntimeArtifacts('Price')/ErrorInformation/$value", "")
		d.call(200, "GET", one("Price", "active"), "") // its design stays
		d.deploy("Price")
		wait(700)
		if got := d.status("Price"); got != "STARTED" {
			t.Errorf("again: %q", got)
		}
	})
}

func TestAnUploadedFlowPassesMessagesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		d.call(201, "POST", flowsPath, uploadBody(t, "Price", "SandboxFlows", flowZip(t, "Price", "1.0.2", "/price")))
		d.deploy("Price")
		wait(700)
		a := d.invoke("/http/Price", "message")
		if a.StatusCode != 200 || a.body != "message" || a.Header.Get("Content-Type") != "text/x-message" {
			t.Errorf("got %d %q %v", a.StatusCode, a.body, a.Header)
		}
		if a := d.invoke("/http/price", ""); a.StatusCode != 204 {
			t.Errorf("nothing: %d", a.StatusCode)
		}
		wait(300)
		if l := d.log(a.Header.Get("SAP_MessageProcessingLogID"), d.bearer); l == nil || l.IntegrationFlowName != "Price" || l.Status != "COMPLETED" {
			t.Errorf("log %+v", l)
		}
		row := decode[struct{ D deployed }](t, d.call(200, "GET", "IntegrationRuntimeArtifacts('Price')", "").body).D
		if want := (deployed{"Price", "1.0.2", "Price of a developer", "INTEGRATION_FLOW", "STARTED", d.key("api").ClientID}); row != want {
			t.Errorf("got %+v, want %+v", row, want)
		}
	})
}

func TestRedeploymentTakesTheParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		links := one("OrderIntake", "active") + "/$links/Configurations"
		d.call(202, "PUT", links+"('Sender_Address')", `{"ParameterValue":"/v2/orders"}`)
		const order = `{"sku":"A-100","qty":1}`
		if a := d.invoke("/http/orders", order); a.StatusCode != 200 {
			t.Errorf("before it is deployed again: %d", a.StatusCode)
		}
		d.deploy("OrderIntake")
		if a := d.invoke("/http/orders", order); a.StatusCode != 200 {
			t.Errorf("while it is built: %d", a.StatusCode)
		}
		wait(400)
		if a := d.invoke("/http/v2/orders", order); a.StatusCode != 503 {
			t.Errorf("while it starts: %d", a.StatusCode)
		}
		wait(300)
		if a := d.invoke("/http/orders", order); a.StatusCode != 404 {
			t.Errorf("where it was: %d", a.StatusCode)
		}
		if a := d.invoke("/http/v2/orders", order); a.StatusCode != 200 || !strings.Contains(a.body, `"total":9.50`) {
			t.Errorf("where it is: %d %s", a.StatusCode, a.body)
		}
		d.call(202, "PUT", links+"('Sender_Role')", `{"ParameterValue":"Orders.write"}`)
		d.deploy("OrderIntake")
		wait(700)
		if a := d.invoke("/http/v2/orders", order); a.StatusCode != 403 {
			t.Errorf("with another role: %d", a.StatusCode)
		}
		d.call(202, "PUT", links+"('Sender_Address')", `{"ParameterValue":"/no good"}`)
		d.deploy("OrderIntake")
		wait(700)
		if got := d.reason("OrderIntake"); !strings.Contains(got, "/http/no good") {
			t.Errorf("a bad address: %q", got)
		}
	})
}

func TestDownloadUploadDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := start(t, sandbox.Options{}).designer(), start(t, sandbox.Options{}).designer()
		for _, id := range []string{"Echo", "TemperatureSoap"} {
			content := from.call(200, "GET", one(id, "active")+"/$value", "").body
			copied := "Copy" + id
			to.call(201, "POST", flowsPath, uploadBody(t, copied, "SandboxFlows", []byte(content)))
			// Its symbolic name is still that of the flow it was copied from.
			to.call(200, "PUT", one(copied, "active"), uploadBody(t, "", "", []byte(content)))
			task := to.deploy(copied)
			wait(700)
			if got := to.task(task) + " " + to.status(copied); got != "SUCCESS ERROR" {
				t.Errorf("%s beside %s: %s", copied, id, got)
			}
			if got := to.reason(copied); !strings.Contains(got, "'"+id+"'") || !strings.Contains(got, "already registered") {
				t.Errorf("the error does not name the other flow: %q", got)
			}
			to.call(202, "DELETE", "IntegrationRuntimeArtifacts('"+id+"')", "")
			wait(300)
			to.deploy(copied)
			wait(1700)
			path := map[string]string{"Echo": "/http/echo", "TemperatureSoap": "/cxf/temperature"}[id]
			if diff := cmp.Diff([]string{path}, to.endpoints(copied)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if a := to.invoke(path, "as it came"); a.StatusCode != 200 || a.body != "as it came" {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
	})
}

func TestAFlowOfOnesOwnAnswersInsteadOfAnUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := configured(t, `
deployment: {build: 2s, start: 1s, endpoint: 0s}
flows:
  - {id: Price, endpoint: /http/price, version: 1.0.4, deployed: false, respond: [{body: own}]}
  - {id: Doomed, endpoint: /http/doomed, deployment-error: "no \"worker\" has room", respond: [{body: never}]}
  - {id: Later, endpoint: /http/later, deployed: false, deployment-error: no license, respond: [{body: never}]}
`).designer()
		if got := d.artifact(one("Price", "active")).Version; got != "1.0.4" {
			t.Errorf("version %q", got)
		}
		for id, want := range map[string]string{"Price": "", "Doomed": "ERROR", "Later": ""} {
			if got := d.status(id); got != want {
				t.Errorf("%s is %q, want %q", id, got, want)
			}
		}
		for _, path := range []string{"/http/price", "/http/doomed"} {
			if a := d.invoke(path, ""); a.StatusCode != 404 {
				t.Errorf("%s: %d", path, a.StatusCode)
			}
		}
		if got := d.reason("Doomed"); got != `no \"worker\" has room` {
			t.Errorf("error %q", got)
		}
		d.deploy("Price")
		later := d.deploy("Later")
		wait(2500)
		if got := d.status("Price") + " " + d.status("Later"); got != "STARTING STARTING" {
			t.Errorf("after 2.5 s: %s", got)
		}
		d.call(204, "GET", "IntegrationRuntimeArtifacts('Later')/ErrorInformation/$value", "")
		wait(600)
		if got := d.task(later) + d.status("Later") + d.reason("Later"); got != "SUCCESSERRORno license" {
			t.Errorf("after 3.1 s: %s", got)
		}
		if diff := cmp.Diff([]string{"/http/price"}, d.endpoints("Price")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		d.call(200, "PUT", one("Price", "active"), uploadBody(t, "", "", flowZip(t, "Price", "1.0.5", "/elsewhere")))
		d.deploy("Price")
		wait(3100)
		// The sender of the upload counts, and the flow of one's own answers.
		if a := d.invoke("/http/elsewhere", "x"); a.StatusCode != 200 || a.body != "own" {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
		if a := d.invoke("/http/price", "x"); a.StatusCode != 404 {
			t.Errorf("its former endpoint: %d", a.StatusCode)
		}
		// Two artifacts have no endpoint in common.
		d.call(200, "PUT", one("Price", "active"), uploadBody(t, "", "", flowZip(t, "Price", "1.0.6", "/echo")))
		d.deploy("Price")
		wait(3100)
		if got := d.status("Price") + ": " + d.reason("Price"); !strings.Contains(got, "ERROR: The endpoint '/http/echo'") || !strings.Contains(got, "'Echo'") {
			t.Errorf("got %s", got)
		}
	})
}

// TestAnUploadKeepsTheEndpointOfAFlowWithAnotherSender deploys a flow whose
// sender the sandbox does not read.
func TestAnUploadKeepsTheEndpointOfAFlowWithAnotherSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		model := "src/main/resources/scenarioflows/integrationflow/Echo.iflw"
		content := zipped(t, "META-INF/MANIFEST.MF", "Bundle-SymbolicName: Echo\n", model, `<definitions><messageFlow><property><key>ComponentType</key><value>IDOC</value></property></messageFlow></definitions>`)
		d.call(200, "PUT", one("Echo", "active"), uploadBody(t, "", "", content))
		d.deploy("Echo")
		wait(2000)
		if diff := cmp.Diff([]string{"/http/echo"}, d.endpoints("Echo")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		// What is no flow does not become one, even where the sandbox has it.
		d.call(200, "PUT", one("Echo", "active"), uploadBody(t, "", "", zipped(t, "META-INF/MANIFEST.MF", "Bundle-SymbolicName: Echo\n", model, "<html/>")))
		task := d.deploy("Echo")
		wait(2000)
		if got := d.task(task) + " " + d.status("Echo"); got != "FAIL ERROR" {
			t.Errorf("got %s", got)
		}
		if a := d.invoke("/http/echo", "x"); a.StatusCode != 404 {
			t.Errorf("got %d", a.StatusCode)
		}
	})
}

func TestTheCSRFProtectionIsThatOfTheModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		content := strings.NewReplacer("<value>0</value>", "<value>1</value>")
		const id, model = "Echo", "src/main/resources/scenarioflows/integrationflow/Echo.iflw"
		text := `<definitions><messageFlow><property><key>ComponentType</key><value>HTTPS</value></property><property><key>urlPath</key><value>/echo</value></property>
			<property><key>xsrfProtection</key><value>0</value></property><property><key>direction</key><value>Sender</value></property></messageFlow></definitions>`
		for _, test := range []struct {
			text string
			want int
		}{{text, 200}, {content.Replace(text), 403}} {
			d.call(200, "PUT", one(id, "active"), uploadBody(t, "", "", zipped(t, "META-INF/MANIFEST.MF", "Bundle-SymbolicName: Echo\n", model, test.text)))
			d.deploy(id)
			wait(1000)
			if a := d.invoke("/http/echo", "x"); a.StatusCode != test.want {
				t.Errorf("got %d, want %d", a.StatusCode, test.want)
			}
		}
	})
}

func TestBuildsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		const manifest, symbolic = "META-INF/MANIFEST.MF", "Bundle-SymbolicName: "
		model := "src/main/resources/scenarioflows/integrationflow/F.iflw"
		for i, test := range []struct {
			kind    string
			members []string
			want    string
		}{
			{"Integration", nil, "has no model"},
			{"Integration", []string{model, ""}, "F.iflw is empty"},
			{"Integration", []string{model, "hello world"}, "F.iflw is not well-formed XML"},
			{"Integration", []string{model, "<a><b>"}, "F.iflw is not well-formed XML"},
			{"Integration", []string{model, `{"a":1}`}, "F.iflw is not well-formed XML"},
			{"Integration", []string{model, "<html><body>login</body></html>"}, "its root is <html>"},
			{"MessageMapping", []string{model, "<definitions/>"}, "has no message mapping"},
			{"ScriptCollection", []string{"a.txt", "x"}, "has no script"},
			{"ValueMapping", nil, "has no value_mapping.xml"},
		} {
			id := fmt.Sprintf("F%d", i)
			content := zipped(t, append([]string{manifest, symbolic + id + "\n"}, test.members...)...)
			d.call(201, "POST", test.kind+"DesigntimeArtifacts", uploadBody(t, id, "SandboxFlows", content))
			task := d.call(202, "POST", "Deploy"+test.kind+"DesigntimeArtifact?Id='"+id+"'&Version='active'", "").body
			wait(400)
			if got := d.status(id); got != "ERROR" {
				t.Errorf("%s %q: %s", test.kind, test.members, got)
				continue
			}
			if got := d.reason(id); !strings.HasPrefix(got, "The generation and build of the artifact were unsuccessful. It") || !strings.Contains(got, test.want) {
				t.Errorf("%s %q: %s, want %s", test.kind, test.members, got, test.want)
			}
			if test.kind == "Integration" && d.task(task) != "FAIL" {
				t.Errorf("%q: the task is %s", test.members, d.task(task))
			}
		}
	})
}

func TestFaultsOfADeployment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		d.fault("deploy-fails:name=Ech*,count=1")
		d.fault("deploy-slow:path=/api/v1/DeployIntegrationDesigntimeArtifact,name=Slow,seconds=5")
		d.fault("endpoint-late:seconds=20,name=Large")
		failing, slow := d.deploy("Echo"), d.deploy("Slow")
		d.deploy("Large")
		if got := d.task(failing); got != "DEPLOYING" {
			t.Errorf("at once: %s", got)
		}
		wait(400)
		if got := d.task(failing) + " " + d.status("Echo"); got != "FAIL ERROR" {
			t.Errorf("deploy-fails: %s", got)
		}
		if got := d.reason("Echo"); !strings.Contains(got, "generation and build of the artifact were unsuccessful") {
			t.Errorf("error %q", got)
		}
		if a := d.invoke("/http/echo", ""); a.StatusCode != 404 {
			t.Errorf("what does not start answers %d", a.StatusCode)
		}
		wait(4600)
		if got := d.task(slow); got != "DEPLOYING" {
			t.Errorf("deploy-slow after 5 s: %s", got)
		}
		if got := d.endpoints("Large"); got != nil || d.status("Large") != "STARTED" {
			t.Errorf("endpoint-late after 5 s: %v, %s", got, d.status("Large"))
		}
		wait(1000)
		if got := d.task(slow) + " " + d.status("Slow"); got != "SUCCESS STARTED" {
			t.Errorf("deploy-slow after 6 s: %s", got)
		}
		wait(16000)
		if got := d.endpoints("Large"); len(got) != 1 {
			t.Errorf("endpoint-late after 22 s: %v", got)
		}
		again := d.deploy("Echo")
		wait(700)
		if got := d.task(again) + " " + d.status("Echo"); got != "SUCCESS STARTED" {
			t.Errorf("when the fault is used up: %s", got)
		}
	})
}

func TestAWrongClockDeploysAsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		d.fault("clock-skew:seconds=-3600")
		d.bearer = d.tenant.bearer("api")
		if a := d.invoke("/http/echo", ""); a.StatusCode != 200 {
			t.Errorf("a flow from the start: %d", a.StatusCode)
		}
		task := d.deploy("Echo")
		d.send("DELETE", d.URL("control")+"/_sandbox/faults", "")
		d.fault("clock-skew:seconds=7200")
		d.bearer = d.tenant.bearer("api")
		if got := d.task(task); got != "DEPLOYING" {
			t.Errorf("at once: %s", got)
		}
		wait(700)
		if got := d.task(task) + " " + d.status("Echo"); got != "SUCCESS STARTED" {
			t.Errorf("later: %s", got)
		}
	})
}

func TestDeployingWhatCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		const deploy = "DeployIntegrationDesigntimeArtifact"
		for query, want := range map[string]int{
			"": 400, "?Id='Echo'": 400, "?Id=Echo&Version=active": 400, "?Id='Nope'&Version='active'": 404,
			"?Id='Echo'&Version='9.9.9'": 404, "?Id='Echo'&Version='1.0.0'": 202, "?Version=%27ACTIVE%27&Id=%27Echo%27": 202,
		} {
			d.call(want, "POST", deploy+query, "")
		}
		if a := d.call(404, "POST", deploy+"?Id='Nope'&Version='active'", ""); !strings.Contains(errorOf(t, a), "Requested entity could not be found") {
			t.Errorf("unknown: %s", a.body)
		}
		d.call(405, "GET", deploy+"?Id='Echo'&Version='active'", "")
		d.call(404, "GET", "BuildAndDeployStatus(TaskId='74d45405-68cf-4e3d-7701-2507f804178c')", "")
		d.call(404, "GET", "BuildAndDeployStatus", "")
		d.call(400, "GET", "IntegrationRuntimeArtifacts?$inlinecount=allpages", "")
		// A parameter of the address that is nowhere, and a flow without a sender.
		missing := zipped(t, "META-INF/MANIFEST.MF", "Bundle-SymbolicName: M\n", "src/main/resources/scenarioflows/integrationflow/M.iflw",
			`<definitions><messageFlow><property><key>ComponentType</key><value>HTTPS</value></property><property><key>urlPath</key><value>/{{Where}}</value></property><property><key>direction</key><value>Sender</value></property></messageFlow></definitions>`)
		d.call(201, "POST", flowsPath, uploadBody(t, "M", "SandboxFlows", missing))
		d.call(201, "POST", flowsPath, `{"Id":"Empty","Name":"Empty","PackageId":"SandboxFlows"}`)
		d.deploy("M")
		d.deploy("Empty")
		wait(1700)
		if got := d.status("M") + " " + d.status("Empty"); got != "ERROR STARTED" {
			t.Errorf("got %s", got)
		}
		if got := d.reason("M"); !strings.Contains(got, "'Where'") {
			t.Errorf("error %q", got)
		}
		d.call(204, "GET", "IntegrationRuntimeArtifacts('Empty')/ErrorInformation/$value", "")
		if got := d.endpoints("Empty"); got != nil {
			t.Errorf("endpoints %v", got)
		}
		if a := d.call(200, "GET", "IntegrationRuntimeArtifacts?$filter=Status+eq+'ERROR'&$top=5", ""); !strings.Contains(a.body, `"Id":"M"`) || strings.Contains(a.body, `"Id":"Empty"`) {
			t.Errorf("in error: %s", a.body)
		}
	})
}

func TestStateShowsWhatIsDeployed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		before := d.state()
		const row = `{"id":"Price","type":"INTEGRATION_FLOW","version":"1.0.2","status":"STARTED","content":"hmac-sha256:`
		d.call(201, "POST", flowsPath, uploadBody(t, "Price", "SandboxFlows", flowZip(t, "Price", "1.0.2", "/price")))
		d.deploy("Price")
		during := d.state()
		if flat := strings.Join(strings.Fields(during), ""); !strings.Contains(flat, row) || !strings.Contains(flat, `{"id":"Price","endpoint":"/http/price","role":"ESBMessaging.send"}`) {
			t.Errorf("state %s", during)
		}
		wait(2000)
		if diff := cmp.Diff(during, d.state()); diff != "" {
			t.Errorf("the state changes by itself: %s", diff)
		}
		d.call(202, "DELETE", "IntegrationRuntimeArtifacts('Price')", "")
		d.call(200, "DELETE", one("Price", "active"), "")
		if diff := cmp.Diff(before, d.state()); diff != "" {
			t.Errorf("-before +after:\n%s", diff)
		}
	})
}

func TestDeploymentWithBasicNeedsAToken(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("tester:tester-9f4c2b"))
	target := d.URL("api") + "/api/v1/DeployIntegrationDesigntimeArtifact?Id='Echo'&Version='active'"
	if a := d.send("POST", target, "", basic); a.StatusCode != 403 {
		t.Errorf("without: %d", a.StatusCode)
	}
	token := session(d.send("GET", d.URL("api")+"/api/v1/", "", basic, "X-CSRF-Token: fetch"))
	if a := d.send("POST", target, "", append(token, basic)...); a.StatusCode != 202 {
		t.Errorf("with: %d %s", a.StatusCode, a.body)
	}
}

// TestDeploymentsSideBySide looks for races between messages, deployments,
// uploads and lists.
func TestDeploymentsSideBySide(t *testing.T) {
	d := configured(t, "deployment: {build: 0s, start: 0s, endpoint: 0s}").designer()
	sender := d.tenant.bearer("sender")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			id := fmt.Sprintf("F%d", i)
			body := uploadBody(t, id, "SandboxFlows", flowZip(t, id, "1.0.0", "/"+id))
			for range 15 {
				for _, r := range [][3]string{
					{"POST", flowsPath, body}, {"POST", "DeployIntegrationDesigntimeArtifact?Id='" + id + "'&Version='active'", ""},
					{"PUT", one(id, "active") + "/$links/Configurations('Path')", `{"ParameterValue":"/` + id + `"}`},
					{"GET", "IntegrationRuntimeArtifacts", ""}, {"GET", "ServiceEndpoints", ""}, {"GET", one("Echo", "active") + "/$value", ""},
				} {
					if a, err := d.try(r[0], d.URL("api")+"/api/v1/"+r[1], r[2], d.bearer); err != nil || a.StatusCode/100 != 2 {
						t.Errorf("%s %s: %v %s", r[0], r[1], err, a.body)
					}
				}
				if a, err := d.try("POST", d.URL("runtime")+"/http/"+id, id, sender); err != nil || a.StatusCode != 200 || a.body != id {
					t.Errorf("%s: %v %s", id, err, a.body)
				}
				d.try("DELETE", d.URL("api")+"/api/v1/IntegrationRuntimeArtifacts('"+id+"')", "", d.bearer)
				d.try("DELETE", d.URL("api")+"/api/v1/"+one(id, "active"), "", d.bearer)
			}
		})
	}
	all.Wait()
}
