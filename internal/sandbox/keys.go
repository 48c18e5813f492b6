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

// keyDocument is wire/sap.md 1.2, 1.3 and 1.4; both plans have the same
// shapes.
type keyDocument struct {
	OAuth oauthKey `json:"oauth"`
}

type oauthKey struct {
	ClientID     string              `json:"clientid"`
	ClientSecret string              `json:"clientsecret,omitempty"`
	Certificate  string              `json:"certificate,omitempty"`
	PrivateKey   string              `json:"key,omitempty"`
	URL          string              `json:"url"`
	CreateDate   string              `json:"createdate,omitempty"`
	TokenURL     string              `json:"tokenurl"`
	Details      *certificateDetails `json:"certificatedetails,omitempty"`
}

type certificateDetails struct {
	Issuer     string `json:"issuerdn"`
	Subject    string `json:"subjectdn"`
	ValidUntil string `json:"validuntil"`
	Serial     string `json:"serialnumber"`
}

// serviceDocument is the key of the entitlements service (wire/sap.md 4.2).
type serviceDocument struct {
	Endpoints map[string]string `json:"endpoints"`
	GrantType string            `json:"grant_type"`
	UAA       struct {
		ClientID     string `json:"clientid"`
		ClientSecret string `json:"clientsecret"`
		URL          string `json:"url"`
	} `json:"uaa"`
}

// isoMillis is how SAP writes a time in a key.
const isoMillis = "2006-01-02T15:04:05.000Z"

// Keys gives every service key there is, with the origins the parts have
// now: call it after [Tenant.Listen]. The first two are sender and api.
func (t *Tenant) Keys() []Key {
	var keys []Key
	for _, k := range t.subaccount.Keys() {
		keys = append(keys, Key{k.Name, t.keyJSON(k, "  ")})
	}
	return keys
}

// EntitlementsKey gives the key of the entitlements service, with the origins
// the parts have now. It is not among [Tenant.Keys]: it authorises neither
// flows nor the OData API.
func (t *Tenant) EntitlementsKey() Key {
	k := t.subaccount.ServiceKey()
	return Key{k.Name, t.serviceJSON(k, "  ")}
}

func (t *Tenant) serviceJSON(k *subaccount.Key, indent string) []byte {
	var d serviceDocument
	at := t.URL(Entitlements)
	d.Endpoints = map[string]string{"entitlements_service_url": at, "accounts_service_url": at, "provisioning_service_url": at}
	d.GrantType = "client_credentials"
	d.UAA.ClientID, d.UAA.ClientSecret, d.UAA.URL = k.Instance.ClientID, k.Secret, t.URL(Token)
	return encodeKey(d, indent)
}

// keyJSON writes a key, indented, or on one line when indent is empty.
func (t *Tenant) keyJSON(k *subaccount.Key, indent string) []byte {
	d := oauthKey{ClientID: k.Instance.ClientID, ClientSecret: k.Secret, URL: t.URL(API), TokenURL: t.URL(Token) + "/oauth/token"}
	if k.Instance.Plan == subaccount.PlanFlow {
		d.URL = t.URL(Runtime)
	}
	c := k.Certificate
	if c == nil {
		d.CreateDate = k.Created.Format(isoMillis)
		return encodeKey(keyDocument{d}, indent)
	}
	d.TokenURL = t.URL(TokenMTLS) + "/oauth/token"
	d.Certificate, d.PrivateKey = c.PEM, c.PrivateKey
	if !c.External {
		d.Details = &certificateDetails{c.Issuer, c.Subject, c.ValidUntil.Format(isoMillis), c.Serial}
	}
	return encodeKey(keyDocument{d}, indent)
}

func encodeKey(d any, indent string) []byte {
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
// nothing else: its target with the sign-in of Cloud Foundry and the key of the
// entitlements service, and each key as the credential of its name. It holds
// secrets. Call it after [Tenant.Listen].
func (t *Tenant) EnvironmentYAML() []byte {
	return t.Environment(nil)
}

// Environment is [Tenant.EnvironmentYAML] with the keys in files of their
// own: path gives the path of the file of a key, as it is to stand in the
// environment. With path nil the keys stand in it.
func (t *Tenant) Environment(path func(key string) string) []byte {
	var b bytes.Buffer
	b.WriteString("# The environment of an iflowtest sandbox; good for as long as it runs.\n")
	fmt.Fprintf(&b, "target:\n  runtime: %s\n  api: %s/api/v1\n", t.URL(Runtime), t.URL(API))
	fmt.Fprintf(&b, "  cloud-foundry:\n    api: %s\n    org: %s\n    space: %s\n    username: %s\n    password: %s\n",
		t.URL(CloudFoundry), subaccount.Organization, subaccount.DefaultSpace, subaccount.UserName, subaccount.Password)
	service := t.subaccount.ServiceKey()
	fmt.Fprintf(&b, "  entitlements:\n    service-key: %s\n    subaccount: %s\ncredentials:\n", quote(strings.TrimSuffix(string(t.serviceJSON(service, "")), "\n")), t.subaccount.GUID)
	named := map[string]bool{}
	for _, k := range t.subaccount.Keys() {
		if named[k.Name] {
			continue // a key of another instance: the older one has the name
		}
		named[k.Name] = true
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
