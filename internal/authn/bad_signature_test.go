package authn

import (
	"net/netip"
	"testing"
)

// TestN12BadSignatures: a client's bad signatures are counted by its network, and
// one of another network is not answered for them.
func TestN12BadSignatures(t *testing.T) {
	limiter, exceeded := newBadSignatureLimiter(), 0
	for range badSignatures + 50 {
		if limiter.exceeds(netip.MustParseAddr("2001:db8::1")) {
			exceeded++
		}
	}
	if exceeded < 40 || exceeded > 50 {
		t.Errorf("%d of %d exceed", exceeded, badSignatures+50)
	}
	if !limiter.exceeds(netip.MustParseAddr("2001:db8::2")) || limiter.exceeds(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("counted by another network than the /64")
	}
	if got := tooManyForged(); got.RetryAfter <= 0 || got.Reason != "throttled" {
		t.Errorf("got %+v", got)
	}
}
