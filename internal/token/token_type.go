package token

import (
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// accessToken is the type of access tokens (RFC 9068, section 2.1).
const accessToken = "at+jwt"

// IdentityType is the type of the JWTs by which policy_auth tells an upstream who is
// calling. No verifier accepts it: such a JWT is not a credential of the caller.
const IdentityType = "policy-auth-identity+jwt"

// defaultTypes are the values of typ that are accepted if none is configured. Other
// values, such as dpop+jwt or logout+jwt, name other kinds of tokens (RFC 8725,
// section 3.11). JOSE names no kind.
var defaultTypes = []string{"jwt", accessToken, "jose"}

// accessClaims are required in access tokens (RFC 9068, section 2.2).
var accessClaims = []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}

// idTokenClaims occur in ID tokens only (OpenID Connect Core, sections 2 and
// 3.3.2.11).
var idTokenClaims = []string{"nonce", "at_hash", "c_hash"}

// checkType checks typ (RFC 7515, section 4.1.9).
func (v *Verifier) checkType(h header) error {
	expected := defaultTypes
	if v.typ != "" {
		expected = []string{v.typ}
	}
	typ := normalizeType(h.typ)
	if typ == IdentityType {
		return refuse(authenticator.ReasonTokenType, "problem", "the token was issued by identity_jwt for an upstream and is not a credential")
	}
	if !h.hasTyp && v.typ == "" || h.hasTyp && slices.Contains(expected, typ) {
		return nil
	}
	return refuse(authenticator.ReasonTokenType, "expected_type", strings.Join(expected, " "), "received_type", h.typ)
}

// checkKind distinguishes access tokens from ID tokens, which are for the client,
// and from security event tokens by their claims.
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
