package assertions

import (
	"net/http"
	"regexp"
	"strings"
)

// failedMessage is how the text of a 500 names the message ID (wire/sap.md
// 5.4); what stands before it is spelt "occured" or "occurred" and may be
// followed by the text of the exception. An ID is 28 characters of base64url.
var failedMessage = regexp.MustCompile(`The MPL ID for the failed message is\s*:\s*([A-Za-z0-9_-]{28})(?:[^A-Za-z0-9_-]|$)`)

// MessageID gives the ID of the message processing log of an answer: from a
// header, whose name is read without regard to case, "-" and "_" (wire/sap.md
// 5.3), or from the text of an error. The platform guarantees neither.
func MessageID(h http.Header, body string) (string, bool) {
	if id := messageIDHeader(h, "messageprocessinglogid"); id != "" {
		return id, true
	}
	if id := messageIDHeader(h, "pregeneratedmplid"); id != "" {
		return id, true
	}
	if !strings.Contains(body, "MPL ID for the failed message is") {
		return "", false
	}
	if m := failedMessage.FindStringSubmatch(body); m != nil {
		return strings.Clone(m[1]), true
	}
	return "", false
}

// messageIDHeader gives the value of the header whose name ends with suffix: a
// prefix such as SAP_ or X- may stand before it.
func messageIDHeader(h http.Header, suffix string) string {
	best, id := "", ""
	for name, values := range h {
		if !endsWithName(name, suffix) || (best != "" && best < name) {
			continue
		}
		for _, v := range values {
			if v = strings.TrimSpace(v); v != "" {
				best, id = name, strings.Clone(v)
				break
			}
		}
	}
	return id
}

// endsWithName reports whether the name of a header ends with suffix, which is
// in lower case, when "-" and "_" are left out.
func endsWithName(name, suffix string) bool {
	at := len(suffix)
	for i := len(name) - 1; i >= 0 && at > 0; i-- {
		c := name[i]
		if c == '-' || c == '_' {
			continue
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if at--; c != suffix[at] {
			return false
		}
	}
	return at == 0
}
