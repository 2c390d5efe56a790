package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// keySetOf returns a set of one key.
func keySetOf(t testing.TB, key *ecdsa.PublicKey) *token.KeySet {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.ParsePEM("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	if err != nil {
		t.Fatal(err)
	}
	set, err := token.NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// es256 returns a method with a key of its own, and what signs tokens of ten claims.
func es256(t testing.TB) (j *JWT, sign func(serial int) string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := keySetOf(t, &private.PublicKey)
	j = &JWT{Issuer: "https://id.example.com", Audience: []string{"https://api.example.com"}}
	if j.verifier, err = token.New(j.config(set)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	return j, func(serial int) string {
		raw, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": j.Issuer, "aud": j.Audience[0], "sub": "user-0007", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": serial,
			"roles": []string{"member"}, "tenant": "north", "email": "user-0007@example.com", "name": "User Seven",
		}).SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
}

// TestN12ForgedTokens: a client that sends many tokens with bad signatures is throttled, but not
// for its good tokens.
func TestN12ForgedTokens(t *testing.T) {
	j, sign := es256(t)
	_, forge := es256(t)
	j.forged = newBadSignatureLimiter()
	r := httptest.NewRequest("GET", "/", nil)
	bad := authenticator.Credential{Value: forge(1)}
	if outcome := j.Authenticate(r, bad); outcome.Reason != authenticator.ReasonTokenSignature {
		t.Errorf("the first: %+v", outcome)
	}
	outcome := j.Authenticate(r, bad)
	for sent := 2; sent < 10*badSignatures && outcome.Reason != authenticator.ReasonThrottled; sent++ {
		outcome = j.Authenticate(r, bad)
	}
	if outcome.Reason != authenticator.ReasonThrottled || outcome.RetryAfter <= 0 {
		t.Errorf("the last: %+v", outcome)
	}
	if outcome := j.Authenticate(r, authenticator.Credential{Value: sign(1)}); outcome.Verdict != authenticator.Accepted {
		t.Errorf("a good token: %+v", outcome)
	}
}

// TestS28RememberedTokenTakesNoTurn: a token that was verified before is accepted
// although no signature can be checked now.
func TestS28RememberedTokenTakesNoTurn(t *testing.T) {
	j, sign := es256(t)
	j.forged = newBadSignatureLimiter()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	known := authenticator.Credential{Value: sign(1)}
	if outcome := j.Authenticate(r, known); outcome.Verdict != authenticator.Accepted {
		t.Fatal(outcome)
	}
	taken := 0
	for signatures.TryAcquire() {
		taken++
	}
	defer func() {
		for range taken {
			signatures.Release()
		}
	}()
	cancel()
	if outcome := j.Authenticate(r, known); outcome.Verdict != authenticator.Accepted {
		t.Errorf("a remembered token: %+v", outcome)
	}
	if outcome := j.Authenticate(r, authenticator.Credential{Value: sign(2)}); outcome.Verdict != authenticator.Unavailable {
		t.Errorf("a new one: %+v", outcome)
	}
}
