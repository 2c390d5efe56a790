package exchange

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/observe"
)

// Shared is the state that all policy_auth handlers of one request share. A second
// handler must neither take the first one's identity headers for the client's nor miss
// the credential that the first one removed. The zero value is ready to use.
type Shared struct {
	ConsumedCredentials
	// Placeholders show the latest decision.
	Placeholders observe.Placeholders
	// Handlers counts the handlers that judged the request.
	Handlers int

	identityHeaders, policyHeaders []string // folded names
}

// String hides the credentials where the request's variables are printed.
func (s *Shared) String() string { return "policy_auth" }

// HasIdentityHeader reports whether a handler set an identity header of this name, in
// the form of request.FoldHeaderName.
func (s *Shared) HasIdentityHeader(folded string) bool {
	return slices.Contains(s.identityHeaders, folded)
}

// AddIdentityHeader records that a handler set an identity header.
func (s *Shared) AddIdentityHeader(folded string) {
	if !s.HasIdentityHeader(folded) {
		s.identityHeaders = append(s.identityHeaders, folded)
	}
}

// AddPolicyHeader records that a policy set a header.
func (s *Shared) AddPolicyHeader(folded string) { s.policyHeaders = append(s.policyHeaders, folded) }

// TakeHeaders returns the names of all headers that handlers and policies set, and forgets
// them.
func (s *Shared) TakeHeaders() (folded []string) {
	folded = slices.Concat(s.identityHeaders, s.policyHeaders)
	s.identityHeaders, s.policyHeaders = nil, nil
	return folded
}
