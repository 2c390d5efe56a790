package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const (
	testIssuer   = "https://id.example.com"
	testAudience = "https://api.example.com"
)

// testNow is the clock of every test.
var testNow = time.Unix(1_800_000_000, 0)

// testSecret is test material: 64 bytes that do not look like words.
var testSecret = []byte("7hK2pQ9xV4mZ1cR8tB6nW3yL5dF0gJ-aSeUiOoPqXvCzMkHrTwYbNlGfDsAjE9_4")

// Private keys are generated once for all tests.
var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKeys  = sync.OnceValue(newECKeys)
	edKey   = sync.OnceValue(func() ed25519.PrivateKey { _, k, err := ed25519.GenerateKey(rand.Reader); check(err); return k })
	p256Key = func() *ecdsa.PrivateKey { return ecKeys()["ES256"] }
)

func newECKeys() map[string]*ecdsa.PrivateKey {
	keys := map[string]*ecdsa.PrivateKey{}
	for algorithm, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		keys[algorithm] = must(ecdsa.GenerateKey(curve, rand.Reader))
	}
	return keys
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// signer returns the private key that tests sign with, by algorithm.
func signer(algorithm string) any {
	switch {
	case symmetric(algorithm):
		return testSecret
	case algorithm == "EdDSA":
		return edKey()
	case ecKeys()[algorithm] != nil:
		return ecKeys()[algorithm]
	}
	return rsaKey()
}

// publicOf returns the verifying half of what signer returns.
func publicOf(private any) any {
	if k, ok := private.(crypto.Signer); ok {
		return k.Public()
	}
	return private
}

// testKey returns the key that verifies what tests sign with the algorithm.
func testKey(t testing.TB, algorithm string) Key {
	t.Helper()
	var (
		key Key
		err error
	)
	if symmetric(algorithm) {
		key, _, err = NewHMACKey(testSecret)
	} else {
		key, err = newPublicKey(publicOf(signer(algorithm)))
		key.id, key.pinned = key.thumbprint, true
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func testSet(t testing.TB, keys ...Key) *KeySet {
	t.Helper()
	set, err := NewKeySet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// testConfig accepts what token makes, with the algorithm's test key.
func testConfig(t testing.TB, algorithm string) Config {
	t.Helper()
	c := Config{
		Issuer:    testIssuer,
		Audiences: []string{testAudience},
		Keys:      testSet(t, testKey(t, algorithm)),
		Now:       func() time.Time { return testNow },
	}
	if symmetric(algorithm) {
		c.Algorithms = []string{algorithm}
	}
	return c
}

func newVerifier(t testing.TB, c Config) *Verifier {
	t.Helper()
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// claimsWith returns good claims, changed: nil as a value removes a claim.
func claimsWith(changes map[string]any) string {
	claims := map[string]any{
		"iss": testIssuer,
		"aud": testAudience,
		"sub": "alice",
		"iat": testNow.Unix() - 10,
		"exp": testNow.Unix() + 300,
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return string(must(json.Marshal(claims)))
}

// null is a claim's value null, which nil does not stand for in claimsWith.
var null = json.RawMessage("null")

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// forge signs any header and payload, well-formed or not.
func forge(algorithm string, key any, header, payload string) string {
	return forgeRaw(algorithm, key, encode(header)+"."+encode(payload))
}

// forgeRaw signs any signing input.
func forgeRaw(algorithm string, key any, signed string) string {
	signature := must(jwt.GetSigningMethod(algorithm).Sign(signed, key))
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// token signs claims as an issuer would.
func token(algorithm string, changes map[string]any) string {
	return forge(algorithm, signer(algorithm), `{"alg":"`+algorithm+`","typ":"JWT"}`, claimsWith(changes))
}

// reasonOf returns the reason of an *Error, and fails for any other error.
func reasonOf(t testing.TB, err error) authenticator.Reason {
	t.Helper()
	if err == nil {
		return authenticator.ReasonNone
	}
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatalf("error %v is a %T, want *Error", err, err)
	}
	return refused.Reason
}

// wantReason verifies raw and demands a reason; "" demands that it is accepted.
func wantReason(t testing.TB, v *Verifier, raw string, want authenticator.Reason) *Error {
	t.Helper()
	id, err := v.Verify(raw)
	if got := reasonOf(t, err); got != want {
		t.Fatalf("Verify: %v, want the reason %q", err, want)
	}
	if (id == nil) != (want != "") {
		t.Fatalf("Verify: identity %v with the reason %q", id, want)
	}
	refused, _ := err.(*Error)
	return refused
}

// cachedIdentity returns the identity of a token in the cache, or nil.
func cachedIdentity(v *Verifier, raw string) *authenticator.Identity {
	t, _ := v.VerifyCached(raw)
	return t.Identity
}

// detail returns the value of a detail, "" if it is missing.
func (e *Error) detail(name string) string {
	for _, d := range e.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// pemOf encodes a public key as openssl does.
func pemOf(public any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(public))})
}

// swapped is a KeySource whose keys are replaced all at once, such as those of a
// file that is watched. Call newSwapped.
type swapped struct {
	set atomic.Pointer[KeySet]
}

// newSwapped returns a source that begins with set.
func newSwapped(set *KeySet) *swapped {
	s := &swapped{}
	s.Swap(set)
	return s
}

// Swap replaces the keys. Tokens that are being verified see the old set or the
// new one, whole.
func (s *swapped) Swap(set *KeySet) { s.set.Store(set) }

// Candidates implements KeySource.
func (s *swapped) Candidates(kid, algorithm string) ([]Key, error) {
	return s.set.Load().Candidates(kid, algorithm)
}

// Generation implements KeySource.
func (s *swapped) Generation() any { return s.set.Load() }

// Algorithms implements KeySource.
func (s *swapped) Algorithms() []string { return s.set.Load().Algorithms() }
