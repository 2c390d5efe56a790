package users

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// machine is a process that verifies passwords; several may share a store.
type machine struct {
	t       *testing.T
	clock   *clock
	users   *Users
	v       *Verifier
	counter *counting
}

func newMachine(t *testing.T, c *clock, s store.Store) *machine {
	throttle := NewThrottle(3, 5*time.Minute, c.now)
	if s != nil {
		throttle.UseStore(store.NewSealed(s, store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)), nil)
	}
	v, counter := plainVerifier(throttle, c.now)
	return &machine{t, c, plain(t, &User{Name: "alice", Hash: testPassword}), v, counter}
}

func (m *machine) try(name, password, client string) authenticator.Reason {
	return m.v.Verify(m.t.Context(), m.users, name, password, addr(client)).Reason
}

// lock has a name locked, by networks that are used for nothing else.
func (m *machine) lock(name string) {
	m.t.Helper()
	for i := range 3 {
		m.v.throttle.Fail(name, netip.AddrFrom4([4]byte{100, 64, byte(i), 1}))
	}
	if m.v.throttle.Wait(account{name, testPassword}, addr("100.127.0.1")) == 0 {
		m.t.Fatal("not locked")
	}
}

// TestN14NoLockout: while alice's name is locked, window after window and
// after a restart, her right password counts from home and, once, from a new
// network; a known network has its own limit.
func TestN14NoLockout(t *testing.T) {
	c, kept := newClock(), store.NewMemory(nil)
	m := newMachine(t, c, kept)
	if got := m.try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Fatal(got)
	}
	for window := range 5 {
		m.lock("alice")
		if window == 2 {
			m = newMachine(t, c, kept) // a restart
			m.lock("alice")
		}
		if got := m.try("alice", testPassword, "192.0.2.1"); got != "" {
			t.Errorf("window %d: from home: %q", window, got)
		}
		if got := m.try("alice", testPassword, fmt.Sprintf("198.51.%d.1", window)); got != "" {
			t.Errorf("window %d: from a new network: %q", window, got)
		}
		c.pass(5*time.Minute + time.Second)
	}
	for range 3 {
		m.try("alice", "x", "192.0.2.1")
	}
	if got := m.try("alice", testPassword, "192.0.2.1"); got != authenticator.ReasonThrottled {
		t.Errorf("a known network without a limit: %q", got)
	}
}

// TestN14KnownAfterRestart: a known network is let through after a restart, also once
// guesses have taken all tries of a day.
func TestN14KnownAfterRestart(t *testing.T) {
	c, kept := newClock(), store.NewMemory(nil)
	if got := newMachine(t, c, kept).try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Fatal(got)
	}
	m := newMachine(t, c, kept)
	m.lock("alice")
	for i := range 150 {
		m.try("alice", "x", fmt.Sprintf("10.0.%d.1", i))
	}
	if got := m.try("alice", testPassword, "198.51.100.1"); got != authenticator.ReasonThrottled {
		t.Errorf("tries are left: %q", got)
	}
	if got := m.try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Errorf("from home: %q", got)
	}
}

// TestS28TriesWhileLocked: over two machines and however many networks, 60 first
// tries of networks and 40 others are hashed in a day, at most ten of these in a
// window; then the day is over, and there are as many again.
func TestS28TriesWhileLocked(t *testing.T) {
	for _, name := range []string{"alice", "eve"} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			kept := store.NewMemory(c.now)
			machines := []*machine{newMachine(t, c, kept), newMachine(t, c, kept)}
			hashed := func() int64 { return machines[0].counter.n.Load() + machines[1].counter.n.Load() }
			for day := range 2 {
				began := hashed()
				for window := range 12 {
					before := hashed()
					for i, m := range machines {
						m.lock(name)
						for n := range 100 { // another network each time, a few of each wide one
							m.try(name, "x", fmt.Sprintf("10.%d.%d.%d", 100*i+window, n/4, n%4))
						}
					}
					if got := hashed() - before; window == 0 && got != maxFirstAttempts+maxRepeatedPerWindow || window > 0 && got > maxRepeatedPerWindow {
						t.Errorf("day %d, window %d: %d are hashed", day, window, got)
					}
					c.pass(5*time.Minute + time.Second)
				}
				if got := hashed() - began; got != maxAttempts {
					t.Errorf("day %d: %d are hashed", day, got)
				}
				c.pass(24 * time.Hour)
			}
		})
	}
}

// TestS28FirstTries: the first tries are one of each network, most of them kept for
// different /48s and /24s, so that what 31 of these send leaves one for another.
func TestS28FirstTries(t *testing.T) {
	tests := []struct {
		name   string
		client func(i int) string
		want   int // of 200 tries
		last   string
	}{
		{"one address", func(int) string { return "192.0.2.1" }, 1, "192.0.2.2"},
		{"a /24", func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, 29, "192.0.3.1"},
		{"a /64", func(i int) string { return fmt.Sprintf("2001:db8::%x", i) }, 1, "2001:db8:0:1::1"},
		{"a /56", func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i) }, 29, "2001:db8:1::1"},
		{"a /48", func(i int) string { return fmt.Sprintf("2001:db8:0:%x00::1", i) }, 29, "2001:db8:1::1"},
		{"31 /48s", func(i int) string { return fmt.Sprintf("2001:db8:%x:%x::1", i%31, i) }, 59, "2001:db8:ffff::1"},
		{"many", func(i int) string { return fmt.Sprintf("2001:db8:%x::1", i) }, 60, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, newClock(), nil)
			tries, first := m.v.throttle.allowance, 0
			take := func(client string) bool {
				a := attempt{account: account{"alice", "h"}, user: new(User), client: addr(client)}
				return tries.takeFirst(t.Context(), a.allowancePrefix(), a)
			}
			for i := range 200 {
				if take(test.client(i)) {
					first++
				}
			}
			if first != test.want || test.last != "" && !take(test.last) {
				t.Errorf("%d first tries, want %d and one of %s", first, test.want, test.last)
			}
		})
	}
}

// TestS28KnownNetworks: at most 16 of a user, the latest, as keyed hashes, through
// a restart, for 90 days, and none for another password.
func TestS28KnownNetworks(t *testing.T) {
	c := newClock()
	kept := &recording{Memory: store.NewMemory(c.now)}
	m := newMachine(t, c, kept)
	client := func(i int) string { return fmt.Sprintf("192.0.%d.1", i) }
	for i := range 20 {
		if got := m.try("alice", testPassword, client(i)); got != "" {
			t.Fatal(got)
		}
		c.pass(time.Second)
	}
	m = newMachine(t, c, kept)
	alice := account{"alice", quickHash(testPassword)}
	known := func(a account) (n int) {
		for i := range 20 {
			if m.v.throttle.hasReservedRoom(t.Context(), a, addr(client(i))) {
				n++
			}
		}
		return n
	}
	if got := known(alice); got != maxKnownNetworks || m.v.throttle.hasReservedRoom(t.Context(), alice, addr(client(3))) {
		t.Errorf("%d networks are known", got)
	}
	if got := known(account{"alice", "another hash"}) + known(account{"bob", quickHash(testPassword)}); got != 0 {
		t.Errorf("%d are known of another password or user", got)
	}
	for _, text := range []string{"alice", testPassword, "192.0"} {
		if strings.Contains(kept.seen, text) {
			t.Errorf("the store sees %q", text)
		}
	}
	c.pass(knownNetworkTime)
	if got := known(alice); got != 0 {
		t.Errorf("%d are known after 90 days", got)
	}
}

// recording is a store that remembers what it was given.
type recording struct {
	*store.Memory
	seen string
}

func (r *recording) Put(ctx context.Context, key string, item store.Item) error {
	r.seen += key + string(item.Value)
	return r.Memory.Put(ctx, key, item)
}

// TestN14StoreFails: a store that does not answer keeps nobody from signing in, is
// asked again after a while only, and is reported once in it; a client that hangs
// up is not the store's failure.
func TestN14StoreFails(t *testing.T) {
	c, reports := newClock(), 0
	failing := &failingStore{Memory: store.NewMemory(c.now)}
	m := newMachine(t, c, nil)
	m.v.throttle.UseStore(failing, func(error) { reports++ })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	m.v.Verify(gone, m.users, "alice", "x", addr("203.0.113.9"))
	if reports != 0 || failing.asked.Load() == 0 {
		t.Errorf("%d reports, asked %d times", reports, failing.asked.Load())
	}
	failing.down.Store(true)
	failing.asked.Store(0)
	for range 3 {
		if got := m.try("alice", testPassword, "192.0.2.1"); got != "" {
			t.Fatal(got)
		}
		m.lock("alice")
		c.pass(time.Second)
	}
	if reports != 1 || failing.asked.Load() != 1 {
		t.Errorf("%d reports, asked %d times", reports, failing.asked.Load())
	}
	if !m.v.throttle.hasReservedRoom(t.Context(), account{"alice", quickHash(testPassword)}, addr("192.0.2.1")) {
		t.Error("the process does not know alone")
	}
	failing.down.Store(false)
	c.pass(storeRetry)
	m.try("bob", "x", "192.0.2.1")
	if failing.asked.Load() < 2 {
		t.Error("it is not asked again")
	}
}

// failingStore is a store that may be out of reach; it fails like Redis for a
// caller who is gone.
type failingStore struct {
	*store.Memory
	down  atomic.Bool
	asked atomic.Int64
}

func (f *failingStore) Get(ctx context.Context, key string) ([]byte, error) {
	f.asked.Add(1)
	if f.down.Load() {
		return nil, store.ErrUnavailable
	}
	if ctx.Err() != nil {
		return nil, errors.Join(store.ErrUnavailable, ctx.Err())
	}
	return f.Memory.Get(ctx, key)
}

// TestN13KnownNetworksComeFirst: with the queue full of attempts from 600 networks,
// an attempt from a network that its user is known to sign in from has the next
// turn; what has no room is busy, and not throttled.
func TestN13KnownNetworksComeFirst(t *testing.T) {
	c, kept := newClock(), store.NewMemory(nil)
	if got := newMachine(t, c, kept).try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Fatal(got)
	}
	m := newMachine(t, c, kept)
	for range runtime.GOMAXPROCS(0) {
		if err := m.v.queue.Acquire(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	results, known := make(chan Result, 600), make(chan Result, 1)
	for i := range 600 {
		client := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		go func() {
			results <- m.v.Verify(context.Background(), m.users, fmt.Sprint("name", i), "x", client)
		}()
	}
	for range 600 - maxWaiting {
		if got := <-results; got.Reason != authenticator.ReasonBusy || got.RetryAfter <= 0 {
			t.Fatalf("got %+v", got)
		}
	}
	go func() { known <- m.v.Verify(context.Background(), m.users, "alice", testPassword, addr("192.0.2.1")) }()
	for reserved := 0; reserved == 0; runtime.Gosched() {
		_, reserved = m.v.queue.Waiting()
	}
	m.v.queue.Release()
	if got := <-known; got.User == nil {
		t.Errorf("got %+v", got)
	}
	m.counter.mu.Lock()
	if first := m.counter.on[0]; first != quickHash(testPassword) {
		t.Errorf("the first hash is %s", first)
	}
	m.counter.mu.Unlock()
	for range maxWaiting {
		if got := <-results; got.Reason != authenticator.ReasonCredentialsInvalid {
			t.Errorf("got %+v", got)
		}
	}
}

// TestS28HangUp: an attempt whose client hangs up leaves the queue, uncounted as a
// failure. But once too many left that way, guesses from there are no longer
// compared with what is remembered before their turn.
func TestS28HangUp(t *testing.T) {
	m := newMachine(t, newClock(), nil)
	if got := m.try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Fatal(got)
	}
	for range runtime.GOMAXPROCS(0) {
		if err := m.v.queue.Acquire(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	try := func(password string) authenticator.Reason {
		return m.v.Verify(gone, m.users, "alice", password, addr("192.0.2.1")).Reason
	}
	if got := try(testPassword); got != "" {
		t.Errorf("a remembered password waits: %q", got)
	}
	for range 3 {
		if got := try("x"); got != authenticator.ReasonBusy {
			t.Errorf("got %q", got)
		}
	}
	if got := try(testPassword); got != authenticator.ReasonBusy {
		t.Errorf("guesses are tested for free: %q", got)
	}
	if ordinary, reserved := m.v.queue.Waiting(); ordinary+reserved != 0 {
		t.Errorf("%d still wait", ordinary+reserved)
	}
	for range runtime.GOMAXPROCS(0) {
		m.v.queue.Release()
	}
	if got := m.try("alice", testPassword, "192.0.2.1"); got != "" {
		t.Errorf("those who hang up lock out: %q", got)
	}
}
