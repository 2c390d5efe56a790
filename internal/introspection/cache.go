package introspection

import (
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

const (
	// maxActiveBytes limits the memory of tokens that are active, by a generous
	// estimate, in bytes.
	maxActiveBytes = 32 << 20
	// maxDenied is how many tokens are remembered that are not accepted. They have a
	// cache of their own, so that random tokens displace no active one.
	maxDenied = 10_000
	// deniedFor is how long a token is remembered that is not accepted, and unclearFor
	// one for which the endpoint has no usable answer.
	deniedFor  = 10 * time.Second
	unclearFor = 5 * time.Second
)

// cache remembers results by the SHA-256 of the whole token, so that it stores no token.
// Each client has a cache of its own, since another endpoint or configuration may give
// another result. A nil cache remembers nothing.
type cache struct {
	lifetime time.Duration
	accepted *otter.Cache[[sha256.Size]byte, *acceptedToken]
	refused  *otter.Cache[[sha256.Size]byte, *refusedToken]
}

// acceptedToken is the result for an active token.
type acceptedToken struct {
	token   token.Token
	expires time.Time
	size    uint32
}

// refusedToken is the result for another token.
type refusedToken struct {
	err     error
	expires time.Time
}

func newCache(lifetime time.Duration) *cache {
	if lifetime <= 0 {
		return nil
	}
	return &cache{
		lifetime: lifetime,
		accepted: otter.Must(&otter.Options[[sha256.Size]byte, *acceptedToken]{
			MaximumWeight: maxActiveBytes,
			Weigher:       func(_ [sha256.Size]byte, v *acceptedToken) uint32 { return v.size },
		}),
		refused: otter.Must(&otter.Options[[sha256.Size]byte, *refusedToken]{MaximumSize: maxDenied}),
	}
}

// active returns a token that is known to be active. Known is false for others.
func (c *cache) active(key [sha256.Size]byte, now time.Time) (t token.Token, known bool) {
	if c == nil {
		return t, false
	}
	entry, ok := c.accepted.GetIfPresent(key)
	if !ok || !now.Before(entry.expires) {
		return t, false
	}
	return entry.token, true
}

// denied returns the error of a token that is known not to be accepted, or nil.
func (c *cache) denied(key [sha256.Size]byte, now time.Time) error {
	if c == nil {
		return nil
	}
	entry, ok := c.refused.GetIfPresent(key)
	if !ok || !now.Before(entry.expires) {
		return nil
	}
	return entry.err
}

// accept remembers an active token, from when the endpoint was asked, and never beyond
// its exp. Size is that of the answer, in bytes.
func (c *cache) accept(key [sha256.Size]byte, t token.Token, size int, asked time.Time) {
	if c == nil {
		return
	}
	expires := asked.Add(c.lifetime)
	if exp := time.Unix(t.Identity.ExpiresAt, 0); t.Identity.ExpiresAt != 0 && exp.Before(expires) {
		expires = exp
	}
	c.accepted.Set(key, &acceptedToken{token: t, expires: expires, size: uint32(1<<10 + 8*size)}) //nolint:gosec // at most maxAnswer
}

// deny remembers a token that is not accepted, from when the endpoint was asked, and at
// most as long as active ones.
func (c *cache) deny(key [sha256.Size]byte, err error, asked time.Time, lifetime time.Duration) {
	if c == nil {
		return
	}
	c.refused.Set(key, &refusedToken{err: err, expires: asked.Add(min(lifetime, c.lifetime))})
}
