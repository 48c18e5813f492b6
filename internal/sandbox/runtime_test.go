package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/sandbox"
)

// session gives the headers that continue a CSRF handshake.
func session(a answer) []string {
	headers := []string{"X-CSRF-Token: " + a.Header.Get("X-CSRF-Token")}
	for _, c := range a.Cookies() {
		headers = append(headers, "Cookie: "+c.Name+"="+c.Value)
	}
	return headers
}

func TestCSRFHandshake(t *testing.T) {
	tn := start(t, sandbox.Options{})
	for _, test := range []struct {
		name, fetch, url, body, auth string
		want                         int
	}{
		{"runtime", tn.URL("runtime") + "/http/csrf", tn.URL("runtime") + "/http/csrf", "x", tn.bearer("sender"), 200},
		{"api", tn.URL("api") + "/api/v1/", tn.URL("api") + "/api/v1/IntegrationPackages", `{"Id":"A","Name":"A"}`, "Authorization: Basic " + tn.fill("{{api.basic}}"), 201},
	} {
		t.Run(test.name, func(t *testing.T) {
			fetched := tn.send("GET", test.fetch, "", test.auth, "X-CSRF-Token: Fetch")
			token := session(fetched)
			if len(token) != 4 {
				t.Fatalf("want a token and three cookies, got %v", token)
			}
			for name, headers := range map[string][]string{
				"no cookies":  {test.auth, token[0]},
				"no token":    {test.auth, token[1]},
				"other token": {test.auth, token[1], "X-CSRF-Token: x"},
				"fetch":       {test.auth, token[1], "X-CSRF-Token: fetch"},
			} {
				a := tn.send("POST", test.url, test.body, headers...)
				if a.StatusCode != 403 || !strings.EqualFold(a.Header.Get("X-CSRF-Token"), "required") || len(a.Cookies()) != 3 {
					t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
				}
			}
			again := tn.send("GET", test.fetch, "", append(token[1:], test.auth, "X-CSRF-Token: Fetch")...)
			if again.Header.Get("X-CSRF-Token") != fetched.Header.Get("X-CSRF-Token") || len(again.Cookies()) != 0 {
				t.Errorf("a session gets another token: %v", again.Header)
			}
			if a := tn.send("POST", test.url, test.body, append(token, test.auth)...); a.StatusCode != test.want {
				t.Errorf("with both: %d %s, want %d", a.StatusCode, a.body, test.want)
			}
		})
	}
}

// logRow is what a test reads of a message log.
type logRow struct {
	MessageGuid, CorrelationID, Status, IntegrationFlowName string
	LogStart, LogEnd                                        *string
	ApplicationMessageID                                    *string
}

// log reads a message log; nil when it is not there.
func (tn *tenant) log(id, bearer string) *logRow {
	tn.t.Helper()
	a := tn.send("GET", tn.URL("api")+"/api/v1/MessageProcessingLogs('"+id+"')", "", bearer, "Accept: application/json")
	if a.StatusCode == 404 {
		return nil
	}
	if a.StatusCode != 200 {
		tn.t.Fatalf("log: %d %s", a.StatusCode, a.body)
	}
	row := decode[struct{ D logRow }](tn.t, a.body).D
	return &row
}

func TestMessageLogOfAsyncImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		sender, api := tn.bearer("sender"), tn.bearer("api")
		a := tn.send("POST", tn.URL("runtime")+"/http/import", "rows", sender, "SAP_ApplicationID: 4711")
		id := a.Header.Get("SAP_MessageProcessingLogID")
		if l := tn.log(id, api); l != nil {
			t.Errorf("the log is there at once: %+v", l)
		}
		<-time.After(300 * time.Millisecond)
		l := tn.log(id, api)
		if l == nil || l.Status != "PROCESSING" || l.LogEnd != nil || l.IntegrationFlowName != "AsyncImport" || *l.ApplicationMessageID != "4711" || l.CorrelationID != id {
			t.Fatalf("after 300 ms: %+v", l)
		}
		<-time.After(1600 * time.Millisecond)
		if l := tn.log(id, api); l.Status != "PROCESSING" {
			t.Errorf("after 1.9 s: %+v", l)
		}
		<-time.After(200 * time.Millisecond)
		if l := tn.log(id, api); l.Status != "COMPLETED" || l.LogEnd == nil {
			t.Errorf("after 2.1 s: %+v", l)
		}
	})
}

func TestMessageLogOfBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		a := tn.send("POST", tn.URL("runtime")+"/http/broken", "x", tn.bearer("sender"))
		_, id, _ := strings.Cut(a.body, "failed message is : ")
		id, _, _ = strings.Cut(id, "\n")
		<-time.After(300 * time.Millisecond)
		api := tn.bearer("api")
		if l := tn.log(id, api); l == nil || l.Status != "FAILED" {
			t.Fatalf("log of %q: %+v", id, l)
		}
		text := tn.send("GET", tn.URL("api")+"/api/v1/MessageProcessingLogs('"+id+"')/ErrorInformation/$value", "", api)
		if text.StatusCode != 200 || !strings.Contains(text.body, "Exception") || !strings.HasPrefix(text.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("error information: %d %q", text.StatusCode, text.body)
		}
	})
}

func TestMessageLogOfAnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		sender, api := tn.bearer("sender"), tn.bearer("api")
		a := tn.send("POST", tn.URL("runtime")+"/http/orders", `{"sku":"A-100","qty":1}`, sender)
		id := a.Header.Get("SAP_MessageProcessingLogID")
		<-time.After(300 * time.Millisecond)
		base := tn.URL("api") + "/api/v1/MessageProcessingLogs"
		headers := tn.send("GET", base+"('"+id+"')/CustomHeaderProperties", "", api, "Accept: application/json")
		if !strings.Contains(headers.body, `"Name":"OrderNumber","Value":"4711"`) {
			t.Errorf("custom headers: %s", headers.body)
		}
		if a := tn.send("GET", base+"('"+id+"')/ErrorInformation/$value", "", api); a.StatusCode != 204 {
			t.Errorf("error information of a log without error: %d", a.StatusCode)
		}
		tn.send("POST", tn.URL("runtime")+"/http/broken", "", sender)
		<-time.After(300 * time.Millisecond)
		for filter, want := range map[string]string{
			"IntegrationArtifact/Id+eq+'OrderIntake'+and+Status+ne+'DISCARDED'&$orderby=LogEnd+desc&$top=1": "OrderIntake",
			"Status+eq+'FAILED'": "Broken",
			"LogStart+ge+datetime'2000-01-01T00:00:00'+and+LogEnd+lt+datetime'2000-01-01T00:00:00.2'": "OrderIntake",
			"CorrelationId+eq+'" + id + "'": "OrderIntake",
		} {
			a := tn.send("GET", base+"?$inlinecount=allpages&$filter="+filter, "", api, "Accept: application/json")
			got := decode[struct {
				D struct {
					Count   string `json:"__count"`
					Results []logRow
				}
			}](t, a.body).D
			if got.Count != "1" || len(got.Results) != 1 || got.Results[0].IntegrationFlowName != want {
				t.Errorf("%s: %s", filter, a.body)
			}
		}
	})
}

func TestFaultLogLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		sender, api := tn.bearer("sender"), tn.bearer("api")
		tn.fault("log-late:seconds=10,path=/http/echo,count=1")
		id := tn.send("GET", tn.URL("runtime")+"/http/echo", "", sender).Header.Get("SAP_MessageProcessingLogID")
		<-time.After(9 * time.Second)
		if l := tn.log(id, api); l != nil {
			t.Errorf("the log is there after 9 s")
		}
		<-time.After(2 * time.Second)
		if l := tn.log(id, api); l == nil || l.Status != "COMPLETED" {
			t.Errorf("after 11 s: %+v", l)
		}
	})
}

func TestSlowTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		bearer := tn.bearer("sender")
		for query, want := range map[string]time.Duration{"": time.Second, "?ms=250": 250 * time.Millisecond, "?ms=0": 0} {
			from := time.Now()
			a := tn.send("GET", tn.URL("runtime")+"/http/slow"+query, "", bearer)
			if took := time.Since(from); a.StatusCode != 200 || took != want {
				t.Errorf("%q: %d after %v, want 200 after %v", query, a.StatusCode, took, want)
			}
		}
	})
}

func TestLargeHasItsSize(t *testing.T) {
	tn := start(t, sandbox.Options{})
	bearer := tn.bearer("sender")
	for _, kb := range []int{1, 2, 31, 32, 33, 64, 65, 1000, 5120} {
		a := tn.send("GET", fmt.Sprintf("%s/http/large?kb=%d", tn.URL("runtime"), kb), "", bearer)
		if len(a.body) != kb<<10 || a.ContentLength != int64(kb<<10) {
			t.Errorf("%d KiB: %d bytes", kb, len(a.body))
		}
		doc := decode[struct {
			KB    int
			Items []struct {
				Index int
				SKU   string
			}
		}](t, a.body)
		last := doc.Items[len(doc.Items)-1]
		if doc.KB != kb || last.Index != len(doc.Items)-1 || last.SKU != fmt.Sprintf("L-%08d", last.Index) {
			t.Errorf("%d KiB: %d items, the last %+v", kb, len(doc.Items), last)
		}
	}
}

func TestEchoGivesBackWhatIsNotText(t *testing.T) {
	tn := listen(t, sandbox.Options{})
	bearer := tn.bearer("sender")
	a := tn.send("PUT", tn.URL("runtime")+"/http/echo", "\xff\x00", bearer, "X-Twice: a", "X-Twice: b")
	got := decode[struct {
		Base64  string
		Headers map[string]string
		JSON    json.RawMessage
	}](t, a.body)
	if got.Base64 != "/wA=" || got.JSON != nil || got.Headers["X-Twice"] != "a, b" || "Authorization: "+got.Headers["Authorization"] != bearer {
		t.Errorf("got %s", a.body)
	}
}

func TestMessageThatIsTooLarge(t *testing.T) {
	tn := start(t, sandbox.Options{})
	a := tn.send("POST", tn.URL("runtime")+"/http/import", strings.Repeat("x", 40<<20+1), tn.bearer("sender"))
	if a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", a.StatusCode)
	}
}
