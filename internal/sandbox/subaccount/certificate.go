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
	"math/big"
	"strings"
	"sync"
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
	Serial     string
	ValidUntil time.Time
	// Fingerprint is the SHA-256 of the certificate in hexadecimal.
	Fingerprint string
}

// authority issues certificates. It is made when the first is wanted.
type authority struct {
	once sync.Once
	err  error
	cert *x509.Certificate
	key  *rsa.PrivateKey
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

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
}

func (a *authority) make(now time.Time) error {
	a.once.Do(func() { a.err = a.generate(now) })
	return a.err
}

func (a *authority) generate(now time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("generate the key of the certificate authority: %w", err)
	}
	subject, errName := distinguished(part{oidC, "DE"}, part{oidL, "sandbox"}, part{oidO, "iflowtest"}, part{oidOU, "Sandbox Clients"}, part{oidCN, "Sandbox Client CA"})
	serial, errSerial := serialNumber()
	if err := errors.Join(errName, errSerial); err != nil {
		return fmt.Errorf("generate the certificate authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, RawSubject: subject,
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("sign the certificate authority: %w", err)
	}
	a.cert, err = x509.ParseCertificate(der)
	a.key = key
	return err
}

// CA gives the certificate (PEM) that the client certificates of keys are
// signed with; it is generated the first time.
func (s *Subaccount) CA() ([]byte, error) {
	if err := s.ca.make(s.now()); err != nil {
		return nil, err
	}
	return pemBlock("CERTIFICATE", s.ca.cert.Raw), nil
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// issue makes a client certificate with a private key.
func (s *Subaccount) issue(i *Instance, days, bits int) (*Certificate, error) {
	now := s.now().UTC().Truncate(time.Second)
	if err := s.ca.make(now); err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("generate a private key: %w", err)
	}
	subject, errName := distinguished(
		part{oidC, "DE"}, part{oidO, "SAP SE"}, part{oidOU, "SAP Cloud Platform Clients"},
		part{oidOU, s.GUID}, part{oidL, "sandbox-uaa"}, part{oidCN, i.GUID},
	)
	serial, errSerial := serialNumber()
	if err := errors.Join(errName, errSerial); err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, RawSubject: subject,
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.AddDate(0, 0, days),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.ca.cert, &key.PublicKey, s.ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
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
	sum := sha256.Sum256(der)
	return &Certificate{
		Issuer: text(cert.RawIssuer), Subject: text(cert.RawSubject), Serial: fmt.Sprintf("0x%X", cert.SerialNumber),
		ValidUntil: cert.NotAfter.UTC(), Fingerprint: hex.EncodeToString(sum[:]),
	}, nil
}
