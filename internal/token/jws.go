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

// jws is a parsed signature in compact serialization (RFC 7515, section 7.1), which
// is not verified.
type jws struct {
	header    header
	payload   []byte
	signed    string // the signing input: header and payload, encoded
	signature []byte

	decoded bool // members and unread are set
	members object
	unread  error
}

// claims decodes the payload once.
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

// Unverified is a parsed token that is not verified. Call Parse.
type Unverified struct {
	*jws
	raw string
	err error // why it is malformed
}

// Parse parses the token of a request, once for all verifiers.
func Parse(raw string) Unverified {
	t, err := parse(raw, maxToken)
	return Unverified{t, raw, err}
}

// Issuer returns the unverified iss of a token. Use it only to choose the verifier.
// It returns false if the token is malformed or if iss is not a string.
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

// header holds the used members of a JOSE header (RFC 7515, section 4.1). Members
// with keys or their URLs (jku, jwk, x5u, x5c) are ignored: a token's key is never
// taken from the token. Only ParseSelfSigned reads jwk.
type header struct {
	algorithm string
	keyID     string
	typ       string
	hasTyp    bool
}

// NotJWT is the detail of a credential that is not a JWT.
var NotJWT = authenticator.Detail{Name: "problem", Value: "the token has not three segments"}

// parse parses a token of at most limit bytes. It must have three segments in
// strict base64url. Encrypted tokens and the JSON serializations are rejected.
func parse(raw string, limit int) (*jws, error) {
	t, head, err := split(raw, limit)
	if err != nil {
		return nil, err
	}
	if t.header, err = parseHeader(head); err != nil {
		return nil, malformed("the header %v", err)
	}
	return t, nil
}

// split decodes the three segments of a token of at most limit bytes, and returns the
// header as JSON.
func split(raw string, limit int) (t *jws, head []byte, err error) {
	if len(raw) > limit {
		return nil, nil, malformed("the token is longer than %d bytes", limit)
	}
	switch segments := strings.Count(raw, ".") + 1; {
	case strings.Contains(raw, `"`):
		return nil, nil, malformed("the token stands in quotes: send it without them")
	case segments == 5:
		return nil, nil, malformed("the token is an encrypted token (JWE), of five segments: have the issuer send a signed one (JWS)")
	case segments != 3:
		return nil, nil, refuse(authenticator.ReasonTokenMalformed, NotJWT.Name, NotJWT.Value)
	}
	end := strings.LastIndexByte(raw, '.')
	first, second, _ := strings.Cut(raw[:end], ".")

	buffer := make([]byte, 0, strictBase64.DecodedLen(len(raw)))
	if head, err = appendSegment(buffer, first); err != nil {
		return nil, nil, malformed("the header %v", err)
	}
	t = &jws{signed: raw[:end]}
	if t.payload, err = appendSegment(head[len(head):], second); err != nil {
		return nil, nil, malformed("the payload %v", err)
	}
	if t.signature, err = appendSegment(t.payload[len(t.payload):], raw[end+1:]); err != nil {
		return nil, nil, malformed("the signature %v", err)
	}
	if len(t.signature) == 0 {
		return nil, nil, malformed("the signature is empty")
	}
	return t, head, nil
}

// strictBase64 refuses unused bits that are not zero.
var strictBase64 = base64.RawURLEncoding.Strict()

// decodeSegment decodes base64url without padding (RFC 7515, section 2).
func decodeSegment(segment string) ([]byte, error) { return appendSegment(nil, segment) }

// appendSegment decodes a segment and appends it. It rejects line breaks, which
// encoding/base64 ignores even in strict mode.
func appendSegment(to []byte, segment string) ([]byte, error) {
	data, err := strictBase64.AppendDecode(to, bytesOf(segment))
	if err != nil || strings.IndexByte(segment, '\n') >= 0 || strings.IndexByte(segment, '\r') >= 0 {
		return nil, errors.New("is not base64url")
	}
	return data, nil
}

// bytesOf returns the bytes of a string without copying them. They must not be
// changed.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) } //nolint:gosec // read only

// parseHeader parses a JOSE header.
func parseHeader(data []byte) (header, error) {
	members, err := decodeHeader(data)
	if err != nil {
		return header{}, err
	}
	return newHeader(members)
}

// decodeHeader decodes a JOSE header of at most maxHeader bytes.
func decodeHeader(data []byte) (object, error) {
	if len(data) > maxHeader {
		return nil, errors.New("is too long")
	}
	return decodeObject(data)
}

// newHeader returns the used members of a header. It rejects crit (RFC 7515, section
// 4.1.11), because no extension is supported.
func newHeader(members object) (header, error) {
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
