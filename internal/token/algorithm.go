package token

import (
	"crypto/rsa"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms of RFC 7518, section 3, and RFC 8037, section 3.1, by the keys
// that they need. Nothing else can be configured, "none" least of all.
var (
	hmacAlgorithms    = []string{"HS256", "HS384", "HS512"}
	rsaAlgorithms     = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ecdsaAlgorithms   = []string{"ES256", "ES384", "ES512"}
	ed25519Algorithms = []string{"EdDSA"}
)

// methods verify signatures. They are golang-jwt's values and not its registry,
// which any module of the server can change.
var methods = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256,
	"HS384": jwt.SigningMethodHS384,
	"HS512": jwt.SigningMethodHS512,
	"RS256": jwt.SigningMethodRS256,
	"RS384": jwt.SigningMethodRS384,
	"RS512": jwt.SigningMethodRS512,
	"PS256": exactSalt(jwt.SigningMethodPS256),
	"PS384": exactSalt(jwt.SigningMethodPS384),
	"PS512": exactSalt(jwt.SigningMethodPS512),
	"ES256": jwt.SigningMethodES256,
	"ES384": jwt.SigningMethodES384,
	"ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA,
}

// exactSalt returns a method like m that requires a salt as long as the hash (RFC
// 7518, section 3.5). golang-jwt's methods accept any length.
func exactSalt(m *jwt.SigningMethodRSAPSS) jwt.SigningMethod {
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: m.SigningMethodRSA,
		Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash},
	}
}

// SymmetricAlgorithms returns the values of alg that verify with a secret.
func SymmetricAlgorithms() []string { return slices.Clone(hmacAlgorithms) }

// AsymmetricAlgorithms returns the values of alg that verify with a public key.
func AsymmetricAlgorithms() []string {
	var names []string
	for _, family := range [][]string{rsaAlgorithms, ecdsaAlgorithms, ed25519Algorithms} {
		names = append(names, family...)
	}
	return names
}

// Canonical returns the name that this package uses for an algorithm: Ed25519 (RFC
// 9864) is EdDSA with the only supported curve.
func Canonical(algorithm string) string {
	if algorithm == "Ed25519" {
		return "EdDSA"
	}
	return algorithm
}

// symmetric reports whether an algorithm's key is a shared secret.
func symmetric(algorithm string) bool { return strings.HasPrefix(algorithm, "HS") }
