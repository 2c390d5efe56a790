package token

import (
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
)

// rocaModulus returns an odd number of 2048 bits with the fingerprint: a power of
// 65537 modulo the product of the primes up to 167.
func rocaModulus(exponent int64) *big.Int {
	product := big.NewInt(2)
	for _, r := range rocaSubgroups() {
		product.Mul(product, new(big.Int).SetUint64(r.prime))
	}
	residue := new(big.Int).Exp(big.NewInt(rocaGenerator), big.NewInt(exponent), product)
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.Sub(n, new(big.Int).Mod(n, product))
	return n.Add(n.Add(n, product), residue)
}

// A key with the fingerprint of ROCA is left out of a set, with a line that says so.
func TestN09ROCA(t *testing.T) {
	if primes := rocaSubgroups(); primes[0].prime != 3 || primes[len(primes)-1].prime != 167 {
		t.Errorf("the primes are %d to %d", primes[0].prime, primes[len(primes)-1].prime)
	}
	for _, exponent := range []int64{0, 1, 2, 1 << 40, 123456789012345} {
		weak := &rsa.PublicKey{N: rocaModulus(exponent), E: 65537}
		set, skipped, err := ParseJWKSet(jwks(rsaJWK(weak, map[string]any{"kid": "weak"}), rsaJWK(&rsaKey().PublicKey, nil)))
		if err != nil || len(set.keys) != 1 || len(skipped) != 1 || !strings.Contains(skipped[0].Error(), "ROCA") {
			t.Errorf("exponent %d: %d keys, skipped %v, %v", exponent, len(set.keys), skipped, err)
		}
		if _, err := newPublicKey(weak); err == nil {
			t.Error("accepted from a PEM file")
		}
	}
}

// No other modulus has it: not one that is a power modulo each prime by itself,
// with exponents that do not agree.
func TestN09OnlyROCA(t *testing.T) {
	random := rsaKey().N
	for i := range int64(2000) {
		if hasROCAFingerprint(new(big.Int).Add(random, big.NewInt(2*i))) {
			t.Fatalf("%d after a random modulus is taken for one", 2*i)
		}
	}
	first, second := rocaModulus(1), rocaModulus(2)
	product := big.NewInt(2)
	for _, r := range rocaSubgroups()[1:] {
		product.Mul(product, new(big.Int).SetUint64(r.prime))
	}
	// modulo 3 as the second, modulo the others as the first
	mixed := new(big.Int).Set(first)
	for three := big.NewInt(3); new(big.Int).Mod(mixed, three).Cmp(new(big.Int).Mod(second, three)) != 0; {
		mixed.Add(mixed, product)
	}
	if hasROCAFingerprint(mixed) {
		t.Error("exponents that do not agree are taken for one")
	}
}
