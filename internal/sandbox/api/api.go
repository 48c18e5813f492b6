// Package api is the Cloud Integration OData API of the sandbox: integration
// packages, message processing logs, and what is deployed (wire/sap.md 6).
package api

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"iflowtest/internal/sandbox/csrf"
	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/messagelog"
	"iflowtest/internal/sandbox/odata"
	"iflowtest/internal/sandbox/page"
	"iflowtest/internal/sandbox/subaccount"
	"iflowtest/internal/sandbox/token"
)

// Part is the name of the part of the tenant.
const Part = "api"

// Root is the path of the service.
const Root = "/api/v1"

// Roles of the areas (wire/sap.md 1.5).
const (
	packagesRead      = "WorkspacePackagesRead"
	packagesEdit      = "WorkspacePackagesEdit"
	packagesConfigure = "WorkspacePackagesConfigure"
	artifactsDeploy   = "WorkspaceArtifactsDeploy"
	monitoringRead    = "MonitoringDataRead"
	payloadsRead      = "MessagePayloadsRead"
)

// Options is what the API needs.
type Options struct {
	Access *token.Server
	Faults *fault.Set
	Logs   *messagelog.Store
	// Authority signs the certificates in the keystore.
	Authority Authority
	// Flows is what is deployed, and what can be.
	Flows *iflow.Runtime
	// Times is how long a deployment takes.
	Times DeploymentTimes
	// Origin and Runtime give the origins of the API and of the runtime.
	Origin, Runtime func() string
}

// API answers the requests below Root. It is safe for concurrent use.
type API struct {
	o         Options
	sets      []set
	packages  packages
	artifacts artifacts
	tasks     tasks
	sessions  csrf.Sessions
	// own is the content the sandbox has for the IDs of its flows.
	own map[string]func() content
	key [32]byte // of digests of what may be secret
	// credentials and keystore are security content.
	credentials credentials
	keystore    keystore
}

// set is an entity set, or a resource that stands in the same place.
type set struct {
	name string
	// key is the property that the only key of its rows stands for, ('F') or
	// (Id='F'); empty: serve reads the keys.
	key string
	// read is the role that GET wants, edit the one of everything else.
	read, edit string
	serve      func(c *call)
}

// New makes the API with the package of the built-in flows in it.
func New(o Options) *API {
	a := &API{o: o, own: map[string]func() content{}}
	_, _ = rand.Read(a.key[:]) // it never fails
	a.packages.add(newPackage(packageSpec{
		ID: FlowPackage, Name: "Sandbox Flows", ShortText: "The integration flows of the sandbox", Version: "1.0.0",
	}, o.Faults.Now(), "sandbox"))
	for _, f := range o.Flows.Flows() {
		a.design(f)
	}
	a.sets = []set{
		{"BuildAndDeployStatus", "TaskId", artifactsDeploy, artifactsDeploy, a.serveTask},
		{"DeployIntegrationDesigntimeArtifact", "", artifactsDeploy, artifactsDeploy, a.serveDeploy(integrationFlows())},
		{"DeployMessageMappingDesigntimeArtifact", "", artifactsDeploy, artifactsDeploy, a.serveDeploy(messageMappings())},
		{"DeployScriptCollectionDesigntimeArtifact", "", artifactsDeploy, artifactsDeploy, a.serveDeploy(scriptCollections())},
		{"DeployValueMappingDesigntimeArtifact", "", artifactsDeploy, artifactsDeploy, a.serveDeploy(valueMappings())},
		{"IntegrationDesigntimeArtifacts", "", packagesRead, packagesEdit, a.serveArtifacts(integrationFlows())},
		{"IntegrationPackages", "Id", packagesRead, packagesEdit, a.servePackages},
		{"IntegrationRuntimeArtifacts", "Id", monitoringRead, artifactsDeploy, a.serveRuntimeArtifacts},
		{"KeystoreEntries", "Hexalias", monitoringRead, materialEdit, a.serveKeystore},
		{"MessageMappingDesigntimeArtifacts", "", packagesRead, packagesEdit, a.serveArtifacts(messageMappings())},
		{"MessageProcessingLogAdapterAttributes", "Id", monitoringRead, monitoringRead, a.logPart(a.adapterAttributes, true)},
		{"MessageProcessingLogAttachments", "Id", payloadsRead, payloadsRead, a.logPart(a.attachments, false)},
		{"MessageProcessingLogCustomHeaderProperties", "Id", monitoringRead, monitoringRead, a.logPart(a.customHeaders, true)},
		{"MessageProcessingLogErrorInformations", "MessageGuid", monitoringRead, monitoringRead, a.logPart(a.logError, false)},
		{"MessageProcessingLogRuns", "Id", monitoringRead, monitoringRead, a.logPart(a.runs, false)},
		{"MessageProcessingLogs", "MessageGuid", monitoringRead, monitoringRead, a.serveLogs},
		{"ScriptCollectionDesigntimeArtifacts", "", packagesRead, packagesEdit, a.serveArtifacts(scriptCollections())},
		{"ServiceEndpoints", "Id", monitoringRead, monitoringRead, a.serveEndpoints},
		{"UserCredentials", "Name", credentialsRead, credentialsEdit, a.serveCredentials},
		{"ValueMappingDesigntimeArtifacts", "", packagesRead, packagesEdit, a.serveArtifacts(valueMappings())},
	}
	return a
}

// call is one request to a set.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	out    *odata.Writer
	caller *token.Caller
	path   []odata.Segment
	values url.Values
	query  odata.Query
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), Root)
	if !ok || path != "" && path[0] != '/' {
		page.Write(w, http.StatusNotFound, "")
		return
	}
	c := &call{w: w, r: r, out: &odata.Writer{Root: a.o.Origin() + Root, JSON: odata.WantsJSON(r), Now: a.o.Faults.Now()}}
	if c.caller = a.o.Access.Access(w, r, Part, subaccount.PlanAPI, token.Accepts{Users: true}); c.caller == nil {
		c.fail(odata.Errorf(http.StatusUnauthorized, "Full authentication is required to access this resource"))
		return
	}
	if !a.handshake(c) {
		return
	}
	if strings.Trim(path, "/") == "" {
		a.services(c)
		return
	}
	a.dispatch(c, path)
}

// handshake gives a token to who asks, and wants one, with its cookies, for
// what a caller with basic authentication changes (wire/sap.md 6.1).
func (a *API) handshake(c *call) bool {
	switch {
	case !csrf.Modifies(c.r.Method) && csrf.IsFetch(c.r):
		a.sessions.Grant(c.w, c.r)
	case csrf.Modifies(c.r.Method) && c.caller.Basic && !a.sessions.Valid(c.r):
		a.sessions.Refuse(c.w)
		c.fail(odata.Errorf(http.StatusForbidden, "CSRF token validation failed"))
		return false
	}
	return true
}

func (a *API) services(c *call) {
	if !c.allow(http.MethodGet, http.MethodHead) {
		return
	}
	var names []string
	for _, s := range a.sets {
		if !strings.HasPrefix(s.name, "Deploy") { // those are function imports
			names = append(names, s.name)
		}
	}
	c.out.Services(c.w, names)
}

// dispatch finds the set, checks the role and hands over.
func (a *API) dispatch(c *call, path string) {
	var err *odata.Error
	if c.path, err = odata.ParsePath(path); err != nil {
		c.fail(err)
		return
	}
	name := c.path[0].Name
	at := slices.IndexFunc(a.sets, func(s set) bool { return s.name == name })
	switch {
	case at < 0 && slices.Contains(unbuiltSets(), name):
		c.unbuilt(name)
		return
	case at < 0:
		c.fail(odata.Errorf(http.StatusNotFound, "Could not find an entity set or function import for '%s'.", name))
		return
	}
	s := a.sets[at]
	role := s.role(c)
	if !c.caller.May(role) {
		c.fail(odata.Errorf(http.StatusForbidden, "The role %s is required.", role))
		return
	}
	if err := c.read(s); err != nil {
		c.fail(err)
		return
	}
	s.serve(c)
}

// read reads the query, and the key in the address.
func (c *call) read(s set) *odata.Error {
	var err *odata.Error
	if c.values, err = odata.Values(c.r.URL.RawQuery); err != nil {
		return err
	}
	if c.query, err = odata.ParseQuery(c.values); err != nil {
		return err
	}
	switch {
	case c.query.Format != "" && s.name == "KeystoreEntries": // wire/sap.md 6.1
		return odata.Errorf(http.StatusBadRequest, "the query option $format is not supported for %s; use the header Accept: application/json", s.name)
	case c.query.Format != "":
		c.out.JSON = c.query.Format == "json"
	}
	if s.key == "" || c.path[0].Keys == nil {
		return nil
	}
	key, ok := c.path[0].Key(s.key)
	if !ok {
		return odata.Errorf(http.StatusBadRequest, "%s: want one key, %s", s.name, s.key)
	}
	c.path[0].Keys = map[string]string{"": key}
	return nil
}

// role gives what a request to the set wants; parameters have a role of their
// own (wire/sap.md 1.5).
func (s set) role(c *call) string {
	switch {
	case !csrf.Modifies(c.r.Method):
		return s.read
	case s.edit == packagesEdit && len(c.path) > 1 && c.path[1].Name == "$links":
		return packagesConfigure
	}
	return s.edit
}

func (c *call) fail(err *odata.Error) { c.out.Error(c.w, err) }

// allow reports whether the method is one of those, and answers if not.
func (c *call) allow(methods ...string) bool {
	if slices.Contains(methods, c.r.Method) {
		return true
	}
	c.w.Header().Set("Allow", strings.Join(methods, ", "))
	c.fail(odata.Errorf(http.StatusMethodNotAllowed, "%s is not allowed here", c.r.Method))
	return false
}

// list answers with the rows the query asks for; shape is what they are like.
func (c *call) list(name string, shape *odata.Entity, rows []*odata.Entity) {
	page, err := c.query.Apply(shape, rows)
	if err != nil {
		c.fail(err)
		return
	}
	c.out.List(c.w, name, page, c.query, &url.URL{RawQuery: c.r.URL.RawQuery})
}

// listOrCount answers a set that was asked for without a key: with its rows,
// or with how many there are.
func (c *call) listOrCount(shape *odata.Entity, rows []*odata.Entity) {
	switch {
	case len(c.path) == 1:
		c.list(c.path[0].Name, shape, rows)
	case isCount(c.path[1:]):
		count(c, shape, rows)
	default:
		c.nowhere()
	}
}

// related answers with the rows of a navigation property, on which the
// platform ignores $skip without a word (wire/sap.md 6.6).
func (c *call) related(shape *odata.Entity, rows []*odata.Entity) {
	c.query.Skip = 0
	name := strings.TrimPrefix(c.r.URL.EscapedPath(), Root+"/")
	c.list(name, shape, rows)
}

// missing is the error about an entity that is not there.
func missing(what, id string) *odata.Error {
	return odata.Errorf(http.StatusNotFound, "Requested entity could not be found: %s '%s'.", what, id)
}

func (c *call) unknown(what, id string) {
	c.fail(missing(what, id))
}

// nowhere answers that there is nothing at the address, or that the platform
// has something there.
func (c *call) nowhere() {
	for _, step := range c.path[1:] {
		if slices.Contains(unbuiltSteps(), step.Name) {
			c.unbuilt(step.Name + " of " + c.path[0].Name)
			return
		}
	}
	c.fail(odata.Errorf(http.StatusNotFound, "Could not find the resource '%s'.", strings.TrimPrefix(c.r.URL.Path, Root+"/")))
}

// unbuilt answers for what the platform has and the sandbox has not.
func (c *call) unbuilt(what string) {
	c.fail(odata.Errorf(http.StatusNotImplemented, "Not implemented: the sandbox does not have %s.", what))
}

// value answers with something that is no entity.
func (c *call) value(contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(http.StatusOK)
	c.w.Write(body) // a caller that went away needs no answer
}
