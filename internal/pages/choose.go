package pages

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Case is all that the choice of a refusal's status depends on.
type Case struct {
	// Outcome is what became of the caller's credential.
	Outcome authenticator.Outcome
	// Reason is why the request is refused: the outcome's own or the policy's.
	Reason authenticator.Reason
	// Status is the status that a policy asked for, a redirect's among them, or 0.
	Status int
	// StepUp says that the policy wants a stronger or fresher sign-in, Scopes
	// that it misses scopes.
	StepUp, Scopes bool
	// Challenged says that some method can be asked for in a challenge, OwnChallenge
	// that the policy brings one.
	Challenged, OwnChallenge bool
	// SignIn says that signing in elsewhere may help, Navigation that the answer
	// is shown by a browser, which can be sent there.
	SignIn, Navigation bool
	// Conceal says that known callers are not told what they may not see.
	Conceal bool
}

// Choose returns the reason and the status of a refusal. This is the one place
// that tells 401 from 403: a caller who could do better by signing in gets 401
// (RFC 9110, section 15.5.2), one who is known and may not gets 403 (section
// 15.5.4), or 404 where that is concealed.
func Choose(c Case) (authenticator.Reason, int) {
	reason, status := c.choose()
	switch {
	case status == http.StatusUnauthorized && !c.Challenged && !(c.OwnChallenge && c.Status == status):
		status = http.StatusForbidden // a 401 needs a challenge (section 15.5.2)
	case status == http.StatusProxyAuthRequired:
		status = http.StatusForbidden // a proxy's answer to its own clients (section 15.5.8)
	}
	if status == http.StatusForbidden && c.Conceal && c.Outcome.Verdict == authenticator.Accepted {
		status = http.StatusNotFound
	}
	return reason, status
}

func (c Case) choose() (authenticator.Reason, int) {
	switch c.Outcome.Verdict {
	case authenticator.Malformed:
		return c.Outcome.Reason, malformed(c.Outcome.Reason)
	case authenticator.Unavailable:
		return c.Outcome.Reason, http.StatusServiceUnavailable
	case authenticator.Accepted:
		return c.denied(true)
	case authenticator.Absent:
		return c.denied(false)
	}
	return c.Outcome.Reason, rejected(c.Outcome.Reason)
}

// malformed returns the status for a request that is not read.
func malformed(reason authenticator.Reason) int {
	switch reason {
	case authenticator.ReasonUpgradeRefused:
		return http.StatusNotImplemented // RFC 8441, section 4; RFC 9110, section 15.6.2
	case authenticator.ReasonEarlyData:
		return http.StatusTooEarly // RFC 8470, section 5.2
	}
	return http.StatusBadRequest
}

// rejected returns the status for a credential that was not accepted.
func rejected(reason authenticator.Reason) int {
	switch reason {
	case authenticator.ReasonThrottled:
		return http.StatusTooManyRequests
	case authenticator.ReasonInsecureTransport, authenticator.ReasonCookieDomain, authenticator.ReasonCrossSite, authenticator.ReasonOriginRefused:
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

// denied returns the answer to a request that no policy allowed.
func (c Case) denied(known bool) (authenticator.Reason, int) {
	switch c.Reason {
	case authenticator.ReasonPolicyError, authenticator.ReasonPolicyTimeout:
		return c.Reason, http.StatusInternalServerError
	case authenticator.ReasonPathAmbiguous:
		return c.Reason, http.StatusBadRequest
	case authenticator.ReasonPolicyUnavailable, authenticator.ReasonStoreUnavailable, authenticator.ReasonBusy:
		return c.Reason, http.StatusServiceUnavailable
	}
	switch {
	case known && c.StepUp && c.SignIn && c.Navigation:
		return authenticator.ReasonStepUpRequired, http.StatusSeeOther // signing in again is the step up (R-SU-5)
	case known && c.StepUp:
		return authenticator.ReasonStepUpRequired, http.StatusUnauthorized
	case known && c.Scopes:
		return authenticator.ReasonInsufficientScope, http.StatusForbidden
	case c.Status != 0:
		return c.Reason, c.Status
	case c.SignIn && c.Navigation:
		return c.signInReason(known), http.StatusSeeOther
	case c.SignIn:
		return c.signInReason(known), http.StatusUnauthorized
	case known:
		return c.Reason, http.StatusForbidden
	}
	return c.signInReason(false), http.StatusUnauthorized
}

// signInReason returns why a caller has to sign in, known or not. A caller who had a
// session is told that it is over (R-SES-6).
func (c Case) signInReason(known bool) authenticator.Reason {
	switch c.Outcome.Reason {
	case authenticator.ReasonSessionExpired, authenticator.ReasonSessionRevoked:
		return c.Outcome.Reason
	}
	if known {
		return c.Reason
	}
	return authenticator.ReasonCredentialsMissing
}

// Applicable returns the challenges that may stand beside a status: all of
// them on a 401, those that explain an error on a 400 or a 403 (RFC 6750,
// section 3.1), none on others, for which they are not made.
func Applicable(status int, challenges func() []authenticator.Challenge) []authenticator.Challenge {
	switch status {
	case http.StatusUnauthorized:
		return challenges()
	case http.StatusBadRequest, http.StatusForbidden:
	default:
		return nil
	}
	var explaining []authenticator.Challenge
	for _, challenge := range challenges() {
		for _, param := range challenge.Params {
			if param.Name == "error" {
				explaining = append(explaining, challenge)
			}
		}
	}
	return explaining
}
