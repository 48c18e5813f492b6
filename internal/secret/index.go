package secret

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// How secrets are found. A pass over the text hashes the four bytes at each
// place and asks a filter whether any secret can begin there; nearly always
// none can, and that is all the work. Otherwise the sorted list of secrets is
// narrowed down byte by byte, as one looks a word up in a dictionary.
//
// Encodings that write a character in several ways (percent, JSON, XML, Go)
// are not listed but read: where an escape may begin, the narrowing goes on
// with each of its readings, so that any mixture of them is found. Base64 has
// no escapes but three alignments; the digits that depend on the secret alone
// are computed from it when they are compared. So a secret costs its own
// bytes and some 64 more, and adding one is cheap.

// entry is one registered value.
type entry struct{ name, value string }

// form says how a pattern is made from its entry.
type form uint8

// The forms. In base64 the number is that of the bytes, modulo 3, which stand
// before the value in what was encoded.
const (
	plain form = iota
	base64After0
	base64After1
	base64After2
)

// pattern is what is searched for: a value, or the base64 digits that the
// value alone determines.
type pattern struct {
	*entry
	form form
}

// skippedBits is how many bits of the value share a digit with the byte
// before it.
func (p pattern) skippedBits() int {
	switch p.form {
	case base64After1:
		return 4
	case base64After2:
		return 2
	default:
		return 0
	}
}

// len gives the number of bytes or digits.
func (p pattern) len() int {
	if p.form == plain {
		return len(p.value)
	}
	return (8*len(p.value) - p.skippedBits()) / 6
}

// at gives byte k, or the value (0 to 63) of digit k.
func (p pattern) at(k int) byte {
	if p.form == plain {
		return p.value[k]
	}
	bit := p.skippedBits() + 6*k
	two := uint16(p.value[bit/8]) << 8
	if next := bit/8 + 1; next < len(p.value) {
		two |= uint16(p.value[next])
	}
	return byte(two>>(10-bit%8)) & 63
}

// partialEnd reports whether the last bits of the value share a digit with
// what follows it.
func (p pattern) partialEnd() bool {
	return p.form != plain && (8*len(p.value)-p.skippedBits())%6 != 0
}

// comparePatterns orders by bytes or digits, a pattern before those that it
// begins.
func comparePatterns(p, q pattern) int {
	if p.form == plain && q.form == plain {
		return strings.Compare(p.value, q.value)
	}
	k := 0
	if p.form == q.form { // tokens share long beginnings: step over them
		same := 0
		for same < len(p.value) && same < len(q.value) && p.value[same] == q.value[same] {
			same++
		}
		k = max(0, (8*same-p.skippedBits())/6)
	}
	n := min(p.len(), q.len())
	for ; k < n; k++ {
		if c := cmp.Compare(p.at(k), q.at(k)); c != 0 {
			return c
		}
	}
	return cmp.Compare(p.len(), q.len())
}

// index is everything that is searched for. It is immutable but for its
// filter, in which bits are only ever set.
type index struct {
	plain, base64 []run
	filter        *filter
	escapes       [256]bool // bytes that may begin an escape, or break base64 into lines
	names         map[string]bool
	longestName   int
}

// run is a sorted list of patterns.
type run []pattern

// with gives an index that has these entries too. The receiver may be nil.
func (x *index) with(name string, values, coded []*entry) *index {
	y := &index{}
	if x != nil {
		*y = *x
	}
	if !y.names[name] {
		y.names = maps.Clone(y.names)
		if y.names == nil {
			y.names = map[string]bool{}
		}
		y.names[name] = true
		y.longestName = max(y.longestName, len(name))
	}
	// Always looked at; the others only if a secret holds what they stand for.
	for _, c := range []byte("%\\&\r\n") {
		y.escapes[c] = true
	}
	var p, b run
	for _, e := range values {
		p = append(p, pattern{e, plain})
		y.escapes['+'] = y.escapes['+'] || strings.Contains(e.value, " ")
		y.escapes['"'] = y.escapes['"'] || strings.Contains(e.value, `"`)
		y.escapes['\''] = y.escapes['\''] || strings.Contains(e.value, "'")
	}
	for _, e := range coded {
		b = append(b, pattern{e, base64After0}, pattern{e, base64After1}, pattern{e, base64After2})
	}
	slices.SortFunc(p, comparePatterns)
	slices.SortFunc(b, comparePatterns)
	y.plain, y.base64 = insert(y.plain, p), insert(y.base64, b)
	y.fill(p, b)
	return y
}

// fill enters new patterns into the filter, or makes a larger one for all.
func (x *index) fill(added ...run) {
	n := 0
	for _, r := range slices.Concat(x.plain, x.base64) {
		n += len(r)
	}
	if x.filter == nil || x.filter.capacity < n {
		x.filter = newFilter(2 * n)
		added = slices.Concat(x.plain, x.base64)
	}
	for _, r := range added {
		for _, p := range r {
			x.filter.add(p)
		}
	}
}

// insert adds a run to runs whose lengths fall by half at least, so that
// there are few of them and each pattern is moved few times.
func insert(runs []run, r run) []run {
	if len(r) == 0 {
		return runs
	}
	n := len(runs)
	for n > 0 && len(runs[n-1]) < 2*len(r) {
		r = merge(runs[n-1], r)
		n--
	}
	return append(slices.Clone(runs[:n]), r)
}

func merge(a, b run) run {
	m := make(run, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if comparePatterns(a[0], b[0]) <= 0 {
			m, a = append(m, a[0]), a[1:]
		} else {
			m, b = append(m, b[0]), b[1:]
		}
	}
	return append(append(m, a...), b...)
}

// filter says where no pattern can begin. It is a set of hashes: it may say
// "perhaps" wrongly, never "no".
type filter struct {
	capacity int             // patterns it is meant for
	shift    uint            // of the hash
	fours    []atomic.Uint64 // bits: hashes of the first four bytes
	pairs    []atomic.Uint64 // bits: the first two bytes
	first    [256]atomic.Bool
}

// window is how many bytes the filter looks at: no pattern is shorter.
const window = 4

func newFilter(patterns int) *filter {
	bits := uint(16) // 8 KiB
	for 1<<bits < 16*patterns {
		bits++
	}
	return &filter{
		capacity: 1 << bits / 16,
		shift:    32 - bits,
		fours:    make([]atomic.Uint64, 1<<(bits-6)),
		pairs:    make([]atomic.Uint64, 1<<(16-6)),
	}
}

func (f *filter) add(p pattern) {
	f.addText(p, 0, 0)
}

// addText enters each text that the first bytes of p can be: a digit of
// base64 may stand for itself in two alphabets.
func (f *filter) addText(p pattern, k int, four uint32) {
	if k == window {
		for _, h := range [...]uint32{hash(four) >> f.shift, rehash(four) >> f.shift} {
			f.fours[h/64].Or(1 << (h % 64))
		}
		pair := four & 0xffff
		f.pairs[pair/64].Or(1 << (pair % 64))
		f.first[four&0xff].Store(true)
		return
	}
	if p.form == plain {
		f.addText(p, k+1, four|uint32(p.value[k])<<(8*k))
		return
	}
	digit := p.at(k)
	f.addText(p, k+1, four|uint32(stdDigits[digit])<<(8*k))
	if stdDigits[digit] != urlDigits[digit] {
		f.addText(p, k+1, four|uint32(urlDigits[digit])<<(8*k))
	}
}

// Two hashes whose upper bits depend on every bit of the four bytes.
func hash(four uint32) uint32   { return four * 0x9e3779b1 }
func rehash(four uint32) uint32 { return (four ^ four>>15) * 0x85ebca77 }

// four reports whether a pattern may begin with these bytes.
func (f *filter) four(w uint32) bool {
	h := hash(w) >> f.shift
	if f.fours[h/64].Load()>>(h%64)&1 == 0 {
		return false
	}
	h = rehash(w) >> f.shift
	return f.fours[h/64].Load()>>(h%64)&1 != 0
}

// pair reports whether a pattern may begin with these bytes.
func (f *filter) pair(a, b byte) bool {
	p := uint32(a) | uint32(b)<<8
	return f.pairs[p/64].Load()>>(p%64)&1 != 0
}

// match is a place in the text that holds a secret.
type match struct {
	start, end int
	*entry
}

func compareMatches(m, n match) int {
	return cmp.Or(
		cmp.Compare(m.start, n.start),
		cmp.Compare(n.end, m.end),
		cmp.Compare(len(n.value), len(m.value)),
		cmp.Compare(m.name, n.name),
	)
}

// find gives every match in s, in no order.
func (x *index) find(s string) []match {
	if len(s) < window {
		return nil
	}
	f, escapes := x.filter, &x.escapes
	q := search{index: x, text: s}
	escape := -1 // where the last escape in sight begins
	var w uint32
	for i := range window - 1 {
		w = w>>8 | uint32(s[i])<<24
		if escapes[s[i]] && worthReading(s, i) {
			escape = i
		}
	}
	for i := 0; i+window <= len(s); i++ {
		c := s[i+window-1]
		w = w>>8 | uint32(c)<<24
		if escapes[c] && worthReading(s, i+window-1) {
			escape = i + window - 1
		}
		if i > escape {
			if !f.four(w) {
				continue
			}
		} else if !q.mayBegin(i, 0, 0) {
			continue
		}
		q.from(i)
	}
	return q.found
}

// worthReading reports whether the byte at i, which may begin an escape or
// break a line of base64, may really do so.
func worthReading(s string, i int) bool {
	if c := s[i]; c != '\n' && c != '\r' {
		return mayEscape(s, i)
	}
	return i > 0 && i+1 < len(s) &&
		(sextets[s[i-1]] != noDigit || s[i-1] == '\r') && (sextets[s[i+1]] != noDigit || s[i+1] == '\n')
}

// insideMask reports whether a match lies in a "***(name)" that a redactor
// has written: a secret such as "sender" must not damage the name of another.
func (x *index) insideMask(s string, m match) bool {
	const open = "***("
	from := max(0, m.start-len(open)-x.longestName)
	begin := strings.LastIndex(s[from:min(len(s), m.start+len(open))], open)
	if begin < 0 {
		return false
	}
	begin += from
	rest := s[begin+len(open):]
	for name := range x.names {
		if strings.HasPrefix(rest, name) && strings.HasPrefix(rest[len(name):], ")") {
			if end := begin + len(open) + len(name) + 1; begin <= m.start && m.end <= end {
				return true
			}
		}
	}
	return false
}
