package fairqueue

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
)

// fill takes 1,000 at a time until there is no more, and returns how much it got.
func fill(s *Quota, client netip.Addr) (got int64) {
	for s.Acquire(client, 1000) {
		got += 1000
	}
	return got
}

// TestN11Share: 31 networks that take all they can leave room for another one, and
// an address leaves some to its neighbours.
func TestN11Share(t *testing.T) {
	for _, family := range []struct {
		name            string
		network         func(i int) string
		neighbour       string
		alone, joined   int64 // what the first one and the 32nd one get, at least
		alone1, joined1 int64 // at most
	}{
		{"IPv4", func(i int) string { return fmt.Sprintf("10.0.%d.7", i) }, "10.0.0.8", 330_000, 10_000, 340_000, 40_000},
		{"IPv6", func(i int) string { return fmt.Sprintf("2001:db8:%x::7", i) }, "2001:db8:0:1::7", 240_000, 10_000, 260_000, 40_000},
	} {
		s := NewQuota(1_000_000)
		for i := range 31 {
			got := fill(s, netip.MustParseAddr(family.network(i)))
			if i == 0 {
				if got < family.alone || got > family.alone1 {
					t.Errorf("N-11 %s: the first one gets %d", family.name, got)
				}
				if !s.Acquire(netip.MustParseAddr(family.neighbour), 50_000) {
					t.Errorf("N-11 %s: nothing is left for a neighbour", family.name)
				}
				s.Release(netip.MustParseAddr(family.neighbour), 50_000)
			}
		}
		fresh := NewQuota(33_000_000)
		for range 1_100 { // all at once, in turns
			for i := range 31 {
				fresh.Acquire(netip.MustParseAddr(family.network(i)), 1000)
			}
		}
		if got := fill(fresh, netip.MustParseAddr(family.network(31))); got < 500_000 {
			t.Errorf("N-11 %s: the 32nd network gets %d", family.name, got)
		}
	}
}

// TestN11ShareIsGivenBack: what is given back can be taken again, and nothing is kept.
func TestN11ShareIsGivenBack(t *testing.T) {
	s, client := NewQuota(0), netip.MustParseAddr("192.0.2.1")
	if s.Acquire(client, 1) {
		t.Error("something was taken of nothing")
	}
	s.Grow(3_000_000)
	s.Grow(1)
	first := fill(s, client)
	s.Release(client, first)
	if again := fill(s, client); again != first || first != 1_000_000 {
		t.Errorf("N-11 %d, and then %d", first, again)
	}
	s.Release(client, first)
	if s.used != 0 || len(s.byNetwork) != 0 || s.Acquire(client, math.MaxInt64) {
		t.Errorf("N-11 %d held by %d", s.used, len(s.byNetwork))
	}
}
