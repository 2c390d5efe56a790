package token

import (
	"cmp"
	"encoding/base64"
	"errors"
	"strings"
	"unsafe"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const (
	// maxToken is the size of the longest token of a request that is looked at, in
	// bytes, and maxFromIssuer of one that comes from the issuer itself.
	maxToken       = 16 << 10
	maxIssuerToken = 64 << 10
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

	decoded bool // claims and unread are what the payload is
	members object
	unread  error
}

// claims decodes the payload, once.
func (t *jws) claims() (object, error) {
	if !t.decoded {
		var err error
		if t.members, err = decodeObject(t.payload); err != nil {
			t.unread = malformed("the payload %v", err)
		}
		t.decoded = true
	}
	return t.members, t.unread
}

// Unverified is a token that is taken apart. Nothing about it is proven. Call Parse.
type Unverified struct {
	*jws
	raw string
	err error // what breaks its form
}

// Parse takes a token of a request apart, once for all that look at it.
func Parse(raw string) Unverified {
	t, err := parse(raw, maxToken)
	return Unverified{t, raw, err}
}

// Issuer returns the iss that a token claims, so that the verifier of that
// issuer can be chosen. Nothing about it is proven; it serves for no other use.
// It is false for what is no token, or has no string as its iss.
func (t Unverified) Issuer() (string, bool) {
	if t.err != nil {
		return "", false
	}
	claims, err := t.claims()
	if err != nil {
		return "", false
	}
	issuer, present, err := claims.text("iss")
	return issuer, present && err == nil
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

// NotJWT is what is told of a credential that is no JSON Web Token at all.
var NotJWT = authenticator.Detail{Name: "problem", Value: "the token has not three segments"}

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
		return nil, refuse(authenticator.ReasonTokenMalformed, NotJWT.Name, NotJWT.Value)
	}
	end := strings.LastIndexByte(raw, '.')
	first, second, _ := strings.Cut(raw[:end], ".")

	buffer := make([]byte, 0, strictBase64.DecodedLen(len(raw)))
	head, err := appendSegment(buffer, first)
	if err != nil {
		return nil, malformed("the header %v", err)
	}
	t := &jws{signed: raw[:end]}
	if t.header, err = parseHeader(head); err != nil {
		return nil, malformed("the header %v", err)
	}
	if t.payload, err = appendSegment(head[len(head):], second); err != nil {
		return nil, malformed("the payload %v", err)
	}
	if t.signature, err = appendSegment(t.payload[len(t.payload):], raw[end+1:]); err != nil {
		return nil, malformed("the signature %v", err)
	}
	if len(t.signature) == 0 {
		return nil, malformed("the signature is empty")
	}
	return t, nil
}

// strictBase64 refuses unused bits that are not zero.
var strictBase64 = base64.RawURLEncoding.Strict()

// decodeSegment decodes base64url without padding (RFC 7515, section 2).
func decodeSegment(segment string) ([]byte, error) { return appendSegment(nil, segment) }

// appendSegment does the same, and appends to what is there. Line breaks are looked
// for first, since encoding/base64 skips them even when it is strict.
func appendSegment(to []byte, segment string) ([]byte, error) {
	data, err := strictBase64.AppendDecode(to, bytesOf(segment))
	if err != nil || strings.IndexByte(segment, '\n') >= 0 || strings.IndexByte(segment, '\r') >= 0 {
		return nil, errors.New("is not base64url")
	}
	return data, nil
}

// bytesOf returns the bytes of a text, which are not to be written to.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) } //nolint:gosec // read only

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
