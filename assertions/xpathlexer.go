package assertions

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// xpathError says what is wrong with an expression, and where, in bytes.
type xpathError struct {
	message string
	hints   []string
	at, end int
	// unknown says that it is XPath 1.0, but of what is not known here.
	unknown bool
}

func (e *xpathError) Error() string { return e.message }

type xpathTokenKind uint8

const (
	xpathEnd xpathTokenKind = iota
	xpathSymbol
	// xpathNameToken is a QName, or p:* with the local name "*".
	xpathNameToken
	xpathNumberToken
	xpathLiteralToken
)

// xpathToken is a token of XPath 1.0, section 3.7. Whether * or a name such as
// div is an operator is the parser's to say: it knows what is due.
type xpathToken struct {
	kind    xpathTokenKind
	at, end int
	// text is the symbol, the local name, the digits, or what is in the quotes.
	text   string
	prefix string
}

func (t *xpathToken) is(symbol string) bool { return t.kind == xpathSymbol && t.text == symbol }

// isName reports whether the token is a name without a prefix.
func (t *xpathToken) isName(name string) bool {
	return t.kind == xpathNameToken && t.prefix == "" && t.text == name
}

// xpathTokens takes an expression apart; the last token is the end.
func xpathTokens(s string) ([]xpathToken, *xpathError) {
	var tokens []xpathToken
	for i := 0; ; {
		i += len(s[i:]) - len(strings.TrimLeft(s[i:], " \t\r\n"))
		if i == len(s) {
			return append(tokens, xpathToken{at: i, end: i}), nil
		}
		t, err := xpathTokenAt(s, i)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		i = t.end
	}
}

func xpathTokenAt(s string, i int) (xpathToken, *xpathError) {
	rest := s[i:]
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		end := strings.IndexByte(rest[1:], c)
		if end < 0 {
			return xpathToken{}, &xpathError{message: "the quote is not closed", at: i, end: len(s)}
		}
		return xpathToken{kind: xpathLiteralToken, at: i, end: i + end + 2, text: rest[1 : end+1]}, nil
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		n := xpathDigits(rest)
		return xpathToken{kind: xpathNumberToken, at: i, end: i + n, text: rest[:n]}, nil
	}
	for _, symbol := range []string{"::", "//", "..", "!=", "<=", ">=", "/", ".", "@", "(", ")", "[", "]", ",", "|", "+", "-", "=", "<", ">", "*", "$"} {
		if strings.HasPrefix(rest, symbol) {
			return xpathToken{kind: xpathSymbol, at: i, end: i + len(symbol), text: symbol}, nil
		}
	}
	if n := xpathNameLength(rest); n > 0 {
		return xpathQName(s, i, n), nil
	}
	r, n := utf8.DecodeRuneInString(rest)
	err := &xpathError{message: "there is " + quote(string(r)) + ", which means nothing here", at: i, end: i + n}
	switch {
	case r == ':' && i > 0 && s[i-1] == '*':
		err.message, err.hints = "*:NAME is XPath 2.0", []string{"write *[local-name()='NAME']"}
	case r == utf8.RuneError:
		err.message = "there is a byte that is not UTF-8"
	}
	return xpathToken{}, err
}

// xpathDigits gives the length of Digits ('.' Digits?)? or '.' Digits.
func xpathDigits(s string) int {
	n := digitsEnd(s, 0)
	if n < len(s) && s[n] == '.' {
		n = digitsEnd(s, n+1)
	}
	return n
}

// xpathQName reads a name of n bytes with what may follow its prefix.
func xpathQName(s string, i, n int) xpathToken {
	t := xpathToken{kind: xpathNameToken, at: i, end: i + n, text: s[i : i+n]}
	rest := s[t.end:]
	if len(rest) < 2 || rest[0] != ':' || rest[1] == ':' {
		return t
	}
	local := xpathNameLength(rest[1:])
	if rest[1] == '*' {
		local = 1
	}
	if local > 0 {
		t.prefix, t.text = t.text, rest[1:1+local]
		t.end += 1 + local
	}
	return t
}

// xpathNameLength gives the length of the NCName that s begins with.
func xpathNameLength(s string) int {
	for i, r := range s {
		if r == utf8.RuneError || !isNameRune(r, i == 0) {
			return i
		}
	}
	return len(s)
}

// isNameRune reports whether r may stand in a name without a colon
// (Namespaces in XML 1.0, NCName).
func isNameRune(r rune, first bool) bool {
	if r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) {
		return true
	}
	return !first && (r == '-' || r == '.' || r == '·' || unicode.IsDigit(r) || unicode.IsMark(r))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
