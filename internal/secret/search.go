package secret

// search looks for patterns in one text.
type search struct {
	*index
	text  string
	start int
	found []match
	// forks holds the readings already followed from start: runs of
	// backslashes can be read in very many ways that meet again.
	forks map[fork]bool
}

// fork is a state of the narrowing: these patterns match so far.
type fork struct {
	first            *pattern
	patterns, length int
	at               int
}

// from looks for the patterns that begin at byte i.
func (q *search) from(i int) {
	q.start = i
	clear(q.forks)
	for _, r := range q.plain {
		q.narrow(r, 0, i)
	}
	for _, r := range q.base64 {
		q.narrow(r, 0, i)
	}
}

// narrow follows the patterns, whose first n bytes have matched, at byte i.
func (q *search) narrow(p run, n, i int) {
	for {
		for len(p) > 0 && p[0].len() == n {
			q.add(p[0], i)
			p = p[1:]
		}
		if len(p) == 0 || i == len(q.text) {
			return
		}
		c := q.text[i]
		if q.escapes[c] {
			q.narrowEscapes(p, n, i)
		}
		p = p.with(n, c)
		n++
		i++
	}
}

// narrowEscapes follows each reading of the escape at byte i.
func (q *search) narrowEscapes(p run, n, i int) {
	var buffer [8]reading
	for _, r := range readings(buffer[:0], q.text, i, layers)[1:] {
		next, m := p, n
		for _, c := range r.bytes[:r.n] {
			for len(next) > 0 && next[0].len() == m {
				next = next[1:]
			}
			next = next.with(m, c)
			m++
		}
		if len(next) == 0 {
			continue
		}
		f := fork{&next[0], len(next), m, r.next}
		if q.forks[f] {
			continue
		}
		if q.forks == nil {
			q.forks = map[fork]bool{}
		}
		q.forks[f] = true
		q.narrow(next, m, r.next)
	}
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
	if p.partialEnd() {
		end = digitAfter(q.text, end)
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
