package secret

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// The limits of what is registered, in characters.
const (
	// MinLength is the shortest value that is a secret to a [Redactor]:
	// masking shorter ones would damage text everywhere and hide nothing.
	MinLength = 4
	// MinPart is the shortest part of a token, and the shortest line of a
	// secret of several lines, that is masked on its own.
	MinPart = 8
)

// Redactor replaces every secret it knows by "***(name)". All methods are
// safe for concurrent use; what is added is masked in every call that begins
// after Add has returned. The zero Redactor is ready and knows nothing.
//
// A nil *Redactor is switched off: it lets every secret pass and ignores what
// is added. That is for the tests that prove that nothing but the redactor
// hides a secret.
//
// A secret is found as it is and in the encodings of [Encodings], also where
// these are mixed or lie in up to three layers (JSON in a JSON string,
// percent-encoded base64); in text in UTF-16, ISO-8859-1 and Windows-1252; and
// in XML that splits it by comments, processing instructions or CDATA sections.
// It is not found where it was hashed, compressed, encrypted, cut into other
// pieces, or put into base64 twice.
type Redactor struct {
	mu   sync.Mutex // held by writers; readers load the index
	seen map[string]bool
	last string // the value that was copied last
	idx  atomic.Pointer[index]
	// wide is the index of values in UTF-16, but for those that are in narrow
	// yet: few runs come across such text.
	wide   *index
	narrow []*entry
}

// NewRedactor gives a redactor that knows nothing yet.
func NewRedactor() *Redactor { return &Redactor{} }

// Add registers a secret. Values shorter than [MinLength] characters, and
// those of blanks alone, are ignored; a value that is known keeps its first
// name. Blanks around the value may be missing in the text, and each line of
// at least [MinPart] characters of a value of several lines is masked on its
// own too, but for the first and last lines of PEM.
func (r *Redactor) Add(name, value string) {
	trimmed := strings.TrimSpace(value)
	if r == nil || trimmed == "" {
		return
	}
	r.add(name, value, trimmed)
	if strings.ContainsAny(value, "\r\n") {
		r.add(name, longParts(strings.FieldsFunc(value, isLineEnd), isArmor)...)
	}
}

// AddToken registers a token, and each of its parts between dots that has at
// least [MinPart] characters: the parts of a JWT give its claims away, and
// the last makes any other token valid.
func (r *Redactor) AddToken(name, token string) {
	if r == nil {
		return
	}
	token = strings.TrimSpace(token)
	r.Add(name, token)
	if strings.Contains(token, ".") {
		r.add(name, longParts(strings.Split(token, "."), nil)...)
	}
}

// longParts gives the parts that are long enough to be secrets of their own,
// without blanks around them and without those that skip holds for.
func longParts(parts []string, skip func(string) bool) []string {
	var long []string
	for _, p := range parts {
		p = strings.TrimSpace(p)
		if utf8.RuneCountInString(p) >= MinPart && (skip == nil || !skip(p)) {
			long = append(long, p)
		}
	}
	return long
}

func isLineEnd(c rune) bool { return c == '\n' || c == '\r' }

// isArmor reports whether a line is the first or last one of a PEM block:
// the same in every key, so no secret.
func isArmor(line string) bool {
	return strings.HasSuffix(line, "-----") &&
		(strings.HasPrefix(line, "-----BEGIN ") || strings.HasPrefix(line, "-----END "))
}

func (r *Redactor) add(name string, values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var plain, coded []*entry
	for _, v := range values {
		if utf8.RuneCountInString(v) < MinLength || r.seen[v] {
			continue
		}
		if r.seen == nil {
			r.seen = map[string]bool{}
		}
		v = r.own(v)
		r.seen[v] = true
		e := &entry{name: name, value: v}
		plain, coded = append(plain, e), append(coded, e)
		if strings.ContainsFunc(v, func(c rune) bool { return c <= 0xff }) {
			r.narrow = append(r.narrow, e)
		} else { // no zero byte tells that there is UTF-16
			plain = append(plain, e.inUTF16()...)
		}
		for _, w := range [...]string{strings.Map(inJSON, v), strings.Map(inXML, v)} {
			if w != v {
				plain = append(plain, &entry{name: name, value: w})
			}
		}
		if w, ok := inOneByte(v); ok {
			plain, coded = append(plain, &entry{name: name, value: w}), append(coded, &entry{name: name, value: w})
			if shown := strings.Map(inJSON, w); visible(shown) {
				plain = append(plain, &entry{name: name, value: shown})
			}
		}
		for _, w := range beforeBase64(v) {
			coded = append(coded, &entry{name: name, value: w})
		}
	}
	if len(plain) > 0 {
		r.idx.Store(r.idx.Load().with(name, plain, coded))
	}
}

// own gives a copy of v, so that the document it was cut out of can go; a part
// of the value that was copied last shares its bytes.
func (r *Redactor) own(v string) string {
	if i := strings.Index(r.last, v); i >= 0 {
		return r.last[i : i+len(v)]
	}
	r.last = strings.Clone(v)
	return r.last
}

// inJSON gives the character that encoding/json writes for c: strings.Map
// hands it U+FFFD for a byte that is not UTF-8, and so does encoding/json.
func inJSON(c rune) rune { return c }

// inXML gives the character that encoding/xml writes for c: U+FFFD for what
// XML 1.0 section 2.2 has no way to write.
func inXML(c rune) rune {
	if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c&0xfffe == 0xfffe {
		return utf8.RuneError
	}
	return c
}

// beforeBase64 gives the forms that a value takes on its way into base64,
// other than itself: RFC 6749 section 2.3.1 has a client percent-encode ID
// and secret before it joins them for Basic, and whole JSON documents are put
// into base64.
func beforeBase64(v string) []string {
	var forms []string
	for _, w := range []string{url.QueryEscape(v), quoteJSON(v, true), quoteJSON(v, false)} {
		if w != v && !slices.Contains(forms, w) {
			forms = append(forms, w)
		}
	}
	return forms
}

// String gives s with every secret replaced by "***(name)". Of secrets that
// contain one another the longest is named; where they overlap, each is. The
// names that are put in are not searched again, not by a second call either.
func (r *Redactor) String(s string) string {
	found := r.find(s)
	if len(found) == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	end, last := 0, ""
	for _, m := range found {
		switch {
		case m.end <= end: // inside a longer one
			continue
		case m.start >= end:
			b.WriteString(s[end:m.start])
			b.WriteString(Mask(m.name))
		case m.name != last:
			b.WriteString(Mask(m.name))
		}
		end, last = m.end, m.name
	}
	b.WriteString(s[end:])
	return b.String()
}

// Contains reports whether [Redactor.String] would change s.
func (r *Redactor) Contains(s string) bool { return len(r.find(s)) > 0 }

// Text gives s redacted, then made [Harmless]: what every foreign text passes
// before it is shown.
func (r *Redactor) Text(s string) string { return Harmless(r.String(s)) }

// find gives the secrets in s by their start, a longer one before those that
// start with it.
func (r *Redactor) find(s string) []match {
	if r == nil {
		return nil
	}
	found := r.all(s)
	slices.SortFunc(found, compareMatches)
	return found
}
