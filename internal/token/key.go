package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// The sizes of RSA moduli, in bits. The smallest is RFC 7518's, section 3.3; a
// larger one than the largest only makes verification slow.
const (
	minRSABits = 2048
	maxRSABits = 16384
)

// Key verifies signatures with its algorithms only. It is immutable. The zero Key
// has no algorithm.
type Key struct {
	// id is the kid that the issuer published for it, or its thumbprint if pinned.
	id string
	// pinned says that an operator chose this key, so that tokens may name it as
	// they like, since no kid of it was ever published.
	pinned bool
	// requiresKID says that only tokens with its kid mean this key.
	requiresKID bool
	// material is a []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
	material   any
	algorithms []string
	thumbprint string
}

// fits reports whether k verifies signatures with an algorithm.
func (k Key) fits(algorithm string) bool { return slices.Contains(k.algorithms, algorithm) }

// equal reports whether k and other are the same key with the same kid and
// algorithms.
func (k Key) equal(other Key) bool {
	return k.id == other.id && k.thumbprint == other.thumbprint && slices.Equal(k.algorithms, other.algorithms)
}

// keyType returns the key type and the curve, within which a kid must be unique.
func (k Key) keyType() string {
	if public, ok := k.material.(*ecdsa.PublicKey); ok {
		return public.Curve.Params().Name
	}
	return fmt.Sprintf("%T", k.material)
}

// bits returns the size of an RSA modulus, and 0 for other keys.
func (k Key) bits() int {
	if public, ok := k.material.(*rsa.PublicKey); ok {
		return public.N.BitLen()
	}
	return 0
}

// verify reports whether a signature over signed is valid.
func (k Key) verify(algorithm, signed string, signature []byte) bool {
	method := methods[algorithm]
	return method != nil && k.fits(algorithm) && method.Verify(signed, signature, k.material) == nil
}

// newPublicKey returns a key without a kid. Weak keys and unsupported types are
// errors.
func newPublicKey(material any) (Key, error) {
	switch public := material.(type) {
	case *rsa.PublicKey:
		return newRSAKey(public)
	case *ecdsa.PublicKey:
		return newECDSAKey(public)
	case ed25519.PublicKey:
		k := Key{material: public, algorithms: ed25519Algorithms}
		k.thumbprint = thumbprint(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, public)
		return k, nil
	}
	return Key{}, errors.New("is of an unsupported kind (allowed: RSA, EC on P-256, P-384 or P-521, Ed25519)")
}

// newRSAKey validates an RSA key (RFC 8017, section 3.1).
func newRSAKey(public *rsa.PublicKey) (Key, error) {
	switch bits := public.N.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return Key{}, fmt.Errorf("is an RSA key of %d bits (allowed: %d to %d)", bits, minRSABits, maxRSABits)
	case public.N.Bit(0) == 0:
		return Key{}, errors.New("is an RSA key with an even modulus")
	case public.E < 3 || public.E%2 == 0:
		return Key{}, fmt.Errorf("is an RSA key with the exponent %d (allowed: odd numbers from 3)", public.E)
	case hasROCAFingerprint(public.N):
		return Key{}, errors.New("is an RSA key of a faulty generator (ROCA, CVE-2017-15361): its private key can be computed, replace it")
	}
	k := Key{material: public, algorithms: rsaAlgorithms}
	k.thumbprint = thumbprint(`{"e":"%s","kty":"RSA","n":"%s"}`, big.NewInt(int64(public.E)).Bytes(), public.N.Bytes())
	return k, nil
}

// curveAlgorithms are the algorithms of curves (RFC 7518, section 3.4).
var curveAlgorithms = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

// newECDSAKey returns a key with the only algorithm of its curve.
func newECDSAKey(public *ecdsa.PublicKey) (Key, error) {
	curve := public.Curve.Params().Name
	algorithm, ok := curveAlgorithms[curve]
	if !ok {
		return Key{}, fmt.Errorf("is on the curve %s (allowed: P-256, P-384, P-521)", curve)
	}
	point, err := public.Bytes()
	if err != nil {
		return Key{}, errors.New("is not a point of its curve")
	}
	half := len(point) / 2
	k := Key{material: public, algorithms: []string{algorithm}}
	k.thumbprint = thumbprint(`{"crv":"`+curve+`","kty":"EC","x":"%s","y":"%s"}`, point[1:half+1], point[half+1:])
	return k, nil
}

// thumbprint returns the JWK thumbprint of a key from its required members in
// canonical form (RFC 7638, section 3.2; RFC 8037, section 2).
func thumbprint(form string, members ...[]byte) string {
	encoded := make([]any, len(members))
	for i, member := range members {
		encoded[i] = base64.RawURLEncoding.EncodeToString(member)
	}
	digest := sha256.Sum256(fmt.Appendf(nil, form, encoded...))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}
