package runner

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// tagExpression is a compiled --tags expression; nil selects everything.
type tagExpression func(tags []string) bool

// parseTags compiles an expression of tags with !, &&, || and parentheses; a
// comma is ||. An empty expression selects everything.
func parseTags(s string) (tagExpression, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	p := &tagParser{tokens: tagToken.FindAllString(s, -1)}
	if rest := strings.Join(strings.Fields(tagToken.ReplaceAllString(s, " ")), " "); rest != "" {
		return nil, fmt.Errorf("--tags %q: %q is neither a tag nor one of ! && || ( )", s, rest)
	}
	e, err := p.or()
	if err == nil && p.at < len(p.tokens) {
		err = fmt.Errorf("%q stands where && or || is wanted", p.tokens[p.at])
	}
	if err != nil {
		return nil, fmt.Errorf("--tags %q: %w", s, err)
	}
	return e, nil
}

var tagToken = regexp.MustCompile(`&&|\|\||[!(),]|[\pL\pN_.:/@-]+`)

type tagParser struct {
	tokens []string
	at     int
}

func (p *tagParser) accept(tokens ...string) bool {
	if p.at < len(p.tokens) && slices.Contains(tokens, p.tokens[p.at]) {
		p.at++
		return true
	}
	return false
}

func (p *tagParser) or() (tagExpression, error) {
	left, err := p.and()
	for err == nil && p.accept("||", ",") {
		a := left
		var b tagExpression
		b, err = p.and()
		left = func(tags []string) bool { return a(tags) || b(tags) }
	}
	return left, err
}

func (p *tagParser) and() (tagExpression, error) {
	left, err := p.not()
	for err == nil && p.accept("&&") {
		a := left
		var b tagExpression
		b, err = p.not()
		left = func(tags []string) bool { return a(tags) && b(tags) }
	}
	return left, err
}

func (p *tagParser) not() (tagExpression, error) {
	switch {
	case p.accept("!"):
		e, err := p.not()
		return func(tags []string) bool { return !e(tags) }, err
	case p.accept("("):
		e, err := p.or()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("a ( is not closed")
		}
		return e, err
	case p.at == len(p.tokens):
		return nil, fmt.Errorf("a tag is wanted at the end")
	}
	tag := p.tokens[p.at]
	if strings.ContainsAny(tag, "&|!(),") {
		return nil, fmt.Errorf("a tag is wanted before %q", tag)
	}
	p.at++
	return func(tags []string) bool { return slices.Contains(tags, tag) }, nil
}
