package token

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultMaxStale = 24 * time.Hour
	// retryWithoutKeys is the minimum time between fetches while there are no keys.
	retryWithoutKeys = 5 * time.Second
	// retryWithKeys is how soon it is tried again for an unknown kid or after a
	// failure while there are keys; up to a tenth is added, so that a row of
	// servers does not ask at once.
	retryWithKeys = 30 * time.Second
	// storeTimeout bounds what the store takes: no caller waits longer for kept keys.
	storeTimeout = 2 * time.Second
)

// RemoteKeySet is a KeySource that fetches the keys of an issuer. It fetches them
// when the first token needs them and not when it is created, because the issuer
// may run behind the same server. Tokens with unknown kids cause at most one fetch
// in retryWithKeys. Call NewRemoteKeySet.
type RemoteKeySet struct {
	config      RemoteKeySetConfig
	fetcher     *fetcher
	ctx         context.Context
	cancel      context.CancelFunc
	state       atomic.Pointer[fetchedKeys]
	restoreOnce sync.Once // loads saved keys before the first fetch
	store       atomic.Pointer[Store]
	saves       sync.WaitGroup

	mu        sync.Mutex
	inflight  chan struct{} // closed at the end of the running fetch, or nil
	nextFetch time.Time     // when the next fetch may begin
	failure   error         // why the last fetch failed, or nil
	url       string        // the last URL of the keys
}

// fetchedKeys is a fetched key set. It is immutable.
type fetchedKeys struct {
	set        *KeySet
	fetchedAt  time.Time
	freshUntil time.Time
}

// NewRemoteKeySet returns a key set for a configuration. It does not use the
// network.
func NewRemoteKeySet(config RemoteKeySetConfig) (*RemoteKeySet, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.MaxStale == 0 {
		config.MaxStale = defaultMaxStale
	}
	if config.Report == nil {
		config.Report = func(string, error) {}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	r := &RemoteKeySet{config: config, fetcher: newFetcher(config), url: config.URL}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.SetStore(config.Store)
	return r, nil
}

// SetStore sets the store for fetched keys, or nil for none. A key set can outlive
// the configuration that created it.
func (r *RemoteKeySet) SetStore(store Store) {
	if store == nil {
		r.store.Store(nil)
		return
	}
	r.store.Store(&store)
}

// Algorithms implements KeySource. It returns all asymmetric algorithms.
func (*RemoteKeySet) Algorithms() []string { return AsymmetricAlgorithms() }

// Generation implements KeySource. It also starts a fetch if the keys are no longer
// fresh, even if all tokens are cached.
func (r *RemoteKeySet) Generation() any {
	state := r.usable()
	if state == nil {
		return nil
	}
	if r.config.Now().After(state.freshUntil) {
		r.refresh(false)
	}
	return state.set
}

// errNoKeys says that there is nothing fresh enough to verify with.
var errNoKeys = errors.New("the issuer's keys are out of reach")

// errNoNewKeys says that none of the known keys has signed, and that the issuer could
// not be asked for newer ones.
var errNoNewKeys = errors.New("no known key has signed the token, and asking the issuer for newer keys failed")

// Candidates implements KeySource. If there are no keys, or none with the kid, it
// waits a few seconds at most for a fetch.
func (r *RemoteKeySet) Candidates(kid, algorithm string) ([]Key, error) {
	r.restoreOnce.Do(r.restoreKeys)
	state := r.usable()
	if state == nil {
		r.refresh(true)
		if state = r.usable(); state == nil {
			return nil, errNoKeys
		}
	}
	if r.config.Now().After(state.freshUntil) {
		r.refresh(false)
	}
	if kid != "" && !state.set.names(kid) {
		r.refresh(true)
		if state = r.usable(); state == nil {
			return nil, errNoKeys
		}
	}
	return state.set.Candidates(kid, algorithm)
}

// RefreshedCandidates implements Refresher. Tokens with bad signatures cause as few
// fetches as tokens with unknown kids.
func (r *RemoteKeySet) RefreshedCandidates(kid, algorithm string) ([]Key, error) {
	r.refresh(true)
	state := r.usable()
	if state == nil {
		return nil, errNoKeys
	}
	keys, _ := state.set.Candidates(kid, algorithm) // never an error
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return keys, errNoNewKeys
	}
	return keys, nil
}

// names reports whether a key has a kid.
func (s *KeySet) names(kid string) bool {
	return slices.ContainsFunc(s.keys, func(k Key) bool { return k.id == kid })
}

// usable returns the keys unless they exceed MaxStale.
func (r *RemoteKeySet) usable() *fetchedKeys {
	state := r.state.Load()
	if state == nil || r.config.Now().After(state.freshUntil.Add(r.config.MaxStale)) {
		return nil
	}
	return state
}

// refresh starts a fetch, unless one is running or one started recently, and
// optionally waits for its end.
func (r *RemoteKeySet) refresh(wait bool) {
	r.mu.Lock()
	if r.inflight == nil && !r.config.Now().Before(r.nextFetch) && r.ctx.Err() == nil {
		r.inflight = make(chan struct{})
		go r.fetch(r.inflight)
	}
	inflight := r.inflight
	r.mu.Unlock()
	if wait && inflight != nil {
		select {
		case <-inflight:
		case <-r.ctx.Done():
		}
	}
}

// fetch fetches the keys once, in a goroutine of its own.
func (r *RemoteKeySet) fetch(done chan struct{}) {
	ctx, cancel := context.WithTimeout(r.ctx, 3*fetchTimeout)
	defer cancel()
	from, state, body, err := r.load(ctx)
	if err == nil {
		r.saves.Add(1)
		defer r.saves.Done()
		r.state.Store(state)
	} else if r.ctx.Err() == nil {
		r.config.Report("fetching issuer keys failed", fmt.Errorf("%s: %w", r.name(), err))
	}
	pause := retryWithKeys + rand.N(retryWithKeys/10) //nolint:gosec // spreads requests, is no secret
	if r.state.Load() == nil {
		pause = retryWithoutKeys
	}
	r.mu.Lock()
	r.failure, r.inflight, r.nextFetch = err, nil, r.config.Now().Add(pause)
	if err == nil {
		r.url = from
	}
	r.mu.Unlock()
	close(done) // callers do not wait for the store
	if err == nil {
		r.saveKeys(savedKeys{FetchedAt: state.fetchedAt, FreshUntil: state.freshUntil, Keys: body})
	}
}

// name returns the URL of the key set for messages.
func (r *RemoteKeySet) name() string {
	if r.config.URL != "" {
		return r.config.URL
	}
	return r.config.Issuer
}

// load discovers and fetches the keys. Body is the response.
func (r *RemoteKeySet) load(ctx context.Context) (from string, state *fetchedKeys, body []byte, err error) {
	from = r.config.URL
	if from == "" {
		if from, err = r.fetcher.discover(ctx, r.config); err != nil {
			return "", nil, nil, err
		}
	}
	body, fresh, err := r.fetcher.get(ctx, from)
	if err != nil {
		return "", nil, nil, err
	}
	set, skipped, err := ParseJWKSet(body)
	if len(skipped) > 0 {
		r.config.Report("issuer keys left out", fmt.Errorf("%s: %w", r.name(), errors.Join(skipped...)))
	}
	if err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w", from, err)
	}
	now := r.config.Now()
	return from, &fetchedKeys{set: set, fetchedAt: now, freshUntil: now.Add(fresh)}, body, nil
}

// Reload does nothing. It implements the interface of resources that can be
// reloaded.
func (r *RemoteKeySet) Reload() error { return nil }

// Close cancels a running fetch and waits for it. It may be called more than once.
func (r *RemoteKeySet) Close() error {
	r.cancel()
	r.mu.Lock()
	inflight := r.inflight
	r.mu.Unlock()
	if inflight != nil {
		<-inflight
	}
	r.fetcher.close()
	return nil
}

// Interface guards.
var (
	_ KeySource       = (*RemoteKeySet)(nil)
	_ Refresher       = (*RemoteKeySet)(nil)
	_ CachedKeySource = (*RemoteKeySet)(nil)
)
