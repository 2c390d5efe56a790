package fairqueue

import (
	"net/netip"
	"sync"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// Quota divides an amount, such as bytes of memory, between networks. A network may
// hold as much as would be left free, and an address in it as much as would be left
// to the network: one that takes all it can leaves a third to the others or more,
// and each one that joins it leaves them less, but never nothing. It is safe for
// concurrent use.
type Quota struct {
	mu        sync.Mutex
	size      int64
	used      int64
	byNetwork map[netip.Prefix]int64
}

// NewQuota returns a Quota of an amount.
func NewQuota(size int64) *Quota { return &Quota{size: size, byNetwork: map[netip.Prefix]int64{}} }

// Grow makes the amount at least as large as size.
func (s *Quota) Grow(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = max(s.size, size)
}

// Acquire reports whether a client gets n, which Give gives back.
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

// Release gives back what a client took.
func (s *Quota) Release(client netip.Addr, n int64) {
	networks := netutil.Networks(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(networks, -n)
}

// add counts what the networks of a client hold; of one that holds nothing, nothing
// is kept.
func (s *Quota) add(networks []netip.Prefix, n int64) {
	s.used += n
	for _, network := range networks {
		if s.byNetwork[network] += n; s.byNetwork[network] == 0 {
			delete(s.byNetwork, network)
		}
	}
}
