package dpop

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// TestRDP7Nonce: a proof that is too old is answered with a nonce, with which the next
// one passes whatever the client's clock says, on every machine with the same key.
func TestRDP7Nonce(t *testing.T) {
	e, _ := newMemory(t)
	slow := testStart.Add(-24 * time.Hour)
	nonce := e.want(proof(made{}.sign(slow)), authenticator.ReasonProofInvalid).Nonce
	with := func(iat time.Time) Proof {
		return proof(made{claims: map[string]any{"nonce": nonce}}.sign(iat))
	}
	other, _ := newMemory(t)
	for name, step := range map[string]struct {
		after time.Duration
		iat   time.Time
		want  authenticator.Reason
	}{
		"at once, a slow clock":                {0, slow, ""},
		"at once, a fast clock":                {0, testStart.Add(24 * time.Hour), ""},
		"a minute later, a slow clock":         {time.Minute, slow, ""},
		"a second too late, a slow clock":      {time.Minute + time.Second, slow, authenticator.ReasonProofInvalid},
		"minutes later, a good clock":          {5 * time.Minute, testStart.Add(5 * time.Minute), ""},
		"an old nonce, a good clock":           {5*time.Minute + time.Second, testStart.Add(5*time.Minute + time.Second), authenticator.ReasonProofInvalid},
		"a nonce of a machine's slower clock":  {-5 * time.Second, slow, ""},
		"a nonce of the future, a clock so so": {-6 * time.Second, slow, authenticator.ReasonProofInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			for _, e := range []*env{e, other} {
				e.now = testStart.Add(step.after)
				if refusal := e.want(with(step.iat), step.want); refusal != nil && (refusal.Nonce == "" || refusal.Nonce == nonce) {
					t.Errorf("the next nonce is %q", refusal.Nonce)
				}
			}
		})
	}
}

// TestForgedNonce: nonces of another key, and changed ones.
func TestForgedNonce(t *testing.T) {
	n := nonces{nonceKey}
	nonce, err := n.make(t.Context(), testStart)
	if err != nil {
		t.Fatal(err)
	}
	other := nonces{func(context.Context) ([]byte, error) { return []byte("another"), nil }}
	if at, err := n.time(t.Context(), nonce); err != nil || !at.Equal(testStart) {
		t.Errorf("%s, %v", at, err)
	}
	if at, _ := other.time(t.Context(), nonce); !at.IsZero() {
		t.Error("another key takes it")
	}
	for _, forged := range []string{"", "x", nonce + "A", nonce + "!", nonce[1:], "A" + nonce[1:31] + "B", "_" + nonce[1:], "\n" + nonce[1:]} {
		if at, err := n.time(t.Context(), forged); !at.IsZero() || err != nil {
			t.Errorf("%q: %s, %v", forged, at, err)
		}
	}
}

// TestNonceKeyUnavailable: without the key it is unknown whether a nonce is good.
func TestNonceKeyUnavailable(t *testing.T) {
	e, _ := newMemory(t)
	e.nonces.key = func(context.Context) ([]byte, error) { return nil, errors.Join(store.ErrUnavailable) }
	e.want(proof(made{}.sign(testStart)), authenticator.ReasonNone)
	e.want(proof(made{claims: map[string]any{"nonce": "x"}}.sign(testStart)), authenticator.ReasonStoreUnavailable)
	e.want(proof(made{}.sign(testStart.Add(-time.Hour))), authenticator.ReasonStoreUnavailable)
	forged, err := nonces{func(context.Context) ([]byte, error) { return nil, nil }}.make(t.Context(), testStart)
	if err != nil {
		t.Fatal(err)
	}
	e.want(proof(made{claims: map[string]any{"nonce": forged}}.sign(testStart)), authenticator.ReasonStoreUnavailable)
	if nonce, err := e.nonces.make(t.Context(), testStart); nonce != "" || err == nil {
		t.Errorf("%q, %v", nonce, err)
	}
	if at, err := e.nonces.time(t.Context(), forged); !at.IsZero() || err == nil {
		t.Errorf("%s, %v", at, err)
	}
}
