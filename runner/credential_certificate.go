package runner

import (
	"crypto/tls"
	"strconv"
	"strings"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/certificate"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/secret"
	"iflowtest/internal/servicekey"
	"iflowtest/scenarios"
)

// signInWith puts what a service key signs in with into the credential, in
// place of what it had.
func (cr *credential) signInWith(key *servicekey.Key) {
	cr.ClientSecret, cr.Certificate, cr.Key, cr.ValidUntil = key.ClientSecret, key.Certificate, key.PrivateKey, key.DeclaredUntil
	cr.Password = secret.Secret{}
}

// certificateOf reads certificate, key and password of a credential, or of the
// overrides of a token step, over what cr has. Whoever gives a certificate
// signs in with it, whoever gives a client secret with that.
func (c *compiler) certificateOf(cr *credential, n *scenarios.Node, scope *expression.Scope, vars map[string]any, from string) bool {
	if n.Get("client-secret") != nil {
		cr.Certificate, cr.Key, cr.Password, cr.ValidUntil = "", secret.Secret{}, secret.Secret{}, ""
	}
	ok := true
	if v := n.Get("certificate"); v != nil {
		text, known := c.pem(v, scope, vars, from)
		cr.Certificate, cr.ValidUntil = text, ""
		ok = known
	}
	if v := n.Get("key"); v != nil {
		text, known := c.pem(v, scope, vars, from)
		cr.Key = secret.New(cr.Name+".key", text)
		c.o.Redactor.Add(cr.Key.Name(), text)
		c.o.Redactor.Add(cr.Key.Name(), certificate.Lines(text))
		ok = ok && known
	}
	if v := n.Get("key-password"); v != nil {
		text, known := c.static(v, scope, vars)
		cr.Password = secret.New(cr.Name+".key-password", text)
		c.o.Redactor.Add(cr.Password.Name(), text)
		ok = ok && known
	}
	return ok
}

// pem gives PEM that a value names: a path, or the text itself, as CI systems
// keep it in a variable.
func (c *compiler) pem(n *scenarios.Node, scope *expression.Scope, vars map[string]any, from string) (string, bool) {
	text, ok := c.static(n, scope, vars)
	switch {
	case !ok:
		return "", false
	case strings.TrimSpace(text) == "":
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidCredential, "the value is empty").WithHint("the path of a file in PEM is wanted"))
		return "", false
	case strings.Contains(text, "-----BEGIN "):
		return text, true
	}
	data, ok := c.readCredentialFile(n, text, from)
	return string(data), ok
}

// checkCertificate tells what is wrong with certificate and key of a
// credential, at the places that are at fault. Whether it is valid at the time
// is judged when it is used.
func (c *compiler) checkCertificate(cr *credential, body *scenarios.Node, at diag.Position) bool {
	if !cr.UsesCertificate() {
		return true
	}
	place := func(keys ...string) diag.Position {
		for _, key := range append(keys, "service-key") {
			if n := body.Get(key); n != nil {
				return n.Pos()
			}
		}
		return at
	}
	usable := true
	for _, f := range cr.Read().Findings() {
		pos := place("certificate", "service-key", "key")
		switch f.Check {
		case certificate.CheckKey, certificate.CheckMatch:
			pos = place("key", "certificate")
		case certificate.CheckPassword:
			pos = place("key-password", "key")
		}
		d := diag.Warningf(pos, diag.InvalidCredential, "credential %q: %s", cr.Name, f.Message)
		if f.Severity == certificate.Unusable {
			d.Severity, usable = diag.Error, false
		}
		c.diags = append(c.diags, d.WithHint("%s", f.Cure))
	}
	if cr.Key.IsZero() {
		c.diags = append(c.diags, diag.Errorf(place("certificate"), diag.InvalidCredential, "credential %q has a certificate and no private key", cr.Name).
			WithHint("the certificate is external, and its private key is not part of the service key; name its file with key: beside service-key:"))
		return false
	}
	return usable
}

// ownCertificate is what can be asserted of the certificate of a credential;
// nil: it has none.
func ownCertificate(r *certificate.Report) *assertions.Certificate {
	if r.Until.IsZero() {
		return nil
	}
	return &assertions.Certificate{DaysLeft: r.DaysLeft, Subject: r.Subject, Issuer: r.Issuer, Version: strconv.Itoa(r.Version)}
}

// serverCertificate is what can be asserted of the certificate of a server;
// nil: the answer came without TLS.
func serverCertificate(state *tls.ConnectionState, now time.Time) *assertions.Certificate {
	if state == nil {
		return nil
	}
	c := &assertions.Certificate{Version: strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")}
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		c.DaysLeft, c.Subject, c.Issuer = certificate.DaysLeft(leaf.NotAfter, now), certificate.Subject(leaf), certificate.Issuer(leaf)
	}
	return c
}
