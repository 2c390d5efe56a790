// Package netutil has functions for hosts, and for the networks by which limits count
// clients.
package netutil

import "net/netip"

// unknown stands for all clients with an unknown address. It differs from the zero
// Prefix.
var unknown = netip.PrefixFrom(netip.IPv4Unspecified(), 32)

// Network returns the network that counts as one client: an IPv4 address, or the
// /64 of an IPv6 address. All clients with an unknown address (the zero Addr) count
// as one.
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

// Networks returns the networks that contain a client, from the widest to that of
// Network. A customer of a provider may have one IPv4 address or a /24, and an IPv6
// /64, /56 or /48.
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
