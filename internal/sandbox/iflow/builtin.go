package iflow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"iflowtest/internal/sandbox/messagelog"
	"iflowtest/internal/sandbox/subaccount"
)

// AsyncTime is how long AsyncImport goes on after its answer.
const AsyncTime = 2 * time.Second

// builtIn gives the flows that are deployed at the start.
func (rt *Runtime) builtIn() []Flow {
	role := subaccount.DefaultRole
	return []Flow{
		{ID: "Echo", Endpoint: "/http/echo", Role: role, Process: echo},
		{ID: "OrderIntake", Endpoint: "/http/orders", Role: role, Methods: []string{http.MethodPost}, Process: rt.orderJSON},
		{ID: "OrderIntakeXml", Endpoint: "/http/orders-xml", Role: role, Methods: []string{http.MethodPost}, Process: rt.orderXML},
		{ID: "TemperatureSoap", Endpoint: "/cxf/temperature", Role: role, Methods: []string{http.MethodGet, http.MethodPost}, Process: temperature},
		{ID: "AsyncImport", Endpoint: "/http/import", Role: role, Methods: []string{http.MethodPost}, Process: asyncImport},
		{ID: "Broken", Endpoint: "/http/broken", Role: role, Process: broken},
		{ID: "Slow", Endpoint: "/http/slow", Role: role, Process: slow},
		{ID: "Large", Endpoint: "/http/large", Role: role, Process: large},
		{ID: "Restricted", Endpoint: "/http/restricted", Role: "Orders.approve", Process: restricted},
		{ID: "CsrfProtected", Endpoint: "/http/csrf", Role: role, CSRF: true, Process: csrfProtected},
	}
}

// PassThrough gives a flow without a step, for an artifact the sandbox does not
// run: the answer is the message. Its Endpoint and Role are the caller's to set.
func PassThrough(id string) Flow { return Flow{ID: id, Process: passThrough} }

func passThrough(_ context.Context, m *Message) Answer {
	a := Answer{Body: m.Body}
	if len(m.Body) > 0 {
		a.ContentType = m.Header.Get("Content-Type")
	}
	return a
}

// jsonAnswer gives an answer of compact JSON, with no characters escaped for
// HTML.
func jsonAnswer(status int, v any) Answer {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return Answer{Failure: "com.fasterxml.jackson.core.JsonGenerationException: " + err.Error()}
	}
	return Answer{Status: status, ContentType: "application/json", Body: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}
}

// badRequest gives the answer to a message a flow cannot take.
func badRequest(reason string) Answer {
	return jsonAnswer(http.StatusBadRequest, struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}{"bad request", reason})
}

// echoed is the answer of Echo.
type echoed struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	// Query holds a text for a name that is there once, else a list.
	Query map[string]any `json:"query"`
	Body  string         `json:"body"`
	// JSON is the body when it is JSON, with its numbers as they were.
	JSON json.RawMessage `json:"json,omitempty"`
	// Base64 is the body when it is not UTF-8.
	Base64 string `json:"base64,omitempty"`
	Size   int    `json:"size"`
}

// echo answers with what it got, the Authorization header included: a caller
// that must not show its token meets it again here.
func echo(_ context.Context, m *Message) Answer {
	e := echoed{
		Method: m.Method, Path: m.Path, Body: string(m.Body), Size: len(m.Body),
		Headers: make(map[string]string, len(m.Header)+1), Query: make(map[string]any, len(m.Query)),
	}
	e.Headers["Host"] = m.Host
	for name, values := range m.Header {
		e.Headers[name] = strings.Join(values, ", ")
	}
	for name, values := range m.Query {
		if len(values) == 1 {
			e.Query[name] = values[0]
			continue
		}
		e.Query[name] = values
	}
	switch {
	case !utf8.Valid(m.Body):
		e.Base64 = base64.StdEncoding.EncodeToString(m.Body)
	case json.Valid(m.Body):
		e.JSON = m.Body
	}
	return jsonAnswer(http.StatusOK, e)
}

// asyncImport takes the message and goes on with it after the answer.
func asyncImport(_ context.Context, m *Message) Answer {
	return Answer{
		Status: http.StatusAccepted, Async: AsyncTime,
		Log: messagelog.Outcome{Headers: []messagelog.Property{{Name: "ImportSize", Value: strconv.Itoa(len(m.Body))}}},
	}
}

// payload gives the message as an attachment of its log.
func payload(name string, m *Message) messagelog.Attachment {
	return messagelog.Attachment{Name: name, ContentType: cmp.Or(strings.Clone(m.Header.Get("Content-Type")), "application/octet-stream"), Payload: m.Body}
}

// broken always ends in an exception.
func broken(_ context.Context, m *Message) Answer {
	return Answer{
		Status:  http.StatusInternalServerError,
		Log:     messagelog.Outcome{Attachments: []messagelog.Attachment{payload("Request", m)}},
		Failure: "java.lang.IllegalStateException: the backend order service answered with an error: 503 Service Unavailable",
	}
}

// maxSlow bounds how long Slow takes.
const maxSlow = 10 * time.Minute

// slow answers after ?ms=, a second when it is not there.
func slow(ctx context.Context, m *Message) Answer {
	ms, err := number(m, "ms", 1000, int(maxSlow/time.Millisecond))
	if err != nil {
		return badRequest(err.Error())
	}
	if err := Wait(ctx, time.Duration(ms)*time.Millisecond); err != nil {
		return Answer{Failure: "org.apache.catalina.connector.ClientAbortException: the sender closed the connection"}
	}
	return jsonAnswer(http.StatusOK, struct {
		MS int `json:"ms"`
	}{ms})
}

// Wait lets time pass, or gives the reason why ctx ended first.
func Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// number gives a query parameter that is a whole number from 0 to most.
func number(m *Message, name string, otherwise, most int) (int, error) {
	text := m.Query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s %q: want a whole number from 0 to %d", name, text, most)
	}
	return n, nil
}

// maxLarge bounds the answer of Large, in KiB.
const maxLarge = 64 << 10

// large answers with exactly ?kb= KiB of JSON, 64 when it is not there:
// {"kb":N,"items":[{"index":0,"sku":"L-00000000","text":"…"},…],"padding":"…"}.
func large(_ context.Context, m *Message) Answer {
	kb, err := number(m, "kb", 64, maxLarge)
	if err != nil {
		return badRequest(err.Error())
	}
	kb = max(kb, 1)
	return Answer{
		ContentType: "application/json", Size: int64(kb) << 10,
		Write: func(w io.Writer) error { return writeLarge(w, kb) },
	}
}

// writeLarge writes the document in pieces, so that it is never held whole.
func writeLarge(w io.Writer, kb int) error {
	const tail = `],"padding":"` + `"}`
	buf := make([]byte, 0, 32<<10+512)
	buf = fmt.Appendf(buf, `{"kb":%d,"items":[`, kb)
	left := kb << 10
	for i := 0; ; i++ {
		from := len(buf)
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"index":`...)
		buf = strconv.AppendInt(buf, int64(i), 10)
		buf = append(buf, `,"sku":"L-`...)
		buf = appendPadded(buf, i)
		buf = append(buf, `","text":"The quick brown fox jumps over the lazy dog"}`...)
		if len(buf)+len(tail) > left {
			buf = buf[:from]
			break
		}
		if len(buf) >= 32<<10 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			left -= len(buf)
			buf = buf[:0]
		}
	}
	padding := left - len(buf) - len(tail)
	buf = append(buf, `],"padding":"`...)
	buf = append(buf, bytes.Repeat([]byte{'.'}, padding)...)
	buf = append(buf, `"}`...)
	_, err := w.Write(buf)
	return err
}

// appendPadded writes a number with eight digits.
func appendPadded(buf []byte, n int) []byte {
	var digits [8]byte
	for i := range digits {
		digits[7-i] = byte('0' + n%10)
		n /= 10
	}
	return append(buf, digits[:]...)
}

// restricted is behind a role that sandbox-rt does not have.
func restricted(context.Context, *Message) Answer {
	return jsonAnswer(http.StatusOK, struct {
		Approved bool `json:"approved"`
	}{true})
}

// csrfProtected says that the message went through.
func csrfProtected(_ context.Context, m *Message) Answer {
	return jsonAnswer(http.StatusOK, struct {
		Accepted bool   `json:"accepted"`
		Method   string `json:"method"`
	}{true, m.Method})
}
