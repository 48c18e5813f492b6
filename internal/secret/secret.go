// Package secret keeps secrets out of everything the program shows.
//
// A [Secret] is a value that no verb, logger or encoder prints. A [Redactor]
// is the one gate for text that comes from outside: it knows every secret of
// the run and masks each of them in whatever encoding it comes back.
// [Harmless] escapes what a terminal or a CI agent would execute.
//
// The package knows no other package of the project.
package secret

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a value that must not be shown, with a name that may be. It is
// immutable and safe for concurrent use. The zero Secret is empty and has no
// name.
//
// The value is held in a closure: fmt, encoders and debug printers that walk
// a struct by reflection, also through unexported fields and pointers, find a
// code address there and nothing to follow. So a Secret does not compare with
// ==; use [Secret.Equal].
type Secret struct {
	name   string
	reveal func() string
}

// New gives value the name that is shown in its place, such as
// "sender.client-secret".
func New(name, value string) Secret {
	return Secret{name: name, reveal: func() string { return value }}
}

// Name gives what is shown in place of the value.
func (s Secret) Name() string { return s.name }

// Reveal gives the value. It is the only way out, to be called only where the
// value is sent, compared or registered with a [Redactor].
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the value is empty, whatever the name.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether both have the same name and the same value, in a time
// that does not depend on where the values differ.
func (s Secret) Equal(t Secret) bool {
	return s.name == t.name && subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// String gives "***(name)".
func (s Secret) String() string { return Mask(s.name) }

// GoString gives "***(name)".
func (s Secret) GoString() string { return Mask(s.name) }

// Format writes "***(name)" for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask(s.name)) }

// MarshalText gives "***(name)"; encoding/xml and map keys use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Mask(s.name)), nil }

// MarshalJSON gives "***(name)" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) {
	return json.Marshal(Mask(s.name))
}

// MarshalYAML gives "***(name)"; the YAML libraries look for this method.
func (s Secret) MarshalYAML() (any, error) { return Mask(s.name), nil }

// MarshalBinary gives "***(name)"; encoding/gob uses it.
func (s Secret) MarshalBinary() ([]byte, error) { return []byte(Mask(s.name)), nil }

// LogValue gives "***(name)".
func (s Secret) LogValue() slog.Value { return slog.StringValue(Mask(s.name)) }

// Mask gives what is shown in place of the secret of that name: "***(name)".
func Mask(name string) string { return "***(" + name + ")" }
