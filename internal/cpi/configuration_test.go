package cpi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

func TestParameters(t *testing.T) {
	tenant := says(`{"d":{"results":[{"ParameterKey":"Receiver","ParameterValue":"https://erp","DataType":"xsd:string"},{"ParameterKey":"Retries","ParameterValue":null,"DataType":"xsd:integer"}]}}`)
	got, err := tenant.client(t).Parameters(t.Context(), "it's")
	if err != nil {
		t.Fatal(err)
	}
	want := []Parameter{{"Receiver", "https://erp", "xsd:string"}, {"Retries", "", "xsd:integer"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"GET /api/v1/IntegrationDesigntimeArtifacts(Id=%27it%27%27s%27,Version=%27active%27)/Configurations"}, tenant.requests()); diff != "" {
		t.Error(diff)
	}
}

// TestParameterValuesHidden: whatever is told of an answer, the values of
// parameters do not stand in it, and their names do.
func TestParameterValuesHidden(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		body, want string
	}{
		"list":     {200, `{"d":{"results":[{"ParameterKey":"Receiver","ParameterValue" : "s3cret\"one","DataType":"xsd:string"},{"ParameterKey":"N","ParameterValue":4711,"DataType":"x"}]}}`, `{"d":{"results":[{"ParameterKey":"Receiver","ParameterValue" : "***","DataType":"xsd:string"},{"ParameterKey":"N","ParameterValue":"***","DataType":"x"}]}}`},
		"torn":     {200, `{"d":{"results":[{"ParameterKey":"Receiver","ParameterValue":"s3cret and m`, `{"d":{"results":[{"ParameterKey":"Receiver","ParameterValue":"***"`},
		"no list":  {200, `[{"ParameterKey":"Receiver","ParameterValue":"s3cret"}]`, `[{"ParameterKey":"Receiver","ParameterValue":"***"}]`},
		"XML":      {200, `<m:properties><d:ParameterKey>Receiver</d:ParameterKey><d:ParameterValue m:type="x">s3cret &amp; 1</d:ParameterValue></m:properties>`, `<m:properties><d:ParameterKey>Receiver</d:ParameterKey><d:ParameterValue m:type="x">***</d:ParameterValue></m:properties>`},
		"repeated": {500, `no: s3cret-mine is no URL`, `no: *** is no URL`},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := &tenant{answers: []answer{{status: c.status, body: c.body}}}
			client := tenant.client(t)
			told := ""
			client.config.Answered = func(r *httpx.Response) { told = r.Body }
			var err error
			if c.status == 200 {
				_, err = client.Parameters(t.Context(), "F")
			} else {
				err = client.SetParameter(t.Context(), "F", Parameter{"Receiver", "s3cret-mine", "xsd:string"})
			}
			if told != c.want || strings.Contains(fmt.Sprint(err), "s3cret") || name != "list" && err == nil {
				t.Errorf("told %q, want %q; %v", told, c.want, err)
			}
		})
	}
}

func TestSetParameter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The first answer is lost, and the second is that of a gateway.
		tenant := &tenant{err: errors.New("reset"), answers: []answer{{status: 503}, {status: 202}}}
		if err := tenant.client(t).SetParameter(t.Context(), "F", Parameter{"Max rows/page", `a"<b`, "xsd:string"}); err != nil {
			t.Fatal(err)
		}
		r := tenant.asked[len(tenant.asked)-1]
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{fmt.Sprint(len(tenant.asked)), r.Method + " " + r.URL.EscapedPath(), r.Header.Get("Content-Type"), string(body)}
		want := []string{"3", "PUT /api/v1/IntegrationDesigntimeArtifacts(Id=%27F%27,Version=%27active%27)/$links/Configurations(%27Max%20rows%2Fpage%27)",
			"application/json", `{"ParameterValue":"a\"<b","DataType":"xsd:string"}`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestUndeploy(t *testing.T) {
	tenant := &tenant{answers: []answer{{status: 202}, {status: 404, header: http.Header{"Content-Type": {"application/json"}}, body: `{"error":{"code":"Not Found","message":{"value":"Requested entity could not be found"}}}`}}}
	c := tenant.client(t)
	if err := c.Undeploy(t.Context(), "F"); err != nil {
		t.Error(err)
	}
	if err := c.Undeploy(t.Context(), "F"); !platform.Is(err, platform.KindNotFound) {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"DELETE /api/v1/IntegrationRuntimeArtifacts(%27F%27)", "DELETE /api/v1/IntegrationRuntimeArtifacts(%27F%27)"}, tenant.requests()); diff != "" {
		t.Error(diff)
	}
}

// TestRoles: what may not be done names the role that it needs.
func TestRoles(t *testing.T) {
	c := fails(403, "application/json", `{"error":{"code":"Forbidden","message":{"value":"no"}}}`).client(t)
	_, deploy := c.Deploy(t.Context(), "F")
	_, read := c.Parameters(t.Context(), "F")
	for role, refused := range map[string][]error{
		"WorkspaceArtifactsDeploy":   {deploy, c.Undeploy(t.Context(), "F")},
		"WorkspacePackagesConfigure": {c.SetParameter(t.Context(), "F", Parameter{Key: "K"})},
		"WorkspacePackagesRead":      {read},
	} {
		for _, err := range refused {
			e, ok := errors.AsType[*platform.Error](err)
			if !ok || e.Kind != platform.KindForbidden || !strings.Contains(e.Cure, role) {
				t.Errorf("%s: %v", role, err)
			}
		}
	}
}

// TestMaybeDeployed: only an answer that refuses says that nothing is deployed.
func TestMaybeDeployed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, tenants := range map[bool][]*tenant{
			true:  {{err: errors.New("reset")}, fails(503, "text/plain", ""), fails(202, "text/html", "<html><title>Log on</title></html>")},
			false: {fails(500, "text/plain", "locked"), fails(404, "application/json", "{}"), fails(403, "", ""), fails(401, "", ""), fails(429, "", "")},
		} {
			for i, tenant := range tenants {
				_, err := tenant.client(t).Deploy(t.Context(), "F")
				if err == nil || MaybeDeployed(err) != want {
					t.Errorf("%v %d: %v", want, i, err)
				}
			}
		}
		if MaybeDeployed(errors.New("no token")) {
			t.Error("without a token nothing is sent")
		}
	})
}
