package report

import (
	"bytes"
	"encoding/xml"
	"math"
	"strconv"
)

// plainCase is a case that passed or was skipped, and has nothing else.
type plainCase struct {
	name, class string
	ms          float64
	skipped     string // why; empty: it passed
	file        string
	line        int
}

// appendPlainCase writes a case as the encoder does with a junitCase, but
// without its detours.
func appendPlainCase(b []byte, c *plainCase) []byte {
	b = append(b, "\t\t<testcase name=\""...)
	b = appendXML(b, c.name)
	b = append(b, `" classname="`...)
	b = appendXML(b, c.class)
	b = append(b, `" time="`...)
	b = appendSeconds(b, c.ms)
	if c.file != "" {
		b = append(b, `" file="`...)
		b = appendXML(b, c.file)
	}
	if c.line != 0 {
		b = append(b, `" line="`...)
		b = strconv.AppendInt(b, int64(c.line), 10)
	}
	if c.skipped != "" {
		b = append(b, "\">\n\t\t\t<skipped message=\""...)
		b = appendXML(b, c.skipped)
		return append(b, "\"></skipped>\n\t\t</testcase>"...)
	}
	return append(b, `"></testcase>`...)
}

// appendXML writes the value of an attribute; one with anything but plain
// ASCII goes the long way.
func appendXML(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\'' || c == '&' || c == '<' || c == '>' {
			w := bytes.NewBuffer(b)
			_ = xml.EscapeText(w, []byte(s)) // a buffer takes everything
			return w.Bytes()
		}
	}
	return append(b, s...)
}

// appendSeconds writes what seconds gives.
func appendSeconds(b []byte, ms float64) []byte {
	if !(ms > 0) || math.IsInf(ms, 1) {
		return append(b, "0.000"...)
	}
	return strconv.AppendFloat(b, ms/1000, 'f', 3, 64)
}
