package token

import (
	"cmp"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

const (
	// maxToken is the size of the longest token of a request that is looked at, in
	// bytes, and maxFromIssuer of one that comes from the issuer itself.
	maxToken      = 16 << 10
	maxFromIssuer = 64 << 10
	// maxHeader is the size of the longest decoded header, in bytes.
	maxHeader = 4 << 10
	// maxKeyID is the size of the longest kid, in bytes.
	maxKeyID = 256
)

// jws is a signature in compact serialization (RFC 7515, section 7.1), taken
// apart and not verified.
type jws struct {
	header    header
	payload   []byte
	signed    string // the signing input: header and payload, encoded
	signature []byte
}

// header is what counts of a JOSE header (RFC 7515, section 4.1). Members that
// name or carry keys (jku, jwk, x5u, x5c) are not among it: a key is never
// taken from the token that it would verify.
type header struct {
	algorithm string
	keyID     string
	typ       string
	hasTyp    bool
}

// NoJWT is what is told of a credential that is no JSON Web Token at all.
var NoJWT = identity.Detail{Name: "problem", Value: "the token has not three segments"}

// parse takes raw apart, of at most limit bytes. Three segments, each in strict
// base64url: encrypted tokens and the JSON serializations are refused.
func parse(raw string, limit int) (*jws, error) {
	if len(raw) > limit {
		return nil, malformed("the token is longer than %d bytes", limit)
	}
	switch segments := strings.Count(raw, ".") + 1; {
	case strings.Contains(raw, `"`):
		return nil, malformed("the token stands in quotes: send it without them")
	case segments == 5:
		return nil, malformed("the token is an encrypted token (JWE), of five segments: have the issuer send a signed one (JWS)")
	case segments != 3:
		return nil, refuse(identity.ReasonTokenMalformed, NoJWT.Name, NoJWT.Value)
	}
	end := strings.LastIndexByte(raw, '.')
	first, second, _ := strings.Cut(raw[:end], ".")

	head, err := decodeSegment(first)
	if err != nil {
		return nil, malformed("the header %v", err)
	}
	t := &jws{signed: raw[:end]}
	if t.header, err = parseHeader(head); err != nil {
		return nil, malformed("the header %v", err)
	}
	if t.payload, err = decodeSegment(second); err != nil {
		return nil, malformed("the payload %v", err)
	}
	if t.signature, err = decodeSegment(raw[end+1:]); err != nil {
		return nil, malformed("the signature %v", err)
	}
	if len(t.signature) == 0 {
		return nil, malformed("the signature is empty")
	}
	return t, nil
}

// decodeSegment decodes base64url without padding (RFC 7515, section 2). The
// alphabet is checked first, since encoding/base64 skips line breaks even when
// it is strict; strict, it refuses unused bits that are not zero.
func decodeSegment(segment string) ([]byte, error) {
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return nil, errors.New("is not base64url")
		}
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return nil, errors.New("is not base64url")
	}
	return data, nil
}

// parseHeader reads a JOSE header. Extensions that must be understood
// (RFC 7515, section 4.1.11) are refused, since none is.
func parseHeader(data []byte) (header, error) {
	if len(data) > maxHeader {
		return header{}, errors.New("is too long")
	}
	members, err := decodeObject(data)
	if err != nil {
		return header{}, err
	}
	if _, critical := members["crit"]; critical {
		return header{}, errors.New("demands extensions with crit")
	}
	var (
		h                      header
		hasAlg                 bool
		errAlg, errKid, errTyp error
	)
	h.algorithm, hasAlg, errAlg = members.text("alg")
	h.keyID, _, errKid = members.text("kid")
	h.typ, h.hasTyp, errTyp = members.text("typ")
	switch {
	case !hasAlg:
		return header{}, errors.New("has no alg")
	case len(h.keyID) > maxKeyID:
		return header{}, errors.New("has a kid that is too long")
	}
	h.algorithm = Canonical(h.algorithm)
	return h, cmp.Or(errAlg, errKid, errTyp)
}

// Issuer returns the iss that a token claims, so that the verifier of that
// issuer can be chosen. Nothing about it is proven; it serves for no other use.
// It is false for what is no token, or has no string as its iss.
func Issuer(raw string) (string, bool) {
	t, err := parse(raw, maxToken)
	if err != nil {
		return "", false
	}
	claims, err := decodeObject(t.payload)
	if err != nil {
		return "", false
	}
	issuer, present, err := claims.text("iss")
	return issuer, present && err == nil
}
