package netutil

import (
	"net"
	"net/netip"
	"strings"
)

// Host returns the host of a host with or without a port, such as "example.com:8443",
// "192.0.2.1" or "[2001:db8::1]:443". An IPv6 address loses its brackets. A text of
// another form is returned as it is, without brackets around it.
func Host(hostport string) string {
	if strings.Contains(hostport, ":") { // without a port, SplitHostPort allocates an error
		if host, _, err := net.SplitHostPort(hostport); err == nil {
			return host
		}
	}
	return strings.Trim(hostport, "[]")
}

// IsLoopback reports whether a host without a port is this machine: "localhost" or a
// loopback IP address without brackets, also if IPv4 is mapped to IPv6. It does not
// resolve names.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
