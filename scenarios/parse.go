package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"iflowtest/internal/diag"
)

// document is one YAML document of a file.
type document struct {
	root *Node
	// index counts from 0; start and end are its first and last line.
	index, start, end int
}

// parse reads the documents of a file. A syntax error ends the file: the
// documents before it are given.
func parse(file string, data []byte) (*source, []document, diag.List) {
	return parseWith(file, data, defaultBlocks())
}

func parseWith(file string, data []byte, limits blockLimits) (*source, []document, diag.List) {
	src, text, l := newSource(file, data)
	if text == nil {
		return src, nil, l
	}
	if doc, ok := readBlocks(src, text, limits); ok {
		return src, []document{doc}, nil
	}
	docs, l := readDocuments(src, text)
	for i := range docs {
		docs[i].end = len(src.lines)
		if i+1 < len(docs) {
			docs[i].end = docs[i+1].start - 1
		}
	}
	return src, docs, l
}

func readDocuments(src *source, text []byte) ([]document, diag.List) {
	var docs []document
	var l diag.List
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		n, err := decode(d)
		if errors.Is(err, io.EOF) {
			return docs, l
		}
		from := 1
		if len(docs) > 0 {
			from = docs[len(docs)-1].start
		}
		if err != nil {
			return docs, append(l, syntaxErrors(src, from, len(docs) > 0, err)...)
		}
		doc := document{index: len(docs), start: n.Line}
		if len(docs) == 0 {
			doc.start = 1
		}
		var problems diag.List
		doc.root, problems = convert(src, n)
		l = append(l, problems...)
		docs = append(docs, doc)
	}
}

// decode reads one document. The parser says by a panic that it is at a loss;
// that is one more syntax error.
func decode(d *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = nil, fmt.Errorf("yaml: %v", r)
		}
	}()
	n = &yaml.Node{}
	err = d.Decode(n)
	return n, err
}

// converter turns the nodes of the parser into those of the language.
type converter struct {
	src *source
	// done holds what anchors stand for; nil while it is being read.
	done  map[*yaml.Node]*expansion
	extra int
	l     diag.List
	// fatal is set when the tree cannot be used at all.
	fatal bool
}

// expansion is what an alias of an anchor adds to the tree.
type expansion struct {
	node        *Node
	size, depth int
}

// convert gives the tree of a document, nil when there is none to be had, and
// lets go of the parser's nodes on its way.
func convert(src *source, doc *yaml.Node) (*Node, diag.List) {
	c := converter{src: src, done: map[*yaml.Node]*expansion{}}
	if len(doc.Content) == 0 {
		return newNode(Null, src, src.at(doc.Line, doc.Column, 1)), nil
	}
	root, _, _ := c.node(doc.Content[0], 1)
	if c.fatal {
		root = nil
	}
	return root, c.l
}

func (c *converter) errorf(pos diag.Position, code, format string, args ...any) {
	c.l = append(c.l, diag.Errorf(pos, code, format, args...))
}

func (c *converter) hint(format string, args ...any) {
	last := &c.l[len(c.l)-1]
	*last = last.WithHint(format, args...)
}

// node converts n, which stands at the given depth. size is how many nodes it
// has with its aliases expanded, depth how many levels.
func (c *converter) node(n *yaml.Node, level int) (node *Node, size, depth int) {
	if c.fatal {
		return &Node{src: c.src}, 1, 1
	}
	if level > maxDepth {
		c.fatal = true
		c.errorf(c.src.at(n.Line, n.Column, 1), diag.TooLarge, "nested more than %d levels deep", maxDepth)
		return &Node{src: c.src}, 1, 1
	}
	if n.Kind == yaml.AliasNode {
		return c.alias(n, level)
	}
	if n.Anchor != "" {
		c.done[n] = nil
	}
	line, column := n.Line, n.Column
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		line, column = c.src.skipProperties(line, column)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		node = c.scalar(n, line, column)
		size = 1
	case yaml.SequenceNode:
		node, size, depth = c.list(n, level, line, column)
	case yaml.MappingNode:
		node, size, depth = c.mapping(n, level, line, column)
	default:
		node = newNode(Null, c.src, c.src.at(line, column, 1))
	}
	if n.Style&yaml.TaggedStyle != 0 {
		c.checkTag(n, node)
	}
	depth++
	if n.Anchor != "" {
		c.done[n] = &expansion{node: node, size: size, depth: depth}
	}
	n.Content = nil
	return node, size, depth
}

func (c *converter) alias(n *yaml.Node, level int) (*Node, int, int) {
	pos := c.src.at(n.Line, n.Column, 1+utf8.RuneCountInString(n.Value))
	e, known := c.done[n.Alias]
	switch {
	case !known:
		c.fatal = true
		c.errorf(pos, diag.UnknownAnchor, "no anchor &%s in this document", n.Value)
		c.hint("an anchor holds in its own document only")
		return &Node{src: c.src}, 1, 1
	case e == nil:
		c.fatal = true
		c.errorf(pos, diag.UnknownAnchor, "the alias *%s stands inside its own anchor &%s", n.Value, n.Value)
		return &Node{src: c.src}, 1, 1
	case level+e.depth-1 > maxDepth:
		c.fatal = true
		c.errorf(pos, diag.TooLarge, "nested more than %d levels deep by the alias *%s", maxDepth, n.Value)
	}
	if c.extra += e.size; c.extra > maxExpansion && !c.fatal {
		c.fatal = true
		c.errorf(pos, diag.TooLarge, "the aliases of this document stand for more than %d values", maxExpansion)
		c.hint("write out what is needed, or move the repetition into data rows")
	}
	return e.node, e.size, e.depth
}

func newNode(k NodeKind, src *source, p diag.Position) *Node {
	n := &Node{Kind: k, src: src}
	n.setPos(p)
	return n
}

func (c *converter) scalar(n *yaml.Node, line, column int) *Node {
	node := &Node{src: c.src, Text: n.Value, style: styleOf(n.Style)}
	if node.style == plain {
		node.Kind = kindOf(n.Value)
		if node.Kind == Null {
			node.Text = ""
			if n.Value == "" {
				node.style = absent
			}
		}
	} else {
		node.Kind = Text
	}
	node.setPos(c.src.at(line, column, c.src.width(node, n.Value, line, column)))
	if c.src.foreign != nil {
		node.Text = c.src.foreign.Replace(node.Text)
	}
	return node
}

func styleOf(s yaml.Style) style {
	switch {
	case s&yaml.DoubleQuotedStyle != 0:
		return doubleQuoted
	case s&yaml.SingleQuotedStyle != 0:
		return singleQuoted
	case s&yaml.LiteralStyle != 0:
		return literal
	case s&yaml.FoldedStyle != 0:
		return folded
	case s&yaml.FlowStyle != 0:
		return flow
	}
	return plain
}

func (c *converter) list(n *yaml.Node, level, line, column int) (*Node, int, int) {
	node := newNode(List, c.src, c.src.at(line, column, 1))
	node.style, node.children = block, &children{}
	if n.Style&yaml.FlowStyle != 0 {
		node.style = flow
	}
	size, depth := 1, 0
	if len(n.Content) > 0 {
		node.children.items = make([]*Node, 0, len(n.Content))
	}
	for i, item := range n.Content {
		v, s, d := c.node(item, level+1)
		size, depth = size+s, max(depth, d)
		if v.style == absent && v.Pos().Column > 1 && strings.HasPrefix(c.src.rest(v.Pos().Line, v.Pos().Column-1), "-") {
			v.at.column--
		}
		node.children.items = append(node.children.items, v)
		n.Content[i] = nil
	}
	return node, size, depth
}

func (c *converter) mapping(n *yaml.Node, level, line, column int) (*Node, int, int) {
	node := newNode(Map, c.src, c.src.at(line, column, 1))
	node.style, node.children = block, &children{}
	if n.Style&yaml.FlowStyle != 0 {
		node.style = flow
	}
	size, depth := 1, 0
	if len(n.Content) > 0 {
		node.children.entries = make([]Entry, 0, len(n.Content)/2)
	}
	var seen keySet
	var merges []Entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		isMerge := n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == "<<" && styleOf(n.Content[i].Style) == plain
		key, ok := c.key(n.Content[i], level)
		value, s, d := c.node(n.Content[i+1], level+1)
		size, depth = size+s+1, max(depth, d)
		n.Content[i], n.Content[i+1] = nil, nil
		if !ok {
			continue
		}
		if value.style == absent {
			value.at = key.at
		}
		if first, again := seen.add(key); again {
			c.errorf(key.Pos(), diag.DuplicateKey, "the key %q stands twice; first in line %d", shorten(key.Text), first.Pos().Line)
			if isMerge {
				c.hint("merge several mappings with a list: <<: [*a, *b]")
			}
			continue
		}
		if isMerge {
			merges = append(merges, Entry{key, value})
			continue
		}
		node.children.entries = append(node.children.entries, Entry{key, value})
	}
	if node.style == block && len(node.Entries()) > 0 {
		first := node.Entries()[0].Key.Pos()
		if first.Line == node.Pos().Line && first.Column == node.Pos().Column {
			node.at.width = int32(first.Width)
		}
	}
	for _, m := range merges {
		size += c.merge(node, &seen, m)
	}
	return node, size, depth
}

// merge adds what << names: keys that are not there yet.
func (c *converter) merge(node *Node, seen *keySet, m Entry) int {
	from := []*Node{m.Value}
	if m.Value.Kind == List {
		from = m.Value.Items()
	}
	added := 0
	for _, f := range from {
		if f.Kind != Map {
			if !c.fatal {
				c.errorf(m.Key.Pos(), diag.WrongType, "<< wants a mapping or a list of mappings, got %s", describe(f))
				c.hint("merge an anchor: <<: *name")
			}
			return added
		}
		for _, e := range f.Entries() {
			if _, again := seen.add(e.Key); again {
				continue
			}
			node.children.entries = append(node.children.entries, e)
			added += 2
		}
	}
	if c.extra += added; c.extra > maxExpansion && !c.fatal {
		c.fatal = true
		c.errorf(m.Key.Pos(), diag.TooLarge, "the aliases of this document stand for more than %d values", maxExpansion)
	}
	return added
}

// key converts a key, which is always text.
func (c *converter) key(n *yaml.Node, level int) (*Node, bool) {
	node, _, _ := c.node(n, level+1)
	if c.fatal {
		return node, false
	}
	if !node.IsScalar() {
		c.errorf(node.Pos(), diag.WrongType, "a key is text, got %s", describe(node))
		c.hint("a name that begins with [ or { must be quoted")
		return node, false
	}
	if n.Kind == yaml.AliasNode {
		copied := *node
		node = &copied
		node.setPos(c.src.at(n.Line, n.Column, 1+utf8.RuneCountInString(n.Value)))
	} else if node.Kind == Null {
		node.Text = n.Value
	}
	node.Kind = Text
	return node, true
}

// checkTag refuses a tag that would make a value something else than it looks.
func (c *converter) checkTag(n *yaml.Node, node *Node) {
	agrees := false
	switch n.Tag {
	case "!!str":
		if node.Kind == Null || node.IsScalar() {
			node.Kind, node.Text, agrees = Text, n.Value, true
		}
	case "!!int", "!!float":
		agrees = node.Kind == Number
	case "!!bool":
		agrees = node.Kind == Bool
	case "!!null":
		agrees = node.Kind == Null
	case "!!map":
		agrees = node.Kind == Map
	case "!!seq":
		agrees = node.Kind == List
	}
	if agrees {
		return
	}
	c.errorf(c.src.at(n.Line, n.Column, 1), diag.InvalidValue, "the tag %s is not known here", shorten(n.Tag))
	c.hint("leave the tag out; a text that begins with ! must be quoted")
}

// keySet finds keys that stand twice: by going through them as long as they
// are few.
type keySet struct {
	keys  []*Node
	index map[string]*Node
}

func (k *keySet) add(key *Node) (first *Node, again bool) {
	const few = 12
	if k.index == nil {
		for _, f := range k.keys {
			if f.Text == key.Text {
				return f, true
			}
		}
		if k.keys = append(k.keys, key); len(k.keys) > few {
			k.index = make(map[string]*Node, 4*few)
			for _, f := range k.keys {
				k.index[f.Text] = f
			}
		}
		return nil, false
	}
	if first, again = k.index[key.Text]; !again {
		k.index[key.Text] = key
	}
	return first, again
}

// skipProperties goes over anchors and tags, to where the value itself starts.
func (s *source) skipProperties(line, column int) (int, int) {
	at := s.offsetOf(line, column)
	startLine, startColumn := line, column
	counted := at // the offset that column belongs to
	for line <= len(s.lines) {
		text := s.lines[line-1]
		rest := strings.TrimLeft(text[min(at, len(text)):], " \t")
		at = len(text) - len(rest)
		switch {
		case rest == "" || rest[0] == '#':
			line, at, column, counted = line+1, 0, 1, 0
		case rest[0] == '&' || rest[0] == '!':
			end := strings.IndexAny(rest, " \t,]}")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return startLine, startColumn
			}
			at += end
		default:
			return line, column + utf8.RuneCountInString(text[counted:at])
		}
	}
	return startLine, startColumn
}

// width gives how many characters of the line a scalar takes, and lets its
// text share the memory of the line where they are the same.
func (s *source) width(n *Node, value string, line, column int) int {
	rest := s.rest(line, column)
	switch n.style {
	case plain:
		if strings.HasPrefix(rest, value) {
			n.direct = true
			if n.Text != "" {
				n.Text = rest[:len(value)]
			}
			return utf8.RuneCountInString(value)
		}
		n.severalLines = true
		return utf8.RuneCountInString(strings.TrimRight(rest, " \t"))
	case singleQuoted, doubleQuoted:
		end, closed := closingQuote(rest)
		n.severalLines = !closed
		if end == len(value)+2 && rest[1:end-1] == value {
			n.Text, n.direct = rest[1:end-1], true
		}
		return utf8.RuneCountInString(rest[:end])
	case literal, folded:
		n.severalLines = true
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		return end
	}
	return 1
}

// closingQuote gives the end of the quoted scalar that text begins with, or
// the end of the text when it goes on in the next line.
func closingQuote(text string) (end int, closed bool) {
	if text == "" {
		return 0, false
	}
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] != quote:
		case quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		default:
			return i + 1, true
		}
	}
	return len(text), false
}
