package login

import (
	"net/url"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
)

// isDirectVisit reports whether the address of the sign-in page asks for nothing: a user
// typed it or kept it. A user who is sent there to sign in is to come back, and one
// who chooses a login or steps up signs in again, signed in or not.
func isDirectVisit(query url.Values) bool {
	return !slices.ContainsFunc([]string{"return_to", "login", "acr_values", "max_age"}, query.Has)
}

// currentIdentity returns who is signed in and counts now, or nil. Where that cannot be told
// no user is: signing in will tell.
func (v *Request) currentIdentity() *authenticator.Identity {
	found, err := v.Sessions.Current(v.R.Context(), v.R, v.HTTPS)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(v.Methods, func(m Method) bool { return m.ID() == found.Login })
	if i < 0 {
		return nil
	}
	outcome := v.Methods[i].Revalidate(v.R.Context(), v.Sessions, found)
	if outcome.Verdict != authenticator.Accepted {
		return nil
	}
	return outcome.Identity
}

// showSignedIn shows a user the account that is signed in, and where to go from there.
func (s *Site) showSignedIn(v *Request, id *authenticator.Identity) {
	again := url.Values{"login": {""}} // to choose from
	if len(s.Methods) == 1 {
		again.Set("login", s.Methods[0].Name())
	}
	_ = s.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{
		Kind: pages.SignedIn, Identity: id, GoOnURL: "/", Action: LogoutPath,
		LoginURL: LoginPath + "?" + again.Encode(), RequestID: v.RequestID,
	})
}
