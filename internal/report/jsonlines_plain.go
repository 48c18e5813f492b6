package report

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"iflowtest/runner"
)

// appendPlain writes an event of what begins or passes, which most events are, as encoding/json does but without its detours. ok is false for
// any other event.
func appendPlain(b []byte, e *runner.Event) (line []byte, ok bool) {
	if e.Failures != nil || e.Err != nil || e.Info != nil || e.Summary != nil || !plainExchange(e.Exchange) {
		return b, false
	}
	b = append(b, `{"event":`...)
	b = appendText(b, e.Event)
	b = append(b, `,"time":"`...)
	b = appendTime(b, e.Time)
	b = append(b, `","run":`...)
	b = appendText(b, e.Run)
	b = appendTextField(b, "scenario", e.Scenario)
	b = appendIntField(b, "scenarioId", e.ScenarioID)
	b = appendTextField(b, "document", e.Document)
	b = appendTextField(b, "row", e.Row)
	b = appendIntField(b, "rowIndex", e.RowIndex)
	b = appendIntField(b, "rows", e.Rows)
	b = appendTextField(b, "step", e.Step)
	b = appendIntField(b, "index", e.Index)
	b = appendTrueField(b, "cleanup", e.Cleanup)
	b = appendTextField(b, "kind", e.Kind)
	b = appendTextField(b, "file", e.File)
	b = appendTextField(b, "below", e.Below)
	b = appendIntField(b, "line", e.Line)
	b = appendIntField(b, "column", e.Column)
	b = appendTextField(b, "outcome", string(e.Outcome))
	b = appendTrueField(b, "flaky", e.Flaky)
	b = appendTextField(b, "reason", e.Reason)
	if e.DurationMs != 0 {
		b = appendNumber(append(b, `,"durationMs":`...), e.DurationMs)
	}
	b = appendIntField(b, "attempts", e.Attempts)
	if x := e.Exchange; x != nil {
		b = append(b, `,"exchange":{"method":`...)
		b = appendText(b, x.Method)
		b = append(b, `,"url":`...)
		b = appendText(b, x.URL)
		b = appendIntField(b, "status", x.Status)
		b = appendTextField(b, "messageId", x.MessageID)
		if t := x.Timings; t != nil {
			b = appendNumber(append(b, `,"timings":{"dns":`...), t.DNS)
			b = appendNumber(append(b, `,"connect":`...), t.Connect)
			b = appendNumber(append(b, `,"tls":`...), t.TLS)
			b = appendNumber(append(b, `,"wait":`...), t.Wait)
			b = appendNumber(append(b, `,"body":`...), t.Body)
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	for i, tag := range e.Tags {
		if i == 0 {
			b = append(b, `,"tags":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(b, tag)
	}
	if len(e.Tags) > 0 {
		b = append(b, ']')
	}
	return append(b, "}\n"...), true
}

// plainExchange reports whether the exchange is that of a step that passed.
func plainExchange(x *runner.Exchange) bool {
	return x == nil || x.RequestHeaders == nil && x.Headers == nil && x.RequestBody == "" && x.Body == "" &&
		x.RequestBodySize == 0 && x.BodySize == 0 && x.Curl == ""
}

func appendTextField(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	return appendText(append(b, `":`...), s)
}

func appendIntField(b []byte, name string, n int) []byte {
	if n == 0 {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	return strconv.AppendInt(append(b, `":`...), int64(n), 10)
}

func appendTrueField(b []byte, name string, yes bool) []byte {
	if !yes {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	return append(b, `":true`...)
}

// appendTime writes a time in UTC as encoding/json does.
func appendTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year < 0 || year > 9999 || t.Location() != time.UTC {
		return t.AppendFormat(b, time.RFC3339Nano)
	}
	hour, minute, second := t.Clock()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	if n := t.Nanosecond(); n != 0 {
		b = withoutZeros(appendDigits(append(b, '.'), n, 9))
	}
	return append(b, 'Z')
}

// appendDigits writes n, which is not negative, with so many digits.
func appendDigits(b []byte, n, digits int) []byte {
	for range digits {
		b = append(b, '0')
	}
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// withoutZeros takes the zeros off the end.
func withoutZeros(b []byte) []byte {
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// appendNumber writes a number as encoding/json does. Durations are whole
// microseconds, which is quick: no two decimals of up to 15 digits are the same
// float64, so the shortest that is read as f is the one it was made of.
func appendNumber(b []byte, f float64) []byte {
	if f >= 0 && f < 1e11 {
		if n := int64(f*1000 + 0.5); float64(n)/1000 == f && !(n == 0 && math.Signbit(f)) {
			b = strconv.AppendInt(b, n/1000, 10)
			if n %= 1000; n != 0 {
				b = withoutZeros(appendDigits(append(b, '.'), int(n), 3))
			}
			return b
		}
	}
	if abs := math.Abs(f); f == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	long, _ := json.Marshal(f) // NaN, which no duration is, has no JSON
	return append(b, long...)
}

// appendText writes a string; one with anything but plain ASCII goes the long
// way.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return append(b, quoted(s)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// quoted writes any string as encoding/json does without HTML escapes.
func quoted(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can always be encoded
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
