package users

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/policyauth/caddy-policy-auth/internal/netutil"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const (
	// maxCounters limits the number of failure counters in memory.
	maxCounters = 100_000
	// networkFactor is how many times more failures a network may have than a user,
	// because many users share an address.
	networkFactor = 10
	// trustedTime is how long a network is trusted after the user signed in from it.
	// Known networks, which are stored for longer, are in known_networks.go.
	trustedTime = 24 * time.Hour
	// renewTrustTime is how long a trusted network is not written again, so that a
	// client which signs in with each request takes no lock.
	renewTrustTime = time.Minute
)

// Throttle limits the guessing of passwords per user, per network and per pair of
// both (R-BA-9). It never locks a user out completely: a network from which the
// user has signed in is not affected by failures from elsewhere, and a limited
// number of attempts from other networks is allowed while the name is locked. A nil
// Throttle limits nothing. It is safe for concurrent use.
type Throttle struct {
	limit     int
	window    time.Duration
	now       func() time.Time
	failures  *otter.Cache[counterKey, *failures]
	trusted   *otter.Cache[trustedKey, time.Time]
	store     *throttleStore
	known     knownNetworks
	allowance lockoutAllowance
}

// counterKey identifies a failure counter: of a user, of a network, or of a user
// from a network. Attempts that left the queue unanswered have counters of their
// own.
type counterKey struct {
	user       string
	network    netip.Prefix
	unanswered bool
}

// account is a user's name with the stored password hash.
type account struct{ name, hash string }

// trustedKey is an account and a network. A new password makes another account.
type trustedKey struct {
	account
	network netip.Prefix
}

// failures are the times of the last failures, the oldest first.
type failures struct {
	mu    sync.Mutex
	times []time.Time
}

// NewThrottle returns a throttle that allows limit failures, at least one, within a
// window. A nil now means time.Now.
func NewThrottle(limit int, window time.Duration, now func() time.Time) *Throttle {
	if now == nil {
		now = time.Now
	}
	kept := newThrottleStore(now)
	return &Throttle{
		limit: max(1, limit), window: window, now: now,
		store: kept, known: knownNetworks{kept, now}, allowance: lockoutAllowance{kept, window},
		failures: otter.Must(&otter.Options[counterKey, *failures]{
			MaximumSize: maxCounters, ExpiryCalculator: otter.ExpiryAccessing[counterKey, *failures](window),
		}),
		trusted: otter.Must(&otter.Options[trustedKey, time.Time]{
			MaximumSize: maxCounters, ExpiryCalculator: otter.ExpiryWriting[trustedKey, time.Time](trustedTime),
		}),
	}
}

// UseStore makes the throttle use a store until release is called, for what must
// survive a restart and what several machines count together. While the store
// fails, each process counts alone; report, which may be nil, is called with the
// error.
func (t *Throttle) UseStore(s store.Store, report func(error)) (release func()) {
	return t.store.use(s, report)
}

// Wait returns how long a client has to wait before the next attempt as a user, or
// 0.
func (t *Throttle) Wait(a account, client netip.Addr) time.Duration {
	if t == nil {
		return 0
	}
	wait := t.pairWait(a.name, client)
	if t.isTrusted(a, client) {
		return wait
	}
	return max(wait, t.lockoutWait(a.name, client))
}

// pairWait returns how long a network has to wait because of its own failures for a
// user.
func (t *Throttle) pairWait(user string, client netip.Addr) time.Duration {
	return t.wait(counterKey{user: user, network: netutil.Network(client)}, t.limit)
}

// lockoutWait returns how long clients that are not trusted have to wait because of
// all failures for a user or from a network.
func (t *Throttle) lockoutWait(user string, client netip.Addr) time.Duration {
	return max(t.wait(counterKey{user: user}, t.limit), t.wait(counterKey{network: netutil.Network(client)}, t.limit*networkFactor))
}

// isTrusted reports whether the user signed in from the network within trustedTime.
func (t *Throttle) isTrusted(a account, client netip.Addr) bool {
	if t == nil {
		return false
	}
	seen, ok := t.trusted.GetIfPresent(trustedKey{a, netutil.Network(client)})
	return ok && t.now().Sub(seen) < trustedTime
}

// admit returns how long an attempt has to wait, or 0. While the name is locked, an
// attempt from a network that is neither trusted nor known needs one of the allowed
// attempts.
func (t *Throttle) admit(ctx context.Context, a attempt, trusted bool, try func(lockoutAllowance) bool) time.Duration {
	if t == nil {
		return 0
	}
	if wait := t.pairWait(a.name, a.client); wait > 0 {
		return wait
	}
	if trusted {
		return 0
	}
	wait := t.lockoutWait(a.name, a.client)
	if wait == 0 || t.known.has(ctx, a.account, a.client) || try(t.allowance) {
		return 0
	}
	return wait
}

// mayUseCache reports whether an attempt may be answered from the cache of
// successes before it waits in the queue: only from a trusted network, and only if
// few attempts there left the queue early. Otherwise clients could test guesses
// that are not counted.
func (t *Throttle) mayUseCache(a account, client netip.Addr, trusted bool) bool {
	return t == nil || trusted && t.wait(counterKey{a.name, netutil.Network(client), true}, t.limit) == 0
}

// hasReservedRoom reports whether an attempt waits in the reserved lane of the
// queue.
func (t *Throttle) hasReservedRoom(ctx context.Context, a account, client netip.Addr) bool {
	return t != nil && t.known.has(ctx, a, client)
}

// wait returns how long until a counter has fewer than limit failures within the
// window.
func (t *Throttle) wait(s counterKey, limit int) time.Duration {
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
	network := netutil.Network(client)
	for _, s := range []counterKey{{user: user, network: network}, {user: user}, {network: network}} {
		t.count(s)
	}
}

// countUnanswered counts an attempt that left the queue before its turn.
func (t *Throttle) countUnanswered(user string, client netip.Addr) {
	if t != nil {
		t.count(counterKey{user, netutil.Network(client), true})
	}
}

func (t *Throttle) count(s counterKey) {
	f, _ := t.failures.SetIfAbsent(s, new(failures))
	f.add(t.now(), t.limit*networkFactor)
}

// add appends a failure and drops the oldest beyond keep.
func (f *failures) add(now time.Time, keep int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times = append(f.times, now)
	if len(f.times) > keep {
		f.times = f.times[len(f.times)-keep:]
	}
}

// Succeed resets a user's failures from a network, and trusts the network.
func (t *Throttle) Succeed(ctx context.Context, a account, client netip.Addr) {
	if t == nil {
		return
	}
	p, now := trustedKey{a, netutil.Network(client)}, t.now()
	for _, unanswered := range []bool{false, true} {
		s := counterKey{a.name, p.network, unanswered}
		if _, failed := t.failures.GetIfPresent(s); failed {
			t.failures.Invalidate(s)
		}
	}
	if seen, known := t.trusted.GetIfPresent(p); !known || now.Sub(seen) >= renewTrustTime {
		t.trusted.Set(p, now)
		t.known.add(ctx, a, client)
	}
}
