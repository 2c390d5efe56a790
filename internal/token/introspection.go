package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Introspection checks what an introspection endpoint says of tokens (RFC 7662,
// section 2.2), as a Verifier checks the claims of a JWT. It is safe for concurrent
// use. Call NewIntrospection.
type Introspection struct{ verifier *Verifier }

// NewIntrospection returns the checks for the endpoint at a URL. Keys, Algorithms, Type
// and MaxAge of the configuration are not used. With an Issuer, the iss of a response
// must be that one, if it is there. The issuer of an identity without iss is Issuer
// or, without one, the URL. Errors are like those of New.
func NewIntrospection(c Config, url string) (*Introspection, error) {
	v, err := newClaimsVerifier(c)
	if err != nil {
		return nil, err
	}
	v.method, v.defaultIssuer, v.optionalExp = "introspection", url, true
	if c.Issuer != "" {
		v.defaultIssuer = c.Issuer
	}
	return &Introspection{v}, nil
}

// introspectionChecks are made of the members of a response, in the order of
// claimChecks.
var introspectionChecks = []func(*Verifier, header, object) error{
	(*Verifier).checkOptionalIssuer,
	(*Verifier).checkAudience,
	(*Verifier).checkTokenUse,
	(*Verifier).checkSubject,
	(*Verifier).checkTimes,
}

// Token returns the token that a response is about. An *Error means that the token is not
// accepted: for the reason token_revoked it is not active. Any other error means that
// the response does not say whether it is active.
func (i *Introspection) Token(response []byte) (Token, error) {
	claims, err := decodeObject(response)
	if err != nil {
		return Token{}, fmt.Errorf("the response %w", err)
	}
	switch claims["active"] {
	case true:
	case false:
		return Token{}, refuse(authenticator.ReasonTokenRevoked, "problem",
			"the introspection endpoint says that the token is not active: expired, revoked or not of this server")
	case nil:
		return Token{}, errors.New("the response has no active: is the URL that of an introspection endpoint (RFC 7662)?")
	default:
		return Token{}, fmt.Errorf("the response has an active that is %s, where true or false is wanted", describeType(claims["active"]))
	}
	for _, check := range introspectionChecks {
		if err := check(i.verifier, header{}, claims); err != nil {
			return Token{}, err
		}
	}
	if err := i.verifier.checkRequirements(claims); err != nil {
		return Token{}, err
	}
	confirmation, err := ParseConfirmation(claims["cnf"])
	if err != nil {
		return Token{}, err
	}
	id, err := i.verifier.identify(claims, kindOf(claims), confirmation.Bound())
	return Token{id, confirmation}, err
}

// checkOptionalIssuer is checkIssuer for an iss that may be missing.
func (v *Verifier) checkOptionalIssuer(h header, claims object) error {
	if claims["iss"] == nil {
		return nil
	}
	return v.checkIssuer(h, claims)
}

// otherUses are members, and their values in lower case, by which servers tell tokens
// for other purposes from access tokens: those of Keycloak and of Ory Hydra.
var otherUses = []Requirement{
	{"typ", []string{"refresh", "offline", "id", "logout"}},
	{"token_use", []string{"refresh_token", "id_token", "refresh", "id"}},
}

// checkTokenUse rejects tokens that are not bearer tokens (RFC 6749, section 7.1), and
// those that are active but no access tokens: a server may be asked about refresh tokens,
// too (RFC 7662, section 2.1).
func (v *Verifier) checkTokenUse(_ header, claims object) error {
	typ, present, err := claims.text("token_type")
	if err != nil {
		return malformed("the response %v", err)
	}
	switch {
	case strings.EqualFold(typ, "DPoP"):
		if confirmation, err := ParseConfirmation(claims["cnf"]); err != nil || confirmation.KeyThumbprint == "" {
			return unbound("the token is a DPoP token, and the response does not say to which key it is bound (cnf.jkt)")
		}
	case present && !strings.EqualFold(typ, "Bearer"):
		return refuse(authenticator.ReasonTokenType, "expected_type", "Bearer", "received_type", typ)
	}
	for _, other := range otherUses {
		if use, _ := claims[other.Claim].(string); slices.Contains(other.Values, strings.ToLower(use)) {
			return refuse(authenticator.ReasonTokenType, "problem", "it is not an access token: its "+other.Claim+" is "+use)
		}
	}
	return v.checkKind(header{hasTyp: present}, claims)
}
