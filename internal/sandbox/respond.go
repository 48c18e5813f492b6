package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"time"

	"iflowtest/internal/expression"
	"iflowtest/internal/sandbox/iflow"
)

// customFlow is what a flow of one's own does with a message.
type customFlow struct {
	rules []rule
	log   logRule
}

// rule is one entry of respond: the first whose condition holds answers.
type rule struct {
	when        *expression.Template // nil: always
	status      *expression.Template // nil: as the runtime has it
	headers     []namedTemplate
	contentType string
	body        *textBody // nil when json is there, or nothing
	json        *document
	delay       time.Duration
}

// textBody is a body that is written as text.
type textBody struct {
	template *expression.Template
	xml      bool // values in it are escaped
}

func (b *textBody) text(values *expression.Values) (string, error) {
	if b.xml {
		return b.template.TextIn(values, inXML)
	}
	return b.template.Text(values)
}

// inXML writes a value where it stands in an XML document: as text or in an
// attribute, or, in a CDATA section, as it is.
func inXML(before, value string) string {
	if open := strings.LastIndex(before, "<![CDATA["); open >= 0 && !strings.Contains(before[open:], "]]>") {
		return strings.ReplaceAll(value, "]]>", "]]]]><![CDATA[>")
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(value)) // a builder takes everything
	return b.String()
}

type namedTemplate struct {
	name  string
	value *expression.Template
}

// document is a JSON value as it was written, with the order of its keys.
type document struct {
	leaf   *expression.Template
	list   []*document
	fields []documentField
	kind   documentKind
}

type documentField struct {
	name  string
	value *document
}

type documentKind int

const (
	leaf documentKind = iota
	list
	object
)

// process implements iflow.Flow.Process.
func (f *customFlow) process(ctx context.Context, m *iflow.Message) iflow.Answer {
	values := &expression.Values{Extra: map[string]any{"request": requestValue(m)}}
	for i, rule := range f.rules {
		if rule.when != nil {
			holds, err := rule.when.Bool(values)
			if err != nil {
				return exception(fmt.Errorf("respond %d, when: %w", i+1, err))
			}
			if !holds {
				continue
			}
		}
		a, err := rule.answer(ctx, values)
		if err == nil {
			err = f.log.apply(&a, values)
		}
		if err != nil {
			return exception(fmt.Errorf("respond %d: %w", i+1, err))
		}
		return a
	}
	return exception(fmt.Errorf("no entry of respond is for this message; one without when at the end is for all"))
}

// exception is how a flow ends that was written wrong: a 500 whose reason is
// in the error information of its log.
func exception(err error) iflow.Answer {
	return iflow.Answer{Failure: "com.sap.it.rt.adapter.http.api.exception.HttpResponseException: " + err.Error()}
}

// requestValue gives what the name request stands for.
func requestValue(m *iflow.Message) map[string]any {
	query, headers := map[string]any{}, map[string]any{}
	for name, values := range m.Query {
		query[name] = strings.Join(values, ", ")
	}
	for name, values := range m.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return map[string]any{
		"id": m.ID, "method": m.Method, "path": m.Path, "query": query, "headers": headers,
		"body": string(m.Body), "json": jsonValue(m.Body),
	}
}

// jsonValue gives the body as a value: an empty object when it is not JSON, so
// that a condition on a member of it is false and no error.
func jsonValue(body []byte) any {
	var v any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil || dec.More() {
		return map[string]any{}
	}
	return v
}

func (r *rule) answer(ctx context.Context, values *expression.Values) (iflow.Answer, error) {
	if err := iflow.Wait(ctx, r.delay); err != nil {
		return iflow.Answer{}, fmt.Errorf("the sender closed the connection")
	}
	a := iflow.Answer{ContentType: r.contentType, Header: http.Header{}}
	var err error
	if a.Status, err = r.code(values); err != nil {
		return a, fmt.Errorf("status: %w", err)
	}
	for _, h := range r.headers {
		text, err := h.value.Text(values)
		if err != nil {
			return a, fmt.Errorf("headers %s: %w", h.name, err)
		}
		if strings.ContainsAny(text, "\r\n\x00") {
			return a, fmt.Errorf("headers %s: a line break in a header", h.name)
		}
		if strings.EqualFold(h.name, "Content-Type") {
			a.ContentType = text
			continue
		}
		a.Header.Add(h.name, text)
	}
	switch {
	case r.json != nil:
		a.Body, err = r.json.append(nil, values)
	case r.body != nil:
		var text string
		text, err = r.body.text(values)
		a.Body = []byte(text)
	}
	if err != nil {
		return a, fmt.Errorf("body: %w", err)
	}
	return a, nil
}

// code gives the status; 0 leaves it to the runtime.
func (r *rule) code(values *expression.Values) (int, error) {
	if r.status == nil {
		return 0, nil
	}
	v, err := r.status.Eval(values)
	if err != nil {
		return 0, err
	}
	text, ok := v.(json.Number)
	if s, isText := v.(string); isText {
		text, ok = json.Number(s), true
	}
	n, err := text.Int64()
	if !ok || err != nil || n < lowStatus || n > highStatus {
		return 0, fmt.Errorf("want a number from %d to %d, got %v", lowStatus, highStatus, v)
	}
	return int(n), nil
}

// append writes the document as compact JSON.
func (d *document) append(b []byte, values *expression.Values) ([]byte, error) {
	var err error
	switch d.kind {
	case list:
		b = append(b, '[')
		for i, item := range d.list {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = item.append(b, values); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case object:
		b = append(b, '{')
		for i, f := range d.fields {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, f.name); err != nil {
				return nil, err
			}
			b = append(b, ':')
			if b, err = f.value.append(b, values); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	}
	v, err := d.leaf.Eval(values)
	if err != nil {
		return nil, err
	}
	return appendJSON(b, v)
}

func appendJSON(b []byte, v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("a value cannot be written as JSON")
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...), nil
}
