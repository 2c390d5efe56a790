package policy

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const (
	// maxCallers is how many callers are kept, a power of two.
	maxCallers = 1 << 10
	// maxCaller is how many bytes a caller's key may have whose term is kept.
	maxCaller = 4 << 10
)

// identityCache keeps what was built of the latest callers, without a lock and
// without an order: each caller has one slot, and the last caller has it. Identities
// are immutable and shared between requests by the method that verified them, so that
// the same pointer is the same caller. It belongs to one projection.
type identityCache struct {
	seed  maphash.Seed
	slots [maxCallers]atomic.Pointer[callerKey]
}

// callerKey is what was built of an identity.
type callerKey struct {
	id   *authenticator.Identity
	key  []byte
	term atomic.Pointer[ast.Term] // once it was needed
}

func newIdentityCache() *identityCache { return &identityCache{seed: maphash.MakeSeed()} }

// of returns what was built of an identity, or builds its key.
func (c *identityCache) of(id *authenticator.Identity, parts []part[authenticator.Identity]) *callerKey {
	slot := &c.slots[maphash.Comparable(c.seed, id)%maxCallers]
	if known := slot.Load(); known != nil && known.id == id {
		return known
	}
	built := &callerKey{id: id, key: appendParts(nil, parts, id)}
	if len(built.key) <= maxCaller {
		slot.Store(built)
	}
	return built
}

// termOf returns the caller's term. Two that build it at once build the same.
func (c *callerKey) termOf(parts []part[authenticator.Identity]) *ast.Term {
	if len(parts) == 0 {
		return nil
	}
	if term := c.term.Load(); term != nil {
		return term
	}
	term := build(parts, c.id)
	c.term.Store(term)
	return term
}
