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
	// Instance is the name of its service instance, Plan the plan.
	Instance, Plan string
	// JSON is the document (wire/sap.md 1.2 to 1.4), indented, with a newline at its
	// end. It holds the client
	// secret or the private key.
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

func keyOf(k *subaccount.Key, document []byte) Key {
	return Key{Name: k.Name, Instance: k.Instance.Name, Plan: k.Instance.Plan, JSON: document}
}

// Keys gives every service key of it-rt there is, of both kinds and however it
// was made, with the origins the parts have
// now: call it after [Tenant.Listen]. The first two are sender and api.
func (t *Tenant) Keys() []Key {
	var keys []Key
	for _, k := range t.subaccount.Keys() {
		keys = append(keys, keyOf(k, t.keyJSON(k, "  ")))
	}
	return keys
}

// EntitlementsKey gives the key of the entitlements service, with the origins
// the parts have now. It is not among [Tenant.Keys]: it authorises neither
// flows nor the OData API.
func (t *Tenant) EntitlementsKey() Key {
	return keyOf(t.subaccount.EntitlementsKey(), t.entitlementsJSON("  "))
}

func (t *Tenant) entitlementsJSON(indent string) []byte {
	k := t.subaccount.EntitlementsKey()
	var d serviceDocument
	at := t.URL(Entitlements)
	d.Endpoints = map[string]string{"entitlements_service_url": at, "accounts_service_url": at, "provisioning_service_url": at}
	d.GrantType = "client_credentials"
	d.UAA.ClientID, d.UAA.ClientSecret, d.UAA.URL = k.Instance.ClientID, k.Secret, t.URL(Token)
	return encodeKey(d, indent)
}

// destinationDocument is the key of the destination service (wire/sap.md 7): its
// url is that of the token server, without a path.
type destinationDocument struct {
	ClientID     string `json:"clientid"`
	ClientSecret string `json:"clientsecret"`
	InstanceID   string `json:"instanceid"`
	TenantID     string `json:"tenantid"`
	URI          string `json:"uri"`
	URL          string `json:"url"`
	XSAppName    string `json:"xsappname"`
}

// DestinationKey gives the key of the destination service, with the origins
// the parts have now. It is not among [Tenant.Keys] either.
func (t *Tenant) DestinationKey() Key {
	return keyOf(t.subaccount.DestinationKey(), t.destinationJSON("  "))
}

func (t *Tenant) destinationJSON(indent string) []byte {
	k := t.subaccount.DestinationKey()
	return encodeKey(destinationDocument{
		ClientID: k.Instance.ClientID, ClientSecret: k.Secret, InstanceID: k.Instance.GUID, TenantID: t.subaccount.GUID,
		URI: t.URL(Destination), URL: t.URL(Token), XSAppName: k.Instance.XSAppName,
	}, indent)
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

// EnvironmentOptions is how an environment file is written. The zero
// EnvironmentOptions writes one that needs no other file, and that trusts no
// authority but those of the system.
type EnvironmentOptions struct {
	// Key gives the path of the file of a key, as it is to stand in the
	// environment; nil: the keys stand in it.
	Key func(key string) string
	// CA is target.tls.ca, as it is to stand in the environment: the path of the
	// file that holds [Tenant.CA], or its text. Empty: it is left away.
	CA string
}

// EnvironmentYAML gives an environment file for this tenant that needs nothing
// else: its target with the sign-in of Cloud Foundry and the keys of the
// entitlements and the destination service, and each key as the credential of
// its name. It holds secrets. Call it after [Tenant.Listen]. To trust the parts
// that speak TLS, a client needs [Tenant.CA] as well.
func (t *Tenant) EnvironmentYAML() []byte {
	return t.Environment(EnvironmentOptions{})
}

// Environment is [Tenant.EnvironmentYAML] with options.
func (t *Tenant) Environment(o EnvironmentOptions) []byte {
	var b bytes.Buffer
	b.WriteString("# The environment of an iflowtest sandbox; good for as long as it runs.\n")
	fmt.Fprintf(&b, "target:\n  runtime: %s\n  api: %s/api/v1\n", t.URL(Runtime), t.URL(API))
	fmt.Fprintf(&b, "  cloud-foundry:\n    api: %s\n    org: %s\n    space: %s\n    username: %s\n    password: %s\n",
		t.URL(CloudFoundry), subaccount.Organization, subaccount.DefaultSpace, subaccount.UserName, subaccount.Password)
	fmt.Fprintf(&b, "  entitlements:\n    service-key: %s\n    subaccount: %s\n", quote(line(t.entitlementsJSON(""))), t.subaccount.GUID)
	fmt.Fprintf(&b, "  destinations:\n    service-key: %s\n", quote(line(t.destinationJSON(""))))
	if o.CA != "" {
		fmt.Fprintf(&b, "  tls:\n    ca: %s\n", quote(o.CA))
	}
	b.WriteString("credentials:\n")
	named := map[string]bool{}
	for _, k := range t.subaccount.Keys() {
		if named[k.Name] {
			continue // a key of another instance: the older one has the name
		}
		named[k.Name] = true
		value := line(t.keyJSON(k, ""))
		if o.Key != nil {
			value = o.Key(k.Name)
		}
		fmt.Fprintf(&b, "  %s:\n    service-key: %s\n", quoteName(k.Name), quote(value))
	}
	return b.Bytes()
}

// line takes the newline off the end of a key.
func line(key []byte) string { return strings.TrimSuffix(string(key), "\n") }

// quoteName writes a name as it is where it is one for the sandbox, and quoted
// where it is one that Cloud Foundry alone allows.
func quoteName(name string) string {
	if subaccount.CheckKeyName(name) == nil {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", "''") + "'"
}

// quote writes a text as a quoted scalar of YAML: in single quotes, in which
// only the quote itself is special, or, when it has several lines, as JSON does.
// (A path with "${" would be an expression; the language writes a literal one as
// "$${".)
func quote(s string) string {
	s = strings.ReplaceAll(s, "${", "$${")
	if strings.Contains(s, "\n") {
		return strings.TrimSuffix(string(encodeKey(s, "")), "\n")
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
