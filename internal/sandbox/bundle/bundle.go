// Package bundle reads and writes the content of the design-time artifacts of
// Cloud Integration: a zip with a manifest, the model of an integration flow,
// its externalized parameters, and resources.
package bundle

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Limits of a bundle, so that no small upload becomes a large thing.
const (
	// MaxMembers is how many members a bundle may have.
	MaxMembers = 5000
	// MaxSize is how many bytes its members may have in all.
	MaxSize = 256 << 20
	// maxText is how many bytes a member may have that is read: manifest,
	// parameters, model.
	maxText = 16 << 20
)

// Where things are in a bundle.
const (
	manifestPath    = "META-INF/MANIFEST.MF"
	metaInfoPath    = "metainfo.prop"
	resourcesPath   = "src/main/resources/"
	parametersPath  = resourcesPath + "parameters.prop"
	definitionsPath = resourcesPath + "parameters.propdef"
	modelPath       = resourcesPath + "scenarioflows/integrationflow/"
)

// Bundle is what the sandbox reads of an artifact.
type Bundle struct {
	// SymbolicName, Name and Version are those of the manifest; Name may be
	// empty, and Version is [DefaultVersion] where it has none.
	SymbolicName, Name, Version string
	// Description is that of metainfo.prop; may be empty.
	Description string
	// Parameters are the externalized parameters, by key.
	Parameters []Parameter
	// Senders are the sender channels of the model that have an endpoint of
	// their own, in the order of the model.
	Senders []Sender
	// Resources are the members beside the model, by name.
	Resources []Resource
	// Type is the SAP-BundleType of the manifest, such as [Flow]; may be empty.
	Type string

	modelProblem, valuesProblem string // see [Bundle.Problem]
}

// Size gives how many bytes the texts of the bundle take, which are more than
// those of the zip where they were packed.
func (b *Bundle) Size() int {
	n := len(b.Name) + len(b.Description)
	for _, p := range b.Parameters {
		n += len(p.Key) + len(p.Value) + len(p.Type)
	}
	for _, s := range b.Senders {
		n += len(s.Address) + len(s.Role) + len(s.CSRF)
	}
	return n
}

// DefaultVersion is the version of a bundle whose manifest has none.
const DefaultVersion = "1.0.0"

// Parameter is an externalized parameter.
type Parameter struct {
	Key, Value string
	// Type is its data type, such as xsd:string.
	Type string
}

// Resource is a file the flow refers to.
type Resource struct {
	Name string
	// Type is what the platform calls it, such as groovy.
	Type string
	// Size is its length in bytes.
	Size int64
}

// version is what a version of OSGi is.
var version = regexp.MustCompile(`^[0-9]{1,9}(?:\.[0-9]{1,9}){0,2}(?:\.[A-Za-z0-9_-]{1,100})?$`)

// Read reads a bundle. The error says what is wrong with it, in words for who
// uploaded it. It reads no more than the members it has to understand.
func Read(data []byte) (*Bundle, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, errors.New("the content is not a zip archive")
	}
	members, err := index(archive)
	if err != nil {
		return nil, err
	}
	b := &Bundle{}
	for _, step := range []func(members map[string]*zip.File) error{b.manifest, b.metaInfo, b.parameters, b.model, b.values} {
		if err := step(members); err != nil {
			return nil, err
		}
	}
	b.resources(members)
	return b, nil
}

// index checks the names and sizes of the members.
func index(archive *zip.Reader) (map[string]*zip.File, error) {
	if len(archive.File) > MaxMembers {
		return nil, fmt.Errorf("the archive has %d members; at most %d are taken", len(archive.File), MaxMembers)
	}
	members, size := map[string]*zip.File{}, uint64(0)
	for _, f := range archive.File {
		if f.UncompressedSize64 > MaxSize || size+f.UncompressedSize64 > MaxSize {
			return nil, fmt.Errorf("the archive is larger than %d MB when it is unpacked", MaxSize>>20)
		}
		size += f.UncompressedSize64
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if f.Name == "" || strings.HasPrefix(f.Name, "/") || strings.Contains(f.Name, `\`) || path.Clean(f.Name) != f.Name || strings.HasPrefix(f.Name, "../") {
			return nil, fmt.Errorf("the name %q of a member leads out of the archive, or is not one of a zip archive", f.Name)
		}
		if _, twice := members[f.Name]; twice {
			return nil, fmt.Errorf("the member %q is there twice", f.Name)
		}
		members[f.Name] = f
	}
	return members, nil
}

// text reads a member; "" when it is not there.
func text(members map[string]*zip.File, name string) (string, error) {
	f, ok := members[name]
	if !ok {
		return "", nil
	}
	if f.UncompressedSize64 > maxText {
		return "", fmt.Errorf("%s is larger than %d MB", name, maxText>>20)
	}
	r, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("%s cannot be unpacked", name)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil || len(data) > maxText {
		return "", fmt.Errorf("%s cannot be unpacked", name)
	}
	return strings.TrimPrefix(string(data), "\uFEFF"), nil
}

// manifest reads META-INF/MANIFEST.MF.
func (b *Bundle) manifest(members map[string]*zip.File) error {
	source, err := text(members, manifestPath)
	if err != nil {
		return err
	}
	if _, there := members[manifestPath]; !there {
		return errors.New("the archive has no " + manifestPath)
	}
	if strings.TrimSpace(source) == "" {
		return errors.New(manifestPath + " is empty")
	}
	attributes := mainAttributes(source)
	name, _, _ := strings.Cut(attributes["bundle-symbolicname"], ";")
	if b.SymbolicName = strings.TrimSpace(name); b.SymbolicName == "" {
		return errors.New(manifestPath + " has no Bundle-SymbolicName")
	}
	b.Name, b.Version, b.Type = attributes["bundle-name"], attributes["bundle-version"], attributes["sap-bundletype"]
	if b.Version == "" {
		b.Version = DefaultVersion
	}
	if !version.MatchString(b.Version) {
		return fmt.Errorf("%s: Bundle-Version %q: want numbers with dots, such as 1.0.4", manifestPath, b.Version)
	}
	return nil
}

// mainAttributes gives the main section of a manifest, its names in lower
// case; a line that begins with a blank goes on with the one before (JAR File
// Specification).
func mainAttributes(source string) map[string]string {
	attributes, last := map[string]string{}, ""
	for line := range strings.Lines(source) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if more, ok := strings.CutPrefix(line, " "); ok {
			if last != "" {
				attributes[last] += more
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if last = strings.ToLower(strings.TrimSpace(name)); !ok || last == "" {
			last = ""
			continue
		}
		attributes[last] = strings.TrimPrefix(value, " ")
	}
	for name, value := range attributes {
		attributes[name] = strings.TrimSpace(value)
	}
	return attributes
}

// metaInfo reads the description.
func (b *Bundle) metaInfo(members map[string]*zip.File) error {
	source, err := text(members, metaInfoPath)
	if err != nil {
		return err
	}
	for _, p := range properties(source) {
		if p.Key == "description" {
			b.Description = p.Value
		}
	}
	return nil
}

// resources lists the files beside the model and the parameters.
func (b *Bundle) resources(members map[string]*zip.File) {
	for name, f := range members {
		below, ok := strings.CutPrefix(name, resourcesPath)
		folder, file, deeper := strings.Cut(below, "/")
		if !ok || !deeper || folder == "scenarioflows" {
			continue
		}
		b.Resources = append(b.Resources, Resource{
			Name: path.Base(file), Type: strings.TrimPrefix(path.Ext(file), "."), Size: int64(f.UncompressedSize64),
		})
	}
	slices.SortFunc(b.Resources, func(x, y Resource) int {
		if c := strings.Compare(x.Name, y.Name); c != 0 {
			return c
		}
		return strings.Compare(x.Type, y.Type)
	})
}
