package observe

import (
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
)

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
