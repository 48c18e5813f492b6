package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"iflowtest/internal/cf"
	"iflowtest/internal/sandbox"
)

// cleanup cleans up with the journals of the rig.
func (r *rig) cleanup(o CleanupOptions) CleanupReport {
	r.t.Helper()
	o.Journal = cmp.Or(o.Journal, r.journal())
	report, err := r.platform().Cleanup(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// did gives what a cleanup did, "kind name: action: reason".
func (p *provisioned) did(report CleanupReport) []string {
	var list []string
	for _, l := range report.Leftovers {
		line := fmt.Sprintf("%s %s: %s", l.Kind, l.Name, l.Action)
		if l.Reason != "" {
			line += ": " + l.Reason
		}
		list = append(list, p.plain(line))
	}
	return list
}

// killed runs a scenario and kills it after some time: every request of the
// run fails from then on, its journal keeps what it has, and its lock is gone.
func (r *rig) killed(text string, after time.Duration) *provisioned {
	r.t.Helper()
	outer := r.transport
	r.transport = cut{next: r.tenant.RoundTripper(), from: time.Now().Add(after)}
	frozen := make(chan map[string]string, 1)
	time.AfterFunc(after, func() { frozen <- r.journals() })
	p := r.provision(r.t.Context(), text, Options{})
	r.transport = outer
	for name, data := range <-frozen {
		if err := os.WriteFile(filepath.Join(r.journal(), name), []byte(data), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	return p
}

// cut is a network that ends.
type cut struct {
	next http.RoundTripper
	from time.Time
}

// RoundTrip implements http.RoundTripper.
func (c cut) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(c.from) {
		return c.next.RoundTrip(r)
	}
	return nil, errors.New("the network is gone")
}

const stays = "  - name: stays\n    wait: 1h\n    timeout: 2h\n"

func TestCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		p := r.killed(twoInstances+stays, time.Minute)
		dry := r.cleanup(CleanupOptions{DryRun: true})
		all := fmt.Sprint(r.journals())
		r.want(p.did(dry), []string{"service-instance other-RUN: would remove", "service-key smoke-key: would remove", "service-instance smoke-RUN: would remove"})
		if dry.Failed() || !strings.Contains(r.state(), "smoke-"+p.id) || all != fmt.Sprint(r.journals()) {
			t.Errorf("a dry run did something: %+v", dry)
		}
		for _, l := range dry.Leftovers {
			if l.Run != p.id || l.GUID == "" || l.Age < time.Minute || l.Age > 2*time.Hour {
				t.Errorf("%+v", l)
			}
		}
		r.want(p.did(r.cleanup(CleanupOptions{Run: "another"})), nil)
		r.want(p.did(r.cleanup(CleanupOptions{})), []string{"service-instance other-RUN: removed", "service-key smoke-key: removed", "service-instance smoke-RUN: removed"})
		if r.state() != before {
			t.Errorf("left behind: %s", r.state())
		}
		r.noJournal()
		r.want(p.did(r.cleanup(CleanupOptions{})), nil)
	})
}

// TestCleanupGone: what somebody else removed is gone.
func TestCleanupGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		p := r.killed(smoke+stays, time.Minute)
		kept := r.journals()
		r.cleanup(CleanupOptions{})
		for name, data := range kept {
			r.write(filepath.Join("journal", name), data)
		}
		r.want(p.did(r.cleanup(CleanupOptions{DryRun: true})), []string{"service-key smoke-key: was gone", "service-instance smoke-RUN: was gone"})
		r.want(p.did(r.cleanup(CleanupOptions{})), []string{"service-key smoke-key: was gone", "service-instance smoke-RUN: was gone"})
		if r.state() != before {
			t.Errorf("%s", r.state())
		}
		r.noJournal()
	})
}

// TestCleanupBeside: a run that still works is untouched while another is
// cleaned up beside it, and passes.
func TestCleanupBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		dead := r.killed(smoke+stays, time.Minute)
		reports := make(chan CleanupReport, 1)
		time.AfterFunc(30*time.Second, func() { reports <- r.cleanup(CleanupOptions{OlderThan: time.Nanosecond}) })
		alive := r.provision(t.Context(), smoke+"  - name: stays\n    wait: 1m\n"+callStep, Options{})
		r.want(alive.ends, []string{"pass instance", "pass key", "pass call", "pass stays", "pass call", deletedKey, deletedInstance})
		report := <-reports
		r.want(dead.did(report), []string{"service-key smoke-key: removed", "service-instance smoke-RUN: removed"})
		if len(report.Alive) != 1 || report.Alive[0] != alive.id || alive.summary.ExitStatus != ExitOK || r.state() != before {
			t.Errorf("%+v %+v", report, alive.summary)
		}
		r.noJournal()
	})
}

// TestCleanupByLabel: without a journal only what is past its expiry goes, or
// what the flags name.
func TestCleanupByLabel(t *testing.T) {
	for _, test := range []struct {
		name    string
		o       CleanupOptions
		later   time.Duration
		removes bool
	}{
		{"young", CleanupOptions{}, time.Hour, false},
		{"past its expiry", CleanupOptions{}, 25 * time.Hour, true},
		{"the run", CleanupOptions{Run: "RUN"}, 0, true},
		{"another run", CleanupOptions{Run: "other"}, 0, false},
		{"older", CleanupOptions{OlderThan: time.Hour}, 2 * time.Hour, true},
		{"not older", CleanupOptions{OlderThan: 48 * time.Hour}, 2 * time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				before := r.state()
				p := r.killed(smoke+stays, time.Minute)
				if err := os.RemoveAll(r.journal()); err != nil {
					t.Fatal(err)
				}
				<-time.After(test.later)
				o := test.o
				if o.Run == "RUN" {
					o.Run = p.id
				}
				report := r.cleanup(o)
				want := []string{"service-key smoke-key: removed", "service-instance smoke-RUN: removed"}
				switch {
				case o.Run == "other":
					want = nil
				case !test.removes:
					for i, l := range report.Leftovers {
						if !strings.Contains(l.Reason, "it may belong to a run elsewhere; a cleanup after ") || !strings.Contains(l.Reason, "--run "+p.id) {
							t.Errorf("%+v", l)
						}
						report.Leftovers[i].Reason = ""
					}
					want = []string{"service-key smoke-key: left", "service-instance smoke-RUN: left"}
				}
				r.want(p.did(report), want)
				if gone := r.state() == before; gone != test.removes || report.Failed() {
					t.Errorf("%s", r.state())
				}
			})
		})
	}
}

// instances are the GUIDs of instances by name.
func (r *rig) instances() map[string]string {
	r.t.Helper()
	p := r.platform()
	all := map[string]string{}
	found, err := p.client.Instances(r.t.Context(), cf.Query{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, i := range found {
		all[i.Name] = i.GUID
	}
	return all
}

// call sends a request to Cloud Foundry, as the user of the tenant.
func (r *rig) call(method, path, body string) {
	r.t.Helper()
	send := func(method, url, kind, authorization, body string) string {
		r.t.Helper()
		request, err := http.NewRequestWithContext(r.t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			r.t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		request.Header.Set("Content-Type", kind)
		response, err := r.tenant.RoundTripper().RoundTrip(request)
		if err != nil {
			r.t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode/100 != 2 {
			r.t.Fatal(err, response.Status, string(answer))
		}
		return string(answer)
	}
	answer := send(http.MethodPost, r.tenant.URL(sandbox.UAA)+"/oauth/token", "application/x-www-form-urlencoded", "Basic Y2Y6", "grant_type=password&username=tester&password=tester-9f4c2b")
	send(method, r.tenant.URL(sandbox.CloudFoundry)+path, "application/json", "bearer "+gjson.Get(answer, "access_token").Str, body)
}

// TestCleanupForeign: neither an instance that carries the label of a dead run
// but another name is touched, nor one with a key that the run did not make.
func TestCleanupForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.killed(twoInstances+stays, time.Minute)
		guids := r.instances()
		// Somebody took one over, added a key to another, and copied the labels.
		r.call(http.MethodPatch, "/v3/service_instances/"+guids["other-"+p.id], `{"name":"precious"}`)
		r.call(http.MethodPost, "/v3/service_credential_bindings", `{"type":"key","name":"mine","relationships":{"service_instance":{"data":{"guid":"`+guids["smoke-"+p.id]+`"}}}}`)
		r.call(http.MethodPatch, "/v3/service_instances/"+guids["sandbox-api"], `{"metadata":{"labels":{"iflowtest-run":"`+p.id+`"}}}`)
		<-time.After(time.Minute)
		want := []string{
			`service-instance other-RUN: left: the service instance GUID is called "precious" and not "other-RUN"; it is left alone`,
			"service-key smoke-key: removed",
			`service-instance smoke-RUN: left: it holds what the run did not make: the service key "mine"`,
			`service-instance sandbox-api: left: it carries the label of the run RUN, which is dead, but its journal names no such service instance; if it is of that run, remove it with --run RUN`,
		}
		r.want(p.did(r.cleanup(CleanupOptions{})), want)
		for _, name := range []string{"precious", "smoke-" + p.id, "sandbox-api", `"mine"`} {
			if !strings.Contains(r.state(), name) {
				t.Errorf("%s is gone", name)
			}
		}
		// With --run neither: name and keys speak against it.
		r.want(p.did(r.cleanup(CleanupOptions{})), []string{want[0], want[2], want[3]})
		report := r.cleanup(CleanupOptions{Run: p.id})
		r.want(p.did(report)[:2], []string{want[0], want[2]})
		if !strings.Contains(r.state(), "precious") || !strings.Contains(r.state(), `"mine"`) || report.Failed() {
			t.Errorf("%+v", report)
		}
	})
}

// TestCleanupOtherLabel: an instance of the name that the run was about to
// create belongs to somebody else.
func TestCleanupOtherLabel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		api, space := r.here()
		r.write("journal/dead.journal", journalLine(entry{Op: opIntent, Run: "dead", ID: 1, Kind: kindInstance, Name: "sandbox-rt", API: api, Space: space}))
		p := &provisioned{id: "none"}
		report := r.cleanup(CleanupOptions{})
		r.want(p.did(report), []string{`service-instance sandbox-rt: left: the service instance "sandbox-rt" does not carry the label of the run dead; it is left alone`})
		if report.Failed() || r.state() != before {
			t.Errorf("%+v", report)
		}
	})
}

// here gives the API and the space of the tenant.
func (r *rig) here() (api, space string) {
	r.t.Helper()
	found, err := r.platform().place(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return found.api, found.guid
}

// TestCleanupLate: an intent whose creation appears late is found.
func TestCleanupLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		l := &late{next: r.tenant.RoundTripper(), after: 61 * time.Second}
		// The run is killed while the platform has its request.
		r.transport = cut{next: l, from: time.Now().Add(time.Minute)}
		frozen := make(chan map[string]string, 1)
		time.AfterFunc(time.Minute-time.Second, func() { frozen <- r.journals() })
		text := strings.Replace(smoke, "  - name: instance\n", "  - name: instance\n    timeout: 1m\n", 1)
		done := make(chan struct{})
		var p *provisioned
		go func() {
			defer close(done)
			p = r.provision(context.Background(), text, Options{})
		}()
		<-time.After(time.Minute)
		synctest.Wait()
		r.transport = nil
		<-done
		for name, data := range <-frozen {
			r.write(filepath.Join("journal", name), data)
		}
		report := r.cleanup(CleanupOptions{})
		l.wait.Wait()
		r.want(p.did(report), []string{"service-instance smoke-RUN: removed"})
		if r.state() != before {
			t.Errorf("left behind: %s", r.state())
		}
		r.noJournal()
	})
}

// TestCleanupElsewhere: what a journal names at another platform or in another
// space is left, and stays in the journal.
func TestCleanupElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		api, space := r.here()
		r.write("journal/dead.journal",
			journalLine(entry{Op: opCreated, Run: "dead", ID: 1, Kind: kindInstance, Name: "a", GUID: "g1", API: "https://api.cf.eu10.hana.ondemand.com", Space: space})+
				journalLine(entry{Op: opCreated, Run: "dead", ID: 2, Kind: kindInstance, Name: "b", GUID: "g2", API: api, Space: "elsewhere", In: "acme/prod"}))
		report := r.cleanup(CleanupOptions{Run: "dead"})
		r.want((&provisioned{id: "none"}).did(report), []string{
			"service-instance b: left: it is in the space acme/prod; choose the environment of that space with -e",
			"service-instance a: left: it is at https://api.cf.eu10.hana.ondemand.com; choose the environment of that platform with -e",
		})
		if len(r.journals()) != 1 || report.Failed() {
			t.Errorf("%+v", report)
		}
	})
}

// TestCleanupDamaged: lines that cannot be used are told, and the others are.
func TestCleanupDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		p := r.killed(twoInstances+stays, time.Minute)
		name := filepath.Join("journal", p.id+".journal")
		data, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		r.write(name, string(bytes.TrimRight(data, "\n"))+"\n"+`{"time":"2026-11-22T05:00:00Z","op":"crea`)
		report := r.cleanup(CleanupOptions{})
		if len(report.Problems) != 1 || !strings.Contains(report.Problems[0], p.id+".journal:7: the last line was half written") || len(report.Leftovers) != 3 || r.state() != before {
			t.Errorf("%+v", report)
		}
		r.noJournal() // nothing but that line was wrong with it
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		p := r.killed(twoInstances+stays, time.Minute)
		name := filepath.Join("journal", p.id+".journal")
		data, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		r.write(name, "\x00\x00garbage\n{\"op\":\"intent\"}\n"+string(data))
		report := r.cleanup(CleanupOptions{})
		if len(report.Problems) != 2 || !strings.Contains(report.Problems[0], p.id+".journal:1: not a line of a journal; the others are used. Look for what else it made with iflowtest cleanup --run "+p.id) ||
			!strings.Contains(report.Problems[1], p.id+".journal:2: this line says nothing of a resource") || len(report.Leftovers) != 3 || r.state() != before {
			t.Errorf("%+v", report)
		}
		if len(r.journals()) != 1 {
			t.Errorf("a journal with lines that are lost is gone")
		}
	})
}

// TestCleanupRefused: why nothing could be looked for is a problem with its
// exit status.
func TestCleanupRefused(t *testing.T) {
	for _, test := range []struct {
		from, to string
		status   int
	}{
		{"tester-9f4c2b", "wrong-9f4c2b", ExitCredential},
		{"space: dev", "space: prod", ExitProvisioning},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			_, err := r.platform(test.from, test.to).Cleanup(t.Context(), CleanupOptions{Journal: r.journal()})
			problem, ok := errors.AsType[*PlatformError](err)
			if !ok || problem.Status != test.status || problem.Cure == "" {
				t.Errorf("%s: %+v", test.to, err)
			}
		})
	}
}

// TestSessionPlace: with the session of the cf command line the journal has the
// platform of that session, so that a cleanup with another one does not take
// what it names for gone.
func TestSessionPlace(t *testing.T) {
	r := &rig{t: t, dir: t.TempDir()}
	r.write(".cf/config.json", `{"Target":"https://API.cf.EU10.hana.ondemand.com/","AccessToken":"bearer a.b.c","RefreshToken":"r",`+
		`"OrganizationFields":{"GUID":"o1","Name":"acme"},"SpaceFields":{"GUID":"s1","Name":"dev"}}`)
	f := &foundry{config: cf.Config{Home: r.dir}}
	found, err := f.find(t.Context(), nil)
	if want := (location{guid: "s1", api: "https://api.cf.eu10.hana.ondemand.com", in: "acme/dev"}); err != nil || found != want {
		t.Errorf("%+v %v", found, err)
	}
	r.write(".cf/config.json", `{"Target":"https://api.cf.eu10.hana.ondemand.com","AccessToken":"bearer a.b.c","RefreshToken":"r"}`)
	if _, err = f.find(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "cf target -o ORG -s SPACE") {
		t.Errorf("%v", err)
	}
	for _, same := range []string{"api.example", "https://api.example/", "https://API.example:443", "https://api.example"} {
		if got := plainAPI(same); got != "https://api.example" {
			t.Errorf("%s: %s", same, got)
		}
	}
}

// TestCleanupRenamed: also where no journal tells its name, an instance that
// was renamed since is somebody's own.
func TestCleanupRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.killed(twoInstances+stays, time.Minute)
		r.call(http.MethodPatch, "/v3/service_instances/"+r.instances()["other-"+p.id], `{"name":"precious"}`)
		<-time.After(time.Minute)
		report := r.cleanup(CleanupOptions{Journal: r.dir + "/elsewhere", Run: p.id})
		r.want(p.did(report), []string{
			"service-key smoke-key: removed",
			`service-instance precious: left: the service instance is called "precious", and the run RUN called it "other-RUN"; it is left alone`,
			"service-instance smoke-RUN: removed",
		})
		if !strings.Contains(r.state(), "precious") {
			t.Error("it is gone")
		}
	})
}
