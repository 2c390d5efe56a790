package users

import (
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// cleaner is the goroutine of a cache, which ends when the cache is collected;
// TestCollected sees to that.
const cleaner = "github.com/maypok86/otter/v2.periodicCleanUp[...]"

// TestMain: T-62, no goroutine is left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(cleaner)) }

// TestCollected: T-62. Two hundred reloads of the configuration leave neither
// verifiers nor their goroutines.
func TestCollected(t *testing.T) {
	runtime.GC()
	before := runtime.NumGoroutine()
	users := plain(t, &User{Name: "alice", Hash: "x"})
	for range 200 {
		v := NewVerifier(hashes(quick{}, quick{}), NewThrottle(3, time.Minute, nil), nil, nil)
		if v.Verify(t.Context(), users, "alice", "x", home).User == nil {
			t.Fatal("refused")
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+3 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines were there, %d are", before, runtime.NumGoroutine())
		}
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
}
