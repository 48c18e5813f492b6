package scenarios

import (
	"encoding/json"
	"io"
	"os"
	"strings"

	"iflowtest/internal/diag"
)

// treeCheck checks rows that are a tree: those of a YAML file, and those that
// are written in the scenario.
type treeCheck struct {
	findings
	columns *columns
	// inline rows hold no ${…}.
	inline bool
}

// inlineRows checks the rows that are written in a scenario.
func inlineRows(data *Node, sources diag.Sources) (*Rows, diag.List) {
	c := treeCheck{findings: findings{of: data.Pos().File}, columns: newColumns(), inline: true}
	c.rows(data)
	if sources != nil {
		maskRows(sources, data)
	}
	return treeRows(data, c.columns, true), c.list()
}

// readYAML reads the rows of a YAML file, which is kept.
func (f *rowFile) readYAML(file *os.File, sources diag.Sources) (*Rows, diag.List) {
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, diag.List{diag.Errorf(diag.Position{File: f.shown}, diag.BadFile, "the file cannot be read: %s", cause(err))}
	}
	if len(data) > maxFileSize {
		return nil, diag.List{diag.Errorf(diag.Position{File: f.shown, Line: 1, Column: 1}, diag.TooLarge,
			"the file has %d bytes, want at most %d (4 MiB)", max(f.size, int64(len(data))), maxFileSize).
			WithHint("a .csv or .json file of rows may be of any size")}
	}
	src, docs, l := parse(f.shown, data)
	rows, l := yamlRows(src, meaningful(docs), l)
	f.addYAMLLines(sources, src, docs, len(l) > 0 || rows != nil && len(rows.columns.lacking) > 0)
	return rows, l
}

// yamlRows gives the rows of the documents.
func yamlRows(src *source, docs []document, syntax diag.List) (*Rows, diag.List) {
	c := treeCheck{findings: findings{of: src.file}, columns: newColumns()}
	for _, d := range syntax {
		c.add(d)
	}
	switch {
	case syntax.HasErrors() && (len(docs) != 1 || docs[0].root == nil):
		return nil, c.list()
	case len(docs) == 0 || len(docs) == 1 && docs[0].root.Kind == Null:
		c.add(diag.Errorf(src.at(1, 1, 1), diag.BadFile, "the file is empty: want a list of mappings"))
		return nil, c.list()
	case len(docs) > 1:
		c.add(diag.Errorf(src.at(docs[1].start, 1, 3), diag.BadFile, "a file of rows is one document, this one has %d", len(docs)))
		return nil, c.list()
	case docs[0].root.Kind != List:
		c.add(diag.Errorf(docs[0].root.Pos(), diag.InvalidRow, "the file holds %s, want a list of mappings", describeRow(docs[0].root)).
			WithHint("a row is written like: - {sku: A-100, qty: 2}"))
		return nil, c.list()
	}
	c.rows(docs[0].root)
	return treeRows(docs[0].root, c.columns, false), c.list()
}

// addYAMLLines adds the lines of the file, without the values of secrets.
func (f *rowFile) addYAMLLines(sources diag.Sources, src *source, docs []document, needed bool) {
	if sources == nil || !needed {
		return
	}
	for _, d := range docs {
		if d.root != nil {
			src.maskSecrets(d.root)
		}
	}
	if len(docs) == 0 || docs[len(docs)-1].root == nil || docs[len(docs)-1].end < len(src.lines) {
		for _, line := range src.lines {
			if secretColumn(line) {
				return
			}
		}
	}
	sources[src.file] = src.shown
}

// maskSecrets masks the values of keys that speak of a secret.
func (s *source) maskSecrets(n *Node) {
	for _, i := range n.Items() {
		s.maskSecrets(i)
	}
	for _, e := range n.Entries() {
		if secretColumn(e.Key.Text) {
			s.maskAll(e.Value)
		} else {
			s.maskSecrets(e.Value)
		}
	}
}

// maskRows does so for rows in a file whose lines are known already.
func maskRows(sources diag.Sources, n *Node) {
	for _, i := range n.Items() {
		maskRows(sources, i)
	}
	for _, e := range n.Entries() {
		if secretColumn(e.Key.Text) {
			Mask(sources, e.Value)
		} else {
			maskRows(sources, e.Value)
		}
	}
}

// rows checks a list of rows.
func (c *treeCheck) rows(list *Node) {
	for i, row := range list.Items() {
		if row.Kind != Map {
			c.add(diag.Errorf(row.Pos(), diag.InvalidRow, "row %d is %s, want a mapping", i+1, describeRow(row)).
				WithHint("a row is written like: - {sku: A-100, qty: 2}"))
			continue
		}
		c.row(row)
	}
	if len(list.Items()) == 0 {
		c.add(diag.Errorf(list.Pos(), diag.EmptyBlock, "the list has no rows").WithHint("without a row nothing would run"))
	}
}

func (c *treeCheck) row(row *Node) {
	names := make([]string, 0, len(row.Entries()))
	for _, e := range row.Entries() {
		name := c.text(e.Key)
		if !goodColumn(name) {
			c.add(badColumn(e.Key.Pos(), name))
			continue
		}
		names = append(names, name)
		c.computed(e.Key)
		c.noExpressions(e.Value)
	}
	c.columns.row(row.Pos(), names)
}

// noExpressions reports what would have to be computed in an inline row.
func (c *treeCheck) noExpressions(n *Node) {
	for _, i := range n.Items() {
		c.noExpressions(i)
	}
	for _, e := range n.Entries() {
		c.computed(e.Key)
		c.noExpressions(e.Value)
	}
	c.computed(n)
}

func (c *treeCheck) computed(n *Node) {
	if !c.inline || !n.IsComputed() || c.full() {
		return
	}
	at := expressionIn(n.Text)
	c.add(diag.Errorf(n.At(at, 2), diag.InvalidValue, "data rows are not computed, and this one holds ${…}").
		WithHint("compute it where it is used, or in vars; a literal ${ is written $${"))
}

// expressionIn gives the offset of the first ${ that is not escaped.
func expressionIn(text string) int {
	at := 0
	for {
		next := strings.Index(text[at:], "${")
		if next < 0 {
			return 0
		}
		if at += next; at == 0 || text[at-1] != '$' {
			return at
		}
		at += 2
	}
}

// text gives the text of a scalar: inline, $${ stands for ${ as everywhere in
// a scenario.
func (c *treeCheck) text(n *Node) string { return textOfRow(n, c.inline) }

func textOfRow(n *Node, inline bool) string {
	if inline {
		return strings.ReplaceAll(n.Text, "$${", "${")
	}
	return n.Text
}

// describeRow says what stands in the place of rows. Its text is not told: an
// alias may stand for a secret.
func describeRow(n *Node) string {
	switch n.Kind {
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case Text:
		return "a text"
	}
	return describe(n)
}

// treeRows gives rows that are kept as a tree.
func treeRows(list *Node, c *columns, inline bool) *Rows {
	return &Rows{columns: c, length: len(list.Items()), pass: func() (rowPass, error) {
		return &treePass{items: list.Items(), inline: inline}, nil
	}}
}

// treePass gives the rows of a tree.
type treePass struct {
	items  []*Node
	inline bool
}

func (p *treePass) next() (map[string]any, diag.Position, error) {
	if len(p.items) == 0 {
		return nil, diag.Position{}, io.EOF
	}
	row := p.items[0]
	p.items = p.items[1:]
	values, _ := p.value(row).(map[string]any)
	return values, row.Pos(), nil
}

func (p *treePass) close() {}

// value gives what a node stands for.
func (p *treePass) value(n *Node) any {
	switch n.Kind {
	case Bool:
		return n.Text == "true"
	case Number:
		return json.Number(n.Text)
	case Text:
		return textOfRow(n, p.inline)
	case List:
		list := make([]any, len(n.Items()))
		for i, item := range n.Items() {
			list[i] = p.value(item)
		}
		return list
	case Map:
		values := make(map[string]any, len(n.Entries()))
		for _, e := range n.Entries() {
			values[textOfRow(e.Key, p.inline)] = p.value(e.Value)
		}
		return values
	}
	return nil
}
