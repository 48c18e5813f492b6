package api

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"iflowtest/internal/sandbox/bundle"
	"iflowtest/internal/sandbox/odata"
)

// serveArtifacts answers a set of design-time artifacts and what is below
// (wire/sap.md 6.5).
func (a *API) serveArtifacts(kind artifactKind) func(c *call) {
	return func(c *call) {
		switch {
		case c.path[0].Keys == nil && len(c.path) == 1:
			a.artifactSet(c, kind)
		case c.path[0].Keys == nil && isCount(c.path[1:]):
			c.unbuilt("$count of " + kind.set + ", only that of IntegrationPackages('ID')/" + kind.set)
		case c.path[0].Keys == nil:
			c.nowhere()
		default:
			a.oneArtifact(c, kind)
		}
	}
}

// artifactSet creates. As on the platform, the set itself is reached through
// its packages only.
func (a *API) artifactSet(c *call, kind artifactKind) {
	switch c.r.Method {
	case http.MethodPost:
		a.createArtifact(c, kind)
	case http.MethodGet:
		c.fail(odata.Errorf(http.StatusNotImplemented, "Not implemented: read IntegrationPackages('ID')/%s instead.", kind.set))
	default:
		c.allow(http.MethodGet, http.MethodPost)
	}
}

// oneArtifact finds the artifact that Id and Version name.
func (a *API) oneArtifact(c *call, kind artifactKind) {
	keys := c.path[0].Keys
	id, hasID := keys["Id"]
	version, hasVersion := keys["Version"]
	if !hasID || !hasVersion || len(keys) != 2 {
		c.fail(odata.Errorf(http.StatusBadRequest, "%s: want the keys Id and Version", kind.set))
		return
	}
	x, ok := a.artifacts.get(kind, id)
	if !ok || !x.is(version) {
		c.fail(missing(kind.title+" Designtime Artifact", id))
		return
	}
	if len(c.path) > 1 {
		a.belowArtifact(c, x)
		return
	}
	switch c.r.Method {
	case http.MethodGet:
		c.one(x.entity())
	case http.MethodPut:
		a.updateArtifact(c, x)
	case http.MethodDelete:
		a.artifacts.remove(x.id)
		c.w.WriteHeader(http.StatusOK)
	default:
		c.allow(http.MethodGet, http.MethodPut, http.MethodDelete)
	}
}

// belowArtifact answers the content, the parameters and the resources.
func (a *API) belowArtifact(c *call, x *artifact) {
	name := c.path[1].Name
	if name == "$links" && len(c.path) == 3 && c.path[2].Name == "Configurations" && x.kind.configurable() {
		a.configure(c, x)
		return
	}
	if c.r.Method != http.MethodGet && x.entity().Has(name) {
		c.unbuilt(c.r.Method + " of " + name)
		return
	}
	if !c.allow(http.MethodGet) {
		return
	}
	if name == "$value" && len(c.path) == 2 {
		c.download(x)
		return
	}
	c.navigate(x.entity(), c.path[1:])
}

// download answers with the zip.
func (c *call) download(x *artifact) {
	c.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": x.id + ".zip"}))
	c.value("application/zip", x.load().zip)
}

// artifactSpec is what a caller may say of an artifact.
type artifactSpec struct {
	ID          string  `json:"Id"`
	Name        string  `json:"Name"`
	PackageID   string  `json:"PackageId"`
	Description *string `json:"Description"`
	Sender      *string `json:"Sender"`
	Receiver    *string `json:"Receiver"`
	Content     *string `json:"ArtifactContent"`
}

// artifactID is what an artifact may be called.
var artifactID = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_. -]{0,149}$`)

// createArtifact makes an artifact of an upload; without content, an empty
// one.
func (a *API) createArtifact(c *call, kind artifactKind) {
	spec, err := readEntity[artifactSpec](c, "artifact", MaxArtifact)
	if err != nil {
		c.fail(err)
		return
	}
	if problems := spec.problems(); len(problems) > 0 {
		c.fail(odata.Errorf(http.StatusBadRequest, "%s", strings.Join(problems, "\n")))
		return
	}
	if _, ok := a.packages.get(spec.PackageID); !ok {
		c.fail(missing("Integration Package", spec.PackageID))
		return
	}
	x := &artifact{
		kind: kind, id: spec.ID, packageID: spec.PackageID, created: a.o.Faults.Now(), createdBy: c.caller.Name,
		generated: spec.Content == nil,
		load:      generate(bundle.Spec{ID: spec.ID, Name: spec.Name, Version: bundle.DefaultVersion, Type: kind.bundle}),
	}
	x.version, x.name = bundle.DefaultVersion, spec.ID
	uploaded, err := spec.unpack()
	if err != nil {
		c.fail(err)
		return
	}
	x.take(spec, uploaded)
	x.modified, x.changedBy = x.created, x.createdBy
	switch taken, room := a.artifacts.add(x); {
	// A business error is a 500 with text (wire/sap.md 6.1, 6.5).
	case taken != nil:
		http.Error(c.w, fmt.Sprintf("%s design time artifact with the id '%s' already exists.", taken.kind.title, x.id), http.StatusInternalServerError)
		return
	case !room:
		http.Error(c.w, noRoom, http.StatusInternalServerError)
		return
	}
	e := x.entity()
	c.w.Header().Set("Location", c.out.URI(e))
	c.out.Entity(c.w, http.StatusCreated, e, odata.Query{})
}

// problems tells everything that is wrong with a new artifact.
func (spec artifactSpec) problems() []string {
	var list []string
	if !artifactID.MatchString(spec.ID) {
		list = append(list, fmt.Sprintf("Id '%s' is not valid: it may hold letters, digits, _ . - and blanks", spec.ID))
	}
	if spec.PackageID == "" {
		list = append(list, "PackageId is mandatory")
	}
	return list
}

// take puts what the caller said into the artifact; uploaded is nil when no
// content came. The name of an upload is that of its manifest, unless the
// caller gives one.
func (x *artifact) take(spec artifactSpec, uploaded *content) {
	if uploaded != nil {
		x.load = func() content { return *uploaded }
		x.version, x.generated = uploaded.bundle.Version, false
		x.name = cmp.Or(uploaded.bundle.Name, x.name)
		x.description = cmp.Or(uploaded.bundle.Description, x.description)
	}
	x.name = cmp.Or(spec.Name, x.name)
	for _, p := range []struct{ said, to *string }{{spec.Description, &x.description}, {spec.Sender, &x.sender}, {spec.Receiver, &x.receiver}} {
		if p.said != nil {
			*p.to = *p.said
		}
	}
}

// unpack reads ArtifactContent; nil when there is none.
func (spec artifactSpec) unpack() (*content, *odata.Error) {
	if spec.Content == nil {
		return nil, nil
	}
	zip, err := base64.StdEncoding.DecodeString(strings.TrimSpace(*spec.Content))
	if err != nil {
		return nil, odata.Errorf(http.StatusBadRequest, "ArtifactContent is not valid: it is not encoded in Base64")
	}
	b, err := bundle.Read(zip)
	if err != nil {
		return nil, odata.Errorf(http.StatusBadRequest, "ArtifactContent is not valid: %s", err)
	}
	return newContent(zip, b), nil
}

// updateArtifact replaces the content, or what is said of it. The
// Bundle-SymbolicName must stay what it was at first (wire/sap.md 6.5), which is
// not the ID where the upload had another one. Values that were configured stay
// as long as their parameters do.
func (a *API) updateArtifact(c *call, x *artifact) {
	spec, err := readEntity[artifactSpec](c, "artifact", MaxArtifact)
	if err != nil {
		c.fail(err)
		return
	}
	uploaded, err := spec.unpack()
	if err != nil {
		c.fail(err)
		return
	}
	now := a.o.Faults.Now()
	err = a.artifacts.change(x.id, func(changed artifact) (*artifact, *odata.Error) {
		symbolic := changed.load().bundle.SymbolicName
		changed.take(spec, uploaded)
		b := changed.load().bundle
		if b.SymbolicName != symbolic {
			return nil, odata.Errorf(http.StatusBadRequest, "Bundle-SymbolicName '%s' of the MANIFEST.MF must not be changed: it is '%s'.", b.SymbolicName, symbolic)
		}
		changed.configured = maps.Clone(changed.configured)
		maps.DeleteFunc(changed.configured, func(key, _ string) bool { return !has(b.Parameters, key) })
		changed.modified, changed.changedBy = now, c.caller.Name
		return &changed, nil
	})
	switch {
	case err != nil && err.Message == noRoom:
		http.Error(c.w, noRoom, http.StatusInternalServerError)
	case err != nil:
		c.fail(err)
	default:
		c.w.WriteHeader(http.StatusOK)
	}
}

func has(parameters []bundle.Parameter, key string) bool {
	return slices.ContainsFunc(parameters, func(p bundle.Parameter) bool { return p.Key == key })
}

// configure gives an externalized parameter a value, which counts from the
// next deployment on.
func (a *API) configure(c *call, x *artifact) {
	if !c.allow(http.MethodPut) {
		return
	}
	key, ok := c.path[2].Key("ParameterKey")
	if !ok {
		c.nowhere()
		return
	}
	spec, err := readEntity[struct {
		Value *string `json:"ParameterValue"`
		Type  string  `json:"DataType"`
	}](c, "configuration", MaxEntity)
	if err == nil && spec.Value == nil {
		err = odata.Errorf(http.StatusBadRequest, "ParameterValue is mandatory")
	}
	if err == nil {
		now := a.o.Faults.Now()
		err = a.artifacts.change(x.id, func(changed artifact) (*artifact, *odata.Error) {
			if !has(changed.load().bundle.Parameters, key) {
				return nil, odata.Errorf(http.StatusNotFound, "Parameter key '%s' not found in the artifact '%s'.", key, changed.id)
			}
			changed.configured = maps.Clone(changed.configured)
			if changed.configured == nil {
				changed.configured = map[string]string{}
			}
			changed.configured[key] = *spec.Value
			changed.modified, changed.changedBy = now, c.caller.Name
			return &changed, nil
		})
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.w.WriteHeader(http.StatusAccepted)
}
