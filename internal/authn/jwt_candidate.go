package authn

import (
	"slices"

	"golang.org/x/time/rate"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// How many rejected tokens of all sites have their signature checked for the log alone:
// forged ones must not keep the processors from other tokens.
const (
	candidates      = 100
	candidatesEvery = 50 // a second
)

var candidateLimit = rate.NewLimiter(candidatesEvery, candidates)

// genuine are the reasons for which a token that its issuer signed is rejected.
var genuine = []authenticator.Reason{
	authenticator.ReasonTokenExpired, authenticator.ReasonTokenNotYetValid, authenticator.ReasonTokenAudience, authenticator.ReasonTokenType,
	authenticator.ReasonTokenUnbound, authenticator.ReasonCredentialsInvalid,
}

// candidate returns the subject of a rejected token, for the log, if one of the loaded
// keys has signed it and a processor is free to check that now, else "".
func (j *JWT) candidate(raw string, reason authenticator.Reason) string {
	if !slices.Contains(genuine, reason) || !candidateLimit.Allow() || !signatures.TryAcquire() {
		return ""
	}
	defer signatures.Release()
	return j.verifier.Subject(raw)
}
