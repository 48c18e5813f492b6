package report

import (
	"testing"
	"unicode"
)

// checkPlain looks for control characters.
func checkPlain(t *testing.T, text []byte) {
	t.Helper()
	for _, r := range string(text) {
		if r != '\n' && unicode.IsControl(r) {
			t.Fatalf("control character %U in\n%s", r, text)
		}
	}
	if len(text) == 0 || text[len(text)-1] != '\n' {
		t.Fatalf("no line at the end of %q", text)
	}
}
