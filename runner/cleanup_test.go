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
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cmpdiff "github.com/google/go-cmp/cmp"
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
		if !strings.Contains(r.state(), "precious") || !strings.Contains(r.state(), `"mine"`) || !report.Failed() || report.Leftovers[0].Owed || !report.Leftovers[1].Owed {
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
		aside := p.id + ".journal.damaged"
		if len(report.Problems) != 3 || !strings.HasSuffix(report.Problems[0], p.id+".journal:1: not a line of a journal; the others are used") ||
			!strings.Contains(report.Problems[1], p.id+".journal:2: this line says nothing of a resource") ||
			!strings.Contains(report.Problems[2], "set aside as "+aside+". Look for what its lost lines may have named with iflowtest cleanup --run "+p.id) ||
			len(report.Leftovers) != 3 || r.state() != before {
			t.Errorf("%+v", report)
		}
		all := r.journals()
		if len(all) != 1 || !strings.Contains(all[aside], "garbage") {
			t.Errorf("what is lost is not set aside: %q", all)
		}
		// It is told once; the run is known, and dead.
		if report = r.cleanup(CleanupOptions{Run: p.id}); len(report.Problems) != 0 || report.Unknown || len(r.journals()) != 1 {
			t.Errorf("%+v", report)
		}
	})
}

// TestCleanupDamagedOpen: a damaged journal stays as long as it names something,
// and in a dry run.
func TestCleanupDamagedOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "delete-fails:name=other-*")
		before := r.state()
		p := r.killed(twoInstances+stays, time.Minute)
		name := p.id + ".journal"
		r.write("journal/"+name, strings.Repeat("garbage\n", mostLost+2)+r.journals()[name])
		for _, o := range []CleanupOptions{{DryRun: true}, {}} {
			report := r.cleanup(o)
			if n := len(report.Problems); n != mostLost+1 || !strings.HasSuffix(report.Problems[n-1], name+": 2 more such lines") || r.journals()[name] == "" {
				t.Errorf("%+v", report.Problems)
			}
		}
		r.fault("")
		r.cleanup(CleanupOptions{})
		if all := r.journals(); all[name+".damaged"] == "" || len(all) != 1 || r.state() != before {
			t.Errorf("%q", all)
		}
	})
}

// TestCleanupTorn: the half of a line that a kill left is no damage, also when a
// cleanup wrote behind it.
func TestCleanupTorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "delete-fails:name=other-*")
		before := r.state()
		p := r.killed(twoInstances+stays, time.Minute)
		name := p.id + ".journal"
		r.write("journal/"+name, r.journals()[name]+`{"time":"2026-11-22T05:00:00Z","op":"crea`)
		if report := r.cleanup(CleanupOptions{}); !report.Failed() || len(report.Problems) != 1 {
			t.Errorf("%+v", report)
		}
		r.fault("")
		if report := r.cleanup(CleanupOptions{}); report.Failed() || len(report.Problems) != 0 || r.state() != before {
			t.Errorf("%+v", report)
		}
		r.noJournal()
	})
}

// TestCleanupForeignFile: a file that only has the ending of a journal is told,
// and stays.
func TestCleanupForeignFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		files := map[string]string{"notes.journal": "dear diary", "system.journal": "LPKSHHRH\n\x00\n", "readme.txt": "x"}
		for name, text := range files {
			r.write("journal/"+name, text)
		}
		for range 2 {
			report := r.cleanup(CleanupOptions{})
			if len(report.Problems) != 5 || strings.Count(fmt.Sprint(report.Problems), "nothing in it is of a run, and it is left alone") != 2 {
				t.Errorf("%q", report.Problems)
			}
		}
		if diff := cmpdiff.Diff(files, r.journals()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestCleanupUnknown: an id that nobody knows is told apart from a run that left
// nothing, and from one that works.
func TestCleanupUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.killed(smoke+stays, time.Minute)
		r.write("journal/emptyone.journal", "")
		for run, want := range map[string]bool{"nobody": true, "emptyone": false, "": false, p.id: false} {
			report := r.cleanup(CleanupOptions{Run: run, DryRun: true})
			if report.Unknown != want || report.Space != "sandbox/dev" {
				t.Errorf("%q: %+v", run, report)
			}
		}
		// Its label is enough to be known.
		if report := r.cleanup(CleanupOptions{Run: p.id, DryRun: true, Journal: r.dir + "/elsewhere"}); report.Unknown || len(report.Leftovers) != 2 {
			t.Errorf("%+v", report)
		}
		r.cleanup(CleanupOptions{})
		if report := r.cleanup(CleanupOptions{Run: p.id}); !report.Unknown {
			t.Errorf("%+v", report)
		}
	})
}

// TestCleanupDryRun: a dry run changes nothing, neither in the tenant nor in the
// folder of journals.
func TestCleanupDryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.killed(smoke+stays, time.Minute)
		gone := journalLine(entry{Op: opIntent, Run: "donedone", ID: 1, Kind: kindInstance, Name: "a"}) + journalLine(entry{Op: opRemoved, Run: "donedone", ID: 1, Kind: kindInstance, Name: "a"})
		r.write("journal/emptyone.journal", "")
		r.write("journal/donedone.journal", gone)
		r.write("journal/damagedd.journal", "garbage\n")
		r.write("journal/halfhalf.journal", `{"time":`)
		files, state := r.journals(), r.state()
		for _, run := range []string{"", p.id, "emptyone", "damagedd"} {
			r.cleanup(CleanupOptions{DryRun: true, Run: run, OlderThan: time.Nanosecond})
			if diff := cmpdiff.Diff(files, r.journals()); diff != "" || r.state() != state {
				t.Fatalf("--run %q: (-want +got):\n%s", run, diff)
			}
		}
		r.cleanup(CleanupOptions{})
		if all := r.journals(); len(all) != 1 || all["damagedd.journal.damaged"] == "" {
			t.Errorf("%q", all)
		}
	})
}

// TestCleanupOtherFolder: a run that still works with a journal elsewhere is
// left alone where that is known; where only labels tell of it, somebody is
// warned before anything is removed.
func TestCleanupOtherFolder(t *testing.T) {
	for _, test := range []struct {
		name   string
		o      CleanupOptions
		others bool
		want   []string
		warned string
	}{
		{"known to work", CleanupOptions{Run: "RUN"}, true, nil, ""},
		{"known to work, old", CleanupOptions{OlderThan: time.Nanosecond}, true, nil, ""},
		{"labels alone", CleanupOptions{}, false, []string{"service-key late: left", "service-instance smoke-RUN: left"}, ""},
		{"the run is named", CleanupOptions{Run: "RUN"}, false, []string{"service-key late: removed", "service-instance smoke-RUN: removed"},
			"is of the run RUN, only labels tell of it: it began 3h ago or before, and made something last 1h ago; if it still works elsewhere, it loses what is removed now"},
		{"dry", CleanupOptions{Run: "RUN", DryRun: true}, false, []string{"service-key late: would remove", "service-instance smoke-RUN: would remove"},
			"if it still works elsewhere, it would lose what is listed"},
		{"made something since", CleanupOptions{OlderThan: 2 * time.Hour}, false, []string{
			"service-key late: left", "service-instance smoke-RUN: left: its run made something as late as 1h ago, and may still work elsewhere; remove it with --run RUN"}, ""},
		{"made nothing since", CleanupOptions{OlderThan: 59 * time.Minute}, false, []string{"service-key late: removed", "service-instance smoke-RUN: removed"},
			"only labels tell of it: it began 3h ago or before"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				before := r.state()
				text := "name: Long\nsteps:\n" + instanceStep + "  - wait: 2h\n    timeout: 3h\n  - service-key: {name: late, instance: \"smoke-${run.id}\"}\n  - wait: 2h\n    timeout: 3h\n"
				plan := r.plan(text, Options{Journal: r.journal()})
				p := &provisioned{id: plan.id}
				ended := make(chan Summary, 1)
				go func() {
					summary, err := plan.Run(t.Context(), func([]*Event) {})
					if err != nil {
						t.Error(err)
					}
					ended <- summary
				}()
				<-time.After(3*time.Hour + 10*time.Second)
				o := test.o
				o.Journal = r.dir + "/elsewhere"
				if test.others {
					o.Others = r.journal()
				}
				if o.Run == "RUN" {
					o.Run = p.id
				}
				var warnings []string
				o.Warn = func(text string) {
					if !strings.Contains(r.state(), "smoke-"+p.id) {
						t.Errorf("warned when it was too late")
					}
					warnings = append(warnings, p.plain(text))
				}
				report := r.cleanup(o)
				for i, l := range report.Leftovers {
					if strings.HasPrefix(l.Reason, "it may belong to a run elsewhere; a cleanup after ") {
						report.Leftovers[i].Reason = ""
					}
				}
				r.want(p.did(report), test.want)
				if all := strings.Join(warnings, "\n"); !strings.Contains(all, test.warned) || (test.warned == "") != (all == "") || len(warnings) > 1 {
					t.Errorf("warned: %q", all)
				}
				if test.others && !slices.Equal(report.Alive, []string{p.id}) || report.Unknown {
					t.Errorf("%+v", report)
				}
				<-ended
				if r.state() != before {
					t.Errorf("left behind: %s", r.state())
				}
			})
		})
	}
}

// TestCleanupSameFolder: the other folder may be the same one by another name.
func TestCleanupSameFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		p := r.killed(smoke+stays, time.Minute)
		link := filepath.Join(r.dir, "link")
		if err := os.Symlink(r.journal(), link); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
		report := r.cleanup(CleanupOptions{Others: link})
		r.want(p.did(report), []string{"service-key smoke-key: removed", "service-instance smoke-RUN: removed"})
		if len(report.Alive) > 0 || r.state() != before {
			t.Errorf("%+v", report)
		}
		// One that cannot be read is told.
		r.write("file", "")
		if report = r.cleanup(CleanupOptions{Others: filepath.Join(r.dir, "file")}); len(report.Problems) != 1 || !strings.HasSuffix(report.Problems[0], "whether a run there still works is not known") {
			t.Errorf("%+v", report)
		}
	})
}

// TestCleanupKept: what was kept says so itself: without the journal it stays
// past its expiry when it was to be kept in any case, and goes when it was kept
// on failure.
func TestCleanupKept(t *testing.T) {
	const fails = "  - name: fails\n    wait: 1h\n    timeout: 1s\n"
	always := strings.Replace(instanceStep, "parameters:", "keep: always, parameters:", 1)
	keyAlways := strings.Replace(keyStep, "credential: made}", "credential: made, keep: always}", 1)
	const stayed = "left: the run was to keep it; remove it with --run RUN"
	for _, test := range []struct {
		name, steps string
		keep        string
		want        []string
	}{
		{"always", always + keyAlways, "", []string{"service-key smoke-key: " + stayed, "service-instance smoke-RUN: " + stayed}},
		{"the instance", always + keyStep, "", []string{"service-instance smoke-RUN: " + stayed}},
		{"its key", instanceStep + keyAlways, "", []string{
			"service-key smoke-key: " + stayed, `service-instance smoke-RUN: left: the run was to keep its service key "smoke-key"; remove both with --run RUN`}},
		{"on failure", instanceStep + keyStep + fails, keepOnFailure, []string{"service-key smoke-key: removed", "service-instance smoke-RUN: removed"}},
		{"--keep always", instanceStep + keyStep, keepAlways, []string{"service-key smoke-key: " + stayed, "service-instance smoke-RUN: " + stayed}},
		{"--keep never", always + keyAlways, keepNever, nil},
	} {
		for _, o := range []CleanupOptions{{}, {Run: "RUN"}, {OlderThan: time.Hour}} {
			t.Run(fmt.Sprint(test.name, o.Run, o.OlderThan), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					before := r.state()
					p := r.provision(t.Context(), "name: Keeps\nsteps:\n"+test.steps, Options{Keep: test.keep})
					<-time.After(25 * time.Hour)
					o.Journal = r.dir + "/elsewhere"
					if o.Run != "" {
						o.Run = p.id
					}
					want := slices.Clone(test.want)
					asked := o.Run != "" || o.OlderThan > 0
					for i, w := range want {
						if asked {
							name, _, _ := strings.Cut(w, ": ")
							want[i] = name + ": removed"
						}
					}
					r.want(p.did(r.cleanup(o)), want)
					kept := slices.ContainsFunc(want, func(s string) bool { return strings.Contains(s, ": left") })
					if (r.state() != before) != kept {
						t.Errorf("%s", r.state())
					}
				})
			})
		}
	}
}

// TestCleanupRefused: why nothing could be looked for is a problem with its
// exit status.
func TestCleanupRefused(t *testing.T) {
	for _, test := range []struct {
		from, to string
		status   int
	}{
		{"tester-9f4c2b", "wrong-9f4c2b", ExitCredential},
		{"space: dev", "space: prod", ExitUnknown},
		{"org: sandbox", "org: acme", ExitUnknown},
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
