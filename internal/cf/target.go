package cf

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"iflowtest/internal/platform"
)

// Resource is a kind of thing on the platform, as messages name it.
type Resource string

// The resources.
const (
	OrganizationResource Resource = "organisation"
	SpaceResource        Resource = "space"
	ServiceOffering      Resource = "service offering"
	ServicePlan          Resource = "service plan"
	ServiceInstance      Resource = "service instance"
	ServiceKey           Resource = "service key"
)

// Organization is an organisation of the platform.
type Organization struct{ GUID, Name string }

// Space is a space of an organisation.
type Space struct{ GUID, Name, OrganizationGUID string }

// maxExisting is how many names a [NotFoundError] holds.
const maxExisting = 20

// NotFoundError says that there is nothing of a name, or nothing that the user
// may see, and what there is instead.
type NotFoundError struct {
	// Kind and Name are what was looked for; In is where, in words, such as
	// "the space"; empty: nowhere in particular.
	Kind     Resource
	Name, In string
	// Existing are names that there are, sorted, at most 20; More counts the
	// others.
	Existing []string
	More     int
	// Cure says what to do about it.
	Cure string
}

// Error names what is not there and what is.
func (e *NotFoundError) Error() string {
	if e.Kind == ServicePlan || e.Kind == ServiceOffering {
		return e.invisible()
	}
	text := fmt.Sprintf("%s %q does not exist", e.Kind, e.Name)
	if e.In != "" {
		text += " in " + e.In
	}
	if len(e.Existing) == 0 {
		return text + ", or the user may not see it; there is none that the user may see"
	}
	return text + ", or the user may not see it; there is " + quotedList(e.Existing, e.More)
}

// invisible words it for plans and offerings, which exist, but not for everybody.
func (e *NotFoundError) invisible() string {
	text := fmt.Sprintf("%s %q is not visible %s; ", e.Kind, e.Name, e.In)
	if len(e.Existing) == 0 {
		return text + "none is"
	}
	return text + "visible are " + quotedList(e.Existing, e.More)
}

func notFound(kind Resource, name, in string, existing []string, cure string) *NotFoundError {
	existing = slices.Compact(slices.Sorted(slices.Values(existing)))
	shown := existing[:min(len(existing), maxExisting)]
	return &NotFoundError{Kind: kind, Name: name, In: in, Existing: shown, More: len(existing) - len(shown), Cure: cure}
}

// Organization finds an organisation by its name, in its exact case (wire/sap.md
// 3.3). One that is not there is a [*NotFoundError], everything else an
// [*platform.Error].
func (c *Client) Organization(ctx context.Context, name string) (Organization, error) {
	doing := fmt.Sprintf("look for organisation %q", name)
	found, err := all[named](ctx, c, doing, "/v3/organizations", one(url.Values{"names": {filter(name)}}))
	if err != nil {
		return Organization{}, err
	}
	for _, o := range found {
		if o.Name == name {
			return Organization{o.GUID, o.Name}, nil
		}
	}
	others, err := all[named](ctx, c, "list the organisations", "/v3/organizations", long(url.Values{"order_by": {"name"}}))
	if err != nil {
		return Organization{}, err
	}
	return Organization{}, notFound(OrganizationResource, name, "", names(others), "check org: in target.cloud-foundry, and that the user is a member of the organisation")
}

// Space finds a space of an organisation by its name, in its exact case
// (wire/sap.md 3.3). One that is not there is a [*NotFoundError], everything
// else an [*platform.Error].
func (c *Client) Space(ctx context.Context, organization, name string) (Space, error) {
	doing := fmt.Sprintf("look for space %q", name)
	found, err := all[named](ctx, c, doing, "/v3/spaces", one(url.Values{"names": {filter(name)}, "organization_guids": {organization}}))
	if err != nil {
		return Space{}, err
	}
	for _, s := range found {
		if s.Name == name {
			return Space{s.GUID, s.Name, organization}, nil
		}
	}
	others, err := c.spaces(ctx, organization)
	if err != nil {
		return Space{}, err
	}
	return Space{}, notFound(SpaceResource, name, "the organisation", names(others), "check space: in target.cloud-foundry, and that the user has a role in the space")
}

// Spaces lists the spaces of an organisation by name, those that the user may
// see (wire/sap.md 3.3). The error is an [*platform.Error].
func (c *Client) Spaces(ctx context.Context, organization string) ([]Space, error) {
	found, err := c.spaces(ctx, organization)
	if err != nil {
		return nil, err
	}
	spaces := make([]Space, len(found))
	for i, s := range found {
		spaces[i] = Space{s.GUID, s.Name, organization}
	}
	return spaces, nil
}

func (c *Client) spaces(ctx context.Context, organization string) ([]named, *platform.Error) {
	return all[named](ctx, c, "list the spaces of the organisation", "/v3/spaces", long(url.Values{"order_by": {"name"}, "organization_guids": {organization}}))
}

// one asks for a single resource as the cf command line does.
func one(query url.Values) url.Values {
	query.Set("page", "1")
	query.Set("per_page", "1")
	return query
}

func names(resources []named) []string {
	texts := make([]string, len(resources))
	for i, r := range resources {
		texts[i] = r.Name
	}
	return texts
}
