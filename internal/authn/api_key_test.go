package authn

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestAPIKeyVerdicts: a key that is disabled is rejected and named in the log, one that
// is unknown is left to other methods, and neither authenticates its caller.
func TestAPIKeyVerdicts(t *testing.T) {
	const secret = "test-material-only-0123456789abcdef"
	hash := func(key string) string {
		sum := sha256.Sum256([]byte(key))
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	keys := "keys:\n  - {id: ci, owner: build, hash: \"" + hash(secret) + "\"}\n  - {id: off, owner: build, disabled: true, hash: \"" + hash(secret+"off") + "\"}\n"
	method := &APIKey{Keys: []string{write(t, keys)}}
	if err := method.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = method.Cleanup() }()
	for value, want := range map[string]authenticator.Outcome{
		secret:         {Verdict: authenticator.Accepted},
		secret + "off": {Verdict: authenticator.Rejected, Reason: authenticator.ReasonAccountDisabled, Candidate: "build", Details: []authenticator.Detail{{Name: "key_id", Value: "off"}}},
		secret + "x":   {Verdict: authenticator.Unclaimed, Reason: authenticator.ReasonCredentialsInvalid},
	} {
		got := method.Authenticate(httptest.NewRequest("GET", "/", nil), authenticator.Credential{Value: value})
		if got.Verdict != want.Verdict || got.Reason != want.Reason || got.Candidate != want.Candidate || len(got.Details) != len(want.Details) || (got.Identity != nil) != (want.Verdict == authenticator.Accepted) {
			t.Errorf("%s: %+v", strings.TrimPrefix(value, secret), got)
		}
	}
}
