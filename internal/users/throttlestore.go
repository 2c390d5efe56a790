package users

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const (
	// storeTimeout is how long a sign-in waits for the store.
	storeTimeout = time.Second
	// storeRetry is how long a store that did not answer is not asked again.
	storeRetry = 30 * time.Second
	// fullRecheck is how long a count whose window another process may have begun is
	// taken to be full before it is counted again.
	fullRecheck = time.Minute
)

// throttleStore keeps what a throttle counts and knows: in a store, or in memory as long
// as there is none or it does not answer. Signing in does not depend on it.
type throttleStore struct {
	now    func() time.Time
	memory *store.Memory

	mu     sync.Mutex
	stores []*openStore // the last one counts; none: in memory alone
	paused time.Time    // until when the store is not asked
}

// openStore is a store, for as long as a site has it open.
type openStore struct {
	store  store.Store
	report func(error)
}

func newThrottleStore(now func() time.Time) *throttleStore {
	return &throttleStore{now: now, memory: store.NewMemory(now)}
}

// use begins to use a store, until the returned function is called.
func (k *throttleStore) use(s store.Store, report func(error)) (release func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := &openStore{s, report}
	k.stores, k.paused = append(k.stores, h), time.Time{}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stores = slices.DeleteFunc(k.stores, func(other *openStore) bool { return other == h })
	}
}

// current returns the store to ask now.
func (k *throttleStore) current() store.Store {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.stores) == 0 || k.now().Before(k.paused) {
		return k.memory
	}
	return k.stores[len(k.stores)-1].store
}

// pauseAndReport leaves a store alone for a while, and reports why.
func (k *throttleStore) pauseAndReport(s store.Store, err error) {
	if report := k.pause(s); report != nil {
		report(err)
	}
}

// pause returns what to report to, nil if that was done.
func (k *throttleStore) pause(s store.Store) func(error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.stores) == 0 || k.stores[len(k.stores)-1].store != s || k.now().Before(k.paused) {
		return nil
	}
	k.paused = k.now().Add(storeRetry)
	return k.stores[len(k.stores)-1].report
}

// try calls f with the store, and again with the memory if the store fails. What
// the client does, which may hang up, does not count as the store's failure.
func (k *throttleStore) try(ctx context.Context, f func(context.Context, store.Store) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	s := k.current()
	err := f(ctx, s)
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return err
	}
	k.pauseAndReport(s, err)
	return f(ctx, k.memory)
}

// get returns what is kept under a key, nil if nothing is.
func (k *throttleStore) get(ctx context.Context, key string) (value []byte) {
	err := k.try(ctx, func(ctx context.Context, s store.Store) (err error) {
		value, err = s.Get(ctx, key)
		return err
	})
	if err != nil {
		return nil
	}
	return value
}

// set keeps a value under a key.
func (k *throttleStore) set(ctx context.Context, key string, value []byte, lifetime time.Duration) {
	_ = k.try(ctx, func(ctx context.Context, s store.Store) error {
		return s.Put(ctx, key, store.Item{Value: value, Lifetime: lifetime})
	}) // the memory forgets it if it is full
}

// count counts one more under a key since the first in a window, and reports
// whether it is within a limit. What cannot be counted is not.
func (k *throttleStore) count(ctx context.Context, key string, limit int, window time.Duration) bool {
	n := limit + 1
	_ = k.try(ctx, func(ctx context.Context, s store.Store) error {
		counted, err := s.Count(ctx, key, window)
		if err == nil {
			n = counted
		}
		return err
	})
	if n < limit {
		return true
	}
	lifetime := min(window, fullRecheck)
	if n == 1 {
		lifetime = window // it began just now
	}
	_ = k.memory.Put(ctx, "full/"+key, store.Item{Value: []byte{1}, Lifetime: lifetime})
	return n == limit
}

// isFull reports whether the limit of a key was reached, as far as this process has
// seen lately. Counters in a store are counted and not read.
func (k *throttleStore) isFull(key string) bool {
	_, err := k.memory.Get(context.Background(), "full/"+key)
	return err == nil
}
