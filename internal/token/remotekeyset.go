package token

import (
	"context"
	"encoding/json"
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
	// retryWithoutKeys is how soon a fetch is tried again while there are no keys.
	retryWithoutKeys = 5 * time.Second
	// retryWithKeys is how soon it is tried again for an unknown kid or after a
	// failure while there are keys; up to a tenth is added, so that a row of
	// servers does not ask at once.
	retryWithKeys = 30 * time.Second
	// storeTimeout bounds what the store takes: no caller waits longer for kept keys.
	storeTimeout = 2 * time.Second
)

// RemoteKeySet is a KeySource whose keys an issuer publishes. It asks for them when
// the first token needs them, never at once when it is made; the issuer may
// live behind this very server. However many tokens name unknown keys, it asks
// once in a while. Call NewRemoteKeySet.
type RemoteKeySet struct {
	config      RemoteKeySetConfig
	fetcher     *fetcher
	ctx         context.Context
	cancel      context.CancelFunc
	state       atomic.Pointer[fetchedKeys]
	restoreOnce sync.Once // asks the store, before the first fetch
	store       atomic.Pointer[Store]
	saves       sync.WaitGroup

	mu        sync.Mutex
	inflight  chan struct{} // closed when the fetch under way ends; nil without one
	nextFetch time.Time     // when the next fetch may begin
	failure   error         // why the last fetch failed, or nil
	url       string        // where the keys were found last
}

// fetchedKeys is a fetched set. It is immutable.
type fetchedKeys struct {
	set        *KeySet
	fetchedAt  time.Time
	freshUntil time.Time
}

// NewRemoteKeySet returns a source for a configuration. It does not use the network.
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

// SetStore has keys kept elsewhere from now on, nil for nowhere: a source outlives the
// configuration whose storage it was made with.
func (r *RemoteKeySet) SetStore(store Store) {
	if store == nil {
		r.store.Store(nil)
		return
	}
	r.store.Store(&store)
}

// Algorithms implements KeySource: whatever the issuer will publish, it is not
// a secret.
func (*RemoteKeySet) Algorithms() []string { return asymmetric() }

// Generation implements KeySource. It also sees to it that keys which are no
// longer fresh are asked for, though every token be remembered.
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

// Candidates implements KeySource. It waits for a fetch under way, a few
// seconds at most, if it has no keys or none that kid names.
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

// RefreshedCandidates implements Refresher. However many tokens have bad signatures, the issuer is
// asked as seldom as for unknown kids.
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

// names reports whether a key has that kid.
func (s *KeySet) names(kid string) bool {
	return slices.ContainsFunc(s.keys, func(k Key) bool { return k.id == kid })
}

// usable returns the keys, unless they are too old.
func (r *RemoteKeySet) usable() *fetchedKeys {
	state := r.state.Load()
	if state == nil || r.config.Now().After(state.freshUntil.Add(r.config.MaxStale)) {
		return nil
	}
	return state
}

// refresh begins a fetch unless one is under way or was begun just now, and
// waits for its end if asked to.
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

// fetch gets the keys once. It runs in a goroutine of its own, at most one at a
// time.
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
	close(done) // nothing waits for the store
	if err == nil {
		r.saveKeys(savedKeys{FetchedAt: state.fetchedAt, FreshUntil: state.freshUntil, Keys: body})
	}
}

// name is what the source is known by.
func (r *RemoteKeySet) name() string {
	if r.config.URL != "" {
		return r.config.URL
	}
	return r.config.Issuer
}

// load finds and fetches the keys, which body has as they came.
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

// savedKeys is what the store keeps.
type savedKeys struct {
	FetchedAt  time.Time       `json:"fetched_at"`
	FreshUntil time.Time       `json:"fresh_until"`
	Keys       json.RawMessage `json:"keys"`
}

func (r *RemoteKeySet) saveKeys(s savedKeys) {
	store := r.store.Load()
	if store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, storeTimeout)
	defer cancel()
	encoded, err := json.Marshal(s)
	if err == nil {
		err = (*store).Save(ctx, r.config.Key(), encoded)
	}
	if err != nil {
		r.config.Report("storing issuer keys failed", fmt.Errorf("%s: %w", r.name(), err))
	}
}

// restoreKeys takes the keys that were kept over a restart, so that a cold start
// survives an issuer that is out of reach, and has them fetched anew.
func (r *RemoteKeySet) restoreKeys() {
	encoded := r.loadSaved()
	if encoded == nil {
		return
	}
	var s savedKeys
	if json.Unmarshal(encoded, &s) != nil || s.FetchedAt.After(r.config.Now()) || s.FreshUntil.Sub(s.FetchedAt) > maxFreshness {
		return
	}
	if set, _, err := ParseJWKSet(s.Keys); err == nil {
		r.state.Store(&fetchedKeys{set: set, fetchedAt: s.FetchedAt, freshUntil: s.FreshUntil})
		r.refresh(false)
	}
}

// loadSaved asks the store, and returns nil if it has nothing or takes too long, also
// if it does not heed its context.
func (r *RemoteKeySet) loadSaved() []byte {
	store := r.store.Load()
	if store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, storeTimeout)
	loaded := make(chan []byte, 1)
	go func() {
		defer cancel()
		if encoded, err := (*store).Load(ctx, r.config.Key()); err == nil {
			loaded <- encoded
		}
	}()
	select {
	case encoded := <-loaded:
		return encoded
	case <-ctx.Done():
		select { // it may have come just now
		case encoded := <-loaded:
			return encoded
		default:
			return nil
		}
	}
}

// Reload does nothing: keys are asked for as tokens need them.
func (r *RemoteKeySet) Reload() error { return nil }

// Close ends a fetch under way and waits for it. It may be called more than once.
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
