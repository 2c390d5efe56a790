package clientcert

import (
	"crypto/sha256"
	"crypto/x509"
)

// keyOf identifies a list of certificates. It allocates no memory.
func keyOf(certificates []*x509.Certificate) (k key) {
	for _, certificate := range certificates {
		digest := sha256.Sum256(certificate.Raw)
		k = chained(k, digest)
	}
	return k
}

// keyOfLines identifies the lines of the headers of a forwarded certificate. It differs
// from the key of every list of certificates.
func keyOfLines(leaf, chain []string) (k key) {
	for i, lines := range [][]string{leaf, chain} {
		k = chained(k, key{0: byte(i + 1)})
		for _, line := range lines {
			k = chained(k, sha256.Sum256([]byte(line)))
		}
	}
	return k
}

// chained returns the hash of two.
func chained(a, b key) key {
	var both [2 * sha256.Size]byte
	copy(both[:], a[:])
	copy(both[sha256.Size:], b[:])
	return sha256.Sum256(both[:])
}
