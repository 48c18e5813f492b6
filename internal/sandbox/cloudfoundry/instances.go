package cloudfoundry

import (
	"errors"
	"net/http"

	"iflowtest/internal/sandbox/fault"
	"iflowtest/internal/sandbox/subaccount"
)

// instances adds service instances (wire/sap.md 3.4, 3.5).
func (s *Server) instances() {
	s.route("GET /v3/service_instances", s.listInstances)
	s.route("POST /v3/service_instances", s.createInstance)
	s.route("GET /v3/service_instances/{guid}", s.getInstance)
	s.route("PATCH /v3/service_instances/{guid}", s.updateInstance)
	s.route("DELETE /v3/service_instances/{guid}", s.deleteInstance)
	s.route("GET /v3/service_instances/{guid}/parameters", s.getInstanceParameters)
	s.route("GET /v3/service_instances/{guid}/credentials", func(*call) (*answer, error) { return nil, notFound("Service instance not found") })
	s.route("GET /v3/service_instances/{guid}/permissions", s.getPermissions)
	s.route("GET /v3/service_instances/{guid}/relationships/shared_spaces", s.getSharedSpaces)
	s.route("GET /v3/service_instances/{guid}/relationships/shared_spaces/usage_summary", s.getSharedSpacesUsage)
	s.route("POST /v3/service_instances/{guid}/relationships/shared_spaces", func(*call) (*answer, error) {
		return nil, &apiError{http.StatusForbidden, 330002, "FeatureDisabled", "Feature Disabled: service_instance_sharing"}
	})
}

type operation struct {
	Type        string `json:"type"`
	State       string `json:"state"`
	Description string `json:"description"`
	Updated     string `json:"updated_at"`
	Created     string `json:"created_at"`
}

func operationOf(o subaccount.Operation) operation {
	return operation{o.Type, o.State, o.Description, stamp(o.Updated), stamp(o.Created)}
}

type serviceInstance struct {
	GUID          string    `json:"guid"`
	Created       string    `json:"created_at"`
	Updated       string    `json:"updated_at"`
	Name          string    `json:"name"`
	Tags          []string  `json:"tags"`
	Operation     operation `json:"last_operation"`
	Type          string    `json:"type"`
	Maintenance   struct{}  `json:"maintenance_info"`
	Upgrade       bool      `json:"upgrade_available"`
	Dashboard     *string   `json:"dashboard_url"`
	Relationships relations `json:"relationships"`
	Metadata      metadata  `json:"metadata"`
	Links         links     `json:"links"`
	Included      any       `json:"included,omitempty"`
}

func (s *Server) instance(i *subaccount.Instance) serviceInstance {
	self, where, what := "/v3/service_instances/"+i.GUID, s.spaceNamed(i.Space).GUID, s.catalog.named(i.Plan).guid
	return serviceInstance{
		GUID: i.GUID, Created: stamp(i.Created), Updated: stamp(i.Updated), Name: i.Name, Tags: append([]string{}, i.Tags...),
		Operation: operationOf(i.Operation), Type: "managed",
		Relationships: relations{"space": to(where), "service_plan": to(what)}, Metadata: metadataOf(i.Metadata),
		Links: links{
			"self": s.href(self), "space": s.href("/v3/spaces/" + where), "service_plan": s.href("/v3/service_plans/" + what),
			"parameters": s.href(self + "/parameters"), "shared_spaces": s.href(self + "/relationships/shared_spaces"),
			"service_credential_bindings": s.href("/v3/service_credential_bindings?service_instance_guids=" + i.GUID),
			"service_route_bindings":      s.href("/v3/service_route_bindings?service_instance_guids=" + i.GUID),
		},
	}
}

func instanceKey(i *subaccount.Instance) sortKey { return sortKey{i.Name, i.Created, i.Updated} }

// spaceFields is what fields[space] and fields[space.organization] may ask
// for.
func spaceFields() map[string][]string {
	return map[string][]string{
		"space":              {"guid", "name", "relationships.organization"},
		"space.organization": {"guid", "name"},
	}
}

// instanceFields is what fields[…] of an instance may ask for.
func instanceFields() map[string][]string {
	fields := spaceFields()
	fields["service_plan"] = []string{"guid", "name", "relationships.service_offering"}
	fields["service_plan.service_offering"] = []string{"guid", "name", "description", "documentation_url", "tags", "relationships.service_broker"}
	fields["service_plan.service_offering.service_broker"] = brokerFields()
	return fields
}

// included gives what fields[…] asks for of the instances of an answer, and of
// no others: clients take the first there is (wire/sap.md 3.10).
func (s *Server) included(q *query, page []*subaccount.Instance) any {
	if len(q.fields) == 0 {
		return nil
	}
	included := map[string]any{}
	if asked := q.fields["service_plan"]; asked != nil {
		included["service_plans"] = s.plansOf(page, asked)
	}
	if asked := q.fields["service_plan.service_offering"]; asked != nil {
		included["service_offerings"] = when(len(page) > 0, fieldsOf(asked, map[string]any{
			"guid": s.catalog.offering, "name": offeringName, "description": offeringText, "documentation_url": documentation, "tags": []string{},
			"relationships.service_broker": relations{"service_broker": to(s.catalog.broker)},
		}))
	}
	if asked := q.fields["service_plan.service_offering.service_broker"]; asked != nil {
		included["service_brokers"] = when(len(page) > 0, s.brokerIncluded(asked)[0])
	}
	var names []string
	for _, i := range page {
		names = append(names, i.Space)
	}
	s.includePlaces(included, q, names)
	return included
}

// when gives the values, or an empty list.
func when(holds bool, values ...any) []any {
	if !holds {
		return []any{}
	}
	return values
}

func (s *Server) plansOf(page []*subaccount.Instance, asked []string) []any {
	shown, seen := []any{}, map[string]bool{}
	for _, i := range page {
		if seen[i.Plan] {
			continue
		}
		seen[i.Plan] = true
		shown = append(shown, fieldsOf(asked, map[string]any{
			"guid": s.catalog.named(i.Plan).guid, "name": i.Plan,
			"relationships.service_offering": relations{"service_offering": to(s.catalog.offering)},
		}))
	}
	return shown
}

// includePlaces adds the spaces of those names, and their organisation, as far
// as they were asked for.
func (s *Server) includePlaces(included map[string]any, q *query, names []string) {
	org := s.o.Subaccount.Org()
	if asked := q.fields["space"]; asked != nil {
		shown, seen := []any{}, map[string]bool{}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			shown = append(shown, fieldsOf(asked, map[string]any{
				"guid": s.spaceNamed(name).GUID, "name": name,
				"relationships.organization": relations{"organization": to(org.GUID)},
			}))
		}
		included["spaces"] = shown
	}
	if asked := q.fields["space.organization"]; asked != nil {
		included["organizations"] = when(len(names) > 0, fieldsOf(asked, map[string]any{"guid": org.GUID, "name": org.Name}))
	}
}

func (s *Server) listInstances(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{
		filters: []string{"names", "guids", "type", "space_guids", "organization_guids", "service_plan_guids", "service_plan_names"},
		order:   []string{"name"}, labels: true, fields: instanceFields(),
	})
	if err != nil {
		return nil, err
	}
	if kinds, asked := q.list("type"); asked && kinds[0] != "managed" && kinds[0] != "user-provided" {
		return nil, badQuery("Type must be one of 'managed', 'user-provided'")
	}
	found := s.o.Subaccount.FindInstances(func(i *subaccount.Instance) bool { return sees(c.user) && s.takesThis(q, i) })
	return list(s, c, q, found, instanceKey, func(i *subaccount.Instance) any { return s.instance(i) },
		func(page []*subaccount.Instance) any { return s.included(q, page) })
}

func (s *Server) takesThis(q *query, i *subaccount.Instance) bool {
	return q.takes("names", i.Name) && q.takes("guids", i.GUID) && q.takes("type", "managed") &&
		q.takes("space_guids", s.spaceNamed(i.Space).GUID) && q.takes("organization_guids", s.o.Subaccount.Org().GUID) &&
		q.takes("service_plan_guids", s.catalog.named(i.Plan).guid) && q.takesName("service_plan_names", i.Plan) && q.selector.matches(i.Labels)
}

// readable finds an instance the caller may see.
func (s *Server) readable(c *call) (*subaccount.Instance, error) {
	i, there := s.o.Subaccount.Instance(c.PathValue("guid"))
	if !there || !sees(c.user) {
		return nil, notFound("Service instance not found")
	}
	return i, nil
}

// writable finds an instance the caller may change.
func (s *Server) writable(c *call) (*subaccount.Instance, error) {
	i, err := s.readable(c)
	if err == nil && !writes(c.user) {
		err = notAuthorized()
	}
	return i, err
}

func (s *Server) getInstance(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{single: true, fields: instanceFields()})
	if err != nil {
		return nil, err
	}
	i, err := s.readable(c)
	if err != nil {
		return nil, err
	}
	shown := s.instance(i)
	shown.Included = s.included(q, []*subaccount.Instance{i})
	return ok(shown)
}

// accepted answers with a job.
func (s *Server) accepted(job subaccount.Job) (*answer, error) {
	return &answer{status: http.StatusAccepted, location: s.href("/v3/jobs/" + job.GUID).Href}, nil
}

// errBroker is what the service broker says when a fault makes it fail.
var errBroker = errors.New("the service broker of the sandbox refused the request (fault)")

// provisioning gives the way a creation goes.
func (s *Server) provisioning(c *call, name string) subaccount.Run {
	run := subaccount.Run{Takes: s.o.Takes}
	at := fault.Request{Part: Part, Path: c.URL.Path, Name: name}
	if _, yes := s.o.Faults.Take(at, fault.ProvisionFails); yes {
		run.Fails = errBroker
	}
	if f, yes := s.o.Faults.Take(at, fault.ProvisionSlow); yes {
		run.Takes = f.Duration
	}
	_, run.Stuck = s.o.Faults.Take(at, fault.ProvisionStuck)
	return run
}

// deleting gives the way a deletion goes.
func (s *Server) deleting(path, name string) subaccount.Run {
	run := subaccount.Run{Takes: s.o.Takes}
	if _, yes := s.o.Faults.Take(fault.Request{Part: Part, Path: path, Name: name}, fault.DeleteFails); yes {
		run.Fails = errBroker
	}
	return run
}

func (s *Server) createInstance(c *call) (*answer, error) {
	m, err := readMessage(c, "type", "name", "relationships", "parameters", "tags", "metadata", "credentials", "syslog_drain_url", "route_service_url")
	if err != nil {
		return nil, err
	}
	if kind := string(m.fields["type"]); kind == `"user-provided"` {
		return nil, unprocessable("The sandbox has no user-provided service instances")
	} else if kind != `"managed"` {
		m.add("Type must be one of 'managed', 'user-provided'")
	}
	name := m.name(true, subaccount.CheckProvisionedName)
	where, what := m.relationship("space"), m.relationship("service_plan")
	m.knownRelationships("space", "service_plan")
	labels, annotations := m.metadata()
	p := subaccount.Provision{Parameters: m.parameters(), Tags: m.tags(), Metadata: fresh(labels, annotations)}
	if err := m.err(); err != nil {
		return nil, err
	}
	p.Name = *name
	space, there := s.spaceOf(where)
	if !there || !sees(c.user) {
		return nil, unprocessable("Invalid space. Ensure that the space exists and you have access to it.")
	}
	if !writes(c.user) {
		return nil, notAuthorized()
	}
	chosen, there := s.catalog.plan(func(p plan) bool { return p.guid == what })
	if !there || !s.o.Subaccount.IsEntitled(chosen.name) {
		return nil, unprocessable("Invalid service plan. Ensure that the service plan exists, is available, and you have access to it.")
	}
	p.Space, p.Plan = space.Name, chosen.name
	job, err := s.o.Subaccount.ProvisionInstance(p, s.provisioning(c, p.Name))
	if err != nil {
		return nil, instanceError(err, p.Name)
	}
	return s.accepted(job)
}

// instanceError words an error of the subaccount (wire/sap.md 3.7).
func instanceError(err error, name string) error {
	switch {
	case errors.Is(err, subaccount.ErrExists):
		return unprocessable("The service instance name is taken: %s.", name)
	case errors.Is(err, subaccount.ErrQuota):
		return &apiError{http.StatusBadRequest, 60005, "ServiceInstanceQuotaExceeded", "You have exceeded your organization's services limit."}
	case errors.Is(err, subaccount.ErrSpaceQuota):
		return &apiError{http.StatusBadRequest, 60012, "ServiceInstanceSpaceQuotaExceeded", "You have exceeded your space's services limit."}
	case errors.Is(err, subaccount.ErrNotFound):
		return notFound("Service instance not found")
	}
	return err
}

func (s *Server) updateInstance(c *call) (*answer, error) {
	i, err := s.writable(c)
	if err != nil {
		return nil, err
	}
	m, err := readMessage(c, "name", "tags", "parameters", "relationships", "metadata", "maintenance_info")
	if err != nil {
		return nil, err
	}
	change := subaccount.Change{Name: m.name(false, subaccount.CheckProvisionedName), Tags: m.tags(), Parameters: m.parameters()}
	change.Labels, change.Annotations = m.metadata()
	wanted := ""
	if _, written := m.written("relationships"); written {
		wanted = m.relationship("service_plan")
		m.knownRelationships("service_plan")
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	if wanted != "" && wanted != s.catalog.named(i.Plan).guid {
		return nil, s.planChange(wanted)
	}
	run := subaccount.Run{}
	if change.Parameters != nil {
		run = s.provisioning(c, i.Name)
	}
	job, err := s.o.Subaccount.UpdateInstance(i.GUID, change, run)
	switch {
	case errors.Is(err, subaccount.ErrBusy):
		return nil, &apiError{http.StatusConflict, 60016, "AsyncServiceInstanceOperationInProgress", "An operation for service instance " + i.Name + " is in progress."}
	case errors.Is(err, subaccount.ErrKeyBusy):
		return nil, &apiError{http.StatusConflict, 90008, "AsyncServiceBindingOperationInProgress", "An operation for a service binding of service instance " + i.Name + " is in progress."}
	case errors.Is(err, subaccount.ErrExists):
		return nil, unprocessable("The service instance name is taken: %s.", *change.Name)
	case err != nil:
		return nil, instanceError(err, i.Name)
	case job != nil:
		return s.accepted(*job)
	}
	changed, there := s.o.Subaccount.Instance(i.GUID)
	if !there {
		return nil, notFound("Service instance not found")
	}
	return ok(s.instance(changed))
}

// planChange refuses another plan.
func (s *Server) planChange(guid string) error {
	if _, there := s.catalog.plan(func(p plan) bool { return p.guid == guid && s.o.Subaccount.IsEntitled(p.name) }); !there {
		return unprocessable("Invalid service plan. Ensure that the service plan exists, is available, and you have access to it.")
	}
	return &apiError{http.StatusBadRequest, 110004, "ServicePlanNotUpdateable", "The service does not support changing plans."}
}

func (s *Server) deleteInstance(c *call) (*answer, error) {
	i, err := s.writable(c)
	if err != nil {
		return nil, err
	}
	if c.URL.Query().Get("purge") == "true" {
		return nil, notAuthorized() // administrators only
	}
	job, err := s.o.Subaccount.Deprovision(i.GUID, s.deleting(c.URL.Path, i.Name), func(k *subaccount.Key) error {
		return s.deleting("/v3/service_credential_bindings/"+k.GUID, k.Name).Fails
	})
	if errors.Is(err, subaccount.ErrBusy) {
		return nil, unprocessable("There is an operation in progress for the service instance.")
	}
	if err != nil {
		return nil, instanceError(err, i.Name)
	}
	return s.accepted(job)
}

func (s *Server) getInstanceParameters(c *call) (*answer, error) {
	if _, err := s.readable(c); err != nil {
		return nil, err
	}
	return nil, &apiError{http.StatusBadRequest, 120004, "ServiceFetchInstanceParametersNotSupported", "This service does not support fetching service instance parameters."}
}

func (s *Server) getPermissions(c *call) (*answer, error) {
	if _, there := s.o.Subaccount.Instance(c.PathValue("guid")); !there {
		return nil, notFound("Service instance not found")
	}
	return ok(map[string]bool{"manage": writes(c.user), "read": sees(c.user)})
}

// getSharedSpaces is empty: nothing is shared.
func (s *Server) getSharedSpaces(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{single: true, fields: spaceFields()})
	if err != nil {
		return nil, err
	}
	i, err := s.readable(c)
	if err != nil {
		return nil, err
	}
	shown := struct {
		Data     []reference    `json:"data"`
		Links    links          `json:"links"`
		Included map[string]any `json:"included,omitempty"`
	}{[]reference{}, links{"self": s.href("/v3/service_instances/" + i.GUID + "/relationships/shared_spaces")}, map[string]any{}}
	s.includePlaces(shown.Included, q, nil)
	return ok(shown)
}

func (s *Server) getSharedSpacesUsage(c *call) (*answer, error) {
	i, err := s.readable(c)
	if err != nil {
		return nil, err
	}
	self := "/v3/service_instances/" + i.GUID
	return ok(map[string]any{"usage_summary": []any{}, "links": links{
		"self": s.href(self + "/relationships/shared_spaces/usage_summary"), "shared_spaces": s.href(self + "/relationships/shared_spaces"), "service_instance": s.href(self),
	}})
}
