package gate

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"time"

	"iflowtest/internal/oauth"
	"iflowtest/internal/secret"
	"iflowtest/runner"
)

// wrongSecret is what no client has for a secret.
const wrongSecret = "this-secret-is-wrong-on-purpose"

// judgeWrongSecret says whether the token server refuses a wrong secret.
func (x *inspection) judgeWrongSecret(ctx context.Context) verdict {
	if !x.acquire(ctx).granted() {
		return skipped("no token was granted with the right one")
	}
	c := x.credential
	c.ClientSecret = secret.New(x.in.Name+".wrong-secret", wrongSecret)
	return x.judgeWrong(ctx, c, "client secret", "check whether a proxy or a mock answers instead of the authorization server at "+x.host())
}

// judgeWrongCertificate says whether the token server refuses a certificate that
// bears the right name, and that nobody signed but its owner.
func (x *inspection) judgeWrongCertificate(ctx context.Context) verdict {
	if !x.acquire(ctx).granted() {
		return skipped("no token was granted with the right one")
	}
	c, err := x.impostor(time.Now())
	if err != nil {
		return unknown(runner.TypeCredential, "no wrong certificate could be made to ask with: "+err.Error(), "leave --negative out for this key; the check is of the server, not of the key")
	}
	return x.judgeWrong(ctx, c, "certificate (signed by itself, with the same subject)",
		"check that the token server at "+x.host()+" verifies client certificates, and that no proxy before it goes by the name in them alone")
}

// judgeWrong asks with what cannot be right. A server that hangs up on the wrong
// certificate without a word has refused it, if it does so again: once may be the
// network.
func (x *inspection) judgeWrong(ctx context.Context, wrong oauth.Credential, what, cure string) verdict {
	t := x.fetch(ctx, wrong)
	again := wrong.UsesCertificate() && hungUp(t.err) && pause(ctx, 0, 0)
	if again {
		first := t.attempts
		t = x.fetch(ctx, wrong)
		t.attempts += first
	}
	v := verdict{}
	switch {
	case t.granted():
		v = invalid("the token server grants a token for a wrong "+what+": it does not check it, so its tokens prove nothing", cure).with(x.shown(t.exchange, true))
	case refused(t.err), wrong.UsesCertificate() && brokeOff(t.err):
		v = fine().with(x.shown(t.exchange, false))
	case again && hungUp(t.err):
		v = remarked("the token server hung up on a wrong certificate without a word, both times: that counts as refused")
	default:
		v = noAnswer(t.err).with(x.shown(t.exchange, true))
	}
	v.attempts = t.attempts
	return v
}

// refused reports whether the token server did not accept what a client signed
// in with, be it in the handshake.
func refused(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && (e.Kind == oauth.KindRefused || e.Kind == oauth.KindCertificate && e.Err != nil)
}

// brokeOff reports whether the server ended the handshake without a reason; where
// it had passed with the right certificate, the wrong one is the reason.
func brokeOff(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && strings.Contains(op.Error(), "handshake failure")
}

func hungUp(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.HungUp()
}

// impostor is the credential with another certificate: the names of the right
// one are in it, its key was just made, and signed it.
func (x *inspection) impostor(now time.Time) (oauth.Credential, error) {
	c := x.credential
	right := c.Read().TLS()
	if right == nil {
		return c, errors.New("the right one cannot be read")
	}
	key, err := x.g.anotherKey(right.Leaf.PublicKey)
	if err != nil {
		return c, err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return c, err
	}
	leaf := &x509.Certificate{
		SerialNumber: number, RawSubject: right.Leaf.RawSubject,
		DNSNames: right.Leaf.DNSNames, EmailAddresses: right.Leaf.EmailAddresses, IPAddresses: right.Leaf.IPAddresses, URIs: right.Leaf.URIs,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		return c, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, err
	}
	c.Certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	c.Key = secret.New(x.in.Name+".wrong-key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	c.Password, c.ValidUntil = secret.Secret{}, ""
	return c, nil
}

// anotherKey makes a key of the same kind, so that the server can use it in the
// handshake. One of RSA takes its time and serves for all certificates.
func (g *Gate) anotherKey(like crypto.PublicKey) (crypto.Signer, error) {
	switch k := like.(type) {
	case *rsa.PublicKey:
		return g.anotherRSA()
	case *ecdsa.PublicKey:
		return ecdsa.GenerateKey(k.Curve, rand.Reader)
	case ed25519.PublicKey:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, errors.New("the key of the right one is of a kind that cannot be made here")
}

func newRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }
