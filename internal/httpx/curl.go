package httpx

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Curl writes a request as one line for a POSIX shell, headers in the order of
// their names. What mask gives is shown in place of each header's value; body
// is shown as given, so it must have passed the redactor, as must r.URL.
func Curl(r *Request, body string, mask func(header, value string) string) string {
	words := []string{"curl", "-sS", "-i"}
	if strings.ContainsAny(r.URL, "[]{}") {
		words = append(words, "-g")
	}
	switch r.Method {
	case http.MethodGet:
		if r.Body != nil {
			words = append(words, "-X", "GET")
		}
	case http.MethodHead:
		words = append(words, "--head")
	default:
		words = append(words, "-X", quote(r.Method))
	}
	words = append(words, quote(r.URL))
	typed := false
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		canonical := http.CanonicalHeaderKey(name)
		if canonical == "Accept-Encoding" || canonical == "Content-Length" {
			continue
		}
		typed = typed || canonical == "Content-Type"
		for _, value := range r.Header[name] {
			words = append(words, "-H", headerWord(name, value, mask))
		}
	}
	if r.FollowRedirects {
		words = append(words, "--location")
	}
	if r.Body == nil {
		return strings.Join(words, " ")
	}
	if !typed {
		// Without it curl would announce a form.
		words = append(words, "-H", headerWord("Content-Type", r.Body.ContentType, mask))
	}
	if body == "" && r.Body.File != "" {
		return strings.Join(append(words, "--data-binary", quote("@"+r.Body.File)), " ")
	}
	if !strings.ContainsFunc(body, isControl) && !strings.HasPrefix(body, "@") {
		return strings.Join(append(words, "--data-binary", quote(body)), " ")
	}
	return "printf " + quote(printfFormat(body)) + " | " + strings.Join(append(words, "--data-binary", "@-"), " ")
}

func headerWord(name, value string, mask func(header, value string) string) string {
	if mask != nil && value != "" {
		value = mask(name, value)
	}
	if value == "" && name == "Content-Type" {
		return quote(name + ":")
	}
	if value == "" {
		return quote(name + ";")
	}
	return quote(name + ": " + value)
}

// quote writes a word so that a POSIX shell reads it back as it is.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// printfFormat writes text on one line as a format of printf(1).
func printfFormat(text string) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		switch {
		case c == '-' && i == 0: // no option
			b.WriteString(`\055`)
		case c == '\\':
			b.WriteString(`\\`)
		case c == '%':
			b.WriteString("%%")
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
