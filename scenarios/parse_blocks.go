package scenarios

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// The parser keeps all of a document in nodes that are several times as large
// as its text. A scenario with thousands of steps is therefore read in blocks:
// its list of steps, some hundred lines at a time, each as a list of its own.
// Every line keeps its number, since what was cut away is left as empty lines.
//
// Only what is plainly a block list of steps is cut. Whatever is not (an
// anchor, a second document, a line that does not fit) makes the whole
// document be read at once, as does any mistake, so that its message is the
// same.

// blockLimits say when a document is read in blocks, and how many lines a
// block has at least.
type blockLimits struct{ fromLines, lines int }

func defaultBlocks() blockLimits { return blockLimits{fromLines: 4000, lines: 1000} }

// readBlocks reads the only document of a file in blocks; ok is false when it
// must be read at once.
func readBlocks(src *source, text []byte, limits blockLimits) (doc document, ok bool) {
	if len(src.lines) < limits.fromLines || src.foreign != nil || bytes.ContainsAny(text, "&*") {
		return document{}, false
	}
	lines := src.lines
	lists, ok := stepLists(lines)
	if !ok || len(lists) == 0 {
		return document{}, false
	}
	frame := make([]string, 0, len(lines))
	at := 0
	for _, l := range lists {
		frame = append(frame, lines[at:l.from]...)
		frame = append(frame, make([]string, l.to-l.from)...)
		at = l.to
	}
	frame = append(frame, lines[at:]...)
	n, ok := only(strings.Join(frame, "\n"))
	if !ok {
		return document{}, false
	}
	c := converter{src: src, done: map[*yaml.Node]*expansion{}}
	root, _, _ := c.node(n.Content[0], 1)
	if c.fatal || root.Kind != Map || root.style != block {
		return document{}, false
	}
	for _, l := range lists {
		value := root.Get(l.key)
		if value == nil || value.style != absent {
			return document{}, false
		}
		list, ok := c.blockItems(lines, l, limits)
		if !ok {
			return document{}, false
		}
		for i, e := range root.children.entries {
			if e.Key.Text == l.key {
				root.children.entries[i].Value = list
			}
		}
	}
	if c.fatal || len(c.l) > 0 {
		return document{}, false
	}
	return document{root: root, start: 1, end: len(src.lines)}, true
}

// stepList is the lines of a block list below a key: from and to count from 0.
type stepList struct {
	key      string
	from, to int
	items    []int // the lines that begin an item
}

// stepLists finds the block lists of steps and cleanup; ok is false when the
// lines hold more than one document.
func stepLists(lines []string) (lists []stepList, ok bool) {
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if i > 0 && (strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")) || strings.HasPrefix(line, "%") {
			return nil, false
		}
		key := strings.TrimRight(line, " ")
		if key != "steps:" && key != "cleanup:" {
			continue
		}
		l := blockList(lines, i+1)
		if l.key = key[:len(key)-1]; len(l.items) > 0 {
			lists = append(lists, l)
			i = l.to - 1
		}
	}
	return lists, true
}

// blockList gives the list that begins at a line.
func blockList(lines []string, from int) stepList {
	l := stepList{from: from, to: from}
	indent := -1
	for i := from; i < len(lines); i++ {
		rest := strings.TrimLeft(lines[i], " ")
		if rest == "" || rest[0] == '#' {
			continue
		}
		own := len(lines[i]) - len(rest)
		isItem := rest == "-" || strings.HasPrefix(rest, "- ")
		if indent < 0 && isItem {
			indent = own
		}
		switch {
		case indent >= 0 && own == indent && isItem:
			l.items = append(l.items, i)
		case indent < 0 || own <= indent:
			return l
		}
		l.to = i + 1
	}
	return l
}

// blockItems reads the items of a list, block by block.
func (c *converter) blockItems(lines []string, l stepList, limits blockLimits) (*Node, bool) {
	list := &Node{Kind: List, src: c.src, style: block, children: &children{}}
	for first := 0; first < len(l.items); {
		next := first + 1
		for next < len(l.items) && l.items[next]-l.items[first] < limits.lines {
			next++
		}
		from, to := l.items[first], l.to
		if next < len(l.items) {
			to = l.items[next]
		}
		n, ok := only(strings.Repeat("\n", from) + strings.Join(lines[from:to], "\n") + "\n")
		if !ok || n.Content[0].Kind != yaml.SequenceNode || len(n.Content[0].Content) != next-first {
			return nil, false
		}
		part, _, _ := c.node(n.Content[0], 2)
		if c.fatal {
			return nil, false
		}
		if len(list.children.items) == 0 {
			list.at = part.at
		}
		list.children.items = append(list.children.items, part.children.items...)
		first = next
	}
	return list, true
}

// only reads a text that is one document.
func only(text string) (*yaml.Node, bool) {
	d := yaml.NewDecoder(strings.NewReader(text))
	n, err := decode(d)
	if err != nil || len(n.Content) == 0 {
		return nil, false
	}
	if _, err := decode(d); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return n, true
}
