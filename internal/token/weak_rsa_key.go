package token

import (
	"math/big"
	"sync"
)

// rocaGenerator generates the subgroups that contain the RSA moduli of a faulty
// library (ROCA, CVE-2017-15361): modulo each small prime they are a power of it.
// The private keys of such moduli can be computed.
const rocaGenerator = 65537

// rocaPrimes is the number of odd primes, 3 to 167, that the library used for its
// smallest keys. Those of larger keys include them.
const rocaPrimes = 38

// rocaSubgroup is the multiplicative subgroup that rocaGenerator generates modulo a
// prime, with discrete logarithms.
type rocaSubgroup struct {
	prime     uint64
	order     uint64
	exponents map[uint64]uint64 // the discrete logarithm of each power
}

// rocaSubgroups are computed for the first RSA key.
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

// hasROCAFingerprint reports whether one power of rocaGenerator is congruent to the
// modulus for all primes, which is not the case for random moduli. The discrete
// logarithms must agree modulo the common divisors of their orders (Chinese
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
