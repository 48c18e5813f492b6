package entitlements

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
)

// Key is a service key of the Cloud Management service (cis) of the plan
// central or central-viewer (wire/sap.md 4.2).
type Key struct {
	// Name is the name of the key in messages and of its secrets.
	Name string
	// URL is entitlements_service_url, without a slash at its end.
	URL string
	// Credential gets the tokens, with the grant that the key is for.
	Credential oauth.Credential
	// Origins are those of all services that the key is for; jobs may be at
	// another one than URL.
	Origins []string
	// Secrets is every secret in the key.
	Secrets []secret.Secret

	needsUser bool
}

// ParseKey reads a service key, as downloaded from the cockpit or printed by cf
// or btp (wire/sap.md 4.2): with a client secret, or with a certificate and its
// key. The error says everything that is wrong and holds no value of the key;
// the secrets that were read are there with it.
func ParseKey(name string, data []byte) (Key, error) {
	parsed, err := servicekey.Parse(name, data)
	if err != nil {
		return Key{}, err
	}
	k := Key{Name: name, Secrets: parsed.Secrets, needsUser: needsUser(data)}
	if err := parsed.Complete(); err != nil {
		return k, err
	}
	k.Credential = oauth.Credential{
		Name: name, TokenURL: parsed.TokenURL, ClientID: parsed.ClientID, ClientSecret: parsed.ClientSecret,
		Certificate: parsed.Certificate, Key: parsed.PrivateKey, ValidUntil: parsed.ValidUntil,
	}
	for field, address := range parsed.Endpoints {
		if origin, err := httpx.Origin(address); err == nil {
			k.Origins = append(k.Origins, origin)
		}
		if strings.EqualFold(field, "entitlements_service_url") {
			k.URL = strings.TrimRight(address, "/")
		}
	}
	slices.Sort(k.Origins)
	k.Origins = slices.Compact(k.Origins)
	if k.URL == "" {
		return k, fmt.Errorf("%s: has no entitlements_service_url; want a key of the service cis, plan central or central-viewer", name)
	}
	if _, err := httpx.Origin(k.URL); err != nil {
		return k, fmt.Errorf("%s: entitlements_service_url is no URL: %w", name, err)
	}
	return k, nil
}

// needsUser tells whether a key is for another grant than client credentials,
// which then cannot be used without a person.
func needsUser(data []byte) bool {
	start := strings.IndexByte(string(data), '{')
	if start < 0 {
		return false
	}
	var document struct {
		GrantType   string `json:"grant_type"`
		Credentials struct {
			GrantType string `json:"grant_type"`
		} `json:"credentials"`
	}
	if json.NewDecoder(strings.NewReader(string(data[start:]))).Decode(&document) != nil {
		return false
	}
	grant := strings.ToLower(document.GrantType + document.Credentials.GrantType)
	switch strings.NewReplacer("_", "", "-", "").Replace(grant) {
	case "", "clientcredentials":
		return false
	}
	return true
}

func (k Key) noToken() *platform.Error {
	return &platform.Error{
		Kind:    platform.KindKey,
		Message: fmt.Sprintf("%s: the key is for a sign-in with user and password; want one for client credentials", k.Name),
		Cure:    `create an instance of the service cis, plan central, with the parameters {"grantType":"clientCredentials"}, and a key of it`,
	}
}

// trusts tells whether a URL is at one of the services that the key is for.
func (k Key) trusts(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	u.User = nil
	origin, err := httpx.Origin(u.String())
	if err != nil {
		return false
	}
	own, err := httpx.Origin(k.URL)
	return err == nil && (origin == own || slices.Contains(k.Origins, origin))
}
