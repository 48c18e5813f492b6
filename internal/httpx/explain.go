package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Kind says what sort of trouble kept an answer from arriving whole.
type Kind string

// The kinds of trouble.
const (
	// Network: no connection, or one that broke; an answer cut off, endless,
	// or not HTTP.
	Network Kind = "network"
	// TLS: the handshake or the certificate.
	TLS Kind = "tls"
	// Timeout: a limit of time was reached; the message names it.
	Timeout Kind = "timeout"
	// Interrupted: the run was told to stop.
	Interrupted Kind = "interrupted"
	// RefusedOrigin: the guard of Options.LoopbackOnly; nothing was sent.
	RefusedOrigin Kind = "refused-origin"
	// BadRequest: the request itself cannot be sent (its URL, a header, a
	// body that cannot be read); nothing, or only a part, was sent.
	BadRequest Kind = "request"
)

// Error is why there is no answer, or no whole one.
type Error struct {
	// Kind sorts it.
	Kind Kind
	// Message has method, URL (without query, user and password) and cause.
	Message string
	// Cure says what to do about it; may be empty.
	Cure string
	// Err is what the libraries said.
	Err error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what the libraries said.
func (e *Error) Unwrap() error { return e.Err }

// Explain judges an error of the pool for a request to url. The context is the
// one the request was made with: when it ended, that is the reason.
func Explain(err error, ctx context.Context, method, url string) *Error { //nolint:revive // the error is the subject
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return explain(ctx, err, method, url, "")
}

func (c *Client) explain(ctx context.Context, err error, h *hop, watch *stopwatch) *Error {
	return explain(ctx, err, h.method, h.url.String(), watch.now().String())
}

// explainBody judges why a body could not be read to its end.
func (c *Client) explainBody(ctx context.Context, err error, h *hop, watch *stopwatch, answer *http.Response, got int) *Error {
	place := h.method + " " + shown(h.url) + ": "
	switch {
	case errors.Is(err, errTooLarge):
		return &Error{
			Kind: Network, Err: err,
			Message: fmt.Sprintf("%sthe answer (status %d) is larger than %s, or endless; reading stopped there", place, answer.StatusCode, size(c.maxBody)),
			Cure:    "ask for less, or check whether the server ever ends its answer",
		}
	case ctx.Err() != nil:
		return explain(ctx, err, h.method, h.url.String(), fmt.Sprintf("%s (%s arrived)", watch.now(), size(int64(got))))
	case errors.Is(err, errEncoding):
		return &Error{
			Kind: Network, Err: err,
			Message: fmt.Sprintf("%sthe answer (status %d) says gzip but does not decode", place, answer.StatusCode),
			Cure:    "check the server, or send the header Accept-Encoding: identity",
		}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		of := ""
		if answer.ContentLength >= 0 && answer.Header.Get("Content-Encoding") == "" {
			of = " of " + size(answer.ContentLength)
		}
		return &Error{
			Kind: Network, Err: err,
			Message: fmt.Sprintf("%sthe answer (status %d) was cut off after %s%s", place, answer.StatusCode, size(int64(got)), of),
			Cure:    "the server or a gateway on the way hung up early; try again, and look into the server's log if it stays",
		}
	}
	e := explain(ctx, err, h.method, h.url.String(), "")
	e.Message = fmt.Sprintf("%s; %s of the answer (status %d) had arrived", e.Message, size(int64(got)), answer.StatusCode)
	return e
}

func explain(ctx context.Context, err error, method, rawURL, doing string) *Error {
	u, parseErr := url.Parse(rawURL)
	if parseErr != nil {
		u = &url.URL{Host: rawURL}
	}
	place := method + " " + shown(u) + ": "
	if ctx.Err() != nil {
		return explainEnd(ctx, err, place, doing)
	}
	if refusal, ok := errors.AsType[*proxyRefusal](err); ok {
		return refusal.explain(place, err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks")) {
		kind, cause, _ := judge(op.Err, "the proxy")
		proxy := "the proxy"
		if inner, ok := errors.AsType[*net.OpError](op.Err); ok && inner.Addr != nil {
			proxy += " " + inner.Addr.String()
		}
		return &Error{Kind: kind, Err: err, Message: place + proxy + " cannot be reached: " + cause, Cure: "check the proxy setting (proxy in the environment file, HTTPS_PROXY), or exempt the host with NO_PROXY"}
	}
	host := u.Hostname()
	kind, cause, cure := judge(err, host)
	return &Error{Kind: kind, Err: err, Message: place + cause, Cure: cure}
}

// explainEnd names the limit that was hit, or who stopped the run.
func explainEnd(ctx context.Context, err error, place, doing string) *Error {
	cause := context.Cause(ctx)
	if doing != "" {
		doing = " " + doing
	}
	var limit interface{ Timeout() bool }
	if ctx.Err() == context.DeadlineExceeded || errors.Is(cause, context.DeadlineExceeded) || (errors.As(cause, &limit) && limit.Timeout()) {
		text := cause.Error()
		if cause == context.DeadlineExceeded {
			text = "time limit"
		}
		return &Error{Kind: Timeout, Err: err, Message: place + text + " reached" + doing, Cure: "check whether the server is slow, or raise the timeout"}
	}
	text := "interrupted"
	if cause != context.Canceled {
		text += " (" + cause.Error() + ")"
	}
	return &Error{Kind: Interrupted, Err: err, Message: place + text + doing}
}

// judge gives kind, cause and cure of an error that is not the context's.
func judge(err error, host string) (Kind, string, string) {
	if s, ok := errors.AsType[*sourceError](err); ok {
		return BadRequest, "the body cannot be read: " + plainFileError(s.err), "check the file that is to be sent"
	}
	if cause, cure, ok := judgeTLS(err, host); ok {
		return TLS, cause, cure
	}
	if cause, cure, ok := judgeName(err); ok {
		return Network, cause, cure
	}
	if cause, cure, ok := judgeSocket(err); ok {
		return Network, cause, cure
	}
	return judgeText(err)
}

func judgeName(err error) (cause, cure string, ok bool) {
	e, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return "", "", false
	case e.IsNotFound:
		return fmt.Sprintf("the name %q does not resolve", e.Name), "check the host for a typing mistake (subdomain, region); behind a corporate proxy set proxy or HTTPS_PROXY", true
	case e.IsTimeout:
		return fmt.Sprintf("the name %q does not resolve: the name server does not answer", e.Name), "check the network connection and VPN", true
	}
	return fmt.Sprintf("the name %q does not resolve: the name server has trouble", e.Name), "check the network connection and VPN, then try again", true
}

func judgeSocket(err error) (cause, cure string, ok bool) {
	const again = "the server or a gateway on the way hung up; try again, and look into the server's log if it stays"
	switch {
	case errors.Is(err, errNotLoopback):
		return "the name leads to an address that is not loopback", "run without --sandbox", true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens there", "check host and port, and that the server runs", true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNABORTED):
		return "connection reset by the other side", again, true
	case errors.Is(err, syscall.EPIPE):
		return "connection closed by the other side while the request was sent", again, true
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host", "check the network connection, VPN and firewall", true
	case errors.Is(err, syscall.ETIMEDOUT):
		return "the host does not answer", "check host and port, VPN and firewall", true
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "this machine has no socket left", "run with a lower --parallel, or raise the limit of open files", true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "connection closed by the other side before an answer came", again, true
	}
	return "", "", false
}

// judgeText recognises what net/http only says in words.
func judgeText(err error) (Kind, string, string) {
	text := err.Error()
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case has("response headers exceeded"):
		return Network, "the headers of the answer are larger than " + size(maxHeaderBytes) + ", or endless", "check the server"
	case has("malformed HTTP"), has("malformed MIME"), has("bad Content-Length"), has("unsupported transfer encoding"), has("frame too large"):
		return Network, "what came back is not HTTP, or its headers were cut off", "check scheme and port of the URL: a server that speaks TLS wants https"
	case has("malformed chunked encoding"), has("invalid byte in chunk length"), has("chunked line ends"), has("chunk length too large"):
		return Network, "the chunks of the answer are malformed: it was cut off or garbled on the way", "try again, and look into the server's log if it stays"
	case has("GOAWAY"):
		return Network, "the server closed the HTTP/2 connection", "try again"
	case has("stream error"), has("http2:"):
		return Network, "the server broke off the HTTP/2 stream", "try again, and look into the server's log if it stays"
	case has("invalid header field"):
		return BadRequest, "a header cannot be sent: " + afterColon(text, "net/http: "), "header names and values hold no line breaks and no control characters"
	case has("invalid method"):
		return BadRequest, "the method is not one", "write GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS"
	case has("ContentLength="):
		return BadRequest, "the body to send has another length than announced", "check whether the file changes while it is sent"
	case has("invalid URL port"), has("invalid port"):
		return BadRequest, "the port of the URL is not a number from 1 to 65535", "correct the URL"
	case has("server closed idle connection"), has("transport connection broken"), has("client conn"):
		return Network, "connection closed by the other side before an answer came", "try again"
	}
	var limit interface{ Timeout() bool }
	if errors.As(err, &limit) && limit.Timeout() {
		return Timeout, "the other side did not answer in time", "check the network connection, VPN and firewall"
	}
	return Network, "no answer: " + plain(err), "check network, VPN, proxy and firewall"
}

func judgeTLS(err error, host string) (cause, cure string, ok bool) {
	if e, found := errors.AsType[x509.UnknownAuthorityError](err); found {
		issuer := ""
		if e.Cert != nil {
			issuer = fmt.Sprintf(" (%q)", e.Cert.Issuer.String())
		}
		return "TLS: the certificate is signed by an authority that is not trusted" + issuer,
			"give that authority's certificate as tls.ca in the environment file; corporate proxies sign with one of their own", true
	}
	if e, found := errors.AsType[x509.CertificateInvalidError](err); found {
		return judgeCertificate(e, host)
	}
	if e, found := errors.AsType[x509.HostnameError](err); found {
		names := "no name"
		if e.Certificate != nil {
			names = certificateNames(e.Certificate)
		}
		return fmt.Sprintf("TLS: the certificate is for %s, not for %q", names, e.Host), "check the host of the URL", true
	}
	if e, found := errors.AsType[tls.RecordHeaderError](err); found {
		if string(e.RecordHeader[:]) == "HTTP/" {
			return "TLS: the server speaks plain HTTP on this port", "write http:// if that is meant, or correct the port", true
		}
		return "TLS: what came back is not TLS", "check scheme and port of the URL", true
	}
	text := err.Error()
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case has("HTTP response to HTTPS client"):
		return "TLS: the server speaks plain HTTP on this port", "write http:// if that is meant, or correct the port", true
	case has("protocol version"):
		return "TLS: client and server have no protocol version in common", "the server must speak TLS 1.2 or newer", true
	case has("certificate required"):
		return "TLS: the server wants a client certificate", "use a credential with certificate and key", true
	case has("tls: bad certificate"), has("tls: unknown certificate"), has("tls: unsupported certificate"), has("tls: expired certificate"), has("tls: revoked certificate"):
		return "TLS: the server wants another client certificate than it got, if it got one (" + afterColon(text, "tls: ") + ")", "use a credential with certificate and key, and renew them when they expired", true
	case has("unrecognized name"):
		return fmt.Sprintf("TLS: the server does not know the name %q", host), "check the host of the URL", true
	case has("handshake failure"):
		return "TLS: the server broke off the handshake: it wants a client certificate, or shares no cipher with this client", "use a credential with certificate and key if the host is one for mutual TLS (.cert.), else check the server's TLS settings", true
	case has("tls: "), has("x509: "):
		return "TLS: " + plain(err), "check the server's certificate and TLS settings", true
	}
	return "", "", false
}

func judgeCertificate(e x509.CertificateInvalidError, host string) (cause, cure string, ok bool) {
	const trusted = "have the server's certificate renewed"
	if e.Reason == x509.Expired && e.Cert != nil {
		now := time.Now()
		if now.Before(e.Cert.NotBefore) {
			return "TLS: the certificate is valid only from " + e.Cert.NotBefore.UTC().Format(time.RFC3339), "check the clock of this machine, or the server's certificate", true
		}
		return "TLS: the certificate expired on " + e.Cert.NotAfter.UTC().Format(time.RFC3339), trusted, true
	}
	reason := strings.TrimPrefix(e.Error(), "x509: ")
	return fmt.Sprintf("TLS: the certificate of %q is not valid: %s", host, reason), trusted, true
}

func certificateNames(c *x509.Certificate) string {
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names[:len(names):len(names)], ip.String())
	}
	switch {
	case len(names) == 0:
		return "no host name"
	case len(names) > 3:
		return fmt.Sprintf("%q and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return fmt.Sprintf("%q", strings.Join(names, ", "))
}

// proxyRefusal is the answer of a proxy that does not open the tunnel.
type proxyRefusal struct{ status int }

func (e *proxyRefusal) Error() string {
	return fmt.Sprintf("the proxy answered %d to CONNECT", e.status)
}

// judgeProxyAnswer keeps the status that net/http would throw away.
func judgeProxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{answer.StatusCode}
}

func (e *proxyRefusal) explain(place string, err error) *Error {
	if e.status == http.StatusProxyAuthRequired {
		return &Error{Kind: Network, Err: err, Message: place + "the proxy wants a user and password (407)", Cure: "write the proxy as http://user:password@host:port, the password percent-encoded"}
	}
	return &Error{Kind: Network, Err: err, Message: fmt.Sprintf("%sthe proxy did not open a tunnel to the host: it answered %d %s", place, e.status, http.StatusText(e.status)), Cure: "have the host allowed at the proxy, or exempt it with NO_PROXY"}
}

func requestError(method, rawURL, cause, cure string, err error) *Error {
	place := method
	if u, parseErr := url.Parse(rawURL); parseErr == nil && rawURL != "" {
		place += " " + shown(u)
	}
	return &Error{Kind: BadRequest, Message: place + ": " + cause, Cure: cure, Err: err}
}

// shown is a URL for a message: no query, no user and password.
func shown(u *url.URL) string {
	short := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath, Opaque: u.Opaque}
	return short.String()
}

// plain gives the innermost error without what only a programmer reads.
func plain(err error) string {
	for {
		next := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
			next = several.Unwrap()[0]
		}
		if next == nil {
			break
		}
		err = next
	}
	text := err.Error()
	for _, prefix := range []string{"net/http: ", "http: ", "tls: ", "x509: ", "http2: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

func plainURLError(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func plainFileError(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Sprintf("%q: %s", e.Path, e.Err)
	}
	return err.Error()
}

func afterColon(text, mark string) string {
	if _, after, ok := strings.Cut(text, mark); ok {
		return after
	}
	return text
}

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	case n == 1:
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
