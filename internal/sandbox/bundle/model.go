package bundle

import (
	"archive/zip"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The protocols of sender channels that have an endpoint.
const (
	HTTPS = "HTTPS"
	SOAP  = "SOAP"
)

// Sender is a sender channel of a model.
type Sender struct {
	// Protocol is HTTPS or SOAP.
	Protocol string
	// Address is what follows /http or /cxf.
	Address string
	// Role is what a caller must hold; empty: the channel names none.
	Role string
	// CSRF is "1" when modifying requests need a token.
	CSRF string
}

// Endpoint gives the address with its prefix (wire/sap.md 5.1).
func (s Sender) Endpoint() string {
	prefix := "/http"
	if s.Protocol == SOAP {
		prefix = "/cxf"
	}
	if !strings.HasPrefix(s.Address, "/") {
		prefix += "/"
	}
	return prefix + s.Address
}

// placeholder stands in a model for an externalized parameter.
var placeholder = regexp.MustCompile(`\{\{([^{}]*)\}\}`)

// Resolve puts the values of parameters in the place of {{key}}, and gives the
// keys that have no value.
func (s Sender) Resolve(values map[string]string) (resolved Sender, missing []string) {
	fill := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(m string) string {
			value, ok := values[m[2:len(m)-2]]
			if !ok {
				missing = append(missing, m[2:len(m)-2])
			}
			return value
		})
	}
	s.Address, s.Role, s.CSRF = fill(s.Address), fill(s.Role), fill(s.CSRF)
	return s, missing
}

// model reads the senders of the models of the bundle. What is wrong with a
// model is for the build to tell, but for its size: the platform takes uploads
// without looking into them.
func (b *Bundle) model(members map[string]*zip.File) error {
	size := uint64(0)
	b.modelProblem = "It has no model: there is no .iflw below " + modelPath + "."
	for i, name := range modelsIn(members) {
		if size += members[name].UncompressedSize64; size > maxText {
			return fmt.Errorf("the model is larger than %d MB", maxText>>20)
		}
		source, err := text(members, name)
		if err != nil {
			return err
		}
		senders, problem, err := senders(source)
		if err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
		if i == 0 {
			b.modelProblem = ""
		}
		if problem != "" && b.modelProblem == "" {
			b.modelProblem = "Its model " + name + " " + problem + "."
		}
		b.Senders = append(b.Senders, senders...)
		if len(b.Senders) > maxSenders {
			return fmt.Errorf("the model has more than %d senders", maxSenders)
		}
	}
	return nil
}

// modelsIn gives the names of the models, sorted.
func modelsIn(members map[string]*zip.File) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if strings.HasPrefix(name, modelPath) && strings.HasSuffix(name, ".iflw") {
			names = append(names, name)
		}
	}
	return names
}

// maxSenders bounds the senders of an artifact.
const maxSenders = 100

// maxNesting bounds the elements of a model.
const maxNesting = 200

// What is wrong with a document that cannot be read.
const (
	malformed = "is not well-formed XML"
	empty     = "is empty"
)

// senders finds the message flows that are sender channels of a kind that has
// an endpoint. problem is why the text is no model, and gives no senders; the
// error is about a limit.
func senders(source string) (list []Sender, problem string, err error) {
	var channel map[string]string // properties of the message flow that is open
	root := ""
	dec := decoder(source)
	for depth := 0; ; {
		token, err := dec.Token()
		switch {
		case err == io.EOF && strings.TrimSpace(source) == "":
			return nil, empty, nil
		case err == io.EOF && root == "":
			return nil, malformed, nil
		case err == io.EOF && root != "definitions":
			return nil, "is no BPMN model: its root is <" + root + ">, and <definitions> is wanted", nil
		case err == io.EOF:
			return list, "", nil
		case err != nil:
			return nil, malformed, nil
		}
		switch t := token.(type) {
		case xml.Directive:
			if strings.HasPrefix(string(t), "DOCTYPE") {
				return nil, "", errors.New("has a DOCTYPE, which is not taken")
			}
		case xml.CharData:
			if depth == 0 && strings.TrimSpace(string(t)) != "" {
				return nil, malformed, nil
			}
		case xml.StartElement:
			if depth == 0 && root != "" {
				return nil, malformed, nil
			}
			root = cmp.Or(root, t.Name.Local)
			if depth++; depth > maxNesting {
				return nil, "", fmt.Errorf("is nested deeper than %d", maxNesting)
			}
			switch {
			case t.Name.Local == "messageFlow":
				channel = map[string]string{}
			case t.Name.Local == "property" && channel != nil:
				var p struct {
					Key   string `xml:"key"`
					Value string `xml:"value"`
				}
				if err := dec.DecodeElement(&p, &t); err != nil {
					return nil, malformed, nil
				}
				depth-- // its end has been read
				channel[strings.TrimSpace(p.Key)] = strings.TrimSpace(p.Value)
			}
		case xml.EndElement:
			depth--
			if t.Name.Local == "messageFlow" {
				if s, ok := sender(channel); ok {
					list = append(list, s)
				}
				channel = nil
			}
		}
	}
}

// decoder reads XML whatever encoding it names: it is compared with nothing
// but ASCII.
func decoder(source string) *xml.Decoder {
	dec := xml.NewDecoder(strings.NewReader(strings.ToValidUTF8(source, "\uFFFD")))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	return dec
}

// sender makes a sender of the properties of a channel; false when it is a
// receiver, or has no endpoint.
func sender(channel map[string]string) (Sender, bool) {
	if channel["direction"] != "Sender" && !strings.Contains(channel["cmdVariantUri"], "direction::Sender") {
		return Sender{}, false
	}
	s := Sender{Role: channel["userRole"], CSRF: channel["xsrfProtection"]}
	switch {
	case strings.EqualFold(channel["ComponentType"], HTTPS):
		s.Protocol, s.Address = HTTPS, channel["urlPath"]
	case strings.EqualFold(channel["ComponentType"], SOAP):
		s.Protocol, s.Address = SOAP, channel["address"]
	}
	return s, s.Address != ""
}
