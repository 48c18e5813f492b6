package secret

import "strings"

// search looks for patterns in one text.
type search struct {
	*index
	text  string
	start int
	found []match
	// forks holds the escapes already read, once there are many: runs of
	// backslashes can be read in ways that meet again. What was followed from
	// an earlier start need not be followed from a later one: it would end at
	// the same places, and a longer match covers a shorter one.
	forks  map[fork]bool
	forked int
	cache  [4]struct {
		known bool
		at    int
		readings
	}
}

// readings gives the readings of the character at byte i.
func (q *search) readings(i int) readings {
	c := &q.cache[i%len(q.cache)]
	if c.known && c.at == i {
		return c.readings
	}
	c.known, c.at = true, i
	before := &q.cache[(i+len(q.cache)-1)%len(q.cache)]
	if before.known && before.at == i-1 && strings.HasPrefix(q.text[i-1:], manyBackslashes) {
		c.readings = before.readings // the same, one byte on
		for k := range c.n {
			c.all[k].next++
		}
		return c.readings
	}
	c.read(q.text, i, layers)
	return c.readings
}

// manyBackslashes are more than one reading takes.
const manyBackslashes = `\\\\\\\\\\\\\\\\\\\\\\`

// mayBegin asks the filter whether a pattern may begin with the k bytes in w
// followed by a reading of the text at byte i.
func (q *search) mayBegin(i, k int, w uint32) bool {
	for ; k < window; k++ {
		if k == 1 && !q.filter.first[w].Load() || k == 2 && !q.filter.pair(byte(w), byte(w>>8)) || i >= len(q.text) {
			return false
		}
		c := q.text[i]
		if q.escapes[c] && worthReading(q.text, i) {
			return q.mayBeginEscaped(i, k, w)
		}
		w |= uint32(c) << (8 * k)
		i++
	}
	return q.filter.four(w)
}

func (q *search) mayBeginEscaped(i, k int, w uint32) bool {
	rs := q.readings(i)
	for _, r := range rs.list() {
		if k > 0 && isLineEnd(rune(r.bytes[0])) && q.mayBegin(r.next, k, w) {
			return true
		}
		v, n := w, k
		for _, c := range r.bytes[:min(int(r.n), window-k)] {
			v |= uint32(c) << (8 * n)
			n++
		}
		if q.mayBegin(r.next, n, v) {
			return true
		}
	}
	return false
}

// fork is a state of the narrowing in front of an escape: so much of these
// patterns has matched.
type fork struct {
	first            *pattern
	patterns, length int
	at               int
	layers           backslashes
}

// backslashes is how many layers of backslash escapes the backslashes of a
// secret stand in: the same for all of them, once one was read.
type backslashes int8

const anyLayers backslashes = -1

// after gives the layers when r is read next, and whether they agree.
func (l backslashes) after(r reading) (backslashes, bool) {
	if !r.is('\\') {
		return l, true
	}
	return backslashes(r.backslashes), l == anyLayers || l == backslashes(r.backslashes)
}

// manyForks is how many escapes are read before they are remembered,
// and maxForks how many are remembered before all are forgotten.
const (
	manyForks = 64
	maxForks  = 1 << 16
)

// from looks for the patterns that begin at byte i.
func (q *search) from(i int) {
	q.start = i
	rs := readings{n: 1}
	rs.all[0] = readByte(q.text[i], i+1)
	if q.escapes[q.text[i]] {
		rs = q.readings(i)
	}
	for _, r := range rs.list() {
		if !q.filter.first[r.bytes[0]].Load() {
			continue
		}
		for _, p := range q.plain {
			q.follow(p, 0, r, anyLayers)
		}
		for _, p := range q.base64 {
			q.follow(p, 0, r, anyLayers)
		}
	}
}

// narrow follows the patterns, whose first n bytes have matched, at byte i.
func (q *search) narrow(p run, n, i int, l backslashes) {
	for {
		for len(p) > 0 && p[0].len() == n {
			q.add(p[0], i)
			p = p[1:]
		}
		if len(p) == 0 || i == len(q.text) {
			return
		}
		c := q.text[i]
		if q.escapes[c] && mayEscape(q.text, i) {
			if q.followed(fork{&p[0], len(p), n, i, l}) {
				return
			}
			rs := q.readings(i)
			for _, r := range rs.list()[1:] {
				q.follow(p, n, r, l)
			}
			var agree bool
			if l, agree = l.after(rs.all[0]); !agree {
				return
			}
		}
		i++
		if p[0].breaks(n, c) {
			continue
		}
		p = p.with(n, c)
		n++
	}
}

// follow goes on with the patterns whose next bytes are those of a reading.
func (q *search) follow(p run, n int, r reading, l backslashes) {
	l, agree := l.after(r)
	if !agree {
		return
	}
	for _, c := range r.bytes[:r.n] {
		for len(p) > 0 && p[0].len() == n {
			p = p[1:]
		}
		if len(p) == 0 {
			return
		}
		if p[0].breaks(n, c) {
			continue
		}
		p = p.with(n, c)
		n++
	}
	if len(p) > 0 {
		q.narrow(p, n, r.next, l)
	}
}

// followed reports whether this fork was met before, and notes it.
func (q *search) followed(f fork) bool {
	if q.forked++; q.forked < manyForks {
		return false
	}
	if q.forks[f] {
		return true
	}
	if q.forks == nil || len(q.forks) == maxForks {
		q.forks = map[fork]bool{}
	}
	q.forks[f] = true
	return false
}

// breaks reports whether c is a line break inside base64, as base64(1) and
// MIME put one after every 76 digits.
func (p pattern) breaks(n int, c byte) bool {
	return p.form != plain && n > 0 && (c == '\n' || c == '\r')
}

// with gives the patterns whose byte n is c. All of them are longer than n.
func (p run) with(n int, c byte) run {
	if len(p) == 0 {
		return nil
	}
	if p[0].form != plain {
		if c = sextets[c]; c == noDigit {
			return nil
		}
	}
	if len(p) == 1 {
		if p[0].at(n) != c {
			return nil
		}
		return p
	}
	return p[p.below(n, int(c)):p.below(n, int(c)+1)]
}

// below counts the patterns whose byte n is less than c.
func (p run) below(n, c int) int {
	lo, hi := 0, len(p)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); int(p[mid].at(n)) < c {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// add notes that p ends before byte end. Around the digits of base64 that are
// the secret's own stand those it shares with its neighbours.
func (q *search) add(p pattern, end int) {
	start := q.start
	if p.form == base64After1 || p.form == base64After2 {
		start = digitBefore(q.text, start)
	}
	if p.form != plain {
		if p.partialEnd() {
			end = digitAfter(q.text, end)
		}
		end = paddingAfter(q.text, end)
	}
	for k := len(q.found) - 1; k >= 0 && k >= len(q.found)-2; k-- {
		m := &q.found[k]
		if m.entry == p.entry && start <= m.end && end >= m.start {
			m.start, m.end = min(m.start, start), max(m.end, end)
			return
		}
	}
	q.found = append(q.found, match{start, end, p.entry})
}

func digitBefore(s string, i int) int {
	switch {
	case i >= 3 && s[i-3] == '%' && hexDigit(s[i-2]) >= 0 && hexDigit(s[i-1]) >= 0:
		return i - 3
	case i >= 1 && sextets[s[i-1]] != noDigit:
		return i - 1
	default:
		return i
	}
}

func digitAfter(s string, i int) int {
	switch {
	case i+3 <= len(s) && s[i] == '%' && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
		return i + 3
	case i < len(s) && sextets[s[i]] != noDigit:
		return i + 1
	default:
		return i
	}
}

// paddingAfter gives the end of what fills base64 up to four digits.
func paddingAfter(s string, i int) int {
	for range 2 {
		switch {
		case strings.HasPrefix(s[i:], "="):
			i++
		case strings.HasPrefix(s[i:], "%3D"), strings.HasPrefix(s[i:], "%3d"):
			i += len("%3D")
		}
	}
	return i
}

const (
	stdDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	urlDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	noDigit   = 255
)

// sextets gives the value of each base64 digit, in either alphabet. It is
// never written to.
var sextets = func() (t [256]byte) {
	for i := range t {
		t[i] = noDigit
	}
	for i := range 64 {
		t[stdDigits[i]], t[urlDigits[i]] = byte(i), byte(i)
	}
	return t
}()
