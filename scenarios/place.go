package scenarios

import (
	"strings"
	"unicode/utf8"

	"iflowtest/internal/diag"
)

// At gives the place of a byte offset in Text, underlined for width bytes of
// it. It is exact for scalars on one line, follows the folding of those on
// several, and for what it cannot follow gives the start of the value.
func (n *Node) At(offset, width int) diag.Position {
	if n.src == nil || !n.IsScalar() {
		return n.Pos()
	}
	start := n.place(n.boundary(offset))
	end := n.place(n.boundary(offset + max(width, 0)))
	p := n.src.at(start.line, start.column, 1)
	if end.line == start.line && end.column > start.column {
		p.Width = end.column - start.column
	}
	return p
}

// boundary gives the start of the character at an offset, inside the text.
func (n *Node) boundary(offset int) int {
	offset = min(max(offset, 0), len(n.Text))
	for offset > 0 && offset < len(n.Text) && !utf8.RuneStart(n.Text[offset]) {
		offset--
	}
	return offset
}

// spot is a line and column, counting from 1.
type spot struct{ line, column int }

// place walks the raw text of a scalar until it has produced offset bytes of
// its value.
func (n *Node) place(offset int) spot {
	switch {
	case n.direct:
		column := n.Pos().Column + utf8.RuneCountInString(n.Text[:offset])
		if n.style != plain {
			column++
		}
		return spot{n.Pos().Line, column}
	case n.style == literal || n.style == folded:
		return n.placeInBlock(offset)
	}
	w := walker{src: n.src, line: n.Pos().Line}
	if w.line < 1 || w.line > len(w.src.lines) {
		return spot{n.Pos().Line, n.Pos().Column}
	}
	w.at = byteOffset(w.src.lines[w.line-1], n.Pos().Column)
	switch n.style {
	case singleQuoted, doubleQuoted:
		w.at++
	}
	return w.walk(n.Text, offset, n.style)
}

// walker follows a flow scalar through the lines of its file.
type walker struct {
	src      *source
	line, at int
}

func (w *walker) spot() spot {
	text := w.src.lines[w.line-1]
	return spot{w.line, utf8.RuneCountInString(text[:min(w.at, len(text))]) + 1}
}

// walk consumes raw text until done reaches offset.
func (w *walker) walk(text string, offset int, st style) spot {
	for done := 0; done < offset; {
		raw := w.src.lines[w.line-1]
		if w.at >= len(raw) || strings.Trim(raw[w.at:], " \t") == "" && text[done] != ' ' {
			n, ok := w.fold()
			if !ok {
				break
			}
			done += n
			continue
		}
		if strings.Trim(raw[w.at:], " \t") == "" && w.folds(text[done:], raw[w.at:]) {
			n, ok := w.fold()
			if !ok {
				break
			}
			done += n
			continue
		}
		rawSize, size := unit(raw[w.at:], st)
		if size == 0 && rawSize == 0 {
			n, ok := w.escapedBreak()
			if !ok {
				break
			}
			done += n
			continue
		}
		w.at += rawSize
		done += size
	}
	return w.spot()
}

// folds reports whether the blanks that end a line are dropped by folding,
// rather than being part of the value.
func (w *walker) folds(text, blanks string) bool {
	return w.line < len(w.src.lines) && !strings.HasPrefix(text, blanks+`"`) && len(text) > 0 && (len(blanks) != len(text) || text != blanks)
}

// fold goes to the next line that holds something: one line break is a blank
// in the value, each empty line is a line break.
func (w *walker) fold() (size int, ok bool) {
	empty := 0
	for w.line < len(w.src.lines) {
		w.line++
		raw := w.src.lines[w.line-1]
		w.at = len(raw) - len(strings.TrimLeft(raw, " \t"))
		if w.at < len(raw) {
			return max(1, empty), true
		}
		empty++
	}
	return 0, false
}

// escapedBreak goes over a line break that a backslash takes out of the value.
func (w *walker) escapedBreak() (size int, ok bool) {
	empty := 0
	for w.line < len(w.src.lines) {
		w.line++
		raw := w.src.lines[w.line-1]
		w.at = len(raw) - len(strings.TrimLeft(raw, " \t"))
		if w.at < len(raw) {
			return empty, true
		}
		empty++
	}
	return 0, false
}

// unit gives how many bytes the next character takes in the raw text and in
// the value; 0 and 0 is a backslash that ends a line.
func unit(raw string, st style) (rawSize, size int) {
	_, n := utf8.DecodeRuneInString(raw)
	switch {
	case st == singleQuoted && strings.HasPrefix(raw, "''"):
		return 2, 1
	case st == doubleQuoted && raw[0] == '\\':
		if len(raw) == 1 {
			return 0, 0
		}
		return escape(raw)
	}
	return n, n
}

// escape gives the sizes of an escape of a double-quoted scalar.
func escape(raw string) (rawSize, size int) {
	digits := 0
	switch raw[1] {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case 'N', '_':
		return 2, 2
	case 'L', 'P':
		return 2, 3
	default:
		return 2, 1
	}
	if len(raw) < 2+digits {
		return len(raw), 1
	}
	var r rune
	for _, c := range []byte(raw[2 : 2+digits]) {
		r = r<<4 | rune(hex(c))
	}
	return 2 + digits, max(1, utf8.RuneLen(r))
}

func hex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// placeInBlock follows a literal or folded scalar, line by line.
func (n *Node) placeInBlock(offset int) spot {
	lines := n.src.lines
	done, indent := 0, -1
	here := spot{n.Pos().Line, n.Pos().Column}
	for i := n.Pos().Line; i < len(lines) && done <= offset; i++ {
		line := lines[i]
		if strings.Trim(line, " ") == "" && (indent < 0 || len(line) <= indent) {
			continue
		}
		for done < len(n.Text) && n.Text[done] == '\n' {
			done++
		}
		if indent < 0 {
			if indent = blockIndent(line, n.Text[done:]); indent < 0 {
				return here
			}
		}
		content := line[min(indent, len(line)):]
		if !strings.HasPrefix(n.Text[done:], content) {
			return here
		}
		here = spot{i + 1, utf8.RuneCountInString(line[:len(line)-len(content)]) + 1}
		if offset <= done {
			return here
		}
		if offset <= done+len(content) {
			here.column += utf8.RuneCountInString(content[:offset-done])
			return here
		}
		here.column += utf8.RuneCountInString(content)
		done += len(content)
		if done < len(n.Text) && n.Text[done] == ' ' {
			done++
		}
	}
	return here
}

// blockIndent finds how far a block scalar is indented from its first line
// and the value that line begins.
func blockIndent(line, text string) int {
	blanks := len(line) - len(strings.TrimLeft(line, " "))
	own := len(text) - len(strings.TrimLeft(text, " "))
	if indent := blanks - own; indent >= 0 && strings.HasPrefix(text, line[indent:]) {
		return indent
	}
	return -1
}
