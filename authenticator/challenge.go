package authenticator

import (
	"errors"
	"fmt"
)

// Challenge is one challenge in WWW-Authenticate (RFC 9110, section 11.6.1).
type Challenge struct {
	// Scheme is the authentication scheme, such as Basic or Bearer.
	Scheme string
	// Params are the parameters, in the order to send. A realm is added if there is
	// none. Each is sent as a quoted-string of printable ASCII, of at most 512 bytes.
	Params []Param
}

// Param is a parameter of a challenge: a token, and text that need not be quoted.
type Param struct {
	Name, Value string
}

// ChallengeRequest is what a method is told when it is asked for its challenges. All
// but Browser and MaxAge is zero for a method whose credential is not the one that was
// denied.
type ChallengeRequest struct {
	// Browser says that a browser sends the request, for a page or by a script.
	Browser bool
	// Method is the name of the method whose credential was denied, or "".
	Method string
	// Scheme is the authentication scheme of the credential, in lower case, or "" if it
	// was not in Authorization.
	Scheme string
	// Verdict and Reason are those of the credential, or of the policies.
	Verdict Verdict
	Reason  Reason
	// DPoPNonce is that of the outcome: the challenge of the scheme DPoP has to say
	// use_dpop_nonce (RFC 9449, section 9).
	DPoPNonce string
	// Scopes are all scopes that the operation needs (RFC 6750, section 3.1); set with
	// ReasonInsufficientScope.
	Scopes []string
	// ACRValues and MaxAge ask for a stronger or more recent sign-in (RFC 9470,
	// section 3); set with ReasonStepUpRequired. MaxAge is in seconds, and negative if
	// the policies do not ask for it. A method whose callers can get such a credential
	// answers with the parameter error="insufficient_user_authentication"; callers of
	// other methods get 403.
	ACRValues []string
	MaxAge    int64
}

// maxRealm bounds a realm, in bytes.
const maxRealm = 200

// CheckRealm returns an error unless a realm can be sent as it is: 1 to 200
// characters of printable ASCII (RFC 7617, section 3, leaves others undefined).
func CheckRealm(realm string) error {
	for _, r := range realm {
		if r < 0x20 || r >= 0x7f {
			return fmt.Errorf("realm %q: only printable ASCII can be sent", realm)
		}
	}
	if realm == "" || len(realm) > maxRealm {
		return errors.New("realm: want 1 to 200 characters")
	}
	return nil
}
