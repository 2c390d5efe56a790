package authn

import (
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// defaultRealm is the protection space of methods that have no realm of their
// own, the word that Caddy's basic_auth uses.
const defaultRealm = "restricted"

// bearerChallenge returns the challenge of a method that takes bearer tokens
// (RFC 6750, section 3). It names an error only if a token was presented
// (section 3.1): what is wrong with it stays in the log.
func bearerChallenge(d authenticator.ChallengeRequest) authenticator.Challenge {
	c := authenticator.Challenge{Scheme: "Bearer", Params: []authenticator.Param{{Name: "realm", Value: defaultRealm}}}
	add := func(name, value string) { c.Params = append(c.Params, authenticator.Param{Name: name, Value: value}) }
	switch {
	case d.Reason == authenticator.ReasonTokenMalformed && d.Verdict == authenticator.Malformed, d.Reason == authenticator.ReasonCredentialsAmbiguous:
		add("error", "invalid_request")
	case d.Reason == authenticator.ReasonInsufficientScope:
		add("error", "insufficient_scope")
	case d.Reason == authenticator.ReasonStepUpRequired:
		add("error", "insufficient_user_authentication") // RFC 9470, section 3
	case d.Reason == authenticator.ReasonCrossSite: // the token was good: another one would not help
	case d.Verdict == authenticator.Rejected && d.Method != "":
		add("error", "invalid_token")
	}
	if len(d.Scopes) > 0 {
		add("scope", strings.Join(d.Scopes, " "))
	}
	if len(d.ACRValues) > 0 {
		add("acr_values", strings.Join(d.ACRValues, " "))
	}
	if d.MaxAge >= 0 && d.Reason == authenticator.ReasonStepUpRequired {
		add("max_age", strconv.FormatInt(d.MaxAge, 10))
	}
	return c
}
