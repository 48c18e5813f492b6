package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
	"iflowtest/runner"
)

// keySecrets gives the secrets of every key of the tenant.
func keySecrets(t *testing.T, tenant *sandbox.Tenant) []string {
	t.Helper()
	var values []string
	for _, k := range tenant.Keys() {
		var document struct {
			OAuth struct{ ClientSecret, Key string } `json:"oauth"`
		}
		if err := json.Unmarshal(k.JSON, &document); err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{document.OAuth.ClientSecret, document.OAuth.Key} {
			if v != "" {
				values = append(values, v)
			}
		}
	}
	return values
}

// TestKeysLeak: the audit shows keys, and nothing of them that is a secret.
func TestKeysLeak(t *testing.T) {
	t.Chdir(t.TempDir())
	tenant := served(t)
	// Without its credentials: the audit is to learn the secrets by itself.
	env, _, _ := strings.Cut(string(tenant.EnvironmentYAML()), "\ncredentials:\n")
	write(t, "env.yaml", env+"\n")
	write(t, "make.yaml", "name: Certificate\nsteps:\n  - service-key: {name: own, instance: sandbox-rt, parameters: {key-type: certificate, validity: 5}}\n")
	status, out, log := invokeIn(t, "run", "-e", "env.yaml", "make.yaml", "--keep", "always", "--journal", "journal")
	if status != 0 {
		t.Fatalf("%d\n%s%s", status, out, log)
	}
	values := append(keySecrets(t, tenant), "tester-9f4c2b")
	if len(values) != 4 || !strings.Contains(values[2]+values[1]+values[0], "PRIVATE KEY") {
		t.Fatalf("%d secrets, want 4 with a private key", len(values))
	}
	token := regexp.MustCompile(`eyJ[\w-]{10,}\.`)
	for _, more := range [][]string{{"--min-days", "30"}, {"--verify"}, {"--verify", "--org", "--color", "always"}} {
		args := append([]string{"keys", "-e", "env.yaml", "-v", "--junit", "TEST.xml", "--json", "run.jsonl"}, more...)
		all := leaked(t, nil, args, values...)
		if found := token.FindString(all); found != "" {
			t.Errorf("%s: a token is shown: %s…", more, found)
		}
		for _, want := range []string{"own", "sender", "client secret", `"kind": "certificate"`, "<testcase name="} {
			if !strings.Contains(all, want) {
				t.Errorf("%s: nowhere is %q:\n%s", more, want, all)
			}
		}
	}
}

const auditShown = `SPACE  INSTANCE  PLAN  KEY   KIND           AGE   VALID UNTIL  DAYS LEFT  LAST OPERATION      VERDICT
dev    bare      api   -     -              -     -            -          update in progress  no key
dev    smoke     api   gone  certificate    400d  2026-01-02   -1         create succeeded    expired
dev    smoke     api   k     client secret  -     -            -          delete failed       good
dev    smoke     api   late  -              -     -            -          create in progress  could not find out
dev    smoke     api   soon  certificate    -     2026-01-04   1          -                   expires in 1 day

dev/bare: last operation: update in progress
dev/smoke/gone: expired: it expired
   = make another
dev/smoke/k: last operation: delete failed: two lines
dev/smoke/late: last operation: create in progress
dev/smoke/late: could not find out: in progress
dev/smoke/soon: expires in 1 day: soon
1 instance left out, as the platform does not tell the offering

4 keys of it-rt in acme/dev: 1 good, 1 expired, 1 expiring, 1 could not find out; exit status 6: 1 expired, 1 expiring
`

// TestPrintAudit: what an audit looks like, for every state.
func TestPrintAudit(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 1, d, 12, 0, 0, 0, time.UTC) }
	audit := &runner.Audit{
		Organization: "acme", Space: "dev", Offering: "it-rt", Unjudged: 1, ExitStatus: 6, ExitReason: "1 expired,\n1 expiring",
		Counts: runner.AuditCounts{Total: 4, Good: 1, Expired: 1, Expiring: 1, Unknown: 1},
		Instances: []runner.AuditedInstance{
			{Name: "bare", Space: "dev", Plan: "api", LastOperation: runner.AuditedOperation{Type: "update", State: "in progress"}},
			{Name: "smoke", Space: "dev", Plan: "api", LastOperation: runner.AuditedOperation{Type: "create", State: "succeeded"}, Keys: []runner.AuditedKey{
				{
					Name: "gone", Kind: runner.KeyCertificate, AgeDays: new(400), ValidUntil: day(2), DaysLeft: new(-1), Verdict: runner.VerdictExpired,
					LastOperation: runner.AuditedOperation{Type: "create", State: "succeeded"}, Problem: &runner.Problem{Message: "it expired", Cure: "make\tanother"},
				},
				{Name: "k", Kind: runner.KeySecret, Verdict: runner.VerdictGood, LastOperation: runner.AuditedOperation{Type: "delete", State: "failed", Description: "two\nlines"}},
				{Name: "late", Verdict: runner.VerdictUnknown, LastOperation: runner.AuditedOperation{Type: "create", State: "in progress"}, Problem: &runner.Problem{Message: "in progress"}},
				{Name: "soon", Kind: runner.KeyCertificate, ValidUntil: day(4), DaysLeft: new(1), Verdict: runner.VerdictExpiring, Problem: &runner.Problem{Message: "soon"}},
			}},
		},
	}
	var out bytes.Buffer
	p := &program{out: &out, redactor: secret.NewRedactor()}
	if err := p.printAudit(&global{color: "never"}, audit); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(auditShown, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	if err := p.printAudit(&global{color: "never", quiet: true}, audit); err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(auditShown, "\n\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("quiet (-want +got):\n%s", diff)
	}
}

// invokeIn runs a command line with the environment of the process.
func invokeIn(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, err: &log, environ: os.Environ(), redactor: secret.NewRedactor()}
	status = p.run(t.Context(), args)
	return status, out.String(), log.String()
}
