package introspection

import (
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// How many tokens of a client's network may turn out not to be active before the
// endpoint is not asked about others from there. Each wider network may have four times
// as many.
const (
	maxInactive    = 100
	inactiveRefill = 2 // a second
	widerFactor    = 4
	maxNetworks    = 50_000
)

// ThrottledFor is how long a client waits after ErrThrottled.
const ThrottledFor = time.Second

// inactiveLimiter counts tokens that are not active by the network of the client, so that
// random tokens are not sent to the endpoint at any rate. Tokens that are known to be
// active are never counted.
type inactiveLimiter struct {
	networks *otter.Cache[netip.Prefix, *rate.Limiter]
}

func newInactiveLimiter() *inactiveLimiter {
	return &inactiveLimiter{otter.Must(&otter.Options[netip.Prefix, *rate.Limiter]{
		MaximumSize:      maxNetworks,
		ExpiryCalculator: otter.ExpiryAccessing[netip.Prefix, *rate.Limiter](maxInactive / inactiveRefill * time.Second),
	})}
}

// exceeded reports whether too many tokens of a client's network were not active.
func (l *inactiveLimiter) exceeded(client netip.Addr, now time.Time) bool {
	for _, network := range netutil.Networks(client) {
		if limiter, known := l.networks.GetIfPresent(network); known && limiter.TokensAt(now) < 1 {
			return true
		}
	}
	return false
}

// count counts a token that is not active.
func (l *inactiveLimiter) count(client netip.Addr, now time.Time) {
	networks := netutil.Networks(client) // from the widest
	for i, network := range networks {
		limiter, known := l.networks.GetIfPresent(network)
		if !known {
			factor := 1
			for range len(networks) - 1 - i {
				factor *= widerFactor
			}
			limiter, _ = l.networks.SetIfAbsent(network, rate.NewLimiter(rate.Limit(inactiveRefill*factor), maxInactive*factor))
		}
		limiter.AllowN(now, 1)
	}
}
