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
	// defaultCache is how many bytes of decisions are remembered.
	defaultCache = 16 << 20
	// maxCache is more memory than any process has for it.
	maxCache = 1 << 40
	// NoCache is the size of no cache at all.
	NoCache = -1
	// maxKey and maxValue bound one decision that is remembered, in bytes. Longer
	// keys are a stranger's making, and not worth the room.
	maxKey   = 4 << 10
	maxValue = 64 << 10
	// overhead is what remembering a decision takes besides.
	overhead = 512
	// verifyEvery is how many hits come before one that is evaluated again.
	verifyEvery = 1024
	// verifyShare bounds the time for that: it is at most this part of all time.
	verifyShare = 100
)

// Cached says what became of a decision in the cache.
type Cached string

// What becomes of a decision. It is "" if none is remembered.
const (
	CacheHit  Cached = "hit"
	CacheMiss Cached = "miss"
)

// cache remembers decisions by what they read of their input, all of it: a hash
// finds an entry and decides nothing. It belongs to one snapshot, and to
// decisions for which that is all that they depend on. W-TinyLFU admits to it, so
// that a client who tries out paths does not displace what others ask every day.
//
// It does not trust itself: one hit in verifyEvery is evaluated again, and a
// difference ends its use.
type cache struct {
	entries *otter.Cache[string, *entry]
	hits    atomic.Uint64
	// resting is until when no hit is evaluated again, counted from opened.
	resting atomic.Int64
	opened  time.Time
	broken  atomic.Bool
	now     func() time.Time
	// differed is called when the cache is found to be wrong, once.
	differed func()
}

// entry is a decision that was made before. It is immutable, deeply.
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

// get returns what is remembered for a key. It does not keep the key.
func (c *cache) get(key []byte) *entry {
	known, ok := c.entries.GetIfPresent(unsafe.String(unsafe.SliceData(key), len(key))) //nolint:gosec // the text lives as long as the call
	if !ok || !known.expires.IsZero() && !c.now().Before(known.expires) {
		return nil
	}
	return known
}

// shouldVerify reports whether a hit is one to be evaluated again. If it is, call
// verified, and until then no other one is.
func (c *cache) shouldVerify() bool {
	if c.hits.Add(1)%verifyEvery != 0 {
		return false
	}
	until := c.resting.Load()
	return int64(c.now().Sub(c.opened)) >= until && c.resting.CompareAndSwap(until, math.MaxInt64)
}

// verified notes how long it took to evaluate a hit again, and bounds the part of
// the time that goes to this: the next one has to wait for so much longer.
func (c *cache) verified(took time.Duration) {
	c.resting.Store(int64(c.now().Sub(c.opened) + (verifyShare-1)*took))
}

// put remembers a decision, no longer than the caller's credential counts and the
// policy allows. What failed is not remembered.
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

// scratch is room for one decision, to be used again.
type scratch struct {
	document request.Document
	question accesstable.Question
	key      []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{key: make([]byte, 0, 512)} }}

// free gives the room back, without anything of the request.
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
