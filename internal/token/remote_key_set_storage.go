package token

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// savedKeys is the stored form of the keys.
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

// restoreKeys loads the keys of the previous process from the store, so that a
// restart works while the issuer is unavailable, and starts a fetch.
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

// loadSaved reads the store. It returns nil if there is nothing or after
// storeTimeout, also if the store ignores its context.
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
		select { // both may be ready
		case encoded := <-loaded:
			return encoded
		default:
			return nil
		}
	}
}
