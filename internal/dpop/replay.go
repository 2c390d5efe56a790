package dpop

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const (
	// storeTimeout is how long a request waits for the store.
	storeTimeout = 2 * time.Second
	// shareWindow is the period in which the proofs of this process are counted. No
	// proof is remembered longer, so that the store has those of two periods at most, of
	// some 350 bytes each.
	shareWindow = maxAge + maxAhead + time.Second
	// maxProofs is how many proofs all keys may use in the period, and maxPerKey one key.
	// When half of them are used, one key may use maxCrowded.
	maxProofs  = 200_000
	maxPerKey  = 30_000
	maxCrowded = 2_000
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
	if err := v.shares.take(c.thumbprint, v.now()); err != nil {
		return err
	}
	first, err := v.store.PutNew(ctx, key, store.Item{Lifetime: c.left})
	switch {
	case err != nil:
		return v.lost(err)
	case !first:
		return replayed()
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

// shares counts the proofs of each key in a period, so that one client cannot fill the
// store.
type shares struct {
	mu     sync.Mutex
	began  time.Time
	counts map[string]int // by the thumbprint of the key
	total  int
}

// take counts a proof. It fails with an *Error if there were too many.
func (s *shares) take(thumbprint string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil || now.Sub(s.began) >= shareWindow || now.Before(s.began) {
		s.began, s.counts, s.total = now, map[string]int{}, 0
	}
	left, share := s.began.Add(shareWindow).Sub(now), maxPerKey
	if s.total >= maxProofs/2 {
		share = maxCrowded
	}
	switch {
	case s.counts[thumbprint] >= share:
		return &Error{Reason: authenticator.ReasonThrottled, Problem: "the key of the proof has used too many proofs within a minute", RetryAfter: left}
	case s.total >= maxProofs:
		return &Error{Reason: authenticator.ReasonBusy, Problem: "the memory of used proofs is full", RetryAfter: left}
	}
	s.counts[thumbprint]++
	s.total++
	return nil
}
