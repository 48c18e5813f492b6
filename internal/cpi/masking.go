package cpi

import (
	"regexp"
	"strings"

	"iflowtest/internal/httpx"
)

// parameterText matches the value of a parameter in an answer, in JSON and in
// XML, whether or not the answer is whole.
var parameterText = regexp.MustCompile(`("ParameterValue"\s*:\s*)(?:"(?:\\.|[^"\\])*(?:"|\\?$)|[^",\]}\s][^,\]}\s]*)|(<(?:\w+:)?ParameterValue[^>/]*>)[^<]*`)

// maskedText stands where the value of a parameter stood.
const maskedText = `***`

// hidden gives an answer as it may be shown: the values of parameters may be
// secrets, and those of the whole artifact come with every answer. sent is the
// value that the request set, which the platform may repeat; empty: none.
func hidden(r *httpx.Response, sent string) *httpx.Response {
	if !strings.Contains(r.URL, "/Configurations") {
		return r
	}
	shown := *r
	shown.Body = parameterText.ReplaceAllStringFunc(r.Body, func(text string) string {
		parts := parameterText.FindStringSubmatch(text)
		if parts[2] != "" {
			return parts[2] + maskedText
		}
		return parts[1] + `"` + maskedText + `"`
	})
	if len(sent) >= shortestMasked {
		shown.Body = strings.ReplaceAll(shown.Body, sent, maskedText)
	}
	return &shown
}

// shortestMasked is the length from which on a value is masked wherever it
// stands: a shorter one stands in every text.
const shortestMasked = 4
