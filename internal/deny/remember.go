package deny

import (
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
)

// Remember keeps a denied request for the explain command, without credentials.
func (rs *Responder) Remember(r *http.Request, ex *exchange.Exchange, result *exchange.Result) {
	decision, outcome, identity := &result.Decision, &result.Outcome, result.Identity()
	refusal := policy.Refusal{
		ID: ex.ID(), Time: ex.Request.Time(), Status: result.Status, Reason: result.Reason, Codes: decision.Codes, Rule: decision.Labels["rule"],
		Method: outcome.Method, Candidate: outcome.Candidate, Facts: outcome.Details, UserID: identity.ID, Issuer: identity.Issuer,
		Judged: decision.Revision != "", Set: rs.Policies.ID(), Revision: decision.Revision,
		HTTPMethod: r.Method, Host: r.Host, Path: ex.Request.Readings()[0].Path, ClientIP: ex.Request.ClientIP(),
		Record: rs.Policies.Record(result.Input, *decision),
	}
	if decision.Err != nil {
		refusal.Error = decision.Err.Error()
	}
	admin.RecordDenial(refusal)
}
