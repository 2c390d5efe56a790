package deny

import (
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
)

// ChooseStatus chooses the status and the reason of a denied request, and adds a hint for
// the operator.
func (rs *Responder) ChooseStatus(r *http.Request, ex *exchange.Exchange, result exchange.Result) exchange.Result {
	if result.Outcome.Verdict == authenticator.Absent {
		result.Unread = rs.Chain.UnreadCredentials(r)
		if names := result.Unread.Names; len(names) > 0 {
			result.Outcome.Details = append(slices.Clone(result.Outcome.Details), authenticator.Detail{Name: "unread_credential", Value: strings.Join(names, ", ")})
		}
	}
	result.Navigation = rs.Target != nil && pages.IsNavigation(r)
	result.Reason, result.Status = rs.statusCase(r, ex, &result).choose()
	result.Hint = rs.hint(r, ex, &result)
	return result
}

// statusCase gathers what the status depends on.
func (rs *Responder) statusCase(r *http.Request, ex *exchange.Exchange, result *exchange.Result) statusCase {
	decision := &result.Decision
	c := statusCase{
		outcome: result.Outcome, reason: decision.Reason, status: decision.Status,
		challenged: rs.Chain.Challenged() || rs.Target != nil || len(result.Outcome.Challenges) > 0, certificates: rs.Chain.ReadsCertificates(), conceal: rs.Conceal,
		signIn: rs.offersSignIn(r, ex, result), navigation: result.Navigation, ownChallenge: pages.HasChallenge(decision.Headers),
	}
	if decision.Redirect != nil {
		c.status = decision.Redirect.Status
	}
	if challenge := decision.Challenge; challenge != nil {
		c.stepUp, c.scopes = stepsUp(challenge) && rs.canStepUp(result), len(challenge.Scopes) > 0
	}
	return c
}

// statusCase is everything that the status of a denied request depends on.
type statusCase struct {
	// outcome is the result of authentication.
	outcome authenticator.Outcome
	// reason is the reason of the policy's decision.
	reason authenticator.Reason
	// status is the status that the policy asks for, possibly a redirect's, or 0.
	status int
	// stepUp: the policy wants a stronger or fresher sign-in. scopes: it wants scopes
	// that the caller does not have.
	stepUp, scopes bool
	// challenged: a method of the site has a challenge, or people can sign in.
	// ownChallenge: the policy sets a challenge itself.
	challenged, ownChallenge bool
	// signIn: signing in may help. navigation: a browser shows the response and follows
	// a redirect to the sign-in page.
	signIn, navigation bool
	// certificates: a method of the site reads client certificates.
	certificates bool
	// conceal: known callers get 404 instead of 403.
	conceal bool
}

// choose returns the reason and the status of a denied request. It is the only place
// that decides between 401 and 403: if signing in may help, the caller gets 401 (RFC 9110,
// section 15.5.2); a known caller that no policy allows gets 403 (section 15.5.4), or 404
// if the site conceals what it denies.
func (c statusCase) choose() (authenticator.Reason, int) {
	reason, status := c.byVerdict()
	switch {
	case status == http.StatusUnauthorized && !c.challenged && !(c.ownChallenge && c.status == status):
		status = http.StatusForbidden // a 401 needs a challenge (section 15.5.2)
		if c.certificates && reason == authenticator.ReasonCredentialsMissing {
			reason = authenticator.ReasonCertificateRequired
		}
	case status == http.StatusProxyAuthRequired:
		status = http.StatusForbidden // a proxy's answer to its own clients (section 15.5.8)
	}
	if status == http.StatusForbidden && c.conceal && c.outcome.Verdict == authenticator.Accepted {
		status = http.StatusNotFound
	}
	return reason, status
}

func (c statusCase) byVerdict() (authenticator.Reason, int) {
	switch c.outcome.Verdict {
	case authenticator.Malformed:
		return c.outcome.Reason, malformedStatus(c.outcome.Reason)
	case authenticator.Unavailable:
		return c.outcome.Reason, http.StatusServiceUnavailable
	case authenticator.Failed:
		return c.outcome.Reason, http.StatusInternalServerError
	case authenticator.Accepted:
		return c.denied(true)
	case authenticator.Absent:
		return c.denied(false)
	}
	return c.outcome.Reason, rejectedStatus(c.outcome.Reason)
}

// malformedStatus returns the status for a request that is malformed for every caller.
func malformedStatus(reason authenticator.Reason) int {
	switch reason {
	case authenticator.ReasonUpgradeRefused:
		return http.StatusNotImplemented // RFC 8441, section 4; RFC 9110, section 15.6.2
	case authenticator.ReasonEarlyData:
		return http.StatusTooEarly // RFC 8470, section 5.2
	case authenticator.ReasonMisdirected:
		return http.StatusMisdirectedRequest // RFC 9110, section 15.5.20
	}
	return http.StatusBadRequest
}

// rejectedStatus returns the status for a credential that was not accepted.
func rejectedStatus(reason authenticator.Reason) int {
	switch reason {
	case authenticator.ReasonThrottled:
		return http.StatusTooManyRequests
	case authenticator.ReasonInsecureTransport, authenticator.ReasonCookieDomain, authenticator.ReasonCrossSite, authenticator.ReasonOriginRefused:
		return http.StatusForbidden
	}
	return http.StatusUnauthorized
}

// denied returns the reason and the status where no policy allows the request.
func (c statusCase) denied(known bool) (authenticator.Reason, int) {
	switch c.reason {
	case authenticator.ReasonPolicyError, authenticator.ReasonPolicyTimeout:
		return c.reason, http.StatusInternalServerError
	case authenticator.ReasonPathAmbiguous:
		return c.reason, http.StatusBadRequest
	case authenticator.ReasonPolicyUnavailable, authenticator.ReasonStoreUnavailable, authenticator.ReasonBusy:
		return c.reason, http.StatusServiceUnavailable
	}
	switch {
	case known && c.stepUp && c.signIn && c.navigation:
		return authenticator.ReasonStepUpRequired, http.StatusSeeOther // signing in again is the step up (R-SU-5)
	case known && c.stepUp:
		return authenticator.ReasonStepUpRequired, http.StatusUnauthorized
	case known && c.scopes:
		return authenticator.ReasonInsufficientScope, http.StatusForbidden
	case c.status != 0:
		return c.reason, c.status
	case c.signIn && c.navigation:
		return c.signInReason(known), http.StatusSeeOther
	case c.signIn:
		return c.signInReason(known), http.StatusUnauthorized
	case known:
		return c.reason, http.StatusForbidden
	}
	return c.signInReason(false), http.StatusUnauthorized
}

// signInReason returns why a caller has to sign in, known or not. A caller who had a
// session learns that it expired or was revoked (R-SES-6).
func (c statusCase) signInReason(known bool) authenticator.Reason {
	switch c.outcome.Reason {
	case authenticator.ReasonSessionExpired, authenticator.ReasonSessionRevoked:
		return c.outcome.Reason
	}
	if known {
		return c.reason
	}
	return authenticator.ReasonCredentialsMissing
}

// challengesFor returns the challenges that a response with this status may have: all of
// them for 401, those that name an error for 400 and 403 (RFC 6750, section 3.1), none
// for other statuses, for which challenges is not called.
func challengesFor(status int, challenges func() []authenticator.Challenge) []authenticator.Challenge {
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
