package destination

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"iflowtest/internal/secret"
)

// The properties of a destination with client credentials (wire/sap.md 7).
const (
	Name                       = "Name"
	Type                       = "Type"
	URL                        = "URL"
	ProxyType                  = "ProxyType"
	Authentication             = "Authentication"
	ClientID                   = "clientId"
	ClientSecret               = "clientSecret"
	TokenServiceURL            = "tokenServiceURL"
	TokenServiceURLType        = "tokenServiceURLType"
	KeyStoreLocation           = "tokenService.KeyStoreLocation"
	AddClientCredentialsInBody = "tokenService.addClientCredentialsInBody"
	Scope                      = "scope"
	// BodyPrefix begins further form fields of the token request.
	BodyPrefix = "tokenService.body."
)

// Properties is a destination: its properties by name. It may hold secrets,
// and prints without them, but not from an unexported field of a struct, where
// fmt asks no type how it prints: keep it out of those.
type Properties map[string]string

// Format implements fmt.Formatter: whatever the verb, secrets are masked.
func (p Properties) Format(f fmt.State, _ rune) {
	public := p.Public()
	fmt.Fprint(f, "{")
	for i, name := range slices.Sorted(maps.Keys(public)) {
		if i > 0 {
			fmt.Fprint(f, " ")
		}
		fmt.Fprintf(f, "%s=%q", name, public[name])
	}
	fmt.Fprint(f, "}")
}

// MarshalJSON implements json.Marshaler: secrets are masked.
func (p Properties) MarshalJSON() ([]byte, error) { return json.Marshal(p.Public()) }

// fields gives what is sent.
func (p Properties) fields() map[string]string { return map[string]string(p) }

// Public gives the properties as they may be shown: a secret is ***(NAME).
func (p Properties) Public() map[string]string {
	public := make(map[string]string, len(p))
	for name, value := range p {
		if value != "" && IsSecret(name) {
			value = secret.New(name, value).String()
		}
		public[name] = value
	}
	return public
}

// Secrets gives the properties that are secrets, sorted by name.
func (p Properties) Secrets() []secret.Secret {
	var all []secret.Secret
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if p[name] != "" && IsSecret(name) {
			all = append(all, secret.New(p[Name]+"."+name, p[name]))
		}
	}
	return all
}

// Check says what the service would refuse before it is asked.
func (p Properties) Check() error {
	if err := CheckName(p[Name]); err != nil {
		return err
	}
	var lacking []string
	for _, name := range []string{Type, URL} {
		if p[name] == "" {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("the destination has no %s", strings.Join(lacking, " and no "))
	}
	return nil
}

const maxName = 200

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// CheckName says what is wrong with the name of a destination.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of the destination is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name of the destination has %d characters; at most %d are wanted", len(name), maxName)
	case !validName.MatchString(name) || strings.Trim(name, ".") == "":
		return fmt.Errorf("%q is no name of a destination; letters, digits, \".\", \"_\" and \"-\" are wanted", name)
	}
	return nil
}

// public are endings of the names of properties that sound like secrets and
// are none, in lower case.
func public() []string {
	return []string{"url", "urltype", "uri", "location", "type", "inbody", "timeoutinseconds", "user", "username", "alias", "proxyhost", "proxyport"}
}

// IsSecret judges a property by its name: passwords, secrets, keys, tokens,
// and headers, queries and fields of a body that are named like one.
func IsSecret(name string) bool {
	lower := strings.ToLower(name)
	for _, prefix := range [...]string{"url.headers.", "url.queries.", "tokenserviceurl.headers.", "tokenserviceurl.queries.", "tokenservice.body."} {
		if field, ok := strings.CutPrefix(lower, prefix); ok {
			return secret.IsName(field) || strings.Contains(field, "authorization") || strings.Contains(field, "cookie") || strings.Contains(field, "assertion")
		}
	}
	for _, ending := range public() {
		if strings.HasSuffix(lower, ending) {
			return false
		}
	}
	return secret.IsName(lower)
}

// propertiesOf takes what the service gives; all of it is text there.
func propertiesOf(fields map[string]any) Properties {
	p := make(Properties, len(fields))
	for name, v := range fields {
		p[name] = textOf(v)
	}
	return p
}

func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
