package assertions

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// Bounds of an XML document that is judged: deeper, or with more nodes, it is
// refused, since a few megabytes of tags would become gigabytes.
const (
	maxXMLDepth = 2_000
	maxXMLNodes = 4_000_000
)

// namespaces that mean something to the program itself.
const (
	xmlSpace = "http://www.w3.org/XML/1998/namespace"
	xsiSpace = "http://www.w3.org/2001/XMLSchema-instance"
)

type xmlKind uint8

const (
	xmlRoot xmlKind = iota
	xmlElement
	xmlText
	xmlComment
	xmlInstruction
)

// xmlName is a name as written and as meant.
type xmlName struct{ prefix, local, space string }

// xmlNode is a node of a document; nodes refer to each other by their number,
// 0 (the root) for none.
type xmlNode struct {
	kind                      xmlKind
	name                      int32 // in xmlTree.names
	parent, first, next, prev int32
	// end is the last node within it; itself when there is none.
	end              int32
	attrFrom, attrTo int32 // in xmlTree.attrs
	text             string
}

// xmlAttr is an attribute; declarations of namespaces are none.
type xmlAttr struct {
	name  int32
	value string
	// meaning is set for xsi:type, whose value is a name with a prefix.
	meaning string
}

// xmlTree is a whole document. It is read and never changed.
type xmlTree struct {
	nodes []xmlNode
	attrs []xmlAttr
	names []xmlName
	// spaces are the namespaces that are declared, in the order written.
	spaces []xmlDeclared
}

// xmlDeclared is a namespace with the first prefix it has; "" is the default.
type xmlDeclared struct{ prefix, space string }

// xmlMistake says why a text is not an XML document that is judged.
type xmlMistake struct {
	line, column int
	message      string
}

func (m *xmlMistake) Error() string {
	return fmt.Sprintf("%d:%d: %s", m.line, m.column, m.message)
}

// parseXML reads a document as it is kept in a file.
func parseXML(s string) (*xmlTree, *xmlMistake) { return parseXMLText(decodeText(s, "")) }

// parseXMLText reads a document that is UTF-8 whatever it says of itself.
// Entities of its own are refused, so that nothing
// is loaded from elsewhere and nothing grows; a DTD without them is skipped.
func parseXMLText(s string) (*xmlTree, *xmlMistake) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if e, _ := charset.Lookup(label); e == nil {
			return nil, unknownEncoding(label)
		}
		return in, nil // it has been decoded
	}
	p := &xmlParser{decoder: d, tree: &xmlTree{}, known: map[xmlName]int32{}, ids: map[xml.Name]int32{}}
	p.tree.nodes = make([]xmlNode, 1, 64+len(s)/48)
	p.tree.names = append(p.tree.names, xmlName{})
	p.scopes = []xmlDeclared{{"xml", xmlSpace}}
	return p.parse()
}

// unknownEncoding is an encoding that a document has, and nobody knows.
type unknownEncoding string

func (e unknownEncoding) Error() string {
	return fmt.Sprintf("the encoding %s is not known", quote(string(e)))
}

// xmlParser is one reading of a document.
type xmlParser struct {
	decoder *xml.Decoder
	tree    *xmlTree
	// known and ids are the numbers of names: by what they mean, and by what
	// is written while no element declares a namespace of its own.
	known map[xmlName]int32
	ids   map[xml.Name]int32
	// scopes are the namespaces that hold, the innermost last.
	scopes []xmlDeclared
	open   []xmlOpen
	// last is the node before the next one within the innermost element.
	last         int32
	pending      []byte
	line, column int
	seenRoot     bool
}

// xmlOpen is an element that has not ended.
type xmlOpen struct {
	node   int32
	name   xml.Name
	scopes int
}

func (p *xmlParser) fail(format string, args ...any) *xmlMistake {
	return &xmlMistake{p.line, p.column, fmt.Sprintf(format, args...)}
}

func (p *xmlParser) parse() (*xmlTree, *xmlMistake) {
	for {
		p.line, p.column = p.decoder.InputPos()
		t, err := p.decoder.RawToken()
		if err == io.EOF {
			return p.end()
		}
		if err != nil {
			return nil, p.syntax(err)
		}
		if m := p.token(t); m != nil {
			return nil, m
		}
		if len(p.tree.nodes)+len(p.tree.attrs) > maxXMLNodes {
			return nil, p.fail("the document has more than %d nodes", maxXMLNodes)
		}
	}
}

func (p *xmlParser) end() (*xmlTree, *xmlMistake) {
	if n := len(p.open); n > 0 {
		return nil, p.fail("the document ends within <%s>", written(p.open[n-1].name))
	}
	if !p.seenRoot {
		return nil, p.fail("there is no element")
	}
	p.tree.nodes[0].end = int32(len(p.tree.nodes) - 1)
	return p.tree, nil
}

// syntax is a mistake that the decoder found, at the place where it stopped.
func (p *xmlParser) syntax(err error) *xmlMistake {
	line, column := p.decoder.InputPos()
	message := err.Error()
	if e, ok := errors.AsType[*xml.SyntaxError](err); ok {
		message = e.Msg
	}
	if e, ok := errors.AsType[unknownEncoding](err); ok {
		message = e.Error()
	}
	message = strings.TrimPrefix(message, "xml: ")
	if message == "unexpected EOF" && len(p.open) > 0 {
		message = fmt.Sprintf("the document ends within <%s>", written(p.open[len(p.open)-1].name))
	}
	return &xmlMistake{max(line, 1), max(column, 1), cut(message, maxShown)}
}

func (p *xmlParser) token(t xml.Token) *xmlMistake {
	if t, ok := t.(xml.CharData); ok {
		return p.text(t)
	}
	p.flush()
	switch t := t.(type) {
	case xml.StartElement:
		return p.start(t)
	case xml.EndElement:
		return p.stop(t)
	case xml.Comment:
		p.add(xmlNode{kind: xmlComment, text: string(t)})
	case xml.ProcInst:
		if t.Target != "xml" {
			p.add(xmlNode{kind: xmlInstruction, text: string(t.Inst), name: p.name(xmlName{local: t.Target})})
		}
	case xml.Directive:
		return p.directive(t)
	}
	return nil
}

var entityDeclaration = regexp.MustCompile(`(?i)<!\s*ENTITY`)

func (p *xmlParser) directive(t xml.Directive) *xmlMistake {
	if entityDeclaration.Match(t) {
		return p.fail("the document type declares entities, which are refused: they could load files or grow without end")
	}
	if len(p.open) > 0 || p.seenRoot {
		return p.fail("a document type stands before the first element")
	}
	return nil
}

func (p *xmlParser) text(t xml.CharData) *xmlMistake {
	if len(p.open) == 0 {
		if strings.TrimSpace(string(t)) != "" {
			return p.fail("text outside of the document's element")
		}
		return nil
	}
	// CDATA continues the text before it.
	p.pending = append(p.pending, t...)
	return nil
}

// flush makes a node of the text that came since the last tag.
func (p *xmlParser) flush() {
	if len(p.pending) > 0 {
		p.add(xmlNode{kind: xmlText, text: string(p.pending)})
		p.pending = p.pending[:0]
	}
}

// add appends a node to the innermost element.
func (p *xmlParser) add(n xmlNode) int32 {
	id := int32(len(p.tree.nodes))
	if len(p.open) > 0 {
		n.parent = p.open[len(p.open)-1].node
	}
	n.prev, n.end = p.last, id
	if p.last > 0 {
		p.tree.nodes[p.last].next = id
	} else {
		p.tree.nodes[n.parent].first = id
	}
	p.last = id
	p.tree.nodes = append(p.tree.nodes, n)
	return id
}

func (p *xmlParser) start(t xml.StartElement) *xmlMistake {
	if len(p.open) == 0 && p.seenRoot {
		return p.fail("a second element <%s> on the outermost level", written(t.Name))
	}
	if len(p.open) == maxXMLDepth {
		return p.fail("the document is nested more than %d levels deep", maxXMLDepth)
	}
	p.seenRoot = true
	o := xmlOpen{name: t.Name, scopes: len(p.scopes)}
	if m := p.declare(t.Attr); m != nil {
		return m
	}
	name, m := p.resolve(t.Name, true)
	if m != nil {
		return m
	}
	n := xmlNode{kind: xmlElement, name: name, attrFrom: int32(len(p.tree.attrs))}
	if m := p.attributes(t.Attr, int(n.attrFrom)); m != nil {
		return m
	}
	n.attrTo = int32(len(p.tree.attrs))
	o.node = p.add(n)
	p.open = append(p.open, o)
	p.last = 0
	return nil
}

// declare brings the namespaces of an element into scope.
func (p *xmlParser) declare(attrs []xml.Attr) *xmlMistake {
	for _, a := range attrs {
		d := xmlDeclared{a.Name.Local, a.Value}
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			d.prefix = ""
		case a.Name.Space != "xmlns":
			continue
		case a.Value == "":
			return p.fail("the prefix %s is declared without a namespace", quote(a.Name.Local))
		}
		p.scopes = append(p.scopes, d)
		clear(p.ids)
		p.remember(d)
	}
	return nil
}

// maxSpaces bounds the namespaces that are kept to be named.
const maxSpaces = 50

func (p *xmlParser) remember(d xmlDeclared) {
	if d.space == "" || len(p.tree.spaces) == maxSpaces {
		return
	}
	for _, s := range p.tree.spaces {
		if s.space == d.space {
			return
		}
	}
	p.tree.spaces = append(p.tree.spaces, d)
}

func (p *xmlParser) attributes(attrs []xml.Attr, from int) *xmlMistake {
	for _, a := range attrs {
		if a.Name.Space == "xmlns" || (a.Name.Space == "" && a.Name.Local == "xmlns") {
			continue
		}
		id := p.name(xmlName{local: a.Name.Local})
		if a.Name.Space != "" {
			var m *xmlMistake
			if id, m = p.resolve(a.Name, false); m != nil {
				return m
			}
		}
		for _, other := range p.tree.attrs[from:] {
			if same := p.tree.names[other.name]; same.local == a.Name.Local && same.space == p.tree.names[id].space {
				return p.fail("the attribute %s stands twice in one element", written(a.Name))
			}
		}
		attr := xmlAttr{name: id, value: a.Value}
		if a.Name.Local == "type" && p.tree.names[id].space == xsiSpace {
			attr.meaning = p.meaning(a.Value)
		}
		p.tree.attrs = append(p.tree.attrs, attr)
	}
	return nil
}

// meaning is a name in a value, with the namespace of its prefix.
func (p *xmlParser) meaning(value string) string {
	prefix, local, ok := strings.Cut(strings.TrimSpace(value), ":")
	if !ok {
		prefix, local = "", prefix
	}
	if space, ok := p.space(prefix); ok {
		return "{" + space + "}" + local
	}
	return value
}

// resolve gives the number of a name, with the namespace of its prefix. The
// default namespace is that of elements only.
func (p *xmlParser) resolve(n xml.Name, element bool) (int32, *xmlMistake) {
	if id, ok := p.ids[n]; ok && element {
		return id, nil
	}
	space, ok := p.space(n.Space)
	if !ok && n.Space != "" {
		return 0, p.fail("the prefix %s of %s is not declared", quote(n.Space), written(n))
	}
	id := p.name(xmlName{n.Space, n.Local, space})
	if element {
		p.ids[n] = id
	}
	return id, nil
}

func (p *xmlParser) space(prefix string) (string, bool) {
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if p.scopes[i].prefix == prefix {
			return p.scopes[i].space, true
		}
	}
	return "", false
}

func (p *xmlParser) name(n xmlName) int32 {
	id, ok := p.known[n]
	if !ok {
		id = int32(len(p.tree.names))
		p.tree.names = append(p.tree.names, n)
		p.known[n] = id
	}
	return id
}

func (p *xmlParser) stop(t xml.EndElement) *xmlMistake {
	n := len(p.open) - 1
	if n < 0 {
		return p.fail("</%s> ends an element that has not begun", written(t.Name))
	}
	o := p.open[n]
	if o.name != t.Name {
		return p.fail("</%s> where </%s> was due", written(t.Name), written(o.name))
	}
	p.tree.nodes[o.node].end = int32(len(p.tree.nodes) - 1)
	p.open = p.open[:n]
	p.last = o.node
	if len(p.scopes) > o.scopes {
		p.scopes = p.scopes[:o.scopes]
		clear(p.ids)
	}
	return nil
}

// written is a name as it stands in the document, where it can be shown.
func written(n xml.Name) string {
	s := n.Local
	if n.Space != "" {
		s = n.Space + ":" + n.Local
	}
	if !utf8.ValidString(s) {
		return quote(s)
	}
	return cut(s, maxShown)
}

// value is the text of a node: that of an element is all the text within it.
func (t *xmlTree) value(id int32) string {
	n := &t.nodes[id]
	if n.kind != xmlElement && n.kind != xmlRoot {
		return n.text
	}
	if n.first == 0 {
		return ""
	}
	if only := &t.nodes[n.first]; only.next == 0 && only.kind == xmlText {
		return only.text
	}
	var b strings.Builder
	t.writeText(&b, id)
	return b.String()
}

func (t *xmlTree) writeText(b *strings.Builder, id int32) {
	for c := t.nodes[id].first; c > 0; c = t.nodes[c].next {
		switch t.nodes[c].kind {
		case xmlText:
			b.WriteString(t.nodes[c].text)
		case xmlElement:
			t.writeText(b, c)
		}
	}
}

// element gives the document's element.
func (t *xmlTree) element() int32 {
	for c := t.nodes[0].first; c > 0; c = t.nodes[c].next {
		if t.nodes[c].kind == xmlElement {
			return c
		}
	}
	return 0
}

// nameOf gives the name of a node.
func (t *xmlTree) nameOf(id int32) *xmlName { return &t.names[t.nodes[id].name] }

// qualified is a name with its prefix.
func (n *xmlName) qualified() string {
	if n.prefix == "" {
		return n.local
	}
	return n.prefix + ":" + n.local
}

// xmlDocument is an XML text that is parsed once and read many times.
type xmlDocument struct {
	tree    *xmlTree
	mistake *xmlMistake
}

// parse parses s, once.
func (d *xmlDocument) parse(s string) (*xmlTree, *xmlMistake) {
	if d.tree == nil && d.mistake == nil {
		d.tree, d.mistake = parseXMLText(s)
	}
	return d.tree, d.mistake
}
