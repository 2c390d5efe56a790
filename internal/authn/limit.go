package authn

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// A signature is dear to check and free to make up: one client may have so many
// checked in vain, and no more at once. Tokens that were verified before are
// not checked again and so never limited.
const (
	forgeries       = 100
	forgeriesRefill = 2 // a second
	forgersKnown    = 50_000
)

// forgers knows the clients that sent tokens with bad signatures.
type forgers struct {
	limits *otter.Cache[netip.Prefix, *rate.Limiter]
}

func newForgers() *forgers {
	return &forgers{limits: otter.Must(&otter.Options[netip.Prefix, *rate.Limiter]{
		MaximumSize:      forgersKnown,
		ExpiryCalculator: otter.ExpiryAccessing[netip.Prefix, *rate.Limiter](forgeries / forgeriesRefill * time.Second),
	})}
}

// networkOf returns what counts as one client.
func networkOf(r *http.Request) netip.Prefix {
	client := clientOf(r)
	bits := 32
	if client.Is6() {
		bits = 64
	}
	prefix, _ := client.Prefix(bits)
	return prefix
}

// refuse reports whether a client has to wait, and the outcome if so.
func (f *forgers) refuse(r *http.Request) (identity.Outcome, bool) {
	limiter, known := f.limits.GetIfPresent(networkOf(r))
	if !known || limiter.Tokens() >= 1 {
		return identity.Outcome{}, false
	}
	outcome := identity.Reject(identity.ReasonThrottled, identity.Detail{Name: "problem", Value: "too many tokens with bad signatures from this client"})
	outcome.RetryAfter = time.Second
	return outcome, true
}

// count counts a token whose signature was checked in vain.
func (f *forgers) count(r *http.Request) {
	limiter, _ := f.limits.SetIfAbsent(networkOf(r), rate.NewLimiter(forgeriesRefill, forgeries))
	limiter.Allow()
}
