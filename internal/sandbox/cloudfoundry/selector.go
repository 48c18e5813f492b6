package cloudfoundry

import (
	"fmt"
	"regexp"
	"slices"
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

// token is a piece of a selector: a word, or one of , ( ) = == != !.
var token = regexp.MustCompile(`^(?:\s+|,|\(|\)|==?|!=|!|[-_.A-Za-z0-9]+(?:/[-_.A-Za-z0-9]+)?)`)

// word is what a key or a value is.
var word = regexp.MustCompile(`^[-_.A-Za-z0-9]`)

// tokens reads a selector one token after the other.
type tokens struct {
	text string
	at   int
}

// next gives the next token that is not blank; "" at the end.
func (t *tokens) next() (string, error) {
	for t.at < len(t.text) {
		found := token.FindString(t.text[t.at:])
		if found == "" {
			return "", fmt.Errorf("disallowed character(s), got %q", t.text[:t.at]+"<<"+t.text[t.at:]+">>")
		}
		t.at += len(found)
		if found[0] != ' ' && found[0] != '\t' && found[0] != '\n' && found[0] != '\r' && found[0] != '\f' && found[0] != '\v' {
			return found, nil
		}
	}
	return "", nil
}

// word gives the next token, which must be a word.
func (t *tokens) word(what string) (string, error) {
	found, err := t.next()
	if err == nil && !word.MatchString(found) {
		err = fmt.Errorf("expecting %s, got %q", what, found)
	}
	return found, err
}

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
	if !word.MatchString(first) {
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
