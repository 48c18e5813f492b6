package sandbox

import (
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"sync"
)

// secure reports whether a part speaks TLS.
func (t *Tenant) secure(part string) bool { return t.o.TLS || part == TokenMTLS }

// scheme gives that of the origin of a part.
func (t *Tenant) scheme(part string) string {
	if t.secure(part) {
		return "https"
	}
	return "http"
}

// asksForCertificate reports whether a part that speaks TLS asks the client for
// a certificate. (It does not insist: who has none is told so in HTTP.)
func asksForCertificate(part string) bool { return slices.Contains([]string{TokenMTLS, Runtime}, part) }

// tlsConfig gives that of a part that is reached under the host, unless the
// client names another. HTTP/1.1 alone is spoken: in HTTP/2 no connection could
// be reset for a single request.
func (t *Tenant) tlsConfig(part, host string) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := asked(hello, host)
			if !t.isOwnName(name, host) {
				return nil, nil // crypto/tls answers with unrecognized_name (RFC 6066)
			}
			return t.certificates.of(name, t.subaccount.ServerCertificate)
		},
	}
	if asksForCertificate(part) {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

// isOwnName reports whether a part that listens under the host has a
// certificate for the name: as the name of loopback, as that under which the
// proxy leads to a part, or as that of the host. By which names an address that
// is not loopback is known to others cannot be told, so it has one for any.
func (t *Tenant) isOwnName(name, host string) bool {
	if strings.ContainsFunc(name, notOfHost) {
		return false
	}
	if !loopback(host) || loopback(name) || strings.EqualFold(name, host) {
		return true
	}
	local, ok := strings.CutSuffix(name, ".localhost") // RFC 6761, section 6.3
	if !ok {
		local, ok = strings.CutSuffix(name, proxyDomain)
	}
	return ok && local != ""
}

// notOfHost reports whether a character is of no name and no address.
func notOfHost(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._:%", c)
}

// asked gives the name under which the client reached the server: the one it
// says, or, since an IP address is never said, the address it came to.
func asked(hello *tls.ClientHelloInfo, host string) string {
	if hello.ServerName != "" {
		return strings.ToLower(hello.ServerName)
	}
	if hello.Conn == nil {
		return host
	}
	if tcp, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok && tcp.IP != nil {
		return tcp.IP.String()
	}
	return host
}

// maxCertificates bounds the certificates that are kept.
const maxCertificates = 64

// certificates are those of the parts, by the name they are for. The zero
// certificates is empty; it is safe for concurrent use.
type certificates struct {
	mu    sync.Mutex
	names map[string]*tls.Certificate
}

// of gives the certificate for a name, and issues it the first time.
func (c *certificates) of(name string, issue func(name string) (*tls.Certificate, error)) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.names[name]; known != nil {
		return known, nil
	}
	issued, err := issue(name)
	if err != nil {
		return nil, err
	}
	if c.names == nil || len(c.names) >= maxCertificates {
		c.names = map[string]*tls.Certificate{}
	}
	c.names[name] = issued
	return issued, nil
}
