package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"iflowtest/internal/sandbox/subaccount"
)

// Key is a service key as the cockpit shows it.
type Key struct {
	// Name is the name of the key, and of the credential it becomes.
	Name string
	// JSON is the document (wire/sap.md 1.2), indented, with a newline at its
	// end. It holds the client secret.
	JSON []byte
}

// keyDocument is wire/sap.md 1.2; both plans have the same shape.
type keyDocument struct {
	OAuth struct {
		ClientID     string `json:"clientid"`
		ClientSecret string `json:"clientsecret"`
		URL          string `json:"url"`
		CreateDate   string `json:"createdate"`
		TokenURL     string `json:"tokenurl"`
	} `json:"oauth"`
}

// Keys gives every service key there is, with the origins the parts have
// now: call it after [Tenant.Listen]. The first two are sender and api.
func (t *Tenant) Keys() []Key {
	var keys []Key
	for _, k := range t.subaccount.Keys() {
		keys = append(keys, Key{k.Name, t.keyJSON(k, "  ")})
	}
	return keys
}

// keyJSON writes a key, indented, or on one line when indent is empty.
func (t *Tenant) keyJSON(k *subaccount.Key, indent string) []byte {
	var d keyDocument
	d.OAuth.ClientID, d.OAuth.ClientSecret = k.Instance.ClientID, k.Secret
	d.OAuth.CreateDate = k.Created.Format("2006-01-02T15:04:05.000Z")
	d.OAuth.TokenURL = t.URL(Token) + "/oauth/token"
	d.OAuth.URL = t.URL(API)
	if k.Instance.Plan == subaccount.PlanFlow {
		d.OAuth.URL = t.URL(Runtime)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(d); err != nil {
		// Texts alone: there is nothing that could not be encoded.
		return nil
	}
	return b.Bytes()
}

// EnvironmentYAML gives an environment file for this tenant that needs
// nothing else: its target, and each key as the credential of its name. It
// holds the client secrets. Call it after [Tenant.Listen].
func (t *Tenant) EnvironmentYAML() []byte {
	return t.Environment(nil)
}

// Environment is [Tenant.EnvironmentYAML] with the keys in files of their
// own: path gives the path of the file of a key, as it is to stand in the
// environment. With path nil the keys stand in it.
func (t *Tenant) Environment(path func(key string) string) []byte {
	var b bytes.Buffer
	b.WriteString("# The environment of an iflowtest sandbox; good for as long as it runs.\n")
	fmt.Fprintf(&b, "target:\n  runtime: %s\n  api: %s/api/v1\ncredentials:\n", t.URL(Runtime), t.URL(API))
	for _, k := range t.subaccount.Keys() {
		value := strings.TrimSuffix(string(t.keyJSON(k, "")), "\n")
		if path != nil {
			value = path(k.Name)
		}
		fmt.Fprintf(&b, "  %s:\n    service-key: %s\n", k.Name, quote(value))
	}
	return b.Bytes()
}

// quote writes a text as a single-quoted scalar of YAML, in which only the
// quote itself is special. (A path with "${" would be an expression; the
// language writes a literal one as "$${".)
func quote(s string) string {
	s = strings.ReplaceAll(s, "${", "$${")
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
