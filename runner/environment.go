package runner

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/scenarios"
)

// target is where a run sends its requests.
type target struct {
	runtime, api string
	ca           []byte
	insecure     bool
	proxy        string
	// rate bounds the requests per second to one host; 0: no bound.
	rate float64
	// origins are those of runtime and api: a token may be sent there.
	origins map[string]bool
}

// environment compiles the chosen environment and, with the sandbox, that of
// the sandbox: its target and credentials then hold, and the chosen one gives
// variables only.
func (c *compiler) environment(chosen *scenarios.Environment) {
	c.envCredentials = map[string]*credential{}
	c.anyEnvironment = chosen != nil || c.o.Sandbox != nil
	scope := c.environmentScope()
	c.chosen = chosen
	if c.o.Sandbox != nil {
		c.chosen = c.o.Sandbox
	}
	if chosen != nil {
		c.plan.envName = chosen.Name
		c.environmentVars(chosen, scope)
		if c.o.Sandbox == nil {
			c.targets(chosen, scope)
			c.environmentCredentials(chosen, scope)
		}
	}
	defer c.checkClient(chosen)
	if c.o.Sandbox != nil {
		c.plan.envName = "sandbox"
		c.environmentVars(c.o.Sandbox, scope)
		c.targets(c.o.Sandbox, scope)
		c.environmentCredentials(c.o.Sandbox, scope)
	}
}

// environmentScope is what the expressions of an environment see.
func (c *compiler) environmentScope() *expression.Scope {
	return &expression.Scope{
		Variables: func(name string) (bool, string) {
			_, isVar := c.o.Vars[name]
			return isVar || slices.ContainsFunc(c.envVars, func(v variable) bool { return v.name == name }), ""
		},
		Names:      func() []string { return nil },
		Env:        c.o.Env,
		EnvMissing: c.envMissing(),
		Run:        true,
	}
}

// checkClient makes the HTTP client once, so that a proxy or authority that it
// cannot use is told before the run.
func (c *compiler) checkClient(chosen *scenarios.Environment) {
	if chosen == nil || c.diags.HasErrors() {
		return
	}
	client, err := httpx.New(c.plan.clientOptions())
	if err != nil {
		c.diags = append(c.diags, diag.Errorf(chosen.Target.Pos(), diag.InvalidValue, "the target cannot be reached like this: %s", c.o.Redactor.Text(err.Error())))
		return
	}
	client.Close()
}

func (c *compiler) environmentVars(e *scenarios.Environment, scope *expression.Scope) {
	c.envSecrets = append(c.envSecrets, e.Secrets...)
	for _, v := range e.Vars {
		compiled := (&scenarioCompiler{compiler: c}).value(v.Value, scope)
		c.envVars = append(c.envVars, variable{v.Key.Text, compiled})
	}
}

// envStatic evaluates the variables of the environment before the run.
func (c *compiler) envStatic() map[string]any {
	secrets := map[string]bool{}
	for _, name := range c.envSecrets {
		secrets[name] = true
	}
	return c.staticVars(c.envVars, secrets)
}

func (c *compiler) environmentCredentials(e *scenarios.Environment, scope *expression.Scope) {
	for _, entry := range e.Credentials {
		cr := c.credential(entry, scope, c.envStatic(), e.Path)
		if cr == nil {
			cr = &credential{} // it has been told why, and is declared all the same
		}
		c.envCredentials[entry.Key.Text] = cr
	}
}

// targets reads the target block.
func (c *compiler) targets(e *scenarios.Environment, scope *expression.Scope) {
	t := &c.plan.target
	t.origins = map[string]bool{}
	if e.Target == nil {
		return
	}
	t.runtime = c.baseURL(e.Target.Get("runtime"), scope)
	t.api = c.baseURL(e.Target.Get("api"), scope)
	for _, base := range []string{t.runtime, t.api} {
		if origin, err := httpx.Origin(base); base != "" && err == nil {
			t.origins[origin] = true
		}
	}
	if proxy := e.Target.Get("proxy"); proxy != nil {
		t.proxy = c.staticText(proxy, scope)
		if u, err := url.Parse(t.proxy); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				c.o.Redactor.Add("proxy password", password)
			}
		} else if t.proxy != "" && (err != nil || u.Host == "") {
			c.diags = append(c.diags, diag.Errorf(proxy.Pos(), diag.InvalidURL, "the proxy is not an absolute URL such as http://proxy.corp:8080"))
		}
	}
	tls := e.Target.Get("tls")
	if insecure := tls.Get("insecure"); insecure != nil && insecure.Text == "true" {
		t.insecure = true
		c.plan.warnings = append(c.plan.warnings, "TLS is not verified in this environment (tls.insecure): nobody knows who answered")
	}
	if ca := tls.Get("ca"); ca != nil {
		if text, ok := c.pem(ca, scope, c.envStatic(), e.Path); ok {
			t.ca = []byte(text)
			if !strings.Contains(text, "-----BEGIN CERTIFICATE-----") {
				c.diags = append(c.diags, diag.Errorf(ca.Pos(), diag.BadFile, "the file holds no certificate in PEM form"))
			}
		}
	}
	if rate, ok := e.Target.Get("limits").Get("requests-per-second").Float(); ok {
		t.rate = rate
	}
	for _, part := range []string{"cloud-foundry", "entitlements", "destinations"} {
		if n := e.Target.Get(part); n != nil {
			(&stepCompiler{scenarioCompiler: &scenarioCompiler{compiler: c, scope: lenient(scope)}}).expressions(n)
		}
	}
}

// lenient gives the scope with a missing variable of the process environment
// as no error: for the parts of an environment that no step of today uses.
func lenient(s *expression.Scope) *expression.Scope {
	l := *s
	known := l.Env
	l.Env = func(name string) (string, bool) {
		v, _ := known(name)
		return v, true
	}
	return &l
}

// baseURL reads an absolute http(s) URL without query.
func (c *compiler) baseURL(n *scenarios.Node, scope *expression.Scope) string {
	if n == nil {
		return ""
	}
	text := c.staticText(n, scope)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidURL, "not a base URL such as https://tenant.example, without query and user: %q", c.o.Redactor.Text(text)))
		return ""
	}
	return strings.TrimRight(text, "/")
}

// staticText evaluates a scalar of an environment before the run; what cannot
// be known is empty, and has been reported.
func (c *compiler) staticText(n *scenarios.Node, scope *expression.Scope) string {
	text, _ := c.static(n, scope, c.envStatic())
	return text
}

// static evaluates a scalar before the run. ok is false when it cannot be
// known: its expression is wrong (reported), or needs a variable of the
// process environment that is not set (reported as a warning).
func (c *compiler) static(n *scenarios.Node, scope *expression.Scope, vars map[string]any) (text string, ok bool) {
	before := c.diags.Errors()
	t := c.template(n, scope)
	if c.diags.Errors() > before {
		return "", false
	}
	for _, name := range t.Env() {
		if _, set := c.o.Env(name); !set && c.o.Check {
			return "", false
		}
	}
	text, err := t.Text(c.values(vars, nil))
	if err != nil {
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.ExpressionSyntax, "the value cannot be known before the run: %s", c.o.Redactor.Text(err.Error())))
		return "", false
	}
	return text, true
}

// maxKeyFile bounds a key or certificate file.
const maxKeyFile = 1 << 20

func (c *compiler) readCredentialFile(n *scenarios.Node, path, from string) ([]byte, bool) {
	full := path
	if !filepath.IsAbs(full) {
		full = filepath.Join(filepath.Dir(from), path)
	}
	info, err := os.Stat(full)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err == nil && info.Size() > maxKeyFile {
		err = errors.New("it holds " + strconv.FormatInt(info.Size(), 10) + " bytes, more than a key or certificate can")
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(full)
	}
	if err == nil {
		return data, true
	}
	shown := path
	if expression.HasExpression(n.Text) {
		// What was meant to be a key, and is none, is not to be shown.
		shown = n.Text
		c.o.Redactor.Add("the value of "+n.Text, path)
	}
	d := diag.Errorf(n.Pos(), diag.BadFile, "cannot read %q: %s", c.o.Redactor.Text(shown), plainFileError(err)).
		WithHint("the path is relative to the file it stands in")
	if c.o.Check && errors.Is(err, fs.ErrNotExist) {
		d.Severity = diag.Warning
	}
	c.diags = append(c.diags, d)
	return nil, false
}

// fileDiagnostic says at a place why a payload file cannot be opened.
func fileDiagnostic(pos diag.Position, err error) diag.Diagnostic {
	if e, ok := errors.AsType[*scenarios.FileError](err); ok {
		return e.Diagnostic(pos)
	}
	return diag.Errorf(pos, diag.BadFile, "%s", plainFileError(err))
}

// plainFileError says what is wrong with a file without its path, which the
// message names already.
func plainFileError(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "reading it is not allowed"
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
