package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// memoryDomain follows the name of a part in the host under which
// RoundTripper knows it.
const memoryDomain = ".sandbox.localhost"

// RoundTripper calls the parts of the tenant in memory, without a socket: by
// host, as http://runtime.sandbox.localhost, or by the origin of
// [Tenant.URL]. A request is answered in the goroutine that sends it, so it
// can be used in a testing/synctest bubble. A host that is no part is refused.
//
// There is no TLS in memory. Who holds a client certificate is known from
// [Tenant.CertificateRoundTripper], or from TLS of the request.
func (t *Tenant) RoundTripper() http.RoundTripper { return memory{tenant: t} }

// CertificateRoundTripper is [Tenant.RoundTripper] for a client that presents a
// certificate.
func (t *Tenant) CertificateRoundTripper(certificate *x509.Certificate) http.RoundTripper {
	return memory{t, &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}}
}

type memory struct {
	tenant *Tenant
	tls    *tls.ConnectionState
}

// WithCertificate gives a transport that presents a client certificate.
func (m memory) WithCertificate(certificate *tls.Certificate) http.RoundTripper {
	return m.tenant.CertificateRoundTripper(certificate.Leaf)
}

// RoundTrip implements http.RoundTripper.
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	part, ok := m.part(r)
	if !ok {
		return nil, fmt.Errorf("host %q is no part of the sandbox", r.URL.Host)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	if in.URL.Path == "" {
		in.URL.Path = "/" // as it is on the wire
	}
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if m.tls != nil {
		in.TLS = m.tls
	}
	w := &memoryWriter{held: held{header: http.Header{}}}
	aborted := serve(m.tenant.handlers[part], w, in)
	return w.response(r, aborted)
}

func (m memory) part(r *http.Request) (string, bool) {
	for _, part := range Parts() {
		if r.URL.Host == part+memoryDomain || r.URL.Scheme+"://"+r.URL.Host == m.tenant.URL(part) {
			return part, true
		}
	}
	return "", false
}

// serve calls the handler and reports whether it broke the connection off.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			aborted = true
		default:
			panic(v)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// memoryWriter collects an answer.
type memoryWriter struct {
	held
	lost bool
}

func (w *memoryWriter) reset() { w.lost = true }

// Flush implements http.Flusher: everything is there at the end.
func (w *memoryWriter) Flush() {}

func (w *memoryWriter) response(r *http.Request, aborted bool) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, context.Cause(r.Context())
	}
	if w.lost || aborted && w.status == 0 {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	w.WriteHeader(http.StatusOK)
	header := http.Header{}
	for name, values := range w.header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		header[name] = append(header[name], slices.Clone(values)...)
	}
	if header.Get("Date") == "" {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	size, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		size = int64(w.body.Len())
	}
	var body io.Reader = bytes.NewReader(w.body.Bytes())
	switch {
	case r.Method == http.MethodHead:
		body = strings.NewReader("")
	case aborted:
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(body), ContentLength: size, Request: r,
	}, nil
}

// broken is the end of an answer that was cut off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
