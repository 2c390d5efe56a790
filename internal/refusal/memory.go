package refusal

import (
	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/ops"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/question"
	"github.com/policyauth/caddy-policy-auth/internal/visit"
)

// Remember keeps a refused request for explanations, without credentials.
func (d *Desk) Remember(v *visit.Visit, in policy.Input, decision policy.Decision) {
	event := &v.Event
	refusal := question.Refusal{
		ID: v.ID(), Time: v.Request.Time(), Status: event.Status, Reason: event.Reason, Codes: event.Codes, Rule: event.Labels["rule"],
		Method: event.Outcome.Method, Candidate: event.Outcome.Candidate, Details: details(event.Outcome.Details), UserID: event.Identity.ID, Issuer: event.Identity.Issuer,
		Judged: event.Revision != "", Set: d.Policies.ID(), Revision: event.Revision,
		HTTPMethod: event.HTTPMethod, Host: event.Host, Path: event.Path, ClientIP: event.ClientIP,
	}
	if event.Err != nil {
		refusal.Error = event.Err.Error()
	}
	var err error
	if refusal.Input, refusal.Cut, err = d.Policies.Record(in, decision); err != nil {
		d.Logger.Debug("a refused request cannot be kept for explanations", zap.String("request_id", v.ID()), zap.Error(err))
	}
	ops.Remember(refusal)
}

// details returns facts about a refusal by their names.
func details(facts []identity.Detail) map[string]string {
	if len(facts) == 0 {
		return nil
	}
	named := make(map[string]string, len(facts))
	for _, fact := range facts {
		named[fact.Name] = fact.Value
	}
	return named
}
