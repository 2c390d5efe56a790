package authenticator_test

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Badge accepts the secret of one badge, sent as "Authorization: Badge <secret>". To
// configure it, make it a Caddy module in authenticator.Namespace.
type Badge struct {
	digest [sha256.Size]byte
	owner  *authenticator.Identity
}

// NewBadge returns a method that knows one badge. Its identity is normalized once,
// since all requests of the owner share it.
func NewBadge(secret, owner string) *Badge {
	return &Badge{
		digest: sha256.Sum256([]byte(secret)),
		owner: (&authenticator.Identity{
			Authenticated: true, ID: owner, Kind: authenticator.KindUser, Method: "badge", Groups: []string{"staff"},
		}).Normalize(),
	}
}

// Sources implements authenticator.Authenticator.
func (b *Badge) Sources() []authenticator.Source {
	return []authenticator.Source{authenticator.FromScheme("Badge")}
}

// Authenticate implements authenticator.Authenticator.
func (b *Badge) Authenticate(_ *http.Request, c authenticator.Credential) authenticator.Outcome {
	digest := sha256.Sum256([]byte(c.Value))
	if subtle.ConstantTimeCompare(digest[:], b.digest[:]) != 1 {
		return authenticator.Reject(authenticator.ReasonCredentialsInvalid)
	}
	return authenticator.Accept(b.owner)
}

// Challenges implements authenticator.Authenticator.
func (b *Badge) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge {
	return []authenticator.Challenge{{Scheme: "Badge", Params: []authenticator.Param{{Name: "realm", Value: "staff"}}}}
}

// Interface guards.
var _ authenticator.Authenticator = (*Badge)(nil)

// A method for credentials such as "Authorization: Badge 4711".
func Example() {
	method := NewBadge("test-badge", "alice")
	r := httptest.NewRequest("GET", "/", nil)
	for _, value := range []string{"test-badge", "another"} {
		outcome := method.Authenticate(r, authenticator.Credential{Source: method.Sources()[0], Value: value})
		if outcome.Verdict == authenticator.Accepted {
			fmt.Println("accepted:", outcome.Identity.ID, outcome.Identity.Groups)
		} else {
			fmt.Println("rejected:", outcome.Reason)
		}
	}
	// Output:
	// accepted: alice [staff]
	// rejected: credentials_invalid
}

// The credential is what follows the scheme, or the whole value of a header, cookie
// or query parameter.
func ExampleSource() {
	for _, source := range []authenticator.Source{
		authenticator.FromScheme("Badge"), authenticator.FromHeader("x-badge"), authenticator.FromCookie("badge"), authenticator.FromQuery("badge"),
	} {
		fmt.Printf("%q\n", source.CarriedIn())
	}
	// Output:
	// "Authorization"
	// "X-Badge"
	// "Cookie"
	// ""
}

// Only a method that keeps identities has to normalize them. Checked says what is
// wrong with one that no policy could judge.
func ExampleIdentity_Checked() {
	id := &authenticator.Identity{Authenticated: true, ID: "printer-7", Kind: authenticator.KindClient, Claims: map[string]any{"floor": 3}}
	checked, err := id.Checked()
	fmt.Println(checked.ID, checked.Claims["floor"], err)

	_, err = (&authenticator.Identity{Authenticated: true, Kind: authenticator.KindClient}).Checked()
	fmt.Println(err)
	// Output:
	// printer-7 3 <nil>
	// an authenticated caller has an ID, and this one is empty
}

// An unreachable directory denies the request with 503; the client may try again.
func ExampleOutcome() {
	outcome := authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonStoreUnavailable, Err: fmt.Errorf("directory: connection refused")}
	fmt.Println(outcome.Verdict == authenticator.Accepted, outcome.Reason)
	// Output: false store_unavailable
}
