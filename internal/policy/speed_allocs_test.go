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
			if got := testing.AllocsPerRun(100, step.run); got > step.budget {
				t.Errorf("%v allocations, want at most %v", got, step.budget)
			}
		})
	}
}

// TestUncachedAllocations holds what a decision costs that nothing remembers.
// With the race detector pools forget at random.
func TestUncachedAllocations(t *testing.T) {
	decide := uncached(t)
	decide()
	if got := testing.AllocsPerRun(100, decide); got > maxUncached {
		t.Errorf("%v allocations, want at most %d", got, maxUncached)
	}
}
