package sharelink

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// cookieName is not the name of the session's cookie: no version takes a guest for a user.
const cookieName = "__Host-policy_auth_guest"

// Cookie returns the cookie of guests.
func Cookie() session.Cookie { return session.Cookie{Name: cookieName}.WithDefaults() }

// CookieNames returns the names of the cookie over HTTPS and over plain HTTP.
func CookieNames() []string { return []string{cookieName, Cookie().InsecureName()} }

// CookieName returns the name of the cookie over HTTPS or over plain HTTP.
func CookieName(https bool) string {
	if https {
		return cookieName
	}
	return Cookie().InsecureName()
}

// ErrNoGuest is the error of a request without the cookie of guests.
var ErrNoGuest = errors.New("the request has no cookie of a guest")

// Guest returns the link of the guest who sends a request, ErrDead if the cookie of guests
// opens nothing any more, or ErrNoGuest without such a cookie, and for that of a guest of
// another port or scheme of the host, to which browsers send it too.
func (s *Site) Guest(r *http.Request, https bool) (*Link, error) {
	if len(session.CookieValues(r, CookieName(https))) == 0 {
		return nil, ErrNoGuest
	}
	value, ok := Cookie().Read(r, https)
	if !ok {
		return nil, ErrDead
	}
	link, err := s.Links.Guest(r.Context(), session.RequestHost(r), value)
	if err == nil && !link.isFor(r, https) {
		return nil, ErrNoGuest
	}
	return link, err
}

// isFor reports whether a link is for the origin to which a request was sent. A proxy in
// front passes on the Host with the port that the client used.
func (l *Link) isFor(r *http.Request, https bool) bool {
	if l.Origin == "" {
		return true // Links has compared the host
	}
	scheme, port := "http", "80"
	if https {
		scheme, port = "https", "443"
	}
	if _, named, err := net.SplitHostPort(r.Host); err == nil && named != "" {
		port = named
	}
	return withoutDefaultPort(scheme+"://"+net.JoinHostPort(session.RequestHost(r), port)) == l.Origin
}

// End ends the guest session of a browser and deletes its cookie. It is called when a
// person signs in.
func (s *Site) End(ctx context.Context, w http.ResponseWriter, r *http.Request, https bool) error {
	value, ok := Cookie().Read(r, https)
	if !ok {
		return nil
	}
	Cookie().Clear(w, https)
	return s.Links.EndGuest(ctx, session.RequestHost(r), value)
}
