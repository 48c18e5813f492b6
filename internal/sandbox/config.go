package sandbox

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/sandbox/api"
	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/subaccount"
)

// Config is a sandbox of one's own: what a configuration file adds to the
// tenant. The zero Config adds nothing. It never changes once it is read.
type Config struct {
	flows       []iflow.Flow
	instances   []instanceConfig
	keys        []keyConfig
	entitled    []string
	named       bool // entitled was written
	latency     time.Duration
	tls         bool
	faults      []Fault
	decodeBasic bool
	// provisioning is how long the jobs of Cloud Foundry and of the
	// entitlements take at least.
	provisioning time.Duration
	deployment   *api.DeploymentTimes // nil: the usual ones
	users        []subaccount.UserSpec
	quota        subaccount.Quota
}

type instanceConfig struct {
	spec subaccount.InstanceSpec
	keys []string
}

type keyConfig struct {
	name, instance string
	parameters     []byte // as the service broker reads them; nil: a secret
}

// entitledPlans gives the plans of it-rt the subaccount may use.
func (c *Config) entitledPlans() []string {
	if c.named {
		return c.entitled
	}
	return subaccount.Plans()
}

// provision makes the instances and keys of the configuration.
func (c *Config) provision(s *subaccount.Subaccount) error {
	for _, i := range c.instances {
		if _, err := s.CreateInstance(i.spec); err != nil {
			return err
		}
		for _, k := range i.keys {
			if _, err := s.CreateKey(i.spec.Name, k, nil); err != nil {
				return err
			}
		}
	}
	for _, k := range c.keys {
		if _, err := s.CreateKey(k.instance, k.name, k.parameters); err != nil {
			return err
		}
	}
	return nil
}

// configReader reads one configuration.
type configReader struct {
	*reader
	config Config
	// What is taken already, by what is built in or stood above.
	flowIDs, endpoints, instances, keys, users []string
}

// ParseConfig reads a configuration file: flows, instances, keys, entitled,
// latency, tls, provisioning, deployment, users, quota, faults and xsuaa-compat. It reports everything that is wrong, each
// with its place in file, and gives a configuration only when nothing is.
func ParseConfig(file string, data []byte) (*Config, diag.List) {
	r, top := newReader(file, data)
	c := &configReader{reader: r, instances: []string{"sandbox-rt", "sandbox-api"}, keys: []string{"sender", "api"}, users: []string{subaccount.UserName}}
	if deployed, err := iflow.New(iflow.Options{}); err == nil {
		for _, f := range deployed.Flows() {
			c.flowIDs = append(c.flowIDs, f.ID)
			c.endpoints = append(c.endpoints, strings.ToLower(f.Endpoint))
		}
	}
	if top != nil && !isNull(top) {
		c.top(top)
	}
	if c.list.HasErrors() {
		return nil, c.list.Sorted()
	}
	return &c.config, c.list.Sorted()
}

func (c *configReader) top(n *yaml.Node) {
	c.mapping(n, "the configuration", []field{
		{name: "flows", read: func(n *yaml.Node) { c.elements(n, "flows", c.flow) }},
		{name: "instances", read: func(n *yaml.Node) { c.elements(n, "instances", c.instance) }},
		{name: "keys", read: func(n *yaml.Node) { c.elements(n, "keys", c.key) }},
		{name: "entitled", read: c.entitlement},
		{name: "latency", read: func(n *yaml.Node) { c.config.latency = c.duration(n, "latency") }},
		{name: "tls", read: func(n *yaml.Node) { c.config.tls = c.boolean(n, "tls") }},
		{name: "provisioning", read: func(n *yaml.Node) { c.config.provisioning = c.duration(n, "provisioning") }},
		{name: "deployment", read: c.deployment},
		{name: "users", read: func(n *yaml.Node) { c.elements(n, "users", c.user) }},
		{name: "quota", read: c.quota},
		{name: "faults", read: func(n *yaml.Node) { c.elements(n, "faults", c.fault) }},
		{name: "xsuaa-compat", read: func(n *yaml.Node) { c.config.decodeBasic = !c.boolean(n, "xsuaa-compat") }},
	})
}

// user reads somebody who may sign in to the platform.
func (c *configReader) user(n *yaml.Node) {
	var u subaccount.UserSpec
	c.mapping(n, "a user", []field{
		{name: "name", required: true, read: func(n *yaml.Node) {
			if name, ok := c.text(n, "name"); ok {
				u.Name = name
				c.take(n, "the user", name, &c.users)
				c.joined(n, diag.InvalidName, subaccount.CheckUserName(name))
			}
		}},
		{name: "password", read: func(n *yaml.Node) {
			if text, ok := c.text(n, "password"); ok {
				u.Password = text
			}
		}},
		{name: "role", read: func(n *yaml.Node) { u.Role = c.oneOf(n, "role", subaccount.UserRoles()) }},
		{name: "expired", read: func(n *yaml.Node) { u.Expired = c.boolean(n, "expired") }},
	})
	c.config.users = append(c.config.users, u)
}

// maxQuota bounds what a quota may be.
const maxQuota = 1_000_000

func (c *configReader) quota(n *yaml.Node) {
	c.mapping(n, "quota", []field{
		{name: "organization", read: func(n *yaml.Node) { c.config.quota.Organization = c.whole(n, "organization", 1, maxQuota) }},
		{name: "space", read: func(n *yaml.Node) { c.config.quota.Space = c.whole(n, "space", 1, maxQuota) }},
	})
}

func (c *configReader) fault(n *yaml.Node) {
	text, ok := c.text(n, "a fault")
	if !ok {
		return
	}
	f, err := fault.Parse(text)
	if err != nil {
		c.errorAt(n, diag.InvalidFault, "%s", err)
		return
	}
	c.config.faults = append(c.config.faults, f)
}

func (c *configReader) entitlement(n *yaml.Node) {
	c.config.named = true
	c.mapping(n, "entitled", []field{{name: "it-rt", read: func(n *yaml.Node) {
		if n = c.resolve(n); n == nil || n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			return // entitled to nothing
		}
		c.elements(n, "it-rt", func(n *yaml.Node) {
			if plan := c.oneOf(n, "a plan of it-rt", subaccount.Plans()); plan != "" && !slices.Contains(c.config.entitled, plan) {
				c.config.entitled = append(c.config.entitled, plan)
			}
		})
	}}})
}

// oneOf reads one of a few words; "" when it is none of them.
func (c *configReader) oneOf(n *yaml.Node, what string, words []string) string {
	text, ok := c.text(n, what)
	if !ok || slices.Contains(words, text) {
		return text
	}
	d := diag.Errorf(c.pos(n), diag.InvalidValue, "%s: want one of %s, got %q", what, strings.Join(words, ", "), text)
	if near := diag.Suggest(text, words); near != "" {
		d = d.WithHint("did you mean %q?", near)
	}
	c.list = append(c.list, d)
	return ""
}

// take notes a name that must be free.
func (c *configReader) take(n *yaml.Node, what, name string, taken *[]string) {
	if slices.Contains(*taken, name) {
		c.errorAt(n, diag.DuplicateName, "%s %q is there already", what, name)
		return
	}
	*taken = append(*taken, name)
}

func (c *configReader) instance(n *yaml.Node) {
	var i instanceConfig
	place := n
	c.mapping(n, "an instance", []field{
		{name: "name", required: true, read: func(n *yaml.Node) {
			place = n
			if name, ok := c.text(n, "name"); ok {
				i.spec.Name = name
				c.take(n, "the service instance", name, &c.instances)
			}
		}},
		{name: "plan", required: true, read: func(n *yaml.Node) {
			i.spec.Plan = c.oneOf(n, "plan", subaccount.Plans())
		}},
		{name: "space", read: func(n *yaml.Node) { i.spec.Space = c.oneOf(n, "space", subaccount.Spaces()) }},
		{name: "roles", read: func(n *yaml.Node) { i.spec.Roles = c.texts(n, "roles") }},
		{name: "grant-types", read: func(n *yaml.Node) { i.spec.GrantTypes = c.texts(n, "grant-types") }},
		{name: "token-validity", read: func(n *yaml.Node) {
			i.spec.Validity = time.Duration(c.whole(n, "token-validity", 3600, 86400)) * time.Second
		}},
		{name: "keys", read: func(n *yaml.Node) {
			c.elements(n, "keys", func(n *yaml.Node) {
				if name, ok := c.text(n, "the name of a key"); ok {
					c.keyName(n, name)
					i.keys = append(i.keys, name)
				}
			})
		}},
	})
	if i.spec.Name != "" && i.spec.Plan != "" {
		c.joined(place, diag.InvalidValue, i.spec.Check())
	}
	c.config.instances = append(c.config.instances, i)
}

func (c *configReader) texts(n *yaml.Node, what string) []string {
	var list []string
	c.elements(n, what, func(n *yaml.Node) {
		if text, ok := c.text(n, what); ok {
			list = append(list, text)
		}
	})
	return list
}

func (c *configReader) keyName(n *yaml.Node, name string) {
	c.take(n, "the service key", name, &c.keys)
	c.joined(n, diag.InvalidName, subaccount.CheckKeyName(name))
}

func (c *configReader) key(n *yaml.Node) {
	var k keyConfig
	place, parameters, mistakes := n, map[string]any{}, len(c.list)
	c.mapping(n, "a key", []field{
		{name: "name", required: true, read: func(n *yaml.Node) {
			if name, ok := c.text(n, "name"); ok {
				k.name = name
				c.keyName(n, name)
			}
		}},
		{name: "instance", required: true, read: func(n *yaml.Node) {
			k.instance = c.oneOf(n, "instance", c.instances)
		}},
		{name: "key-type", read: func(n *yaml.Node) { place, parameters["key-type"] = n, c.oneOf(n, "key-type", subaccount.KeyTypes()) }},
		{name: "validity", read: func(n *yaml.Node) { parameters["validity"] = c.whole(n, "validity", 1, 365) }},
		{name: "key-length", read: func(n *yaml.Node) { parameters["key-length"] = c.whole(n, "key-length", 2048, 4096) }},
		{name: "X.509", read: func(n *yaml.Node) { parameters["X.509"], _ = c.text(n, "X.509") }},
		{name: "certificate-pinning", read: func(n *yaml.Node) { parameters["certificate-pinning"] = c.boolean(n, "certificate-pinning") }},
	})
	if len(parameters) > 0 && len(c.list) == mistakes {
		raw, err := json.Marshal(parameters)
		if err == nil {
			_, err = subaccount.ParseKeyParameters(raw)
		}
		k.parameters = raw
		if err != nil { // in the words of the service broker, but for their beginning
			err = errors.New(strings.TrimPrefix(err.Error(), "invalid input parameters: "))
		}
		c.joined(place, diag.InvalidValue, err)
	}
	c.config.keys = append(c.config.keys, k)
}

// scope is what an expression of a flow may name: the request.
func scope() *expression.Scope {
	return &expression.Scope{
		Variables: func(name string) (bool, string) {
			if name == "request" || diag.Suggest(name, []string{"request"}) != "" {
				return name == "request", ""
			}
			return false, "a flow sees request.method, .path, .query, .headers, .body, .json and .id"
		},
		Names: func() []string { return []string{"request"} },
		Members: func(path string) []string {
			if path == "request" {
				return []string{"method", "path", "query", "headers", "body", "json", "id"}
			}
			return nil
		},
		Folded: func(path string) bool { return path == "request.headers" },
	}
}

func (c *configReader) condition(n *yaml.Node) *expression.Template {
	if n = c.resolve(n); n == nil {
		return nil
	}
	if plainScalar(n) && (n.Value == "true" || n.Value == "false") {
		return expression.Literal(n.Value == "true")
	}
	text, ok := c.text(n, "when")
	if !ok {
		return nil
	}
	t, list := expression.CompileExpression(text, c.at(n), scope())
	c.list = append(c.list, list...)
	return t
}

func (c *configReader) status(n *yaml.Node) *expression.Template {
	if n = c.resolve(n); n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && expression.HasExpression(n.Value) {
		return c.template(n, "status")
	}
	return expression.Literal(json.Number(strconv.Itoa(c.whole(n, "status", lowStatus, highStatus))))
}

// template reads a text with ${…} in it.
func (c *configReader) template(n *yaml.Node, what string) *expression.Template {
	if n = c.resolve(n); n == nil {
		return nil
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		c.wrong(n, what, "a text")
		return nil
	}
	t, list := expression.CompileText(n.Value, c.at(n), scope())
	c.list = append(c.list, list...)
	return t
}

// headerName is a token of HTTP (RFC 9110, 5.6.2).
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// templates reads a mapping of names to texts.
func (c *configReader) templates(n *yaml.Node, what string, name *regexp.Regexp) []namedTemplate {
	if n = c.resolve(n); n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		c.wrong(n, what, "a mapping")
		return nil
	}
	if len(n.Content) == 0 {
		c.errorAt(n, diag.EmptyBlock, "%s is empty", what)
	}
	var list []namedTemplate
	for key, value := range c.pairs(n) {
		if name != nil && !name.MatchString(key.Value) {
			c.errorAt(key, diag.InvalidName, "%q is no name of a header", key.Value)
			continue
		}
		list = append(list, namedTemplate{key.Value, c.template(value, key.Value)})
	}
	return list
}

// document reads a JSON value, by the types of the language: plain null,
// true, false and JSON's numbers are what they are, everything else is text.
func (c *configReader) document(n *yaml.Node, depth int) *document {
	if n = c.resolve(n); n == nil {
		return nil
	}
	if depth > maxDepth {
		c.errorAt(n, diag.TooLarge, "the value is nested deeper than %d", maxDepth)
		return nil
	}
	d := &document{}
	switch n.Kind {
	case yaml.SequenceNode:
		d.kind = list
		for _, item := range n.Content {
			d.list = append(d.list, c.document(item, depth+1))
		}
	case yaml.MappingNode:
		d.kind = object
		for key, value := range c.pairs(n) {
			d.fields = append(d.fields, documentField{key.Value, c.document(value, depth+1)})
		}
	default:
		d.leaf = c.leaf(n)
	}
	return d
}

func (c *configReader) leaf(n *yaml.Node) *expression.Template {
	switch {
	case isNull(n):
		return expression.Literal(nil)
	case plainScalar(n) && (n.Value == "true" || n.Value == "false"):
		return expression.Literal(n.Value == "true")
	case plainScalar(n) && number.MatchString(n.Value):
		return expression.Literal(json.Number(n.Value))
	}
	return c.template(n, "json")
}

func sorted(list []string) []string {
	if list == nil {
		return []string{}
	}
	return slices.Sorted(slices.Values(list))
}
