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
	// storeTimeout limits how long a sign-in waits for the store.
	storeTimeout = time.Second
	// storeRetry is how long a store that failed is not used.
	storeRetry = 30 * time.Second
	// fullRecheck is how long a counter counts as full before it is counted again,
	// if another process may have started its window.
	fullRecheck = time.Minute
)

// throttleStore stores the counters and the known networks of a Throttle: in a
// store, or in memory if there is no store or if it fails. Signing in does not
// depend on the store.
type throttleStore struct {
	now    func() time.Time
	memory *store.Memory

	mu     sync.Mutex
	stores []*openStore // the last one is used; without any, the memory
	paused time.Time    // the store is not used before
}

// openStore is a store and the site's function for its errors.
type openStore struct {
	store  store.Store
	report func(error)
}

func newThrottleStore(now func() time.Time) *throttleStore {
	return &throttleStore{now: now, memory: store.NewMemory(now)}
}

// use makes k use a store until release is called.
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

// current returns the store to use now.
func (k *throttleStore) current() store.Store {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.stores) == 0 || k.now().Before(k.paused) {
		return k.memory
	}
	return k.stores[len(k.stores)-1].store
}

// pauseAndReport stops using a store for storeRetry and reports its error once.
func (k *throttleStore) pauseAndReport(s store.Store, err error) {
	if report := k.pause(s); report != nil {
		report(err)
	}
}

// pause returns the function to report to, or nil if the pause was reported before.
func (k *throttleStore) pause(s store.Store) func(error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.stores) == 0 || k.stores[len(k.stores)-1].store != s || k.now().Before(k.paused) {
		return nil
	}
	k.paused = k.now().Add(storeRetry)
	return k.stores[len(k.stores)-1].report
}

// try calls f with the store, and again with the memory if the store fails. It
// ignores that the client disconnects, so that clients cannot make the store count
// as failed.
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

// get returns the value of a key, or nil if there is none.
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

// set stores a value under a key.
func (k *throttleStore) set(ctx context.Context, key string, value []byte, lifetime time.Duration) {
	_ = k.try(ctx, func(ctx context.Context, s store.Store) error {
		return s.Put(ctx, key, store.Item{Value: value, Lifetime: lifetime})
	}) // a full memory stores nothing
}

// count increments a counter and reports whether it is within a limit. The window
// starts with the first increment. If the counter cannot be read, count returns
// false.
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
		lifetime = window // the window started just now
	}
	_ = k.memory.Put(ctx, "full/"+key, store.Item{Value: []byte{1}, Lifetime: lifetime})
	return n == limit
}

// isFull reports whether this process saw a counter reach its limit recently.
// Stores can increment counters but not read them.
func (k *throttleStore) isFull(key string) bool {
	_, err := k.memory.Get(context.Background(), "full/"+key)
	return err == nil
}
