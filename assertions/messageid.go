package assertions

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// failedMessage is how the text of a 500 names the message ID (wire/sap.md
// 5.4); what stands before it is spelt "occured" or "occurred" and may be
// followed by the text of the exception. An ID is 28 characters of base64url.
var failedMessage = regexp.MustCompile(`(?i:The MPL ID for the failed message is)\s*:\s*([A-Za-z0-9_-]{28})(?:[^A-Za-z0-9_-]|$)`)

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
	if !strings.Contains(body, "ailed message is") {
		return "", false
	}
	if m := failedMessage.FindStringSubmatch(body); m != nil {
		return strings.Clone(m[1]), true
	}
	return "", false
}

// messageIDHeader gives the value of the header whose normalised name ends
// with suffix: a prefix such as SAP_ or X- may stand before it.
func messageIDHeader(h http.Header, suffix string) string {
	var names []string
	for name := range h {
		if len(name) >= len(suffix) && strings.HasSuffix(normaliseHeader(name), suffix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			if v = strings.TrimSpace(v); v != "" {
				return strings.Clone(v)
			}
		}
	}
	return ""
}

func normaliseHeader(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
}
