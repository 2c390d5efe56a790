package refusal

import (
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/internal/denial"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/visit"
)

// offersSignIn reports whether signing in elsewhere may help: an anonymous
// caller unless the policy says otherwise, a known one if it says so.
func (d *Desk) offersSignIn(r *http.Request, v *visit.Visit, decision policy.Decision) bool {
	said, outcome := decision.Login, &v.Event.Outcome
	switch {
	case d.Door == nil, said != nil && !said.Offered, d.Door.Is(r.Host, v.Request.URL().EscapedPath()):
		return false
	case outcome.Verdict == identity.Accepted:
		return said != nil || d.Sessions && outcome.Method == "session" && stepsUp(decision.Challenge)
	}
	return outcome.Verdict == identity.Absent && login.Helps(outcome.Reason)
}

// loginURL returns where the refused may sign in to come back, or "".
func (d *Desk) loginURL(r *http.Request, v *visit.Visit, decision policy.Decision) string {
	status := v.Event.Status
	if d.Door == nil || status != http.StatusUnauthorized && status != http.StatusSeeOther || decision.Login != nil && !decision.Login.Offered {
		return ""
	}
	var name string
	if decision.Login != nil {
		name = decision.Login.Name
	}
	returnTo, tooLong := login.ReturnTo(r, v.Request.URL(), v.Request.Scheme(), denial.IsNavigation(r), d.Chain.Parameters())
	if tooLong {
		d.Logger.Info("the address of the page asked for is longer than 4 KiB: signing in leads to the root of the site", zap.String("request_id", v.ID()))
	}
	var more url.Values
	if wanted := decision.Challenge; stepsUp(wanted) {
		more = login.StepUp(wanted.ACRValues, wanted.MaxAge)
	}
	return d.Door.URL(returnTo, name, more)
}

// stepsUp reports whether a policy wants a stronger or fresher sign-in.
func stepsUp(wanted *policy.Challenge) bool {
	return wanted != nil && (len(wanted.ACRValues) > 0 || wanted.MaxAge >= 0)
}
