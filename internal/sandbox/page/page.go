// Package page writes the HTML pages a servlet container answers with when a
// request does not reach an application: what callers of the platform see
// instead of JSON (wire/sap.md 5.4).
package page

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// Write answers with the status and Tomcat's page for it. The detail is shown
// on the page where it is not empty.
func Write(w http.ResponseWriter, status int, detail string) {
	title := fmt.Sprintf("HTTP Status %d – %s", status, http.StatusText(status))
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="en"><head><title>` + title + `</title>`)
	b.WriteString(`<style type="text/css">body {font-family:Tahoma,Arial,sans-serif;} h1, b {color:white;background-color:#525D76;} h1 {font-size:22px;}</style>`)
	b.WriteString(`</head><body><h1>` + title + `</h1>`)
	if detail != "" {
		b.WriteString(`<hr class="line" /><p><b>Message</b> ` + html.EscapeString(detail) + `</p>`)
	}
	b.WriteString(`</body></html>`)
	h := w.Header()
	h.Set("Content-Type", "text/html;charset=utf-8")
	h.Set("Content-Language", "en")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write([]byte(b.String())) // a caller that went away needs no answer
}
