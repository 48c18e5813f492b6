package httpx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// admit refuses an origin that is not loopback when the client may go nowhere
// else.
func (c *Client) admit(method string, u *url.URL) error {
	if !c.loopbackOnly || IsLoopback(u.Hostname()) {
		return nil
	}
	return &Error{
		Kind:    RefusedOrigin,
		Message: fmt.Sprintf("%s %s: %q is not loopback, and a run on the sandbox sends nothing anywhere else", method, shown(u), u.Host),
		Cure:    "take the URL from ${runtime} or ${api}, or run without --sandbox",
	}
}

// IsLoopback tells whether a host is loopback by its literal form: an address
// in 127.0.0.0/8, ::1, "localhost", or a name below it (RFC 6761 6.3). Nothing
// is resolved.
func IsLoopback(host string) bool {
	if loopbackName(host) {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

func loopbackName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// dialLoopbackNames reaches names below "localhost" without asking a name
// server, as RFC 6761 6.3 wants: not every resolver knows them.
func dialLoopbackNames(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || !loopbackName(host) {
			return d.DialContext(ctx, network, address)
		}
		var failures []error
		for _, loopback := range []string{"127.0.0.1", "::1"} {
			conn, err := d.DialContext(ctx, network, net.JoinHostPort(loopback, port))
			if err == nil {
				return conn, nil
			}
			failures = append(failures, err)
		}
		return nil, errors.Join(failures...)
	}
}

// refuseRemoteAddress is the last line of the guard: no socket is connected to
// an address that is not loopback, whatever a name resolved to.
func refuseRemoteAddress(_, address string, _ syscall.RawConn) error {
	if ap, err := netip.ParseAddrPort(address); err == nil && ap.Addr().Unmap().IsLoopback() {
		return nil
	}
	return errNotLoopback
}

var errNotLoopback = errors.New("the address is not loopback")
