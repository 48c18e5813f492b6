package secret

import (
	"strings"
)

// Header gives the value of a header as it may be shown. Headers that carry
// credentials are masked whole, also when nobody registered what they hold:
// "***(authorization)", or the name of the registered secret in it. The
// scheme of Authorization and Proxy-Authorization stays, and so do the words
// Fetch and Required of X-CSRF-Token. Every other value passes
// [Redactor.Text].
//
// The names are compared in any case. A nil Redactor masks nothing.
func (r *Redactor) Header(name, value string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if r == nil || value == "" || !sensitiveHeader(name) {
		return r.Text(value)
	}
	switch name {
	case "x-csrf-token":
		if strings.EqualFold(value, "fetch") || strings.EqualFold(value, "required") {
			return value
		}
	case "authorization", "proxy-authorization":
		if scheme, rest, ok := cutScheme(value); ok {
			return scheme + " " + r.maskWhole(name, rest)
		}
	}
	return r.maskWhole(name, value)
}

// maskWhole gives the mask of the longest registered secret in value, or else
// that of the header.
func (r *Redactor) maskWhole(header, value string) string {
	if r.isMask(value) {
		return value
	}
	longest := match{}
	for _, m := range r.find(value) {
		if longest.entry == nil || m.end-m.start > longest.end-longest.start {
			longest = m
		}
	}
	if longest.entry != nil {
		return Harmless(Mask(longest.name))
	}
	return Harmless(Mask(header))
}

// isMask reports whether s is a mask of this redactor and nothing else, as
// when a value passes the gate twice.
func (r *Redactor) isMask(s string) bool {
	x := r.idx.Load()
	name, opened := strings.CutPrefix(s, "***(")
	name, closed := strings.CutSuffix(name, ")")
	return x != nil && opened && closed && x.names[name]
}

func sensitiveHeader(name string) bool {
	switch name {
	case "authorization", "proxy-authorization", "cookie", "set-cookie", "x-csrf-token":
		return true
	}
	for _, part := range [...]string{"api-key", "apikey", "token", "secret"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// cutScheme splits the scheme from the rest. A first word that is no known
// scheme may be part of a password.
func cutScheme(value string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(value, " ")
	if rest = strings.TrimSpace(rest); !ok || rest == "" {
		return "", "", false
	}
	for _, known := range [...]string{"basic", "bearer", "digest", "negotiate", "ntlm", "dpop", "hoba", "mutual", "aws4-hmac-sha256"} {
		if strings.EqualFold(scheme, known) {
			return scheme, rest, true
		}
	}
	return "", "", false
}
