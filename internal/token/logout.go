package token

import (
	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// logoutToken is the type of logout tokens, and logoutEvent the member of events
// that makes one (OpenID Connect Back-Channel Logout, section 2.4).
const (
	logoutToken = "logout+jwt"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// LogoutToken identifies the sessions to end. At least one of Subject and SessionID
// is set.
type LogoutToken struct {
	// Subject is the issuer's identifier of the user, and SessionID that of the
	// session, or "".
	Subject, SessionID string
	// ID is the token's jti, by which replays are detected.
	ID string
}

// logoutChecks are the checks of Back-Channel Logout, section 2.6, that need no
// key.
var logoutChecks = []func(*Verifier, header, object) error{
	(*Verifier).checkIssuer,
	(*Verifier).checkAudience,
	(*Verifier).checkSubject,
	(*Verifier).checkIssuedAt,
	(*Verifier).checkTimes,
	(*Verifier).checkLogout,
}

// VerifyLogout verifies a logout token for the client whose ID is the verifier's
// only audience. The typ may be missing (section 4.1). An error is an *Error.
func (v *Verifier) VerifyLogout(raw string) (*LogoutToken, error) {
	t, claims, err := v.parseType(raw, logoutToken, v.algorithms, logoutChecks)
	if err != nil {
		return nil, err
	}
	if err := v.checkSignature(t); err != nil {
		return nil, err
	}
	logout := &LogoutToken{SessionID: stringOrNumber(claims["sid"]), ID: stringOrNumber(claims["jti"])}
	logout.Subject, _, _ = claims.text("sub") // checked by checkSubject
	if hasClaim(claims, "sid") && logout.SessionID == "" {
		return nil, malformed("the payload has a sid that is not a string")
	}
	if logout.Subject == "" && logout.SessionID == "" || logout.ID == "" {
		return nil, malformed("the payload has neither sub nor sid, or no jti")
	}
	return logout, nil
}

// checkLogout requires the event of a logout token and rejects a nonce, which only
// ID tokens have.
func (v *Verifier) checkLogout(_ header, claims object) error {
	if hasClaim(claims, "nonce") {
		return refuse(authenticator.ReasonTokenType, "problem", "an ID token is not a logout token: it has nonce")
	}
	events, _ := claims["events"].(map[string]any)
	if _, object := events[logoutEvent].(map[string]any); !object {
		return refuse(authenticator.ReasonTokenType, "problem", "the events are not those of a logout token")
	}
	return nil
}
