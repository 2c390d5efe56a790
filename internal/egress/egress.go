// Package egress keeps connections of policies, providers and other parts of a
// configuration from reaching Caddy's admin endpoint, which accepts commands without
// credentials from any program on its machine (S-42).
package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// protected returns the listeners to which connections are refused.
var protected atomic.Pointer[func() []Listener]

// Protect sets the listeners to which connections are refused. The function is
// called for each connection, since a configuration may move them.
func Protect(listeners func() []Listener) { protected.Store(&listeners) }

// Check returns an error if an address belongs to a protected listener: a network
// such as "tcp" with an IP address and a port, or "unix" with a path.
func Check(ctx context.Context, network, address string) error {
	listeners := protected.Load()
	if listeners == nil {
		return nil
	}
	for _, l := range (*listeners)() {
		if l.matches(ctx, network, address) {
			return fmt.Errorf("%s is Caddy's admin endpoint, which policies and other parts of policy_auth cannot connect to", address)
		}
	}
	return nil
}

// Guard makes a dialer refuse connections to protected listeners, after it resolved
// names. The dialer's own Control is called next.
func Guard(d *net.Dialer) *net.Dialer {
	own := d.Control
	d.Control = nil
	d.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := Check(ctx, network, address); err != nil || own == nil {
			return err
		}
		return own(network, address, c)
	}
	return d
}

const (
	// dialTimeout bounds the making of a connection.
	dialTimeout = 30 * time.Second
	// keepAlive is how often an idle connection is probed.
	keepAlive = 30 * time.Second
)

// dial connects to anything but protected listeners.
var dial = Guard(&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext

// Transport returns a copy of a transport, or of the default one for nil, that
// refuses connections to protected listeners. It uses no proxy, because the proxy
// would make the connection. With a socket it connects to that path for every URL.
func Transport(t *http.Transport, socket string) *http.Transport {
	switch {
	case socket != "":
		return withDial(t, func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, "unix", socket) })
	case t == nil:
		return defaultTransport
	}
	return withDial(t, dial)
}

// defaultTransport is the transport for what needs no settings of its own; it keeps connections.
var defaultTransport = withDial(nil, dial)

func withDial(t *http.Transport, dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	if t == nil {
		t = cloneDefault()
	} else {
		t = t.Clone()
	}
	t.Proxy, t.DialContext, t.DialTLSContext = nil, dial, nil
	return t
}

// cloneDefault returns a copy of net/http's transport.
func cloneDefault() *http.Transport {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone()
	}
	return new(http.Transport)
}
