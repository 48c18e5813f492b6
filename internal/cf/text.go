package cf

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

// foreign describes a body that is not what a Cloud Foundry API gives: the
// title of a page, or the beginning of a text. Of a private one only type and
// size are told.
func foreign(r *httpx.Response, private bool) string {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if media = strings.TrimSpace(media); media == "" {
		media = "no content type"
	}
	switch {
	case strings.TrimSpace(r.Body) == "":
		return "the answer is empty"
	case private:
		return fmt.Sprintf("the answer is not what was wanted: %d bytes, %s", len(r.Body), cut(media, maxTitle))
	case isHTML(r.Body):
		return fmt.Sprintf("the answer is a page (HTML), titled %q", pageTitle(r.Body))
	case json.Valid([]byte(r.Body)):
		return fmt.Sprintf("the answer is JSON of another kind (%s): %q", cut(media, maxTitle), cut(oneLine(r.Body), maxTitle))
	}
	return fmt.Sprintf("the answer is no JSON (%s): %q", cut(media, maxTitle), cut(oneLine(r.Body), maxTitle))
}

func isHTML(body string) bool {
	start := strings.ToLower(strings.TrimLeft(body[:min(len(body), 1000)], "\ufeff \t\r\n"))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html") || strings.Contains(start, "<head") || strings.Contains(start, "<body")
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

// quotedList gives names for a message, the first of them when they are many.
func quotedList(names []string, more int) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", cut(n, maxTitle))
	}
	text := strings.Join(quoted, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
