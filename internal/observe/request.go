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

// Result is what is shown of an event for as long as the request lasts: by placeholders
// and in the access log.
type Result struct {
	allowed                          bool
	reason, logged, method, revision string
	vars                             map[string]any
	identity                         *authenticator.Identity
}

// Result returns what is shown of the event.
func (e *Event) Result() Result {
	return Result{
		allowed: e.Allowed, reason: string(e.Reason), logged: e.logged(), method: e.Outcome.Method, revision: e.Revision,
		vars: e.Vars, identity: e.Identity,
	}
}

// Allowed returns what is shown of an allowed request.
func Allowed(id *authenticator.Identity, method, revision string, vars map[string]any) Result {
	return Result{allowed: true, method: method, revision: revision, vars: vars, identity: id}
}

// AccessLog adds the result to the request's line in the access log. Where the
// server writes none it does nothing: adding a field takes three allocations.
func AccessLog(r *http.Request, result *Result) {
	if server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); server != nil && server.Logs == nil {
		return
	}
	extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return
	}
	extra.Set(zapcore.Field{Key: "policy_auth", Type: zapcore.InlineMarshalerType, Interface: result})
}

// MarshalLogObject implements zapcore.ObjectMarshaler. The line of the access log is
// written when the request is over; all of a result is one field of it, which a second
// handler's replaces.
func (r *Result) MarshalLogObject(line zapcore.ObjectEncoder) error {
	line.AddString("policy_auth_decision", decisionWord(r.allowed))
	if r.reason != "" {
		line.AddString("policy_auth_reason", r.logged)
	}
	if r.method != "" {
		line.AddString("policy_auth_method", r.method)
	}
	line.AddString("policy_auth_revision", r.revision)
	return nil
}

// Placeholders offers the latest result of a request to handlers that expand
// placeholders later: {http.policy_auth.*} always, {http.auth.user.*} only if
// the caller is known and allowed. Values are computed when asked for and, as
// with every placeholder, not expanded again (T-48). The zero value is ready to
// use; it belongs to one request.
type Placeholders struct {
	latest   *Result
	replacer *caddy.Replacer
}

// Show makes a result the latest one, so that a second handler's caller is not
// taken for the first one's (T-30).
func (p *Placeholders) Show(repl *caddy.Replacer, result *Result) {
	if p.latest == nil {
		p.replacer = repl
		repl.Map(p.lookup)
	}
	p.latest = result
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
	switch result := p.latest; name {
	case "decision":
		return decisionWord(result.allowed), true
	case "reason":
		return result.reason, true
	case "method":
		return result.method, true
	case "policy_revision":
		return result.revision, true
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
func (r *Result) variable(path string) (any, bool) {
	var value any = r.vars
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
