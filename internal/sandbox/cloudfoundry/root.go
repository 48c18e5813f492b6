package cloudfoundry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"iflowtest/internal/sandbox/subaccount"
)

// versioned is a link with something about its target.
type versioned struct {
	Href string `json:"href"`
	Meta any    `json:"meta,omitempty"`
}

// root tells where everything is (wire/sap.md 3.1).
func (s *Server) root(*call) (*answer, error) {
	type version struct {
		Version string `json:"version"`
	}
	origin, signIn := s.o.Origin(), s.o.SignIn()
	return ok(map[string]any{"links": map[string]any{
		"self":                versioned{Href: origin},
		"cloud_controller_v2": nil,
		"cloud_controller_v3": versioned{origin + "/v3", version{apiVersion}},
		"network_policy_v0":   nil,
		"network_policy_v1":   nil,
		"login":               versioned{Href: signIn},
		"uaa":                 versioned{Href: signIn},
		"credhub":             nil,
		"routing":             nil,
		"logging":             nil,
		"log_cache":           nil,
		"log_stream":          nil,
		"app_ssh":             nil,
	}})
}

func (s *Server) versionRoot(*call) (*answer, error) {
	all := links{"self": s.href("/v3")}
	for _, name := range []string{
		"feature_flags", "jobs", "organizations", "service_brokers", "service_credential_bindings",
		"service_instances", "service_offerings", "service_plans", "spaces",
	} {
		all[name] = s.href("/v3/" + name)
	}
	return ok(map[string]any{"links": all})
}

func (s *Server) info(*call) (*answer, error) {
	return ok(map[string]any{
		"build": "sandbox", "name": "iflowtest sandbox", "description": "a tenant on loopback", "version": 0, "osbapi_version": "2.15",
		"cli_version": map[string]string{"minimum": "", "recommended": ""}, "custom": struct{}{},
		"links": links{"self": s.href("/v3/info")},
	})
}

// legacyInfo is what clients of the old API ask first (wire/sap.md 3.1).
func (s *Server) legacyInfo(c *call) (*answer, error) {
	c.w.Header().Set("X-Cf-Warnings", url.QueryEscape("Endpoint deprecated"))
	signIn := s.o.SignIn()
	return ok(map[string]any{
		"name": "iflowtest sandbox", "build": "sandbox", "version": 0, "description": "a tenant on loopback",
		"authorization_endpoint": signIn, "token_endpoint": signIn, "api_version": "2.245.0",
	})
}

// getJob shows how far a job is (wire/sap.md 3.4).
func (s *Server) getJob(c *call) (*answer, error) {
	job, there := s.o.Subaccount.Look(c.PathValue("guid"))
	if !there || !strings.HasPrefix(job.Operation, "service_") {
		return nil, notFound("Job not found")
	}
	shown := struct {
		GUID      string    `json:"guid"`
		Created   string    `json:"created_at"`
		Updated   string    `json:"updated_at"`
		Operation string    `json:"operation"`
		State     string    `json:"state"`
		Errors    []problem `json:"errors"`
		Warnings  []problem `json:"warnings"`
		Links     links     `json:"links"`
	}{job.GUID, stamp(job.Created), stamp(job.Updated), job.Operation, string(job.State), []problem{}, []problem{}, links{"self": s.href("/v3/jobs/" + job.GUID)}}
	if job.State == subaccount.Failed {
		shown.Errors = envelope(s.jobError(job)).Errors
	}
	resource := "service_instances"
	if bindingJob(job.Operation) {
		resource = "service_credential_binding"
		shown.Links[resource] = s.href("/v3/service_credential_bindings/" + job.Resource)
	} else {
		shown.Links[resource] = s.href("/v3/service_instances/" + job.Resource)
	}
	return ok(shown)
}

func bindingJob(operation string) bool {
	return strings.HasPrefix(operation, "service_credential_binding.")
}

// jobError gives the error of a job that failed.
func (s *Server) jobError(job subaccount.Job) *apiError {
	if errors.Is(job.Err, subaccount.ErrRecursive) {
		name := job.Resource
		if i, there := s.o.Subaccount.Instance(job.Resource); there {
			name = i.Name
		}
		return &apiError{http.StatusBadGateway, 60027, "ServiceInstanceRecursiveDeleteFailed",
			"Deletion of service instance " + name + " failed because one or more associated resources could not be deleted.\n\n" + job.Err.Error()}
	}
	action := map[string]string{
		"service_instance.create": "provision", "service_instance.update": "update", "service_instance.delete": "delete",
		"service_credential_binding.create": "bind", "service_credential_binding.delete": "unbind",
	}[job.Operation]
	if action == "provision" && !errors.Is(job.Err, subaccount.ErrAborted) {
		return &apiError{http.StatusBadRequest, 60030, "ServiceInstanceProvisionFailed", "The service broker reported an error during provisioning: " + job.Err.Error()}
	}
	return &apiError{http.StatusBadRequest, 10009, "UnableToPerform", action + " could not be completed: " + job.Err.Error()}
}

// flag is a feature that the platform may have switched off.
type flag struct {
	Name    string  `json:"name"`
	Enabled bool    `json:"enabled"`
	Updated *string `json:"updated_at"`
	Message *string `json:"custom_error_message"`
	Links   links   `json:"links"`
}

// flags gives the names of features and whether they are on.
func flags() map[string]bool {
	return map[string]bool{"service_instance_creation": true, "service_instance_sharing": false, "set_roles_by_username": true, "env_var_visibility": true}
}

func (s *Server) listFlags(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{order: []string{"name"}})
	if err != nil {
		return nil, err
	}
	var all []flag
	for name, on := range flags() {
		all = append(all, flag{name, on, nil, nil, links{"self": s.href("/v3/feature_flags/" + name)}})
	}
	return list(s, c, q, all, func(f flag) sortKey { return sortKey{name: f.Name} }, func(f flag) any { return f }, nil)
}

func (s *Server) getFlag(c *call) (*answer, error) {
	name := c.PathValue("name")
	on, there := flags()[name]
	if !there {
		return nil, notFound("Feature flag not found")
	}
	return ok(flag{name, on, nil, nil, links{"self": s.href("/v3/feature_flags/" + name)}})
}
