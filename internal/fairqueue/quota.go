package fairqueue

import (
	"net/netip"
	"sync"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// Quota divides an amount, such as bytes of memory, between networks. A network may
// use as much as remains for all others, and each address in it as much as remains
// for the network. A network that takes all it can leaves at least a third to the
// others; each further network leaves less, but never nothing. It is safe for
// concurrent use.
type Quota struct {
	mu        sync.Mutex
	size      int64
	used      int64
	byNetwork map[netip.Prefix]int64
}

// NewQuota returns a Quota of an amount.
func NewQuota(size int64) *Quota { return &Quota{size: size, byNetwork: map[netip.Prefix]int64{}} }

// Grow increases the amount to at least size.
func (s *Quota) Grow(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = max(s.size, size)
}

// Acquire reports whether a client gets n units, which Release returns.
func (s *Quota) Acquire(client netip.Addr, n int64) bool {
	networks := netutil.Networks(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.size - s.used - n
	for _, network := range networks {
		held := s.byNetwork[network] + n
		if held > room {
			return false
		}
		room -= held
	}
	s.add(networks, n)
	return true
}

// Release returns the units of a client.
func (s *Quota) Release(client netip.Addr, n int64) {
	networks := netutil.Networks(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(networks, -n)
}

// add changes the used amount of a client's networks, and forgets networks that use
// nothing.
func (s *Quota) add(networks []netip.Prefix, n int64) {
	s.used += n
	for _, network := range networks {
		if s.byNetwork[network] += n; s.byNetwork[network] == 0 {
			delete(s.byNetwork, network)
		}
	}
}
