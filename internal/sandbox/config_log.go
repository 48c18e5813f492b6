package sandbox

import (
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/sandbox/iflow"
	"iflowtest/internal/sandbox/messagelog"
)

// logRule is message-log: what a flow of one's own leaves in the log.
type logRule struct {
	status      *expression.Template // nil: the runtime's
	course      []messagelog.Stage
	headers     []namedTemplate
	adapter     []namedTemplate
	attachments []attachmentRule
	text        *expression.Template
	processing  time.Duration
}

// attachmentRule is one entry of attachments.
type attachmentRule struct {
	name        *expression.Template
	contentType string
	body        *textBody // nil when json is there
	json        *document
}

func (c *configReader) messageLog(n *yaml.Node) logRule {
	var l logRule
	c.mapping(n, "message-log", []field{
		{name: "status", read: func(n *yaml.Node) { l.status = c.finalStatus(n) }},
		{name: "course", read: func(n *yaml.Node) {
			c.elements(n, "course", func(n *yaml.Node) { l.course = append(l.course, c.stage(n)) })
		}},
		{name: "custom-headers", read: func(n *yaml.Node) { l.headers = c.templates(n, "custom-headers", nil) }},
		{name: "adapter-attributes", read: func(n *yaml.Node) { l.adapter = c.templates(n, "adapter-attributes", nil) }},
		{name: "attachments", read: func(n *yaml.Node) {
			c.elements(n, "attachments", func(n *yaml.Node) { l.attachments = append(l.attachments, c.attachment(n)) })
		}},
		{name: "error", read: func(n *yaml.Node) { l.text = c.template(n, "error") }},
		{name: "processing", read: func(n *yaml.Node) { l.processing = c.duration(n, "processing") }},
	})
	return l
}

// finalStatus reads a status, or an expression that gives one for each message.
func (c *configReader) finalStatus(n *yaml.Node) *expression.Template {
	if n = c.resolve(n); n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && expression.HasExpression(n.Value) {
		return c.template(n, "status")
	}
	return expression.Literal(c.oneOf(n, "status", messagelog.Statuses()))
}

// stage reads a status that comes before the final one.
func (c *configReader) stage(n *yaml.Node) messagelog.Stage {
	var s messagelog.Stage
	c.mapping(n, "an entry of course", []field{
		{name: "status", required: true, read: func(n *yaml.Node) { s.Status = c.oneOf(n, "status", messagelog.Statuses()) }},
		{name: "for", required: true, read: func(n *yaml.Node) { s.For = c.duration(n, "for") }},
	})
	return s
}

func (c *configReader) attachment(n *yaml.Node) attachmentRule {
	var a attachmentRule
	place, content, contentType := n, "", ""
	first := func(n *yaml.Node, kind string) bool {
		if content != "" {
			c.errorAt(n, diag.SeveralBodies, "an attachment has one content, and this one has %s and %s", content, kind)
			return false
		}
		content = kind
		return true
	}
	text := func(kind, contentType string) field {
		return field{name: kind, read: func(n *yaml.Node) {
			if first(n, kind) {
				a.contentType, a.body = contentType, &textBody{c.template(n, kind), kind == "xml"}
			}
		}}
	}
	mistakes := len(c.list)
	c.mapping(n, "an attachment", []field{
		{name: "name", required: true, read: func(n *yaml.Node) { a.name = c.template(n, "name") }},
		{name: "json", read: func(n *yaml.Node) {
			if first(n, "json") {
				a.contentType, a.json = "application/json", c.document(n, 0)
			}
		}},
		text("xml", "application/xml;charset=utf-8"),
		text("body", "text/plain;charset=utf-8"),
		{name: "content-type", read: func(n *yaml.Node) { contentType = c.mediaType(n) }},
	})
	if contentType != "" {
		a.contentType = contentType
	}
	if content == "" && len(c.list) == mistakes {
		c.errorAt(place, diag.MissingKey, "an attachment needs one of the keys json, xml and body")
	}
	return a
}

// mediaType reads a content type.
func (c *configReader) mediaType(n *yaml.Node) string {
	value, ok := c.text(n, "content-type")
	if !ok {
		return ""
	}
	if media, _, err := mime.ParseMediaType(value); err != nil || !strings.Contains(media, "/") {
		c.errorAt(n, diag.InvalidValue, "content-type: want TYPE/SUBTYPE such as text/csv, got %q", value)
	}
	return value
}

// apply adds to an answer what message-log says.
func (l *logRule) apply(a *iflow.Answer, values *expression.Values) error {
	a.Log.Course, a.Async = l.course, l.processing
	for _, stage := range l.course {
		a.Async += stage.For
	}
	var err error
	if l.status != nil {
		if a.Log.Status, err = l.status.Text(values); err != nil {
			return fmt.Errorf("status: %w", err)
		}
		if !slices.Contains(messagelog.Statuses(), a.Log.Status) {
			return fmt.Errorf("status: want one of %s, got %q", strings.Join(messagelog.Statuses(), ", "), a.Log.Status)
		}
	}
	if a.Log.Headers, err = properties("custom-headers", l.headers, values); err != nil {
		return err
	}
	if a.Log.Adapter, err = properties("adapter-attributes", l.adapter, values); err != nil {
		return err
	}
	for i, rule := range l.attachments {
		at, err := rule.attach(values)
		if err != nil {
			return fmt.Errorf("attachments %d: %w", i+1, err)
		}
		a.Log.Attachments = append(a.Log.Attachments, at)
	}
	if l.text == nil {
		return nil
	}
	if a.Log.Error, err = l.text.Text(values); err != nil {
		return fmt.Errorf("error: %w", err)
	}
	return nil
}

func properties(what string, templates []namedTemplate, values *expression.Values) ([]messagelog.Property, error) {
	var list []messagelog.Property
	for _, t := range templates {
		text, err := t.value.Text(values)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", what, t.name, err)
		}
		list = append(list, messagelog.Property{Name: t.name, Value: text})
	}
	return list, nil
}

func (r *attachmentRule) attach(values *expression.Values) (messagelog.Attachment, error) {
	a := messagelog.Attachment{ContentType: r.contentType}
	var err error
	if a.Name, err = r.name.Text(values); err != nil {
		return a, fmt.Errorf("name: %w", err)
	}
	if r.json != nil {
		a.Payload, err = r.json.append(nil, values)
		return a, err
	}
	text, err := r.body.text(values)
	a.Payload = []byte(text)
	return a, err
}
