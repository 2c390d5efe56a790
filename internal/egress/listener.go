package egress

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Listener is the address of a listener.
type Listener struct {
	// Network is "unix" or begins with "tcp" or "udp".
	Network string
	// Host is a name, an IP address, the path of a socket, or "" for all addresses
	// of this machine.
	Host string
	// Port is 0 for a socket.
	Port uint16
}

// Anywhere is a listener at any address or socket of this machine.
var Anywhere = Listener{Network: "any"}

// matches reports whether a connection to a resolved address reaches the listener.
// If this is unknown it returns true.
func (l Listener) matches(ctx context.Context, network, address string) bool {
	if l == Anywhere {
		return strings.HasPrefix(network, "unix") || isLocalEndpoint(address)
	}
	if strings.HasPrefix(l.Network, "unix") || strings.HasPrefix(network, "unix") {
		return strings.HasPrefix(l.Network, "unix") && strings.HasPrefix(network, "unix") && sameFile(l.Host, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || uint16(number) != l.Port {
		return err != nil
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || l.matchesIP(ctx, normalize(ip))
}

// matchesIP reports whether the listener accepts connections to an IP address.
func (l Listener) matchesIP(ctx context.Context, ip netip.Addr) bool {
	own := l.addresses(ctx)
	for _, at := range own {
		at = normalize(at)
		switch {
		case at == ip, isLoopbackOrUnspecified(at) && isLoopbackOrUnspecified(ip):
			return true
		case at.IsUnspecified() && isLocalAddress(ip):
			return true
		}
	}
	return len(own) == 0
}

// addresses returns the current IP addresses of the listener's host.
func (l Listener) addresses(ctx context.Context) []netip.Addr {
	if l.Host == "" {
		return []netip.Addr{netip.IPv6Unspecified()}
	}
	if ip, err := netip.ParseAddr(l.Host); err == nil {
		return []netip.Addr{ip}
	}
	if strings.EqualFold(l.Host, "localhost") {
		return []netip.Addr{netip.IPv6Loopback()}
	}
	found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", l.Host)
	return found
}

// isLoopbackOrUnspecified reports whether an address is the loopback interface's. Connecting to the
// unspecified address ends there too.
func isLoopbackOrUnspecified(ip netip.Addr) bool { return ip.IsLoopback() || ip.IsUnspecified() }

// isLocalAddress reports whether an address belongs to an interface of this
// machine.
func isLocalAddress(ip netip.Addr) bool {
	if isLoopbackOrUnspecified(ip) {
		return true
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, address := range interfaces {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil && normalize(prefix.Addr()) == ip {
			return true
		}
	}
	return false
}

// isLocalEndpoint reports whether an address with a port belongs to this machine.
// If this is unknown it returns true.
func isLocalEndpoint(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err != nil || isLocalAddress(normalize(at.Addr()))
}

// normalize removes the zone of an address and unmaps IPv4.
func normalize(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }

// sameFile reports whether two paths are the same file, also through links.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	first, err := os.Stat(a)
	if err != nil {
		return false // nothing listens there, or it has no file
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
