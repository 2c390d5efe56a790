//go:build !race

package policy

import "testing"

// maxUncached is how many allocations a decision may cost that nothing
// remembers, with its input.
const maxUncached = 133

// TestStepAllocations holds what the steps of a decision cost.
func TestStepAllocations(t *testing.T) {
	for _, step := range speedSteps(t) {
		t.Run(step.name, func(t *testing.T) {
			if got := leastAllocations(step.run); got > step.budget {
				t.Errorf("%v allocations, want at most %v", got, step.budget)
			}
		})
	}
}

// leastAllocations returns the least of what several series of runs allocate: the cache
// grows now and then, and the garbage collector empties pools.
func leastAllocations(run func()) float64 {
	least := testing.AllocsPerRun(100, run)
	for range 4 {
		least = min(least, testing.AllocsPerRun(100, run))
	}
	return least
}

// TestUncachedAllocations holds what a decision costs that nothing remembers.
// With the race detector pools forget at random.
func TestUncachedAllocations(t *testing.T) {
	decide := uncached(t)
	decide()
	if got := leastAllocations(decide); got > maxUncached {
		t.Errorf("%v allocations, want at most %d", got, maxUncached)
	}
}
