// Package httpx is the one HTTP client of the program: one pool of
// connections, one guard, one judgement of what went wrong.
//
// It differs from net/http where a test tool must: an answer counts only when
// it arrived whole, redirects leave no origin, headers are shown as they went
// over the wire, and every error says in plain words what happened and what to
// do about it.
package httpx

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
)

const (
	defaultMaxBody  = 64 << 20
	maxHeaderBytes  = 1 << 20
	idlePerHost     = 128
	idleTimeout     = 30 * time.Second
	keepAliveProbes = 30 * time.Second
)

// Options say how a Client reaches servers. The zero value is a client with a
// transport of its own, the system's certificates and the proxy of the process
// environment.
type Options struct {
	// Transport carries the requests instead of a transport of the client's
	// own; CA, Insecure and Proxy then have no effect, LoopbackOnly has.
	Transport http.RoundTripper
	// CA holds certificates in PEM, trusted besides the system's.
	CA []byte
	// Insecure accepts every server certificate.
	Insecure bool
	// Proxy is the URL of a proxy, possibly with user and password; empty
	// means HTTPS_PROXY, HTTP_PROXY and NO_PROXY as New finds them.
	Proxy string
	// LoopbackOnly refuses every origin that is not loopback by its literal
	// host, before a name is resolved or a byte is sent. Proxies are ignored.
	LoopbackOnly bool
	// MaxBody bounds the body of an answer in decoded bytes; zero means 64 MiB.
	MaxBody int64
	// UserAgent is sent where a request does not set one; empty: Go's own.
	UserAgent string
	// Rate is how many requests a second go to one host and port, whatever
	// the scheme; the others wait for their turn. Redirects count. Zero: no
	// limit.
	Rate float64
}

// Client sends requests. It is safe for concurrent use; make it with New.
type Client struct {
	transport    http.RoundTripper
	loopbackOnly bool
	maxBody      int64
	userAgent    string
	pace         *pace
	buffers      *sync.Pool

	// root is the client that this one was derived from; nil: none.
	root *Client
	// mu guards certified: the clients derived from this one, by the digest of
	// their certificate.
	mu        sync.Mutex
	certified map[[sha256.Size]byte]*Client
}

// New makes a client. The error says what is wrong with CA or Proxy.
func New(o Options) (*Client, error) {
	c := &Client{
		transport:    o.Transport,
		loopbackOnly: o.LoopbackOnly,
		maxBody:      o.MaxBody,
		userAgent:    o.UserAgent,
		pace:         newPace(o.Rate),
		buffers:      &sync.Pool{New: func() any { return new([chunkSize]byte) }},
	}
	if c.maxBody <= 0 {
		c.maxBody = defaultMaxBody
	}
	if c.transport != nil {
		return c, nil
	}
	transport, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	c.transport = transport
	return c, nil
}

// Close ends the idle connections of the pool and of those that present a
// certificate. Requests under way are not touched, and the client stays usable.
func (c *Client) Close() {
	c.mu.Lock()
	derived := slices.Collect(maps.Values(c.certified))
	c.mu.Unlock()
	for _, d := range derived {
		d.Close()
	}
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// newTransport clones the defaults of net/http. Time limits for dialling, the
// handshake and the first byte are the context's affair, so that a report can
// name the limit that was hit.
func newTransport(o Options) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure}
	if len(o.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, errors.New(`the CA holds no certificate in PEM; want "-----BEGIN CERTIFICATE-----" …`)
		}
		config.RootCAs = pool
	}
	proxy, err := proxyFunc(o)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{KeepAlive: keepAliveProbes}
	if o.LoopbackOnly {
		dialer.Control = refuseRemoteAddress
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = proxy
	transport.OnProxyConnectResponse = judgeProxyAnswer
	transport.DialContext = dialLoopbackNames(dialer)
	transport.TLSClientConfig = config
	transport.TLSHandshakeTimeout = 0
	transport.ForceAttemptHTTP2 = true
	transport.MaxIdleConns = 0
	transport.MaxIdleConnsPerHost = idlePerHost
	// Gateways drop idle connections after a minute; a POST that meets the
	// dropped one fails and must not be repeated, so be the first to hang up.
	transport.IdleConnTimeout = idleTimeout
	transport.MaxResponseHeaderBytes = maxHeaderBytes
	// Decoding is done here, so that the headers of an answer stay as they came.
	transport.DisableCompression = true
	return transport, nil
}

func proxyFunc(o Options) (func(*http.Request) (*url.URL, error), error) {
	if o.LoopbackOnly {
		return nil, nil
	}
	if o.Proxy == "" {
		fromEnvironment := httpproxy.FromEnvironment().ProxyFunc()
		return func(r *http.Request) (*url.URL, error) { return fromEnvironment(r.URL) }, nil
	}
	raw := o.Proxy
	if !strings.Contains(raw, "://") {
		raw = "http://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, errors.New("the proxy is not a URL; want http://host:port or http://user:password@host:port")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("the proxy has the scheme %q; want http, https or socks5", u.Scheme)
	}
	return http.ProxyURL(u), nil
}

// Request is one request to send. It is not modified and may be sent again.
type Request struct {
	// Method is the method as it is written on the wire.
	Method string
	// URL is absolute, with the scheme http or https. User and password in it
	// become Basic authorization unless Header has one.
	URL string
	// Header holds the headers to send; it may be shared and nil. "Host"
	// replaces the host of the URL on the wire.
	Header http.Header
	// Body is what is sent; nil: nothing.
	Body *Body
	// Jar gives cookies and takes them; nil: none.
	Jar http.CookieJar
	// FollowRedirects follows redirects within the origin, at most 10. One to
	// another origin, or the eleventh, is the answer; Response.Note says so.
	FollowRedirects bool
	// Redirected is called with each further request before it is sent; nil:
	// nobody.
	Redirected func(*http.Request)
}

// Response is an answer that arrived whole, or, beside an error, what of it
// arrived.
type Response struct {
	// Method and URL are those of the last request: they differ from the
	// first after redirects. The URL holds no user and password.
	Method, URL string
	// Status is the status code; Header has the headers as they came.
	Status int
	Header http.Header
	// Body is the decoded body.
	Body string
	// Started is when the first request began; Duration runs from there to
	// the last byte of the last answer. The wait for Options.Rate is no part
	// of it.
	Started  time.Time
	Duration time.Duration
	// Timings tell where the time went, summed over redirects.
	Timings Timings
	// TLS describes the connection; nil without TLS.
	TLS *tls.ConnectionState
	// Note is a remark for the report: a redirect not followed, an answer
	// that came from the proxy; mostly empty.
	Note string
	// RequestHeader holds the headers of the last request as sent, with
	// Cookie and User-Agent (not Content-Length and the Host of the URL). Not to be
	// modified.
	RequestHeader http.Header
}

// Timings are the parts of a Duration; all but Wait and Body are zero on a
// connection that was used before.
type Timings struct {
	// DNS is the time to resolve the name, Connect that of the TCP
	// connection, TLS that of the handshake.
	DNS, Connect, TLS time.Duration
	// Wait runs from the last byte sent to the first one received, Body from
	// the headers to the end of the body.
	Wait, Body time.Duration
}

// Do sends a request and reads the answer to its end. The error is an *Error;
// the response beside it is non-nil when headers arrived.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	h, err := c.firstHop(r)
	if err != nil {
		return nil, err
	}
	if err := c.pace.wait(ctx, h.method, h.url); err != nil {
		return nil, err
	}
	started := time.Now()
	waited := time.Duration(0)
	watch := &stopwatch{}
	traced := httptrace.WithClientTrace(ctx, watch.trace())
	for hops := 0; ; hops++ {
		response, err := c.send(ctx, traced, r, h, watch)
		if response != nil {
			response.Started = started
			response.Duration = time.Since(started) - waited
			response.Timings = watch.timings()
		}
		if err != nil {
			return response, err
		}
		if !r.FollowRedirects || !redirects(response.Status) {
			return response, nil
		}
		next, note := h.redirect(response, hops)
		if next == nil {
			response.Note = note
			return response, nil
		}
		h = next
		before := time.Now()
		if err := c.pace.wait(ctx, h.method, h.url); err != nil {
			return nil, err
		}
		waited += time.Since(before)
	}
}

// hop is one of the requests that a Do sends.
type hop struct {
	method     string
	url        *url.URL
	header     http.Header
	body       *Body
	redirected bool
}

func (c *Client) firstHop(r *Request) (*hop, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, requestError(r.Method, "", "the URL cannot be read: "+plainURLError(err), "write an absolute URL: https://host/path", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, requestError(r.Method, r.URL, "not an absolute URL", "write an absolute URL: https://host/path", nil)
	}
	if err := c.admit(r.Method, u); err != nil {
		return nil, err
	}
	// The values are shared with r.Header: nothing changes or grows them.
	header := make(http.Header, len(r.Header)+3)
	for name, values := range r.Header {
		header[name] = slices.Clip(values)
	}
	if u.User != nil {
		if header.Get("Authorization") == "" {
			password, _ := u.User.Password()
			header.Set("Authorization", basic(u.User.Username(), password))
		}
		u.User = nil
	}
	u.Fragment, u.RawFragment = "", ""
	if _, set := header["User-Agent"]; !set && c.userAgent != "" {
		header["User-Agent"] = []string{c.userAgent}
	}
	if _, set := header["Accept-Encoding"]; !set && r.Method != http.MethodHead && header.Get("Range") == "" {
		header["Accept-Encoding"] = []string{"gzip"}
	}
	if r.Body != nil && r.Body.ContentType != "" {
		if _, set := header["Content-Type"]; !set {
			header["Content-Type"] = []string{r.Body.ContentType}
		}
	}
	return &hop{method: r.Method, url: u, header: header, body: r.Body}, nil
}

// send sends one request and reads its answer.
func (c *Client) send(ctx, traced context.Context, r *Request, h *hop, watch *stopwatch) (*Response, error) {
	req, err := h.request(traced, r.Jar)
	if err != nil {
		return nil, err
	}
	if h.redirected && r.Redirected != nil {
		r.Redirected(req)
	}
	watch.begin()
	answer, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, c.explain(ctx, err, h, watch)
	}
	if answer.Body == nil {
		answer.Body = http.NoBody // a transport that was injected
	}
	defer answer.Body.Close()
	if r.Jar != nil {
		if cookies := answer.Cookies(); len(cookies) > 0 {
			r.Jar.SetCookies(h.url, cookies)
		}
	}
	response := &Response{
		Method:        h.method,
		URL:           h.url.String(),
		Status:        answer.StatusCode,
		Header:        answer.Header,
		TLS:           answer.TLS,
		RequestHeader: asSent(req.Header),
	}
	if answer.StatusCode == http.StatusProxyAuthRequired {
		response.Note = "the proxy answered, not the server: it wants a user and password (http://user:password@proxy:port)"
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return response, nil
	}
	watch.headers()
	body, err := c.readBody(answer)
	watch.end()
	response.Body = body
	if err != nil {
		return response, c.explainBody(ctx, err, h, watch, answer, len(body))
	}
	return response, nil
}

// request makes the http.Request of a hop.
func (h *hop) request(ctx context.Context, jar http.CookieJar) (*http.Request, error) {
	req := (&http.Request{
		Method:     h.method,
		URL:        h.url,
		Header:     h.header,
		Host:       h.url.Host,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
	}).WithContext(ctx)
	if host := h.header.Get("Host"); host != "" {
		req.Host = host
	}
	if jar != nil {
		if cookies := jar.Cookies(h.url); len(cookies) > 0 {
			req.Header = h.header.Clone()
			for _, cookie := range cookies {
				req.AddCookie(cookie)
			}
		}
	}
	if h.body == nil || h.body.Size == 0 {
		return req, nil
	}
	body, err := openSource(h.body)
	if err != nil {
		return nil, requestError(h.method, h.url.String(), "the body cannot be read: "+plainFileError(err), "check the file that is to be sent", err)
	}
	req.Body = body
	req.GetBody = func() (reader, error) { return openSource(h.body) }
	req.ContentLength = h.body.Size
	return req, nil
}

// asSent leaves out a header without values: net/http knows "Idempotency-Key"
// with none as a mark of its own that is never sent.
func asSent(header http.Header) http.Header {
	if values, set := header["Idempotency-Key"]; set && len(values) == 0 {
		header = header.Clone()
		delete(header, "Idempotency-Key")
	}
	return header
}

// RoundTripper gives the client's pool behind the client's guard and rate, for
// libraries that want one. Errors pass through untouched: Explain judges them.
func (c *Client) RoundTripper() http.RoundTripper { return guarded{c} }

type guarded struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	err := g.c.admit(req.Method, req.URL)
	if err == nil {
		err = g.c.pace.wait(req.Context(), req.Method, req.URL)
	}
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	if _, set := req.Header["User-Agent"]; !set && g.c.userAgent != "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", g.c.userAgent)
	}
	return g.c.transport.RoundTrip(req)
}

// CloseIdleConnections ends the idle connections of the pool.
func (g guarded) CloseIdleConnections() { g.c.Close() }

// Sleep waits for d, or until the context ends; then the error is the cause of
// that. It is the one place where the program waits for time to pass.
func Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
