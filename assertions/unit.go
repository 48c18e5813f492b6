package assertions

import (
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads a duration with its unit, such as 500ms, 2s or 1m30s.
func parseDuration(s string, shown *display) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	// As everywhere in the language: no sign, and a bare 0 has no unit either.
	if err != nil || s[0] < '0' || s[0] > '9' || digitsEnd(s, len(s)-1) == len(s) {
		return 0, fmt.Errorf("%s is not a duration: want a number with a unit, such as 500ms, 2s or 5m", shown.quote(s))
	}
	return d, nil
}

// parseSize reads a number of bytes: a bare number, or one with a unit, in any
// case. KB is 1000 bytes, KiB is 1024.
func parseSize(s string, shown *display) (decimal, error) {
	wrong := fmt.Errorf("%s is not a size: want a number of bytes, or one with a unit such as 64KB (64000 bytes) or 64KiB (65536 bytes)", shown.quote(s))
	n := strings.TrimRight(s, "BbIiKkMmGg ")
	d, ok := parseDecimal(n)
	if !ok {
		return decimal{}, wrong
	}
	factor, ok := sizeFactor(strings.ToLower(strings.TrimSpace(s[len(n):])))
	if !ok {
		return decimal{}, wrong
	}
	r, ok := d.rational()
	if !ok {
		return decimal{}, wrong
	}
	bytes, ok := decimalFromRat(r.Mul(r, new(big.Rat).SetInt64(factor)))
	if !ok {
		return decimal{}, wrong
	}
	return bytes, nil
}

func sizeFactor(unit string) (int64, bool) {
	switch unit {
	case "", "b":
		return 1, true
	case "kb":
		return 1000, true
	case "mb":
		return 1000 * 1000, true
	case "gb":
		return 1000 * 1000 * 1000, true
	case "kib":
		return 1 << 10, true
	case "mib":
		return 1 << 20, true
	case "gib":
		return 1 << 30, true
	}
	return 0, false
}

// sapDate is the form of dates in the JSON of OData version 2: milliseconds
// since 1970, in UTC. An offset in minutes says only where it was written.
var sapDate = regexp.MustCompile(`^/Date\((-?\d{1,15})(?:[+-]\d{1,4})?\)/$`)

// parseMoment reads a point in time: RFC 3339; such a time without a zone, or
// a date alone, in UTC; or SAP's /Date(ms)/. A header may also hold a date of
// RFC 9110.
func parseMoment(s string, header bool) (time.Time, bool) {
	if m := sapDate.FindStringSubmatch(s); m != nil {
		ms, err := strconv.ParseInt(m[1], 10, 64)
		return time.UnixMilli(ms).UTC(), err == nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if header {
		if t, err := http.ParseTime(s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
