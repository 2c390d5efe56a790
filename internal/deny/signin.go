package deny

import (
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
)

// offersSignIn reports whether signing in elsewhere may help: an anonymous
// caller unless the policy says otherwise, a known one if it says so.
func (d *Responder) offersSignIn(r *http.Request, v *exchange.Exchange, decision policy.Decision) bool {
	said, outcome := decision.Login, &v.Event.Outcome
	switch {
	case d.Target == nil, said != nil && !said.Offered, d.Target.Matches(r.Host, v.Request.URL().EscapedPath()):
		return false
	case outcome.Verdict == authenticator.Accepted:
		return said != nil || d.Sessions && outcome.Method == "session" && stepsUp(decision.Challenge)
	}
	return outcome.Verdict == authenticator.Absent && login.SignInHelps(outcome.Reason)
}

// loginURL returns where the refused may sign in to come back, or "".
func (d *Responder) loginURL(r *http.Request, v *exchange.Exchange, decision policy.Decision) string {
	status := v.Event.Status
	if d.Target == nil || status != http.StatusUnauthorized && status != http.StatusSeeOther || decision.Login != nil && !decision.Login.Offered {
		return ""
	}
	var name string
	if decision.Login != nil {
		name = decision.Login.Name
	}
	returnTo, tooLong := login.ReturnTo(r, v.Request.URL(), v.Request.Scheme(), pages.IsNavigation(r), d.Chain.Parameters())
	if tooLong {
		d.Logger.Info("the address of the page asked for is longer than 4 KiB: signing in leads to the root of the site", zap.String("request_id", v.ID()))
	}
	var more url.Values
	if wanted := decision.Challenge; stepsUp(wanted) {
		more = login.StepUpQuery(wanted.ACRValues, wanted.MaxAge)
	}
	return d.Target.URL(returnTo, name, more)
}

// stepsUp reports whether a policy wants a stronger or fresher sign-in.
func stepsUp(wanted *decision.Challenge) bool {
	return wanted != nil && (len(wanted.ACRValues) > 0 || wanted.MaxAge >= 0)
}
