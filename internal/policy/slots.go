package policy

import (
	"hash/maphash"
	"sync/atomic"
)

// maxSlots is how many values are kept, a power of two.
const maxSlots = 1 << 10

// slots keep values for the latest of some keys, without a lock and without an
// order: each key has one slot, and the last key has it. What is in a slot
// says itself whose it is.
type slots[K comparable, V any] struct {
	seed  maphash.Seed
	slots [maxSlots]atomic.Pointer[V]
}

func newSlots[K comparable, V any]() slots[K, V] { return slots[K, V]{seed: maphash.MakeSeed()} }

// of returns a key's slot.
func (s *slots[K, V]) of(key K) *atomic.Pointer[V] {
	return &s.slots[maphash.Comparable(s.seed, key)%maxSlots]
}
