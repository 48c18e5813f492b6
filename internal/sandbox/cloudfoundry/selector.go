package cloudfoundry

import (
	"fmt"
	"slices"
	"strings"
)

// selector is a label selector: every requirement must hold.
type selector []requirement

// requirement is one condition on a label.
type requirement struct {
	key    string
	exists bool // the label must be there, or must not
	values []string
	in     bool // with values: the label has one of them, or none of them
}

// matches reports whether the labels fulfil the selector. As on the platform,
// "!=" and "notin" hold for what does not have the label at all.
func (s selector) matches(labels map[string]string) bool {
	for _, r := range s {
		value, there := labels[r.key]
		holds := there == r.exists
		if r.values != nil {
			holds = (there && slices.Contains(r.values, value)) == r.in
		}
		if !holds {
			return false
		}
	}
	return true
}

// inWord reports whether a word may hold the character.
func inWord(c byte) bool {
	return c == '-' || c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// tokens reads a selector one token after the other.
type tokens struct {
	text string
	at   int
}

// next gives the next token that is not blank: a word, or one of , ( ) = ==
// != !; "" at the end.
func (t *tokens) next() (string, error) {
	for t.at < len(t.text) && strings.IndexByte(" \t\r\n\f\v", t.text[t.at]) >= 0 {
		t.at++
	}
	rest := t.text[t.at:]
	size := 0
	switch {
	case rest == "":
		return "", nil
	case strings.HasPrefix(rest, "==") || strings.HasPrefix(rest, "!="):
		size = 2
	case strings.IndexByte(",()=!", rest[0]) >= 0:
		size = 1
	default:
		size = wordLength(rest)
	}
	if size == 0 {
		return "", fmt.Errorf("disallowed character(s), got %q", t.text[:t.at]+"<<"+rest+">>")
	}
	t.at += size
	return rest[:size], nil
}

// wordLength gives the length of the word at the beginning, which may have one
// slash with something on either side.
func wordLength(text string) int {
	n := 0
	for n < len(text) && inWord(text[n]) {
		n++
	}
	if n == 0 || n == len(text) || text[n] != '/' {
		return n
	}
	end := n + 1
	for end < len(text) && inWord(text[end]) {
		end++
	}
	if end == n+1 {
		return n
	}
	return end
}

// word gives the next token, which must be a word.
func (t *tokens) word(what string) (string, error) {
	found, err := t.next()
	if err == nil && !isWord(found) {
		err = fmt.Errorf("expecting %s, got %q", what, found)
	}
	return found, err
}

func isWord(token string) bool { return token != "" && inWord(token[0]) }

// parseSelector reads a label selector: KEY, !KEY, KEY=VALUE, KEY==VALUE,
// KEY!=VALUE, KEY in (A,B), KEY notin (A,B), with commas between them.
func parseSelector(text string) (selector, error) {
	t := &tokens{text: text}
	var s selector
	for {
		r, end, err := t.requirement()
		if err != nil {
			return nil, err
		}
		s = append(s, r)
		if end == "" {
			return s, nil
		}
		if end != "," {
			return nil, fmt.Errorf("expecting a ',' or end, got %q", end)
		}
	}
}

// requirement reads one, and the token behind it.
func (t *tokens) requirement() (r requirement, end string, err error) {
	first, err := t.next()
	if err != nil {
		return r, "", err
	}
	if first == "!" {
		if r.key, err = t.word("a key"); err != nil {
			return r, "", err
		}
		end, err = t.next()
		return r, end, err
	}
	if !isWord(first) {
		return r, "", fmt.Errorf("expecting a key or '!', got %q", first)
	}
	r.key = first
	operator, err := t.next()
	if err != nil {
		return r, "", err
	}
	switch operator {
	case "=", "==", "!=":
		r.in = operator != "!="
		value, err := t.word("a value")
		if err != nil {
			return r, "", err
		}
		r.values = []string{value}
	case "in", "notin":
		r.in = operator == "in"
		if r.values, err = t.set(); err != nil {
			return r, "", err
		}
	case "", ",":
		r.exists = true
		return r, operator, nil
	default:
		return r, "", fmt.Errorf("expecting a ',', operator, or end, got %q", operator)
	}
	end, err = t.next()
	return r, end, err
}

// set reads (A,B).
func (t *tokens) set() ([]string, error) {
	open, err := t.next()
	if err != nil {
		return nil, err
	}
	if open != "(" {
		return nil, fmt.Errorf("expecting a '(', got %q", open)
	}
	var values []string
	for {
		value, err := t.word("a value")
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		switch next, err := t.next(); {
		case err != nil:
			return nil, err
		case next == ")":
			return values, nil
		case next != ",":
			return nil, fmt.Errorf("expecting a ',' or ')', got %q", next)
		}
	}
}
