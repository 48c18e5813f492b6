// Package servicekey reads service keys of SAP BTP. Whatever the cockpit
// shows or downloads, whatever cf service-key prints, and the keys of other
// services that sign in at XSUAA, become one [Key].
//
// The shapes are those of wire/sap.md 1.2 to 1.7.
package servicekey

import (
	"strings"

	"iflowtest/internal/secret"
)

// Key is a service key of any shape. It has either a client secret or a
// certificate. [Parse] makes it; it is not changed afterwards.
type Key struct {
	// Name is what [Parse] was given.
	Name     string
	ClientID string
	// ClientSecret is named NAME.client-secret; it is zero in a key with a
	// certificate.
	ClientSecret secret.Secret
	// Certificate is PEM: the certificate, its chain behind it.
	Certificate string
	// PrivateKey is PEM, named NAME.key. It is zero in a key with a client
	// secret, and in one with an external certificate; see [Key.Complete].
	PrivateKey secret.Secret
	// TokenURL is complete: /oauth/token is appended only where the key gives
	// a URL without a path.
	TokenURL string
	// URL is the base URL of the runtime or the API, without a slash at its
	// end; empty where the key has none.
	URL string
	// Endpoints are the further URLs of a key that has several, such as
	// entitlements_service_url of the service cis. It may be nil.
	Endpoints map[string]string
	// Plan is "integration-flow" or "api", judged by the client ID, or "".
	Plan string
	// CreateDate is as the key has it, RFC 3339 where SAP made it; or "".
	CreateDate string
	// ValidUntil is when the certificate expires, RFC 3339: as the key has it,
	// else as the certificate has it; or "".
	ValidUntil string
	// DeclaredUntil is certificatedetails.validuntil as the key has it; or "".
	// Whether the certificate itself agrees is for
	// [iflowtest/internal/certificate.Inspect] to say.
	DeclaredUntil string
	// Secrets is every secret in the document, the two above first.
	Secrets []secret.Secret
}

// Complete reports, as an [*Error], what a key still needs before it can
// obtain a token: a key of the type external certificate holds the
// certificate that was uploaded, and its owner has the private key.
func (k *Key) Complete() error {
	if k.Certificate == "" || !k.PrivateKey.IsZero() {
		return nil
	}
	return &Error{Name: k.Name, Problems: []string{
		"has a certificate and no key: the certificate is external, and its private key is not part of the service key; give it with key: in the credential",
	}}
}

// plan judges the plan of the offering it-rt by the client ID, which ends in
// the name of the broker's application (wire/sap.md 1.2).
func plan(clientID string) string {
	_, app, found := cutLast(clientID, "|")
	switch {
	case !found:
		return ""
	case strings.HasPrefix(app, "it-rt-"), strings.HasPrefix(app, "it-rt!"):
		return "integration-flow"
	case strings.HasPrefix(app, "it!"):
		return "api"
	default:
		return ""
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
