package api

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/odata"
)

// Authority is what signs the certificates of the tenant.
type Authority interface {
	// CA gives its own certificate (PEM).
	CA() ([]byte, error)
	// ServerCertificate gives a new certificate with its private key.
	ServerCertificate(host string) (*tls.Certificate, error)
}

// keystore is the tenant's keystore. It is filled when somebody looks into it,
// since keys take their time. It is safe for concurrent use.
type keystore struct {
	once    sync.Once
	entries []keystoreEntry
	err     error
}

// keystoreEntry is a certificate, or a key pair with its certificate.
type keystoreEntry struct {
	alias, owner string
	pair         bool
	cert         *x509.Certificate
	created      time.Time
}

// fill makes the entries the first time: the key pair every tenant has, the
// authority that signed it, and a key pair of the tenant's own.
func (k *keystore) fill(authority Authority, runtime, own string, now time.Time) ([]keystoreEntry, error) {
	k.once.Do(func() { k.entries, k.err = newEntries(authority, runtime, own, now) })
	return k.entries, k.err
}

func newEntries(authority Authority, runtime, own string, now time.Time) ([]keystoreEntry, error) {
	text, err := authority.CA()
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the certificate of the authority is no PEM")
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the authority: %w", err)
	}
	entries := []keystoreEntry{{alias: "sandbox_ca", owner: "Tenant", cert: ca, created: now}}
	for _, pair := range []keystoreEntry{{alias: "sandbox_signing", owner: "Tenant"}, {alias: "sap_cloudintegrationcertificate", owner: "SAP"}} {
		origin := own
		if pair.owner == "SAP" {
			origin = runtime
		}
		at, err := url.Parse(origin)
		if err != nil {
			return nil, fmt.Errorf("read the origin %q: %w", origin, err)
		}
		issued, err := authority.ServerCertificate(at.Hostname())
		if err != nil {
			return nil, err
		}
		pair.pair, pair.cert, pair.created = true, issued.Leaf, now
		entries = append(entries, pair)
	}
	return entries, nil
}

// serveKeystore answers KeystoreEntries (wire/sap.md 6.8).
func (a *API) serveKeystore(c *call) {
	if !c.allow(http.MethodGet) {
		return
	}
	now := a.o.Faults.Now()
	entries, err := a.keystore.fill(a.o.Authority, a.o.Runtime(), a.o.Origin(), now)
	if err != nil {
		c.fail(odata.Errorf(http.StatusInternalServerError, "The keystore cannot be read: %s", err))
		return
	}
	var rows []*odata.Entity
	alias, one := c.path[0].Key("")
	for _, e := range entries {
		row := e.entity(now)
		if one && row.Key == odata.Key(strings.ToUpper(alias)) {
			c.navigate(row, c.path[1:])
			return
		}
		rows = append(rows, row)
	}
	if one {
		c.unknown("KeystoreEntry", alias)
		return
	}
	c.listOrCount(entries[0].entity(now), rows)
}

func (e *keystoreEntry) entity(now time.Time) *odata.Entity {
	kind, curve, size := keyOf(e.cert)
	sum1, sum256, sum512 := sha1.Sum(e.cert.Raw), sha256.Sum256(e.cert.Raw), sha512.Sum512(e.cert.Raw)
	entry := "Certificate"
	if e.pair {
		entry = "Key Pair"
	}
	alias := strings.ToUpper(hex.EncodeToString([]byte(e.alias)))
	return &odata.Entity{
		Set: "KeystoreEntries", Type: "KeystoreEntry", Key: odata.Key(alias),
		Properties: []odata.Property{
			{Name: "Hexalias", Value: alias}, {Name: "Alias", Value: e.alias},
			{Name: "KeyType", Value: kind}, {Name: "KeySize", Value: size},
			{Name: "ValidNotBefore", Value: odata.Offset{Time: e.cert.NotBefore}}, {Name: "ValidNotAfter", Value: odata.Offset{Time: e.cert.NotAfter}},
			{Name: "SerialNumber", Value: e.cert.SerialNumber.Text(16)}, {Name: "SignatureAlgorithm", Value: signature(e.cert)},
			{Name: "EllipticCurve", Value: curve}, {Name: "Validity", Value: validity(e.cert, now)},
			{Name: "SubjectDN", Value: e.cert.Subject.String()}, {Name: "IssuerDN", Value: e.cert.Issuer.String()},
			{Name: "Version", Value: e.cert.Version},
			{Name: "FingerprintSha1", Value: pairs(sum1[:])}, {Name: "FingerprintSha256", Value: pairs(sum256[:])}, {Name: "FingerprintSha512", Value: pairs(sum512[:])},
			{Name: "Type", Value: entry}, {Name: "Owner", Value: e.owner},
			{Name: "LastModifiedBy", Value: "sandbox"}, {Name: "LastModifiedTime", Value: odata.Offset{Time: e.created}},
			{Name: "CreatedBy", Value: "sandbox"}, {Name: "CreatedTime", Value: odata.Offset{Time: e.created}},
			{Name: "Status", Value: "Active"},
		},
	}
}

// keyOf gives the kind of the key of a certificate, its curve where it is on
// one, and its size in bits.
func keyOf(cert *x509.Certificate) (kind string, curve any, size int) {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", nil, key.N.BitLen()
	case *ecdsa.PublicKey:
		return "EC", key.Curve.Params().Name, key.Curve.Params().BitSize
	}
	return cert.PublicKeyAlgorithm.String(), nil, 0
}

// signature names the algorithm of the signature as Java does.
func signature(cert *x509.Certificate) string {
	switch cert.SignatureAlgorithm {
	case x509.SHA256WithRSA:
		return "SHA256withRSA"
	case x509.ECDSAWithSHA256:
		return "SHA256withECDSA"
	}
	return cert.SignatureAlgorithm.String()
}

func validity(cert *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(cert.NotBefore):
		return "NOT_YET_VALID"
	case now.After(cert.NotAfter):
		return "EXPIRED"
	}
	return "VALID"
}

// pairs writes a fingerprint in pairs of hexadecimal digits.
func pairs(sum []byte) string {
	text := make([]string, len(sum))
	for i, b := range sum {
		text[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(text, ":")
}
