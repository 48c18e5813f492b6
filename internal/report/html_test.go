package report

import (
	"bytes"
	"testing"

	"iflowtest/runner"
)

func htmlOf(t testing.TB, o HTMLOptions, events []*runner.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	r, err := NewHTML(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, r, events)
	return b.Bytes()
}

func TestHTML(t *testing.T) {
	golden(t, "report.html", htmlOf(t, HTMLOptions{}, inOrder()))
}
