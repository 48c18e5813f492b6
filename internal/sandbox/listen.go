package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// grace is how long Close lets answers that are under way finish.
const grace = 2 * time.Second

// maxHeaders bounds the headers of a request; the token server has a lower
// limit of its own.
const maxHeaders = 64 << 10

// ErrClosed says that the tenant was closed before it could listen.
var ErrClosed = errors.New("the sandbox is closed")

// errNowhere is about a tenant that was not told to listen.
func errNowhere() error { return errors.New("the sandbox does not listen anywhere") }

// server is the socket of one part, or of the proxy.
type server struct {
	part     string
	origin   string
	listener net.Listener
	tls      *tls.Config // nil: plain HTTP
	http     *http.Server
	busy     busy
	tunnels  *busy // those of the proxy; nil: none
	serves   bool
}

// String is for messages.
func (s *server) String() string {
	if s.part == Proxy {
		return "the proxy"
	}
	return "the part " + s.part
}

// Listen opens a socket for each part: from the port of addr on in the order
// of [Parts], or free ones with port 0. The address must be loopback unless
// the options allow another. Nothing is answered before [Tenant.Serve].
func (t *Tenant) Listen(addr string) error {
	host, port, err := t.address(addr, len(Parts()))
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if len(t.servers) > 0 {
		return fmt.Errorf("the sandbox listens already, at %s", t.servers[0].listener.Addr())
	}
	servers, err := t.open(host, port)
	if err != nil {
		for _, s := range servers {
			_ = s.listener.Close() // the first error is the one to tell
		}
		return err
	}
	t.servers = servers
	return nil
}

func (t *Tenant) open(host string, port int) ([]*server, error) {
	var servers []*server
	for i, part := range Parts() {
		wanted := port
		if port > 0 {
			wanted += i
		}
		listener, err := listenAt(host, wanted)
		if err != nil {
			return servers, fmt.Errorf("the part %s: %w", part, err)
		}
		s := newServer(part, t.scheme(part), host, listener, t.handlers[part])
		if t.secure(part) {
			s.tls = t.tlsConfig(part, host)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func listenAt(host string, port int) (net.Listener, error) {
	at := net.JoinHostPort(host, strconv.Itoa(port))
	listener, err := net.Listen("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", at, cause(err))
	}
	return listener, nil
}

// cause leaves the address away, which the message has already.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// newServer does not answer before it is served.
func newServer(part, scheme, host string, listener net.Listener, handler http.Handler) *server {
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	s := &server{part: part, origin: scheme + "://" + net.JoinHostPort(host, port), listener: listener}
	s.http = &http.Server{
		Handler:           handler,
		MaxHeaderBytes:    maxHeaders,
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ConnState:         s.busy.state,
		ErrorLog:          log.New(discard{}, "", 0),
	}
	return s
}

// discard drops what net/http says about callers that misbehave: it would be
// the sandbox that prints into somebody else's terminal.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// address splits and checks what Listen and ListenProxy were given, for so many
// ports.
func (t *Tenant) address(addr string, ports int) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: want HOST:PORT, such as 127.0.0.1:8787", addr)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port+ports > 65536 {
		return "", 0, fmt.Errorf("address %q: want a port from 0 to %d%s", addr, 65536-ports, taken(ports))
	}
	if loopback(host) || t.o.AllowRemote {
		return host, port, nil
	}
	return "", 0, fmt.Errorf("address %q is not loopback, and everybody who reaches it could use the sandbox: listen on 127.0.0.1, or add --allow-remote", addr)
}

// taken says why the last ports are none to begin with.
func taken(ports int) string {
	if ports == 1 {
		return ""
	}
	return fmt.Sprintf(": the parts take %d ports from it on", ports)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Serve answers until ctx ends or the tenant is closed, and closes it then. It
// gives nil after such an end, and an error when a socket fails.
func (t *Tenant) Serve(ctx context.Context) error {
	t.mu.Lock()
	servers, closed := t.servers, t.closed
	for _, s := range servers {
		s.serves = true
	}
	t.mu.Unlock()
	if closed {
		return nil
	}
	if len(servers) == 0 {
		return errNowhere()
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	errs := make([]error, len(servers))
	var serving sync.WaitGroup
	for i, s := range servers {
		s.http.BaseContext = func(net.Listener) context.Context { return base }
		serving.Go(func() {
			if err := s.serve(); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				errs[i] = fmt.Errorf("serve %s: %w", s, err)
				t.shut()
			}
		})
	}
	select {
	case <-ctx.Done():
	case <-t.done:
	}
	cancel()
	return errors.Join(t.Close(), func() error { serving.Wait(); return errors.Join(errs...) }())
}

// serve answers until the server is closed.
func (s *server) serve() error {
	if s.tls == nil {
		return s.http.Serve(s.listener)
	}
	return s.http.Serve(tls.NewListener(s.listener, s.tls))
}

// shut makes everything that waits for the end see it; true the first time.
func (t *Tenant) shut() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.closed = true
	close(t.done)
	return true
}

// Close ends the tenant: no new connections, what is being answered has a
// short time to finish, flows that wait end at once. Closing twice is no
// error.
func (t *Tenant) Close() error {
	t.shut()
	t.mu.Lock()
	servers := t.servers
	t.mu.Unlock()
	var closing sync.WaitGroup
	errs := make([]error, len(servers))
	for i, s := range servers {
		closing.Go(func() { errs[i] = s.close() })
	}
	closing.Wait()
	for _, s := range servers {
		if s.tunnels != nil {
			s.tunnels.cut(grace) // of the last words of the parts
		}
	}
	return errors.Join(errs...)
}

func (s *server) close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close %s: %w", s, err)
	}
	s.busy.drain(grace)
	if err := s.http.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close %s: %w", s, err)
	}
	return nil
}

// busy knows the connections on which something is being answered.
// (http.Server.Shutdown also waits for connections that were opened and never
// used, for five seconds.)
type busy struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	idle  chan struct{} // closed when conns gets empty; nil when nobody waits
}

func (b *busy) state(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if state == http.StateActive {
		if b.conns == nil {
			b.conns = map[net.Conn]struct{}{}
		}
		b.conns[c] = struct{}{}
		return
	}
	delete(b.conns, c)
	if len(b.conns) == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// drain waits until nothing is being answered, at most for d.
func (b *busy) drain(d time.Duration) {
	b.mu.Lock()
	if len(b.conns) == 0 {
		b.mu.Unlock()
		return
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
