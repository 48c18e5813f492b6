package httpx

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// Certified is a transport that can present a client certificate: what a
// transport of [Options.Transport] needs to be, unless it is an
// *http.Transport, to serve [Client.WithCertificate].
type Certified interface {
	http.RoundTripper
	// WithCertificate gives a transport that presents the certificate to
	// every server that asks for one.
	WithCertificate(*tls.Certificate) http.RoundTripper
}

// WithCertificate gives a client that presents a certificate to every server
// that asks for one (mutual TLS). It shares everything else with c: the guard,
// the rate, the authorities, the proxy and the limits. Connections it shares
// with nobody but those who present the same certificate: the answer is the
// same client each time. It needs no Close of its own, that of c ends its
// connections too.
//
// The error says that the transport of [Options.Transport] cannot do it.
func (c *Client) WithCertificate(certificate *tls.Certificate) (*Client, error) {
	root := c
	if c.root != nil {
		root = c.root
	}
	digest := certificateDigest(certificate)
	root.mu.Lock()
	defer root.mu.Unlock()
	if known, ok := root.certified[digest]; ok {
		return known, nil
	}
	transport, err := root.certifiedTransport(certificate)
	if err != nil {
		return nil, err
	}
	derived := &Client{
		transport: transport, loopbackOnly: root.loopbackOnly, maxBody: root.maxBody,
		userAgent: root.userAgent, pace: root.pace, buffers: root.buffers, root: root,
	}
	if root.certified == nil {
		root.certified = make(map[[sha256.Size]byte]*Client)
	}
	root.certified[digest] = derived
	return derived, nil
}

// certificateDigest tells certificates apart; a key belongs to one of them.
func certificateDigest(certificate *tls.Certificate) [sha256.Size]byte {
	h := sha256.New()
	for _, der := range certificate.Certificate {
		fmt.Fprintf(h, "%d ", len(der))
		h.Write(der)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (c *Client) certifiedTransport(certificate *tls.Certificate) (http.RoundTripper, error) {
	switch t := c.transport.(type) {
	case Certified:
		return t.WithCertificate(certificate), nil
	case *http.Transport:
		derived := t.Clone()
		if derived.TLSClientConfig == nil {
			derived.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		present(derived.TLSClientConfig, certificate)
		return derived, nil
	}
	return nil, errors.New("the transport of this run cannot present a client certificate")
}

// present gives the certificate to whoever asks for one. Go would keep it back
// from a server whose list of authorities does not name the one that signed
// it, and that server would then say that no certificate came.
func present(config *tls.Config, certificate *tls.Certificate) {
	config.Certificates = nil
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return certificate, nil
	}
}

// CertificateRefused reports whether an error of [Client.Do] is a server's
// refusal of the client certificate it was shown, or of there being none: an
// alert of the handshake (RFC 8446 6.2) that speaks of a certificate.
func CertificateRefused(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return false
	}
	alert := op.Err.Error()
	for _, word := range []string{"certificate", "access denied"} {
		if strings.Contains(alert, word) {
			return true
		}
	}
	return false
}
