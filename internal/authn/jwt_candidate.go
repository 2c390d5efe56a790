package authn

import (
	"slices"

	"golang.org/x/time/rate"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// How many refused tokens have their signature checked for the log alone, in all
// sites together: forged ones must not take the processors from tokens that count.
const (
	candidates      = 100
	candidatesEvery = 50 // a second
)

var candidateLimit = rate.NewLimiter(candidatesEvery, candidates)

// genuine are the reasons for which tokens are refused that their issuer has signed.
var genuine = []authenticator.Reason{
	authenticator.ReasonTokenExpired, authenticator.ReasonTokenNotYetValid, authenticator.ReasonTokenAudience, authenticator.ReasonTokenType,
	authenticator.ReasonTokenUnbound, authenticator.ReasonCredentialsInvalid,
}

// candidate returns whose token was refused, for the log: the subject, if one of the
// keys at hand has signed it and a processor is free to check that now, else "".
func (j *JWT) candidate(raw string, reason authenticator.Reason) string {
	if !slices.Contains(genuine, reason) || !candidateLimit.Allow() || !signatures.TryAcquire() {
		return ""
	}
	defer signatures.Release()
	return j.verifier.Subject(raw)
}
