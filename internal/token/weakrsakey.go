package token

import (
	"math/big"
	"sync"
)

// rocaGenerator generates the residues that the primes of a faulty key generator
// have (CVE-2017-15361, ROCA): modulo each small prime they are powers of it, and
// so is the modulus, their product. Who sees such a key can factor it.
const rocaGenerator = 65537

// rocaPrimes is how many odd primes the generator of the smallest keys looked at,
// which those of all larger ones contain: 3 to 167.
const rocaPrimes = 38

// rocaSubgroup are the powers of rocaGenerator modulo a prime.
type rocaSubgroup struct {
	prime     uint64
	order     uint64
	exponents map[uint64]uint64 // by power
}

// rocaSubgroups are computed when the first RSA key is looked at.
var rocaSubgroups = sync.OnceValue(func() []rocaSubgroup {
	all := make([]rocaSubgroup, 0, rocaPrimes)
	for p := uint64(3); len(all) < rocaPrimes; p += 2 {
		if !new(big.Int).SetUint64(p).ProbablyPrime(0) {
			continue
		}
		r := rocaSubgroup{prime: p, exponents: map[uint64]uint64{}}
		for power := uint64(1); ; power = power * rocaGenerator % p {
			if _, seen := r.exponents[power]; seen {
				break
			}
			r.exponents[power] = r.order
			r.order++
		}
		all = append(all, r)
	}
	return all
})

// hasROCAFingerprint reports whether one power of rocaGenerator is congruent to the modulus
// for all the primes at once, which random moduli are not: the exponents that the
// primes ask for must agree wherever their orders have a common divisor (Chinese
// remainder theorem).
func hasROCAFingerprint(modulus *big.Int) bool {
	all := rocaSubgroups()
	exponents := make([]uint64, len(all))
	prime, rest := new(big.Int), new(big.Int)
	for i, r := range all {
		var found bool
		if exponents[i], found = r.exponents[rest.Mod(modulus, prime.SetUint64(r.prime)).Uint64()]; !found {
			return false
		}
		for j, other := range all[:i] {
			if common := gcd(r.order, other.order); exponents[i]%common != exponents[j]%common {
				return false
			}
		}
	}
	return true
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
