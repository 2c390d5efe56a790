package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// parseJWK returns the key of one JWK (RFC 7517, section 4) if it may verify
// signatures. Secrets and private keys are errors: whoever can read a set that
// holds them can sign, too.
func parseJWK(data []byte) (Key, error) {
	members, err := decodeObject(data)
	if err != nil {
		return Key{}, err
	}
	if err := checkPurpose(members); err != nil {
		return Key{}, err
	}
	material, err := publicMaterial(members)
	if err != nil {
		return Key{}, err
	}
	key, err := newPublicKey(material)
	if err != nil {
		return Key{}, err
	}
	return describe(key, members)
}

// checkPurpose refuses keys that are not meant for verifying (RFC 7517,
// sections 4.2 and 4.3) and those that are not public.
func checkPurpose(members object) error {
	if _, private := members["d"]; private {
		return errors.New("is a private key")
	}
	use, hasUse, err := members.text("use")
	if err != nil {
		return err
	}
	if hasUse && use != "sig" {
		return fmt.Errorf("is for the use %s (allowed: sig)", printable(use))
	}
	operations, hasOperations, err := members.texts("key_ops")
	if err != nil {
		return err
	}
	if hasOperations && !slices.Contains(operations, "verify") {
		return errors.New("is not for the operation verify")
	}
	return nil
}

// describe adds the kid, and narrows the algorithms to the one that the JWK is
// for (RFC 7517, sections 4.4 and 4.5).
func describe(key Key, members object) (Key, error) {
	kid, _, err := members.text("kid")
	if err != nil {
		return Key{}, err
	}
	if len(kid) > maxKeyID {
		return Key{}, errors.New("has a kid that is too long")
	}
	algorithm, narrowed, err := members.text("alg")
	if err != nil {
		return Key{}, err
	}
	algorithm = Canonical(algorithm)
	if narrowed {
		if !key.fits(algorithm) {
			return Key{}, fmt.Errorf("is for the algorithm %s (allowed for such a key: %v)", printable(algorithm), key.algorithms)
		}
		key.algorithms = []string{algorithm}
	}
	key.id = kid
	return key, nil
}

// publicMaterial reads the members that depend on the key's type (RFC 7518,
// section 6, and RFC 8037, section 2).
func publicMaterial(members object) (any, error) {
	kty, _, err := members.text("kty")
	if err != nil {
		return nil, err
	}
	switch kty {
	case "RSA":
		return rsaMaterial(members)
	case "EC":
		return ecMaterial(members)
	case "OKP":
		return okpMaterial(members)
	case "oct":
		return nil, errors.New("is a secret, which does not belong in a key set")
	}
	return nil, fmt.Errorf("has the kty %q (allowed: RSA, EC, OKP)", printable(kty))
}

func rsaMaterial(members object) (any, error) {
	modulus, err := members.bytes("n")
	if err != nil {
		return nil, err
	}
	exponent, err := members.bytes("e")
	if err != nil {
		return nil, err
	}
	e := new(big.Int).SetBytes(exponent)
	if e.BitLen() > 31 {
		return nil, errors.New("has an exponent of more than 31 bits")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(e.Int64())}, nil
}

// curves are the curves of RFC 7518, section 6.2.1.1.
var curves = map[string]elliptic.Curve{
	"P-256": elliptic.P256(),
	"P-384": elliptic.P384(),
	"P-521": elliptic.P521(),
}

// ecMaterial reads a point. Its coordinates have the full size of the curve's
// field (RFC 7518, section 6.2.1.2).
func ecMaterial(members object) (any, error) {
	crv, _, err := members.text("crv")
	if err != nil {
		return nil, err
	}
	curve, ok := curves[crv]
	if !ok {
		return nil, fmt.Errorf("has the crv %q (allowed: P-256, P-384, P-521)", printable(crv))
	}
	x, err := members.bytes("x")
	if err != nil {
		return nil, err
	}
	y, err := members.bytes("y")
	if err != nil {
		return nil, err
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size {
		return nil, fmt.Errorf("has coordinates that are not %d bytes long", size)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, errors.New("is not a point of its curve")
	}
	return public, nil
}

func okpMaterial(members object) (any, error) {
	crv, _, err := members.text("crv")
	if err != nil {
		return nil, err
	}
	if crv != "Ed25519" {
		return nil, fmt.Errorf("has the crv %q (allowed: Ed25519)", printable(crv))
	}
	x, err := members.bytes("x")
	if err != nil {
		return nil, err
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("has an x that is not %d bytes long", ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(x), nil
}

// bytes returns the bytes that o has under name in base64url, at least one.
func (o object) bytes(name string) ([]byte, error) {
	encoded, _, err := o.text(name)
	if err != nil {
		return nil, err
	}
	data, err := decodeSegment(encoded)
	if err != nil || len(data) == 0 {
		return nil, fmt.Errorf("has no usable %s", name)
	}
	return data, nil
}
