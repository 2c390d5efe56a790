package users

import (
	"net/netip"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

const (
	// counters bounds the memory for counting failures.
	counters = 100_000
	// networkFactor is how many times more failures a network may have than a
	// user: many people share an address.
	networkFactor = 10
	// trustTime is how long a network is known as one that a user signs in from.
	trustTime = 24 * time.Hour
	// renewTime is how long that is not written down again, so that whoever signs
	// in with each request takes no lock.
	renewTime = time.Minute
)

// Throttle slows down whoever guesses passwords: by the user, by the network
// and by both (R-BA-9). It locks nobody out for good: a network from which a
// user has signed in does not suffer for what others do to that user's name.
// A nil Throttle never says wait. It is safe for concurrent use.
type Throttle struct {
	limit    int
	window   time.Duration
	now      func() time.Time
	failures *otter.Cache[subject, *failures]
	trusted  *otter.Cache[subject, time.Time]
}

// subject is whose failures are counted: a user's, a network's, or a user's
// from a network.
type subject struct {
	user    string
	network netip.Prefix
}

// failures are the times of the last failures, oldest first.
type failures struct {
	mu    sync.Mutex
	times []time.Time
}

// NewThrottle returns a throttle that allows limit failures within a window, at
// least one; now nil is time.Now.
func NewThrottle(limit int, window time.Duration, now func() time.Time) *Throttle {
	if now == nil {
		now = time.Now
	}
	return &Throttle{
		limit: max(1, limit), window: window, now: now,
		failures: otter.Must(&otter.Options[subject, *failures]{
			MaximumSize: counters, ExpiryCalculator: otter.ExpiryAccessing[subject, *failures](window),
		}),
		trusted: otter.Must(&otter.Options[subject, time.Time]{
			MaximumSize: counters, ExpiryCalculator: otter.ExpiryWriting[subject, time.Time](trustTime),
		}),
	}
}

// unknown stands for clients whose address is not known. It is not the zero
// Prefix, which stands for no network in particular.
var unknown = netip.PrefixFrom(netip.IPv4Unspecified(), 32)

// networkOf returns what counts as one client: an IPv4 address, or the /64 that
// an IPv6 client can choose addresses from.
func networkOf(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := 32
	if client.Is6() {
		bits = 64
	}
	prefix, err := client.Prefix(bits)
	if err != nil || !prefix.IsValid() {
		return unknown
	}
	return prefix
}

// Wait returns how long a client has to wait before it may try as a user, or 0.
func (t *Throttle) Wait(user string, client netip.Addr) time.Duration {
	if t == nil {
		return 0
	}
	network := networkOf(client)
	wait := max(t.wait(subject{user, network}, t.limit), t.wait(subject{network: network}, t.limit*networkFactor))
	if seen, ok := t.trusted.GetIfPresent(subject{user, network}); ok && t.now().Sub(seen) < trustTime {
		return wait
	}
	return max(wait, t.wait(subject{user: user}, t.limit))
}

// wait returns how long until fewer than limit failures are within the window.
func (t *Throttle) wait(s subject, limit int) time.Duration {
	f, ok := t.failures.GetIfPresent(s)
	if !ok {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.times) < limit {
		return 0
	}
	return max(0, t.window-t.now().Sub(f.times[len(f.times)-limit]))
}

// Fail counts a failure.
func (t *Throttle) Fail(user string, client netip.Addr) {
	if t == nil {
		return
	}
	network := networkOf(client)
	for _, s := range []subject{{user, network}, {user: user}, {network: network}} {
		f, _ := t.failures.SetIfAbsent(s, new(failures))
		f.add(t.now(), t.limit*networkFactor)
	}
}

// add counts one more and forgets what no limit needs.
func (f *failures) add(now time.Time, keep int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times = append(f.times, now)
	if len(f.times) > keep {
		f.times = f.times[len(f.times)-keep:]
	}
}

// Succeed forgets a user's failures from a network, and remembers the network
// as one that the user signs in from.
func (t *Throttle) Succeed(user string, client netip.Addr) {
	if t == nil {
		return
	}
	s, now := subject{user, networkOf(client)}, t.now()
	if _, failed := t.failures.GetIfPresent(s); failed {
		t.failures.Invalidate(s)
	}
	if seen, known := t.trusted.GetIfPresent(s); !known || now.Sub(seen) >= renewTime {
		t.trusted.Set(s, now)
	}
}
