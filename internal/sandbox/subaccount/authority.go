package subaccount

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"sync"
	"time"
)

// authority issues certificates: to clients, and to the parts of the tenant
// that speak TLS. It is made when the first is wanted, by the real clock, which
// no fault moves.
type authority struct {
	once sync.Once
	err  error
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
}

// make generates the authority the first time.
func (a *authority) make() error {
	a.once.Do(func() { a.err = a.generate(time.Now()) })
	return a.err
}

func (a *authority) generate(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate the key of the certificate authority: %w", err)
	}
	subject, errName := distinguished(part{oidC, "DE"}, part{oidL, "sandbox"}, part{oidO, "iflowtest"}, part{oidOU, "Sandbox"}, part{oidCN, "Sandbox CA"})
	serial, errSerial := serialNumber()
	if err := errors.Join(errName, errSerial); err != nil {
		return fmt.Errorf("generate the certificate authority: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, RawSubject: subject,
		// Before the beginning of the certificates that are issued expired.
		NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(10, 0, 0),
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

// sign issues a certificate for a public key. The template lacks the serial
// number.
func (a *authority) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	if err := a.make(); err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	template.SerialNumber, template.BasicConstraintsValid = serial, true
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return der, nil
}

// CA gives the certificate (PEM) of the authority that signs the client
// certificates of keys and the certificates of the parts that speak TLS; it is
// generated the first time.
func (s *Subaccount) CA() ([]byte, error) {
	if err := s.ca.make(); err != nil {
		return nil, err
	}
	return pemBlock("CERTIFICATE", s.ca.cert.Raw), nil
}

// serverDays is how long the certificate of a part is valid.
const serverDays = 365

// ServerCertificate gives a new certificate, with its private key, for a part
// that is reached under the host: a name, or an IP address.
func (s *Subaccount) ServerCertificate(host string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a private key: %w", err)
	}
	subject, err := distinguished(part{oidO, "iflowtest"}, part{oidOU, "Sandbox"}, part{oidCN, host})
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		RawSubject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, serverDays),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		template.IPAddresses = append(template.IPAddresses, ip.Unmap().WithZone("").AsSlice())
	} else {
		template.DNSNames = []string{host}
	}
	der, err := s.ca.sign(template, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
