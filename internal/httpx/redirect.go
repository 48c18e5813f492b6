package httpx

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const maxRedirects = 10

// redirects tells whether a status asks to go elsewhere (RFC 9110 15.4).
func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect gives the request that follows an answer, or nil and the reason
// why there is none. 301 and 302 turn POST into GET, as every client does; 303
// turns everything but HEAD into GET; 307 and 308 keep method and body.
func (h *hop) redirect(answer *Response, hops int) (*hop, string) {
	location := answer.Header.Get("Location")
	if location == "" {
		return nil, ""
	}
	u, err := h.url.Parse(location)
	if err != nil {
		return nil, fmt.Sprintf("redirect not followed: its location %q is not a URL", location)
	}
	from, _ := originOf(h.url)
	to, err := originOf(u)
	if err != nil || from != to {
		return nil, fmt.Sprintf("redirect to %q not followed: it leaves the origin %s", location, from)
	}
	if hops >= maxRedirects {
		return nil, fmt.Sprintf("redirect to %q not followed: it is the one after %d", location, maxRedirects)
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	next := &hop{method: h.method, url: u, header: h.header, body: h.body, redirected: true}
	switch {
	case answer.Status == http.StatusSeeOther && h.method != http.MethodHead,
		answer.Status <= http.StatusFound && h.method == http.MethodPost:
		next.method, next.body = http.MethodGet, nil
		next.header = h.header.Clone()
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Location"} {
			next.header.Del(name)
		}
	}
	return next, ""
}

// Origin gives scheme://host:port of an absolute http or https URL, in lower
// case and without the default port (RFC 6454). The error says what is wrong
// with the URL.
func Origin(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", fmt.Errorf("%q is not a URL: %s", rawURL, plainURLError(err))
	}
	return originOf(u)
}

func originOf(u *url.URL) (string, error) {
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		return "", fmt.Errorf("%q is not an absolute http or https URL", u.Redacted())
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if host == "" {
		return "", fmt.Errorf("%q has no host", u.Redacted())
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || (scheme == "http" && port == "80") || (scheme == "https" && port == "443") {
		return scheme + "://" + host, nil
	}
	return scheme + "://" + host + ":" + port, nil
}
