package deny

import (
	"net/http"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/admin"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
)

// Remember records a denied request for the explain command, without credentials.
func (rs *Responder) Remember(r *http.Request, ex *exchange.Exchange, result *exchange.Result) {
	decision, outcome, identity := &result.Decision, &result.Outcome, result.Identity()
	denial := decisionlog.Refusal{
		ID: ex.ID(), Time: ex.Request.Time(), Status: result.Status, Reason: result.Reason, Codes: decision.Codes, Rule: decision.Labels["rule"],
		Method: outcome.Method, Candidate: outcome.Candidate, Facts: withHint(outcome.Details, result.Hint), UserID: identity.ID, Issuer: identity.Issuer,
		Judged: decision.Revision != "", Set: rs.Policies.ID(), Revision: decision.Revision,
		HTTPMethod: r.Method, Host: r.Host, Path: ex.Request.LogPath(), ClientIP: ex.Request.ClientIP(),
		Record: rs.Policies.Record(result.Input, *decision),
	}
	if decision.Err != nil {
		denial.Error = decision.Err.Error()
	}
	admin.RecordDenial(denial)
}

// hintName is the name of a detail that is advice for the operator.
const hintName = "hint"

// withHint adds the hint to details, unless an authenticator gave a more specific one.
func withHint(details []authenticator.Detail, hint string) []authenticator.Detail {
	if hint == "" || slices.ContainsFunc(details, func(d authenticator.Detail) bool { return d.Name == hintName }) {
		return details
	}
	return append(slices.Clip(details), authenticator.Detail{Name: hintName, Value: hint})
}
