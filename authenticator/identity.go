package authenticator

import "slices"

// Kind is the sort of caller that an Identity describes.
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
	// KindGuest is a caller who opened a share link: not authenticated, and known by
	// the link alone.
	KindGuest Kind = "guest"
	// KindAnonymous is a caller who presented no credential that counts.
	KindAnonymous Kind = "anonymous"
)

// Identity is a caller as policies, identity headers and placeholders see one. It
// is immutable once an Outcome has it: requests share it, so no code may write to it
// or to anything that it refers to.
type Identity struct {
	// Authenticated is false for an anonymous caller and for a guest.
	Authenticated bool `json:"authenticated"`
	// Kind is user, client, unknown, guest or anonymous.
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
	// Method is the name of the method that accepted the credential, such as jwt,
	// basic or api_key; "" when anonymous. A method may leave it empty.
	Method string `json:"method"`
	// Roles are the caller's roles, in the order given; never nil.
	Roles []string `json:"roles"`
	// Groups are the caller's groups, in the order given; never nil.
	Groups []string `json:"groups"`
	// Scopes are what the credential was granted for (RFC 6749, section 3.3); never nil.
	Scopes []string `json:"scopes"`
	// Email is the caller's address, or "".
	Email string `json:"email"`
	// Claims holds everything else that is known, as decoded JSON in which numbers
	// are json.Number; never nil. Normalize converts other types as encoding/json does.
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

	// normalized is the identity itself once Normalize has found it valid, so that a
	// copy, which may be changed, is not.
	normalized *Identity
}

// unknownFields are the names that Unknown may hold, sorted.
var unknownFields = []string{"acr", "amr", "auth_time", "claims", "email", "groups", "kind", "name", "roles", "scopes", "username"}

// UnknownFields returns the names that Unknown may hold, sorted.
func UnknownFields() []string { return slices.Clone(unknownFields) }

// anonymous is shared: an Identity is never written to.
var anonymous = new(Identity).Normalize()

// Anonymous returns the identity of a caller who presented no valid credential.
func Anonymous() *Identity { return anonymous }
