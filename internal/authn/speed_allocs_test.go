//go:build !race

package authn

import (
	"net/http/httptest"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// With the race detector pools forget at random.

// TestNewTokenAllocations: performance.md, a token that is not remembered, what
// remembers it included.
func TestNewTokenAllocations(t *testing.T) {
	const runs = 50
	j, sign := es256(t)
	var tokens []string
	for i := range runs + 1 {
		tokens = append(tokens, sign(i))
	}
	r := httptest.NewRequest("GET", "/", nil)
	got := testing.AllocsPerRun(runs, func() {
		if outcome := j.Authenticate(r, Credential{Value: tokens[0]}); outcome.Verdict != identity.Accepted {
			t.Fatal(outcome)
		}
		tokens = tokens[1:]
	})
	if got > 58 {
		t.Errorf("%v allocations", got)
	}
}
