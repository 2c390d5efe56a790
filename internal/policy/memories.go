package policy

import (
	"slices"
	"unsafe"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// maxMemory is how many bytes are remembered of each caller.
const maxMemory = 16 << 10

// memories are what the steady rules came to for the latest callers. They belong
// to one snapshot, and like the cache of decisions they are looked after: see
// snapshot.decide.
type memories struct {
	slots slots[who, memory]
}

// memory is what the steady rules came to for one caller. It is immutable.
type memory struct {
	who
	place *ast.Term // input.client, if the steady rules read of it
	facts []fact
	size  int
}

// who is all that the steady rules read. Identities are immutable and shared,
// so that the same pointer is the same one.
type who struct {
	id     *identity.Identity
	client string // what is read of where the request comes from, as in a key
	config uint64
}

// fact is what one of the steady rules came to.
type fact struct {
	number int
	value  *ast.Term // nil if it is undefined
}

func newMemories() *memories { return &memories{newSlots[who, memory]()} }

// of returns what is known of a caller. If that is nothing, the memory is not
// in use yet. It does not keep client.
func (m *memories) of(id *identity.Identity, client []byte, config uint64) *memory {
	asking := who{id, unsafe.String(unsafe.SliceData(client), len(client)), config}
	if known := m.slots.of(asking).Load(); known != nil && known.who == asking {
		return known
	}
	asking.client = string(client)
	return &memory{who: asking}
}

// learn keeps facts that are new beside those that were known. Of two requests at
// once that learn, the last one is kept, and the other's facts are learnt again.
func (m *memories) learn(known *memory, facts []fact) {
	more := &memory{who: known.who, place: known.place, facts: slices.Clip(known.facts), size: known.size}
	for _, f := range facts {
		size := 64
		if f.value != nil {
			size += sizeOf(f.value.Value)
		}
		if more.size+size <= maxMemory {
			more.facts, more.size = append(more.facts, f), more.size+size
		}
	}
	if len(more.facts) > len(known.facts) {
		m.slots.of(more.who).Store(more)
	}
}
