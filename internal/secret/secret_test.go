package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

const canary = `S3cr=t&$x`

// hidden has a secret in every kind of place that fmt walks by reflection.
type hidden struct {
	value   Secret
	pointer *Secret
	list    []Secret
	byName  map[string]Secret
	asAny   any
	inner   struct{ deep *hidden }
}

type shown struct {
	Value   Secret            `json:"value" xml:"value" yaml:"value"`
	Pointer *Secret           `json:"pointer" xml:"pointer" yaml:"pointer"`
	List    []Secret          `json:"list" xml:"list" yaml:"list"`
	ByName  map[string]Secret `json:"byName" xml:"-" yaml:"byName"`
}

func samples() (Secret, hidden, shown) {
	s := New("sender.client-secret", canary)
	h := hidden{value: s, pointer: &s, list: []Secret{s}, byName: map[string]Secret{"k": s}, asAny: s}
	inner := h
	h.inner.deep = &inner
	return s, h, shown{Value: s, Pointer: &s, List: []Secret{s}, ByName: map[string]Secret{"k": s}}
}

func wantHidden(t *testing.T, how, text string) {
	t.Helper()
	for _, e := range Encodings(canary) {
		if strings.Contains(text, e.Text) {
			t.Errorf("%s shows the secret (%s): %q", how, e.Name, text)
		}
	}
	// %x and %d of its bytes
	for _, verb := range []string{"%x", "%X", "%d", "% x", "%b", "%o"} {
		if strings.Contains(text, strings.Trim(fmt.Sprintf(verb, []byte(canary)), "[]")) {
			t.Errorf("%s shows the bytes of the secret (%s): %q", how, verb, text)
		}
	}
}

func TestSecretIsNotFormatted(t *testing.T) {
	s, h, v := samples()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%+q", "%x", "%X", "% x", "%d", "%t", "%c", "%U", "%e", "%p", "%T", "%10s", "%-5v", "%!"} {
		for _, value := range []any{s, &s, h, &h, v, &v, []Secret{s}, map[string]Secret{"k": s}, []any{s, &s}, struct{ s Secret }{s}, struct{ s any }{&s}} {
			wantHidden(t, fmt.Sprintf("%s of %T", verb, value), fmt.Sprintf(verb, value))
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got, want := fmt.Sprintf(verb, s), "***(sender.client-secret)"; got != want {
			t.Errorf("%s: got %q, want %q", verb, got, want)
		}
	}
	wantHidden(t, "Sprint", fmt.Sprint(s, h, v))
	wantHidden(t, "Errorf", fmt.Errorf("refused: %w", errors.New(fmt.Sprint(h))).Error())
	wantHidden(t, "go-cmp", cmp.Diff(v, shown{Value: New("other", "value")}))
}

func TestSecretIsNotEncoded(t *testing.T) {
	s, h, v := samples()
	for name, encode := range map[string]func(any) ([]byte, error){
		"json": json.Marshal,
		"xml":  xml.Marshal,
		"yaml": yaml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
	} {
		for _, value := range []any{s, &s, v, &v} {
			text, err := encode(value)
			if err != nil {
				t.Errorf("%s of %T: %v", name, value, err)
			}
			wantHidden(t, name, string(text))
			if !bytes.Contains(text, []byte("***(sender.client-secret)")) {
				t.Errorf("%s of %T does not name the secret: %q", name, value, text)
			}
		}
		text, err := encode(h) // nothing exported: an error is fine, a leak is not
		wantHidden(t, name, fmt.Sprint(string(text), err))
	}
	emoji, err := json.Marshal(New("😀 \"", canary))
	if got, want := string(emoji), `"***(😀 \")"`; got != want || err != nil {
		t.Errorf("json of an odd name: got %s, %v, want %s", got, err, want)
	}
	asKey, err := json.Marshal(map[string]map[string]Secret{"a": {"b": s}})
	if got, want := string(asKey), `{"a":{"b":"***(sender.client-secret)"}}`; got != want || err != nil {
		t.Errorf("json of a map: got %s, %v, want %s", got, err, want)
	}
}

func TestSecretIsNotLogged(t *testing.T) {
	s, h, v := samples()
	for _, newHandler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		log := slog.New(newHandler(&b))
		log.With("s", s).WithGroup("g").Info("token", "s", s, "pointer", &s, "hidden", h, "shown", v, slog.Group("g", "s", s))
		wantHidden(t, "slog", b.String())
		if !strings.Contains(b.String(), "***(sender.client-secret)") {
			t.Errorf("the log does not name the secret: %s", b.String())
		}
	}
}

func TestSecretReveal(t *testing.T) {
	var zero Secret
	if zero.Reveal() != "" || !zero.IsZero() || zero.Name() != "" || zero.String() != "***()" {
		t.Errorf("the zero secret is not empty: %v", zero)
	}
	s := New("a", "x")
	if s.Reveal() != "x" || s.IsZero() || s.Name() != "a" {
		t.Errorf("got %q named %q", s.Reveal(), s.Name())
	}
	if !New("a", "").IsZero() {
		t.Error("an empty value is not zero")
	}
	for _, c := range []struct {
		other Secret
		want  bool
	}{{New("a", "x"), true}, {New("a", "y"), false}, {New("b", "x"), false}, {zero, false}} {
		if got := s.Equal(c.other); got != c.want {
			t.Errorf("Equal: got %v, want %v", got, c.want)
		}
	}
	omitted, err := json.Marshal(struct {
		S Secret `json:"s,omitzero"`
	}{})
	if string(omitted) != "{}" || err != nil {
		t.Errorf("got %s, %v, want {}", omitted, err)
	}
}
