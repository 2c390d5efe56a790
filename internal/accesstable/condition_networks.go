package accesstable

import (
	"net/netip"
	"slices"
)

// networks is a condition on the address of the client. It looks up one prefix for each
// length of the listed prefixes, so its cost does not depend on how many there are.
type networks struct {
	prefixes map[netip.Prefix]struct{}
	four     []int // lengths of the IPv4 prefixes
	six      []int // lengths of the IPv6 prefixes
}

// newNetworks returns the condition for prefixes in canonical form.
func newNetworks(list []string) *networks {
	n := &networks{prefixes: map[netip.Prefix]struct{}{}}
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			continue // the parser rejected it
		}
		n.prefixes[prefix.Masked()] = struct{}{}
		lengths := &n.six
		if prefix.Addr().Is4() {
			lengths = &n.four
		}
		if !slices.Contains(*lengths, prefix.Bits()) {
			*lengths = append(*lengths, prefix.Bits())
		}
	}
	return n
}

func (n *networks) size() int { return len(n.prefixes) }

// contains reports whether an address is in one of the networks.
func (n *networks) contains(addr netip.Addr) bool {
	_, ok := n.find(addr)
	return ok
}

// find returns a network that contains an address.
func (n *networks) find(addr netip.Addr) (netip.Prefix, bool) {
	lengths := n.six
	if addr.Is4() {
		lengths = n.four
	}
	for _, bits := range lengths {
		if prefix, err := addr.Prefix(bits); err == nil {
			if _, ok := n.prefixes[prefix]; ok {
				return prefix, true
			}
		}
	}
	return netip.Prefix{}, false
}

// NamesNetworks reports whether a rule has the condition networks.
func (t *Table) NamesNetworks() bool {
	return t.hasCondition(func(c Condition) bool { return c.Name == "networks" })
}

// holds reports whether the client is in one of the networks. Under allow, it is false
// if a proxy that is not trusted forwarded the request, because the client may then be
// the proxy, and if the address cannot be parsed. Under deny, it is true if the address
// cannot be parsed, and also compares the address of such a proxy.
func (n *networks) holds(q *Question, under polarity) bool {
	client, known := q.client.of(q.Client.IP)
	if under == allow {
		return known && !q.Client.ForwardedUntrusted && n.contains(client)
	}
	if !known || n.contains(client) {
		return true
	}
	if !q.Client.ForwardedUntrusted {
		return false
	}
	peer, known := q.peer.of(q.Client.PeerIP)
	return !known || n.contains(peer)
}

// address is an IP address that is parsed at most once, when a condition needs it.
type address struct {
	parsed bool
	addr   netip.Addr
}

// of parses text. It returns false if text is not an address, or has a zone.
func (a *address) of(text string) (netip.Addr, bool) {
	if !a.parsed {
		a.parsed = true
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			a.addr = addr.Unmap()
		}
	}
	return a.addr, a.addr.IsValid()
}
