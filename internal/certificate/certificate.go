// Package certificate reads the X.509 credentials of a client: a chain of
// certificates in PEM and its private key, encrypted or not. It says what is
// wrong with them before they are used, each mistake with its cure: they do
// not belong together, the chain is out of order, they are not valid yet or no
// longer, the key is weak.
//
// What it reads comes from service keys and files (wire/sap.md 1.3, 1.4) and
// may be anything.
package certificate

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"iflowtest/internal/secret"
)

// Input is what a credential consists of, as it was found.
type Input struct {
	// Certificate is PEM: the certificate, and behind it the one that signed
	// it, and so on. Line feeds may be written as \n, or missing.
	Certificate string
	// Key is the private key in PEM: PKCS #1, PKCS #8 or SEC 1. Zero: only the
	// certificate is looked at, and there is nothing to sign in with.
	Key secret.Secret
	// Password decrypts Key; zero: it is not encrypted.
	Password secret.Secret
	// ValidUntil is certificatedetails.validuntil of a service key, RFC 3339;
	// empty: it has none.
	ValidUntil string
}

// Identity is a certificate and its key that were read. What it is does not
// depend on the time; [Identity.Report] does. It is immutable and safe for
// concurrent use. [Read] makes it.
type Identity struct {
	chain    []*x509.Certificate // leaf first, as far as that is known
	findings []Finding
	declared time.Time
	// present gives what is presented in a handshake; a function, so that no
	// verb of fmt prints the private key.
	present func() *tls.Certificate
}

// Read reads a credential. It never fails: what is wrong is in the findings of
// the report.
func Read(in Input) *Identity {
	i := &Identity{}
	chain, trouble := readChain(in.Certificate)
	if trouble != nil {
		i.add(*trouble)
	}
	i.chain = chain
	var key crypto.Signer
	if !in.Key.IsZero() {
		var findings []Finding
		key, findings = readKey(in.Key.Reveal(), in.Password.Reveal())
		i.add(findings...)
	}
	if len(chain) == 0 {
		return i
	}
	fits := i.arrange(key)
	i.add(judgeStrength(i.chain)...)
	i.declare(in.ValidUntil)
	if key != nil && fits {
		i.present = presenting(i.chain, key)
	}
	return i
}

func presenting(chain []*x509.Certificate, key crypto.Signer) func() *tls.Certificate {
	presented := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		presented.Certificate = append(presented.Certificate, c.Raw)
	}
	return func() *tls.Certificate { return presented }
}

func (i *Identity) add(findings ...Finding) { i.findings = append(i.findings, findings...) }

// Findings gives what is wrong whatever the time is, in the order of the
// checks.
func (i *Identity) Findings() []Finding { return slices.Clone(i.findings) }

// TLS gives what a client presents in a handshake: the chain, leaf first, and
// the key. It is shared and not to be changed. Nil: certificate or key cannot
// be read, do not belong together, or there is no key.
func (i *Identity) TLS() *tls.Certificate {
	if i.present == nil {
		return nil
	}
	return i.present()
}

// Thumbprint is the SHA-256 of the certificate in base64url, as the claim
// cnf["x5t#S256"] of a token has it (RFC 8705 3.1); empty: there is none.
func (i *Identity) Thumbprint() string {
	if len(i.chain) == 0 {
		return ""
	}
	return Thumbprint(i.chain[0])
}

// Thumbprint is the SHA-256 of a certificate in base64url (RFC 8705 3.1).
func Thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// DaysLeft is the number of whole days from now to until; negative when that
// has passed, so that the last day is 0 and an hour too late is -1.
func DaysLeft(until, now time.Time) int {
	const day = 24 * time.Hour
	left := until.Sub(now)
	days := int(left / day)
	if left%day < 0 {
		days--
	}
	return days
}

// Subject gives the name of the owner as RFC 4514 writes it: CN=…,O=…,C=….
func Subject(c *x509.Certificate) string { return plainName(c.Subject.String()) }

// Issuer gives the name of the signer as RFC 4514 writes it.
func Issuer(c *x509.Certificate) string { return plainName(c.Issuer.String()) }

// maxName bounds a name in characters: it comes from a foreign file and stands
// in messages.
const maxName = 512

func plainName(name string) string {
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName]) + "…"
	}
	return strings.ToValidUTF8(name, "\ufffd")
}
