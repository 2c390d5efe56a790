package dpop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const (
	testToken = "an.access-token"
	testURI   = "https://api.example.com/orders"
)

var testStart = time.Unix(1_800_000_000, 0)

// testKey is the key of the tests' proofs.
var testKey = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// env is a verifier with a clock, an hour after its start.
type env struct {
	*Verifier
	t   testing.TB
	now time.Time
}

func newEnv(t testing.TB, s store.Store) *env {
	t.Helper()
	e := &env{t: t, now: testStart.Add(-time.Hour)}
	e.Verifier = New(Config{Store: s, NonceKey: nonceKey, Now: func() time.Time { return e.now }})
	e.now = testStart
	return e
}

// nonceKey returns the key of the tests' nonces.
func nonceKey(context.Context) ([]byte, error) { return make([]byte, 32), nil }

// newMemory returns a store with the clock of an env.
func newMemory(t testing.TB) (*env, *store.Memory) {
	t.Helper()
	var e *env
	m := store.NewMemory(func() time.Time { return e.now })
	t.Cleanup(func() { _ = m.Close() })
	e = newEnv(t, m)
	return e, m
}

// thumbprintOf returns the JWK thumbprint of a key, as go-jose computes it.
func thumbprintOf(key *ecdsa.PrivateKey) string {
	return base64.RawURLEncoding.EncodeToString(must((&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)))
}

// made is how a test makes a proof: changed members of the header and the claims, of
// which nil removes one, and the key.
type made struct {
	header, claims map[string]any
	key            *ecdsa.PrivateKey
}

// sign returns the proof.
func (m made) sign(now time.Time) string {
	key := m.key
	if key == nil {
		key = testKey()
	}
	jwk := map[string]any{}
	if err := json.Unmarshal(must((&jose.JSONWebKey{Key: key.Public()}).MarshalJSON()), &jwk); err != nil {
		panic(err)
	}
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
	claims := map[string]any{"jti": rand.Text(), "htm": "GET", "htu": testURI, "iat": now.Unix(), "ath": AccessTokenHash(testToken)}
	maps.Copy(header, m.header)
	maps.Copy(claims, m.claims)
	var signed string
	for i, members := range []map[string]any{header, claims} {
		maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
		if i > 0 {
			signed += "."
		}
		signed += base64.RawURLEncoding.EncodeToString(must(json.Marshal(members)))
	}
	signature := must(jwt.SigningMethodES256.Sign(signed, key))
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// proof returns a request's proof with lines of the header DPoP.
func proof(lines ...string) Proof {
	return Proof{Lines: lines, Method: "GET", URI: testURI, Token: testToken, Thumbprint: thumbprintOf(testKey())}
}

// verify checks and remembers a proof.
func (e *env) verify(p Proof) error {
	checked, err := e.Check(e.t.Context(), p, nil)
	if err != nil {
		return err
	}
	return e.Remember(e.t.Context(), checked)
}

// want verifies a proof and demands a reason, and returns the error.
func (e *env) want(p Proof, reason authenticator.Reason) *Error {
	e.t.Helper()
	err := e.verify(p)
	var refusal *Error
	if err != nil && !errors.As(err, &refusal) {
		e.t.Fatalf("%T %v", err, err)
	}
	got := authenticator.ReasonNone
	if refusal != nil {
		got = refusal.Reason
	}
	if got != reason {
		e.t.Errorf("%v, want %q", err, reason)
	}
	return refusal
}
