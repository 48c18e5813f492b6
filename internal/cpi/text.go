package cpi

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"

	"iflowtest/internal/httpx"
)

// The longest foreign texts in errors, in characters.
const (
	maxTitle  = 80
	maxText   = 500
	maxDetail = 4000
)

var (
	htmlTitle = regexp.MustCompile(`(?is)<(?:title|h1)[^>]*>(.*?)</(?:title|h1)>`)
	htmlTag   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// foreign describes a body that is not what the OData API gives: the title of a
// page, or the beginning of a text.
func foreign(r *httpx.Response) string {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if media = strings.TrimSpace(media); media == "" {
		media = "no content type"
	}
	switch {
	case strings.TrimSpace(r.Body) == "":
		return "the answer is empty"
	case isHTML(r.Body):
		return fmt.Sprintf("the answer is a page (HTML), titled %q", pageTitle(r.Body))
	case json.Valid([]byte(r.Body)):
		return fmt.Sprintf("the answer is JSON of another kind (%s): %q", cut(media, maxTitle), cut(oneLine(r.Body), maxTitle))
	}
	return fmt.Sprintf("the answer is no JSON (%s): %q", cut(media, maxTitle), cut(oneLine(r.Body), maxTitle))
}

func isHTML(body string) bool {
	start := strings.ToLower(strings.TrimLeft(body[:min(len(body), 1000)], "\ufeff \t\r\n"))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html") || strings.HasPrefix(start, "<head") || strings.HasPrefix(start, "<body")
}

func pageTitle(body string) string {
	body = body[:min(len(body), 64<<10)]
	if found := htmlTitle.FindStringSubmatch(body); found != nil {
		body = found[1]
	}
	return cut(oneLine(html.UnescapeString(htmlTag.ReplaceAllString(body, " "))), maxTitle)
}

// oneLine puts a single blank where there are several, or ends of lines.
func oneLine(text string) string {
	return strings.Join(strings.Fields(text[:min(len(text), 64<<10)]), " ")
}

// cut shortens a text to at most n characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	count := 0
	for i := range text {
		if count == n {
			return text[:i] + "…"
		}
		count++
	}
	return text
}

// shown gives a URL without user, password and query.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}
