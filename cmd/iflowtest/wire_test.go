package main

import (
	"encoding/json"
	"net/url"
	"testing"

	"iflowtest/runner"
)

func decode(tb testing.TB, data []byte, into any) {
	tb.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		tb.Fatal(err)
	}
}

func queryEscape(s string) string { return url.QueryEscape(s) }

func noOptions() runner.Options { return runner.Options{} }
