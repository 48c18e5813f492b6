package runner

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"path"
	"slices"
	"strings"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/scenarios"
)

// requestBody is a compiled body of a call; exactly one of its parts is set.
type requestBody struct {
	kind        string
	json        value
	text        *expression.Template
	form        []field
	parts       []part
	file        *expression.Template
	from        fileRef
	contentType string
	// fixed is the body when nothing in it is computed.
	fixed *httpx.Body
	plain string
}

// part is one part of a multipart body.
type part struct {
	name     string
	text     *expression.Template
	file     *expression.Template
	typ      string
	filename string
}

// requestBody compiles the body of a call; nil when it has none.
func (c *stepCompiler) requestBody(body *scenarios.Node) *requestBody {
	var b *requestBody
	for _, e := range body.Entries() {
		kind := e.Key.Text
		if !slices.Contains(bodyKeys(), kind) {
			continue
		}
		if b != nil {
			c.diags = append(c.diags, diag.Errorf(e.Key.Pos(), diag.SeveralBodies, "the call has a body already (%s); a call has one body", b.kind))
			continue
		}
		b = c.compileBody(kind, e.Value)
	}
	if b != nil {
		b.fix()
	}
	return b
}

func (c *stepCompiler) compileBody(kind string, n *scenarios.Node) *requestBody {
	b := &requestBody{kind: kind, from: c.file}
	switch kind {
	case "json":
		b.json, b.contentType = c.value(n, c.scope), "application/json"
	case "xml":
		b.text, b.contentType = c.template(n, c.scope), "application/xml"
	case "body":
		b.text, b.contentType = c.template(n, c.scope), "text/plain; charset=utf-8"
	case "form":
		b.form, b.contentType = c.fields(n), "application/x-www-form-urlencoded"
	case "file":
		b.file = c.template(n, c.scope)
		c.checkPayload(b.file, n)
	case "multipart":
		for _, e := range n.Entries() {
			c.noExpression(e.Key)
			p := part{name: e.Key.Text}
			if e.Value.Kind == scenarios.Map {
				file := e.Value.Get("file")
				p.file = c.template(file, c.scope)
				c.checkPayload(p.file, file)
				if t := e.Value.Get("type"); t != nil {
					p.typ = t.Text
				}
				if f := e.Value.Get("filename"); f != nil {
					p.filename = f.Text
				}
			} else {
				p.text = c.template(e.Value, c.scope)
			}
			b.parts = append(b.parts, p)
		}
	}
	return b
}

// checkPayload opens a payload file whose path is known, so that a missing
// one is told before anything is sent.
func (c *stepCompiler) checkPayload(t *expression.Template, n *scenarios.Node) {
	fixed, ok := t.Constant()
	if !ok {
		c.payloadLater(t, n.Pos(), nil)
		return
	}
	f, err := c.plan.files.OpenRelative(c.file.path, textOf(fixed))
	if err != nil {
		c.diags = append(c.diags, fileDiagnostic(n.Pos(), err))
		return
	}
	_ = f.Close() // it was only read
}

// fix renders the body once when nothing in it is computed.
func (b *requestBody) fix() {
	switch {
	case b.kind == "json" && b.json.constant:
		raw, err := b.json.appendJSON(nil, nil)
		if err == nil {
			b.setFixed(string(raw))
			b.json = value{}
		}
	case b.text != nil && isConstant(b.text):
		v, _ := b.text.Constant()
		b.setFixed(textOf(v))
	}
}

func (b *requestBody) setFixed(s string) {
	b.plain, b.fixed = s, httpx.TextBody(b.contentType, s)
}

// open renders the body.
func (b *requestBody) open(x *execution) (*httpx.Body, *trouble) {
	switch {
	case b.fixed != nil:
		return b.fixed, nil
	case b.kind == "file":
		return b.openFile(x)
	case b.kind == "multipart":
		return b.openMultipart(x)
	}
	s, err := b.render(x)
	if err != nil {
		return nil, fromExpression(err)
	}
	x.lastBody = s
	return httpx.TextBody(b.contentType, s), nil
}

// render gives the body as text.
func (b *requestBody) render(x *execution) (string, error) {
	switch b.kind {
	case "json":
		raw, err := b.json.appendJSON(nil, x.values)
		return string(raw), err
	case "form":
		var s strings.Builder
		for _, f := range b.form {
			for _, t := range f.values {
				v, err := t.Text(x.values)
				if err != nil {
					return "", err
				}
				if s.Len() > 0 {
					s.WriteByte('&')
				}
				s.WriteString(url.QueryEscape(f.name) + "=" + url.QueryEscape(v))
			}
		}
		return s.String(), nil
	}
	return b.text.Text(x.values)
}

// shown gives the body for a report; nil-safe.
func (b *requestBody) shown(x *execution) string {
	switch {
	case b == nil:
		return ""
	case b.fixed != nil:
		return b.plain
	case b.kind == "file":
		name, _ := b.file.Text(x.values)
		return "@" + name
	case b.kind == "multipart":
		var names []string
		for _, p := range b.parts {
			names = append(names, p.name)
		}
		return "multipart: " + strings.Join(names, ", ")
	}
	return x.lastBody
}

func (b *requestBody) openFile(x *execution) (*httpx.Body, *trouble) {
	name, err := b.file.Text(x.values)
	if err != nil {
		return nil, fromExpression(err)
	}
	size, err := x.session.plan.fileSize(b.from, name)
	if err != nil {
		return nil, fileTrouble(err)
	}
	return &httpx.Body{
		Open:        func() (io.ReadCloser, error) { return x.session.plan.openFile(b.from, name) },
		Size:        size,
		ContentType: mediaType(name),
		File:        name,
	}, nil
}

func fileTrouble(err error) *trouble {
	return &trouble{class: classStep, err: err, problem: Problem{Type: TypeFile, Message: err.Error()}}
}

func (b *requestBody) openMultipart(x *execution) (*httpx.Body, *trouble) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, p := range b.parts {
		if p.text != nil {
			v, err := p.text.Text(x.values)
			if err != nil {
				return nil, fromExpression(err)
			}
			_ = w.WriteField(p.name, v) // a buffer takes everything
			continue
		}
		name, err := p.file.Text(x.values)
		if err != nil {
			return nil, fromExpression(err)
		}
		f, err := x.session.plan.openFile(b.from, name)
		if err != nil {
			return nil, fileTrouble(err)
		}
		h := textproto.MIMEHeader{}
		filename := p.filename
		if filename == "" {
			filename = path.Base(strings.ReplaceAll(name, `\`, "/"))
		}
		h.Set("Content-Disposition", multipart.FileContentDisposition(p.name, filename))
		typ := p.typ
		if typ == "" {
			typ = mediaType(name)
		}
		h.Set("Content-Type", typ)
		out, _ := w.CreatePart(h)
		_, err = io.Copy(out, f)
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fileTrouble(fmt.Errorf("read %q: %w", name, err))
		}
	}
	_ = w.Close()
	return httpx.TextBody(w.FormDataContentType(), buf.String()), nil
}

// mediaType gives the media type of a file by its extension, the same on
// every machine.
func mediaType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		return "application/json"
	case ".xml", ".xsd", ".wsdl", ".xsl", ".xslt", ".idoc":
		return "application/xml"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".txt", ".edi":
		return "text/plain; charset=utf-8"
	case ".html", ".htm":
		return "text/html; charset=utf-8"
	case ".yaml", ".yml":
		return "application/yaml"
	case ".pdf":
		return "application/pdf"
	case ".zip":
		return "application/zip"
	case ".gz":
		return "application/gzip"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}
