package runner

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
)

const (
	destinationStep = `  - name: destination
    destination: {name: "SMOKE_${run.id}", credential: made, url: "${runtime}/http/orders"}
`
	deletedDestination = "pass delete destination SMOKE_RUN"
)

// atService counts the requests of a method to the destination service.
func (r *rig) atService(method string) int {
	return int(gjson.Get(r.get(r.tenant.URL(sandbox.Control)+"/_sandbox/requests?part=destination&method="+method), "#").Int())
}

func TestDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.provisions("name: D\nsteps:\n"+instanceStep+keyStep+destinationStep+`    expect:
      json:
        name: SMOKE_${run.id}
        created: true
        owner.SubaccountId: {type: string}
        destinationConfiguration.URL: ${runtime}/http/orders
        destinationConfiguration.tokenServiceURLType: Dedicated
        authTokens.0.ok: true
        authTokens.0.type: Bearer
        authTokens.0.scope: {contains: ESBMessaging.send}
    capture: {id: {json: destinationConfiguration.clientId}}
  - name: adopted
    destination: {name: "SMOKE_${run.id}", credential: made, url: "${runtime}/http/orders", mode: adopt}
    expect: {json: {created: false, destinationConfiguration.clientId: "${id}"}}
  - name: elsewhere
    destination: {name: "SMOKE_${run.id}", credential: made, url: "${runtime}/http/other", mode: require}
    on-failure: continue
  - name: taken
    destination: {name: "SMOKE_${run.id}", credential: made, url: "${runtime}/http/orders"}
    on-failure: continue
  - name: missing
    destination: {name: "NOBODY", credential: made, url: "${runtime}/http/orders", mode: require}
    on-failure: continue
  - name: further
    destination:
      name: OTHER_${run.id}
      credential: made
      url: ${runtime}/http/orders
      mode: adopt
      properties: {sap-client: 100, WebIDEEnabled: true, URL.headers.apikey: HEADER-SECRET-1}
    expect: {json: {created: true, 'destinationConfiguration.sap-client': "100", destinationConfiguration.WebIDEEnabled: "true"}}
`, Options{}, ExitProvisioning, "pass instance", "pass key", "pass destination", "pass adopted",
			`error elsewhere: provisioning: the destination "SMOKE_RUN" exists, and its URL is "`+r.tenant.URL(sandbox.Runtime)+`/http/orders" instead of "`+r.tenant.URL(sandbox.Runtime)+`/http/other"`,
			`error taken: provisioning: create the destination "SMOKE_RUN": there is a destination of that name (status 409); the service says "Destination with name \"SMOKE_RUN\" already exists"`,
			`error missing: provisioning: read the destination "NOBODY": there is no such destination (status 404); the service says "Configuration with the specified name was not found"`,
			"pass further", "pass delete destination OTHER_RUN", deletedDestination, deletedKey, deletedInstance)
	})
}

// TestDestinationToken: a destination that the service gets no token with
// fails the step, unless somebody looks.
func TestDestinationToken(t *testing.T) {
	text := `name: D
credentials:
  made: {token-url: "` + "%s" + `/oauth/token", client-id: sb-nobody, client-secret: "${'WRONG' + '-SECRET-1'}"}
steps:
` + destinationStep
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		text := strings.Replace(text, "%s", r.tenant.URL(sandbox.Token), 1)
		p := r.provision(t.Context(), text, Options{})
		if len(p.ends) != 2 || !strings.HasPrefix(p.ends[0], `error destination: provisioning: the destination "SMOKE_RUN" is there, but the destination service gets no token with it; it says "Retrieval of OAuthToken failed due to: the token service returned HTTP status 401`) ||
			p.ends[1] != deletedDestination || p.summary.ExitStatus != ExitProvisioning {
			t.Errorf("%d %q", p.summary.ExitStatus, p.ends)
		}
		r.provisions(text+"    expect: {json: {authTokens.0.ok: false, authTokens.0.error: {contains: status 401}}}\n", Options{}, ExitOK, "pass destination", deletedDestination)
	})
}

// TestDestinationNewKey: a key that was just created may not be known to the
// token server yet.
func TestDestinationNewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		steps := strings.Replace(smoke, callStep, "  - name: slow\n    wait: 1ms\n", 1) + destinationStep
		r.fault("secret-revoked:key=smoke-key,count=2")
		p := r.provisions(steps, Options{}, ExitOK, "pass instance", "pass key", "pass slow", "pass destination", deletedDestination, deletedKey, deletedInstance)
		for _, e := range p.events {
			if e.Event == StepEnd && e.Step == "destination" && (!e.Flaky || e.Attempts < 2) {
				t.Errorf("flaky %v, %d attempts", e.Flaky, e.Attempts)
			}
		}
	})
}

func TestDestinationLostAnswer(t *testing.T) {
	for _, test := range []struct {
		fault string
		posts int
	}{
		{"connection-reset:part=destination,method=POST,lost=answer,count=1", 1},
		{"connection-reset:part=destination,method=POST,count=2", 3},
		{"connection-reset:part=destination,method=DELETE,lost=answer,count=1", 1},
		{"connection-reset:part=destination,method=GET,count=3", 1},
	} {
		t.Run(test.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, test.fault)
				r.provisions("name: D\nsteps:\n"+instanceStep+keyStep+destinationStep, Options{}, ExitOK,
					"pass instance", "pass key", "pass destination", deletedDestination, deletedKey, deletedInstance)
				if n := r.atService("POST"); n != test.posts {
					t.Errorf("%d creates, want %d", n, test.posts)
				}
			})
		})
	}
}

// TestDestinationKeep: what is kept is left, and cleanup removes it by its
// journal; a destination that somebody else made meanwhile is left alone.
func TestDestinationKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		text := "name: D\nsteps:\n" + strings.ReplaceAll(destinationStep, "made", "sender")
		p := r.provision(t.Context(), text, Options{Keep: keepAlways})
		if len(p.ends) != 2 || !strings.HasPrefix(p.ends[1], "skip delete destination SMOKE_RUN: kept, as keep is always") {
			t.Errorf("%q", p.ends)
		}
		name := "SMOKE_" + p.id
		all := r.journals()
		if !strings.Contains(all[p.id+".journal"], `"kind":"destination","name":"`+name+`"`) {
			t.Errorf("%q", all)
		}
		report, err := r.platform().Cleanup(t.Context(), CleanupOptions{Journal: r.journal(), Run: p.id, DryRun: true})
		if err != nil || len(report.Leftovers) != 1 || report.Leftovers[0].Action != WouldRemove {
			t.Errorf("%+v %v", report, err)
		}
		report, err = r.platform().Cleanup(t.Context(), CleanupOptions{Journal: r.journal(), Run: p.id})
		if err != nil || len(report.Leftovers) != 1 || report.Leftovers[0].Action != Removed || report.Leftovers[0].Name != name {
			t.Errorf("%+v %v", report, err)
		}
		if after := r.state(); after != before {
			t.Errorf("left behind: %s", after)
		}
		r.noJournal()
	})
}

func TestDestinationMistakes(t *testing.T) {
	r := newRig(t)
	for text, want := range map[string]string{
		`{name: "a b", credential: sender, url: "https://a.example"}`:                                                 `"a b" is no name of a destination`,
		`{name: A, credential: sender, url: /http/orders}`:                                                            "the url of the destination is not an absolute URL",
		`{name: A, credential: sendr, url: "https://a.example"}`:                                                      `did you mean "sender"`,
		`{name: A, credential: sender, url: "https://a.example", properties: {clientSecret: x}}`:                      "properties cannot hold clientSecret; use a credential with it",
		`{name: A, credential: sender, url: "https://a.example", properties: {URL: x}}`:                               "properties cannot hold URL; use url",
		`{name: A, credential: sender, url: "https://a.example", properties: {a: [1]}}`:                               "the property a is no single value",
		`{name: A, credential: sender, url: "https://a.example", mode: remove}`:                                       `"remove"`,
		`{credential: sender, url: "https://a.example"}`:                                                              "name",
		`{name: A, credential: sender, url: "https://a.example", properties: {iflowtest-run: x}}`:                     "use another name",
		`{name: A, credential: sender, url: "https://user:password-1@a.example", properties: {tokenServiceURL: "x"}}`: "properties cannot hold tokenServiceURL",
	} {
		got := strings.Join(r.mistakes("name: D\nsteps:\n  - destination: "+text+"\n", Options{}), "\n")
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestDestinationSecrets: no event holds a secret of a destination, in any
// encoding.
func TestDestinationSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.provisions("name: D\nsteps:\n"+strings.ReplaceAll(strings.TrimRight(destinationStep, "}\n"), "made", "sender")+
			`, properties: {URL.headers.apikey: HEADER-SECRET-1, Password: "${'PASS' + 'WORD-SECRET-2'}"}}
    expect: {json: {name: nothing, destinationConfiguration: nothing}}
`, Options{}, ExitAssertion, `fail destination: json name: want "nothing", got "SMOKE_RUN"`, deletedDestination)
		all, err := json.Marshal(p.events)
		if err != nil {
			t.Fatal(err)
		}
		values := []string{"HEADER-SECRET-1", "PASSWORD-SECRET-2"}
		for _, k := range append(r.tenant.Keys(), r.tenant.DestinationKey()) {
			for _, path := range []string{"oauth.clientsecret", "clientsecret"} {
				if v := gjson.GetBytes(k.JSON, path).String(); v != "" {
					values = append(values, v)
				}
			}
		}
		for _, v := range values {
			for _, e := range secret.Encodings(v) {
				if strings.Contains(string(all), e.Text) {
					t.Errorf("%q stands in an event (%s)", v, e.Name)
				}
			}
		}
		if len(values) < 4 || !strings.Contains(string(all), "***(") {
			t.Errorf("%d secrets; events %s", len(values), all)
		}
	})
}

// TestDestinationKilled: a cleanup removes the destination of a killed run,
// before its key, and leaves one alone that somebody else made of that name.
func TestDestinationKilled(t *testing.T) {
	steps := "name: D\nsteps:\n" + instanceStep + keyStep + destinationStep + stays
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		p := r.killed(steps, time.Minute)
		r.want(p.did(r.cleanup(CleanupOptions{DryRun: true})), []string{"destination SMOKE_RUN: would remove", "service-key smoke-key: would remove", "service-instance smoke-RUN: would remove"})
		kept := r.journals()
		r.want(p.did(r.cleanup(CleanupOptions{})), []string{"destination SMOKE_RUN: removed", "service-key smoke-key: removed", "service-instance smoke-RUN: removed"})
		if r.state() != before {
			t.Errorf("left behind: %s", r.state())
		}
		r.noJournal()
		for name, data := range kept {
			r.write(filepath.Join("journal", name), data)
		}
		another := r.provision(t.Context(), "name: D\nsteps:\n"+strings.ReplaceAll(strings.Replace(destinationStep, "${run.id}", p.id, 1), "made", "sender"), Options{Keep: keepAlways})
		got := p.did(r.cleanup(CleanupOptions{Run: p.id}))
		want := fmt.Sprintf("destination SMOKE_RUN: left: the destination \"SMOKE_RUN\" carries the label of the run %s and not of RUN; it is left alone", another.id)
		if len(got) == 0 || got[0] != want {
			t.Errorf("%q, want %q first", got, want)
		}
	})
}

// TestDestinationElsewhere: a cleanup with another environment leaves a
// destination alone, and says why.
func TestDestinationElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.killed("name: D\nsteps:\n"+strings.ReplaceAll(destinationStep, "made", "sender")+stays, time.Minute)
		service := r.tenant.URL(sandbox.Destination)
		for _, test := range []struct{ from, to, want string }{
			{"  destinations:\n    service-key:", "vars:\n    unused:", "left: the environment has no target.destinations; choose the one of the run with -e"},
			{service, "https://elsewhere.example", "left: it is at " + service + "; choose the environment of that destination service with -e"},
			{`"uri":`, `"urx":`, "left: the service key of target.destinations cannot be used: destinations: has no uri; want a key of an instance of the service destination"},
		} {
			report, err := r.platform(test.from, test.to).Cleanup(t.Context(), CleanupOptions{Journal: r.journal()})
			if err != nil {
				t.Fatal(err)
			}
			r.want(p.did(report), []string{"destination SMOKE_RUN: " + test.want})
		}
		r.want(p.did(r.cleanup(CleanupOptions{})), []string{"destination SMOKE_RUN: removed"})
		r.noJournal()
	})
}
