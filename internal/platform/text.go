package platform

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
	MaxTitle  = 80
	MaxText   = 500
	MaxDetail = 4000
)

// maxRead bounds what is looked at of a foreign body, in bytes.
const maxRead = 64 << 10

var (
	htmlStart = regexp.MustCompile(`(?is)^[\s\x{feff}]*(?:(?:<\?xml[^>]*>|<!--.*?-->)\s*)*<(?:!doctype html|html|head|body)[\s>]`)
	htmlTitle = regexp.MustCompile(`(?is)<(?:title|h1)[^>]*>(.*?)</(?:title|h1)>`)
	htmlTag   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// Form is what a foreign body is.
type Form int

// The forms.
const (
	Empty Form = iota
	Page       // HTML
	JSON       // of another kind than was wanted
	Text       // anything else
)

// Foreign is a body that is not what a service gives.
type Foreign struct {
	Form Form
	// Media is its type without parameters; empty: it has none.
	Media string
	// Beginning is the title of a page, else what the body begins with, in one
	// line.
	Beginning string
	size      int
}

// Describe looks at a body that is not what was wanted.
func Describe(r *httpx.Response) Foreign {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	f := Foreign{Form: Text, Media: Cut(strings.TrimSpace(media), MaxTitle), size: len(r.Body)}
	switch {
	case strings.TrimSpace(r.Body) == "":
		f.Form = Empty
	case IsHTML(r.Body):
		f.Form, f.Beginning = Page, pageTitle(r.Body)
	default:
		if json.Valid([]byte(r.Body)) {
			f.Form = JSON
		}
		f.Beginning = Cut(OneLine(r.Body), MaxTitle)
	}
	return f
}

// Quoted tells the title of a page, or the type and the beginning of another
// body.
func (f Foreign) Quoted() string {
	switch f.Form {
	case Empty:
		return "the answer is empty"
	case Page:
		return fmt.Sprintf("the answer is a page (HTML), titled %q", f.Beginning)
	case JSON:
		return fmt.Sprintf("the answer is JSON of another kind (%s): %q", f.media(), f.Beginning)
	}
	return fmt.Sprintf("the answer is no JSON (%s): %q", f.media(), f.Beginning)
}

// Private tells type and size alone, of a body that may hold secrets.
func (f Foreign) Private() string {
	if f.Form == Empty {
		return f.Quoted()
	}
	return fmt.Sprintf("the answer is not what was wanted: %d bytes, %s", f.size, f.media())
}

func (f Foreign) media() string {
	if f.Media == "" {
		return "no content type"
	}
	return f.Media
}

// IsHTML tells whether a body is a page.
func IsHTML(body string) bool { return htmlStart.MatchString(body[:min(len(body), 1000)]) }

func pageTitle(body string) string {
	body = body[:min(len(body), maxRead)]
	if found := htmlTitle.FindStringSubmatch(body); found != nil {
		body = found[1]
	}
	return Cut(OneLine(html.UnescapeString(htmlTag.ReplaceAllString(body, " "))), MaxTitle)
}

// OneLine puts a single blank where there are several, or ends of lines. Of a
// text of more than 64 KiB it gives the beginning.
func OneLine(text string) string {
	return strings.Join(strings.Fields(text[:min(len(text), maxRead)]), " ")
}

// Cut shortens a text to at most n characters.
func Cut(text string, n int) string {
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

// Shown gives a URL without user, password and query; empty: it is none.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}
