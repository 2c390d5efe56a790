//go:build linux

package main

import (
	"math"
	"slices"
)

// median is the median of a sample, between the ends of its 95 % interval.
type median struct{ value, low, high float64 }

// medianOf returns the median of a sample. The interval is from one order statistic to
// another, so that it needs no assumption of how the values are spread: of n values, it
// leaves out (n − 1.96 √n) / 2 at either end.
func medianOf(sample []float64) median {
	sorted := slices.Sorted(slices.Values(sample))
	n := float64(len(sorted))
	out := max(0, int(math.Floor((n-1.96*math.Sqrt(n))/2)))
	middle := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		middle = (middle + sorted[len(sorted)/2-1]) / 2
	}
	return median{middle, sorted[out], sorted[len(sorted)-1-out]}
}

// ratios returns what each pair came to, in units of the row that it is compared with.
func (s *subject) ratios() []float64 {
	ratios := make([]float64, len(s.pairs))
	for i, p := range s.pairs {
		ratios[i] = p.perSecond() / p.base
	}
	return ratios
}
