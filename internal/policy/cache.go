package policy

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/maypok86/otter/v2"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

const (
	// defaultCache is the size of the cache by default, in bytes.
	defaultCache = 16 << 20
	// maxCache is the largest size of the cache that is accepted, in bytes (1 TiB).
	maxCache = 1 << 40
	// NoCache is the size of no cache at all.
	NoCache = -1
	// maxKey and maxValue are the largest key and decision that are cached, in bytes.
	// A longer key comes from an unusual request, which is not worth the memory.
	maxKey   = 4 << 10
	maxValue = 64 << 10
	// overhead is the memory that an entry takes beside its key and decision, in bytes.
	overhead = 512
	// verifyEvery is how many hits there are for each one that is evaluated again.
	verifyEvery = 1024
	// verifyTimeDivisor bounds that: it takes at most 1/verifyTimeDivisor of the time.
	verifyTimeDivisor = 100
)

// Cached is the outcome of looking a decision up in the cache.
type Cached string

// The outcomes. It is "" if the decision cannot be cached.
const (
	CacheHit  Cached = "hit"
	CacheMiss Cached = "miss"
)

// cache has decisions by everything that they read of their input: a hash finds an
// entry, and the whole key is compared. It belongs to one snapshot, and to decisions
// that depend on nothing else. W-TinyLFU chooses the entries to keep, so that a client
// that tries out paths does not displace frequent requests.
//
// One hit in verifyEvery is evaluated again. If the result differs, the cache is no
// longer used.
type cache struct {
	entries *otter.Cache[string, *entry]
	hits    atomic.Uint64
	// nextVerify is the earliest time of the next evaluation of a hit, counted from opened.
	nextVerify atomic.Int64
	opened     time.Time
	broken     atomic.Bool
	now        func() time.Time
	// differed is called when the cache is found to be wrong, once.
	differed func()
}

// entry is a cached decision. It is deeply immutable.
type entry struct {
	decision decision.Decision
	expires  time.Time // zero for never
	size     uint32
}

func newCache(size int64) *cache {
	return &cache{now: time.Now, opened: time.Now(), differed: func() {}, entries: otter.Must(&otter.Options[string, *entry]{
		MaximumWeight: uint64(max(size, 1)),
		Weigher:       func(_ string, e *entry) uint32 { return e.size },
	})}
}

// get returns the entry of a key, or nil. It does not keep the key.
func (c *cache) get(key []byte) *entry {
	known, ok := c.entries.GetIfPresent(unsafe.String(unsafe.SliceData(key), len(key))) //nolint:gosec // the text lives as long as the call
	if !ok || !known.expires.IsZero() && !c.now().Before(known.expires) {
		return nil
	}
	return known
}

// shouldVerify reports whether to evaluate a hit again. If so, call scheduleNextVerify
// afterwards; until then it reports false.
func (c *cache) shouldVerify() bool {
	if c.hits.Add(1)%verifyEvery != 0 {
		return false
	}
	until := c.nextVerify.Load()
	return int64(c.now().Sub(c.opened)) >= until && c.nextVerify.CompareAndSwap(until, math.MaxInt64)
}

// scheduleNextVerify takes the time that evaluating a hit again took, and delays the next
// one so that all of them take at most 1/verifyTimeDivisor of the time.
func (c *cache) scheduleNextVerify(took time.Duration) {
	c.nextVerify.Store(int64(c.now().Sub(c.opened) + (verifyTimeDivisor-1)*took))
}

// put caches a decision until the caller's credential expires or the time that the
// policy allows is over. Decisions that failed are not cached.
func (c *cache) put(key []byte, decision decision.Decision, id *authenticator.Identity) {
	if decision.Undecided() || len(key) > maxKey {
		return
	}
	size := overhead + len(key) + sizeOf(decision.Value)
	if size > maxValue {
		return
	}
	made := &entry{decision: decision.Clone(), size: uint32(size)} //nolint:gosec // bounded
	if made.expires = c.expiry(decision, id); !made.expires.IsZero() && !c.now().Before(made.expires) {
		return
	}
	c.entries.Set(string(key), made)
}

// expiry returns until when a decision may be remembered; zero for as long as
// there is room.
func (c *cache) expiry(decision decision.Decision, id *authenticator.Identity) (end time.Time) {
	if id.ExpiresAt != 0 {
		end = time.Unix(id.ExpiresAt, 0)
	}
	if decision.TTL != nil {
		if own := c.now().Add(*decision.TTL); end.IsZero() || own.Before(end) {
			end = own
		}
	}
	return end
}

// sizeOf estimates what a decision takes that has been decoded from a value, in
// bytes: generously, and no further than matters.
func sizeOf(value ast.Value) int { return addSize(0, value) }

// addSize adds the size of a value. It stops at what is too much anyway: a rule
// may come to all of the data.
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

// verify compares a remembered decision with a new one and returns which counts.
// One that failed, say because its caller has gone, proves nothing.
func (c *cache) verify(before, again decision.Decision) decision.Decision {
	switch {
	case again.Undecided(), before.Equal(again):
		return before
	}
	if !c.broken.Swap(true) {
		c.entries.InvalidateAll()
		c.differed()
	}
	return again
}

// state says whether decisions are remembered.
func (c *cache) state() string {
	switch {
	case c == nil:
		return "off"
	case c.broken.Load():
		return "distrusted"
	}
	return "on"
}

// scratch is the memory of one decision, which is reused.
type scratch struct {
	document request.Document
	question accesstable.Question
	key      []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{key: make([]byte, 0, 512)} }}

// free returns the memory for reuse, without data of the request.
func (s *scratch) free() {
	if cap(s.key) > maxKey {
		return
	}
	s.document.Reset()
	s.question.Reset()
	clear(s.key[:cap(s.key)])
	s.key = s.key[:0]
	scratches.Put(s)
}
