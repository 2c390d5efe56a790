package token

import (
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// accessToken is the type of access tokens (RFC 9068, section 2.1).
const accessToken = "at+jwt"

// defaultTypes are the types that pass where no type is demanded. Other ones name
// other kinds of tokens, such as dpop+jwt or logout+jwt (RFC 8725, section 3.11).
// JOSE names none.
var defaultTypes = []string{"jwt", accessToken, "jose"}

// accessClaims must be present in access tokens (RFC 9068, section 2.2).
var accessClaims = []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}

// idTokenClaims are only found in ID tokens (OpenID Connect Core, sections 2
// and 3.3.2.11).
var idTokenClaims = []string{"nonce", "at_hash", "c_hash"}

// checkType compares typ (RFC 7515, section 4.1.9).
func (v *Verifier) checkType(h header) error {
	expected := defaultTypes
	if v.typ != "" {
		expected = []string{v.typ}
	}
	if !h.hasTyp && v.typ == "" || h.hasTyp && slices.Contains(expected, normalizeType(h.typ)) {
		return nil
	}
	return refuse(authenticator.ReasonTokenType, "expected_type", strings.Join(expected, " "), "received_type", h.typ)
}

// checkKind tells kinds of tokens apart by their claims: an access token by
// what it must have, and an ID token, which was made for the client and not for
// us, by what only it has.
func (v *Verifier) checkKind(h header, claims object) error {
	if v.typ == accessToken {
		for _, name := range accessClaims {
			if !hasClaim(claims, name) {
				return malformed("the payload has no %s, which an access token must have (RFC 9068, section 2.2)", name)
			}
		}
	}
	if hasClaim(claims, "events") {
		return refuse(authenticator.ReasonTokenType, "problem", "a security event token (RFC 8417) is not an access token: it has events")
	}
	if h.hasTyp && normalizeType(h.typ) != "jose" {
		return nil
	}
	for _, name := range idTokenClaims {
		if hasClaim(claims, name) {
			return refuse(authenticator.ReasonTokenType, "problem", "an ID token is not an access token: it has "+name)
		}
	}
	return nil
}

// normalizeType returns a type in lower case and without the prefix application/,
// which may be left out (RFC 7515, section 4.1.9).
func normalizeType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}
