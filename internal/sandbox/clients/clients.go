// Package clients puts names of the platform before a sandbox tenant, so that
// public clients can be tried with it which insist on HTTPS at port 443 of a
// host (wire/sap.md 6.10), such as flashpipe.
//
// A [Front] is a proxy for HTTPS_PROXY: it ends the TLS of the names it knows,
// under certificates of an authority of its own (SSL_CERT_FILE), and passes each
// request on to a part of the tenant. A name that it does not know is refused,
// so that nothing that a client sends leaves the machine.
package clients

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/internal/sandbox/subaccount"
)

// maxBody is how many bytes of a request are kept.
const maxBody = 64 << 10

// Request is one request that a client sent through a front.
type Request struct {
	// Host is the name the client called, without a port.
	Host string
	// Method and Target are those of the request line, as they came.
	Method, Target string
	// Header is what the client sent, secrets included.
	Header http.Header
	// Body is what of it was passed on, the first 64 KiB.
	Body []byte
	// Status is that of the answer.
	Status int
}

// Front stands before a tenant. Make one with [Listen]; it is safe for
// concurrent use.
type Front struct {
	names     map[string]*url.URL
	authority []byte
	config    *tls.Config
	listener  net.Listener
	proxy     *http.Server
	tunnels   *http.Server
	opened    *tunnelListener
	onward    *http.Transport
	serving   sync.WaitGroup

	mu       sync.Mutex
	requests []Request
}

// Listen starts a front on a free port of loopback. The names are hosts in
// lower case without a port; each leads to the origin of a part that speaks
// HTTP, such as http://127.0.0.1:8791.
func Listen(names map[string]string) (*Front, error) {
	f := &Front{names: map[string]*url.URL{}}
	certificates := map[string]*tls.Certificate{}
	authority := &subaccount.Subaccount{} // for its authority alone
	for name, origin := range names {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("origin %q of %s: want a URL such as http://127.0.0.1:8791", origin, name)
		}
		if certificates[name], err = authority.ServerCertificate(name); err != nil {
			return nil, err
		}
		f.names[name] = u
	}
	var err error
	if f.authority, err = authority.CA(); err != nil {
		return nil, err
	}
	f.config = &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := certificates[strings.ToLower(hello.ServerName)]; c != nil {
				return c, nil
			}
			return nil, fmt.Errorf("no certificate for %q", hello.ServerName)
		},
	}
	if f.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	f.serve()
	return f, nil
}

func (f *Front) serve() {
	quiet := log.New(io.Discard, "", 0) // about clients that hang up
	f.onward = &http.Transport{DisableCompression: true}
	f.opened = &tunnelListener{conns: make(chan net.Conn), done: make(chan struct{}), addr: f.listener.Addr()}
	f.proxy = &http.Server{Handler: http.HandlerFunc(f.connect), ReadHeaderTimeout: 30 * time.Second, ErrorLog: quiet}
	f.tunnels = &http.Server{Handler: f.reverse(quiet), ReadHeaderTimeout: 30 * time.Second, ErrorLog: quiet}
	f.serving.Go(func() { _ = f.proxy.Serve(f.listener) }) // until Close
	f.serving.Go(func() { _ = f.tunnels.Serve(f.opened) })
}

// URL gives the address of the front, the value of HTTPS_PROXY.
func (f *Front) URL() string { return "http://" + f.listener.Addr().String() }

// CA gives the certificate (PEM) of the front's authority, the content of the
// file that SSL_CERT_FILE names.
func (f *Front) CA() []byte { return slices.Clone(f.authority) }

// Requests gives what was asked so far, in the order of the answers.
func (f *Front) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Close ends the front and every connection through it.
func (f *Front) Close() error {
	err := errors.Join(f.proxy.Close(), f.tunnels.Close())
	f.serving.Wait()
	f.onward.CloseIdleConnections()
	return err
}

// connect opens a tunnel to a name.
func (f *Front) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "want CONNECT: this is a proxy for HTTPS", http.StatusMethodNotAllowed)
		return
	}
	host, port, err := net.SplitHostPort(r.Host)
	if _, known := f.names[strings.ToLower(host)]; err != nil || port != "443" || !known {
		http.Error(w, fmt.Sprintf("%q is no name of this front", r.Host), http.StatusForbidden)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "the connection cannot be taken over", http.StatusInternalServerError)
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = conn.Close() // the client is gone
		return
	}
	f.opened.offer(tls.Server(&tunnel{conn, buffered.Reader}, f.config))
}

// tunnel reads what came behind CONNECT before what comes now.
type tunnel struct {
	net.Conn
	read *bufio.Reader
}

func (t *tunnel) Read(b []byte) (int, error) { return t.read.Read(b) }

// tunnelListener gives the tunnels to a server, as if they had been dialled.
type tunnelListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func (l *tunnelListener) offer(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close() // nobody will answer
	}
}

func (l *tunnelListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *tunnelListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *tunnelListener) Addr() net.Addr { return l.addr }

// reverse passes requests on as they came, but for the host, and keeps them.
func (f *Front) reverse(quiet *log.Logger) http.Handler {
	pass := &httputil.ReverseProxy{
		ErrorLog:  quiet,
		Transport: f.onward,
		Rewrite: func(r *httputil.ProxyRequest) {
			origin := f.names[strings.ToLower(r.In.TLS.ServerName)]
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = origin.Scheme, origin.Host, origin.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &kept{ReadCloser: r.Body}
		r.Body = body
		entry := Request{Host: strings.ToLower(r.TLS.ServerName), Method: r.Method, Target: r.RequestURI, Header: r.Header.Clone()}
		seen := &status{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			entry.Body, entry.Status = body.content(), seen.code
			f.mu.Lock()
			defer f.mu.Unlock()
			f.requests = append(f.requests, entry)
		}()
		pass.ServeHTTP(seen, r)
	})
}

// kept is a body that remembers what was read of it.
type kept struct {
	io.ReadCloser

	mu   sync.Mutex // the transport may still read when the answer is there
	text bytes.Buffer
}

func (k *kept) Read(b []byte) (int, error) {
	n, err := k.ReadCloser.Read(b)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.text.Write(b[:min(n, maxBody-k.text.Len())])
	return n, err
}

func (k *kept) content() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Clone(k.text.Bytes())
}

// status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap is for [http.NewResponseController].
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }
