package assertions

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// maxSuggested bounds the names that are compared, in bytes.
const maxSuggested = 100

// suggest gives the candidate nearest to name at an edit distance of at most
// 2, or "".
func suggest(name string, candidates []string) string {
	if len(name) > maxSuggested {
		return ""
	}
	best, at := "", 3
	lower := strings.ToLower(name)
	for _, c := range candidates {
		if len(c)-len(name) > 2 || len(name)-len(c) > 2 {
			continue
		}
		if d := levenshtein.Distance(lower, strings.ToLower(c), nil); d < at && d < len(name) {
			best, at = c, d
		}
	}
	return best
}

// didYouMean gives "; did you mean "x"?" or "".
func didYouMean(name string, candidates []string) string {
	if s := suggest(name, candidates); s != "" {
		return fmt.Sprintf("; did you mean %q?", s)
	}
	return ""
}
