package runner

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/httpx"
	"iflowtest/internal/sandbox"
	"iflowtest/scenarios"
)

// configured is a rig whose tenant has a configuration.
func configured(t *testing.T, config string, faults ...string) *rig {
	t.Helper()
	r := newRig(t)
	o := sandbox.Options{}
	if config != "" {
		c, diags := sandbox.ParseConfig("sandbox.yaml", []byte(config))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		o.Config = c
	}
	for _, text := range faults {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	tenant, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tenant.Close(); err != nil {
			t.Error(err)
		}
	})
	r.tenant = tenant
	return r
}

// platform opens the Cloud Foundry of the rig's environment, in which the
// pairs of old and new text are replaced.
func (r *rig) platform(replace ...string) *Platform {
	r.t.Helper()
	suite, _, diags, err := scenarios.Load(nil, scenarios.LoadOptions{Root: r.dir, WorkingFolder: r.dir})
	if err != nil || diags.HasErrors() {
		r.t.Fatal(err, diags)
	}
	text, _, _ := strings.Cut(string(r.tenant.EnvironmentYAML()), "\ncredentials:\n") // the keys are to be found
	text = strings.NewReplacer(replace...).Replace(text + "\n")
	env, diags := scenarios.ReadEnvironment("sandbox", r.dir, []byte(text))
	if diags.HasErrors() {
		r.t.Fatal(diags)
	}
	p, diags, err := OpenPlatform(suite, nil, Options{Sandbox: env, Transport: cmp.Or[http.RoundTripper](r.transport, r.tenant.RoundTripper())})
	if err != nil || diags.HasErrors() {
		r.t.Fatal(err, diags)
	}
	r.t.Cleanup(p.Close)
	return p
}

// makeKey creates a key, and waits for it where wait is set.
func (r *rig) makeKey(p *Platform, instance, name, parameters string, wait bool) {
	r.t.Helper()
	ctx := r.t.Context()
	space, err := p.Space(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	i, err := p.client.Instance(ctx, space, instance)
	if err != nil {
		r.t.Fatal(err)
	}
	k := cf.CreateKey{Name: name, InstanceGUID: i.GUID}
	if parameters != "" {
		k.Parameters = json.RawMessage(parameters)
	}
	operation, err := p.client.CreateKey(ctx, k)
	if err == nil && wait {
		_, err = p.client.Wait(ctx, operation, nil)
	}
	if err != nil && wait {
		r.t.Fatal(err)
	}
}

// verdicts gives a line for each key, and one for the result.
func verdicts(a Audit) []string {
	var lines []string
	for _, i := range a.Instances {
		for _, k := range i.Keys {
			line := fmt.Sprintf("%s: %s", a.Label(i, k), k.Verdict)
			if k.Kind != "" {
				line += ", " + string(k.Kind)
			}
			if k.DaysLeft != nil {
				line += fmt.Sprintf(", %d days left", *k.DaysLeft)
			}
			if k.Problem != nil {
				line += ": " + k.Problem.Message
			}
			lines = append(lines, line)
		}
	}
	return append(lines, strings.TrimSuffix(fmt.Sprintf("%d: %s", a.ExitStatus, a.ExitReason), ": "))
}

// audited audits, and wants the lines.
func (r *rig) audited(p *Platform, o AuditOptions, want ...string) Audit {
	r.t.Helper()
	a, err := p.Audit(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.want(verdicts(a), want)
	return a
}

const secretOnly = `sandbox-api/api: not-verified, client secret`

func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.platform()
		r.makeKey(p, "sandbox-rt", "short", `{"key-type":"certificate","validity":10}`, true)
		a := r.audited(p, AuditOptions{},
			secretOnly, "sandbox-rt/sender: not-verified, client secret", "sandbox-rt/short: good, certificate, 9 days left", "0")
		short := a.Instances[1].Keys[1]
		if a.Instances[1].Plan != "integration-flow" || a.Instances[1].Space != "dev" || a.Organization != "sandbox" || a.Space != "dev" ||
			short.LastOperation.Type != "create" || short.LastOperation.State != "succeeded" || short.ClientID == "" || short.GUID == "" || *short.AgeDays != 0 {
			t.Errorf("%+v", a)
		}
		r.audited(p, AuditOptions{MinDays: 9},
			secretOnly, "sandbox-rt/sender: not-verified, client secret", "sandbox-rt/short: good, certificate, 9 days left", "0")
		r.audited(p, AuditOptions{MinDays: 10, Verify: true},
			"sandbox-api/api: good, client secret", "sandbox-rt/sender: good, client secret",
			"sandbox-rt/short: expiring, certificate, 9 days left: the certificate expires in 9 days, on 2000-01-11; it is to be valid for at least 10 days",
			"6: 1 expiring too soon")
		if err := httpx.Sleep(t.Context(), 9*24*time.Hour+time.Hour); err != nil {
			t.Fatal(err)
		}
		a = r.audited(p, AuditOptions{MinDays: 1},
			secretOnly, "sandbox-rt/sender: not-verified, client secret",
			"sandbox-rt/short: expiring, certificate, 0 days left: the certificate expires in less than a day, on 2000-01-11; it is to be valid for at least 1 day",
			"6: 1 expiring too soon")
		if days := *a.Instances[1].Keys[1].AgeDays; days != 9 {
			t.Errorf("%d days old, want 9", days)
		}
		if err := httpx.Sleep(t.Context(), 2*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		a = r.audited(p, AuditOptions{},
			secretOnly, "sandbox-rt/sender: not-verified, client secret",
			"sandbox-rt/short: expired, certificate, -2 days left: the certificate expired on 2000-01-11, 1 day ago", "6: 1 expired or not valid yet")
		if !strings.Contains(a.Instances[1].Keys[1].Problem.Cure, "create a new service key") {
			t.Errorf("%+v", a.Instances[1].Keys[1].Problem)
		}
	})
}

func TestAuditVerify(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults []string
		want   []string
	}{
		{"good", nil, []string{"sandbox-api/api: good, client secret", "sandbox-rt/sender: good, client secret", "0"}},
		{"revoked", []string{"secret-revoked:key=api"}, []string{
			"sandbox-api/api: refused, client secret: HOST refuses client ID or secret (401 invalid_client: \"Bad credentials\")",
			"sandbox-rt/sender: good, client secret", "6: 1 refused"}},
		{"out of order", []string{"token-500"}, []string{
			"sandbox-api/api: unknown, client secret: HOST has trouble of its own (500 server_error: \"An internal error occurred\")",
			"sandbox-rt/sender: unknown, client secret: HOST has trouble of its own (500 server_error: \"An internal error occurred\")", "5: could not find out about 2 of 2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, test.faults...)
				a, err := r.platform().Audit(t.Context(), AuditOptions{Verify: true})
				if err != nil {
					t.Fatal(err)
				}
				got := verdicts(a)
				for i := range got {
					got[i] = strings.ReplaceAll(got[i], host(r.tenant.URL("token")), "HOST")
				}
				r.want(got, test.want)
			})
		})
	}
}

func host(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	return rest
}

// TestAuditCertificates: a key with a certificate is verified with it.
func TestAuditCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, "instances: [{name: certificates, plan: integration-flow, space: test}]\n")
		p := r.platform("space: dev", "space: test")
		r.makeKey(p, "certificates", "own", `{"key-type":"certificate"}`, true)
		r.audited(p, AuditOptions{Verify: true, MinDays: 30},
			"certificates/own: good, certificate, 364 days left", "0")
		r.audited(p, AuditOptions{MinDays: 30}, "certificates/own: good, certificate, 364 days left", "0")
		r.audited(p, AuditOptions{Verify: true, WholeOrg: true},
			"dev/sandbox-api/api: good, client secret", "dev/sandbox-rt/sender: good, client secret",
			"test/certificates/own: good, certificate, 364 days left", "0")
	})
}

// TestAuditGrantTypes: a client that may not use client credentials is not
// refused for its secret.
func TestAuditGrantTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, "instances: [{name: login, plan: api, grant-types: [authorization_code], keys: [web]}]\n")
		a, err := r.platform().Audit(t.Context(), AuditOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		if k := a.Instances[0].Keys[0]; a.Instances[0].Name != "login" || k.Verdict != VerdictNotVerified || !strings.Contains(k.Problem.Message, "grant type") || a.ExitStatus != ExitOK {
			t.Errorf("%q", verdicts(a))
		}
	})
}

// TestAuditUnreadable: who may see keys and not read them is told so.
func TestAuditUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, "users: [{name: auditor, role: space_auditor}]\n")
		a := r.audited(r.platform("username: tester", "username: auditor"), AuditOptions{},
			"sandbox-api/api: unknown: read the credentials of the service key: the key exists, but the user may not read its credentials (the platform says so with status 404)",
			"sandbox-rt/sender: unknown: read the credentials of the service key: the key exists, but the user may not read its credentials (the platform says so with status 404)",
			"5: could not find out about 2 of 2")
		if k := a.Instances[0].Keys[0]; !strings.Contains(k.Problem.Cure, "Space Developer") || k.AgeDays == nil {
			t.Errorf("%+v", k)
		}
	})
}

// TestAuditUnfinished: keys that are being created, or whose creation failed.
func TestAuditUnfinished(t *testing.T) {
	for fault, want := range map[string]string{"provision-stuck": "the key is still being created", "provision-fails": "creating the key failed, so it has no credentials"} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, fault+":name=late,path=/v3/service_credential_bindings")
				p := r.platform()
				r.makeKey(p, "sandbox-rt", "late", "", false)
				if err := httpx.Sleep(t.Context(), time.Minute); err != nil {
					t.Fatal(err)
				}
				a, err := p.Audit(t.Context(), AuditOptions{Verify: true})
				if err != nil {
					t.Fatal(err)
				}
				k := a.Instances[1].Keys[0]
				if k.Name != "late" || k.Verdict != VerdictUnknown || !strings.Contains(k.Problem.Message, want) || a.ExitStatus != ExitUnknown || a.Counts.Good != 2 {
					t.Errorf("%q", verdicts(a))
				}
			})
		})
	}
}

func TestAuditNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, "instances: [{name: bare, plan: api, space: test}]\n")
		p := r.platform()
		r.audited(p, AuditOptions{Offering: "destination"},
			`4: no service key there: there is no instance of destination in the space "dev" of the organisation "sandbox" that the user may see; there are instances of it-rt`)
		r.audited(p, AuditOptions{Offering: "destination", AllowEmpty: true}, "0")
		r.audited(r.platform("space: dev", "space: test"), AuditOptions{Offering: "IT-RT"},
			`4: no service key there: no instance of IT-RT in the space "test" of the organisation "sandbox" has one that the user may see (1 looked at)`)
	})
}

// TestAuditUnjudged: instances whose offering is not told are not passed over in
// silence.
func TestAuditUnjudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.transport = changed{r.tenant.RoundTripper(), func(q *http.Request, a *http.Response, body string) (int, string) {
			var page map[string]any
			if q.URL.Path != "/v3/service_instances" || json.Unmarshal([]byte(body), &page) != nil {
				return a.StatusCode, body
			}
			delete(page, "included")
			text, err := json.Marshal(page)
			if err != nil {
				panic(err)
			}
			return a.StatusCode, string(text)
		}}
		r.audited(r.platform(), AuditOptions{},
			`4: no service key there: there is no instance of it-rt in the space "dev" of the organisation "sandbox" that the user may see; of 2 the platform does not tell the offering`)
	})
}

// TestAuditPlainHTTP: no secret is sent in the clear, but to this machine.
func TestAuditPlainHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var asked atomic.Int32
		r.transport = changed{r.tenant.RoundTripper(), func(q *http.Request, a *http.Response, body string) (int, string) {
			if strings.HasSuffix(q.URL.Path, "/oauth/token") && q.Host == host(r.tenant.URL("token")) {
				asked.Add(1)
			}
			if strings.HasSuffix(q.URL.Path, "/details") {
				body = strings.ReplaceAll(body, r.tenant.URL("token"), "http://acme.authentication.eu10.hana.ondemand.com")
			}
			return a.StatusCode, body
		}}
		a, err := r.platform().Audit(t.Context(), AuditOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		if k := a.Instances[0].Keys[0]; asked.Load() != 0 || k.Verdict != VerdictUnknown || !strings.Contains(k.Problem.Message, "is plain http, at acme.authentication") {
			t.Errorf("%d token requests, %q", asked.Load(), verdicts(a))
		}
	})
}

// TestAuditFails: what keeps the list from being had is one error, which the
// audit tells as well.
func TestAuditFails(t *testing.T) {
	for _, test := range []struct {
		name      string
		replace   []string
		transport func(r *rig) http.RoundTripper
		status    int
		message   string
	}{
		{"sign-in", []string{"password: tester", "password: wrong"}, nil, ExitCredential, "sign"},
		{"organisation", []string{"org: sandbox", "org: sandbx"}, nil, ExitUnknown, `organisation "sandbx" does not exist`},
		{"space", []string{"space: dev", "space: prod"}, nil, ExitUnknown, `there is "dev", "test"`},
		{"platform", nil, func(r *rig) http.RoundTripper {
			return changed{r.tenant.RoundTripper(), func(q *http.Request, a *http.Response, body string) (int, string) {
				if q.URL.Path == "/v3/service_instances" {
					return http.StatusInternalServerError, "{}"
				}
				return a.StatusCode, body
			}}
		}, ExitUnknown, "status 500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				if test.transport != nil {
					r.transport = test.transport(r)
				}
				a, err := r.platform(test.replace...).Audit(t.Context(), AuditOptions{})
				e, ok := errors.AsType[*PlatformError](err)
				if !ok || e.Status != test.status || !strings.Contains(e.Message, test.message) {
					t.Fatalf("%v, want status %d and %q", err, test.status, test.message)
				}
				events := a.Events()
				step, end := events[2], events[len(events)-1]
				if step.Outcome != Error || step.Err.Message != e.Message || end.Summary.ExitStatus != test.status || end.Summary.Steps.Errors != 1 {
					t.Errorf("%+v, %+v", step, end.Summary)
				}
			})
		})
	}
}

// changed is a transport that changes answers.
type changed struct {
	http.RoundTripper
	change func(q *http.Request, a *http.Response, body string) (int, string)
}

func (c changed) RoundTrip(q *http.Request) (*http.Response, error) {
	a, err := c.RoundTripper.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return nil, err
	}
	status, text := c.change(q, a, string(body))
	out := *a
	out.StatusCode, out.Status = status, fmt.Sprintf("%d %s", status, http.StatusText(status))
	out.Header = a.Header.Clone()
	out.Header.Del("Content-Length")
	out.ContentLength = int64(len(text))
	out.Body = io.NopCloser(bytes.NewReader([]byte(text)))
	return &out, nil
}

// details changes the credentials of keys with a certificate.
func details(r *rig, change func(oauth map[string]any)) http.RoundTripper {
	return changed{r.tenant.RoundTripper(), func(q *http.Request, a *http.Response, body string) (int, string) {
		if !strings.HasSuffix(q.URL.Path, "/details") {
			return a.StatusCode, body
		}
		var document struct {
			Credentials struct {
				OAuth map[string]any `json:"oauth"`
			} `json:"credentials"`
		}
		if json.Unmarshal([]byte(body), &document) != nil || document.Credentials.OAuth["certificate"] == nil {
			return a.StatusCode, body
		}
		change(document.Credentials.OAuth)
		text, err := json.Marshal(document)
		if err != nil {
			panic(err)
		}
		return a.StatusCode, string(text)
	}}
}

// TestAuditValidity: the earlier of what the key says and what its certificate
// says counts, and what is missing is no end in sight.
func TestAuditValidity(t *testing.T) {
	until := func(text string) func(map[string]any) {
		return func(oauth map[string]any) { oauth["certificatedetails"] = map[string]any{"validuntil": text} }
	}
	for _, test := range []struct {
		name   string
		change func(oauth map[string]any)
		want   string
	}{
		{"the key earlier", until("2000-01-04T00:00:00.000Z"), "expiring, certificate, 2 days left"},
		{"the certificate earlier", until("2020-01-01T00:00:00.000Z"), "good, certificate, 9 days left"},
		{"no date", until("soon"), "good, certificate, 9 days left"},
		{"no details", func(oauth map[string]any) { delete(oauth, "certificatedetails") }, "good, certificate, 9 days left"},
		{"external", func(oauth map[string]any) { delete(oauth, "key") }, "good, external certificate, 9 days left"},
		{"no certificate in it", func(oauth map[string]any) {
			delete(oauth, "certificatedetails")
			oauth["certificate"] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
		}, "unknown, certificate"},
		{"not a key", func(oauth map[string]any) { delete(oauth, "clientid") }, "unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.transport = details(r, test.change)
				p := r.platform()
				r.makeKey(p, "sandbox-api", "c", `{"key-type":"certificate","validity":10}`, true)
				if err := httpx.Sleep(t.Context(), time.Minute); err != nil {
					t.Fatal(err)
				}
				a, err := p.Audit(t.Context(), AuditOptions{MinDays: 3})
				if err != nil {
					t.Fatal(err)
				}
				got, _, _ := strings.Cut(strings.TrimPrefix(verdicts(a)[1], "sandbox-api/c: "), ":")
				if got != test.want {
					t.Errorf("%q, want %q", verdicts(a)[1], test.want)
				}
			})
		})
	}
}

// busy counts how many requests for credentials are under way.
type busy struct {
	http.RoundTripper
	mu        sync.Mutex
	now, most int
}

func (b *busy) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now += n
	b.most = max(b.most, b.now)
}

func (b *busy) RoundTrip(q *http.Request) (*http.Response, error) {
	if strings.HasSuffix(q.URL.Path, "/details") {
		b.count(1)
		defer b.count(-1)
		if err := httpx.Sleep(q.Context(), time.Second); err != nil {
			return nil, err
		}
	}
	return b.RoundTripper.RoundTrip(q)
}

func manyKeys(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("k%02d", i))
	}
	return "instances: [{name: many, plan: api, keys: [" + strings.Join(names, ", ") + "]}]\n"
}

func TestAuditSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, manyKeys(30))
		b := &busy{RoundTripper: r.tenant.RoundTripper()}
		r.transport = b
		started := time.Now()
		a, err := r.platform().Audit(t.Context(), AuditOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(started).Round(time.Second); a.Counts.Good != 32 || b.most != auditParallel || d != 4*time.Second {
			t.Errorf("%d good, %d side by side, %s", a.Counts.Good, b.most, d)
		}
		names := []string{}
		for _, k := range a.Instances[0].Keys {
			names = append(names, k.Name)
		}
		if !slices.IsSorted(names) || len(names) != 30 {
			t.Errorf("%q", names)
		}
	})
}

func TestAuditInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, manyKeys(20))
		r.transport = &busy{RoundTripper: r.tenant.RoundTripper()}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		timer := time.AfterFunc(1500*time.Millisecond, func() { cancel(Interrupted()) })
		defer timer.Stop()
		a, err := r.platform().Audit(ctx, AuditOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if a.ExitStatus != ExitInterrupted || a.Counts.Total != 22 || a.Counts.Unknown != 14 {
			t.Errorf("exit status %d, %+v", a.ExitStatus, a.Counts)
		}
	})
}

func TestAuditEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "secret-revoked:key=api")
		p := r.platform()
		r.makeKey(p, "sandbox-rt", "short", `{"key-type":"certificate","validity":10}`, true)
		a, err := p.Audit(t.Context(), AuditOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, e := range a.Events() {
			line := strings.TrimSpace(fmt.Sprintf("%s %d %s %s %s", e.Event, e.ScenarioID, e.Scenario, e.Step, e.Outcome))
			switch {
			case e.Err != nil:
				line += " " + e.Err.Type
			case e.Reason != "":
				line += " " + e.Reason
			case e.Summary != nil:
				line += fmt.Sprintf(" %+v %+v %d", e.Summary.Scenarios, e.Summary.Steps, e.Summary.ExitStatus)
			}
			lines = append(lines, line)
		}
		r.want(lines, []string{
			"run-start 0",
			"scenario-start 1 sandbox-api",
			"step-end 1 sandbox-api sandbox-api/api fail credential",
			"scenario-end 1 sandbox-api  fail",
			"scenario-start 2 sandbox-rt",
			"step-end 2 sandbox-rt sandbox-rt/sender pass",
			"step-end 2 sandbox-rt sandbox-rt/short pass",
			"scenario-end 2 sandbox-rt  pass",
			"run-end 0 {Total:2 Passed:1 Failed:1 Errors:0 Skipped:0 Flaky:0} {Total:3 Passed:2 Failed:1 Errors:0 Skipped:0 Flaky:0} 6",
		})
	})
}

// TestAuditLearns: the redactor knows every secret of every key, also of those
// that cannot be verified.
func TestAuditLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var seen []string
		r.transport = details(r, func(oauth map[string]any) { seen = append(seen, oauth["key"].(string)) })
		p := r.platform()
		r.makeKey(p, "sandbox-rt", "short", `{"key-type":"certificate","validity":10}`, true)
		if _, err := p.Audit(t.Context(), AuditOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, k := range r.tenant.Keys() {
			var document struct {
				OAuth struct{ ClientSecret string }
			}
			if err := json.Unmarshal(k.JSON, &document); err != nil {
				t.Fatal(err)
			}
			if s := document.OAuth.ClientSecret; s != "" {
				seen = append(seen, s)
			}
		}
		if len(seen) != 3 {
			t.Fatalf("%d secrets, want 3", len(seen))
		}
		for _, s := range seen {
			if got := p.o.Redactor.String("x " + s + " y"); strings.Contains(got, s) || !strings.Contains(got, "***(sandbox-") {
				t.Errorf("%q is not known", got)
			}
		}
	})
}

// TestAuditEchoedSecret: what servers say of a key does not show its secret.
func TestAuditEchoedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		value := ""
		for _, k := range r.tenant.Keys() {
			if _, rest, ok := strings.Cut(string(k.JSON), `"clientsecret": "`); ok && k.Name == "sender" {
				value, _, _ = strings.Cut(rest, `"`)
			}
		}
		if value == "" {
			t.Fatal("the key has no secret")
		}
		said, err := json.Marshal(map[string]string{"error": "invalid_client", "error_description": "not " + value})
		if err != nil {
			t.Fatal(err)
		}
		r.transport = changed{r.tenant.RoundTripper(), func(q *http.Request, a *http.Response, body string) (int, string) {
			if q.Host != host(r.tenant.URL("token")) {
				return a.StatusCode, body
			}
			return http.StatusUnauthorized, string(said)
		}}
		a, err := r.platform().Audit(t.Context(), AuditOptions{Verify: true})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), value) || !strings.Contains(string(text), "not ***(sandbox-rt/sender.client-secret)") || a.Counts.Refused != 2 {
			t.Errorf("%s", text)
		}
	})
}
