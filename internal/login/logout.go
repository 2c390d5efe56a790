package login

import (
	"errors"
	"net/http"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// logout ends a session by POST only, so that links and images cannot sign users
// out. GET shows a page with the sign-out button (R-LO-1).
func (s *Site) logout(v *Request) {
	if !v.allowMethods(http.MethodGet, http.MethodHead, http.MethodPost) || !v.requireSameOrigin() {
		return
	}
	found, err := s.Sessions.Current(v.R.Context(), v.R, v.HTTPS)
	switch {
	case isNoSession(err):
		s.showSignedOut(v)
	case err != nil:
		v.Refuse(Event{Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Err: err})
	case v.R.Method == http.MethodPost:
		s.endSession(v, found)
	default:
		_ = s.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{
			Kind: pages.SignOut, Identity: found.Identity, Action: LogoutPath, RequestID: v.RequestID,
		})
	}
}

// isNoSession reports whether an error means that there is no valid session.
func isNoSession(err error) bool {
	return errors.Is(err, session.ErrEnded) || errors.Is(err, session.ErrExpired) || errors.Is(err, session.ErrOtherSite)
}

// endSession ends a session and redirects the browser to its provider's sign-out
// page, if it has one.
func (s *Site) endSession(v *Request, found *session.Session) {
	if err := s.Sessions.End(v.R.Context(), v.W, v.HTTPS, found); err != nil {
		v.Refuse(Event{Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Err: err})
		return
	}
	event, to := Event{Kind: SignedOut, Identity: found.Identity}, ""
	for _, m := range s.Methods {
		if m.ID() != found.Person.Login {
			continue
		}
		event.Login = m.Name()
		if leaver, ok := m.(LogoutRedirector); ok {
			to = leaver.EndSessionURL(v, found)
		}
	}
	v.report(event)
	v.resetLoopGuard()
	if to == "" {
		to = LogoutPath // it then shows that no user is signed in
	}
	v.Redirect(to)
}

// showSignedOut writes the page that confirms the sign-out, and deletes the cookie
// of an ended session.
func (s *Site) showSignedOut(v *Request) {
	if v.R.Method == http.MethodPost {
		v.Redirect(LogoutPath)
		return
	}
	if _, present := s.Sessions.Cookie().Read(v.R, v.HTTPS); present {
		s.Sessions.Cookie().Clear(v.W, v.HTTPS)
	}
	_ = s.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{Kind: pages.SignedOut, LoginURL: LoginPath, RequestID: v.RequestID})
}
