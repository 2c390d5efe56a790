package policy

import (
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
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
func (s *snapshot) refuseHost(in Input) *Decision {
	switch {
	case s.byHost && in.Request.NoHost():
		return &Decision{Reason: identity.ReasonPathAmbiguous, Codes: []string{string(request.FlagBadHost)}}
	case in.Request.ForeignDestination() && !s.reads["request.destination_host"]:
		return &Decision{Reason: identity.ReasonPolicyDenied, Codes: []string{accesstable.ForeignDestination}}
	}
	return nil
}
