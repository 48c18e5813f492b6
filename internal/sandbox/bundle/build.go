package bundle

import (
	"archive/zip"
	"encoding/xml"
	"io"
	"path"
	"slices"
	"strings"
)

// The types of bundles besides [Flow].
const (
	Mapping      = "MessageMapping"
	Scripts      = "ScriptCollection"
	ValueMapping = "ValueMapping"
)

// Problem tells why no artifact of the type can be built of the bundle, in
// sentences; empty: it can.
func (b *Bundle) Problem(kind string) string {
	if b.Type != "" && b.Type != kind {
		return "Its SAP-BundleType is " + b.Type + ", and " + kind + " is wanted."
	}
	switch kind {
	case Flow:
		return b.modelProblem
	case Mapping:
		if !b.holds(".mmap") {
			return "It has no message mapping: there is no .mmap that holds something below " + resourcesPath + "."
		}
	case Scripts:
		if !b.holds(".groovy", ".gsh", ".js", ".jar") {
			return "It has no script: there is no .groovy, .gsh, .js or .jar that holds something below " + resourcesPath + "."
		}
	case ValueMapping:
		return b.valuesProblem
	}
	return ""
}

// holds reports whether a resource with one of the extensions is not empty.
func (b *Bundle) holds(extensions ...string) bool {
	return slices.ContainsFunc(b.Resources, func(r Resource) bool {
		return r.Size > 0 && slices.Contains(extensions, "."+strings.ToLower(r.Type))
	})
}

// valuesFile is what the values of a value mapping are in.
const valuesFile = "value_mapping.xml"

// values looks at the values of a value mapping.
func (b *Bundle) values(members map[string]*zip.File) error {
	for name := range members {
		if path.Base(name) != valuesFile {
			continue
		}
		source, err := text(members, name)
		if err != nil {
			return err
		}
		b.valuesProblem = ""
		if problem := xmlProblem(source); problem != "" {
			b.valuesProblem = "Its " + valuesFile + " " + problem + "."
		}
		return nil
	}
	b.valuesProblem = "It has no " + valuesFile + "."
	return nil
}

// xmlProblem tells why a text is no XML document.
func xmlProblem(source string) string {
	if strings.TrimSpace(source) == "" {
		return empty
	}
	dec := decoder(source)
	for depth, roots := 0, 0; ; {
		token, err := dec.Token()
		switch {
		case err == io.EOF && roots == 1:
			return ""
		case err != nil:
			return malformed
		}
		switch t := token.(type) {
		case xml.CharData:
			if depth == 0 && strings.TrimSpace(string(t)) != "" {
				return malformed
			}
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}
