package observe

import (
	"net/http"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// AccessLog adds the event to the request's line in the access log. Where the
// server writes none it does nothing: adding a field is dear.
func AccessLog(r *http.Request, e *Event) {
	if server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); server != nil && server.Logs == nil {
		return
	}
	extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return
	}
	extra.Set(zapcore.Field{Key: "policy_auth", Type: zapcore.InlineMarshalerType, Interface: (*accessFields)(e)})
}

// accessFields is an event as the access log shows it, whose line is written when
// the request is over. All of it is one field, which a second handler's replaces.
type accessFields Event

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (f *accessFields) MarshalLogObject(line zapcore.ObjectEncoder) error {
	e := (*Event)(f)
	line.AddString("policy_auth_decision", e.decision())
	if e.Reason != "" {
		line.AddString("policy_auth_reason", e.logged())
	}
	if e.Outcome.Method != "" {
		line.AddString("policy_auth_method", e.Outcome.Method)
	}
	line.AddString("policy_auth_revision", e.Revision)
	return nil
}

// Placeholders offers the latest event of a request to handlers that expand
// placeholders later: {http.policy_auth.*} always, {http.auth.user.*} only if
// the caller is known and allowed. Values are computed when asked for and, as
// with every placeholder, not expanded again (T-48). The zero value is ready to
// use; it belongs to one request.
type Placeholders struct{ latest *Event }

// Show makes an event the latest one, so that a second handler's caller is not
// taken for the first one's (T-30).
func (p *Placeholders) Show(repl *caddy.Replacer, e *Event) {
	if p.latest == nil {
		repl.Map(p.lookup)
	}
	p.latest = e
}

func (p *Placeholders) lookup(key string) (any, bool) {
	e := p.latest
	if name, ok := strings.CutPrefix(key, "http.policy_auth."); ok {
		return e.placeholder(name)
	}
	name, ok := strings.CutPrefix(key, "http.auth.user.")
	if !ok || !e.Allowed || !e.Identity.Authenticated {
		return nil, false
	}
	return userPlaceholder(e.Identity, name)
}

// placeholder returns one of {http.policy_auth.*}.
func (e *Event) placeholder(name string) (any, bool) {
	switch name {
	case "decision":
		return e.decision(), true
	case "reason":
		return string(e.Reason), true
	case "method":
		return e.Outcome.Method, true
	case "policy_revision":
		return e.Revision, true
	case "request_id":
		return e.RequestID(), true
	}
	if path, ok := strings.CutPrefix(name, "vars."); ok {
		return e.variable(path)
	}
	return nil, false
}

// variable returns one of {http.policy_auth.vars.*}: a member of what the policy
// offers, or one further down, with dots between.
func (e *Event) variable(path string) (any, bool) {
	var value any = e.Vars
	for name := range strings.SplitSeq(path, ".") {
		members, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = members[name]; !ok {
			return nil, false
		}
	}
	return identity.Text(value)
}

// userPlaceholder returns a field of the identity as text.
func userPlaceholder(id *identity.Identity, name string) (any, bool) {
	field, err := identity.ParseField(name)
	if err != nil {
		return nil, false
	}
	text, ok := identity.Text(field(id))
	return text, ok
}
