//go:build !race

package token

import "testing"

// With the race detector pools forget at random.

// TestVerifyNewAllocations: performance.md, a token of ten claims that is not
// remembered, from the text of the token to the identity. 23 of the allocations are
// of the signature.
func TestVerifyNewAllocations(t *testing.T) {
	v, raw := newVerifier(t, testConfig(t, "ES256")), token("ES256", newClaims)
	verify := func() {
		if _, err := v.verify(Parse(raw), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := testing.AllocsPerRun(100, verify); got > 53 {
		t.Errorf("%v allocations", got)
	}
}
