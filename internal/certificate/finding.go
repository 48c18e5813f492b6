package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Check names what a finding is about.
type Check string

// The checks, in the order in which they are made.
const (
	// CheckCertificate: the certificate can be read.
	CheckCertificate Check = "certificate"
	// CheckKey: the private key can be read.
	CheckKey Check = "key"
	// CheckPassword: the password opens the private key.
	CheckPassword Check = "password"
	// CheckMatch: certificate and private key belong together.
	CheckMatch Check = "match"
	// CheckOrder: the leaf comes first, each is signed by the next.
	CheckOrder Check = "order"
	// CheckStrength: RSA of 2048 bits or more, no SHA-1.
	CheckStrength Check = "strength"
	// CheckValidUntil: validuntil of the service key is that of the certificate.
	CheckValidUntil Check = "valid-until"
	// CheckNotBefore: the certificate is valid already.
	CheckNotBefore Check = "not-before"
	// CheckExpiry: the certificate is valid still.
	CheckExpiry Check = "expiry"
	// CheckDaysLeft: it is valid for as many days as are wanted.
	CheckDaysLeft Check = "days-left"
)

// Severity says what follows from a finding. The zero Severity is a Remark.
type Severity int

// The severities.
const (
	// Remark: worth knowing.
	Remark Severity = iota
	// Fault: the credential can be used here, but is not as it should be:
	// other clients may refuse it. A gate fails.
	Fault
	// Unusable: nobody can sign in with it.
	Unusable
)

// String gives the word that reports use.
func (s Severity) String() string {
	switch s {
	case Fault:
		return "fault"
	case Unusable:
		return "unusable"
	}
	return "remark"
}

// Finding is something that is wrong with a credential. It holds no secret.
type Finding struct {
	Check    Check
	Severity Severity
	// Message is one line: what was found, what was wanted. Cure is what to do.
	Message, Cure string
}

// Report is what there is to say of a credential at a time.
type Report struct {
	// Subject, Issuer and Serial (hexadecimal, with 0x, as service keys have
	// it) are those of the leaf; empty, like all that follows, when the
	// certificate cannot be read.
	Subject, Issuer, Serial string
	// Version is the version of X.509, mostly 3.
	Version int
	// NotBefore and NotAfter bound the validity of the leaf.
	NotBefore, NotAfter time.Time
	// Until is when the credential ends: the earliest of NotAfter, the end of
	// those that signed it, and validuntil of the service key.
	Until time.Time
	// DaysLeft is the number of whole days until then; negative: it has ended.
	DaysLeft int
	// Algorithm is that of the key: "RSA 2048", "ECDSA P-256", "Ed25519".
	Algorithm string
	// Thumbprint is what cnf["x5t#S256"] of a token must be.
	Thumbprint string
	// Chain is how many certificates there are.
	Chain int
	// Findings is everything that is wrong, in the order of the checks.
	Findings []Finding
}

// Inspect reads a credential and judges it at a time.
func Inspect(in Input, now time.Time) *Report { return Read(in).Report(now) }

// Unusable gives the first finding that keeps the credential from being used;
// nil: there is none.
func (r *Report) Unusable() *Finding {
	for n := range r.Findings {
		if r.Findings[n].Severity == Unusable {
			return &r.Findings[n]
		}
	}
	return nil
}

// Ending tells that fewer days are left than wanted; nil: enough are left, or
// the certificate cannot be read or has ended, which is a finding already.
func (r *Report) Ending(wanted int) *Finding {
	if r.Until.IsZero() || r.DaysLeft < 0 || r.DaysLeft >= wanted {
		return nil
	}
	return &Finding{
		Check: CheckDaysLeft, Severity: Fault,
		Message: fmt.Sprintf("the certificate ends in %s, on %s; want at least %d", days(r.DaysLeft), stamp(r.Until), wanted),
		Cure:    "create a new service key, switch its users, then delete this one",
	}
}

func days(n int) string {
	switch n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// startTolerance is how far the clock of this machine may be behind that of the
// authority that has just issued a certificate.
const startTolerance = time.Minute

// Report judges the credential at a time.
func (i *Identity) Report(now time.Time) *Report {
	r := &Report{Findings: slices.Clone(i.findings), Chain: len(i.chain)}
	if len(i.chain) == 0 {
		return r
	}
	leaf := i.chain[0]
	r.Subject, r.Issuer, r.Serial, r.Version = Subject(leaf), Issuer(leaf), serial(leaf.SerialNumber), leaf.Version
	r.NotBefore, r.NotAfter = leaf.NotBefore, leaf.NotAfter
	r.Algorithm, r.Thumbprint = algorithm(leaf.PublicKey), Thumbprint(leaf)
	var ends string
	r.Until, ends = i.until()
	r.DaysLeft = DaysLeft(r.Until, now)
	for _, c := range i.chain {
		if c.NotBefore.After(now.Add(startTolerance)) {
			r.Findings = append(r.Findings, Finding{
				Check: CheckNotBefore, Severity: Unusable,
				Message: fmt.Sprintf("%s is valid only from %s", i.called(c), stamp(c.NotBefore)),
				Cure:    "wait until then, or check the clock of this machine",
			})
		}
	}
	if now.After(r.Until) {
		r.Findings = append(r.Findings, Finding{
			Check: CheckExpiry, Severity: Unusable,
			Message: fmt.Sprintf("%s expired on %s", ends, stamp(r.Until)),
			Cure:    "create a new service key, switch its users, then delete this one; for an external certificate have a new one signed first",
		})
	}
	return r
}

// until gives when the credential ends, and what ends then. A certificate that
// signed itself is known to the server, or is not: its end is not counted.
func (i *Identity) until() (time.Time, string) {
	until, ends := i.chain[0].NotAfter, i.called(i.chain[0])
	for _, c := range i.chain[1:] {
		if c.NotAfter.Before(until) && !signedItself(c) {
			until, ends = c.NotAfter, i.called(c)
		}
	}
	if !i.declared.IsZero() && i.declared.Before(until.Add(-time.Second)) {
		until, ends = i.declared, "the service key (certificatedetails.validuntil)"
	}
	return until, ends
}

// called names a certificate of the chain.
func (i *Identity) called(c *x509.Certificate) string {
	if c == i.chain[0] {
		return "the certificate"
	}
	return fmt.Sprintf("the certificate of %q, which signs it,", Subject(c))
}

// declare compares what the service key says of the end with the certificate.
func (i *Identity) declare(until string) {
	if until == "" {
		return
	}
	declared, err := time.Parse(time.RFC3339, until)
	if err != nil {
		i.add(Finding{Check: CheckValidUntil, Severity: Remark, Message: fmt.Sprintf("certificatedetails.validuntil is not a time: %q", plainName(until)), Cure: "the end of the certificate itself counts"})
		return
	}
	i.declared = declared
	if end := i.chain[0].NotAfter; declared.Sub(end).Abs() >= time.Second+time.Millisecond {
		i.add(Finding{
			Check: CheckValidUntil, Severity: Remark,
			Message: fmt.Sprintf("certificatedetails.validuntil says %s, the certificate itself %s; the earlier counts", stamp(declared), stamp(end)),
			Cure:    "check that certificate and service key belong together",
		})
	}
}

// arrange puts the leaf first and each behind the one that it signed, as far as
// that can be done, and tells when the file had it otherwise. It reports
// whether the key is that of the leaf; without a key it is true.
func (i *Identity) arrange(key crypto.Signer) bool {
	first := 0
	if key != nil {
		first = slices.IndexFunc(i.chain, func(c *x509.Certificate) bool { return fits(c, key) })
	} else if len(i.chain) > 1 {
		first = max(0, i.unsigning())
	}
	if first < 0 {
		i.add(Finding{
			Check: CheckMatch, Severity: Unusable,
			Message: fmt.Sprintf("certificate and private key do not belong together: the certificate of %q has another key (%s)", Subject(i.chain[0]), algorithm(i.chain[0].PublicKey)),
			Cure:    "give the key that the certificate was made with; take both from the same service key",
		})
		return false
	}
	sorted := []*x509.Certificate{i.chain[first]}
	rest := slices.Delete(slices.Clone(i.chain), first, first+1)
	for len(rest) > 0 {
		next := slices.IndexFunc(rest, func(c *x509.Certificate) bool { return signed(sorted[len(sorted)-1], c) })
		if next < 0 || signedItself(sorted[len(sorted)-1]) {
			break
		}
		sorted = append(sorted, rest[next])
		rest = slices.Delete(rest, next, next+1)
	}
	if len(rest) == 0 && slices.Equal(sorted, i.chain) {
		return true
	}
	i.add(i.disorder(first, sorted, rest))
	// What does not belong to the chain is not presented.
	i.chain = sorted
	return true
}

// unsigning gives the first certificate that signed none of the others.
func (i *Identity) unsigning() int {
	return slices.IndexFunc(i.chain, func(c *x509.Certificate) bool {
		return !slices.ContainsFunc(i.chain, func(other *x509.Certificate) bool { return other != c && signed(other, c) })
	})
}

func (i *Identity) disorder(first int, sorted, rest []*x509.Certificate) Finding {
	f := Finding{Check: CheckOrder, Severity: Fault, Cure: "put the certificate of the client first, then the one that signed it, and so on; nothing else"}
	switch {
	case len(rest) > 0 && slices.ContainsFunc(sorted, rest[0].Equal):
		f.Message = fmt.Sprintf("the chain has %q twice", Subject(rest[0]))
	case len(rest) > 0:
		f.Message = fmt.Sprintf("the chain is broken: %q did not sign %q", Subject(rest[0]), Subject(sorted[len(sorted)-1]))
	case first > 0:
		f.Message = fmt.Sprintf("the chain is out of order: the certificate of the client, %q, is number %d; want it first", Subject(sorted[0]), first+1)
	default:
		at := 1
		for at < len(sorted)-1 && sorted[at] == i.chain[at] {
			at++
		}
		f.Message = fmt.Sprintf("the chain is out of order: number %d is %q; want %q, which signed number %d", at+1, Subject(i.chain[at]), Subject(sorted[at]), at)
	}
	return f
}

func fits(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

// signed reports whether a certificate is signed by another. A signature of an
// algorithm that is too weak to be checked counts by its names.
func signed(c, by *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, by.RawSubject) {
		return false
	}
	err := by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	if _, weak := errors.AsType[x509.InsecureAlgorithmError](err); weak || errors.Is(err, x509.ErrUnsupportedAlgorithm) {
		return true
	}
	return err == nil
}

func signedItself(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && signed(c, c)
}

// judgeStrength tells of keys and signatures that clients and servers refuse.
func judgeStrength(chain []*x509.Certificate) []Finding {
	var findings []Finding
	weak := func(message, cure string) {
		findings = append(findings, Finding{Check: CheckStrength, Severity: Fault, Message: message, Cure: cure})
	}
	for n, c := range chain {
		whose := "the certificate"
		if n > 0 {
			whose = fmt.Sprintf("the certificate of %q, which signs it,", Subject(c))
		}
		switch key := c.PublicKey.(type) {
		case *rsa.PublicKey:
			if key.N.BitLen() < 2048 {
				weak(fmt.Sprintf("%s has a weak key: RSA of %d bits; want 2048 or more", whose, key.N.BitLen()), `create a new key with "key-length": 2048`)
			}
		case *ecdsa.PublicKey:
			if key.Curve.Params().BitSize < 256 {
				weak(fmt.Sprintf("%s has a weak key: %s; want P-256 or more", whose, key.Curve.Params().Name), "create a new key on the curve P-256, or RSA of 2048 bits")
			}
		}
		switch c.SignatureAlgorithm {
		case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
			if n == 0 || !bytes.Equal(c.RawIssuer, c.RawSubject) {
				weak(fmt.Sprintf("%s is signed with %s, which servers refuse", whose, c.SignatureAlgorithm), "have the certificate signed anew with SHA-256")
			}
		}
	}
	return findings
}

func algorithm(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "an unknown algorithm"
}

func serial(n *big.Int) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("0x%X", n)
}
