package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// errNotPublic is the error of a private key or a secret in a key set: everyone who
// can read the set could sign tokens with it.
var errNotPublic = errors.New("which does not belong in a key set")

// The uses of keys that sign tokens: RFC 7517, section 4.2, and those in the
// bundles of SPIFFE (JWT-SVID, section 4).
const (
	useSignature = "sig"
	useSVID      = "jwt-svid"
)

// parseJWK parses a JWK (RFC 7517, section 4) whose key verifies signatures.
// Private keys and secrets are errors that wrap errNotPublic.
func parseJWK(data []byte) (Key, error) {
	members, err := decodeObject(data)
	if err != nil {
		return Key{}, err
	}
	return newJWK(members)
}

// newJWK is parseJWK for decoded members.
func newJWK(members object) (Key, error) {
	if err := checkPurpose(members); err != nil {
		return Key{}, err
	}
	material, err := publicKey(members)
	if err != nil {
		return Key{}, err
	}
	key, err := newPublicKey(material)
	if err != nil {
		return Key{}, err
	}
	return addMetadata(key, members)
}

// checkPurpose rejects keys that are not for verifying signatures (RFC 7517,
// sections 4.2 and 4.3) and private keys.
func checkPurpose(members object) error {
	if _, private := members["d"]; private {
		return fmt.Errorf("is a private key, %w", errNotPublic)
	}
	use, hasUse, err := members.text("use")
	if err != nil {
		return err
	}
	if hasUse && use != useSignature && use != useSVID {
		return fmt.Errorf("is for the use %s (allowed: %s %s)", printable(use), useSignature, useSVID)
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

// addMetadata sets the kid of a key, and limits its algorithms to the alg of the
// JWK (RFC 7517, sections 4.4 and 4.5).
func addMetadata(key Key, members object) (Key, error) {
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
	key.id, key.requiresKID = kid, members["use"] == useSVID
	if key.requiresKID && kid == "" {
		return Key{}, errors.New("is for the use jwt-svid and has no kid, by which alone such a key may be chosen")
	}
	return key, nil
}

// A keyType says which members make a key of a type, and how long they are, in
// bytes, by its curve; 0 for any length (RFC 7518, section 6, and RFC 8037,
// section 2).
type keyType struct {
	members []string
	curves  map[string]int
}

var keyTypes = map[string]keyType{
	"RSA": {[]string{"n", "e"}, nil},
	"EC":  {[]string{"x", "y"}, map[string]int{"P-256": 32, "P-384": 48, "P-521": 66}},
	"OKP": {[]string{"x"}, map[string]int{"Ed25519": 32}},
}

// publicKey returns the public key of a JWK. It validates the members first and
// passes only them to go-jose, which accepts invalid base64url and parses
// certificates that are not used here.
func publicKey(members object) (any, error) {
	kty, _, err := members.text("kty")
	if err != nil {
		return nil, err
	}
	if kty == "oct" {
		return nil, fmt.Errorf("is a secret, %w", errNotPublic)
	}
	of, known := keyTypes[kty]
	if !known {
		return nil, fmt.Errorf("has the kty %q (allowed: RSA, EC, OKP)", printable(kty))
	}
	material := map[string]any{"kty": kty}
	size := 0
	if of.curves != nil {
		crv, _, err := members.text("crv")
		if err != nil {
			return nil, err
		}
		if size, known = of.curves[crv]; !known {
			return nil, fmt.Errorf("has the crv %q (allowed: %s)", printable(crv), strings.Join(slices.Sorted(maps.Keys(of.curves)), ", "))
		}
		material["crv"] = crv
	}
	for _, name := range of.members {
		data, err := members.bytes(name)
		switch {
		case err != nil:
			return nil, err
		case size > 0 && len(data) != size:
			return nil, fmt.Errorf("has an %s that is not %d bytes long", name, size)
		case name == "e" && new(big.Int).SetBytes(data).BitLen() > 31:
			return nil, errors.New("has an exponent of more than 31 bits")
		}
		material[name] = members[name]
	}
	return parsePublicJWK(material)
}

// parsePublicJWK returns the key that go-jose makes of validated members.
func parsePublicJWK(material map[string]any) (any, error) {
	encoded, err := json.Marshal(material)
	if err != nil {
		return nil, err
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(encoded); err != nil {
		return nil, fmt.Errorf("is not a key of its kind: %w", err)
	}
	return key.Key, nil
}

// bytes returns a member in base64url, which must not be empty.
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
