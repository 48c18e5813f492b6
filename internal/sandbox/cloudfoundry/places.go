package cloudfoundry

import (
	"iflowtest/internal/sandbox/subaccount"
)

// places adds organisations and spaces (wire/sap.md 3.3).
func (s *Server) places() {
	s.route("GET /v3/organizations", s.listOrganizations)
	s.route("GET /v3/organizations/{guid}", s.getOrganization)
	s.route("GET /v3/spaces", s.listSpaces)
	s.route("GET /v3/spaces/{guid}", s.getSpace)
	s.route("GET /v3/apps", s.listNothing)
	s.route("GET /v3/service_route_bindings", s.listNothing)
}

// listNothing lists what the sandbox has none of.
func (s *Server) listNothing(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{
		filters: []string{"names", "guids", "space_guids", "organization_guids", "service_instance_guids", "service_instance_names", "route_guids"},
		order:   []string{"name"}, include: []string{"space", "org", "space.organization", "route", "service_instance"}, labels: true,
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, q, nil, func(struct{}) sortKey { return sortKey{} }, func(v struct{}) any { return v }, nil)
}

// sees reports whether the user may read what is in spaces.
func sees(u *subaccount.User) bool { return u.Role != subaccount.Member }

// writes reports whether the user may change what is in spaces, and read the
// credentials of keys (wire/sap.md 3.6).
func writes(u *subaccount.User) bool { return u.Role == subaccount.Developer }

type organization struct {
	GUID          string    `json:"guid"`
	Created       string    `json:"created_at"`
	Updated       string    `json:"updated_at"`
	Name          string    `json:"name"`
	Suspended     bool      `json:"suspended"`
	Relationships relations `json:"relationships"`
	Metadata      metadata  `json:"metadata"`
	Links         links     `json:"links"`
}

func (s *Server) organization(p subaccount.Place) organization {
	self := "/v3/organizations/" + p.GUID
	return organization{
		p.GUID, stamp(p.Created), stamp(p.Created), p.Name, false, relations{"quota": {}}, metadataOf(subaccount.Metadata{}),
		links{"self": s.href(self), "domains": s.href(self + "/domains"), "default_domain": s.href(self + "/domains/default")},
	}
}

type space struct {
	GUID          string    `json:"guid"`
	Created       string    `json:"created_at"`
	Updated       string    `json:"updated_at"`
	Name          string    `json:"name"`
	Relationships relations `json:"relationships"`
	Metadata      metadata  `json:"metadata"`
	Links         links     `json:"links"`
	Included      any       `json:"included,omitempty"`
}

func (s *Server) space(p subaccount.Place) space {
	self, org := "/v3/spaces/"+p.GUID, s.o.Subaccount.Org()
	return space{
		GUID: p.GUID, Created: stamp(p.Created), Updated: stamp(p.Created), Name: p.Name,
		Relationships: relations{"organization": to(org.GUID), "quota": {}}, Metadata: metadataOf(subaccount.Metadata{}),
		Links: links{
			"self": s.href(self), "organization": s.href("/v3/organizations/" + org.GUID), "features": s.href(self + "/features"),
			"apply_manifest": {s.href(self + "/actions/apply_manifest").Href, "POST"},
		},
	}
}

func placeKey(p subaccount.Place) sortKey { return sortKey{p.Name, p.Created, p.Created} }

func (s *Server) listOrganizations(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{filters: []string{"names", "guids"}, order: []string{"name"}, labels: true})
	if err != nil {
		return nil, err
	}
	var found []subaccount.Place
	if org := s.o.Subaccount.Org(); q.takes("names", org.Name) && q.takes("guids", org.GUID) && q.selector.matches(nil) {
		found = append(found, org)
	}
	return list(s, c, q, found, placeKey, func(p subaccount.Place) any { return s.organization(p) }, nil)
}

func (s *Server) getOrganization(c *call) (*answer, error) {
	if org := s.o.Subaccount.Org(); c.PathValue("guid") == org.GUID {
		return ok(s.organization(org))
	}
	return nil, notFound("Organization not found")
}

func (s *Server) listSpaces(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{
		filters: []string{"names", "guids", "organization_guids"}, order: []string{"name"}, include: []string{"org", "organization"}, labels: true,
	})
	if err != nil {
		return nil, err
	}
	org := s.o.Subaccount.Org()
	var found []subaccount.Place
	for _, p := range s.o.Subaccount.Spaces() {
		if sees(c.user) && q.takes("names", p.Name) && q.takes("guids", p.GUID) && q.takes("organization_guids", org.GUID) && q.selector.matches(nil) {
			found = append(found, p)
		}
	}
	return list(s, c, q, found, placeKey, func(p subaccount.Place) any { return s.space(p) }, func(page []subaccount.Place) any {
		if q.include == nil {
			return nil
		}
		orgs := []organization{}
		if len(page) > 0 {
			orgs = append(orgs, s.organization(org))
		}
		return map[string]any{"organizations": orgs}
	})
}

func (s *Server) getSpace(c *call) (*answer, error) {
	q, err := parseQuery(c.URL.RawQuery, rules{single: true, include: []string{"org", "organization"}})
	if err != nil {
		return nil, err
	}
	p, there := s.spaceOf(c.PathValue("guid"))
	if !there || !sees(c.user) {
		return nil, notFound("Space not found")
	}
	shown := s.space(p)
	if q.include != nil {
		shown.Included = map[string]any{"organizations": []organization{s.organization(s.o.Subaccount.Org())}}
	}
	return ok(shown)
}

// spaceOf finds a space by its GUID.
func (s *Server) spaceOf(guid string) (subaccount.Place, bool) {
	for _, p := range s.o.Subaccount.Spaces() {
		if p.GUID == guid {
			return p, true
		}
	}
	return subaccount.Place{}, false
}

// spaceNamed finds a space by its name.
func (s *Server) spaceNamed(name string) subaccount.Place {
	for _, p := range s.o.Subaccount.Spaces() {
		if p.Name == name {
			return p
		}
	}
	return subaccount.Place{Name: name}
}
