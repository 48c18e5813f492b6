package cf

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"iflowtest/internal/platform"
)

// LastOperation is the state of a resource: type create, update or delete;
// state "initial", "in progress", "succeeded" or "failed" (wire/sap.md 3.5).
type LastOperation struct {
	Type, State, Description string
	CreatedAt, UpdatedAt     time.Time
}

// The states of a last operation.
const (
	StateInitial    = "initial"
	StateInProgress = "in progress"
	StateSucceeded  = "succeeded"
	StateFailed     = "failed"
)

// InProgress tells whether the operation has not ended.
func (o LastOperation) InProgress() bool {
	return strings.EqualFold(o.State, StateInProgress) || strings.EqualFold(o.State, StateInitial)
}

// Failed tells whether the operation ended badly.
func (o LastOperation) Failed() bool { return strings.EqualFold(o.State, StateFailed) }

// Instance is a service instance. Names that the platform did not tell are
// empty.
type Instance struct {
	GUID, Name, Type               string
	SpaceGUID, Space, Organization string
	PlanGUID, Plan, Offering       string
	Tags                           []string
	Labels, Annotations            map[string]string
	LastOperation                  LastOperation
	CreatedAt, UpdatedAt           time.Time
}

// Query picks service instances; what is empty does not count.
type Query struct {
	Names, SpaceGUIDs, OrganizationGUIDs []string
	// Offerings and Plans are names, in any case.
	Offerings, Plans []string
	Labels           Selector
}

type metadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type lastOperation struct {
	Type        string  `json:"type"`
	State       string  `json:"state"`
	Description string  `json:"description"`
	CreatedAt   instant `json:"created_at"`
	UpdatedAt   instant `json:"updated_at"`
}

func (o *lastOperation) read() LastOperation {
	if o == nil {
		return LastOperation{}
	}
	return LastOperation{o.Type, o.State, o.Description, o.CreatedAt.Time, o.UpdatedAt.Time}
}

type instanceResource struct {
	named
	Type          string         `json:"type"`
	Tags          []string       `json:"tags"`
	Metadata      metadata       `json:"metadata"`
	LastOperation *lastOperation `json:"last_operation"`
	CreatedAt     instant        `json:"created_at"`
	UpdatedAt     instant        `json:"updated_at"`
	Included      included       `json:"included"`
}

func (r instanceResource) instance(in included) Instance {
	i := Instance{
		GUID: r.GUID, Name: r.Name, Type: r.Type,
		SpaceGUID: r.Relationships["space"].guid, PlanGUID: r.Relationships["service_plan"].guid,
		Tags: r.Tags, Labels: r.Metadata.Labels, Annotations: r.Metadata.Annotations,
		LastOperation: r.LastOperation.read(), CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
	space, plan := pick(in.Spaces, i.SpaceGUID), pick(in.Plans, i.PlanGUID)
	i.Space, i.Plan = space.Name, plan.Name
	i.Organization = related(in.Organizations, space.Relationships["organization"].guid)
	i.Offering = related(in.Offerings, plan.Relationships["service_offering"].guid)
	return i
}

// related names the resource of a relationship. The platform may leave out
// relationships in what it includes; the only one there is must be meant.
func related(resources []named, guid string) string {
	if guid == "" && len(resources) == 1 {
		return resources[0].Name
	}
	return pick(resources, guid).Name
}

// instanceFields asks for the names around an instance (wire/sap.md 3.5 and
// 3.10).
func instanceFields() url.Values {
	return url.Values{
		"fields[space]":                         {"guid,name,relationships.organization"},
		"fields[space.organization]":            {"guid,name"},
		"fields[service_plan]":                  {"guid,name,relationships.service_offering"},
		"fields[service_plan.service_offering]": {"guid,name"},
	}
}

// Instances lists managed service instances, sorted by name and GUID
// (wire/sap.md 3.5). The error is an [*platform.Error].
func (c *Client) Instances(ctx context.Context, q Query) ([]Instance, error) {
	found, err := c.instances(ctx, "list service instances", q)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (c *Client) instances(ctx context.Context, doing string, q Query) ([]Instance, *platform.Error) {
	query := long(instanceFields())
	query.Set("type", "managed")
	add(query, "names", q.Names)
	add(query, "space_guids", q.SpaceGUIDs)
	add(query, "organization_guids", q.OrganizationGUIDs)
	add(query, "service_plan_names", q.Plans)
	if text := q.Labels.String(); text != "" {
		query.Set("label_selector", text)
	}
	var found []Instance
	err := pages(ctx, c, doing, "/v3/service_instances", query, func(p page[instanceResource]) {
		for _, r := range p.Resources {
			if i := r.instance(p.Included); q.picks(i) {
				found = append(found, i)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b Instance) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.GUID, b.GUID)) })
	return found, nil
}

// picks checks here too: the API has no filter for offerings, and one that
// overlooks a filter must not widen what is deleted.
func (q Query) picks(i Instance) bool {
	named := len(q.Names) == 0 || slices.Contains(q.Names, i.Name)
	placed := len(q.SpaceGUIDs) == 0 || i.SpaceGUID == "" || slices.Contains(q.SpaceGUIDs, i.SpaceGUID)
	offered := len(q.Offerings) == 0 || slices.ContainsFunc(q.Offerings, func(o string) bool { return strings.EqualFold(o, i.Offering) })
	planned := len(q.Plans) == 0 || i.Plan == "" || slices.ContainsFunc(q.Plans, func(p string) bool { return strings.EqualFold(p, i.Plan) })
	return named && placed && offered && planned
}

// Instance finds a service instance of a space by its name (wire/sap.md 3.5).
// One that is not there is a [*NotFoundError], everything else an [*platform.Error].
func (c *Client) Instance(ctx context.Context, space, name string) (Instance, error) {
	found, err := c.instances(ctx, fmt.Sprintf("look for service instance %q", name), Query{Names: []string{name}, SpaceGUIDs: []string{space}})
	if err != nil {
		return Instance{}, err
	}
	if len(found) > 0 {
		return found[0], nil
	}
	others, err := c.instances(ctx, "list the service instances of the space", Query{SpaceGUIDs: []string{space}})
	if err != nil {
		return Instance{}, err
	}
	existing := make([]string, len(others))
	for i, o := range others {
		existing[i] = o.Name
	}
	return Instance{}, notFound(ServiceInstance, name, "the space", existing, "check the name and the target, or have it created with mode: create")
}

// InstanceByGUID reads a service instance (wire/sap.md 3.5). The error is an
// [*platform.Error]; one that is gone is of the kind [platform.KindNotFound].
func (c *Client) InstanceByGUID(ctx context.Context, guid string) (Instance, error) {
	i, err := c.instanceByGUID(ctx, "read the service instance "+guid, guid)
	if err != nil {
		return Instance{}, err
	}
	return i, nil
}

func (c *Client) instanceByGUID(ctx context.Context, doing, guid string) (Instance, *platform.Error) {
	r, err := get[instanceResource](ctx, c, doing, "/v3/service_instances/"+url.PathEscape(guid), instanceFields())
	if err != nil {
		return Instance{}, err
	}
	return r.instance(r.Included), nil
}

// InstanceParameters reads the parameters of a service instance (wire/sap.md
// 3.5). Many brokers do not tell them: then the error is an [*platform.Error] of the
// kind [platform.KindUnsupported].
func (c *Client) InstanceParameters(ctx context.Context, guid string) (json.RawMessage, error) {
	return c.parameters(ctx, "read the parameters of the service instance", "/v3/service_instances/"+url.PathEscape(guid)+"/parameters")
}

func (c *Client) parameters(ctx context.Context, doing, path string) (json.RawMessage, error) {
	r, err := c.send(ctx, call{method: http.MethodGet, path: path, doing: doing, private: true})
	if err != nil {
		return nil, err
	}
	if !json.Valid([]byte(r.Body)) {
		return nil, unexpected(doing, r, foreign(r, true))
	}
	return json.RawMessage(r.Body), nil
}

// CreateInstance says what service instance to create.
type CreateInstance struct {
	Name, SpaceGUID, PlanGUID string
	// Parameters is a JSON object for the broker; nil: none.
	Parameters          json.RawMessage
	Labels, Annotations map[string]string
	Tags                []string
}

// CreateInstance begins to create a managed service instance, as cf
// create-service does (wire/sap.md 3.4). It sends the request once; whether the
// instance may exist although there is an error tells [platform.MaybeCreated]. The
// operation is waited for with [Client.Wait]. The error is an [*platform.Error].
func (c *Client) CreateInstance(ctx context.Context, i CreateInstance) (Operation, error) {
	o := Operation{Verb: Create, Resource: ServiceInstance, Name: i.Name, SpaceGUID: i.SpaceGUID}
	if err := checkCreate(o, i.Parameters, i.Labels); err != nil {
		return Operation{}, err
	}
	body := instanceBody{
		Type: "managed", Name: i.Name, Parameters: i.Parameters, Tags: i.Tags, Metadata: newMetadata(i.Labels, i.Annotations),
		Relationships: map[string]relationship{"service_plan": {i.PlanGUID}, "space": {i.SpaceGUID}},
	}
	return c.begin(ctx, o, call{method: http.MethodPost, path: "/v3/service_instances", body: body})
}

type instanceBody struct {
	Type          string                  `json:"type,omitempty"`
	Name          string                  `json:"name,omitempty"`
	Parameters    json.RawMessage         `json:"parameters,omitempty"`
	Tags          []string                `json:"tags,omitempty"`
	Metadata      *metadata               `json:"metadata,omitempty"`
	Relationships map[string]relationship `json:"relationships,omitempty"`
}

func newMetadata(labels, annotations map[string]string) *metadata {
	if len(labels) == 0 && len(annotations) == 0 {
		return nil
	}
	return &metadata{labels, annotations}
}

// UpdateInstance says what to change of a service instance; what is empty
// stays as it is.
type UpdateInstance struct {
	GUID, Name          string // Name is only for messages
	Parameters          json.RawMessage
	Labels, Annotations map[string]string
}

// UpdateInstance begins to change a service instance, as cf update-service
// does; where only labels and annotations change it is done at once (wire/sap.md
// 3.5). The error is an [*platform.Error].
func (c *Client) UpdateInstance(ctx context.Context, u UpdateInstance) (Operation, error) {
	o := Operation{Verb: Update, Resource: ServiceInstance, Name: u.Name, GUID: u.GUID}
	if err := checkCreate(o, u.Parameters, u.Labels); err != nil {
		return Operation{}, err
	}
	body := instanceBody{Parameters: u.Parameters, Metadata: newMetadata(u.Labels, u.Annotations)}
	return c.begin(ctx, o, call{method: http.MethodPatch, path: "/v3/service_instances/" + url.PathEscape(u.GUID), body: body})
}

// DeleteInstance begins to delete a service instance and with it its keys, as
// cf delete-service does (wire/sap.md 3.6). One that is gone is done. Another
// operation in progress is an [*platform.Error] of the kind [platform.KindInProgress]:
// [Client.Settle] waits for its end. The name is only for messages.
func (c *Client) DeleteInstance(ctx context.Context, guid, name string) (Operation, error) {
	o := Operation{Verb: Delete, Resource: ServiceInstance, Name: name, GUID: guid}
	return c.begin(ctx, o, call{method: http.MethodDelete, path: "/v3/service_instances/" + url.PathEscape(guid)})
}
