package cloudfoundry

import (
	"encoding/json"
	"errors"
	"net/http"

	"iflowtest/internal/sandbox/subaccount"
)

// bindings adds credential bindings, of which the sandbox has keys only
// (wire/sap.md 3.6).
func (s *Server) bindings() {
	s.route("GET /v3/service_credential_bindings", s.listBindings)
	s.route("POST /v3/service_credential_bindings", s.createBinding)
	s.route("GET /v3/service_credential_bindings/{guid}", s.getBinding)
	s.route("PATCH /v3/service_credential_bindings/{guid}", s.updateBinding)
	s.route("DELETE /v3/service_credential_bindings/{guid}", s.deleteBinding)
	s.route("GET /v3/service_credential_bindings/{guid}/details", s.getDetails)
	s.route("GET /v3/service_credential_bindings/{guid}/parameters", s.getBindingParameters)
}

type binding struct {
	GUID          string    `json:"guid"`
	Created       string    `json:"created_at"`
	Updated       string    `json:"updated_at"`
	Name          string    `json:"name"`
	Type          string    `json:"type"`
	Operation     operation `json:"last_operation"`
	Metadata      metadata  `json:"metadata"`
	Relationships relations `json:"relationships"`
	Links         links     `json:"links"`
	Included      any       `json:"included,omitempty"`
}

func (s *Server) binding(k *subaccount.Key) binding {
	self, owner := "/v3/service_credential_bindings/"+k.GUID, k.Instance.GUID
	return binding{
		GUID: k.GUID, Created: stamp(k.Created), Updated: stamp(k.Updated), Name: k.Name, Type: "key",
		Operation: operationOf(k.Operation), Metadata: metadataOf(k.Metadata), Relationships: relations{"service_instance": to(owner)},
		Links: links{
			"self": s.href(self), "details": s.href(self + "/details"), "parameters": s.href(self + "/parameters"),
			"service_instance": s.href("/v3/service_instances/" + owner),
		},
	}
}

// bindingIncluded gives what include asks for: no apps, and the instances of
// the keys.
func (s *Server) bindingIncluded(q *query, page []*subaccount.Key) any {
	included := map[string]any{}
	for _, name := range q.include {
		if name == "app" {
			included["apps"] = []any{}
			continue
		}
		shown, seen := []any{}, map[string]bool{}
		for _, k := range page {
			if !seen[k.Instance.GUID] {
				seen[k.Instance.GUID] = true
				shown = append(shown, s.instance(k.Instance))
			}
		}
		included["service_instances"] = shown
	}
	if len(included) == 0 {
		return nil
	}
	return included
}

func bindingIncludes() []string { return []string{"app", "service_instance"} }

func (s *Server) listBindings(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{
		filters: []string{
			"names", "guids", "type", "service_instance_guids", "service_instance_names", "service_plan_guids", "service_plan_names",
			"service_offering_guids", "service_offering_names", "app_guids", "app_names",
		},
		order: []string{"name"}, include: bindingIncludes(), labels: true,
	})
	if err != nil {
		return nil, err
	}
	if kinds, asked := q.list("type"); asked && kinds[0] != "app" && kinds[0] != "key" {
		return nil, badQuery("Type must be one of 'app', 'key'")
	}
	found := s.o.Subaccount.FindKeys(func(k *subaccount.Key) bool { return sees(c.user) && s.takesKey(q, k) })
	return list(s, c, q, found, func(k *subaccount.Key) sortKey { return sortKey{k.Name, k.Created, k.Updated} },
		func(k *subaccount.Key) any { return s.binding(k) }, func(page []*subaccount.Key) any { return s.bindingIncluded(q, page) })
}

func (s *Server) takesKey(q *query, k *subaccount.Key) bool {
	i := k.Instance
	return q.takes("names", k.Name) && q.takes("guids", k.GUID) && q.takes("type", "key") &&
		q.takes("service_instance_guids", i.GUID) && q.takes("service_instance_names", i.Name) &&
		q.takes("service_plan_guids", s.catalog.named(i.Plan).guid) && q.takesName("service_plan_names", i.Plan) &&
		q.takes("service_offering_guids", s.catalog.offering) && q.takesName("service_offering_names", offeringName) &&
		!q.values.Has("app_guids") && !q.values.Has("app_names") && q.selector.matches(k.Labels)
}

// readableKey finds a key the caller may see.
func (s *Server) readableKey(c *call) (*subaccount.Key, error) {
	k, there := s.o.Subaccount.Key(c.PathValue("guid"))
	if !there || !sees(c.user) {
		return nil, bindingNotFound()
	}
	return k, nil
}

func bindingNotFound() error { return notFound("Service credential binding not found") }

func (s *Server) getBinding(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{single: true, include: bindingIncludes()})
	if err != nil {
		return nil, err
	}
	k, err := s.readableKey(c)
	if err != nil {
		return nil, err
	}
	shown := s.binding(k)
	shown.Included = s.bindingIncluded(q, []*subaccount.Key{k})
	return ok(shown)
}

func (s *Server) createBinding(c *call) (*answer, error) {
	m, err := readMessage(c, "type", "name", "relationships", "parameters", "metadata", "strategy")
	if err != nil {
		return nil, err
	}
	switch string(m.fields["type"]) {
	case `"app"`:
		return nil, unprocessable("The app could not be found: the sandbox has none")
	case `"key"`:
	default:
		m.add("Type must be one of 'key', 'app'")
	}
	name, owner := m.name(true, subaccount.CheckProvisionedKeyName), m.relationship("service_instance")
	m.knownRelationships("service_instance")
	labels, annotations := m.metadata()
	parameters := m.parameters()
	if err := m.err(); err != nil {
		return nil, err
	}
	i, there := s.o.Subaccount.Instance(owner)
	if !there || !sees(c.user) {
		return nil, unprocessable("The service instance could not be found: '%s'", owner)
	}
	if !writes(c.user) {
		return nil, notAuthorized()
	}
	job, err := s.o.Subaccount.ProvisionKey(i.GUID, *name, parameters, fresh(labels, annotations), s.provisioning(c, *name))
	switch {
	case errors.Is(err, subaccount.ErrExists):
		return nil, unprocessable("The binding name is invalid. Key binding names must be unique. The service instance already has a key binding with name '%s'.", *name)
	case errors.Is(err, subaccount.ErrBusy):
		return nil, unprocessable("There is an operation in progress for the service instance.")
	case errors.Is(err, subaccount.ErrNotFound):
		return nil, unprocessable("The service instance could not be found: '%s'", owner)
	case err != nil:
		return nil, err
	}
	return s.accepted(job)
}

func (s *Server) updateBinding(c *call) (*answer, error) {
	k, err := s.readableKey(c)
	if err == nil && !writes(c.user) {
		err = notAuthorized()
	}
	if err != nil {
		return nil, err
	}
	m, err := readMessage(c, "metadata")
	if err != nil {
		return nil, err
	}
	var change subaccount.Change
	change.Labels, change.Annotations = m.metadata()
	if err := m.err(); err != nil {
		return nil, err
	}
	switch err := s.o.Subaccount.UpdateKey(k.GUID, change); {
	case errors.Is(err, subaccount.ErrBusy):
		return nil, unprocessable("The service binding is being deleted")
	case err != nil:
		return nil, bindingNotFound()
	}
	changed, there := s.o.Subaccount.Key(k.GUID)
	if !there {
		return nil, bindingNotFound()
	}
	return ok(s.binding(changed))
}

func (s *Server) deleteBinding(c *call) (*answer, error) {
	k, err := s.readableKey(c)
	if err == nil && !writes(c.user) {
		err = notAuthorized()
	}
	if err != nil {
		return nil, err
	}
	job, err := s.o.Subaccount.Unbind(k.GUID, s.deleting(c.URL.Path, k.Name))
	switch {
	case errors.Is(err, subaccount.ErrBusy):
		return nil, unprocessable("There is an operation in progress for the service binding.")
	case errors.Is(err, subaccount.ErrKeyBusy):
		return nil, unprocessable("There is an operation in progress for the service instance.")
	case err != nil:
		return nil, bindingNotFound()
	}
	return s.accepted(job)
}

// getDetails gives the credentials: a 404 also for those who may not see them
// (wire/sap.md 3.6).
func (s *Server) getDetails(c *call) (*answer, error) {
	k, err := s.readableKey(c)
	switch {
	case err != nil:
		return nil, err
	case !writes(c.user):
		return nil, bindingNotFound()
	case k.Operation.Type == subaccount.Create && k.Operation.State == subaccount.InProgress:
		return nil, notFound("Creation of service key in progress")
	case !k.Usable():
		return nil, notFound("Creation of service key failed")
	}
	return ok(struct {
		Credentials json.RawMessage `json:"credentials"`
	}{s.o.Credentials(k)})
}

func (s *Server) getBindingParameters(c *call) (*answer, error) {
	if _, err := s.readableKey(c); err != nil {
		return nil, err
	}
	return nil, &apiError{http.StatusBadRequest, 90007, "ServiceFetchBindingParametersNotSupported", "This service does not support fetching service binding parameters."}
}
