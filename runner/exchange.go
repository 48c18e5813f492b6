package runner

import (
	"net/http"
	"strings"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/httpx"
)

// exchange is the raw material of an [Exchange]; it is formatted only when a
// report shows it.
type exchange struct {
	method, url   string
	started       time.Time // when the request was sent, at the earliest
	status        int
	requestHeader http.Header
	requestBody   func() string
	header        http.Header
	body          string
	timings       Timings
	curl          func() string
	note          string
}

// remark is what the client has to say of an exchange: a redirect that was
// not followed. It is nil-safe.
func (e *exchange) remark() string {
	if e == nil {
		return ""
	}
	return e.note
}

// fromResponse takes from an answer what a report may show.
func fromResponse(r *httpx.Response) *exchange {
	return &exchange{
		method: r.Method, url: r.URL, status: r.Status, started: r.Started,
		requestHeader: r.RequestHeader, header: r.Header, body: r.Body, note: r.Note,
		timings: Timings{
			DNS: milliseconds(r.Timings.DNS), Connect: milliseconds(r.Timings.Connect), TLS: milliseconds(r.Timings.TLS),
			Wait: milliseconds(r.Timings.Wait), Body: milliseconds(r.Timings.Body),
		},
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cookies gives the cookies that an answer sets.
func cookies(h http.Header) []*http.Cookie {
	if len(h["Set-Cookie"]) == 0 {
		return nil
	}
	return (&http.Response{Header: h}).Cookies()
}

// bearerRefused reports whether a 401 says that the token is no longer valid
// (RFC 6750, 3.1).
func bearerRefused(r *httpx.Response) bool {
	return r.Status == http.StatusUnauthorized &&
		(strings.Contains(strings.Join(r.Header["Www-Authenticate"], " "), "invalid_token") || strings.Contains(r.Body, "invalid_token"))
}

// shown formats an exchange for a step that did not pass.
func (x *execution) shown(e *exchange) *Exchange {
	if e == nil {
		return nil
	}
	g := x.session.gate
	timings := e.timings
	out := &Exchange{
		Method: e.method, URL: e.url, Status: e.status, Timings: &timings,
		RequestHeaders: g.header(e.requestHeader), Headers: g.header(e.header),
	}
	if e.requestBody != nil {
		out.RequestBody, out.RequestBodySize = g.body(e.requestBody())
	}
	out.Body, out.BodySize = g.body(e.body)
	out.MessageID, _ = assertions.MessageID(e.header, e.body)
	if e.curl != nil {
		out.Curl = e.curl()
	}
	return out
}
