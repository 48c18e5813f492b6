package cloudfoundry

import (
	"cmp"
	"strings"
	"time"

	"iflowtest/internal/sandbox/subaccount"
)

// The names of the marketplace (wire/sap.md 1.1).
const (
	offeringName = "it-rt"
	brokerName   = "iflowtest-sandbox-broker"
)

// catalog is what the service broker offers.
type catalog struct {
	broker, offering string // GUIDs
	created          time.Time
	plans            []plan
}

type plan struct {
	name, guid, description string
}

func newCatalog(created time.Time) catalog {
	return catalog{subaccount.NewGUID(), subaccount.NewGUID(), created, []plan{
		{subaccount.PlanFlow, subaccount.NewGUID(), "Creates an OAuth client for Cloud Integration runtime access"},
		{subaccount.PlanAPI, subaccount.NewGUID(), "Creates an OAuth client for Cloud Integration public API access"},
	}}
}

// plan finds a plan for which is holds.
func (c *catalog) plan(is func(plan) bool) (plan, bool) {
	for _, p := range c.plans {
		if is(p) {
			return p, true
		}
	}
	return plan{}, false
}

// named gives the plan of an instance.
func (c *catalog) named(name string) plan {
	p, _ := c.plan(func(p plan) bool { return p.name == name })
	return p
}

// marketplace adds offerings, plans and the broker.
func (s *Server) marketplace() {
	s.route("GET /v3/service_offerings", s.listOfferings)
	s.route("GET /v3/service_offerings/{guid}", s.getOffering)
	s.route("GET /v3/service_plans", s.listPlans)
	s.route("GET /v3/service_plans/{guid}", s.getPlan)
	s.route("GET /v3/service_plans/{guid}/visibility", s.getVisibility)
	s.route("GET /v3/service_brokers", s.listBrokers)
	s.route("GET /v3/service_brokers/{guid}", func(*call) (*answer, error) { return nil, notFound("Service broker not found") })
}

// offered gives the plans that can be seen: those the subaccount is entitled
// to.
func (s *Server) offered() []plan {
	var offered []plan
	for _, p := range s.catalog.plans {
		if s.o.Subaccount.IsEntitled(p.name) {
			offered = append(offered, p)
		}
	}
	return offered
}

type offering struct {
	GUID          string          `json:"guid"`
	Created       string          `json:"created_at"`
	Updated       string          `json:"updated_at"`
	Name          string          `json:"name"`
	Description   string          `json:"description"`
	Available     bool            `json:"available"`
	Tags          []string        `json:"tags"`
	Requires      []string        `json:"requires"`
	Shareable     bool            `json:"shareable"`
	Documentation string          `json:"documentation_url"`
	Catalog       offeringCatalog `json:"broker_catalog"`
	Relationships relations       `json:"relationships"`
	Metadata      metadata        `json:"metadata"`
	Links         links           `json:"links"`
	Included      any             `json:"included,omitempty"`
}

type offeringCatalog struct {
	ID       string            `json:"id"`
	Metadata map[string]string `json:"metadata"`
	Features map[string]bool   `json:"features"`
}

const (
	offeringText  = "Enables you to access SAP Cloud Integration runtime and APIs"
	documentation = "https://help.sap.com/docs/cloud-integration"
)

func (s *Server) offering() offering {
	c := s.catalog
	return offering{
		GUID: c.offering, Created: stamp(c.created), Updated: stamp(c.created), Name: offeringName, Description: offeringText,
		Available: true, Tags: []string{}, Requires: []string{}, Documentation: documentation,
		Catalog: offeringCatalog{c.offering, map[string]string{"displayName": "Process Integration Runtime", "documentationUrl": documentation},
			map[string]bool{"plan_updateable": false, "bindable": true, "instances_retrievable": false, "bindings_retrievable": false, "allow_context_updates": false}},
		Relationships: relations{"service_broker": {&reference{c.broker, brokerName}}}, Metadata: metadataOf(subaccount.Metadata{}),
		Links: links{
			"self": s.href("/v3/service_offerings/" + c.offering), "service_plans": s.href("/v3/service_plans?service_offering_guids=" + c.offering),
			"service_broker": s.href("/v3/service_brokers/" + c.broker),
		},
	}
}

// takesOffering lets the offering pass, by its own name and its broker's.
func (s *Server) takesOffering(q *query, names, guids string) bool {
	return q.takesName(names, offeringName) && q.takes(guids, s.catalog.offering) && q.takesName("service_broker_names", brokerName) &&
		q.takes("service_broker_guids", s.catalog.broker) && s.inPlaces(q) && q.takes("available", "true") && q.selector.matches(nil)
}

// inPlaces lets what is visible in a space or organisation pass.
func (s *Server) inPlaces(q *query) bool {
	if !q.takes("organization_guids", s.o.Subaccount.Org().GUID) {
		return false
	}
	guids, asked := q.list("space_guids")
	for _, guid := range guids {
		if _, there := s.spaceOf(guid); there {
			return true
		}
	}
	return !asked
}

// brokerFields is what fields[…service_broker] may ask for.
func brokerFields() []string { return []string{"guid", "name"} }

// fieldsOf gives those of the values that were asked for.
func fieldsOf(asked []string, values map[string]any) map[string]any {
	shown := map[string]any{}
	for _, name := range asked {
		key, _, _ := strings.Cut(name, ".") // as in relationships.service_offering
		shown[key] = values[name]
	}
	return shown
}

func (s *Server) brokerIncluded(asked []string) []any {
	return []any{fieldsOf(asked, map[string]any{"guid": s.catalog.broker, "name": brokerName})}
}

func (s *Server) listOfferings(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{
		filters: []string{"names", "guids", "available", "service_broker_guids", "service_broker_names", "space_guids", "organization_guids"},
		order:   []string{"name"}, labels: true, fields: map[string][]string{"service_broker": brokerFields()},
	})
	if err != nil {
		return nil, err
	}
	var found []offering
	if len(s.offered()) > 0 && s.takesOffering(q, "names", "guids") {
		found = append(found, s.offering())
	}
	return list(s, c, q, found, func(o offering) sortKey { return sortKey{o.Name, s.catalog.created, s.catalog.created} }, func(o offering) any { return o }, func(page []offering) any {
		asked := q.fields["service_broker"]
		if asked == nil || len(page) == 0 {
			return nil
		}
		return map[string]any{"service_brokers": s.brokerIncluded(asked)}
	})
}

func (s *Server) getOffering(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{single: true, fields: map[string][]string{"service_broker": brokerFields()}})
	if err != nil {
		return nil, err
	}
	if c.PathValue("guid") != s.catalog.offering || len(s.offered()) == 0 && !s.uses("") {
		return nil, notFound("Service offering not found")
	}
	shown := s.offering()
	if asked := q.fields["service_broker"]; asked != nil {
		shown.Included = map[string]any{"service_brokers": s.brokerIncluded(asked)}
	}
	return ok(shown)
}

// uses reports whether there is an instance of the plan; "" is any plan. What
// there are instances of stays visible.
func (s *Server) uses(plan string) bool {
	return len(s.o.Subaccount.FindInstances(func(i *subaccount.Instance) bool { return cmp.Or(plan, i.Plan) == i.Plan })) > 0
}

type servicePlan struct {
	GUID          string         `json:"guid"`
	Created       string         `json:"created_at"`
	Updated       string         `json:"updated_at"`
	Name          string         `json:"name"`
	Visibility    string         `json:"visibility_type"`
	Available     bool           `json:"available"`
	Free          bool           `json:"free"`
	Costs         []string       `json:"costs"`
	Description   string         `json:"description"`
	Maintenance   struct{}       `json:"maintenance_info"`
	Catalog       planCatalog    `json:"broker_catalog"`
	Schemas       map[string]any `json:"schemas"`
	Relationships relations      `json:"relationships"`
	Metadata      metadata       `json:"metadata"`
	Links         links          `json:"links"`
	Included      any            `json:"included,omitempty"`
}

type planCatalog struct {
	ID       string          `json:"id"`
	Metadata struct{}        `json:"metadata"`
	Maximum  *int            `json:"maximum_polling_duration"`
	Features map[string]bool `json:"features"`
}

func (s *Server) plan(p plan) servicePlan {
	self, none := "/v3/service_plans/"+p.guid, struct{}{}
	return servicePlan{
		GUID: p.guid, Created: stamp(s.catalog.created), Updated: stamp(s.catalog.created), Name: p.name, Visibility: "organization",
		Available: true, Free: true, Costs: []string{}, Description: p.description,
		Catalog: planCatalog{ID: p.guid, Features: map[string]bool{"bindable": true, "plan_updateable": false}},
		Schemas: map[string]any{
			"service_instance": map[string]any{"create": none, "update": none}, "service_binding": map[string]any{"create": none},
		},
		Relationships: relations{"service_offering": to(s.catalog.offering)}, Metadata: metadataOf(subaccount.Metadata{}),
		Links: links{"self": s.href(self), "service_offering": s.href("/v3/service_offerings/" + s.catalog.offering), "visibility": s.href(self + "/visibility")},
	}
}

// planIncluded gives what include and fields ask for of the offering.
func (s *Server) planIncluded(q *query, some bool) any {
	included := map[string]any{}
	for _, name := range q.include {
		if name == "service_offering" {
			included["service_offerings"] = []offering{}
			if some {
				included["service_offerings"] = []offering{s.offering()}
			}
		}
	}
	if asked := q.fields["service_offering.service_broker"]; asked != nil {
		included["service_brokers"] = []any{}
		if some {
			included["service_brokers"] = s.brokerIncluded(asked)
		}
	}
	if len(included) == 0 {
		return nil
	}
	return included
}

func planRules() rules {
	return rules{
		filters: []string{
			"names", "guids", "available", "broker_catalog_ids", "space_guids", "organization_guids", "service_broker_guids", "service_broker_names",
			"service_offering_guids", "service_offering_names", "service_instance_guids",
		},
		order: []string{"name"}, labels: true, include: []string{"service_offering", "space.organization"},
		fields: map[string][]string{"service_offering.service_broker": brokerFields()},
	}
}

func (s *Server) listPlans(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, planRules())
	if err != nil {
		return nil, err
	}
	var found []plan
	for _, p := range s.offered() {
		if q.takesName("names", p.name) && q.takes("guids", p.guid) && q.takes("broker_catalog_ids", p.guid) &&
			s.takesOffering(q, "service_offering_names", "service_offering_guids") && s.takesInstance(q, p) {
			found = append(found, p)
		}
	}
	return list(s, c, q, found, func(p plan) sortKey { return sortKey{p.name, s.catalog.created, s.catalog.created} },
		func(p plan) any { return s.plan(p) }, func(page []plan) any { return s.planIncluded(q, len(page) > 0) })
}

// takesInstance lets the plans of the instances that were asked for pass.
func (s *Server) takesInstance(q *query, p plan) bool {
	guids, asked := q.list("service_instance_guids")
	for _, guid := range guids {
		if i, there := s.o.Subaccount.Instance(guid); there && i.Plan == p.name {
			return true
		}
	}
	return !asked
}

// visiblePlan finds a plan that can be seen: entitled, or of an instance.
func (s *Server) visiblePlan(guid string) (plan, bool) {
	return s.catalog.plan(func(p plan) bool { return p.guid == guid && (s.o.Subaccount.IsEntitled(p.name) || s.uses(p.name)) })
}

func (s *Server) getPlan(c *call) (*answer, error) {
	r := planRules()
	r.filters, r.labels, r.single = nil, false, true
	q, err := parseQuery(c.URL.RawQuery, r)
	if err != nil {
		return nil, err
	}
	p, there := s.visiblePlan(c.PathValue("guid"))
	if !there {
		return nil, notFound("Service plan not found")
	}
	shown := s.plan(p)
	shown.Available, shown.Included = s.o.Subaccount.IsEntitled(p.name), s.planIncluded(q, true)
	return ok(shown)
}

func (s *Server) getVisibility(c *call) (*answer, error) {
	if _, there := s.visiblePlan(c.PathValue("guid")); !there {
		return nil, notFound("Service plan not found")
	}
	org := s.o.Subaccount.Org()
	return ok(map[string]any{"type": "organization", "organizations": []reference{{org.GUID, org.Name}}})
}

// listBrokers is empty: only administrators see brokers.
func (s *Server) listBrokers(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{filters: []string{"names", "space_guids"}, order: []string{"name"}, labels: true})
	if err != nil {
		return nil, err
	}
	return list(s, c, q, nil, func(struct{}) sortKey { return sortKey{} }, func(v struct{}) any { return v }, nil)
}
