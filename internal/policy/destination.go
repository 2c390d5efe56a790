package policy

import (
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// refuseDestination refuses a request whose destination is on another host, if the
// decision does not read which: it would judge the path as one of this host. The
// field must be named: a policy that takes all of input, as walk does, may never look
// at it. It returns nil if the request can be judged.
func (s *snapshot) refuseDestination(in Input) *Decision {
	if !in.Request.ForeignDestination() || s.reads["request.destination_host"] {
		return nil
	}
	return &Decision{Reason: identity.ReasonPolicyDenied, Codes: []string{accesstable.ForeignDestination}}
}
