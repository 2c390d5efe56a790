// Package identity holds the nouns that every room of policy_auth speaks: who
// is calling (Identity), what became of their credentials (Outcome), why
// a request was refused (Reason) and what a refusal asks for (Challenge).
//
// It knows neither HTTP servers nor policies and imports only the standard
// library.
package authenticator

// Kind says what sort of caller an Identity describes.
type Kind string

// The kinds of caller. The set is closed: policies may rely on it.
const (
	// KindUser is a person, or a program acting as one.
	KindUser Kind = "user"
	// KindClient is a program acting for itself, such as the holder of a token
	// from the client credentials grant (RFC 9700, section 4.15).
	KindClient Kind = "client"
	// KindUnknown is an authenticated caller whose credential does not say which
	// of the two it is: neither "user" nor "client" holds for it, and a rule that
	// denies either of them must hold for it.
	KindUnknown Kind = "unknown"
	// KindAnonymous is a caller who presented no credential that counts.
	KindAnonymous Kind = "anonymous"
)

// Identity is a caller as policies, headers and placeholders see one. It is
// immutable once handed out: caches share it between requests, so no code may
// write to it or to anything that it refers to.
type Identity struct {
	// Authenticated is false only for an anonymous caller.
	Authenticated bool `json:"authenticated"`
	// Kind is user, client, unknown or anonymous.
	Kind Kind `json:"kind"`
	// ID names the caller uniquely within Issuer; never empty when Authenticated.
	ID string `json:"id"`
	// Username is the name the caller signs in with, or "".
	Username string `json:"username"`
	// Name is the name to show to people, or "".
	Name string `json:"name"`
	// Issuer is who vouches for the caller: a token's issuer, or "" for
	// callers that local files vouch for.
	Issuer string `json:"issuer"`
	// Method is the authenticator that accepted the credential, such as jwt,
	// basic or api_key; "" when anonymous.
	Method string `json:"method"`
	// Roles are the caller's roles, in the order given; never nil.
	Roles []string `json:"roles"`
	// Groups are the caller's groups, in the order given; never nil.
	Groups []string `json:"groups"`
	// Scopes are what the credential was granted for (RFC 6749, section 3.3); never nil.
	Scopes []string `json:"scopes"`
	// Email is the caller's address, or "".
	Email string `json:"email"`
	// Claims holds everything else that is known, as decoded JSON in which
	// numbers are json.Number; never nil.
	Claims map[string]any `json:"claims"`
	// ACR is the authentication context class reference (OpenID Connect Core), or "".
	ACR string `json:"acr"`
	// AMR lists the authentication methods used (RFC 8176); never nil.
	AMR []string `json:"amr"`
	// AuthTime is when the caller last signed in, in seconds since 1970, or 0.
	AuthTime int64 `json:"auth_time"`
	// ExpiresAt is when the credential stops counting, in seconds since 1970, or 0 for never.
	ExpiresAt int64 `json:"expires_at"`
	// Bound says what the credential is bound to: none, dpop or certificate.
	Bound string `json:"bound"`
	// Unknown names the fields of UnknownFields whose value the issuer did not
	// tell in a form that can be read, sorted; never nil. Such a field is empty,
	// which does not mean that the caller has no such roles or groups.
	Unknown []string `json:"unknown"`
}

// UnknownFields returns the names that Unknown may hold, sorted.
func UnknownFields() []string {
	return []string{"acr", "amr", "auth_time", "claims", "email", "groups", "kind", "name", "roles", "scopes", "username"}
}

// anonymous is shared: an Identity is never written to.
var anonymous = &Identity{
	Kind:    KindAnonymous,
	Roles:   []string{},
	Groups:  []string{},
	Scopes:  []string{},
	Claims:  map[string]any{},
	AMR:     []string{},
	Bound:   "none",
	Unknown: []string{},
}

// Anonymous returns the identity of a caller who is not known.
func Anonymous() *Identity { return anonymous }

// Normalize fills what policies expect to be present and returns i: nil lists
// and claims become empty ones, an empty Kind becomes user, an empty Bound
// becomes none. Authenticators call it once, before they hand i out.
func (i *Identity) Normalize() *Identity {
	for _, list := range []*[]string{&i.Roles, &i.Groups, &i.Scopes, &i.AMR, &i.Unknown} {
		if *list == nil {
			*list = []string{}
		}
	}
	if i.Claims == nil {
		i.Claims = map[string]any{}
	}
	if i.Kind == "" {
		i.Kind = KindUser
	}
	if i.Bound == "" {
		i.Bound = "none"
	}
	return i
}
