package sandbox

import (
	"net/http"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"iflowtest/internal/diag"
	"iflowtest/internal/sandbox/api"
	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/subaccount"
)

// flow reads one flow of one's own.
func (c *configReader) flow(n *yaml.Node) {
	f := iflow.Flow{Role: subaccount.DefaultRole}
	custom := &customFlow{}
	c.mapping(n, "a flow", []field{
		{name: "id", required: true, read: func(n *yaml.Node) { f.ID = c.flowID(n) }},
		{name: "endpoint", required: true, read: func(n *yaml.Node) { f.Endpoint = c.endpoint(n) }},
		{name: "role", read: func(n *yaml.Node) {
			if role, ok := c.text(n, "role"); ok {
				f.Role = role
			}
		}},
		{name: "methods", read: func(n *yaml.Node) { f.Methods = c.methods(n) }},
		{name: "csrf", read: func(n *yaml.Node) { f.CSRF = c.boolean(n, "csrf") }},
		{name: "respond", required: true, read: func(n *yaml.Node) {
			c.elements(n, "respond", func(n *yaml.Node) { custom.rules = append(custom.rules, c.rule(n)) })
		}},
		{name: "version", read: func(n *yaml.Node) { f.Version = c.version(n) }},
		{name: "deployed", read: func(n *yaml.Node) { f.Undeployed = !c.boolean(n, "deployed") }},
		{name: "deployment-error", read: func(n *yaml.Node) { f.DeploymentError, _ = c.text(n, "deployment-error") }},
		{name: "message-log", read: func(n *yaml.Node) { custom.log = c.messageLog(n) }},
	})
	f.Process = custom.process
	c.config.flows = append(c.config.flows, f)
}

// flowID is what the ID of an artifact may be.
var flowID = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_. -]{0,149}$`)

func (c *configReader) flowID(n *yaml.Node) string {
	id, ok := c.text(n, "id")
	if !ok {
		return ""
	}
	if !flowID.MatchString(id) {
		c.errorAt(n, diag.InvalidName, "id %q: want a letter, then A-Z a-z 0-9 _ . - or blanks", id)
	}
	c.take(n, "the flow", id, &c.flowIDs)
	return id
}

func (c *configReader) endpoint(n *yaml.Node) string {
	address, ok := c.text(n, "endpoint")
	if !ok {
		return ""
	}
	if err := iflow.CheckEndpoint(address); err != nil {
		c.errorAt(n, diag.InvalidValue, "%s", err)
		return ""
	}
	c.take(n, "the endpoint", strings.ToLower(address), &c.endpoints)
	return address
}

func (c *configReader) methods(n *yaml.Node) []string {
	known := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	var methods []string
	c.elements(n, "methods", func(n *yaml.Node) {
		if m := c.oneOf(n, "methods", known); m != "" {
			methods = append(methods, m)
		}
	})
	return methods
}

// What a response may answer with.
const (
	lowStatus  = 200
	highStatus = 599
)

func (c *configReader) rule(n *yaml.Node) rule {
	var r rule
	body := ""
	text := func(kind, contentType string) field {
		return field{name: kind, read: func(n *yaml.Node) {
			if c.oneBody(n, kind, &body) {
				r.contentType, r.body = contentType, &textBody{c.template(n, kind), kind == "xml"}
			}
		}}
	}
	c.mapping(n, "an entry of respond", []field{
		{name: "when", read: func(n *yaml.Node) { r.when = c.condition(n) }},
		{name: "status", read: func(n *yaml.Node) { r.status = c.status(n) }},
		{name: "headers", read: func(n *yaml.Node) { r.headers = c.templates(n, "headers", headerName) }},
		{name: "json", read: func(n *yaml.Node) {
			if c.oneBody(n, "json", &body) {
				r.contentType, r.json = "application/json", c.document(n, 0)
			}
		}},
		text("xml", "application/xml;charset=utf-8"),
		text("body", "text/plain;charset=utf-8"),
		{name: "delay", read: func(n *yaml.Node) { r.delay = c.duration(n, "delay") }},
	})
	return r
}

// oneBody reports a second body.
func (c *configReader) oneBody(n *yaml.Node, kind string, first *string) bool {
	if *first != "" {
		c.errorAt(n, diag.SeveralBodies, "an answer has one body, and this one has %s and %s", *first, kind)
		return false
	}
	*first = kind
	return true
}

// flowVersion is what the version of an artifact may be.
var flowVersion = regexp.MustCompile(`^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$`)

func (c *configReader) version(n *yaml.Node) string {
	version, ok := c.text(n, "version")
	if ok && !flowVersion.MatchString(version) {
		c.errorAt(n, diag.InvalidValue, "version: want three numbers with dots, such as 1.0.4, got %q", version)
	}
	return version
}

// deployment reads how long the steps of a deployment take.
func (c *configReader) deployment(n *yaml.Node) {
	times := api.DefaultDeploymentTimes()
	c.mapping(n, "deployment", []field{
		{name: "build", read: func(n *yaml.Node) { times.Build = c.duration(n, "build") }},
		{name: "start", read: func(n *yaml.Node) { times.Start = c.duration(n, "start") }},
		{name: "endpoint", read: func(n *yaml.Node) { times.Endpoint = c.duration(n, "endpoint") }},
	})
	c.config.deployment = &times
}

// deploymentTimes gives how long the steps of a deployment take.
func (c *Config) deploymentTimes() api.DeploymentTimes {
	if c.deployment == nil {
		return api.DefaultDeploymentTimes()
	}
	return *c.deployment
}
