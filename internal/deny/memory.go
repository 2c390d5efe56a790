package deny

import (
	"github.com/policyauth/caddy-policy-auth/internal/admin"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/question"
)

// Remember keeps a refused request for explanations, without credentials.
func (d *Responder) Remember(v *exchange.Exchange, in policy.Input, decision policy.Decision) {
	event := &v.Event
	refusal := question.Refusal{
		ID: v.ID(), Time: v.Request.Time(), Status: event.Status, Reason: event.Reason, Codes: event.Codes, Rule: event.Labels["rule"],
		Method: event.Outcome.Method, Candidate: event.Outcome.Candidate, Facts: event.Outcome.Details, UserID: event.Identity.ID, Issuer: event.Identity.Issuer,
		Judged: event.Revision != "", Set: d.Policies.ID(), Revision: event.Revision,
		HTTPMethod: event.HTTPMethod, Host: event.Host, Path: event.Path, ClientIP: event.ClientIP,
		Record: d.Policies.Record(in, decision),
	}
	if event.Err != nil {
		refusal.Error = event.Err.Error()
	}
	admin.RecordDenial(refusal)
}
