package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
)

// canaryScenario has everything echoed and asserts on it wrongly, so that all
// of it is reported.
const canaryScenario = `
name: Canary
tags: [canary]
secrets: [pin]
vars:
  pin: 4711-pin-4711
  nasty: ${env.NASTY_SECRET}
steps:
  - name: wrong secret
    token: {credential: sender, client-secret: wrong}
    on-failure: continue
  - name: the token answer
    token: {credential: sender}
    expect:
      json: {access_token: nope, no.such: 1}
      body: nope
      headers: {content-type: nope}
      claims: {cid: nope}
    on-failure: continue
  - name: bearer echoed
    call:
      POST: "/http/echo?plain=${nasty}"
      credential: sender
      query: {q: "${nasty}", pin: "${pin}"}
      headers: {X-Nasty: "${urlEncode(nasty)}", X-Api-Key: "${nasty}"}
      json: {deep: {secret: "${nasty}", pin: "${pin}"}, list: ["${nasty}"]}
    expect:
      status: 500
      json:
        headers.Authorization: nope
        body: nope
        query: {equals: {a: 1}}
        headers: {equals: {}}
        json.deep.secret: nope
        no.such.path: 1
      body: {matches: 'nope'}
    on-failure: continue
  - name: basic echoed
    call:
      POST: /http/echo
      credential: sender
      auth: basic
      form: {a: "${nasty}", b: "x${pin}y"}
    expect:
      json: {headers.Authorization: nope, body: nope}
    on-failure: continue
  - name: xml echoed
    call: {POST: /http/echo, credential: sender, xml: "<a b='${nasty}'>\n  ${pin}\n</a>"}
    expect:
      json: {body: nope}
      body: {equals: nope}
    on-failure: continue
  - name: many lines
    call:
      POST: /http/echo
      credential: sender
      body: |
        ${nasty}
        100% ${nasty}
    expect: {json: {body: nope}}
    on-failure: continue
  - name: many parts
    call: {POST: /http/echo, credential: sender, multipart: {a: "${nasty}", b: "${pin}"}}
    expect: {json: {body: nope}}
    on-failure: continue
  - name: csrf and cookies
    call: {POST: /http/csrf, credential: sender, csrf: true, body: "${nasty}"}
    expect: {status: 500, headers: {set-cookie: nope}}
    on-failure: continue
  - name: text echoed ${nasty}
    call: {POST: /http/echo, credential: sender, body: "${toJSON(nasty)} ${toBase64(nasty)} ${nasty}"}
    expect:
      body: {not-contains: "\""}
    capture:
      stolen: {json: no.such}
    on-failure: continue
  - name: looked at again and again
    call: {POST: /http/echo, credential: sender, json: {secret: "${nasty}", pin: "${pin}"}}
    poll:
      until: {json: {json.secret: "no ${nasty}", body: nope, json.pin: nope}}
      abort-if: {body: {matches: "^no ${pin}"}}
      every: 5ms
      timeout: 100ms
    on-failure: continue
  - name: tried again and again
    call: {GET: "http://127.0.0.1:1/${nasty}"}
    retry: {attempts: 2, every: 5ms}
    on-failure: continue
  - name: a dead host
    call: {GET: "http://127.0.0.1:1/${nasty}?token=${nasty}", headers: {X-Token: "${nasty}"}}
    on-failure: continue
  - name: no number ${nasty}
    wait: "${nasty}"
`

// canary runs the scenario with every report on, and gives everything that
// was written anywhere.
func canary(t *testing.T, redactor *secret.Redactor) (outputs map[string]string, secrets map[string]string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	tenant := served(t)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("env.yaml", string(tenant.EnvironmentYAML()))
	write("canary.yaml", strings.TrimPrefix(canaryScenario, "\n"))
	nasty := `-S3cr=t&$x%2 "q" 'p' <ü>/\+`
	var out, log bytes.Buffer
	p := &program{
		in: strings.NewReader(""), out: &out, err: &log, redactor: redactor, unredacted: redactor == nil,
		environ: []string{"NASTY_SECRET=" + nasty},
	}
	status := p.run(t.Context(), []string{"run", "canary.yaml", "-e", "env.yaml", "-v", "--junit", "TEST.xml", "--json", "run.jsonl", "--html", "run.html", "--junit-places", "always"})
	if status != 6 {
		t.Fatalf("exit status %d, want 6; %s%s", status, out.String(), log.String())
	}
	outputs = map[string]string{"stdout": out.String(), "stderr": log.String()}
	if status := p.run(t.Context(), []string{"report", "run.jsonl", "--junit", "again.xml", "--html", "again.html", "--json", "again.jsonl"}); status != 0 {
		t.Fatalf("exit status %d of report; %s", status, log.String())
	}
	for _, name := range []string{"TEST.xml", "run.jsonl", "run.html", "again.xml", "again.html", "again.jsonl"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		outputs[name] = string(data)
	}
	var key struct {
		OAuth struct{ ClientID, ClientSecret string } `json:"oauth"`
	}
	decode(t, tenant.Keys()[0].JSON, &key)
	secrets = map[string]string{
		"client secret": key.OAuth.ClientSecret,
		"basic":         base64.StdEncoding.EncodeToString([]byte(key.OAuth.ClientID + ":" + key.OAuth.ClientSecret)),
		"nasty":         nasty,
		"pin":           "4711-pin-4711",
	}
	return outputs, secrets
}

// TestCanary searches every output for every secret in every encoding that
// the redactor knows.
func TestCanary(t *testing.T) {
	outputs, secrets := canary(t, secret.NewRedactor())
	for what, value := range secrets {
		for _, e := range secret.Encodings(value) {
			for name, text := range outputs {
				if i := strings.Index(text, e.Text); i >= 0 {
					t.Errorf("%s holds the %s (%s): …%s…", name, what, e.Name, text[max(0, i-60):min(len(text), i+len(e.Text)+20)])
				}
			}
		}
	}
	for name, text := range outputs {
		if strings.Contains(text, "eyJ") {
			i := strings.Index(text, "eyJ")
			t.Errorf("%s holds what looks like a token: …%s…", name, text[max(0, i-60):i+20])
		}
	}
	for _, name := range []string{"stdout", "TEST.xml", "run.jsonl", "run.html", "again.html"} {
		for _, mask := range []string{"***(sender.client-secret)", "***(env.NASTY_SECRET)", "***(pin)"} {
			if !strings.Contains(outputs[name], mask) {
				t.Errorf("%s nowhere holds %s", name, mask)
			}
		}
	}
}

// TestCanaryUnredacted shows that the secrets are there to be found when the
// redactor is off: that TestCanary can fail.
func TestCanaryUnredacted(t *testing.T) {
	outputs, secrets := canary(t, nil)
	all := ""
	for _, text := range outputs {
		all += text
	}
	for what, value := range secrets {
		if what == "basic" {
			continue // an encoding of the client secret, found below
		}
		found := map[string]bool{}
		for _, e := range secret.Encodings(value) {
			if strings.Contains(all, e.Text) {
				found[e.Name] = true
			}
		}
		if len(found) == 0 {
			t.Errorf("the %s is nowhere to be found without the redactor", what)
		}
	}
	for _, name := range []string{"TEST.xml", "run.jsonl"} {
		if !strings.Contains(outputs[name], secrets["basic"]) {
			t.Errorf("%s does not hold the Basic value without the redactor", name)
		}
		if !strings.Contains(outputs[name], "eyJ") {
			t.Errorf("%s holds no token without the redactor", name)
		}
	}
}

// TestRequestsAreMasked looks at what the sandbox tells of its requests.
func TestRequestsAreMasked(t *testing.T) {
	tenant := served(t)
	plan := planOf(t, tenant, "name: A\nsteps:\n  - call: {GET: \"/http/echo?client_secret=hidden-value\", credential: sender}\n", noOptions())
	runPlan(t, plan, t.TempDir())
	response, err := http.Get(tenant.URL(sandbox.Control) + "/_sandbox/requests")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var list json.RawMessage
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(list), "hidden-value") || !strings.Contains(string(list), "/http/echo") {
		t.Errorf("requests: %s", list)
	}
}
