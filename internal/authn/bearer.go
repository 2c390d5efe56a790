package authn

import (
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// defaultRealm is the protection space of methods that have no realm of their
// own, the word that Caddy's basic_auth uses.
const defaultRealm = "restricted"

// bearerChallenge returns the challenge of a method that takes bearer tokens
// (RFC 6750, section 3). It names an error only if a token was presented
// (section 3.1): what is wrong with it stays in the log.
func bearerChallenge(d identity.Demand) identity.Challenge {
	c := identity.Challenge{Scheme: "Bearer", Params: []identity.Param{{Name: "realm", Value: defaultRealm}}}
	add := func(name, value string) { c.Params = append(c.Params, identity.Param{Name: name, Value: value}) }
	switch {
	case d.Reason == identity.ReasonTokenMalformed && d.Verdict == identity.Malformed, d.Reason == identity.ReasonCredentialsAmbiguous:
		add("error", "invalid_request")
	case d.Reason == identity.ReasonInsufficientScope:
		add("error", "insufficient_scope")
	case d.Reason == identity.ReasonStepUpRequired:
		add("error", "insufficient_user_authentication") // RFC 9470, section 3
	case d.Reason == identity.ReasonCrossSite: // the token was good: another one would not help
	case d.Verdict == identity.Rejected && d.Method != "":
		add("error", "invalid_token")
	}
	if len(d.Scopes) > 0 {
		add("scope", strings.Join(d.Scopes, " "))
	}
	if len(d.ACRValues) > 0 {
		add("acr_values", strings.Join(d.ACRValues, " "))
	}
	if d.MaxAge >= 0 && d.Reason == identity.ReasonStepUpRequired {
		add("max_age", strconv.FormatInt(d.MaxAge, 10))
	}
	return c
}
