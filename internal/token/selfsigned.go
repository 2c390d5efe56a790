package token

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// SelfSigned is a JWT whose header has the public key that signed it (jwk; RFC 7515,
// section 4.1.3), such as a DPoP proof. It proves only that its sender has the private
// key: compare Thumbprint with the key that is expected. Call ParseSelfSigned.
type SelfSigned struct {
	// Type is typ in lower case and without application/, or "".
	Type string
	// Algorithm is alg, where Ed25519 is EdDSA.
	Algorithm string
	// Thumbprint is the JWK thumbprint of the key (RFC 7638, with SHA-256), in
	// base64url without padding.
	Thumbprint string

	jws    *jws
	claims object
	key    Key
}

// maxEmbeddedRSABits is the size of the largest RSA key in a header, in bits: the client
// chooses it, and a larger one only makes verification slow.
const maxEmbeddedRSABits = 4096

// privateMembers are the members of a JWK that make it a private key or a secret (RFC
// 7518, section 6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// ParseSelfSigned parses a token of at most limit bytes, and does not verify its
// signature. It fails with an *Error for other forms than a signed JWT in compact
// serialization, and for a key that is private, weak or missing, or that does not fit
// the algorithm.
func ParseSelfSigned(raw string, limit int) (*SelfSigned, error) {
	t, head, err := split(raw, limit)
	if err != nil {
		return nil, err
	}
	members, err := decodeHeader(head)
	if err == nil {
		t.header, err = newHeader(members)
	}
	if err != nil {
		return nil, malformed("the header %v", err)
	}
	key, err := embeddedKey(members)
	if err != nil {
		return nil, malformed("the jwk %v", err)
	}
	if !key.fits(t.header.algorithm) {
		return nil, malformed("the algorithm %s is not one of the key (allowed: %s)", printable(t.header.algorithm), strings.Join(key.algorithms, " "))
	}
	s := &SelfSigned{Algorithm: t.header.algorithm, Thumbprint: key.thumbprint, jws: t, key: key}
	if t.header.hasTyp {
		s.Type = normalizeType(t.header.typ)
	}
	if s.claims, err = t.claims(); err != nil {
		return nil, err
	}
	return s, nil
}

// embeddedKey returns the public key in a header.
func embeddedKey(header object) (Key, error) {
	jwk, ok := header["jwk"].(map[string]any)
	if !ok {
		return Key{}, errors.New("is missing or not an object")
	}
	if slices.ContainsFunc(privateMembers, func(name string) bool { _, private := jwk[name]; return private }) {
		return Key{}, errors.New("is a private key or a secret")
	}
	key, err := newJWK(jwk)
	if err == nil && key.bits() > maxEmbeddedRSABits {
		return Key{}, errors.New("is too large")
	}
	return key, err
}

// VerifySignature reports whether the key in the header made the signature.
func (s *SelfSigned) VerifySignature() bool {
	return s.key.verify(s.Algorithm, s.jws.signed, s.jws.signature)
}

// Text returns the string claim with a name. It returns false if the claim is missing
// or null. Any other type is an error.
func (s *SelfSigned) Text(name string) (string, bool, error) { return s.claims.text(name) }

// Time returns the claim with a name that is a time (a NumericDate), like Text.
func (s *SelfSigned) Time(name string) (time.Time, bool, error) { return s.claims.time(name) }
