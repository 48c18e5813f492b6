package assertions

import (
	"cmp"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// decimal is a number in JSON's grammar, exact and never expanded: 1e999999999
// costs no more than 1. Its value is ±0.D × 10^point, D being the digits of
// whole and then of frac, without zeros at either end; no digits are zero.
type decimal struct {
	neg         bool
	whole, frac string
	point       int64
}

// maxExponent is where exponents saturate: numbers beyond it compare by their
// sign and digits only.
const maxExponent = 1 << 60

// parseDecimal reads s, which must be a number in JSON's grammar.
func parseDecimal(s string) (decimal, bool) {
	var d decimal
	i := 0
	if i < len(s) && s[i] == '-' {
		d.neg = true
		i++
	}
	start := i
	i = digitsEnd(s, i)
	if i == start || (s[start] == '0' && i > start+1) {
		return decimal{}, false
	}
	d.whole = s[start:i]
	if i < len(s) && s[i] == '.' {
		start = i + 1
		i = digitsEnd(s, start)
		if i == start {
			return decimal{}, false
		}
		d.frac = s[start:i]
	}
	var exp int64
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		var ok bool
		if exp, ok = parseExponent(s[i+1:]); !ok {
			return decimal{}, false
		}
		i = len(s)
	}
	if i != len(s) {
		return decimal{}, false
	}
	d.normalise(exp)
	return d, true
}

func digitsEnd(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

func parseExponent(s string) (int64, bool) {
	neg := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if s == "" || digitsEnd(s, 0) != len(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > maxExponent {
		n = maxExponent
	}
	if neg {
		n = -n
	}
	return n, true
}

func (d *decimal) normalise(exp int64) {
	d.whole = strings.TrimLeft(d.whole, "0")
	d.frac = strings.TrimRight(d.frac, "0")
	d.point = int64(len(d.whole)) + exp
	if d.whole == "" {
		n := len(d.frac)
		d.frac = strings.TrimLeft(d.frac, "0")
		d.point -= int64(n - len(d.frac))
	}
	if d.frac == "" {
		d.whole = strings.TrimRight(d.whole, "0")
	}
	if d.isZero() {
		*d = decimal{}
	}
}

func (d *decimal) isZero() bool { return d.whole == "" && d.frac == "" }

func (d *decimal) digits() int { return len(d.whole) + len(d.frac) }

func (d *decimal) digit(i int) byte {
	if i < len(d.whole) {
		return d.whole[i]
	}
	if i -= len(d.whole); i < len(d.frac) {
		return d.frac[i]
	}
	return '0'
}

// isInteger reports whether the value has no fraction: 10.0 and 1e3 have none.
func (d *decimal) isInteger() bool {
	return d.isZero() || int64(d.digits()) <= d.point
}

// compare gives -1, 0 or 1.
func (d *decimal) compare(e *decimal) int {
	switch {
	case d.isZero() && e.isZero():
		return 0
	case d.isZero():
		return e.sign() * -1
	case e.isZero() || d.neg != e.neg:
		return d.sign()
	}
	return d.sign() * d.compareMagnitude(e)
}

func (d *decimal) sign() int {
	if d.neg {
		return -1
	}
	return 1
}

func (d *decimal) compareMagnitude(e *decimal) int {
	if d.point != e.point {
		if d.point < e.point {
			return -1
		}
		return 1
	}
	for i := range max(d.digits(), e.digits()) {
		if a, b := d.digit(i), e.digit(i); a != b {
			if a < b {
				return -1
			}
			return 1
		}
	}
	return 0
}

// int64 gives the value when it is an integer that fits.
func (d *decimal) int64() (int64, bool) {
	if !d.isInteger() || d.point > 18 {
		return 0, false
	}
	var n int64
	for i := range int(max(d.point, 0)) {
		n = n*10 + int64(d.digit(i)-'0')
	}
	if d.neg {
		n = -n
	}
	return n, true
}

// bound is an operand that numbers are compared with; n is its value when that
// fits.
type bound struct {
	d    decimal
	n    int64
	fits bool
}

func boundOf(d decimal) *bound {
	n, fits := d.int64()
	return &bound{d: d, n: n, fits: fits}
}

// compare gives the sign of v - b, and false when v is no number.
func (v *value) compare(b *bound) (int, bool) {
	if v.form == number && v.domain&domainNumbers != 0 && b.fits {
		return cmp.Compare(v.whole, b.n), true
	}
	d, ok := v.decimal()
	return d.compare(&b.d), ok
}

func decimalOf(n int64) decimal {
	d, _ := parseDecimal(strconv.FormatInt(n, 10))
	return d
}

// Operands that are calculated with are bounded; what is only compared is not.
const (
	maxOperandPoint  = 400
	maxOperandDigits = 400
)

// rational gives the exact value of an operand, and false when it is beyond
// what is calculated with.
func (d *decimal) rational() (*big.Rat, bool) {
	if d.point > maxOperandPoint || d.point < -maxOperandPoint || d.digits() > maxOperandDigits {
		return nil, false
	}
	r := new(big.Rat)
	if d.isZero() {
		return r, true
	}
	text := "0." + d.whole + d.frac + "e" + strconv.FormatInt(d.point, 10)
	if d.neg {
		text = "-" + text
	}
	return r.SetString(text)
}

// decimalFromRat turns a sum or product of decimals back into one.
func decimalFromRat(r *big.Rat) (decimal, bool) {
	prec, exact := r.FloatPrec()
	if !exact {
		return decimal{}, false
	}
	return parseDecimal(r.FloatString(min(prec, math.MaxInt32)))
}
