package sandbox_test

import (
	"strings"
	"testing"
	"testing/synctest"
)

const respondConfig = `
flows:
  - id: Doc
    endpoint: /http/doc
    respond:
      - when: request.headers["X-Whole"] == "yes"
        xml: |
          ${request.body}
      - xml: "<a x='${request.json.sku}' id='${request.id}'>${request.json.sku}<![CDATA[${request.json.sku}]]>${request.json.sku}</a>"
    message-log:
      attachments: [{name: a, xml: "<b>${request.json.sku}</b>"}, {name: b, body: "<b>${request.json.sku}</b>"}]
  - id: Heads
    endpoint: /http/heads
    respond: [{body: "${request.headers[\"X-TEST\"]} ${request.headers[\"x-test\"]} ${request.headers[request.query.h ?? \"x-test\"]}"}]
`

func TestValuesInXMLAreEscaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := configured(t, respondConfig)
		bearer := tn.bearer("sender")
		a := tn.send("POST", tn.URL("runtime")+"/http/doc", `{"sku":"A<b>&'\"]]>ü"}`, bearer)
		id := a.Header.Get("SAP_MessageProcessingLogID")
		const sku = `A&lt;b&gt;&amp;&#39;&#34;]]&gt;ü`
		if want := `<a x='` + sku + `' id='` + id + `'>` + sku + `<![CDATA[A<b>&'"]]]]><![CDATA[>ü]]>` + sku + `</a>`; a.body != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
		wait(200)
		var attached []string
		for _, row := range rows[struct{ ID string }](tn, "MessageProcessingLogs('"+id+"')/Attachments") {
			attached = append(attached, tn.odata("GET", "MessageProcessingLogAttachments('"+row.ID+"')/$value", "", "api").body)
		}
		if got := strings.Join(attached, "\n"); got != "<b>"+sku+"</b>\n<b>A<b>&'\"]]>ü</b>" {
			t.Errorf("attachments %s", got)
		}
		if a := tn.send("POST", tn.URL("runtime")+"/http/doc", "<whole>&amp;</whole>", bearer, "x-whole: yes"); a.body != "<whole>&amp;</whole>\n" {
			t.Errorf("a document that is one expression: %q", a.body)
		}
	})
}

func TestHeadersAreFoundInAnyCase(t *testing.T) {
	tn := configured(t, respondConfig)
	if a := tn.send("POST", tn.URL("runtime")+"/http/heads", "", tn.bearer("sender"), "X-tEsT: hey"); a.body != "hey hey hey" {
		t.Errorf("got %q", a.body)
	}
}
