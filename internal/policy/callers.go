package policy

import (
	"sync/atomic"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// maxCaller is how many bytes a caller's key may have whose term is kept.
const maxCaller = 4 << 10

// callers keeps what was built of the latest callers. Identities are immutable
// and shared between requests by the method that verified them, so that the same pointer
// is the same caller. It belongs to one projection.
type callers struct {
	slots slots[*identity.Identity, knownCaller]
}

// knownCaller is what was built of an identity.
type knownCaller struct {
	id   *identity.Identity
	key  []byte
	term atomic.Pointer[ast.Term] // once it was needed
}

func newCallers() *callers { return &callers{newSlots[*identity.Identity, knownCaller]()} }

// of returns what was built of an identity, or builds its key.
func (c *callers) of(id *identity.Identity, parts []part[identity.Identity]) *knownCaller {
	slot := c.slots.of(id)
	if known := slot.Load(); known != nil && known.id == id {
		return known
	}
	built := &knownCaller{id: id, key: appendParts(nil, parts, id)}
	if len(built.key) <= maxCaller {
		slot.Store(built)
	}
	return built
}

// termOf returns the caller's term. Two that build it at once build the same.
func (c *knownCaller) termOf(parts []part[identity.Identity]) *ast.Term {
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
