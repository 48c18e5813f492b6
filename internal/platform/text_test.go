package platform

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"iflowtest/internal/httpx"
)

func body(media, text string) *httpx.Response {
	r := &httpx.Response{Status: 200, Body: text, Header: http.Header{}}
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	return r
}

func TestDescribe(t *testing.T) {
	long := strings.Repeat("ä", 200)
	for name, c := range map[string]struct{ media, body, quoted, private string }{
		"empty":    {"text/html", " \r\n", "the answer is empty", "the answer is empty"},
		"page":     {"text/html", "\ufeff <!DOCTYPE html>\n<title>502 &amp;\n Bad</title>", `the answer is a page (HTML), titled "502 & Bad"`, "the answer is not what was wanted: 49 bytes, text/html"},
		"heading":  {"", "<html><h1>Sign <b>in</b></h1>", `the answer is a page (HTML), titled "Sign in"`, "the answer is not what was wanted: 29 bytes, no content type"},
		"XHTML":    {"", `<?xml version="1.0"?><!-- a --><html ><body>x y</body>`, `the answer is a page (HTML), titled "x y"`, "the answer is not what was wanted: 54 bytes, no content type"},
		"JSON":     {"application/json; charset=utf-8", `{"a": 1}`, `the answer is JSON of another kind (application/json): "{\"a\": 1}"`, "the answer is not what was wanted: 8 bytes, application/json"},
		"text":     {"text/plain", "a\nb", `the answer is no JSON (text/plain): "a b"`, "the answer is not what was wanted: 3 bytes, text/plain"},
		"long":     {"text/plain", long, `the answer is no JSON (text/plain): "` + long[:2*MaxTitle] + `…"`, "the answer is not what was wanted: 400 bytes, text/plain"},
		"no page":  {"application/xml", "<header>x</header>", `the answer is no JSON (application/xml): "<header>x</header>"`, "the answer is not what was wanted: 18 bytes, application/xml"},
		"XML feed": {"application/xml", `<?xml version="1.0"?><feed/>`, `the answer is no JSON (application/xml): "<?xml version=\"1.0\"?><feed/>"`, "the answer is not what was wanted: 28 bytes, application/xml"},
	} {
		f := Describe(body(c.media, c.body))
		if got := f.Quoted(); got != c.quoted {
			t.Errorf("%s: got %s\nwant %s", name, got, c.quoted)
		}
		if got := f.Private(); got != c.private {
			t.Errorf("%s: got %s\nwant %s", name, got, c.private)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"üöä", 3, "üöä"}, {"üöäß", 3, "üöä…"}, {"", 0, ""}} {
		if got := Cut(c.text, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) gives %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestShown(t *testing.T) {
	for address, want := range map[string]string{
		"https://user:pw@a.test/b?c=d#e": "https://a.test/b",
		"/b?c":                           "/b",
		"https://a.test/%zz":             "",
	} {
		if got := Shown(address); got != want {
			t.Errorf("Shown(%q) gives %q, want %q", address, got, want)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	for _, seed := range []string{"", "{}", "<html><title>&#x1b;[31m</title>", "<!doctype html><h1>", "\xff\xfe", "\ufeff<html>", "<!--" + strings.Repeat("-", 2000), "<?xml ?><body>"} {
		f.Add("text/html", seed)
	}
	f.Fuzz(func(t *testing.T, media, text string) {
		d := Describe(body(media, text))
		if utf8.RuneCountInString(d.Beginning) > MaxTitle+1 || utf8.RuneCountInString(d.Media) > MaxTitle+1 || len(d.Quoted()) > 4000 {
			t.Errorf("got %+v", d)
		}
		if private := d.Private(); len(text) > 40 && strings.Contains(private, text) && !strings.Contains(media, text) {
			t.Errorf("a private body is told: %q", private)
		}
	})
}
