package authn

import (
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/dpop"
)

// bearerChallenge returns the challenge of a method that takes bearer tokens
// (RFC 6750, section 3).
func bearerChallenge(d authenticator.ChallengeRequest) authenticator.Challenge {
	return tokenChallenge("Bearer", d)
}

// dpopChallenge returns the challenge of a method that takes tokens with a DPoP proof
// (RFC 9449, sections 7.1 and 9).
func dpopChallenge(d authenticator.ChallengeRequest) authenticator.Challenge {
	c := tokenChallenge("DPoP", d)
	c.Params = append(c.Params, authenticator.Param{Name: "algs", Value: dpopAlgorithms})
	return c
}

// dpopAlgorithms are the algorithms of proofs as challenges list them.
var dpopAlgorithms = strings.Join(dpop.Algorithms(), " ")

// tokenError returns the error of a challenge for a token, which is named only if a token
// was presented (RFC 6750, section 3.1), or "": what is wrong with it stays in the log.
func tokenError(d authenticator.ChallengeRequest) string {
	switch {
	case d.Reason == authenticator.ReasonTokenMalformed && d.Verdict == authenticator.Malformed, d.Reason == authenticator.ReasonCredentialsAmbiguous:
		return "invalid_request"
	case d.Reason == authenticator.ReasonInsufficientScope:
		return "insufficient_scope"
	case d.Reason == authenticator.ReasonStepUpRequired:
		return "insufficient_user_authentication" // RFC 9470, section 3
	case d.Reason == authenticator.ReasonCrossSite: // the token was good: another one would not help
		return ""
	case d.DPoPNonce != "":
		return "use_dpop_nonce"
	case d.Reason == authenticator.ReasonProofInvalid:
		return "invalid_dpop_proof"
	case d.Verdict == authenticator.Rejected && d.Method != "":
		return "invalid_token"
	}
	return ""
}

// tokenChallenge returns the challenge of a scheme that takes tokens.
func tokenChallenge(scheme string, d authenticator.ChallengeRequest) authenticator.Challenge {
	c := authenticator.Challenge{Scheme: scheme, Params: make([]authenticator.Param, 0, 8)}
	add := func(name, value string) { c.Params = append(c.Params, authenticator.Param{Name: name, Value: value}) }
	add("realm", defaultRealm)
	if problem := tokenError(d); problem != "" {
		add("error", problem)
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

// schemeChallenge returns the challenge of a scheme of tokens: Bearer or DPoP.
func schemeChallenge(scheme string, d authenticator.ChallengeRequest) authenticator.Challenge {
	if scheme == dpopSource.Scheme {
		return dpopChallenge(d)
	}
	return bearerChallenge(d)
}

// tokenChallenges returns the challenges of a method that reads tokens in Authorization;
// proofs says that it reads those with a DPoP proof. A cookie and a parameter have no
// scheme to ask for them by: a bearer token would do as well.
func tokenChallenges(o *ChallengeOption, b *BindingOption, proofs bool, d authenticator.ChallengeRequest, describe func(string, authenticator.ChallengeRequest) authenticator.Challenge) []authenticator.Challenge {
	var challenges []authenticator.Challenge
	if o.Challenge == off && d.DPoPNonce == "" {
		return nil
	}
	if !b.RequireDPoP {
		challenges = o.offer(describe(bearerSources[0].Scheme, b.about(d, false)))
	}
	if challenge := describe(dpopSource.Scheme, b.about(d, true)); d.DPoPNonce != "" {
		challenges = append(challenges, challenge) // also with challenge off: without it the client cannot go on (S-24)
	} else if proofs {
		challenges = append(challenges, o.offer(challenge)...)
	}
	return challenges
}

// about returns what the challenge of one of the two schemes of tokens says: an error
// stands only in the scheme that was used (RFC 9449, section 7.2), if both are offered.
func (b *BindingOption) about(d authenticator.ChallengeRequest, withProof bool) authenticator.ChallengeRequest {
	used := d.Scheme == dpopSource.Scheme
	if used != withProof && !b.RequireDPoP && d.Reason != authenticator.ReasonCredentialsAmbiguous {
		return authenticator.ChallengeRequest{MaxAge: -1}
	}
	return d
}
