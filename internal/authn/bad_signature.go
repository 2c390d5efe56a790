package authn

import (
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/netutil"
)

// A client that sends more tokens with bad signatures than these get 429 instead of 401.
const (
	badSignatures       = 100
	badSignaturesRefill = 2 // a second
	badSignatureClients = 50_000
)

// badSignatureLimiter counts tokens with bad signatures by client. It is asked only
// about a bad signature: clients that share an address, as behind a proxy that is not
// trusted, are never rejected for the tokens of others.
type badSignatureLimiter struct {
	limits *otter.Cache[netip.Prefix, *rate.Limiter]
}

func newBadSignatureLimiter() *badSignatureLimiter {
	return &badSignatureLimiter{limits: otter.Must(&otter.Options[netip.Prefix, *rate.Limiter]{
		MaximumSize:      badSignatureClients,
		ExpiryCalculator: otter.ExpiryAccessing[netip.Prefix, *rate.Limiter](badSignatures / badSignaturesRefill * time.Second),
	})}
}

// exceeds counts a bad signature and reports whether the client sends too many.
func (b *badSignatureLimiter) exceeds(client netip.Addr) bool {
	network := netutil.Network(client)
	limiter, known := b.limits.GetIfPresent(network)
	if !known {
		limiter, _ = b.limits.SetIfAbsent(network, rate.NewLimiter(badSignaturesRefill, badSignatures))
	}
	return !limiter.Allow()
}

// tooManyForged is the outcome for a bad signature of a client that sends too many.
func tooManyForged() authenticator.Outcome {
	outcome := authenticator.Reject(authenticator.ReasonThrottled, authenticator.Detail{Name: "problem", Value: "too many tokens with bad signatures from this client"})
	outcome.RetryAfter = time.Second
	return outcome
}
