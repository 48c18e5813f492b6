package sandbox_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

// rows reads the rows of a list.
func rows[T any](tn *tenant, path string) []T {
	tn.t.Helper()
	a := tn.odata("GET", path, "", "api")
	if a.StatusCode != 200 {
		tn.t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
	}
	return decode[struct{ D struct{ Results []T } }](tn.t, a.body).D.Results
}

// call sends a message and gives its ID once its log is there.
func (tn *tenant) call(path, body string, header ...string) string {
	tn.t.Helper()
	a := tn.send("POST", tn.URL("runtime")+path, body, append(header, tn.bearer("sender"))...)
	id := a.Header.Get("SAP_MessageProcessingLogID")
	if id == "" {
		_, id, _ = strings.Cut(a.body, "failed message is : ")
		id, _, _ = strings.Cut(id, "\n")
	}
	<-time.After(300 * time.Millisecond)
	return id
}

type attachmentRow struct {
	ID          string `json:"Id"`
	MessageGuid string
	Name        string
	ContentType string
	PayloadSize string
	TimeStamp   string
	Metadata    struct {
		MediaSrc    string `json:"media_src"`
		ContentType string `json:"content_type"`
	} `json:"__metadata"`
}

type namedRow struct{ ID, Name, Value string }

// TestStatusOfTheMessage: the status of a log may depend on the message; what
// is no status ends the flow in an exception that says so.
func TestStatusOfTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config, diags := sandbox.ParseConfig("sandbox.yaml", []byte(`flows:
  - id: Judge
    endpoint: /http/judge
    respond: [{status: 202}]
    message-log: {status: "${request.json.status}", error: "it was ${request.json.status}"}
`))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		tn := start(t, sandbox.Options{Config: config})
		for status, want := range map[string][2]string{
			"COMPLETED": {"COMPLETED", "it was COMPLETED"},
			"FAILED":    {"FAILED", "it was FAILED"},
			"DONE":      {"FAILED", `status: want one of COMPLETED, PROCESSING, RETRY, ESCALATED, FAILED, CANCELLED, DISCARDED, ABANDONED, got "DONE"`},
		} {
			id := tn.call("/http/judge", `{"status":"`+status+`"}`)
			tn.asks([]asked{{"MessageProcessingLogs('" + id + "')", 200, `"Status":"` + want[0] + `"`}, {"MessageProcessingLogs('" + id + "')/ErrorInformation/$value", 200, want[1]}})
		}
	})
}

func TestAWrongClockHidesNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		before := tn.call("/http/echo", "x")
		tn.fault("clock-skew:seconds=-600")
		during := tn.call("/http/echo", "x")
		tn.asks([]asked{
			{"MessageProcessingLogs('" + before + "')", 200, "COMPLETED"},
			{"MessageProcessingLogs('" + during + "')", 200, "COMPLETED"},
			{"MessageProcessingLogs?$top=1&$select=MessageGuid", 200, during},
		})
		processing := tn.call("/http/import", "x")
		wait(1600)
		tn.asks([]asked{{"MessageProcessingLogs('" + processing + "')", 200, "PROCESSING"}})
		wait(200)
		tn.asks([]asked{{"MessageProcessingLogs('" + processing + "')", 200, "COMPLETED"}})
	})
}

func TestAttachments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		for _, test := range []struct{ path, body, contentType, name string }{
			{"/http/orders", `{"sku":"A-100","qty":1}`, "application/json", "Order"},
			{"/http/orders", `not an order`, "text/csv", "Order"},
			{"/http/orders-xml", `<order><sku>A-100</sku><qty>1</qty></order>`, "application/xml", "Order"},
			{"/http/broken", "\xff\x00 any", "", "Request"},
		} {
			var header []string
			if test.contentType != "" {
				header = append(header, "Content-Type: "+test.contentType)
			}
			id := tn.call(test.path, test.body, header...)
			log := "MessageProcessingLogs('" + id + "')"
			list := rows[attachmentRow](tn, log+"/Attachments")
			if len(list) != 1 {
				t.Errorf("%s: %d attachments", test.path, len(list))
				continue
			}
			got, want := list[0], test.contentType
			if want == "" {
				want = "application/octet-stream"
			}
			if got.Name != test.name || got.MessageGuid != id || got.PayloadSize != fmt.Sprint(len(test.body)) || got.ContentType != want || !strings.HasPrefix(got.TimeStamp, "/Date(") {
				t.Errorf("%s: %+v", test.path, got)
			}
			key := "('" + url.PathEscape(got.ID) + "')"
			for _, address := range []string{got.Metadata.MediaSrc, tn.URL("api") + "/api/v1/MessageProcessingLogAttachments" + key + "/$value", tn.URL("api") + "/api/v1/" + log + "/Attachments" + key + "/$value"} {
				a := tn.send("GET", address, "", tn.bearer("api"))
				if a.StatusCode != 200 || a.body != test.body || a.Header.Get("Content-Type") != want {
					t.Errorf("%s: %d %q %v", address, a.StatusCode, a.body, a.Header)
				}
			}
			expanded := tn.odata("GET", log+"?$expand=Attachments,CustomHeaderProperties", "", "api")
			if in := decode[struct {
				D struct {
					Attachments struct{ Results []attachmentRow }
				}
			}](t, expanded.body).D.Attachments.Results; len(in) != 1 || in[0].ID != got.ID {
				t.Errorf("expanded: %s", expanded.body)
			}
			if a := tn.odata("GET", log+"/Attachments/$count", "", "api"); a.body != "1" {
				t.Errorf("count %q", a.body)
			}
		}
		if list := rows[attachmentRow](tn, "MessageProcessingLogs('"+tn.call("/http/echo", "x")+"')/Attachments"); len(list) != 0 {
			t.Errorf("a flow that attaches nothing has %+v", list)
		}
	})
}

func TestMessageLogOfAFlowOfOnesOwn(t *testing.T) {
	text, err := os.ReadFile("testdata/config/ok/log.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, list := sandbox.ParseConfig("log.yaml", text)
	if len(list) > 0 {
		t.Fatal(list)
	}
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{Config: config})
		from := time.Now()
		a := tn.send("POST", tn.URL("runtime")+"/http/imported", `{"plant":"1010"}`, tn.bearer("sender"))
		id := a.Header.Get("SAP_MessageProcessingLogID")
		log, api := "MessageProcessingLogs('"+id+"')", tn.bearer("api")
		for _, test := range []struct {
			after  time.Duration
			status string
		}{
			{300, "PROCESSING"}, {999, "PROCESSING"}, {1001, "RETRY"}, {1499, "RETRY"}, {1501, "ESCALATED"}, {1749, "ESCALATED"}, {1751, "FAILED"},
		} {
			<-time.After(test.after*time.Millisecond - time.Since(from))
			l := tn.log(id, api)
			if final := test.status == "FAILED"; l == nil || l.Status != test.status || (l.LogEnd != nil) != final {
				t.Errorf("after %d ms: %+v, want %s", test.after, l, test.status)
			}
		}
		headers := rows[namedRow](tn, log+"/CustomHeaderProperties")
		if len(headers) != 1 || headers[0].Name != "Plant" || headers[0].Value != "1010" {
			t.Errorf("custom headers %+v", headers)
		}
		var adapter []string
		for _, p := range rows[namedRow](tn, log+"/AdapterAttributes") {
			adapter = append(adapter, p.Name+"="+p.Value)
			if one := rows[namedRow](tn, "MessageProcessingLogAdapterAttributes?$filter=Value+eq+'"+url.QueryEscape(p.Value)+"'"); len(one) != 1 || one[0] != p {
				t.Errorf("filtered: %+v", one)
			}
		}
		if d := cmp.Diff([]string{"Address=/http/imported", "Method=POST"}, adapter); d != "" {
			t.Errorf("adapter attributes: -want +got:\n%s", d)
		}
		var got []string
		for _, at := range rows[attachmentRow](tn, log+"/Attachments") {
			got = append(got, at.Name, at.ContentType, tn.send("GET", at.Metadata.MediaSrc, "", api).body)
		}
		if d := cmp.Diff([]string{
			"Import 1010", "text/csv", "plant;1010",
			"Report", "application/json", `{"plant":"1010","rows":[1,2]}`,
			"Document", "application/xml;charset=utf-8", "<plant>1010</plant>",
		}, got); d != "" {
			t.Errorf("attachments: -want +got:\n%s", d)
		}
		if a := tn.send("GET", tn.URL("api")+"/api/v1/"+log+"/ErrorInformation/$value", "", api); a.body != "no plant 1010" {
			t.Errorf("error information %d %q", a.StatusCode, a.body)
		}
	})
}

func TestMessageLogsNameArtifactAndPackage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		d := tn.designer()
		d.call(201, "POST", "IntegrationPackages", `{"Id":"Mine","Name":"My package"}`)
		d.call(201, "POST", flowsPath, uploadBody(t, "Uploaded", "Mine", flowZip(t, "Uploaded", "1.0.1", "/uploaded")))
		d.deploy("Uploaded")
		wait(2500)
		for path, want := range map[string]string{
			"/http/uploaded": "Uploaded, Uploaded of a developer, INTEGRATION_FLOW, Mine, My package",
			"/http/echo":     "Echo, Echo, INTEGRATION_FLOW, SandboxFlows, Sandbox Flows",
		} {
			text := tn.odata("GET", "MessageProcessingLogs('"+tn.call(path, "x")+"')", "", "api").body
			a := decode[struct {
				D struct {
					IntegrationArtifact struct{ ID, Name, Type, PackageID, PackageName string }
				}
			}](t, text).D.IntegrationArtifact
			if got := strings.Join([]string{a.ID, a.Name, a.Type, a.PackageID, a.PackageName}, ", "); got != want {
				t.Errorf("%s: got %s, want %s", path, got, want)
			}
		}
		if list := rows[logRow](tn, "MessageProcessingLogs?$filter=IntegrationArtifact/PackageId+eq+'Mine'+and+IntegrationArtifact/Name+eq+'Uploaded+of+a+developer'"); len(list) != 1 {
			t.Errorf("by package: %+v", list)
		}
	})
}

func TestMessageLogsAreSearched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		first := tn.call("/http/orders", `{"customer":"ACME","lines":[{"sku":"A-100","qty":1}]}`, "SAP_ApplicationID: 0815")
		second := tn.call("/http/orders", `{"sku":"A-100","qty":2}`)
		failed := tn.call("/http/broken", "x")
		names := map[string]string{first: "1", second: "2", failed: "3"}
		between := time.Now().Add(-700 * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000")
		for query, want := range map[string]string{
			"": "321",
			"$filter=IntegrationArtifact/Id+eq+'OrderIntake'+and+Status+ne+'DISCARDED'&$orderby=LogEnd+desc&$top=1": "2",
			"$filter=IntegrationFlowName eq 'OrderIntake' and LogStart ge datetime'" + between + "'":                "2",
			"$filter=LogEnd+lt+datetime'" + between + "'":                                                           "1",
			"$filter=ApplicationMessageId+eq+'0815'":                                                                "1",
			"$filter=MessageGuid+eq+'" + second + "'":                                                               "2",
			"$filter=Status+eq+'FAILED'+or+LogLevel+eq+'TRACE'":                                                     "3",
			"$orderby=LogStart&$skip=1":                                                                             "23",
			"$orderby=IntegrationFlowName,LogStart+desc":                                                            "321",
			"$orderby=TransactionId&$top=0":                                                                         "",
			"filterCustomHeaderProperties='Customer'+eq+'ACME'":                                                     "1",
			"filterCustomHeaderProperties='OrderStatus' eq 'ACCEPTED' and 'OrderNumber' eq '4712'":                  "2",
			"filterCustomHeaderProperties='OrderStatus' eq 'ACCEPTED'&$orderby=LogStart":                            "12",
			"filterCustomHeaderProperties='OrderStatus' eq 'accepted'":                                              "",
		} {
			query = strings.ReplaceAll(query, " ", "%20")
			var got strings.Builder
			for _, row := range rows[logRow](tn, "MessageProcessingLogs?"+query) {
				got.WriteString(names[row.MessageGuid])
			}
			if got.String() != want {
				t.Errorf("%s: got %s, want %s", query, got.String(), want)
			}
		}
		for path, want := range map[string]string{
			"$count": "3", "$count?$filter=Status+eq+'FAILED'": "1", "$count?filterCustomHeaderProperties='Customer'+eq+'ACME'": "1",
		} {
			if a := tn.odata("GET", "MessageProcessingLogs/"+path, "", "api"); a.StatusCode != 200 || a.body != want || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s: %d %q", path, a.StatusCode, a.body)
			}
		}
		for query, want := range map[string]string{
			"$filter=LogStart+gt+datetime'2021-02-01T00:00:00Z'":      "without a zone",
			"$filter=LogStart+gt+datetime'2021-02-01T00:00:00+01:00'": "without a zone",
			"$filter=LogStart+gt+'2021-02-01T00:00:00'":               "cannot compare",
			"$filter=Name+eq+'x'":                                     `has no property \"Name\"`,
			"$orderby=Nope":                                           "has no property",
			"$top=-1":                                                 "whole number",
			"$expand=Nope":                                            "has no navigation property",
			"$expand=IntegrationArtifact":                             "has no navigation property",
			"$select=Nope":                                            "has no property",
			"filterCustomHeaderProperties=po+eq+'1'":                  "want 'NAME' eq 'VALUE'",
			"filterCustomHeaderProperties='po'+ne+'1'":                "want 'NAME' eq 'VALUE'",
			"filterCustomHeaderProperties='po'+eq+'1'+or+'a'+eq+'b'":  "want and, or the end",
			"filterCustomHeaderProperties=":                           "want 'NAME' eq 'VALUE'",
		} {
			a := tn.odata("GET", "MessageProcessingLogs?"+query, "", "api")
			if a.StatusCode != 400 || !strings.Contains(a.body, want) {
				t.Errorf("%s: %d %s, want %s", query, a.StatusCode, a.body, want)
			}
		}
	})
}

func TestCustomHeadersOfAllLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		first := tn.call("/http/orders", `{"customer":"ACME","lines":[{"sku":"A-100","qty":1}]}`)
		tn.call("/http/orders", `{"sku":"A-100","qty":2}`)
		const set = "MessageProcessingLogCustomHeaderProperties"
		found := rows[namedRow](tn, set+"?$filter=Name+eq+'Customer'+and+Value+eq+'ACME'")
		if len(found) != 1 {
			t.Fatalf("found %+v", found)
		}
		one := set + "('" + found[0].ID + "')"
		if got := decode[struct{ D namedRow }](t, tn.odata("GET", one, "", "api").body).D; got != found[0] {
			t.Errorf("%s: %+v", one, got)
		}
		for _, path := range []string{one + "/Log", one + "?$expand=Log"} {
			if a := tn.odata("GET", path, "", "api"); a.StatusCode != 200 || !strings.Contains(a.body, `"MessageGuid":"`+first+`"`) {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
		if all := rows[namedRow](tn, set); len(all) != 5 {
			t.Errorf("%d custom headers: %+v", len(all), all)
		}
		for path, want := range map[string]int{
			set + "('" + first + "_9')": 404, set + "('" + first + "')": 404, set + "('x')": 404, one + "/Nope": 404, one + "/Log('x')": 404, set + "/Nope": 404,
			one + "/Log/CustomHeaderProperties('" + found[0].ID + "')/Log/Runs": 200, set + "/$count": 200,
			"MessageProcessingLogAttachments": 501, "MessageProcessingLogAttachments('sap-it-res:msg:sandbox:x_1')": 404,
			"MessageProcessingLogRuns('" + first + "_1')": 200, "MessageProcessingLogRuns('" + first + "_1')/RunSteps": 200,
			"MessageProcessingLogRuns('" + first + "_2')": 404, "MessageProcessingLogs('" + first + "')/MessageStoreEntries": 200,
			"MessageProcessingLogs('" + first + "')/ErrorInformation": 204, "MessageProcessingLogs('" + first + "')/ErrorInformation/$value": 204,
			"MessageProcessingLogErrorInformations('" + first + "')": 404, "MessageProcessingLogs('" + first + "')/Runs('x')": 404,
			"MessageProcessingLogs('" + first + "')/CustomHeaderProperties/$count": 200, "MessageProcessingLogs('" + first + "')/Runs/Nope": 404,
			"MessageProcessingLogs('" + first + "')?$expand=CustomHeaderProperties/Log": 501,
		} {
			if a := tn.odata("GET", path, "", "api"); a.StatusCode != want {
				t.Errorf("%s: %d %s, want %d", path, a.StatusCode, a.body, want)
			}
		}
		if a := tn.odata("DELETE", "MessageProcessingLogs('"+first+"')", "", "api"); a.StatusCode != 405 {
			t.Errorf("DELETE: %d", a.StatusCode)
		}
	})
}

// TestMessageLogsArePaged reads more logs than one answer holds.
func TestMessageLogsArePaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		bearer := tn.bearer("sender")
		for range 700 {
			tn.send("POST", tn.URL("runtime")+"/http/import", "x", bearer)
			tn.send("POST", tn.URL("runtime")+"/http/orders", "{}", bearer)
		}
		<-time.After(5 * time.Second)
		seen, address := map[string]bool{}, tn.URL("api")+"/api/v1/MessageProcessingLogs?$inlinecount=allpages&$filter=Status+eq+'COMPLETED'"
		for pages := 0; address != ""; pages++ {
			page := decode[struct {
				D struct {
					Count   string `json:"__count"`
					Next    string `json:"__next"`
					Results []logRow
				}
			}](t, tn.send("GET", address, "", tn.bearer("api"), "Accept: application/json").body).D
			for _, l := range page.Results {
				seen[l.MessageGuid] = true
			}
			if page.Count != "1400" || pages > 1 || (page.Next == "") != (pages == 1) {
				t.Fatalf("page %d: %d of %s, next %q", pages, len(page.Results), page.Count, page.Next)
			}
			address = page.Next
		}
		if len(seen) != 1400 {
			t.Errorf("%d logs, want 1400", len(seen))
		}
	})
}

// BenchmarkMessageLogs lists among 1,000 logs, as a runner does that polls.
func BenchmarkMessageLogs(b *testing.B) {
	for name, query := range map[string]string{
		"newest":  "$inlinecount=allpages&$filter=IntegrationArtifact/Id+eq+'OrderIntake'+and+Status+ne+'DISCARDED'+and+LogStart+ge+datetime'2020-01-01T00:00:00'&$orderby=LogStart+desc&$top=1",
		"all":     "$filter=IntegrationArtifact/Id+eq+'OrderIntake'+and+Status+eq+'COMPLETED'",
		"headers": "filterCustomHeaderProperties='OrderNumber'+eq+'4800'",
	} {
		b.Run(name, func(b *testing.B) {
			tn := start(b, sandbox.Options{})
			bearer := tn.bearer("sender")
			for range 1000 {
				tn.send("POST", tn.URL("runtime")+"/http/orders", `{"sku":"A-100","qty":1}`, bearer)
			}
			for tn.odata("GET", "MessageProcessingLogs/$count", "", "api").body != "1000" { // until they are all there
			}
			b.ReportAllocs()
			address, api := tn.URL("api")+"/api/v1/MessageProcessingLogs?"+query, tn.bearer("api")
			for b.Loop() {
				if a := tn.send("GET", address, "", api, "Accept: application/json"); a.StatusCode != 200 {
					b.Fatal(a.StatusCode, a.body)
				}
			}
		})
	}
}
