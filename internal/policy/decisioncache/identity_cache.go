package decisioncache

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const (
	// maxIdentities is how many identities are kept, a power of two.
	maxIdentities = 1 << 10
	// maxIdentityKey is how many bytes the key of an identity may have that is kept.
	maxIdentityKey = 4 << 10
)

// IdentityCache keeps what was built of the latest identities, without a lock and
// without an order: each identity has one slot, and the last one of a slot has it.
// Identities are immutable and shared between requests by the method that verified them,
// so that the same pointer is the same caller. It is safe for concurrent use.
type IdentityCache struct {
	seed      maphash.Seed
	appendKey func([]byte, *authenticator.Identity) []byte
	build     func(*authenticator.Identity) *ast.Term
	slots     [maxIdentities]atomic.Pointer[CachedIdentity]
}

// CachedIdentity is what was built of an identity.
type CachedIdentity struct {
	id    *authenticator.Identity
	key   []byte
	build func(*authenticator.Identity) *ast.Term
	term  atomic.Pointer[ast.Term] // once it was needed
}

// NewIdentityCache returns an empty cache for what two functions build of an identity:
// its part of a key, and its term in the input.
func NewIdentityCache(appendKey func([]byte, *authenticator.Identity) []byte, build func(*authenticator.Identity) *ast.Term) *IdentityCache {
	return &IdentityCache{seed: maphash.MakeSeed(), appendKey: appendKey, build: build}
}

// Get returns what was built of an identity, or builds its key.
func (c *IdentityCache) Get(id *authenticator.Identity) *CachedIdentity {
	slot := &c.slots[maphash.Comparable(c.seed, id)%maxIdentities]
	if known := slot.Load(); known != nil && known.id == id {
		return known
	}
	built := &CachedIdentity{id: id, key: c.appendKey(nil, id), build: c.build}
	if len(built.key) <= maxIdentityKey {
		slot.Store(built)
	}
	return built
}

// AppendKey appends the identity's part of a key.
func (i *CachedIdentity) AppendKey(key []byte) []byte { return append(key, i.key...) }

// Term returns the identity's term in the input. It builds the term when it is first
// needed; two callers that do so at the same time build the same.
func (i *CachedIdentity) Term() *ast.Term {
	if term := i.term.Load(); term != nil {
		return term
	}
	term := i.build(i.id)
	i.term.Store(term)
	return term
}
