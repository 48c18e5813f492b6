package cloudfoundry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"iflowtest/internal/sandbox/subaccount"
)

// Limits of metadata.
const (
	maxLabel      = 63
	maxPrefix     = 253
	maxAnnotation = 5000
)

var (
	labelText = regexp.MustCompile(`^[A-Za-z0-9_.-]*$`)
	labelEnds = regexp.MustCompile(`^[A-Za-z0-9](?:.*[A-Za-z0-9])?$`)
	dnsName   = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)
)

// checkLabel tells what is wrong with the name or the value of a label.
func checkLabel(text string) error {
	switch {
	case !labelText.MatchString(text):
		return fmt.Errorf("'%s' contains invalid characters", text)
	case !labelEnds.MatchString(text):
		return fmt.Errorf("'%s' starts or ends with invalid characters", text)
	case len(text) > maxLabel:
		return fmt.Errorf("'%s...' is greater than %d characters", text[:8], maxLabel)
	}
	return nil
}

// checkKey tells what is wrong with the key of a label or an annotation.
func checkKey(key string) error {
	prefix, name, prefixed := strings.Cut(key, "/")
	if !prefixed {
		prefix, name = "", key
	}
	switch {
	case strings.Contains(name, "/"):
		return errors.New("key has more than one '/'")
	case prefixed && !dnsName.MatchString(prefix):
		return fmt.Errorf("prefix '%s' must be in valid dns format", prefix)
	case len(prefix) > maxPrefix:
		return fmt.Errorf("prefix '%s...' is greater than %d characters", prefix[:8], maxPrefix)
	case strings.EqualFold(prefix, "cloudfoundry.org"):
		return errors.New("prefix 'cloudfoundry.org' is reserved")
	case name == "":
		return errors.New("key cannot be empty string")
	}
	return checkLabel(name)
}

// message is the body of a request, field by field. Mistakes are collected.
type message struct {
	fields map[string]json.RawMessage
	wrong  []string
}

// readMessage reads a body with the fields that are known.
func readMessage(c *call, known ...string) (*message, error) {
	body, err := io.ReadAll(c.Body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &apiError{http.StatusRequestEntityTooLarge, 1001, "MessageParseError", "Request invalid: the request body is larger than 1 MB"}
	}
	m := &message{}
	if err == nil && len(bytes.TrimSpace(body)) > 0 {
		err = json.Unmarshal(body, &m.fields)
	}
	if err != nil {
		return nil, &apiError{400, 1001, "MessageParseError", "Request invalid due to parse error: invalid request body"}
	}
	for _, name := range slices.Sorted(maps.Keys(m.fields)) {
		if !slices.Contains(known, name) {
			m.add("Unknown field(s): '%s'", name)
		}
	}
	return m, nil
}

func (m *message) add(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

// err gives every mistake.
func (m *message) err() error {
	if len(m.wrong) == 0 {
		return nil
	}
	return unprocessable("%s", strings.Join(m.wrong, ", "))
}

// written gives a field that is there and not null.
func (m *message) written(name string) (json.RawMessage, bool) {
	raw, there := m.fields[name]
	return raw, there && !bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// name reads the field name. A name that is not written is nil; where it is
// required that is a mistake.
func (m *message) name(required bool, check func(string) error) *string {
	raw, there := m.written("name")
	if !there {
		if required {
			m.add("Name must be a string")
			m.add("Name can't be blank")
		}
		return nil
	}
	var name string
	if json.Unmarshal(raw, &name) != nil {
		m.add("Name must be a string")
		return nil
	}
	if strings.TrimSpace(name) == "" {
		m.add("Name can't be blank")
	} else if err := check(name); err != nil {
		m.add("Name%s", strings.TrimPrefix(err.Error(), "name"))
	}
	return &name
}

// tags reads the field tags; nil when it is not written.
func (m *message) tags() []string {
	raw, there := m.written("tags")
	if !there {
		return nil
	}
	tags := []string{}
	if json.Unmarshal(raw, &tags) != nil {
		m.add("Tags must be a list of strings")
	}
	if n := len(strings.Join(tags, "")); n > 2048 {
		m.add("Combined length of tags must be 2048 characters or less")
	}
	return tags
}

// parameters reads the field parameters; nil when it is not written.
func (m *message) parameters() []byte {
	raw, there := m.written("parameters")
	if !there {
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		m.add("Parameters must be an object")
	}
	return raw
}

// relationship reads the GUID of relationships.NAME.data.guid.
func (m *message) relationship(name string) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(m.fields["relationships"], &all) != nil || all == nil {
		if !slices.Contains(m.wrong, "Relationships 'relationships' is not an object") {
			m.add("Relationships 'relationships' is not an object")
		}
		return ""
	}
	title := strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "_", " ")
	raw, there := all[name]
	if !there {
		m.add("Relationships %s can't be blank", title)
	}
	var one struct {
		Data *struct{ GUID *string }
	}
	if json.Unmarshal(raw, &one) != nil || one.Data == nil || one.Data.GUID == nil {
		m.add(`Relationships %s must be structured like this: "%s: {"data": {"guid": "valid-guid"}}"`, title, name)
		return ""
	}
	return *one.Data.GUID
}

// known refuses relationships that are not known.
func (m *message) knownRelationships(names ...string) {
	var all map[string]json.RawMessage
	if json.Unmarshal(m.fields["relationships"], &all) != nil {
		return // told already
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(names, name) {
			m.add("Relationships Unknown field(s): '%s'", name)
		}
	}
}

// metadata reads the field metadata.
func (m *message) metadata() (labels, annotations map[string]*string) {
	raw, there := m.written("metadata")
	if !there {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		m.add("Metadata must be an object")
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		read := map[string]*string{}
		if err := json.Unmarshal(fields[name], &read); err != nil && (name == "labels" || name == "annotations") {
			m.add("Metadata %s must be an object of texts", name)
			continue
		}
		switch name {
		case "labels":
			labels = read
		case "annotations":
			annotations = read
		default:
			m.add("Metadata Unknown field(s): '%s'", name)
		}
	}
	m.checkMetadata("label", labels, checkLabel)
	m.checkMetadata("annotation", annotations, func(text string) error {
		if utf8.RuneCountInString(text) > maxAnnotation {
			return fmt.Errorf("'%s...' is greater than %d characters", string([]rune(text)[:8]), maxAnnotation)
		}
		return nil
	})
	return labels, annotations
}

func (m *message) checkMetadata(kind string, all map[string]*string, check func(string) error) {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if err := checkKey(key); err != nil {
			m.add("Metadata %s key error: %s", kind, err)
		}
		value := all[key]
		if value == nil || *value == "" {
			continue
		}
		if err := check(*value); err != nil {
			m.add("Metadata %s value error: %s", kind, err)
		}
	}
}

// fresh gives the metadata of something new.
func fresh(labels, annotations map[string]*string) subaccount.Metadata {
	plain := func(all map[string]*string) map[string]string {
		var kept map[string]string
		for key, value := range all {
			if value == nil {
				continue
			}
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = *value
		}
		return kept
	}
	return subaccount.Metadata{Labels: plain(labels), Annotations: plain(annotations)}
}
