package api

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/bundle"
	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/odata"
)

// artifactKind is a kind of design-time artifact (wire/sap.md 6.5). The kinds
// differ in their names, not in their shape.
type artifactKind struct {
	// set and entity are the names of the entity set and of its type.
	set, entity string
	// runtime is the type of the runtime artifact, bundle that of the manifest.
	runtime, bundle string
	// title is what messages call it.
	title string
}

func integrationFlows() artifactKind {
	return artifactKind{"IntegrationDesigntimeArtifacts", "IntegrationDesigntimeArtifact", iflow.TypeFlow, bundle.Flow, "Integration flow"}
}

func messageMappings() artifactKind {
	return artifactKind{"MessageMappingDesigntimeArtifacts", "MessageMappingDesigntimeArtifact", "MESSAGE_MAPPING", bundle.Mapping, "Message mapping"}
}

func scriptCollections() artifactKind {
	return artifactKind{"ScriptCollectionDesigntimeArtifacts", "ScriptCollectionDesigntimeArtifact", "SCRIPT_COLLECTION", bundle.Scripts, "Script collection"}
}

func valueMappings() artifactKind {
	return artifactKind{"ValueMappingDesigntimeArtifacts", "ValueMappingDesigntimeArtifact", "VALUE_MAPPING", bundle.ValueMapping, "Value mapping"}
}

// kinds gives the kinds of design-time artifacts.
func kinds() []artifactKind {
	return []artifactKind{integrationFlows(), messageMappings(), scriptCollections(), valueMappings()}
}

// configurable reports whether artifacts of the kind have externalized
// parameters.
func (k artifactKind) configurable() bool { return k.runtime == iflow.TypeFlow }

// artifact is a design-time artifact as it is kept. It never changes: whoever
// changes one puts another in its place.
type artifact struct {
	kind                         artifactKind
	id, name, version, packageID string
	description                  string
	sender, receiver             string
	created, modified            time.Time
	createdBy, changedBy         string
	configured                   map[string]string // values of parameters that differ from the content
	// generated tells that the content was made by the sandbox.
	generated bool
	// load gives the content, which is made when it is asked for first.
	load func() content
}

// content is the zip of an artifact and what it says.
type content struct {
	zip    []byte
	bundle *bundle.Bundle
	digest string // of the zip
}

func newContent(zip []byte, b *bundle.Bundle) *content { return &content{zip, b, sum(zip)} }

// maxUploads is how many bytes the uploaded artifacts of a tenant may hold
// together.
const maxUploads = 512 << 20

// noRoom says that they hold as many.
const noRoom = "The design workspace is full: the artifacts that are uploaded hold 512 MB at most. Delete some."

// size gives how many bytes of uploads the artifact holds.
func (x *artifact) size() int {
	if x.generated {
		return 0
	}
	held := x.load()
	return len(held.zip) + held.bundle.Size()
}

// generate makes the content of an artifact the sandbox has by itself.
func generate(spec bundle.Spec) func() content {
	return sync.OnceValue(func() content {
		zip := bundle.Write(spec)
		b, err := bundle.Read(zip)
		if err != nil {
			b = &bundle.Bundle{SymbolicName: spec.ID, Version: spec.Version}
		}
		return *newContent(zip, b)
	})
}

// values gives the parameters of the artifact as they are configured.
func (x *artifact) values() map[string]string {
	values := map[string]string{}
	for _, p := range x.load().bundle.Parameters {
		values[p.Key] = p.Value
	}
	maps.Copy(values, x.configured)
	return values
}

// changes gives the parameters that are configured to another value than that
// of the content.
func (x *artifact) changes() map[string]string {
	changes := maps.Clone(x.configured)
	for _, p := range x.load().bundle.Parameters {
		if changes[p.Key] == p.Value {
			delete(changes, p.Key)
		}
	}
	return changes
}

// key gives what stands in the parentheses of its address.
func (x *artifact) key() string {
	return "Id=" + odata.Key(x.id) + ",Version=" + odata.Key(x.version)
}

// is reports whether the version is asked for by its number, or as the one
// that is active.
func (x *artifact) is(version string) bool {
	return strings.EqualFold(version, "active") || version == x.version
}

// entity gives the row (wire/sap.md 6.5): dates are texts of milliseconds, and
// the content is never in it.
func (x *artifact) entity() *odata.Entity {
	millis := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	e := &odata.Entity{
		Set: x.kind.set, Type: x.kind.entity, Key: x.key(),
		Properties: []odata.Property{
			{Name: "Id", Value: x.id}, {Name: "Version", Value: x.version}, {Name: "PackageId", Value: x.packageID},
			{Name: "Name", Value: x.name}, {Name: "Description", Value: x.description},
			{Name: "Sender", Value: x.sender}, {Name: "Receiver", Value: x.receiver},
			{Name: "CreatedBy", Value: x.createdBy}, {Name: "CreatedAt", Value: millis(x.created)},
			{Name: "ModifiedBy", Value: x.changedBy}, {Name: "ModifiedAt", Value: millis(x.modified)},
			{Name: "ArtifactContent", Value: nil},
		},
	}
	if x.kind.configurable() {
		e.Properties = append(e.Properties, odata.Property{Name: "Configurations", Value: odata.Link{Rows: x.configurations, Like: func() *odata.Entity { return x.configuration(bundle.Parameter{}, "") }}})
	}
	e.Properties = append(e.Properties, odata.Property{Name: "Resources", Value: odata.Link{Rows: x.resources, Like: func() *odata.Entity { return x.resource(bundle.Resource{}) }}})
	return e
}

// configurations gives the rows of the externalized parameters.
func (x *artifact) configurations() []*odata.Entity {
	var rows []*odata.Entity
	values := x.values()
	for _, p := range x.load().bundle.Parameters {
		rows = append(rows, x.configuration(p, values[p.Key]))
	}
	return rows
}

func (x *artifact) configuration(p bundle.Parameter, value string) *odata.Entity {
	return x.part(&odata.Entity{
		Set: "Configurations", Type: "Configuration", Key: odata.Key(p.Key),
		Properties: []odata.Property{
			{Name: "ParameterKey", Value: p.Key}, {Name: "ParameterValue", Value: value}, {Name: "DataType", Value: p.Type},
		},
	})
}

// resources gives the rows of the files the artifact refers to.
func (x *artifact) resources() []*odata.Entity {
	var rows []*odata.Entity
	for _, r := range x.load().bundle.Resources {
		rows = append(rows, x.resource(r))
	}
	return rows
}

func (x *artifact) resource(r bundle.Resource) *odata.Entity {
	return x.part(&odata.Entity{
		Set: "Resources", Type: "Resource",
		Key: odata.Keys(odata.KeyPart{Name: "Name", Value: r.Name}, odata.KeyPart{Name: "ResourceType", Value: r.Type}),
		Properties: []odata.Property{
			{Name: "Name", Value: r.Name}, {Name: "ResourceType", Value: r.Type}, {Name: "ReferencedResourceType", Value: nil},
		},
	})
}

// part gives the row of something in the artifact its address, which is below
// that of the artifact.
func (x *artifact) part(e *odata.Entity) *odata.Entity {
	e.Path = odata.Address(x.kind.set, x.key()) + "/" + odata.Address(e.Set, e.Key)
	return e
}

// artifacts is the design-time artifacts of the tenant: an ID is there once,
// whatever it is. The zero artifacts is empty; it is safe for concurrent use.
type artifacts struct {
	mu   sync.RWMutex
	byID map[string]*artifact
	held int // bytes of uploads
	// limit is how many there may be; 0: maxUploads.
	limit int
}

// add keeps an artifact. taken is the one that has its ID already, nil: none;
// false: there is no room for it.
func (as *artifacts) add(x *artifact) (taken *artifact, room bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if taken := as.byID[x.id]; taken != nil {
		return taken, true
	}
	if as.byID == nil {
		as.byID = map[string]*artifact{}
	}
	return nil, as.put(x, nil)
}

// put keeps an artifact in place of another, nil: of none, when there is room
// for it. The caller holds the lock.
func (as *artifacts) put(x, old *artifact) bool {
	grown := x.size()
	if old != nil {
		grown -= old.size()
	}
	if grown > 0 && as.held+grown > cmp.Or(as.limit, maxUploads) {
		return false
	}
	as.byID[x.id], as.held = x, as.held+grown
	return true
}

// get gives an artifact of a kind.
func (as *artifacts) get(kind artifactKind, id string) (*artifact, bool) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	x, ok := as.byID[id]
	return x, ok && x.kind == kind
}

// change puts what change gives in the place of an artifact. An artifact that
// is there no more, and an error of change, change nothing.
func (as *artifacts) change(id string, change func(old artifact) (*artifact, *odata.Error)) *odata.Error {
	as.mu.Lock()
	defer as.mu.Unlock()
	old, ok := as.byID[id]
	if !ok {
		return missing("Integration Designtime Artifact", id)
	}
	changed, err := change(*old)
	if err == nil && !as.put(changed, old) {
		err = odata.Errorf(http.StatusInternalServerError, noRoom)
	}
	return err
}

func (as *artifacts) remove(id string) {
	as.removeIf(func(x *artifact) bool { return x.id == id })
}

// removeOf removes the artifacts of a package.
func (as *artifacts) removeOf(packageID string) {
	as.removeIf(func(x *artifact) bool { return x.packageID == packageID })
}

func (as *artifacts) removeIf(gone func(*artifact) bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for id, x := range as.byID {
		if gone(x) {
			delete(as.byID, id)
			as.held -= x.size()
		}
	}
}

// of gives the artifacts of a package, sorted by ID.
func (as *artifacts) of(packageID string) []*artifact {
	as.mu.RLock()
	defer as.mu.RUnlock()
	var list []*artifact
	for _, x := range as.byID {
		if x.packageID == packageID {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b *artifact) int { return strings.Compare(a.id, b.id) })
	return list
}

// design puts the design of a flow the sandbox has by itself into its package.
func (a *API) design(f iflow.Flow) {
	version, now := cmp.Or(f.Version, iflow.DefaultVersion), a.o.Faults.Now()
	sender := bundle.Sender{Protocol: bundle.HTTPS, Address: strings.TrimPrefix(f.Endpoint, "/http"), Role: f.Role}
	if address, ok := strings.CutPrefix(f.Endpoint, "/cxf"); ok {
		sender.Protocol, sender.Address = bundle.SOAP, address
	}
	if f.CSRF {
		sender.CSRF = "1"
	}
	load := generate(bundle.Spec{ID: f.ID, Version: version, Type: bundle.Flow, Sender: &sender})
	a.own[f.ID] = load
	a.artifacts.add(&artifact{
		kind: integrationFlows(), id: f.ID, name: f.ID, version: version, packageID: FlowPackage,
		created: now, modified: now, createdBy: "sandbox", changedBy: "sandbox", generated: true, load: load,
	})
}
