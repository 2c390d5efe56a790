package dpop

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const (
	// storeTimeout is how long a request waits for the store.
	storeTimeout = 2 * time.Second
	// shareWindow is the period in which the proofs of this process are counted. No
	// proof is remembered longer, so that the store has those of two periods at most, of
	// some 350 bytes each.
	shareWindow = maxAge + maxAhead + time.Second
	// maxProofs is how many proofs all keys may use in the period, divided between the
	// networks of the clients, and maxPerKey one key. When half of them are used, one key
	// may use maxCrowded.
	maxProofs  = 200_000
	maxPerKey  = 30_000
	maxCrowded = 2_000
	// markerTime is how long the store keeps the marker of a process without proofs.
	markerTime = 24 * time.Hour
)

// Remember marks a proof as used. It fails with an *Error if it was used before, on any
// machine that shares the store, if its key has used up its share of the memory, or if
// the store is unavailable.
func (v *Verifier) Remember(ctx context.Context, c *Checked) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	key := "dpop/" + c.id
	_, err := v.store.Get(ctx, key)
	switch {
	case err == nil:
		return replayed()
	case !errors.Is(err, store.ErrNotFound):
		return v.lost(err)
	}
	// Counted after replays, which must not use up the share of a key.
	if err := v.shares.take(c.thumbprint, c.client, v.now()); err != nil {
		return err
	}
	if !v.marked.Load() {
		if err := v.mark(ctx); err != nil {
			return v.lost(err)
		}
	}
	first, err := v.store.PutNew(ctx, key, store.Item{Lifetime: c.left})
	switch {
	case err != nil:
		return v.lost(err)
	case !first:
		return replayed()
	}
	return v.checkKept(ctx, c)
}

// mark stores the marker of this process, whose absence shows that the store has lost
// what was in it.
func (v *Verifier) mark(ctx context.Context) error {
	err := v.store.Put(ctx, v.marker, store.Item{Lifetime: markerTime})
	if err == nil {
		v.marked.Store(true)
	}
	return err
}

// checkKept refuses a proof that is stored unless the store still has the marker: it may
// have been flushed, or restarted without its data, between two requests, and so have
// forgotten that the proof was used (S-40). It asks for a proof that is made from now on.
func (v *Verifier) checkKept(ctx context.Context, c *Checked) error {
	kept, err := v.store.Replace(ctx, v.marker, store.Item{Lifetime: markerTime})
	if err == nil && !kept {
		v.complete.Store(v.now().UnixNano()) // first, for requests that find the new marker
		err = v.mark(ctx)
	}
	switch {
	case err != nil:
		return v.lost(err)
	case !kept || v.complete.Load() != c.complete:
		return v.askNonce(ctx, "the store has lost the memory of used proofs, which begins anew: the proof may have been used before")
	}
	return nil
}

// replayed returns the error of a proof that was used before.
func replayed() error { return invalid("the proof was used before") }

// lost returns the error of a store that failed. What it held may be lost, so that only
// proofs that are made from now on can be trusted to be new (S-40).
func (v *Verifier) lost(err error) error {
	v.complete.Store(v.now().UnixNano())
	return unavailable(err)
}

// shares counts the proofs of each key in a period, and divides all of them between
// networks, so that neither one client nor one network with many keys can fill the store.
// No accepted proof is ever forgotten before it expires.
type shares struct {
	mu     sync.Mutex
	began  time.Time
	counts map[string]int // by the thumbprint of the key
	total  int
	rest   *fairqueue.Quota
}

// take counts a proof of a client. It fails with an *Error if there were too many.
func (s *shares) take(thumbprint string, client netip.Addr, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.began) >= shareWindow || now.Before(s.began) {
		s.began, s.counts, s.total, s.rest = now, map[string]int{}, 0, fairqueue.NewQuota(maxProofs)
	}
	left, share := s.began.Add(shareWindow).Sub(now), maxPerKey
	if s.total >= maxProofs/2 {
		share = maxCrowded
	}
	switch {
	case s.counts[thumbprint] >= share:
		return &Error{Reason: authenticator.ReasonThrottled, Problem: "the key of the proof has used too many proofs within a minute", RetryAfter: left}
	case !s.rest.Acquire(client, 1):
		return &Error{Reason: authenticator.ReasonBusy, Problem: "the client's network has used its share of the memory of used proofs", RetryAfter: left}
	}
	s.counts[thumbprint]++
	s.total++
	return nil
}
