package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
)

// recipeStep is a shell script of a recipe, as the agent runs it.
type recipeStep struct {
	job, name string
	shell     []string
	script    string
	// always is whether it runs although a step or job before it failed.
	always bool
	// env are the variables that the step itself is given; nil where the agent
	// gives all of them to every step.
	env map[string]string
}

// recipe is a file of docs/ci.
type recipe struct {
	file  string
	steps func(t *testing.T, text []byte) []recipeStep
	// agent are the variables of the agent itself.
	agent []string
	// user and password name the variables of the Cloud Foundry user.
	user, password string
	// annotated is how the line of an error begins in the log; empty: nowhere.
	annotated string
}

func recipes() []recipe {
	return []recipe{
		{"github-actions.yml", gitHubSteps, []string{"GITHUB_ACTIONS=true"}, "CF_USERNAME", "CF_PASSWORD", "::error "},
		{"gitlab-ci.yml", gitLabSteps, []string{"GITLAB_CI=true"}, "CF_USERNAME", "CF_PASSWORD", ""},
		{"azure-pipelines.yml", azureSteps, []string{"TF_BUILD=True"}, "CF_USERNAME", "CF_PASSWORD", "##vso[task.logissue type=error"},
		{"Jenkinsfile", jenkinsSteps, []string{"JENKINS_URL=http://127.0.0.1"}, "CF_USR", "CF_PSW", ""},
	}
}

func readRecipe(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ci", file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decodeRecipe reads YAML.
func decodeRecipe(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := yaml.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// mappingOrder gives keys and values of a mapping in the order of the file.
func mappingOrder(n *yaml.Node) (keys []string, values []*yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys, values = append(keys, n.Content[i].Value), append(values, n.Content[i+1])
	}
	return keys, values
}

// gitHubSteps reads a workflow: without the key shell, a script runs in bash -e.
func gitHubSteps(t *testing.T, text []byte) []recipeStep {
	var workflow struct{ Jobs yaml.Node }
	decodeRecipe(t, text, &workflow)
	var out []recipeStep
	names, jobs := mappingOrder(&workflow.Jobs)
	for n, name := range names {
		var job struct {
			If    string
			Steps []struct {
				Name, If, Run string
				Env           map[string]string
			}
		}
		if err := jobs[n].Decode(&job); err != nil {
			t.Fatal(err)
		}
		for _, s := range job.Steps {
			if s.Run == "" {
				continue
			}
			if s.Env == nil {
				s.Env = map[string]string{}
			}
			out = append(out, recipeStep{
				job: name, name: s.Name, shell: []string{"bash", "-e"}, script: s.Run, env: s.Env,
				always: s.If == "always()" || s.If == "" && job.If == "always()",
			})
		}
	}
	return out
}

// gitLabSteps reads the jobs, whose scripts run behind before_script in one
// shell.
func gitLabSteps(t *testing.T, text []byte) []recipeStep {
	var file struct {
		Default struct {
			Before []string `yaml:"before_script"`
		}
		Stages []string
		Jobs   map[string]yaml.Node `yaml:",inline"`
	}
	decodeRecipe(t, text, &file)
	var out []recipeStep
	for _, stage := range file.Stages {
		for name, node := range file.Jobs {
			var job struct {
				Stage, When string
				Script      []string
			}
			if err := node.Decode(&job); err != nil {
				t.Fatal(err)
			}
			if job.Stage != stage {
				continue
			}
			out = append(out, recipeStep{
				job: name, name: name, shell: []string{"bash", "-eo", "pipefail"},
				script: strings.Join(append(slices.Clone(file.Default.Before), job.Script...), "\n"), always: job.When == "always",
			})
		}
	}
	return out
}

// azureSteps reads the jobs; bash steps run without -e.
func azureSteps(t *testing.T, text []byte) []recipeStep {
	var file struct {
		Jobs []struct {
			Job, Condition string
			Steps          []struct {
				Bash, DisplayName, Condition string
				Env                          map[string]string
			} `yaml:"steps"`
		}
	}
	// displayName is not lower case, as yaml would have it.
	text = bytes.ReplaceAll(text, []byte("displayName:"), []byte("displayname:"))
	decodeRecipe(t, text, &file)
	var out []recipeStep
	for _, job := range file.Jobs {
		for _, s := range job.Steps {
			if s.Bash == "" {
				continue
			}
			if s.Env == nil {
				s.Env = map[string]string{}
			}
			out = append(out, recipeStep{
				job: job.Job, name: s.DisplayName, shell: []string{"bash", "--noprofile", "--norc"}, script: s.Bash, env: s.Env,
				always: s.Condition == "always()" || s.Condition == "" && job.Condition == "always()",
			})
		}
	}
	return out
}

// jenkinsSteps reads the scripts between three quotes, in which a backslash
// before another one, or before the end of a line, is one of Groovy's.
func jenkinsSteps(t *testing.T, text []byte) []recipeStep {
	script := regexp.MustCompile(`(?s)stage\('([^']*)'\)|\n    post \{|\bsh '''(.*?)'''`)
	groovy := strings.NewReplacer(`\\`, `\`, "\\\n", "")
	var out []recipeStep
	stage := ""
	for _, m := range script.FindAllSubmatch(text, -1) {
		switch {
		case len(m[1]) > 0:
			stage = string(m[1])
		case len(m[2]) == 0:
			stage = "post"
		default:
			out = append(out, recipeStep{
				job: "pipeline", name: stage, shell: []string{"sh", "-xe"}, script: groovy.Replace(string(m[2])), always: stage == "post",
			})
		}
	}
	return out
}

// recipeAgent runs the steps of a recipe as a CI server does.
type recipeAgent struct {
	recipe
	tenant *tenant
	env    map[string]string // variables and secrets of the project
	secret []string          // names of secrets
	folder string            // of the job
	path   []string          // what steps have put before PATH
	job    string
	source func(folder string)
	log    strings.Builder
}

// ciFiles writes what a repository with the recipe holds.
func ciFiles(t *testing.T, user, password string) func(folder string) {
	t.Helper()
	guide := string(readRecipe(t, "README.md"))
	_, environment, found := strings.Cut(guide, "```yaml\n# environments/ci.yaml\n")
	environment, _, closed := strings.Cut(environment, "```")
	if !found || !closed {
		t.Fatal("docs/ci/README.md has no environments/ci.yaml")
	}
	environment = strings.NewReplacer("env.CF_USERNAME", "env."+user, "env.CF_PASSWORD", "env."+password).Replace(environment)
	suite, err := os.ReadFile(filepath.Join("..", "..", "scenarios", "smoke", "orders.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const kept = `name: Credentials that stay
tags: [smoke]
steps:
  - name: create an instance
    service-instance: {name: "kept-${run.id}", plan: integration-flow, keep: always, parameters: {grant-types: [client_credentials], roles: [ESBMessaging.send]}}
`
	return func(folder string) {
		for name, text := range map[string]string{
			"environments/ci.yaml": environment, "scenarios/orders.yaml": string(suite), "scenarios/kept.yaml": kept,
		} {
			file := filepath.Join(folder, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, file, text)
		}
	}
}

// programServer serves the program as the place that IFLOWTEST_URL names.
func programServer(t *testing.T) (url, sum string) {
	t.Helper()
	file, err := exec.LookPath("iflowtest")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }))
	t.Cleanup(s.Close)
	return s.URL + "/iflowtest", hex.EncodeToString(h.Sum(nil))
}

func newRecipeAgent(t *testing.T, r recipe, url, sum string) *recipeAgent {
	t.Helper()
	p := &program{in: strings.NewReader(""), out: io.Discard, err: io.Discard, redactor: secret.NewRedactor()}
	tenant, err := p.startSandbox(t.Context(), &global{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tenant.close)
	var environment struct {
		Target struct {
			Runtime, API string
			CF           struct{ API, Org, Space, Username, Password string } `yaml:"cloud-foundry"`
		}
	}
	decodeRecipe(t, tenant.EnvironmentYAML(), &environment)
	cf := environment.Target.CF
	a := &recipeAgent{
		recipe: r, tenant: tenant, source: ciFiles(t, r.user, r.password),
		env: map[string]string{
			"IFLOWTEST_URL": url, "IFLOWTEST_SHA256": sum, "RUNTIME_URL": environment.Target.Runtime, "API_URL": environment.Target.API,
			"CF_API": cf.API, "CF_ORG": cf.Org, "CF_SPACE": cf.Space, r.user: cf.Username, r.password: cf.Password,
		},
		secret: []string{"SENDER_KEY", "API_KEY", r.user, r.password},
	}
	for _, k := range tenant.Keys() {
		a.env[strings.ToUpper(k.Name)+"_KEY"] = string(k.JSON)
	}
	return a
}

// begin gives the job a clean folder; of a job before it there are the
// artifacts.
func (a *recipeAgent) begin(t *testing.T, job string) {
	t.Helper()
	if a.job == job {
		return
	}
	former := a.folder
	a.job, a.folder, a.path = job, t.TempDir(), nil
	a.source(a.folder)
	if former == "" {
		return
	}
	if _, err := os.Stat(filepath.Join(former, "out")); errors.Is(err, os.ErrNotExist) {
		return
	}
	if err := os.CopyFS(filepath.Join(a.folder, "out"), os.DirFS(filepath.Join(former, "out"))); err != nil {
		t.Fatal(err)
	}
}

// run runs one step and gives its exit status.
func (a *recipeAgent) run(t *testing.T, s recipeStep) int {
	t.Helper()
	a.begin(t, s.job)
	script := filepath.Join(t.TempDir(), "step.sh")
	write(t, script, s.script)
	cmd := exec.CommandContext(t.Context(), s.shell[0], append(s.shell[1:], script)...)
	cmd.Dir = a.folder
	cmd.Env = append(a.variables(s), "HOME="+a.folder+"/home", "WORKSPACE="+a.folder, "GITHUB_PATH="+a.folder+"/github-path",
		"GITHUB_STEP_SUMMARY="+a.folder+"/summary.md", "GITHUB_WORKSPACE="+a.folder, "BUILD_SOURCESDIRECTORY="+a.folder)
	out, err := cmd.CombinedOutput()
	a.log.WriteString("== " + s.job + ": " + s.name + "\n" + string(out))
	a.prepend(string(out))
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// variables gives what a step sees. The program that go test has put on PATH
// is not there: the step that installs it has to.
func (a *recipeAgent) variables(s recipeStep) []string {
	var path []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !strings.Contains(dir, "testscript-main") {
			path = append(path, dir)
		}
	}
	path = append(slices.Clone(a.path), path...)
	if s.job == "pipeline" { // PATH of the block environment
		path = append([]string{filepath.Join(a.folder, "bin")}, path...)
	}
	out := append(slices.Clone(a.agent), "PATH="+strings.Join(path, string(filepath.ListSeparator)))
	for name, value := range a.env {
		if _, given := s.env[name]; given || s.env == nil || !slices.Contains(a.secret, name) {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// prepend reads what the step wants before PATH.
func (a *recipeAgent) prepend(out string) {
	if text, err := os.ReadFile(filepath.Join(a.folder, "github-path")); err == nil {
		a.path = strings.Fields(string(text))
	}
	for l := range strings.Lines(out) {
		if dir, ok := strings.CutPrefix(l, "##vso[task.prependpath]"); ok {
			a.path = append([]string{strings.TrimSpace(dir)}, a.path...)
		}
	}
}

// runAll runs every step that the CI server would run, and gives the exit
// statuses of those that were run.
func (a *recipeAgent) runAll(t *testing.T) map[string]int {
	t.Helper()
	steps := a.steps(t, readRecipe(t, a.file))
	out := map[string]int{}
	failedJobs, failed := false, ""
	for _, s := range steps {
		// Within a job that runs always, a step behind one that failed does not.
		if failed == s.job && s.job != "pipeline" || failedJobs && !s.always {
			continue
		}
		status := a.run(t, s)
		out[s.job+": "+s.name] = status
		if status != 0 {
			failedJobs, failed = true, s.job
		}
	}
	return out
}

func needShell(t *testing.T) {
	t.Helper()
	for _, name := range []string{"bash", "sh", "curl", "sha256sum", "sed"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("the recipes want %s, which is not on this machine", name)
		}
	}
}

// TestRecipes runs the commands of each recipe as they stand, with keys that
// are good: reports are there, and nothing is left behind.
func TestRecipes(t *testing.T) {
	needShell(t)
	url, sum := programServer(t)
	for _, r := range recipes() {
		t.Run(r.file, func(t *testing.T) {
			t.Parallel()
			a := newRecipeAgent(t, r, url, sum)
			statuses := a.runAll(t)
			wanted := len(a.steps(t, readRecipe(t, r.file)))
			if wanted < 2 || len(statuses) != wanted {
				t.Errorf("%d steps ran, want all %d", len(statuses), wanted)
			}
			for name, status := range statuses {
				if status != 0 {
					t.Errorf("%s: exit status %d", name, status)
				}
			}
			for _, file := range []string{"gate.xml", "gate.jsonl", "smoke.xml", "smoke.jsonl", "smoke.html"} {
				if info, err := os.Stat(filepath.Join(a.folder, "out", file)); err != nil || info.Size() == 0 {
					t.Errorf("no report out/%s: %v", file, err)
				}
			}
			if root := counted(t, filepath.Join(a.folder, "out", "smoke.xml")); root.Tests < 5 {
				t.Errorf("%d cases, want those of orders.yaml and kept.yaml", root.Tests)
			}
			checkNothingLeft(t, a)
			checkNoSecret(t, a)
			if t.Failed() {
				t.Log(a.log.String())
			}
		})
	}
}

// checkNothingLeft looks for the instance that the suite keeps: it was there,
// and the cleanup has removed it.
func checkNothingLeft(t *testing.T, a *recipeAgent) {
	t.Helper()
	log := a.log.String()
	if !regexp.MustCompile(`kept-[a-z0-9]+ .*removed`).MatchString(log) {
		t.Error("the cleanup did not remove what the suite keeps")
	}
	if !strings.Contains(log, "nothing was left behind\n") {
		t.Error("the last cleanup did not say that nothing is left")
	}
	res, err := http.Get(a.tenant.URL(sandbox.Control) + "/_sandbox/state")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	state, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the state of the sandbox: %d %v", res.StatusCode, err)
	}
	if bytes.Contains(state, []byte("kept-")) {
		t.Errorf("the instance is still there:\n%s", state)
	}
}

// checkNoSecret looks for secrets in the log and in all that is published.
func checkNoSecret(t *testing.T, a *recipeAgent) {
	t.Helper()
	var secrets []string
	for _, k := range a.tenant.Keys() {
		var key struct{ OAuth struct{ ClientSecret string } }
		if err := json.Unmarshal(k.JSON, &key); err != nil || key.OAuth.ClientSecret == "" {
			t.Fatalf("the key %s has no secret: %v", k.Name, err)
		}
		secrets = append(secrets, key.OAuth.ClientSecret)
	}
	secrets = append(secrets, a.env[a.password])
	texts := map[string]string{"the log": a.log.String()}
	files, err := filepath.Glob(filepath.Join(a.folder, "out", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(a.folder, "summary.md")) {
		if text, err := os.ReadFile(file); err == nil {
			texts[filepath.Base(file)] = string(text)
		}
	}
	for where, text := range texts {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s holds a secret", where)
			}
		}
	}
}

// TestRecipesWithBadKey has a key that was rotated: the gate fails with 6, the
// suite is not run, its report is published and the cleanup runs.
func TestRecipesWithBadKey(t *testing.T) {
	needShell(t)
	url, sum := programServer(t)
	for _, r := range recipes() {
		t.Run(r.file, func(t *testing.T) {
			t.Parallel()
			a := newRecipeAgent(t, r, url, sum)
			a.env["SENDER_KEY"] = regexp.MustCompile(`("clientsecret":\s*")`).ReplaceAllString(a.env["SENDER_KEY"], "${1}former-")
			var bad, cleaned []string
			for name, status := range a.runAll(t) {
				if status != 0 {
					bad = append(bad, name)
					if status != 6 {
						t.Errorf("%s: exit status %d, want 6", name, status)
					}
				}
				if strings.HasPrefix(name, "cleanup: ") || strings.HasSuffix(name, ": post") {
					cleaned = append(cleaned, name)
				}
			}
			if len(bad) != 1 || len(cleaned) == 0 {
				t.Errorf("steps that failed: %q, want the gate; of the cleanup: %q", bad, cleaned)
			}
			if _, err := os.Stat(filepath.Join(a.folder, "out", "smoke.xml")); err == nil {
				t.Error("the suite ran, though the gate had failed")
			}
			if root := counted(t, filepath.Join(a.folder, "out", "gate.xml")); root.Failures+root.Errors == 0 {
				t.Error("the report of the gate has no failure")
			}
			if !strings.Contains(a.log.String(), "nothing was left behind\n") {
				t.Error("the cleanup did not run to its end")
			}
			if r.annotated != "" && !strings.Contains(a.log.String(), "\n"+r.annotated) {
				t.Errorf("the log has no line that begins with %q", r.annotated)
			}
			checkNoSecret(t, a)
			if t.Failed() {
				t.Log(a.log.String())
			}
		})
	}
}

// TestRecipeInstallsWhatItKnows has another file at the URL: its sum is wrong,
// and nothing of it is run.
func TestRecipeInstallsWhatItKnows(t *testing.T) {
	needShell(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "#!/bin/sh\necho another program runs\n")
	}))
	defer s.Close()
	for _, r := range recipes() {
		t.Run(r.file, func(t *testing.T) {
			a := newRecipeAgent(t, r, s.URL, strings.Repeat("0", 64))
			first := a.steps(t, readRecipe(t, r.file))[0]
			if status := a.run(t, first); status == 0 {
				t.Error("the step installed a file with another sum")
			}
			if strings.Contains(a.log.String(), "another program runs") {
				t.Errorf("what was not checked ran:\n%s", a.log.String())
			}
		})
	}
}

// TestRecipesHideSecrets reads the scripts: none expands a secret, shows the
// environment or traces commands, and secrets come from the CI server.
func TestRecipesHideSecrets(t *testing.T) {
	secretName := regexp.MustCompile(`^(SENDER_KEY|API_KEY|CF_USERNAME|CF_PASSWORD|CF_USR|CF_PSW)$`)
	expansion := regexp.MustCompile(`\$\{?[A-Za-z_]*(_KEY|PASSWORD|PSW|USR|USERNAME)|\bprintenv\b|\bset -[a-z]*x|\benv\s*(\||$|>)|\bexport -p\b`)
	for _, r := range recipes() {
		for _, s := range r.steps(t, readRecipe(t, r.file)) {
			if found := expansion.FindString(s.script); found != "" {
				t.Errorf("%s, %s: %q in\n%s", r.file, s.name, found, s.script)
			}
			for name, value := range s.env {
				from := regexp.MustCompile(`^(\$\{\{ secrets\.` + name + ` \}\}|\$\(` + name + `\))$`)
				if !secretName.MatchString(name) || !from.MatchString(value) {
					t.Errorf("%s, %s: %s is %q, want the secret of that name", r.file, s.name, name, value)
				}
			}
		}
	}
}

// TestRecipeArtifacts has every report that the commands name among what is
// published.
func TestRecipeArtifacts(t *testing.T) {
	published := map[string][]string{
		"github-actions.yml":  {"path: out/\n", "if: always()"},
		"gitlab-ci.yml":       {"      - out/\n", "- out/gate.xml\n", "- out/smoke.xml\n", "when: always"},
		"azure-pipelines.yml": {"testResultsFiles: out/*.xml\n", "publish: out\n", "condition: always()"},
		"Jenkinsfile":         {"junit testResults: 'out/*.xml'", "archiveArtifacts artifacts: 'out/**'", "always {"},
	}
	report := regexp.MustCompile(`--(?:junit|json|html) (\S+)`)
	for _, r := range recipes() {
		text := string(readRecipe(t, r.file))
		for _, want := range published[r.file] {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", r.file, want)
			}
		}
		named := 0
		for _, s := range r.steps(t, []byte(text)) {
			for _, m := range report.FindAllStringSubmatch(s.script, -1) {
				if named++; !strings.HasPrefix(m[1], "out/") {
					t.Errorf("%s: %s is not published", r.file, m[1])
				}
			}
		}
		if named != 5 {
			t.Errorf("%s names %d reports, want JUnit and JSON lines of the gate, and with HTML those of the suite", r.file, named)
		}
	}
}
