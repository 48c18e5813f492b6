package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Proxy is the name under which [Tenant.URL] knows the proxy of
// [Tenant.ListenProxy]. It is no part.
const Proxy = "proxy"

// proxyDomain follows the name of a part in the host under which the proxy
// leads to it; nobody else can have a name of it (RFC 6761, section 6.5).
const proxyDomain = ".sandbox.example"

// farewell is how long a client may take to close its side of a tunnel once the
// part has closed the other.
const farewell = 500 * time.Millisecond

// ListenProxy opens a proxy for clients that insist on HTTPS at port 443 of a
// host, such as flashpipe (wire/sap.md 6.10): CONNECT PART.sandbox.example:443
// leads to the part, whatever port it listens at, and everything else is refused
// with 403: nothing that comes to the proxy leaves the machine. The part control
// is not reached. TLS is between the client and the part, which must
// speak it: see [Options.TLS].
//
// The address is as for [Tenant.Listen], which comes first, and takes one port.
// Each refusal is told, one after another, in a line without its end. Nothing
// is answered before [Tenant.Serve]; the proxy ends with the tenant.
func (t *Tenant) ListenProxy(addr string, refused func(reason string)) error {
	host, port, err := t.address(addr, 1)
	if err != nil {
		return err
	}
	if !t.o.TLS {
		return fmt.Errorf("%s: who comes through the proxy wants TLS, and the parts speak plain HTTP: add --tls", addr)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrClosed
	case len(t.servers) == 0:
		return errNowhere()
	case slices.ContainsFunc(t.servers, func(s *server) bool { return s.part == Proxy }):
		return errors.New("the proxy listens already")
	case t.servers[0].serves:
		return errors.New("the sandbox serves already: a proxy listens before that")
	}
	listener, err := listenAt(host, port)
	if err != nil {
		return err
	}
	p := newProxy(t.servers, refused)
	s := newServer(Proxy, "http", host, listener, p)
	s.tunnels = &p.tunnels
	t.servers = append(t.servers, s)
	return nil
}

// proxied reports whether the proxy leads to a part.
func proxied(part string) bool { return part != Control }

// proxy takes CONNECT.
type proxy struct {
	parts   map[string]string // where each part listens, by what a client calls it
	tunnels busy

	mu      sync.Mutex // one refusal after another
	refused func(reason string)
}

func newProxy(servers []*server, refused func(reason string)) *proxy {
	p := &proxy{parts: map[string]string{}, refused: refused}
	for _, s := range servers {
		if _, at, ok := strings.Cut(s.origin, "://"); ok && proxied(s.part) {
			p.parts[s.part+proxyDomain+":443"] = at
		}
	}
	return p
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, known := p.parts[strings.ToLower(r.URL.Host)]
	if r.Method != http.MethodConnect || !known {
		p.refuse(w, r)
		return
	}
	part, err := dial(r.Context(), at)
	if err != nil {
		http.Error(w, fmt.Sprintf("%s does not listen: %v", r.URL.Host, cause(err)), http.StatusBadGateway)
		return
	}
	// From before the server forgets the client until both ends are closed, the
	// tunnel is known to be open.
	p.tunnels.state(part, http.StateActive)
	defer p.tunnels.state(part, http.StateClosed)
	defer part.Close()
	client, early, err := hijack(w)
	if err != nil {
		http.Error(w, "the connection cannot be taken over", http.StatusInternalServerError)
		return
	}
	p.tunnels.state(client, http.StateActive)
	defer p.tunnels.state(client, http.StateClosed)
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return // the client is gone
	}
	if _, err := part.Write(early); err != nil {
		return
	}
	splice(client, part)
}

// refuse says what the proxy is for, without anything of the request that could
// be a secret.
func (p *proxy) refuse(w http.ResponseWriter, r *http.Request) {
	host := r.URL.Host
	if host == "" {
		host = r.Host
	}
	var parts []string
	for _, part := range Parts() {
		if proxied(part) {
			parts = append(parts, part)
		}
	}
	reason := fmt.Sprintf("%.16s %.256q: want CONNECT PART%s:443, PART being one of %s", r.Method, host, proxyDomain, strings.Join(parts, ", "))
	p.mu.Lock()
	if p.refused != nil {
		p.refused(reason)
	}
	p.mu.Unlock()
	http.Error(w, reason, http.StatusForbidden)
}

func dial(ctx context.Context, at string) (*net.TCPConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// hijack takes the connection of a client over, with what it has sent already.
func hijack(w http.ResponseWriter) (client *net.TCPConn, early []byte, err error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err = buffered.Peek(buffered.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn.(*net.TCPConn), early, nil
}

// splice passes on what either end sends, and how it ends, until both have.
func splice(client, part *net.TCPConn) {
	var both sync.WaitGroup
	both.Go(func() { pass(part, client) })
	both.Go(func() {
		pass(client, part)
		// A part that has said everything listens no more.
		_ = client.SetReadDeadline(time.Now().Add(farewell)) // fails when it is closed
	})
	both.Wait()
}

// pass copies from one connection to the other up to its end: a reset of one is
// a reset of the other.
func pass(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	if err == nil {
		_ = to.CloseWrite() // fails when it is closed
		return
	}
	if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = to.SetLinger(0) // what fails here ends in Close all the same
		_ = from.SetLinger(0)
	}
	_ = to.Close()
	_ = from.Close()
}

// cut ends what is left after a while.
func (b *busy) cut(d time.Duration) {
	b.drain(d)
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		_ = conn.Close() // whoever uses it sees that it is closed
	}
}
