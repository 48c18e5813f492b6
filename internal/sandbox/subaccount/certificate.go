package subaccount

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Certificate is what a key has instead of a client secret (wire/sap.md 1.3,
// 1.4).
type Certificate struct {
	// PEM is the chain, the client's certificate first; an external one stands
	// as it was brought.
	PEM string
	// PrivateKey is PEM too; empty when the certificate is external.
	PrivateKey string
	// External tells that the caller brought it.
	External bool
	// Issuer and Subject are distinguished names, the most specific part first.
	Issuer, Subject string
	// Serial is in hexadecimal, after 0x.
	Serial                string
	ValidFrom, ValidUntil time.Time
	// Fingerprint is the SHA-256 of the certificate in hexadecimal.
	Fingerprint string
	// Unpinned lets a later certificate of the same subject and issuer take the
	// place of an external one (wire/sap.md 1.5).
	Unpinned bool
}

// The kinds of parts of a distinguished name (RFC 4519).
var (
	oidCN = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidC  = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidL  = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidO  = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU = asn1.ObjectIdentifier{2, 5, 4, 11}
)

// part is one part of a distinguished name.
type part struct {
	kind  asn1.ObjectIdentifier
	value string
}

// name writes a distinguished name, the least specific part first. (pkix.Name
// would put several organisational units into one part.)
func distinguished(parts ...part) ([]byte, error) {
	var name pkix.RDNSequence
	for _, p := range parts {
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: p.kind, Value: p.value}})
	}
	return asn1.Marshal(name)
}

// text gives a distinguished name as SAP writes it.
func text(raw []byte) string {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &name); err != nil {
		return ""
	}
	return name.String()
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// issue makes a client certificate with a private key. One that is expired was
// valid for as many days until an hour ago.
func (s *Subaccount) issue(i *Instance, days, bits int, expired bool) (*Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generate a private key: %w", err)
	}
	subject, err := distinguished(
		part{oidC, "DE"}, part{oidO, "SAP SE"}, part{oidOU, "SAP Cloud Platform Clients"},
		part{oidOU, s.GUID}, part{oidL, "sandbox-uaa"}, part{oidCN, i.GUID},
	)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	from := s.now().UTC().Truncate(time.Second)
	until := from.AddDate(0, 0, days)
	if expired {
		until = from.Add(-time.Hour)
		from = until.AddDate(0, 0, -days)
	}
	der, err := s.ca.sign(&x509.Certificate{
		RawSubject: subject, NotBefore: from.Add(-5 * time.Minute), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	c, err := describe(der)
	if err != nil {
		return nil, err
	}
	c.PEM = string(pemBlock("CERTIFICATE", der)) + string(pemBlock("CERTIFICATE", s.ca.cert.Raw))
	c.PrivateKey = string(pemBlock("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)))
	return c, nil
}

// external reads a certificate that the caller brought. As in the example of
// SAP, its PEM may stand on one line.
func (s *Subaccount) external(text string) (*Certificate, error) {
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	body, ok := strings.CutPrefix(strings.TrimSpace(text), begin)
	body, rest, closed := strings.Cut(body, end)
	if !ok || !closed {
		return nil, errors.New("X.509: want one certificate in PEM, from " + begin + " to " + end)
	}
	if strings.TrimSpace(rest) != "" {
		return nil, errors.New("X.509: want one certificate, not a chain")
	}
	block, _ := pem.Decode([]byte(begin + "\n" + strings.Join(strings.Fields(body), "\n") + "\n" + end + "\n"))
	if block == nil {
		return nil, errors.New("X.509: the text between BEGIN and END is not base64")
	}
	c, err := describe(block.Bytes)
	if err != nil {
		return nil, errors.New("X.509: the text is not a certificate")
	}
	if !s.now().Before(c.ValidUntil) {
		return nil, fmt.Errorf("X.509: the certificate expired on %s", c.ValidUntil.Format(time.DateOnly))
	}
	c.PEM, c.External = text, true
	return c, nil
}

func describe(der []byte) (*Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	return &Certificate{
		Issuer: text(cert.RawIssuer), Subject: text(cert.RawSubject), Serial: fmt.Sprintf("0x%X", cert.SerialNumber),
		ValidFrom: cert.NotBefore.UTC(), ValidUntil: cert.NotAfter.UTC(), Fingerprint: fingerprint(der),
	}, nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Presented finds the usable key of a client that a certificate belongs to, by
// the clock of the tenant; the client ID may be empty. It is for the caller to
// know that whoever presents the certificate has its private key.
//
// A certificate belongs to a key when it is that of the key; of an external one
// that is not pinned also when subject and issuer are the same and it is valid
// from a later time: it takes the place of the older, which is refused from
// then on (wire/sap.md 1.5).
func (s *Subaccount) Presented(clientID string, presented *x509.Certificate) (*Key, bool) {
	c, err := describe(presented.Raw)
	if now := s.now(); err != nil || now.Before(c.ValidFrom) || now.After(c.ValidUntil) {
		return nil, false
	}
	holds := func(is func(*Certificate) bool) func(*Key) bool {
		return func(k *Key) bool {
			return k.Usable() && k.Certificate != nil && (clientID == "" || clientID == k.Instance.ClientID) && is(k.Certificate)
		}
	}
	s.lock()
	defer s.mu.Unlock()
	exact := func(own *Certificate) bool { return own.Fingerprint == c.Fingerprint }
	for _, k := range s.findKeys(holds(exact)) {
		return k, true
	}
	if s.unused(&Certificate{Fingerprint: c.Fingerprint, External: true}) != nil {
		return nil, false // it is that of another client
	}
	for _, k := range s.findKeys(holds(func(own *Certificate) bool {
		return own.Unpinned && own.Subject == c.Subject && own.Issuer == c.Issuer && c.ValidFrom.After(own.ValidFrom)
	})) {
		c.PEM, c.External, c.Unpinned = k.Certificate.PEM, true, true // the key itself stays as it was downloaded
		renewed := *k
		renewed.Certificate = c
		s.keys[k.Instance.GUID][k.GUID] = &renewed
		return &renewed, true
	}
	return nil, false
}
