package cf

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"iflowtest/internal/platform"
)

// The types of a binding.
const (
	TypeKey = "key"
	TypeApp = "app"
)

// Key is a credential binding of a service instance: a service key, or a
// binding to an application.
type Key struct {
	// Type is TypeKey or TypeApp. Name may be empty for an application.
	GUID, Name, Type     string
	InstanceGUID         string
	Labels, Annotations  map[string]string
	LastOperation        LastOperation
	CreatedAt, UpdatedAt time.Time
}

// KeyQuery picks credential bindings; what is empty does not count, so that
// without Type applications are among them.
type KeyQuery struct {
	InstanceGUIDs, Names []string
	Type                 string
	Labels               Selector
}

type keyResource struct {
	named
	Type          string         `json:"type"`
	Metadata      metadata       `json:"metadata"`
	LastOperation *lastOperation `json:"last_operation"`
	CreatedAt     instant        `json:"created_at"`
	UpdatedAt     instant        `json:"updated_at"`
}

func (r keyResource) key() Key {
	return Key{
		GUID: r.GUID, Name: r.Name, Type: r.Type, InstanceGUID: r.Relationships["service_instance"].guid,
		Labels: r.Metadata.Labels, Annotations: r.Metadata.Annotations,
		LastOperation: r.LastOperation.read(), CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
}

// Keys lists credential bindings, sorted by name and GUID (wire/sap.md 3.6).
// Any number of instances may be asked for at once. The error is an [*platform.Error].
func (c *Client) Keys(ctx context.Context, q KeyQuery) ([]Key, error) {
	found, err := c.keys(ctx, "list service keys", q)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (c *Client) keys(ctx context.Context, doing string, q KeyQuery) ([]Key, *platform.Error) {
	var found []Key
	for _, guids := range batches(q.InstanceGUIDs) {
		query := long(url.Values{})
		add(query, "service_instance_guids", guids)
		add(query, "names", q.Names)
		if q.Type != "" {
			query.Set("type", q.Type)
		}
		if text := q.Labels.String(); text != "" {
			query.Set("label_selector", text)
		}
		resources, err := all[keyResource](ctx, c, doing, "/v3/service_credential_bindings", query)
		if err != nil {
			return nil, err
		}
		for _, r := range resources {
			if len(q.Names) == 0 || slices.Contains(q.Names, r.Name) {
				found = append(found, r.key())
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Key) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.GUID, b.GUID)) })
	return found, nil
}

// Key finds a service key of an instance by its name (wire/sap.md 3.6). One
// that is not there is a [*NotFoundError], everything else an [*platform.Error].
func (c *Client) Key(ctx context.Context, instance, name string) (Key, error) {
	found, err := c.keys(ctx, fmt.Sprintf("look for service key %q", name), KeyQuery{InstanceGUIDs: []string{instance}, Names: []string{name}, Type: TypeKey})
	if err != nil {
		return Key{}, err
	}
	if len(found) > 0 {
		return found[0], nil
	}
	others, err := c.keys(ctx, "list the keys of the service instance", KeyQuery{InstanceGUIDs: []string{instance}, Type: TypeKey})
	if err != nil {
		return Key{}, err
	}
	existing := make([]string, len(others))
	for i, o := range others {
		existing[i] = o.Name
	}
	return Key{}, notFound(ServiceKey, name, "the service instance", existing, "check the name of the key and of the instance")
}

// KeyByGUID reads a credential binding (wire/sap.md 3.6). The error is an
// [*platform.Error]; one that is gone is of the kind [platform.KindNotFound].
func (c *Client) KeyByGUID(ctx context.Context, guid string) (Key, error) {
	k, err := c.keyByGUID(ctx, "read the service key "+guid, guid)
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

func (c *Client) keyByGUID(ctx context.Context, doing, guid string) (Key, *platform.Error) {
	r, err := get[keyResource](ctx, c, doing, "/v3/service_credential_bindings/"+url.PathEscape(guid), nil)
	if err != nil {
		return Key{}, err
	}
	return r.key(), nil
}

// KeyDetails reads the credentials of a service key: the JSON value of
// "credentials" (wire/sap.md 3.6). All of it is secret; nothing of it enters an
// error, which is an [*platform.Error]. The 404 for a user who may see the key but not
// its credentials is told as [platform.KindForbidden]; a key that is still being created
// as [platform.KindInProgress], one whose creation failed as [platform.KindFailed].
func (c *Client) KeyDetails(ctx context.Context, guid string) (json.RawMessage, error) {
	doing := "read the credentials of the service key"
	r, err := c.send(ctx, call{
		method: http.MethodGet, path: "/v3/service_credential_bindings/" + url.PathEscape(guid) + "/details",
		doing: doing, private: true,
	})
	if err != nil {
		return nil, c.whyNoDetails(ctx, guid, err)
	}
	var details struct {
		Credentials json.RawMessage `json:"credentials"`
	}
	if json.Unmarshal([]byte(r.Body), &details) != nil {
		return nil, unexpected(doing, r, foreign(r, true))
	}
	if text := string(details.Credentials); text == "" || text == "null" {
		return nil, unexpected(doing, r, "the answer has no credentials")
	}
	return details.Credentials, nil
}

// whyNoDetails tells the 404 of a key that is gone from the one that means 403
// (wire/sap.md 3.6): the second can be read otherwise.
func (c *Client) whyNoDetails(ctx context.Context, guid string, err *platform.Error) error {
	if err.Kind != platform.KindNotFound {
		return err
	}
	if _, other := c.keyByGUID(ctx, "look whether the service key exists", guid); other != nil {
		return err
	}
	forbidden := *err
	forbidden.Kind = platform.KindForbidden
	forbidden.Message = "read the credentials of the service key: the key exists, but the user may not read its credentials (the platform says so with status 404)"
	forbidden.Cure = cureRole
	return &forbidden
}

// KeyParameters reads the parameters of a service key (wire/sap.md 1.8). The
// broker of it-rt does not tell them: the error is then an [*platform.Error] of the kind
// [platform.KindUnsupported].
func (c *Client) KeyParameters(ctx context.Context, guid string) (json.RawMessage, error) {
	return c.parameters(ctx, "read the parameters of the service key", "/v3/service_credential_bindings/"+url.PathEscape(guid)+"/parameters")
}

// CreateKey says what service key to create.
type CreateKey struct {
	Name, InstanceGUID string
	// Parameters is a JSON object for the broker; nil: none.
	Parameters          json.RawMessage
	Labels, Annotations map[string]string
}

// CreateKey begins to create a service key, as cf create-service-key does
// (wire/sap.md 3.6). It sends the request once; whether the key may exist
// although there is an error tells [platform.MaybeCreated]. The operation is waited for
// with [Client.Wait]. The error is an [*platform.Error].
func (c *Client) CreateKey(ctx context.Context, k CreateKey) (Operation, error) {
	o := Operation{Verb: Create, Resource: ServiceKey, Name: k.Name, InstanceGUID: k.InstanceGUID}
	if err := checkCreate(o, k.Parameters, k.Labels); err != nil {
		return Operation{}, err
	}
	body := instanceBody{
		Type: TypeKey, Name: k.Name, Parameters: k.Parameters, Metadata: newMetadata(k.Labels, k.Annotations),
		Relationships: map[string]relationship{"service_instance": {k.InstanceGUID}},
	}
	return c.begin(ctx, o, call{method: http.MethodPost, path: "/v3/service_credential_bindings", body: body})
}

// DeleteKey begins to delete a service key, as cf delete-service-key does
// (wire/sap.md 3.6). One that is gone is done. Another operation in progress is
// an [*platform.Error] of the kind [platform.KindInProgress]: [Client.Settle] waits for its end.
// The name is only for messages.
func (c *Client) DeleteKey(ctx context.Context, guid, name string) (Operation, error) {
	o := Operation{Verb: Delete, Resource: ServiceKey, Name: name, GUID: guid}
	return c.begin(ctx, o, call{method: http.MethodDelete, path: "/v3/service_credential_bindings/" + url.PathEscape(guid)})
}

// checkCreate refuses what cannot be right before anything is sent.
func checkCreate(o Operation, parameters json.RawMessage, labels map[string]string) *platform.Error {
	var problems []error
	if o.Name == "" && o.Verb == Create {
		problems = append(problems, errors.New("it has no name"))
	}
	var object map[string]json.RawMessage
	if len(parameters) > 0 && (json.Unmarshal(parameters, &object) != nil || object == nil) {
		problems = append(problems, errors.New("parameters is not a JSON object"))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if err := CheckLabel(key, labels[key]); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Error()
	}
	return &platform.Error{Kind: platform.KindRequest, Err: errors.Join(problems...), Message: o.doing() + ": " + strings.Join(texts, "; "), Cure: "correct this; nothing was sent"}
}
