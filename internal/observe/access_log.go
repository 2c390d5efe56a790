package observe

import (
	"net/http"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Summary is the part of a decision that placeholders and the access log show for as long
// as the request lasts.
type Summary struct {
	allowed                          bool
	reason, logged, method, revision string
	vars                             map[string]any
	identity                         *authenticator.Identity
}

// Summary returns the part of the event that placeholders and the access log show.
func (e *Event) Summary() Summary {
	return Summary{
		allowed: e.Allowed, reason: string(e.Reason), logged: e.logged(), method: e.Outcome.Method, revision: e.Revision,
		vars: e.Vars, identity: e.Identity,
	}
}

// Allowed returns the summary of an allowed request.
func Allowed(id *authenticator.Identity, method, revision string, vars map[string]any) Summary {
	return Summary{allowed: true, method: method, revision: revision, vars: vars, identity: id}
}

// AccessLog adds the result to the request's line in the access log. It does nothing if the
// server writes no access log, because adding a field takes three allocations.
func AccessLog(r *http.Request, summary *Summary) {
	if server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); server != nil && server.Logs == nil {
		return
	}
	extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return
	}
	extra.Set(zapcore.Field{Key: "policy_auth", Type: zapcore.InlineMarshalerType, Interface: summary})
}

// MarshalLogObject implements zapcore.ObjectMarshaler. The line of the access log is
// written when the request is over; all of a result is one field of it, which a second
// handler's replaces.
func (s *Summary) MarshalLogObject(line zapcore.ObjectEncoder) error {
	line.AddString("policy_auth_decision", decisionWord(s.allowed))
	if s.reason != "" {
		line.AddString("policy_auth_reason", s.logged)
	}
	if s.method != "" {
		line.AddString("policy_auth_method", s.method)
	}
	line.AddString("policy_auth_revision", s.revision)
	return nil
}
