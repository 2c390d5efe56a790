//go:build unix

package policy

import (
	"syscall"
	"testing"
)

// BenchmarkUncached is a decision that nothing remembers, with its input, beside
// the same by a map and rego.EvalInput with OPA's defaults. The processor's time
// counts: a busy machine stretches the other.
func BenchmarkUncached(b *testing.B) {
	for _, way := range []struct {
		name string
		make func(testing.TB) func()
	}{{"policy_auth", uncached}, {"rego.EvalInput", naive}} {
		decide := way.make(b)
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				decide()
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime returns what this process has computed, in nanoseconds.
func processorTime(t testing.TB) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}
