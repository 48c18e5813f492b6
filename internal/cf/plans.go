package cf

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"iflowtest/internal/platform"
)

// Plan is a plan of a service offering.
type Plan struct {
	GUID, Name             string
	Offering, OfferingGUID string
	// Broker is the name of the service broker; empty: the platform did not
	// tell it.
	Broker string
	Free   bool
}

type planResource struct {
	named
	Free      bool  `json:"free"`
	Available *bool `json:"available"`
}

// Plan finds a plan by the names of offering and plan, in any case, as cf
// create-service does (wire/sap.md 3.4), among those that are visible in the
// space; an empty space means anywhere. A plan that is not visible is a
// [*NotFoundError] whose kind says whether the offering is there, with the
// plans or offerings that are; that is how a missing entitlement looks
// (wire/sap.md 1.8 and 4.1). Everything else is an [*platform.Error].
func (c *Client) Plan(ctx context.Context, space, offering, plan string) (Plan, error) {
	doing := fmt.Sprintf("look for plan %q of offering %q", plan, offering)
	found, err := c.plans(ctx, doing, space, offering, plan)
	if err != nil {
		return Plan{}, err
	}
	switch len(found) {
	case 0:
		return Plan{}, c.noPlan(ctx, space, offering, plan)
	case 1:
		return found[0], nil
	}
	brokers := make([]string, len(found))
	for i, p := range found {
		brokers[i] = cmp.Or(p.Broker, p.OfferingGUID, p.GUID)
	}
	return Plan{}, &platform.Error{
		Kind:    platform.KindRefused,
		Message: fmt.Sprintf("%s: %d service brokers offer it: %s", doing, len(found), quotedList(brokers, 0)),
		Cure:    "have all but one of them hidden from the space",
	}
}

// Plans lists the plans of an offering that are visible in the space, by name,
// as cf marketplace -e does (wire/sap.md 3.5); an empty offering means all of
// them, an empty space anywhere. The error is an [*platform.Error].
func (c *Client) Plans(ctx context.Context, space, offering string) ([]Plan, error) {
	found, err := c.plans(ctx, "list the plans that are visible", space, offering, "")
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (c *Client) plans(ctx context.Context, doing, space, offering, plan string) ([]Plan, *platform.Error) {
	query := long(url.Values{
		"available": {"true"},
		"include":   {"service_offering"},
		"fields[service_offering.service_broker]": {"name,guid"},
	})
	for key, value := range map[string]string{"names": plan, "service_offering_names": offering, "space_guids": space} {
		if value != "" {
			query.Set(key, filter(value))
		}
	}
	var found []Plan
	err := pages(ctx, c, doing, "/v3/service_plans", query, func(p page[planResource]) {
		for _, r := range p.Resources {
			found = append(found, r.plan(p.Included))
		}
	})
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(p Plan) bool {
		return plan != "" && !strings.EqualFold(p.Name, plan) || offering != "" && p.Offering != "" && !strings.EqualFold(p.Offering, offering)
	})
	slices.SortStableFunc(found, func(a, b Plan) int {
		return cmp.Or(cmp.Compare(a.Offering, b.Offering), cmp.Compare(a.Name, b.Name), cmp.Compare(a.GUID, b.GUID))
	})
	return found, nil
}

func (r planResource) plan(in included) Plan {
	p := Plan{GUID: r.GUID, Name: r.Name, OfferingGUID: r.Relationships["service_offering"].guid, Free: r.Free}
	offering := pick(in.Offerings, p.OfferingGUID)
	p.Offering = offering.Name
	p.Broker = pick(in.Brokers, offering.Relationships["service_broker"].guid).Name
	return p
}

// pick finds a resource by its GUID; zero: it is not there.
func pick(resources []named, guid string) named {
	for _, r := range resources {
		if r.GUID == guid {
			return r
		}
	}
	return named{}
}

// noPlan says what there is instead of a plan.
func (c *Client) noPlan(ctx context.Context, space, offering, plan string) error {
	in := "in the space"
	if space == "" {
		in = "to the user"
	}
	plans, err := c.plans(ctx, "list the plans that are visible", space, "", "")
	if err != nil {
		return err
	}
	var offerings, siblings []string
	for _, p := range plans {
		offerings = append(offerings, p.Offering)
		if strings.EqualFold(p.Offering, offering) {
			siblings = append(siblings, p.Name)
		}
	}
	if len(siblings) == 0 {
		return notFound(ServiceOffering, offering, in, slices.DeleteFunc(offerings, func(o string) bool { return o == "" }), cureEntitle)
	}
	return notFound(ServicePlan, plan, fmt.Sprintf("%s (offering %q)", in, offering), siblings, cureEntitle)
}
