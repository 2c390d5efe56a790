package authenticator

import "net/http"

// Namespace is the namespace of Caddy modules that are authentication methods. The
// last part of a module's ID is the method's name and its word inside policy_auth.
const Namespace = "http.policy_auth.authenticators"

// Authenticator is an authentication method. Implementations are safe for
// concurrent use.
type Authenticator interface {
	// Sources returns where this method's credentials are in a request, at least
	// one. It is called once, after Provision.
	Sources() []Source

	// Authenticate verifies a credential that was found in one of Sources. Only an
	// Accepted outcome authenticates the caller. For a credential that another
	// method with the same source may know, return Unclaimed.
	//
	// The request is for reading: its headers, its URL and its context. Do not change
	// it and do not read its body.
	Authenticate(r *http.Request, c Credential) Outcome

	// Challenges returns what WWW-Authenticate says about this method (RFC 9110,
	// section 11.6.1), or nil if no challenge can ask for it.
	Challenges(request ChallengeRequest) []Challenge
}

// PublicSignUp is an optional interface of methods whose credentials anyone may be able
// to get, such as the tokens of an issuer where users register themselves.
type PublicSignUp interface {
	// PublicSignUp reports whether anyone can. A site with such a method needs access
	// rules, without which every authenticated caller would be allowed; its
	// configuration is an error otherwise. It is called once, after Provision.
	PublicSignUp() bool
}

// Credential is what a client presented. Its Value is a secret: it never goes into
// a log, an error, an identity or a detail of an outcome.
type Credential struct {
	// Source is where it was found.
	Source Source
	// Value is the value of the header, cookie or parameter. In Authorization it is
	// what follows the scheme. It may be empty, and it is as long as the client made
	// it, up to the server's limit for headers.
	Value string
}
