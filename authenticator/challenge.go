package authenticator

import (
	"errors"
	"fmt"
)

// Challenge is one member of WWW-Authenticate (RFC 9110, section 11.3).
type Challenge struct {
	// Scheme is the authentication scheme, such as Basic or Bearer.
	Scheme string
	// Params are the auth-params, in the order to send. Names are lower-case
	// and occur once; values are plain text, quoted when they are written.
	Params []Param
}

// Param is an auth-param. Its Value is sent as a quoted-string.
type Param struct {
	Name, Value string
}

// ChallengeRequest is what an authenticator is told when it is asked for the challenges
// of a refusal. The zero value asks for plain challenges without an error.
type ChallengeRequest struct {
	// Method is the authenticator whose credential failed, or "".
	Method string
	// Verdict and Reason say how that credential failed.
	Verdict Verdict
	Reason  Reason
	// Scopes are all scopes that the operation needs (RFC 6750, section 3.1);
	// set together with ReasonInsufficientScope.
	Scopes []string
	// ACRValues and MaxAge ask for a stronger or fresher sign-in (RFC 9470,
	// section 3); set together with ReasonStepUpRequired. MaxAge is in seconds,
	// negative when not asked for.
	ACRValues []string
	MaxAge    int64
}

// maxRealm bounds a realm, in bytes.
const maxRealm = 200

// CheckRealm returns an error unless a realm can be sent as it is: printable
// ASCII, since what else there may be is not agreed on (RFC 7617, section 3).
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
