package oauth

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"iflowtest/internal/certificate"
	"iflowtest/internal/httpx"
)

// digest is a SHA-256: it tells secrets apart without holding them.
type digest = [sha256.Size]byte

// UsesCertificate tells whether the client signs in by mutual TLS instead of
// with a client secret.
func (c Credential) UsesCertificate() bool { return c.Certificate != "" || !c.Key.IsZero() }

// clientSecret is what goes into the body; x/oauth2 leaves an empty one out.
func (c Credential) clientSecret() string {
	if c.UsesCertificate() {
		return ""
	}
	return c.ClientSecret.Reveal()
}

// input is what the certificate is read from.
func (c Credential) input() certificate.Input {
	return certificate.Input{Certificate: c.Certificate, Key: c.Key, Password: c.Password, ValidUntil: c.ValidUntil}
}

// certificateDigest stands for everything that the certificate is read from.
func (c Credential) certificateDigest() digest {
	h := sha256.New()
	for _, part := range []string{c.Certificate, c.Key.Reveal(), c.Password.Reveal(), c.ValidUntil} {
		fmt.Fprintf(h, "%d ", len(part))
		h.Write([]byte(part))
	}
	return digest(h.Sum(nil))
}

// identityDigest tells apart what a server may see of a client in the handshake;
// zero: nothing.
func (c Credential) identityDigest() digest {
	if !c.UsesCertificate() {
		return digest{}
	}
	return c.certificateDigest()
}

// Read reads the certificate of a credential that has one, for what is wrong
// with it whatever the time is.
func (c Credential) Read() *certificate.Identity { return certificate.Read(c.input()) }

// Inspect judges the certificate of a credential at a time; the report of one
// without a certificate is empty.
func (c Credential) Inspect(now time.Time) *certificate.Report {
	if !c.UsesCertificate() {
		return &certificate.Report{}
	}
	return c.Read().Report(now)
}

// thumbprint is what cnf["x5t#S256"] of a token of the credential must be.
func (c Credential) thumbprint() string { return c.Read().Thumbprint() }

// identity is a certificate that was read, and the client that presents it.
type identity struct {
	*certificate.Identity
	client *httpx.Client
	err    error
}

// identities are the certificates that were read in a run. It is safe for
// concurrent use; make it with newIdentities.
type identities struct {
	client *httpx.Client
	mu     sync.Mutex
	known  map[digest]*identity
}

func newIdentities(c *httpx.Client) *identities {
	return &identities{client: c, known: make(map[digest]*identity)}
}

// Client gives the client to send requests with on behalf of a credential: one
// that presents its certificate, or that of the source when it has none. It
// shares all limits with the client of the source. The error is an *Error: the
// certificate cannot be used now.
func (s *Source) Client(c Credential) (*httpx.Client, error) {
	client, err := s.identities.clientFor(c, time.Now())
	if err != nil {
		return nil, err
	}
	return client, nil
}

// clientFor gives the client that presents the certificate of a credential; the
// plain one when it has none.
func (s *identities) clientFor(c Credential, now time.Time) (*httpx.Client, *Error) {
	if !c.UsesCertificate() {
		return s.client, nil
	}
	known := s.of(c)
	report := known.Report(now)
	if f := report.Unusable(); f != nil {
		return nil, &Error{Kind: KindCertificate, Message: c.subject() + f.Message, Cure: f.Cure}
	}
	switch {
	case c.Key.IsZero():
		return nil, &Error{
			Kind: KindCertificate, Message: c.subject() + "there is a certificate and no private key: the certificate is external, and its owner has the key",
			Cure: "give the private key with key: in the credential",
		}
	case known.err != nil:
		return nil, &Error{Kind: KindRequest, Message: c.subject() + known.err.Error(), Cure: "use a credential with a client secret", Err: known.err}
	}
	return known.client, nil
}

// of reads a certificate once in a run.
func (s *identities) of(c Credential) *identity {
	d := c.certificateDigest()
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[d]; ok {
		return known
	}
	read := &identity{Identity: c.Read()}
	if presented := read.TLS(); presented != nil {
		read.client, read.err = s.client.WithCertificate(presented)
	}
	s.known[d] = read
	return read
}

// handshakeRefused is the error of a server that did not accept the
// certificate.
func (c Credential) handshakeRefused(e *httpx.Error) *Error {
	return &Error{
		Kind: KindCertificate, Message: c.subject() + e.Message, Err: e,
		Cure: "the certificate must be the one of a service key that still exists, with the certificates that signed it; if the key was deleted or rotated, create a new one",
	}
}

// means names what the client signs in with.
func (c Credential) means() string {
	if c.UsesCertificate() {
		return "client ID or certificate"
	}
	return "client ID or secret"
}

// compare says what to do when that is refused.
func (c Credential) compare() string {
	if c.UsesCertificate() {
		return "the certificate must be the one that this service key was created with, and token-url the one for certificates (….authentication.cert.…); if the key was deleted or rotated, create a new one"
	}
	return "compare both with the service key; if the key was deleted or rotated, create a new one"
}
