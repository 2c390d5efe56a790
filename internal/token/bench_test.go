package token

import (
	"maps"
	"slices"
	"testing"
)

// benchClaims make a token of about 500 bytes.
var benchClaims = map[string]any{
	"preferred_username": "alice", "email": "alice@example.com", "roles": []string{"admin", "developer"},
	"scope": "openid profile read write", "azp": "app", "jti": "9a1b2c3d",
}

// BenchmarkVerify measures a good token by algorithm, which is remembered.
func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range slices.Sorted(maps.Keys(methods)) {
		b.Run(algorithm, func(b *testing.B) {
			v, raw := newVerifier(b, testConfig(b, algorithm)), token(algorithm, benchClaims)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// newClaims make a token of ten claims with those that every test's token has.
var newClaims = map[string]any{"jti": "123456", "roles": []string{"member"}, "tenant": "north", "email": "user-0007@example.com", "name": "User Seven"}

// BenchmarkVerifyNew measures a token that is not remembered.
func BenchmarkVerifyNew(b *testing.B) {
	v, raw := newVerifier(b, testConfig(b, "ES256")), token("ES256", newClaims)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.verify(Parse(raw), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefuse measures what a stranger can ask for without a signature.
func BenchmarkRefuse(b *testing.B) {
	v := newVerifier(b, testConfig(b, "ES384"))
	longest := make([]byte, maxToken+1)
	for name, raw := range map[string]string{
		"size":      string(longest),
		"form":      "2YotnFZFEjr1zCsicMWpAA",
		"algorithm": token("HS256", benchClaims),
		"issuer":    token("ES384", map[string]any{"iss": "https://b.example"}),
		"expired":   token("ES384", map[string]any{"exp": 1}),
		"signature": forge("ES384", newECKeys()["ES384"], `{"alg":"ES384"}`, claimsWith(nil)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(raw); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// BenchmarkIssuer measures the look at iss that chooses a verifier.
func BenchmarkIssuer(b *testing.B) {
	raw := token("ES256", benchClaims)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Parse(raw).Issuer(); !ok {
			b.Fatal("no issuer")
		}
	}
}
