package assertions

import (
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestDecimalCompare(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"0", "-0", 0},
		{"0", "0.000e99", 0},
		{"10.10", "10.1", 0},
		{"-1.5e3", "-1500", 0},
		{"1E+2", "100", 0},
		{"0.001", "1e-3", 0},
		{"9007199254740993", "9007199254740992", 1},
		{"9007199254740993", "9007199254740993.0", 0},
		{"123456789012345678901234567890", "123456789012345678901234567891", -1},
		{"1e999999999", "1e999999998", 1},
		{"1e999999999", "10e999999998", 0},
		{"1e-999999999", "0", 1},
		{"-1e-999999999", "0", -1},
		{"0", "1e-999999999", -1},
		{"1e999999999999999999999", "1", 1},
		{"-5", "3", -1},
		{"5", "-3", 1},
		{"-5", "-3", -1},
		{"0.1", "0.09", 1},
		{"100", "99.99", 1},
		{"1.05", "1.5", -1},
	}
	for _, tt := range tests {
		a, ok := parseDecimal(tt.a)
		b, ok2 := parseDecimal(tt.b)
		if !ok || !ok2 {
			t.Fatalf("%s, %s: not read", tt.a, tt.b)
		}
		if got := a.compare(&b); got != tt.want {
			t.Errorf("%s with %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := b.compare(&a); got != -tt.want {
			t.Errorf("%s with %s: %d, want %d", tt.b, tt.a, got, -tt.want)
		}
	}
}

func TestDecimalRefuses(t *testing.T) {
	for _, s := range []string{"", "-", "01", "+1", ".5", "1.", "1e", "1e+", "0x1", "1_0", "NaN", "Infinity", " 1", "1 ", "1.2.3", "--1"} {
		if _, ok := parseDecimal(s); ok {
			t.Errorf("%q is read as a number", s)
		}
	}
}

func TestDecimalIsInteger(t *testing.T) {
	for s, want := range map[string]bool{
		"10": true, "10.0": true, "1e3": true, "1.5e1": true, "0.0": true, "10.5": false, "1e-1": false, "1.25e1": false, "1e999999999": true,
	} {
		d, _ := parseDecimal(s)
		if got := d.isInteger(); got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
}

var longExponent = regexp.MustCompile(`[eE][+-]?\d{4}`)

func FuzzDecimal(f *testing.F) {
	f.Add("10.10", "10.1")
	f.Add("-1.5e3", "1e-400")
	f.Add("9007199254740993", "0.0e5")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := parseDecimal(a)
		if ok != jsonNumber.MatchString(a) {
			t.Fatalf("%q: %v", a, ok)
		}
		y, ok2 := parseDecimal(b)
		if !ok || !ok2 {
			return
		}
		n, small := x.rational()
		m, small2 := y.rational()
		// math/big writes exponents out: it is asked only about small ones.
		if small && small2 && len(a) < 100 && !longExponent.MatchString(a) {
			if got, want := x.compare(&y), n.Cmp(m); got != want {
				t.Fatalf("%s with %s: %d, want %d", a, b, got, want)
			}
			exact, _ := new(big.Rat).SetString(a)
			if n.Cmp(exact) != 0 || x.isInteger() != exact.IsInt() {
				t.Fatalf("%s is read as %s", a, n)
			}
			if i, fits := x.int64(); fits && (!exact.IsInt() || exact.Num().Int64() != i) {
				t.Fatalf("%s is %d", a, i)
			}
		}
		if x.compare(&y) != -y.compare(&x) {
			t.Fatalf("%s and %s have no order", a, b)
		}
	})
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]string{
		"0": "0", "12": "12", "64KB": "64000", "64KiB": "65536", "1.5MB": "1500000", "2 MiB": "2097152", "1gb": "1000000000",
		"1GiB": "1073741824", "5B": "5", "1e3": "1000", "0.5KiB": "512",
	} {
		d, err := parseSize(s, nil)
		w, _ := parseDecimal(want)
		if err != nil || d.compare(&w) != 0 {
			t.Errorf("%s: %+v, %v; want %s", s, d, err, want)
		}
	}
	for _, s := range []string{"", "KB", "64K", "64KBB", "1 TB", "1,5MB", "64 K B", "abc", "1e999999999KB"} {
		if d, err := parseSize(s, nil); err == nil {
			t.Errorf("%q is read as %+v", s, d)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"500ms": 500 * time.Millisecond, "2s": 2 * time.Second, "1m30s": 90 * time.Second, "0s": 0} {
		if d, err := parseDuration(s, nil); err != nil || d != want {
			t.Errorf("%s: %v, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "0", "2", "2 s", "s", "1d", "-", "1.5", "-2s"} {
		if _, err := parseDuration(s, nil); err == nil {
			t.Errorf("%q is read", s)
		} else if !strings.Contains(err.Error(), "is not a duration") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestParseMoment(t *testing.T) {
	for s, want := range map[string]string{
		"2026-01-31T12:00:00Z":          "2026-01-31T12:00:00Z",
		"2026-01-31T12:00:00.5+02:00":   "2026-01-31T10:00:00.5Z",
		"2026-01-31T12:00:00":           "2026-01-31T12:00:00Z",
		"2026-01-31":                    "2026-01-31T00:00:00Z",
		"/Date(1769860800000)/":         "2026-01-31T12:00:00Z",
		"/Date(1769860800000+0060)/":    "2026-01-31T12:00:00Z",
		"/Date(-1000)/":                 "1969-12-31T23:59:59Z",
		"Sat, 31 Jan 2026 12:00:00 GMT": "2026-01-31T12:00:00Z",
		"/Date(999999999999999-0000)/":  "+33658-09-27T01:46:39.999Z",
	} {
		at, ok := parseMoment(s, true)
		if got := at.UTC().Format(time.RFC3339Nano); !ok || strings.TrimPrefix(want, "+") != got {
			t.Errorf("%s: %s, %v; want %s", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "now", "31.01.2026", "/Date(x)/", "/Date()/", "Date(1)", "/Date(99999999999999999999)/", "2026-13-01", "12:00"} {
		if at, ok := parseMoment(s, true); ok {
			t.Errorf("%q is %v", s, at)
		}
	}
	if _, ok := parseMoment("Sat, 31 Jan 2026 12:00:00 GMT", false); ok {
		t.Error("a date of HTTP is read outside of a header")
	}
}
