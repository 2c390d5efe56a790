package exchange

import (
	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
)

// Caller is the result of authenticating a request.
type Caller struct {
	// Outcome is the verdict on the credential.
	Outcome authenticator.Outcome
	// Source is where the credential was.
	Source authenticator.Source
	// Input is the request and the caller as policies judge them.
	Input policy.Input
}

// Identity returns the accepted identity, or the anonymous one.
func (c *Caller) Identity() *authenticator.Identity { return c.Input.Identity }

// Result is what the handler found out and decided about a request. It does not change
// after the status is chosen.
type Result struct {
	Caller
	// Decision is the decision of the policies; Allow tells whether the next handler runs.
	Decision policy.Decision
	// Reason is the reason of the denial. Status is its status, or 0 when allowed.
	Reason authenticator.Reason
	Status int
	// Unread lists credentials in a denied anonymous request that no method reads.
	Unread authn.UnreadCredentials
	// Navigation reports whether a browser will show the response to a denied request
	// whose sender can sign in.
	Navigation bool
	// Hint is advice for the operator on a denied request, or "".
	Hint string
}
