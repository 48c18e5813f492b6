package scenarios

import (
	"slices"
	"strconv"
	"strings"

	"iflowtest/internal/diag"
)

// didYouMean gives a hint that proposes the nearest name, or "". The prefix
// stands before the name that is shown.
func didYouMean(name string, known []string, prefix string) string {
	slices.Sort(known)
	if near := diag.Suggest(name, known); near != "" {
		return "did you mean " + prefix + near + "?"
	}
	return ""
}

// enumerate writes names as a list in a sentence: a, b or c.
func enumerate(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// quote writes a text that a message names.
func quote(s string) string { return strconv.Quote(shorten(s)) }
