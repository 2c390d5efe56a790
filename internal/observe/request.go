package observe

import (
	"net/http"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
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

// Placeholders offers the latest result of a request to handlers that expand
// placeholders later: {http.policy_auth.*} always, {http.auth.user.*} only if
// the caller is known and allowed. Values are computed when asked for and, as
// with every placeholder, not expanded again (T-48). The zero value is ready to
// use; it belongs to one request.
type Placeholders struct {
	latest   *Summary
	replacer *caddy.Replacer
}

// Show makes a result the latest one, so that a second handler's caller is not
// taken for the first one's (T-30).
func (p *Placeholders) Show(repl *caddy.Replacer, summary *Summary) {
	if p.latest == nil {
		p.replacer = repl
		repl.Map(p.lookup)
	}
	p.latest = summary
}

func (p *Placeholders) lookup(key string) (any, bool) {
	if name, ok := strings.CutPrefix(key, "http.policy_auth."); ok {
		return p.placeholder(name)
	}
	name, ok := strings.CutPrefix(key, "http.auth.user.")
	if !ok || !p.latest.allowed || !p.latest.identity.Authenticated {
		return nil, false
	}
	return userPlaceholder(p.latest.identity, name)
}

// placeholder returns one of {http.policy_auth.*}.
func (p *Placeholders) placeholder(name string) (any, bool) {
	switch summary := p.latest; name {
	case "decision":
		return decisionWord(summary.allowed), true
	case "reason":
		return summary.reason, true
	case "method":
		return summary.method, true
	case "policy_revision":
		return summary.revision, true
	case "request_id":
		return p.replacer.GetString("http.request.uuid")
	}
	if path, ok := strings.CutPrefix(name, "vars."); ok {
		return p.latest.variable(path)
	}
	return nil, false
}

// variable returns one of {http.policy_auth.vars.*}: a member of what the policy
// offers, or one further down, with dots between.
func (s *Summary) variable(path string) (any, bool) {
	var value any = s.vars
	for name := range strings.SplitSeq(path, ".") {
		members, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = members[name]; !ok {
			return nil, false
		}
	}
	return claimpath.Text(value)
}

// userPlaceholder returns a field of the identity as text.
func userPlaceholder(id *authenticator.Identity, name string) (any, bool) {
	field, err := claimpath.ParseField(name)
	if err != nil {
		return nil, false
	}
	text, ok := claimpath.Text(field(id))
	return text, ok
}
