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
	// maxCounters bounds the memory for counting failures.
	maxCounters = 100_000
	// networkFactor is how many times more failures a network may have than a
	// user: many people share an address.
	networkFactor = 10
	// trustedTime is how long a network is trusted as one that a user signs in from;
	// how long it is known for longer, and of how many of them, says known.go.
	trustedTime = 24 * time.Hour
	// renewTrustTime is how long that is not written down again, so that a client that
	// signs in with each request takes no lock.
	renewTrustTime = time.Minute
)

// Throttle slows down the guessing of passwords: by the user, by the network and
// by both (R-BA-9). It locks no user out for good: a network from which a user has
// signed in does not suffer for what others do to that user's name or in that
// network, and from others a bounded number of tries counts while the name is
// locked. A nil Throttle never says wait. It is safe for concurrent use.
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

// counterKey is whose failures are counted: a user's, a network's, or a user's
// from a network; those of tries that got no answer are counted apart.
type counterKey struct {
	user       string
	network    netip.Prefix
	unanswered bool
}

// account is a user's name, with the hash that a password is compared with.
type account struct{ name, hash string }

// trustedKey is an account and a network. A user who is given another password is
// another account.
type trustedKey struct {
	account
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

// UseStore has what a restart must not lose, and what is counted over several
// machines, kept in a store until release is called. While the store is out of
// reach, the process counts and knows alone, and report is told, which may be nil.
func (t *Throttle) UseStore(s store.Store, report func(error)) (release func()) {
	return t.store.use(s, report)
}

// Wait returns how long a client has to wait before it may try as a user, or 0.
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

// pairWait returns how long a user's failures from a network have clients there wait.
func (t *Throttle) pairWait(user string, client netip.Addr) time.Duration {
	return t.wait(counterKey{user: user, network: netutil.Network(client)}, t.limit)
}

// lockoutWait returns how long what others may have done, to the user's name or in the
// network, has those wait who are not known.
func (t *Throttle) lockoutWait(user string, client netip.Addr) time.Duration {
	return max(t.wait(counterKey{user: user}, t.limit), t.wait(counterKey{network: netutil.Network(client)}, t.limit*networkFactor))
}

// isTrusted reports whether the right password came from a network lately.
func (t *Throttle) isTrusted(a account, client netip.Addr) bool {
	if t == nil {
		return false
	}
	seen, ok := t.trusted.GetIfPresent(trustedKey{a, netutil.Network(client)})
	return ok && t.now().Sub(seen) < trustedTime
}

// admit returns how long an attempt has to wait, or 0. While the name is locked,
// one from a network that is neither trusted nor known needs one of the tries that count.
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

// mayUseCache reports whether an attempt may be answered from memory before it waits for
// its turn: where the right password came from lately, and unless too many tries
// there left before theirs. Others could test guesses without one of them counting.
func (t *Throttle) mayUseCache(a account, client netip.Addr, trusted bool) bool {
	return t == nil || trusted && t.wait(counterKey{a.name, netutil.Network(client), true}, t.limit) == 0
}

// hasReservedRoom reports whether an attempt has room of its own in the queue.
func (t *Throttle) hasReservedRoom(ctx context.Context, a account, client netip.Addr) bool {
	return t != nil && t.known.has(ctx, a, client)
}

// wait returns how long until fewer than limit failures are within the window.
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

// countUnanswered counts a try that left before its turn.
func (t *Throttle) countUnanswered(user string, client netip.Addr) {
	if t != nil {
		t.count(counterKey{user, netutil.Network(client), true})
	}
}

func (t *Throttle) count(s counterKey) {
	f, _ := t.failures.SetIfAbsent(s, new(failures))
	f.add(t.now(), t.limit*networkFactor)
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
