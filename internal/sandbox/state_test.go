package sandbox_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

// TestTheStateShowsWhatIsLeftBehind changes one thing after the other: each is
// seen, and seen no more when it is as it was.
func TestTheStateShowsWhatIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		d.call(201, "POST", "IntegrationPackages", `{"Id":"P","Name":"P","Keywords":"k"}`)
		d.call(201, "POST", "UserCredentials", `{"Name":"C","User":"u","Password":"first secret"}`)
		content := flowZip(t, "F", "1.0.0", "/f")
		d.call(201, "POST", flowsPath, uploadBody(t, "F", "P", content))
		const echo, kept = "Echo", `{"Name":"C","User":"u"}`
		link := one(echo, "active") + "/$links/Configurations('Sender_Address')"
		own := d.call(200, "GET", one(echo, "active")+"/$value", "").body
		for _, test := range []struct {
			what string
			// do and undo are calls: method, path and body.
			status         int
			do, undo, want string
		}{
			{"a value", 202, "PUT " + link + ` {"ParameterValue":"/left-behind"}`, "PUT " + link + ` {"ParameterValue":"/echo"}`, `"configured":{"Sender_Address":"hmac-sha256:`},
			{"content", 200, "PUT " + one("F", "active") + " " + uploadBody(t, "", "", flowZip(t, "F", "1.0.0", "/g")), "PUT " + one("F", "active") + " " + uploadBody(t, "", "", content), ""},
			{"a name", 200, "PUT " + one("F", "active") + ` {"Name":"G","Description":"d","Sender":"s","Receiver":"r"}`, "PUT " + one("F", "active") + ` {"Name":"F of a developer","Description":"takes messages","Sender":"","Receiver":""}`, `"name":"G","description":"d","sender":"s","receiver":"r"`},
			{"a package", 202, `PUT IntegrationPackages('P') {"Name":"Q","Description":"d","Keywords":"k"}`, `PUT IntegrationPackages('P') {"Name":"P","Keywords":"k"}`, `"name":"Q","description":"d"`},
			{"details of a package", 202, `PUT IntegrationPackages('P') {"Name":"P","Keywords":"l"}`, `PUT IntegrationPackages('P') {"Name":"P","Keywords":"k"}`, ""},
			{"a user", 204, `PUT UserCredentials('C') {"User":"v","Kind":"openconnectors","Description":"d","CompanyId":"c"}`, "PUT UserCredentials('C') " + kept, `{"name":"C","kind":"openconnectors","user":"v","description":"d","company-id":"c","password":"hmac-sha256:`},
			{"a password", 204, `PUT UserCredentials('C') {"User":"u","Password":"other secret"}`, `PUT UserCredentials('C') {"User":"u","Password":"first secret"}`, ""},
			{"a flow of the sandbox", 200, "PUT " + one(echo, "active") + " " + uploadBody(t, "", "", flowZip(t, echo, "1.0.0", "/echo")), "PUT " + one(echo, "active") + " " + uploadBody(t, "Echo", "", []byte(own)), ""},
		} {
			before := d.state()
			call := func(text string) {
				part := strings.SplitN(text, " ", 3)
				d.call(test.status, part[0], part[1], part[2])
			}
			call(test.do)
			during := d.state()
			if during == before || !strings.Contains(strings.Join(strings.Fields(during), ""), test.want) {
				t.Errorf("%s is not in the state, want %s: %s", test.what, test.want, cmp.Diff(before, during))
			}
			if strings.Contains(during, "secret\"") || strings.Contains(during, "left-behind") {
				t.Errorf("%s: the state shows what may be secret: %s", test.what, during)
			}
			call(test.undo)
			// The description of an upload stays where none comes with the next.
			if test.what == "a flow of the sandbox" {
				d.call(200, "PUT", one(echo, "active"), `{"Name":"Echo","Description":""}`)
			}
			if diff := cmp.Diff(before, d.state()); diff != "" {
				t.Errorf("%s is back as it was: %s", test.what, diff)
			}
		}
	})
}

func TestTheStateShowsWhatIsDeployedWithWhichContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sandbox.Options{}).designer()
		before := d.state()
		link := one("Echo", "active") + "/$links/Configurations('Sender_Role')"
		d.call(202, "PUT", link, `{"ParameterValue":"Other.role"}`)
		d.deploy("Echo")
		wait(2000)
		d.call(202, "PUT", link, `{"ParameterValue":"ESBMessaging.send"}`)
		if during := d.state(); !strings.Contains(during, `"content": "hmac-sha256:`) {
			t.Errorf("what is deployed is not that of the design: %s", cmp.Diff(before, during))
		}
		d.deploy("Echo")
		wait(2000)
		if diff := cmp.Diff(before, d.state()); diff != "" {
			t.Errorf("-before +after:\n%s", diff)
		}
	})
}

func TestBodiesThatAreTooLarge(t *testing.T) {
	d := start(t, sandbox.Options{}).designer()
	large := `{"Id":"P","Name":"P","Description":"` + strings.Repeat("x", 1<<20) + `"}`
	for path, want := range map[string]string{
		"IntegrationPackages": "larger than 1 MB, the limit for one integration package",
		"UserCredentials":     "larger than 1 MB, the limit for one user credential",
		flowsPath:             "larger than 40 MB, the limit for one artifact",
	} {
		body := large
		if path == flowsPath {
			body = strings.Repeat(large, 40)
		}
		if a := d.call(413, "POST", path, body); !strings.Contains(errorOf(t, a), want) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}
