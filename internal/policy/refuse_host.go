package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// hostPaths are where input holds the request's host.
var hostPaths = []string{"request.host", "attributes.request.http.host", "attributes.request.http.headers.:authority"}

// refuseHost refuses a request whose hosts the decision would misjudge. It returns nil
// if the request can be judged.
//
// Without a host, as in HTTP/1.0, no rule for a host fits, and the server behind may
// take one of its own. A destination on another host would be judged as a path of this
// one, if the decision does not read its host. That field must be named: a policy that
// takes all of input, as walk does, may never look at it.
func (s *snapshot) refuseHost(in Input) *decision.Decision {
	return s.refuseHosts(s.byHost && in.Request.HasNoHost(), in.Request.ForeignDestination())
}

func (s *snapshot) refuseHosts(none, foreign bool) *decision.Decision {
	switch {
	case none:
		return &decision.Decision{Reason: authenticator.ReasonPathAmbiguous, Codes: []string{string(request.FlagBadHost)}}
	case foreign && !s.reads["request.destination_host"]:
		return &decision.Decision{Reason: authenticator.ReasonPolicyDenied, Codes: []string{accesstable.CodeForeignDestination}}
	}
	return nil
}

// refuseDocument is refuseHost for an input that is a document.
func (s *snapshot) refuseDocument(document ast.Value) *decision.Decision {
	text := func(name string) (string, bool) {
		value, err := document.Find(bundle.Ref("input.request." + name)[1:])
		found, ok := value.(ast.String)
		return string(found), err == nil && ok
	}
	host, there := text("host")
	destination, _ := text("destination_host")
	return s.refuseHosts(s.byHost && there && host == "", there && destination != "" && destination != host)
}
