package cloudfoundry

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"iflowtest/internal/sandbox/subaccount"
)

func FuzzMessage(f *testing.F) {
	for _, text := range []string{
		"", "null", "{}", "[]", `{"name":null}`, `{"name":"a","tags":["b"],"parameters":{},"metadata":{"labels":{"a":null,"b.c/d":"e"},"annotations":{"x":"y"}}}`,
		`{"relationships":{"space":{"data":{"guid":"x"}}}}`, `{"relationships":{"space":null}}`, `{"metadata":{"labels":{"/":"-"}}}`, `{"name":"\ud800"}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://cf/v3/service_instances", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		m, err := readMessage(&call{Request: r}, "name", "tags", "parameters", "metadata", "relationships")
		if err == nil {
			m.name(true, subaccount.CheckProvisionedName)
			m.tags()
			m.parameters()
			m.relationship("space")
			m.knownRelationships("space")
			labels, annotations := m.metadata()
			err = m.err()
			if err == nil {
				fresh(labels, annotations)
				for key := range labels {
					if checkKey(key) != nil {
						t.Errorf("label %q passed", key)
					}
				}
			}
		}
		if e, ok := errors.AsType[*apiError](err); err != nil && (!ok || e.status != 400 && e.status != 422) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
