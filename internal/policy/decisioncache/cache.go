// Package decisioncache keeps the decisions of policies whose result depends on nothing
// but what they read of their input. [Inspect] says what compiled policies may read and
// why their decisions cannot be kept, the functions of this package encode what is read as
// a key, and [Cache] has a decision for each key.
package decisioncache

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

const (
	// MaxKey is the largest key that is cached, in bytes. A longer key comes from an
	// unusual request, which is not worth the memory.
	MaxKey = 4 << 10
	// maxValue is the largest decision that is cached, with its key, in bytes.
	maxValue = 64 << 10
	// overhead is the memory that an entry takes beside its key and decision, in bytes.
	overhead = 512
	// verifyEvery is how many hits there are for each one that is evaluated again.
	verifyEvery = 1024
	// verifyTimeDivisor bounds that: it takes at most 1/verifyTimeDivisor of the time.
	verifyTimeDivisor = 100
)

// Outcome is the outcome of looking a decision up in the cache.
type Outcome string

// The outcomes. It is "" if the decision cannot be cached.
const (
	Hit  Outcome = "hit"
	Miss Outcome = "miss"
)

// Cache has decisions by everything that they read of their input: a hash finds an
// entry, and the whole key is compared. It belongs to one version of the policies, and to
// decisions that depend on nothing else. W-TinyLFU chooses the entries to keep, so that a
// client that tries out paths does not displace frequent requests. It is safe for
// concurrent use.
//
// One hit in 1,024 is evaluated again. If the result differs, the cache is no longer used.
type Cache struct {
	entries *otter.Cache[string, *entry]
	hits    atomic.Uint64
	// nextVerify is the earliest time of the next evaluation of a hit, counted from opened.
	nextVerify atomic.Int64
	opened     time.Time
	broken     atomic.Bool
	differed   func()
}

// entry is a cached decision. It is deeply immutable.
type entry struct {
	decision decision.Decision
	expires  time.Time // zero for never
	size     uint32
}

// New returns a cache of a size in bytes. It calls differed, once, when it is found to
// have a wrong decision.
func New(size int64, differed func()) *Cache {
	return &Cache{opened: time.Now(), differed: differed, entries: otter.Must(&otter.Options[string, *entry]{
		MaximumWeight: uint64(max(size, 1)),
		Weigher:       func(_ string, e *entry) uint32 { return e.size },
	})}
}

// Usable reports whether decisions are cached. A nil cache is one that is switched off.
func (c *Cache) Usable() bool { return c != nil && !c.broken.Load() }

// State returns "on", "off" for a nil cache, and "distrusted" for one that was found to
// have a wrong decision.
func (c *Cache) State() string {
	switch {
	case c == nil:
		return "off"
	case c.broken.Load():
		return "distrusted"
	}
	return "on"
}

// Get returns the decision of a key, if there is one. The caller may change it, and may
// change the key afterwards.
//
// It sometimes evaluates the decision again to check the cached one; evaluate returns the
// new one and how long it took. If they differ, Get returns the new decision and the cache
// is no longer used.
func (c *Cache) Get(key []byte, evaluate func() (decision.Decision, time.Duration)) (found decision.Decision, ok bool) {
	known := c.find(key)
	if known == nil {
		return decision.Decision{}, false
	}
	if c.shouldVerify() {
		return c.verify(known.decision, evaluate).Clone(), true
	}
	return known.decision.Clone(), true
}

// find returns the entry of a key, or nil. It does not keep the key.
func (c *Cache) find(key []byte) *entry {
	known, ok := c.entries.GetIfPresent(unsafe.String(unsafe.SliceData(key), len(key))) //nolint:gosec // the text lives as long as the call
	if !ok || !known.expires.IsZero() && !time.Now().Before(known.expires) {
		return nil
	}
	return known
}

// shouldVerify reports whether to evaluate a hit again. If so, call scheduleNextVerify
// afterwards; until then it reports false.
func (c *Cache) shouldVerify() bool {
	if c.hits.Add(1)%verifyEvery != 0 {
		return false
	}
	until := c.nextVerify.Load()
	return int64(time.Since(c.opened)) >= until && c.nextVerify.CompareAndSwap(until, math.MaxInt64)
}

// scheduleNextVerify takes the time that evaluating a hit again took, and delays the next
// one so that all of them take at most 1/verifyTimeDivisor of the time.
func (c *Cache) scheduleNextVerify(took time.Duration) {
	c.nextVerify.Store(int64(time.Since(c.opened) + (verifyTimeDivisor-1)*took))
}

// verify compares a cached decision with a new one and returns which one counts. A new
// one that failed, for example because the client disconnected, proves nothing.
func (c *Cache) verify(before decision.Decision, evaluate func() (decision.Decision, time.Duration)) decision.Decision {
	var again decision.Decision
	var took time.Duration
	defer func() { c.scheduleNextVerify(took) }()
	if again, took = evaluate(); again.Undecided() || before.Equal(again) {
		return before
	}
	if !c.broken.Swap(true) {
		c.entries.InvalidateAll()
		c.differed()
	}
	return again
}

// Put caches a decision until the caller's credential expires or the time that the
// policy allows is over. It does not cache decisions that failed, nor large ones.
func (c *Cache) Put(key []byte, decided decision.Decision, id *authenticator.Identity) {
	if decided.Undecided() || len(key) > MaxKey {
		return
	}
	size := overhead + len(key) + sizeOf(decided.Value)
	if size > maxValue {
		return
	}
	made := &entry{decision: decided.Clone(), size: uint32(size)} //nolint:gosec // bounded
	if made.expires = expiry(decided, id); !made.expires.IsZero() && !time.Now().Before(made.expires) {
		return
	}
	c.entries.Set(string(key), made)
}

// expiry returns until when a decision may be cached, or zero if its time is not limited.
func expiry(decided decision.Decision, id *authenticator.Identity) (end time.Time) {
	if id.ExpiresAt != 0 {
		end = time.Unix(id.ExpiresAt, 0)
	}
	if decided.TTL != nil {
		if own := time.Now().Add(*decided.TTL); end.IsZero() || own.Before(end) {
			end = own
		}
	}
	return end
}

// sizeOf estimates, generously, how many bytes a decision takes that has been decoded
// from a value. It stops at what is too much.
func sizeOf(value ast.Value) int { return addSize(0, value) }

// addSize adds the size of a value. It stops at what is too much anyway: the value of a
// rule may be all of the data.
func addSize(size int, value ast.Value) int {
	item := func(term *ast.Term) bool {
		size = addSize(size+128, term.Value)
		return size > maxValue
	}
	switch v := value.(type) {
	case ast.String:
		return size + 3*len(v)
	case ast.Number:
		return size + 3*len(v)
	case *ast.Array:
		v.Until(item)
	case ast.Set:
		v.Until(item)
	case ast.Object:
		v.Until(func(name, member *ast.Term) bool { return item(name) || item(member) })
	}
	return size
}
