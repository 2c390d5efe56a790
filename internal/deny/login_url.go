package deny

import (
	"net/http"
	"net/url"
	"slices"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// offersSignIn reports whether signing in may help: an anonymous caller unless the
// policy says otherwise, a known caller if the policy says so.
func (rs *Responder) offersSignIn(r *http.Request, ex *exchange.Exchange, result *exchange.Result) bool {
	offer, outcome := result.Decision.Login, &result.Outcome
	switch {
	case rs.Target == nil, offer != nil && !offer.Offered, rs.Target.Matches(r.Host, ex.Request.URL().EscapedPath()):
		return false
	case outcome.Verdict == authenticator.Accepted:
		return offer != nil || rs.OwnPages && outcome.Method == "session" && stepsUp(result.Decision.Challenge)
	}
	return outcome.Verdict == authenticator.Absent && login.SignInHelps(outcome.Reason)
}

// loginURL returns where to sign in and come back, or "".
func (rs *Responder) loginURL(r *http.Request, ex *exchange.Exchange, result *exchange.Result) string {
	decision := &result.Decision
	if rs.Target == nil || result.Status != http.StatusUnauthorized && result.Status != http.StatusSeeOther || decision.Login != nil && !decision.Login.Offered {
		return ""
	}
	var name string
	if decision.Login != nil {
		name = decision.Login.Name
	}
	returnTo, tooLong := login.ReturnTo(r, ex.Request.URL(), ex.Request.Scheme(), result.Navigation, rs.Chain.Parameters())
	if tooLong {
		rs.Logger.Info("the requested URL is longer than 4 KiB: after signing in, the user is sent to the root of the site", zap.String("request_id", ex.ID()))
	}
	var more url.Values
	if challenge := decision.Challenge; stepsUp(challenge) {
		more = login.StepUpQuery(challenge.ACRValues, challenge.MaxAge)
	}
	return rs.Target.URL(returnTo, name, more)
}

// stepsUp reports whether a policy wants a stronger or fresher sign-in.
func stepsUp(challenge *decision.Challenge) bool {
	return challenge != nil && (len(challenge.ACRValues) > 0 || challenge.MaxAge >= 0)
}

// canStepUp reports whether the caller's credential can be replaced by one from a stronger
// or more recent sign-in: that of a session, or one whose method can ask for it (RFC 9470,
// section 3). A password or an API key stays what it is.
func (rs *Responder) canStepUp(result *exchange.Result) bool {
	outcome := &result.Outcome
	if outcome.Method == "session" {
		return true
	}
	wanted := authenticator.ChallengeRequest{Method: outcome.Method, Scheme: result.Source.Scheme, Verdict: outcome.Verdict, Reason: authenticator.ReasonStepUpRequired}
	return slices.ContainsFunc(rs.Chain.Challenges(wanted), func(c authenticator.Challenge) bool {
		return slices.Contains(c.Params, authenticator.Param{Name: "error", Value: "insufficient_user_authentication"})
	})
}
