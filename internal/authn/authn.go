// Package authn finds out who is calling. Each file is one method; the chain
// finds the one credential in a request and asks the methods that read it.
//
// A method is a Caddy module in the namespace http.policy_auth.authenticators;
// its name is the word in the Caddyfile.
package authn

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Namespace is where authenticators are registered as Caddy modules.
const Namespace = "http.policy_auth.authenticators"

// Authenticator is one method of finding out who is calling. Implementations
// are safe for concurrent use.
type Authenticator interface {
	// Places says where this method's credentials are found in a request. It is
	// asked once, after provisioning, and returns at least one.
	Places() []Source

	// Authenticate judges a credential that was found in one of Places. It
	// answers Unclaimed for a credential that another method may know, and never
	// Absent for an explicit one. Only an Accepted outcome lets the caller in.
	Authenticate(r *http.Request, c Credential) authenticator.Outcome

	// Challenges says how to authenticate, for WWW-Authenticate (RFC 9110,
	// section 11.6.1); none if no challenge can ask for this method.
	Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge
}

// Credential is what a caller presented. Its Value is a secret: it never goes
// into a log, an error or a policy.
type Credential struct {
	// Source is where it was found.
	Place Source
	// Value is the header's value, without the scheme for Authorization.
	Value string
}
