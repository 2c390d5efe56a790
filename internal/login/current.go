package login

import (
	"net/url"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// isDirectVisit reports whether the URL of the sign-in page has none of its
// parameters: the user typed it or saved it as a bookmark. With return_to the user
// came from another page, and with login, acr_values or max_age the user has to
// sign in again.
func isDirectVisit(query url.Values) bool {
	return !slices.ContainsFunc([]string{"return_to", "login", "acr_values", "max_age"}, query.Has)
}

// currentIdentity returns the identity of the browser's session, or nil if there is
// no valid session or if the store cannot tell.
func (v *Request) currentIdentity() *authenticator.Identity {
	_, id, err := v.currentSession()
	if err != nil {
		return nil
	}
	return id
}

// currentSession returns the browser's session and its current identity, or an error: see
// isNoSession.
func (v *Request) currentSession() (*session.Session, *authenticator.Identity, error) {
	found, err := v.Sessions.Current(v.R.Context(), v.R, v.HTTPS)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(v.Methods, func(m Method) bool { return m.ID() == found.Person.Login })
	if i < 0 {
		return nil, nil, session.ErrOtherSite
	}
	outcome := v.Methods[i].Revalidate(v.R.Context(), v.Sessions, found)
	switch outcome.Verdict {
	case authenticator.Accepted:
		return found, outcome.Identity, nil
	case authenticator.Unavailable:
		return nil, nil, store.ErrUnavailable
	}
	return nil, nil, session.ErrEnded
}

// showSignedIn writes a page with the account that is signed in and the links to
// continue, to change the account and to sign out.
func (s *Site) showSignedIn(v *Request, id *authenticator.Identity) {
	again := url.Values{"login": {""}} // shows the choice of methods
	if len(s.Methods) == 1 {
		again.Set("login", s.Methods[0].Name())
	}
	_ = s.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{
		Kind: pages.SignedIn, Identity: id, GoOnURL: "/", Action: LogoutPath,
		LoginURL: LoginPath + "?" + again.Encode(), RequestID: v.RequestID,
	})
}
