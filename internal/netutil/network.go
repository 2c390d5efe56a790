// Package netutil maps client addresses to the networks that limits count.
package netutil

import "net/netip"

// unknown stands for clients whose address is not known. It is not the zero
// Prefix, which callers use for no network in particular.
var unknown = netip.PrefixFrom(netip.IPv4Unspecified(), 32)

// Network returns what counts as one client: an IPv4 address, or the /64 that an
// IPv6 client chooses addresses from. Clients whose address is not known share one.
func Network(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := 32
	if client.Is6() {
		bits = 64
	}
	prefix, err := client.Prefix(bits)
	if err != nil || !prefix.IsValid() {
		return unknown
	}
	return prefix
}

// Networks returns the networks that a client is in, the widest first and the one
// of Network last: what a customer of a provider has may be an IPv4 address or a
// /24, and in IPv6 a /64, a /56 or a /48.
func Networks(client netip.Addr) []netip.Prefix {
	narrow := Network(client)
	wider := []int{24}
	switch {
	case narrow == unknown:
		wider = nil
	case narrow.Addr().Is6():
		wider = []int{48, 56}
	}
	networks := make([]netip.Prefix, 0, len(wider)+1)
	for _, bits := range wider {
		networks = append(networks, netip.PrefixFrom(narrow.Addr(), bits).Masked())
	}
	return append(networks, narrow)
}
