package token

import (
	"fmt"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Confirmation says to which keys of its holder a token is bound (RFC 7800): a token
// that is not the zero Confirmation is valid only with a proof of each of them. Its
// fields are SHA-256 hashes in base64url without padding, of 43 characters, or "".
type Confirmation struct {
	// KeyThumbprint is the JWK thumbprint of the key that signs DPoP proofs (jkt; RFC
	// 9449, section 6.1).
	KeyThumbprint string
	// CertificateThumbprint is the hash of the client certificate in DER (x5t#S256;
	// RFC 8705, section 3.1).
	CertificateThumbprint string
}

// The members of cnf that can be checked.
const (
	confirmKey         = "jkt"
	confirmCertificate = "x5t#S256"
)

// ParseConfirmation reads the claim cnf, as decoded from JSON; a missing one is nil. It
// is an *Error if cnf has another form or another member than jkt and x5t#S256: such
// a binding cannot be checked, so that the token could be a stolen one.
func ParseConfirmation(cnf any) (Confirmation, error) {
	var c Confirmation
	if cnf == nil {
		return c, nil
	}
	members, ok := cnf.(map[string]any)
	if !ok || len(members) == 0 {
		return c, unbound("the cnf is not an object with members")
	}
	for name, value := range members {
		text, ok := value.(string)
		if sum, err := decodeSegment(text); name == confirmKey || name == confirmCertificate {
			if !ok || err != nil || len(sum) != thumbprintSize {
				return Confirmation{}, unbound(fmt.Sprintf("the %s in cnf is not a SHA-256 hash in base64url", name))
			}
		}
		switch name {
		case confirmKey:
			c.KeyThumbprint = text
		case confirmCertificate:
			c.CertificateThumbprint = text
		default:
			return Confirmation{}, unbound(fmt.Sprintf("the cnf has the member %s (allowed: %s, %s)", printable(name), confirmKey, confirmCertificate))
		}
	}
	return c, nil
}

// thumbprintSize is the length of a thumbprint, in bytes.
const thumbprintSize = 32

// unbound returns the *Error of a token whose holder cannot be checked.
func unbound(problem string) *Error {
	return refuse(authenticator.ReasonTokenUnbound, "problem", problem)
}

// Bound returns the value of Identity.Bound: none, dpop or certificate. A token that
// is bound to both is dpop.
func (c Confirmation) Bound() string {
	switch {
	case c.KeyThumbprint != "":
		return "dpop"
	case c.CertificateThumbprint != "":
		return "certificate"
	}
	return "none"
}

// checkConfirmation rejects tokens whose cnf cannot be checked. A proof is the caller's
// to check.
func (v *Verifier) checkConfirmation(_ header, claims object) error {
	_, err := ParseConfirmation(claims["cnf"])
	return err
}
