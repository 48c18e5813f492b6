package runner

import (
	"path/filepath"

	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

// foundry is the Cloud Foundry of the target, as the environment describes it.
type foundry struct {
	config     cf.Config
	org, space string
}

// foundryTarget compiles the part of the environment that provisioning needs, when
// the first step needs it; at is that step.
func (c *compiler) foundryTarget(at diag.Position) {
	if c.plan.foundry != nil {
		return
	}
	f := &foundry{}
	c.plan.foundry = f
	var n *scenarios.Node
	if c.chosen != nil {
		n = c.chosen.Target.Get("cloud-foundry")
	}
	if n == nil {
		if !c.o.Check {
			c.diags = append(c.diags, diag.Errorf(at, diag.MissingKey, "the environment has no target.cloud-foundry, and the step needs to know where to create").
				WithHint("give it api, org and space, and a user, or cf-home: true for the session of the cf command line; or use --sandbox"))
		}
		return
	}
	vars := c.envStatic()
	scope := c.environmentScope()
	text := func(key string) string {
		v := n.Get(key)
		if v == nil {
			return ""
		}
		s, _ := c.static(v, scope, vars)
		return s
	}
	hidden := func(key string) secret.Secret {
		name := "cloud-foundry." + key
		value := text(key)
		c.o.Redactor.Add(name, value)
		return secret.New(name, value)
	}
	f.config = cf.Config{
		API: text("api"), Username: text("username"), Password: hidden("password"), Origin: text("origin"),
		ClientID: text("client-id"), ClientSecret: hidden("client-secret"),
	}
	f.org, f.space = text("org"), text("space")
	if home := n.Get("cf-home"); home != nil && home.Text != "false" {
		f.config.Home = c.cfHome(home, scope, vars)
	}
	c.checkFoundry(f, n)
}

// cfHome gives the folder of the session of the cf command line.
func (c *compiler) cfHome(n *scenarios.Node, scope *expression.Scope, vars map[string]any) string {
	if n.Kind != scenarios.Bool {
		home, _ := c.static(n, scope, vars)
		return home
	}
	for _, name := range []string{"CF_HOME", "HOME", "USERPROFILE"} {
		if home, ok := c.o.Env(name); ok && home != "" {
			return filepath.Clean(home)
		}
	}
	return ""
}

// checkFoundry reports what is missing to sign in and to know the space.
func (c *compiler) checkFoundry(f *foundry, n *scenarios.Node) {
	if c.o.Check {
		return
	}
	missing := func(key, why string) {
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.MissingKey, "target.cloud-foundry has no %s: %s", key, why))
	}
	session := f.config.Home != ""
	if f.config.API == "" && !session {
		missing("api", "the URL of the Cloud Foundry API is wanted, such as https://api.cf.eu10.hana.ondemand.com")
	}
	if f.config.Username == "" && f.config.ClientID == "" && !session {
		missing("username", "a user and a password are wanted, or client-id and client-secret, or cf-home: true")
	}
	if (f.org == "" || f.space == "") && !session {
		missing("org and space", "the organisation and the space to work in are wanted")
	}
}
