package odata

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// namespace is that of the entity types.
const namespace = "com.sap.hci.api."

// Writer writes entities. Its methods give the body of an answer and the
// headers that belong to it.
type Writer struct {
	// Root is the address of the service, such as
	// http://127.0.0.1:8792/api/v1.
	Root string
	// JSON is set for "Accept: application/json"; otherwise Atom is written.
	JSON bool
	// Now is what Atom says it was updated at.
	Now time.Time
}

// WantsJSON reports whether the request accepts JSON by name; anything else,
// "*/*" included, gets Atom.
func WantsJSON(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if err == nil && media == "application/json" && params["q"] != "0" {
				return true
			}
		}
	}
	return false
}

// URI gives the address of an entity, percent-encoded.
func (w *Writer) URI(e *Entity) string {
	return w.Root + "/" + cmp.Or(e.Path, Address(e.Set, e.Key))
}

// escapeKey percent-encodes the texts of a key, and leaves what is around
// them: Id='F',Version='active'.
func escapeKey(key string) string {
	if !strings.ContainsFunc(key, escaped) {
		return key
	}
	var b strings.Builder
	for i, part := range strings.Split(key, "'") {
		if i > 0 {
			b.WriteByte('\'')
		}
		if i%2 == 0 {
			b.WriteString(part) // names, "=" and ",", or nothing between doubled quotes
			continue
		}
		b.WriteString(strings.NewReplacer("+", "%20", "%2C", ",").Replace(url.QueryEscape(part)))
	}
	return b.String()
}

// escaped reports whether a character of a key may have to be escaped; those
// of most keys never have.
func escaped(c rune) bool {
	return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' && c != '\''
}

// Entity answers with one entity.
func (w *Writer) Entity(rw http.ResponseWriter, status int, e *Entity, q Query) {
	if w.JSON {
		var b bytes.Buffer
		b.WriteString(`{"d":`)
		w.entityJSON(&b, e, q)
		b.WriteString(`}`)
		send(rw, status, "application/json", b.Bytes())
		return
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	w.entry(&b, e, q, true)
	send(rw, status, "application/atom+xml;type=entry;charset=utf-8", b.Bytes())
}

// List answers with a page of a set. self is the path and query it was asked
// for with, below the root: what follows the page is an address made of it.
func (w *Writer) List(rw http.ResponseWriter, set string, p Page, q Query, self *url.URL) {
	next := ""
	if p.Next > 0 {
		values, _ := Values(self.RawQuery) // it was read before
		values.Set("$skiptoken", strconv.Itoa(p.Next))
		next = w.Root + "/" + set + "?" + values.Encode()
	}
	var b bytes.Buffer
	if w.JSON {
		w.listJSON(&b, p, q, next)
		send(rw, http.StatusOK, "application/json", b.Bytes())
		return
	}
	b.WriteString(xml.Header)
	w.feed(&b, set, p, q, next)
	send(rw, http.StatusOK, "application/atom+xml;type=feed;charset=utf-8", b.Bytes())
}

// Text answers with a value by itself, such as that of /$count.
func (w *Writer) Text(rw http.ResponseWriter, text string) {
	send(rw, http.StatusOK, "text/plain;charset=utf-8", []byte(text))
}

// Services answers with the service document, the list of sets.
func (w *Writer) Services(rw http.ResponseWriter, sets []string) {
	var b bytes.Buffer
	if w.JSON {
		encodeJSON(&b, map[string]map[string][]string{"d": {"EntitySets": sets}})
		send(rw, http.StatusOK, "application/json", b.Bytes())
		return
	}
	fmt.Fprintf(&b, `%s<service xmlns="http://www.w3.org/2007/app" xmlns:atom="http://www.w3.org/2005/Atom" xml:base="%s/"><workspace><atom:title>Default</atom:title>`, xml.Header, escape(w.Root))
	for _, set := range sets {
		fmt.Fprintf(&b, `<collection href="%[1]s"><atom:title>%[1]s</atom:title></collection>`, set)
	}
	b.WriteString(`</workspace></service>`)
	send(rw, http.StatusOK, "application/atomsvc+xml;charset=utf-8", b.Bytes())
}

// Error answers with an error (wire/sap.md 6.1).
func (w *Writer) Error(rw http.ResponseWriter, e *Error) {
	var b bytes.Buffer
	if w.JSON {
		type message struct {
			Lang  string `json:"lang"`
			Value string `json:"value"`
		}
		type detail struct {
			Code    string  `json:"code"`
			Message message `json:"message"`
		}
		encodeJSON(&b, struct {
			Error detail `json:"error"`
		}{detail{http.StatusText(e.Status), message{"en", e.Message}}})
		send(rw, e.Status, "application/json", b.Bytes())
		return
	}
	fmt.Fprintf(&b, `%s<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code>%s</code><message xml:lang="en">%s</message></error>`,
		xml.Header, escape(http.StatusText(e.Status)), escape(e.Message))
	send(rw, e.Status, "application/xml;charset=utf-8", b.Bytes())
}

func send(rw http.ResponseWriter, status int, contentType string, body []byte) {
	h := rw.Header()
	h.Set("Content-Type", contentType)
	h.Set("DataServiceVersion", "2.0")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rw.WriteHeader(status)
	rw.Write(body) // a caller that went away needs no answer
}

// encodeJSON writes a value as JSON, with no characters escaped for HTML.
func encodeJSON(b *bytes.Buffer, v any) {
	if text, ok := v.(string); ok && plain(text) {
		b.WriteByte('"')
		b.WriteString(text)
		b.WriteByte('"')
		return
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		b.WriteString("null")
		return
	}
	b.Truncate(b.Len() - 1) // the newline
}

// plain reports whether the text stands in JSON as it is, which nearly every
// one does.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (w *Writer) listJSON(b *bytes.Buffer, p Page, q Query, next string) {
	b.WriteString(`{"d":{`)
	if p.Counted {
		fmt.Fprintf(b, `"__count":"%d",`, p.Count)
	}
	b.WriteString(`"results":[`)
	for i, e := range p.Rows {
		if i > 0 {
			b.WriteByte(',')
		}
		w.entityJSON(b, e, q)
	}
	b.WriteByte(']')
	if next != "" {
		b.WriteString(`,"__next":`)
		encodeJSON(b, next)
	}
	b.WriteString(`}}`)
}

func (w *Writer) entityJSON(b *bytes.Buffer, e *Entity, q Query) {
	b.WriteString(`{"__metadata":{`)
	if e.Key != "" {
		uri := w.URI(e)
		b.WriteString(`"id":`)
		encodeJSON(b, uri)
		b.WriteString(`,"uri":`)
		encodeJSON(b, uri)
		b.WriteByte(',')
	}
	b.WriteString(`"type":`)
	encodeJSON(b, namespace+e.Type)
	if e.Media != "" {
		source := w.URI(e) + "/$value"
		b.WriteString(`,"content_type":`)
		encodeJSON(b, e.Media)
		b.WriteString(`,"media_src":`)
		encodeJSON(b, source)
		b.WriteString(`,"edit_media":`)
		encodeJSON(b, source)
	}
	b.WriteByte('}')
	for _, p := range e.Properties {
		if !q.shows(p.Name) {
			continue
		}
		b.WriteByte(',')
		encodeJSON(b, p.Name)
		b.WriteByte(':')
		w.valueJSON(b, e, p, q)
	}
	b.WriteByte('}')
}

// shows reports whether $select asks for the property.
func (q *Query) shows(name string) bool {
	return len(q.Select) == 0 || slices.Contains(q.Select, name) || slices.Contains(q.Expand, name)
}

func (w *Writer) valueJSON(b *bytes.Buffer, e *Entity, p Property, q Query) {
	switch v := p.Value.(type) {
	case time.Time:
		fmt.Fprintf(b, `"/Date(%d)/"`, v.UnixMilli())
	case Offset:
		fmt.Fprintf(b, `"/Date(%d)/"`, v.UnixMilli())
	case int64:
		// OData 2.0 writes Edm.Int64 as text.
		fmt.Fprintf(b, `"%d"`, v)
	case *Entity:
		w.entityJSON(b, v, Query{})
	case Link:
		w.linkJSON(b, e, p.Name, v, q)
	default:
		encodeJSON(b, v)
	}
}

func (w *Writer) linkJSON(b *bytes.Buffer, e *Entity, name string, l Link, q Query) {
	expand := slices.Contains(q.Expand, name)
	switch {
	case expand && l.Rows != nil:
		b.WriteString(`{"results":[`)
		for i, row := range l.Rows() {
			if i > 0 {
				b.WriteByte(',')
			}
			w.entityJSON(b, row, Query{})
		}
		b.WriteString(`]}`)
	case expand && l.One != nil:
		if one := l.One(); one != nil {
			w.entityJSON(b, one, Query{})
			return
		}
		b.WriteString(`null`)
	default:
		b.WriteString(`{"__deferred":{"uri":`)
		encodeJSON(b, w.URI(e)+"/"+name)
		b.WriteString(`}}`)
	}
}

// The namespaces of Atom and of OData 2.0 in it.
const namespaces = ` xmlns="http://www.w3.org/2005/Atom" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"`

func (w *Writer) feed(b *bytes.Buffer, set string, p Page, q Query, next string) {
	fmt.Fprintf(b, `<feed%s xml:base="%s/"><id>%s/%s</id><title type="text">%s</title><updated>%s</updated>`,
		namespaces, escape(w.Root), escape(w.Root), escape(set), escape(set), atomTime(w.Now))
	if p.Counted {
		fmt.Fprintf(b, `<m:count>%d</m:count>`, p.Count)
	}
	for _, e := range p.Rows {
		w.entry(b, e, q, false)
	}
	if next != "" {
		fmt.Fprintf(b, `<link rel="next" href="%s"/>`, escape(next))
	}
	b.WriteString(`</feed>`)
}

func (w *Writer) entry(b *bytes.Buffer, e *Entity, q Query, root bool) {
	b.WriteString(`<entry`)
	if root {
		fmt.Fprintf(b, `%s xml:base="%s/"`, namespaces, escape(w.Root))
	}
	uri := w.URI(e)
	relative := strings.TrimPrefix(uri, w.Root+"/")
	fmt.Fprintf(b, `><id>%s</id><title type="text">%s</title><updated>%s</updated><category term="%s" scheme="http://schemas.microsoft.com/ado/2007/08/dataservices/scheme"/><link href="%s" rel="edit" title="%s"/>`,
		escape(uri), e.Set, atomTime(w.Now), namespace+e.Type, escape(relative), e.Type)
	for _, p := range e.Properties {
		if l, ok := p.Value.(Link); ok && q.shows(p.Name) {
			w.link(b, relative, p.Name, l, q)
		}
	}
	if e.Media != "" {
		// The properties of what has content of its own stand beside it.
		fmt.Fprintf(b, `<content type="%s" src="%s/$value"/><m:properties>`, escape(e.Media), escape(relative))
		w.properties(b, e.Properties, q)
		b.WriteString(`</m:properties></entry>`)
		return
	}
	b.WriteString(`<content type="application/xml"><m:properties>`)
	w.properties(b, e.Properties, q)
	b.WriteString(`</m:properties></content></entry>`)
}

// link writes a navigation property, with what it leads to when $expand asks
// for it.
func (w *Writer) link(b *bytes.Buffer, relative, name string, l Link, q Query) {
	kind := "feed"
	if l.One != nil {
		kind = "entry"
	}
	fmt.Fprintf(b, `<link href="%s/%s" rel="http://schemas.microsoft.com/ado/2007/08/dataservices/related/%s" title="%s" type="application/atom+xml;type=%s"`,
		escape(relative), name, name, name, kind)
	expand := slices.Contains(q.Expand, name)
	switch {
	case expand && l.Rows != nil:
		fmt.Fprintf(b, `><m:inline><feed><id>%s/%s/%s</id><title type="text">%s</title><updated>%s</updated>`,
			escape(w.Root), escape(relative), name, name, atomTime(w.Now))
		for _, row := range l.Rows() {
			w.entry(b, row, Query{}, false)
		}
		b.WriteString(`</feed></m:inline></link>`)
	case expand && l.One != nil:
		b.WriteString(`><m:inline>`)
		if one := l.One(); one != nil {
			w.entry(b, one, Query{}, false)
		}
		b.WriteString(`</m:inline></link>`)
	default:
		b.WriteString(`/>`)
	}
}

func (w *Writer) properties(b *bytes.Buffer, list []Property, q Query) {
	for _, p := range list {
		if !q.shows(p.Name) {
			continue
		}
		switch v := p.Value.(type) {
		case Link:
		case nil:
			fmt.Fprintf(b, `<d:%s m:null="true"/>`, p.Name)
		case time.Time:
			fmt.Fprintf(b, `<d:%s m:type="Edm.DateTime">%s</d:%s>`, p.Name, v.UTC().Format("2006-01-02T15:04:05.000"), p.Name)
		case Offset:
			fmt.Fprintf(b, `<d:%s m:type="Edm.DateTimeOffset">%s</d:%s>`, p.Name, v.UTC().Format("2006-01-02T15:04:05Z"), p.Name)
		case int:
			fmt.Fprintf(b, `<d:%s m:type="Edm.Int32">%d</d:%s>`, p.Name, v, p.Name)
		case int64:
			fmt.Fprintf(b, `<d:%s m:type="Edm.Int64">%d</d:%s>`, p.Name, v, p.Name)
		case bool:
			fmt.Fprintf(b, `<d:%s m:type="Edm.Boolean">%t</d:%s>`, p.Name, v, p.Name)
		case *Entity:
			fmt.Fprintf(b, `<d:%s m:type="%s">`, p.Name, namespace+v.Type)
			w.properties(b, v.Properties, Query{})
			fmt.Fprintf(b, `</d:%s>`, p.Name)
		case string:
			fmt.Fprintf(b, `<d:%s>%s</d:%s>`, p.Name, escape(v), p.Name)
		}
	}
}

func atomTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
