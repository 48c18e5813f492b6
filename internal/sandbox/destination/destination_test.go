package destination

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDestinationsAreBounded(t *testing.T) {
	s := New(Options{})
	for i := range maxDestinations {
		s.ofInstance[fmt.Sprintf("d%d", i)] = properties{}
	}
	for level, want := range map[*map[string]properties]int{&s.ofInstance: 400, &s.ofSubaccount: 201} {
		w := httptest.NewRecorder()
		s.create(w, httptest.NewRequest("POST", "/", strings.NewReader(`{"Name":"one-more","Type":"MAIL"}`)), *level)
		if w.Code != want {
			t.Errorf("%d destinations: %d %s, want %d", len(*level), w.Code, w.Body, want)
		}
	}
	if _, ok := s.ofInstance["one-more"]; ok || len(s.ofInstance) != maxDestinations {
		t.Errorf("there are %d destinations", len(s.ofInstance))
	}
}

// FuzzParse: whatever comes is a destination that can be kept, or a mistake
// that is told on as many lines as there are mistakes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"Name":"a","Type":"HTTP","URL":"https://x","ProxyType":"Internet","Authentication":"NoAuthentication"}`,
		`{"Name":"a","Type":"HTTP","URL":"https://x","ProxyType":"Internet","Authentication":"OAuth2ClientCredentials","clientId":"a","tokenServiceURL":"https://x"}`,
		`{"Name":"a","Type":"RFC"}`, `{}`, `null`, `[]`, `{"Name":1}`, `{"Name":"a b","Type":"x"}`, `{"Name":"a","Name":"b","Type":"MAIL"}`, "\xff", `"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := parse(body)
		if err != nil {
			if strings.Contains(err.Error(), "\x00") || err.Error() == "" {
				t.Errorf("the mistake %q", err)
			}
			return
		}
		if p["Name"] == "" || p["Type"] == "" || len(p["Name"]) > maxName {
			t.Errorf("a destination without name or type: %v", p)
		}
		if p.clientCredentials() && (p["clientId"] == "" || p["tokenServiceURL"] == "") {
			t.Errorf("no token can be asked for: %v", p)
		}
		if p.etag() == (properties{}).etag() {
			t.Errorf("the tag of nothing")
		}
	})
}

func TestETagsTellPropertiesApart(t *testing.T) {
	seen := map[string]properties{}
	for _, p := range []properties{{}, {"a": "b"}, {"a": "bc"}, {"ab": "c"}, {"a": "", "b": "c"}, {"a": "b", "c": ""}, {"a": "b1:c"}} {
		if other, ok := seen[p.etag()]; ok {
			t.Errorf("%v and %v have one tag", p, other)
		}
		seen[p.etag()] = p
	}
}
