package dpop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// TestRDP6Replay: a proof counts once within its window, and is forgotten after it.
func TestRDP6Replay(t *testing.T) {
	e, memory := newMemory(t)
	line := made{}.sign(testStart)
	e.want(proof(line), authenticator.ReasonNone)
	e.now = testStart.Add(time.Minute)
	if refusal := e.want(proof(line), authenticator.ReasonProofInvalid); refusal.Problem != "the proof was used before" {
		t.Error(refusal)
	}
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
	e.now = e.now.Add(shareWindow)
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
	if n := memory.Len(); n != 1 {
		t.Errorf("%d proofs are remembered", n)
	}
	again := made{claims: map[string]any{"jti": "a"}}.sign(e.now)
	elsewhere := made{claims: map[string]any{"jti": "a", "htu": testURI + "/1"}}.sign(e.now)
	e.want(proof(again), authenticator.ReasonNone)
	p := proof(elsewhere)
	p.URI += "/1"
	e.want(p, authenticator.ReasonNone) // RFC 9449, section 11.1: in the context of the URI
}

// TestRDP6Concurrent: of many requests with one proof, one is accepted.
func TestRDP6Concurrent(t *testing.T) {
	e, _ := newMemory(t)
	p := proof(made{}.sign(testStart))
	var accepted atomic.Int32
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if e.verify(p) == nil {
				accepted.Add(1)
			}
		})
	}
	group.Wait()
	if accepted.Load() != 1 {
		t.Errorf("%d are accepted", accepted.Load())
	}
}

// TestS24Share: a key that has used its share is refused alone, and replays do not use
// up a share.
func TestS24Share(t *testing.T) {
	e, _ := newMemory(t)
	line := made{}.sign(testStart)
	e.want(proof(line), authenticator.ReasonNone)
	for range maxPerKey - 2 {
		if err := e.shares.take(thumbprintOf(testKey()), e.now); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		e.want(proof(line), authenticator.ReasonProofInvalid)
	}
	e.want(proof(made{}.sign(testStart)), authenticator.ReasonNone)
	if refusal := e.want(proof(made{}.sign(testStart)), authenticator.ReasonThrottled); refusal.RetryAfter <= 0 || refusal.RetryAfter > shareWindow {
		t.Errorf("%+v", refusal)
	}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	other := proof(made{key: key}.sign(testStart))
	other.Thumbprint = thumbprintOf(key)
	e.want(other, authenticator.ReasonNone)
	e.now = e.now.Add(shareWindow)
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
}

// TestSharesBounded: all keys together are bounded, and in a crowd the large ones first.
func TestSharesBounded(t *testing.T) {
	s, taken := new(shares), 0
	for key := range 1000 {
		for range maxPerKey {
			if s.take(fmt.Sprint(key), testStart) != nil {
				break
			}
			taken++
		}
	}
	if taken != maxProofs {
		t.Errorf("%d proofs", taken)
	}
	if s.counts["0"] != maxPerKey || s.counts["10"] != maxCrowded {
		t.Errorf("shares of %d and %d", s.counts["0"], s.counts["10"])
	}
	if err := s.take("new", testStart); err == nil || err.(*Error).Reason != authenticator.ReasonBusy {
		t.Error(err)
	}
}

// TestS40Reopened: a new verifier refuses proofs of before, which its store may have lost,
// and nonces of before; the nonce that it answers with is good.
func TestS40Reopened(t *testing.T) {
	e, _ := newMemory(t)
	old := e.want(proof(made{}.sign(testStart.Add(-time.Hour))), authenticator.ReasonProofInvalid).Nonce
	p := proof(made{claims: map[string]any{"iat": testStart.Unix() + 5}}.sign(testStart))
	e.want(p, authenticator.ReasonNone)

	e.now = testStart.Add(time.Millisecond)
	reopened := New(Config{Store: store.NewMemory(func() time.Time { return e.now }), NonceKey: nonceKey, Now: func() time.Time { return e.now }})
	e.Verifier = reopened
	nonce := e.want(p, authenticator.ReasonProofInvalid).Nonce
	e.want(proof(made{claims: map[string]any{"nonce": old}}.sign(testStart)), authenticator.ReasonProofInvalid)
	e.want(proof(made{claims: map[string]any{"nonce": nonce}}.sign(testStart)), authenticator.ReasonNone)
	e.now = testStart.Add(6 * time.Second)
	e.want(p, authenticator.ReasonProofInvalid)
	e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
}

// failing is a store that fails on demand.
type failing struct {
	store.Store
	get, put error
}

func (f *failing) Get(ctx context.Context, key string) ([]byte, error) {
	if f.get != nil {
		return nil, f.get
	}
	return f.Store.Get(ctx, key)
}

func (f *failing) PutNew(ctx context.Context, key string, item store.Item) (bool, error) {
	if f.put != nil {
		return false, f.put
	}
	return f.Store.PutNew(ctx, key, item)
}

// TestStoreUnavailable: a store that fails accepts no proof, and after that none of
// before, which it may have lost (S-40).
func TestStoreUnavailable(t *testing.T) {
	for name, broken := range map[string]failing{"read": {get: store.ErrUnavailable}, "write": {put: store.ErrUnavailable}} {
		t.Run(name, func(t *testing.T) {
			f := broken
			var e *env
			f.Store = store.NewMemory(func() time.Time { return e.now })
			e = newEnv(t, &f)
			e.want(proof(made{}.sign(testStart)), authenticator.ReasonStoreUnavailable)
			f.get, f.put = nil, nil
			if e.want(proof(made{}.sign(testStart)), authenticator.ReasonProofInvalid).Nonce == "" {
				t.Error("no nonce")
			}
			e.now = testStart.Add(6 * time.Second)
			e.want(proof(made{}.sign(e.now)), authenticator.ReasonNone)
		})
	}
}
