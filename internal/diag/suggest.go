package diag

import "github.com/agext/levenshtein"

// distance is the number of single-character edits between a and b, where a
// swap of neighbours counts as two.
func distance(a, b string) int { return levenshtein.Distance(a, b, nil) }
