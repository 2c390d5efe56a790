//go:build unix

package admin

import (
	"net/netip"
	"strconv"
	"syscall"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

// listenerOfFile returns where the socket of an inherited file descriptor listens.
func listenerOfFile(descriptor string) (egress.Listener, bool) {
	number, err := strconv.Atoi(descriptor)
	if err != nil {
		return egress.Listener{}, false
	}
	at, err := syscall.Getsockname(number)
	if err != nil {
		return egress.Listener{}, false
	}
	switch at := at.(type) {
	case *syscall.SockaddrInet4:
		return egress.Listener{Network: "tcp", Host: netip.AddrFrom4(at.Addr).String(), Port: uint16(at.Port)}, true //nolint:gosec // a port
	case *syscall.SockaddrInet6:
		return egress.Listener{Network: "tcp", Host: netip.AddrFrom16(at.Addr).String(), Port: uint16(at.Port)}, true //nolint:gosec // a port
	case *syscall.SockaddrUnix:
		return egress.Listener{Network: "unix", Host: at.Name}, true
	}
	return egress.Listener{}, false
}
