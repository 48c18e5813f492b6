package cloudfoundry

import (
	"errors"
	"strings"
	"testing"
)

func TestParseSelector(t *testing.T) {
	labels := map[string]string{"run": "r1", "example.com/env": "dev", "in": "notin", "empty": ""}
	for _, test := range []struct {
		text string
		want bool
	}{
		{"run", true}, {"!run", false}, {"nope", false}, {"!nope", true}, {"run=r1", true}, {"run==r2", false}, {"run!=r2", true},
		{"run in (r0,r1)", true}, {"run notin(r1)", false}, {"nope notin (r1)", true}, {"nope!=r1", true}, {"nope in (r1)", false},
		{"in", true}, {"in in (notin)", true}, {"in=notin", true}, {"empty", true}, {"empty!=x", true},
		{"run,example.com/env=dev,!nope", true}, {"run,example.com/env=test", false}, {"  run\t=  r1 , in ", true},
	} {
		s, err := parseSelector(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
		} else if got := s.matches(labels); got != test.want {
			t.Errorf("%q: %t", test.text, got)
		}
	}
	for text, want := range map[string]string{
		"":           `expecting a key or '!', got ""`,
		"=a":         `expecting a key or '!', got "="`,
		"!":          `expecting a key, got ""`,
		"!=a":        `expecting a key or '!', got "!="`,
		"a=":         `expecting a value, got ""`,
		"a=b c":      `expecting a ',' or end, got "c"`,
		"a b":        `expecting a ',', operator, or end, got "b"`,
		"a,":         `expecting a key or '!', got ""`,
		"a in":       `expecting a '(', got ""`,
		"a in ()":    `expecting a value, got ")"`,
		"a in (b":    `expecting a ',' or ')', got ""`,
		"a in (b,)":  `expecting a value, got ")"`,
		"a in (b) c": `expecting a ',' or end, got "c"`,
		"a=b;c":      `disallowed character(s), got "a=b<<;c>>"`,
		"a = ü":      `disallowed character(s), got "a = <<ü>>"`,
	} {
		if _, err := parseSelector(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// write gives a selector as it is read.
func (s selector) write() string {
	var parts []string
	for _, r := range s {
		switch {
		case r.values != nil && r.in:
			parts = append(parts, r.key+" in ("+strings.Join(r.values, ",")+")")
		case r.values != nil:
			parts = append(parts, r.key+" notin ("+strings.Join(r.values, ",")+")")
		case r.exists:
			parts = append(parts, r.key)
		default:
			parts = append(parts, "!"+r.key)
		}
	}
	return strings.Join(parts, ",")
}

func FuzzParseSelector(f *testing.F) {
	for _, text := range []string{"a", "!a", "a=b", "a == b,c!=d", "a in (b,c), d notin (e)", "x.y/z in (1)", "a in ((", "ü", "a=b=c", ",,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSelector(text)
		if err != nil {
			return
		}
		again, err := parseSelector(s.write())
		if err != nil || again.write() != s.write() {
			t.Fatalf("%q is written as %q, which is read as %q: %v", text, s.write(), again.write(), err)
		}
		for _, labels := range []map[string]string{nil, {"a": "b"}, {"a": "", "x.y/z": "1"}} {
			if s.matches(labels) != again.matches(labels) {
				t.Errorf("%q and %q differ on %v", text, s.write(), labels)
			}
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	for _, text := range []string{
		"names=a,b&page=2&per_page=1&order_by=-name", "fields[space]=guid,name&fields%5Bspace.organization%5D=name", "label_selector=a+in+(b)",
		"page=99999999999999999999", "per_page=-1", "include=app", "fields=x", "fields[=x", "names=%zz", "order_by=+created_at", "a=b;c=d",
	} {
		f.Add(text)
	}
	r := rules{filters: []string{"names"}, order: []string{"name"}, include: []string{"app"}, fields: instanceFields(), labels: true}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseQuery(text, r)
		if err != nil {
			if e, ok := errors.AsType[*apiError](err); !ok || e.status != 400 || e.code != 10005 || !strings.HasPrefix(e.detail, "The query parameter is invalid: ") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if q.page < 1 || q.size < 1 || q.size > maxPage {
			t.Errorf("%q: page %d of %d", text, q.page, q.size)
		}
		again, err := parseQuery(q.at(q.page), r)
		if err != nil || again.page != q.page || again.size != q.size || again.selector.write() != q.selector.write() {
			t.Errorf("%q: its page is %q, which is read as %+v: %v", text, q.at(q.page), again, err)
		}
		q.takes("names", "a")
		q.takesName("names", "A")
	})
}
