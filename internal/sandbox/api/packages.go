package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/odata"
	"iflowtest/internal/sandbox/subaccount"
)

// FlowPackage is the ID of the package the built-in flows belong to.
const FlowPackage = "SandboxFlows"

// Limits of the body of a request that creates or changes an entity: an
// artifact with its content, and anything else.
const (
	MaxArtifact = 40 << 20
	MaxEntity   = 1 << 20
)

// packageSpec is what a caller may say of an integration package.
type packageSpec struct {
	ID                string `json:"Id"`
	Name              string `json:"Name"`
	Description       string `json:"Description"`
	ShortText         string `json:"ShortText"`
	Version           string `json:"Version"`
	Vendor            string `json:"Vendor"`
	Mode              string `json:"Mode"`
	SupportedPlatform string `json:"SupportedPlatform"`
	Products          string `json:"Products"`
	Keywords          string `json:"Keywords"`
	Countries         string `json:"Countries"`
	Industries        string `json:"Industries"`
	LineOfBusiness    string `json:"LineOfBusiness"`
}

// integrationPackage is a package as it is kept.
type integrationPackage struct {
	packageSpec
	resource            string
	created, modified   time.Time
	createdBy, changeBy string
}

func newPackage(spec packageSpec, now time.Time, by string) *integrationPackage {
	spec.Version = cmp.Or(spec.Version, "1.0.0")
	spec.SupportedPlatform = cmp.Or(spec.SupportedPlatform, "SAP Cloud Integration")
	spec.Mode = "EDIT_ALLOWED"
	return &integrationPackage{
		packageSpec: spec, resource: strings.ReplaceAll(subaccount.NewGUID(), "-", ""),
		created: now, modified: now, createdBy: by, changeBy: by,
	}
}

// entity gives the row (wire/sap.md 6.6): dates are texts of milliseconds.
func (p *integrationPackage) entity() *odata.Entity {
	millis := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	return &odata.Entity{
		Set: "IntegrationPackages", Type: "IntegrationPackage", Key: odata.Key(p.ID),
		Properties: []odata.Property{
			{Name: "Id", Value: p.ID}, {Name: "Name", Value: p.Name}, {Name: "ResourceId", Value: p.resource},
			{Name: "Description", Value: p.Description}, {Name: "ShortText", Value: p.ShortText}, {Name: "Version", Value: p.Version},
			{Name: "Vendor", Value: p.Vendor}, {Name: "PartnerContent", Value: false}, {Name: "UpdateAvailable", Value: false},
			{Name: "Mode", Value: p.Mode}, {Name: "SupportedPlatform", Value: p.SupportedPlatform},
			{Name: "ModifiedBy", Value: p.changeBy}, {Name: "CreationDate", Value: millis(p.created)},
			{Name: "ModifiedDate", Value: millis(p.modified)}, {Name: "CreatedBy", Value: p.createdBy},
			{Name: "Products", Value: p.Products}, {Name: "Keywords", Value: p.Keywords}, {Name: "Countries", Value: p.Countries},
			{Name: "Industries", Value: p.Industries}, {Name: "LineOfBusiness", Value: p.LineOfBusiness},
			{Name: "PackageContent", Value: nil},
			{Name: "IntegrationDesigntimeArtifacts", Value: odata.Link{}},
			{Name: "ValueMappingDesigntimeArtifacts", Value: odata.Link{}},
			{Name: "MessageMappingDesigntimeArtifacts", Value: odata.Link{}},
			{Name: "ScriptCollectionDesigntimeArtifacts", Value: odata.Link{}},
			{Name: "CustomTags", Value: odata.Link{}},
		},
	}
}

// packages is the packages of the tenant. It is safe for concurrent use.
type packages struct {
	mu   sync.RWMutex
	byID map[string]*integrationPackage // replaced, never changed
}

// add keeps a package; false when its ID or its name is taken.
func (ps *packages) add(p *integrationPackage) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, other := range ps.byID {
		if other.ID == p.ID || other.Name == p.Name {
			return false
		}
	}
	if ps.byID == nil {
		ps.byID = map[string]*integrationPackage{}
	}
	ps.byID[p.ID] = p
	return true
}

func (ps *packages) get(id string) (*integrationPackage, bool) {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	p, ok := ps.byID[id]
	return p, ok
}

func (ps *packages) replace(p *integrationPackage) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if _, ok := ps.byID[p.ID]; ok {
		ps.byID[p.ID] = p
	}
}

func (ps *packages) remove(id string) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	_, ok := ps.byID[id]
	delete(ps.byID, id)
	return ok
}

func (ps *packages) ids() []string {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return slices.Sorted(maps.Keys(ps.byID))
}

// servePackages answers IntegrationPackages and what is below.
func (a *API) servePackages(c *call) {
	if c.path[0].Keys == nil {
		a.packageSet(c)
		return
	}
	id, _ := c.path[0].Key("")
	if len(c.path) == 1 {
		a.onePackage(c, id)
		return
	}
	p, ok := a.packages.get(id)
	if !ok {
		c.unknown("Integration Package", id)
		return
	}
	if c.allow(http.MethodGet) {
		c.navigate(a.packageRow(p), c.path[1:])
	}
}

func (a *API) packageSet(c *call) {
	if len(c.path) > 1 && !c.allow(http.MethodGet) || !c.allow(http.MethodGet, http.MethodPost) {
		return
	}
	if c.r.Method == http.MethodPost {
		a.createPackage(c)
		return
	}
	var rows []*odata.Entity
	for _, id := range a.packages.ids() {
		if p, ok := a.packages.get(id); ok {
			rows = append(rows, a.packageRow(p))
		}
	}
	c.listOrCount(a.packageRow(&integrationPackage{}), rows)
}

// packageID is what a package may be called: letters and digits.
var packageID = regexp.MustCompile(`^[A-Za-z0-9]{1,150}$`)

func (a *API) createPackage(c *call) {
	spec, err := readEntity[packageSpec](c, "integration package", MaxEntity)
	if err != nil {
		c.fail(err)
		return
	}
	if problems := spec.problems(); len(problems) > 0 {
		c.fail(odata.Errorf(http.StatusBadRequest, "%s", strings.Join(problems, "\n")))
		return
	}
	p := newPackage(spec, a.o.Faults.Now(), c.caller.Name)
	if !a.packages.add(p) {
		// As with artifacts, a business error is a 500 with text (wire/sap.md 6.1).
		http.Error(c.w, fmt.Sprintf("Integration Package with Id '%s' or Name '%s' already exists.", p.ID, p.Name), http.StatusInternalServerError)
		return
	}
	e := p.entity()
	c.w.Header().Set("Location", c.out.URI(e))
	c.out.Entity(c.w, http.StatusCreated, e, odata.Query{})
}

// problems tells everything that is wrong with a new package.
func (spec packageSpec) problems() []string {
	var list []string
	if !packageID.MatchString(spec.ID) {
		list = append(list, fmt.Sprintf("Id '%s' is not valid: it may hold letters and digits only", spec.ID))
	}
	if strings.TrimSpace(spec.Name) == "" {
		list = append(list, "Name is mandatory")
	}
	return list
}

// readEntity reads the JSON of an entity, bare or inside "d", that has so many
// bytes at most; what names it in messages.
func readEntity[T any](c *call, what string, limit int64) (T, *odata.Error) {
	var spec T
	bad := func(text string) (T, *odata.Error) { return spec, odata.Errorf(http.StatusBadRequest, "%s", text) }
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return spec, odata.Errorf(http.StatusRequestEntityTooLarge, "the body is larger than %d MB, the limit for one %s", limit>>20, what)
	}
	if err != nil {
		return bad("the body did not arrive whole")
	}
	var wrapped struct {
		D json.RawMessage `json:"d"`
	}
	if err := json.Unmarshal(body, &wrapped); err != nil {
		return bad("the body is no JSON object")
	}
	if len(wrapped.D) > 0 {
		body = wrapped.D
	}
	if err := json.Unmarshal(body, &spec); err != nil {
		return bad("the body is no " + what + ": its properties are texts")
	}
	return spec, nil
}

func (a *API) onePackage(c *call, id string) {
	if !c.allow(http.MethodGet, http.MethodPut, http.MethodDelete) {
		return
	}
	p, ok := a.packages.get(id)
	if !ok {
		c.unknown("Integration Package", id)
		return
	}
	switch c.r.Method {
	case http.MethodGet:
		c.one(a.packageRow(p))
	case http.MethodPut:
		a.changePackage(c, p)
	default:
		if !a.packages.remove(id) {
			c.unknown("Integration Package", id)
			return
		}
		a.artifacts.removeOf(id) // what is deployed of them stays deployed
		c.w.WriteHeader(http.StatusAccepted)
	}
}

func (a *API) changePackage(c *call, old *integrationPackage) {
	spec, err := readEntity[packageSpec](c, "integration package", MaxEntity)
	if err != nil {
		c.fail(err)
		return
	}
	spec.ID, spec.Name = old.ID, cmp.Or(spec.Name, old.Name)
	p := newPackage(spec, a.o.Faults.Now(), c.caller.Name)
	p.resource, p.created, p.createdBy = old.resource, old.created, old.createdBy
	a.packages.replace(p)
	c.w.WriteHeader(http.StatusAccepted)
}

// packageRow gives the row of a package with what it leads to.
func (a *API) packageRow(p *integrationPackage) *odata.Entity {
	e := p.entity()
	for i, property := range e.Properties {
		if _, ok := property.Value.(odata.Link); !ok {
			continue
		}
		link := odata.Link{Rows: func() []*odata.Entity { return a.artifactRows(p.ID, property.Name) }}
		for _, kind := range kinds() {
			if kind.set == property.Name {
				link.Like = func() *odata.Entity { return (&artifact{kind: kind}).entity() }
			}
		}
		e.Properties[i].Value = link
	}
	return e
}

// artifactRows gives the artifacts of a package that belong to a set.
func (a *API) artifactRows(packageID, set string) []*odata.Entity {
	var rows []*odata.Entity
	for _, x := range a.artifacts.of(packageID) {
		if x.kind.set == set {
			rows = append(rows, x.entity())
		}
	}
	return rows
}
