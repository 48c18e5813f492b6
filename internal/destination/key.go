package destination

import (
	"fmt"

	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
)

// Key is a service key of an instance of the destination service (wire/sap.md
// 7).
type Key struct {
	// Name is the name of the key in messages and of its secrets.
	Name string
	// URL is the uri of the key, without a slash at its end.
	URL string
	// Credential gets the tokens.
	Credential oauth.Credential
	// Secrets is every secret in the key.
	Secrets []secret.Secret
}

// ParseKey reads a service key, as downloaded from the cockpit or printed by
// cf: with a client secret, or with a certificate and its key. The error says
// everything that is wrong and holds no value of the key; the secrets that were
// read are there with it.
func ParseKey(name string, data []byte) (Key, error) {
	parsed, err := servicekey.Parse(name, data)
	if err != nil {
		return Key{}, err
	}
	k := Key{Name: name, URL: parsed.URL, Secrets: parsed.Secrets}
	if k.URL == "" {
		return k, fmt.Errorf("%s: has no uri; want a key of an instance of the service destination", name)
	}
	if _, err := httpx.Origin(k.URL); err != nil {
		return k, fmt.Errorf("%s: uri is no URL: %w", name, err)
	}
	if err := parsed.Complete(); err != nil {
		return k, err
	}
	k.Credential = oauth.Credential{
		Name: name, TokenURL: parsed.TokenURL, ClientID: parsed.ClientID, ClientSecret: parsed.ClientSecret,
		Certificate: parsed.Certificate, Key: parsed.PrivateKey, ValidUntil: parsed.ValidUntil,
	}
	return k, nil
}
