// Package authenticator is what a Caddy plugin needs to add an authentication
// method to policy_auth. The methods of policy_auth use it, too.
//
// The package is experimental: until version 0.1.0 its names may change.
//
// # A method
//
// A method is a Caddy module in [Namespace] that implements [Authenticator]. The
// last part of its ID is its word inside policy_auth, here acme:
//
//	func init() { caddy.RegisterModule(Acme{}) }
//
//	func (Acme) CaddyModule() caddy.ModuleInfo {
//		return caddy.ModuleInfo{
//			ID:  authenticator.Namespace + ".acme",
//			New: func() caddy.Module { return new(Acme) },
//		}
//	}
//
// To be used in a Caddyfile, the module implements caddyfile.Unmarshaler. Its tokens
// begin with the word:
//
//	policy_auth {
//		acme https://badges.example.com {
//			realm "Badges"
//		}
//	}
//
// In JSON it is an item of "authenticators", with "method": "acme" beside its own
// fields. A name that is a subdirective of policy_auth, such as access, cannot be
// written in a Caddyfile. Build the plugin into Caddy together with policy_auth:
//
//	xcaddy build --with github.com/policyauth/caddy-policy-auth --with example.com/acme
//
// # From the request to the identity
//
// policy_auth finds the credentials of a request in the [Source] values of all
// methods, and passes the one that it finds to the methods that read its source, in
// the order of the configuration, until one returns another verdict than Unclaimed:
//
//   - A request without a credential is anonymous, and no method is asked, except those
//     that look for one themselves: FromCertificate and FromRequest.
//   - A request with two credentials in headers or the query is denied with 400.
//   - Over plain HTTP from another machine credentials are denied with 403, unread.
//   - A bearer token that does not have the syntax of RFC 6750 is denied with 400.
//   - A credential that one method rejects is never tried with another one.
//   - A cookie or certificate counts only if there is no credential in headers or the
//     query. If there are several, the first method that accepts one decides, in the
//     order of the configuration. A cookie that is rejected is deleted; with no other
//     credential, its caller is anonymous.
//
// Credentials that are in headers or the query are hidden from policies, allowed in
// CORS preflights, and removed from the request before the next handler gets it.
//
// # Outcomes
//
// Return [Accept] with the caller's [Identity], [Reject] with a [Reason], or an
// [Outcome] with another [Verdict]. Only Accepted authenticates the caller. What
// policies and clients see of it:
//
//	verdict      status of the answer            caller
//	Accepted     the policies decide             the Identity
//	Absent       the policies decide             anonymous (ambient sources only)
//	Rejected     401, or 429 for throttled       –
//	Unclaimed    the next method; then 401       –
//	Malformed    400                             –
//	Unavailable  503 with Retry-After            –
//	Failed       500                             –
//
// A client learns from the answer only that its credential was not accepted. The
// exact reason and the details are for the log.
//
// # Identity
//
// Set at least Authenticated, ID and Kind. An identity is immutable once it is
// accepted. If you keep it for further requests, such as in a cache, call
// [Identity.Normalize] once, and set Method to the name of your module: policy_auth
// then uses it as it is, and decisions that depend on the caller alone are cached
// with it. Otherwise policy_auth completes a copy for each request.
//
// # What policy_auth checks
//
// A method runs inside Caddy and is trusted like the rest of it, but its mistakes do
// not let anyone in. A request is denied with 500, and the log names the method, if
// the method panics, accepts without a valid identity (see [Identity.Checked]),
// accepts an identity whose Method is the name of another method, or returns a
// verdict that does not exist. An unknown reason becomes credentials_invalid;
// details that repeat the credential are left out of the log; challenges that cannot
// be sent are left out of the answer.
//
// # Challenges
//
// A 401 answer has the challenges of all methods. Return one [Challenge] for a scheme
// that clients can use, or nil. Parameters are quoted and cleaned when they are
// written. A browser asks for a password only at Basic.
package authenticator
