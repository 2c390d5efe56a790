package accesstable

import (
	"net/netip"
	"slices"
)

// networks is a condition on the client's address. One prefix is looked up for each
// length that a wanted prefix has, however many there are.
type networks struct {
	prefixes map[netip.Prefix]struct{}
	four     []int // lengths of the prefixes of IPv4
	six      []int // and of IPv6
}

// newNetworks takes prefixes in their canonical form.
func newNetworks(list []string) *networks {
	n := &networks{prefixes: map[netip.Prefix]struct{}{}}
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			continue // the parser has refused it
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

// find returns a network that an address is in.
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

// NamesNetworks reports whether a rule asks for the client's network.
func (t *Table) NamesNetworks() bool {
	return slices.ContainsFunc(append(slices.Clone(t.rules), t.fallback), func(r *Rule) bool {
		return r != nil && slices.ContainsFunc(r.Allow, func(a Alternative) bool {
			return slices.ContainsFunc(a.Conditions, func(c Condition) bool { return c.Name == "networks" })
		})
	})
}

// holds reports whether the client is in one of the networks. An address that is
// hidden by untrusted forwarding, or that cannot be read, is in none under allow.
// Under deny the latter is, and for the former the peer's address is tested too.
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

// address is an address that is parsed when it is first asked for.
type address struct {
	parsed bool
	addr   netip.Addr
}

// of returns the address that a text names, which is false for none, or one with a
// zone.
func (a *address) of(text string) (netip.Addr, bool) {
	if !a.parsed {
		a.parsed = true
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			a.addr = addr.Unmap()
		}
	}
	return a.addr, a.addr.IsValid()
}
