//go:build !race

package policy

import "testing"

// maxUncached is how many allocations a decision may cost that nothing
// remembers, with its input.
const maxUncached = 176

// TestUncachedAllocations holds what a decision costs that nothing remembers.
// With the race detector pools forget at random.
func TestUncachedAllocations(t *testing.T) {
	decide := uncached(t)
	decide()
	if got := testing.AllocsPerRun(100, decide); got > maxUncached {
		t.Errorf("%v allocations, want at most %d", got, maxUncached)
	}
}
