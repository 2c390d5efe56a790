package authn

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// TestN58IssuerHint: a token that is left to other methods for a slash says so.
func TestN58IssuerHint(t *testing.T) {
	key, _, err := token.NewHMACKey([]byte("test material, not a secret: 32 bytes and more"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	j := &JWT{Issuer: "https://id.example.com", Audience: []string{"api"}}
	if j.verifier, err = token.New(j.config(keys)); err != nil {
		t.Fatal(err)
	}
	for issuer, want := range map[string]int{"https://id.example.com/": 3, "https://other.example": 2} {
		raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": issuer}).SignedString([]byte("another"))
		if err != nil {
			t.Fatal(err)
		}
		outcome := j.Authenticate(httptest.NewRequest("GET", "/", nil), authenticator.Credential{Value: raw})
		if outcome.Verdict != authenticator.Unclaimed || len(outcome.Details) != want {
			t.Errorf("%s: %+v", issuer, outcome)
		}
	}
}

// TestN57CandidateBounded: signatures are checked for the log only for reasons that a
// genuine token may have, while a processor is free, and a bounded number of times.
func TestN57CandidateBounded(t *testing.T) {
	secret := []byte("test material, not a secret: 32 bytes and more")
	key, _, err := token.NewHMACKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.NewKeySet(key)
	if err != nil {
		t.Fatal(err)
	}
	j := &JWT{Issuer: "https://id.example.com", Audience: []string{"api"}}
	if j.verifier, err = token.New(j.config(keys)); err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": j.Issuer, "sub": "alice", "exp": time.Now().Add(-time.Hour).Unix()}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	if got := j.candidate(raw, authenticator.ReasonTokenExpired); got != "alice" {
		t.Errorf("got %q", got)
	}
	for _, reason := range []authenticator.Reason{authenticator.ReasonTokenSignature, authenticator.ReasonTokenIssuer, authenticator.ReasonBusy, authenticator.ReasonKeysUnavailable, authenticator.ReasonThrottled, ""} {
		if got := j.candidate(raw, reason); got != "" {
			t.Errorf("%s: %q", reason, got)
		}
	}
	taken := 0
	for signatures.TryAcquire() {
		taken++
	}
	if got := j.candidate(raw, authenticator.ReasonTokenExpired); got != "" {
		t.Errorf("while all are at work: %q", got)
	}
	for range taken {
		signatures.Release()
	}
	limit := candidateLimit
	defer func() { candidateLimit = limit }()
	candidateLimit = rate.NewLimiter(0, 1)
	if first, second := j.candidate(raw, authenticator.ReasonTokenExpired), j.candidate(raw, authenticator.ReasonTokenExpired); first != "alice" || second != "" {
		t.Errorf("once: %q, and beyond the limit: %q", first, second)
	}
}
