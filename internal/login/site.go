package login

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// The paths of a site's own pages; below CallbackPath stands a method's name.
const (
	LoginPath    = PathPrefix + "login"
	LogoutPath   = PathPrefix + "logout"
	CallbackPath = PathPrefix + "callback/"
)

// Method is one way to sign in on a site's own pages. Implementations are safe
// for concurrent use.
type Method interface {
	// Name is a word of [a-z0-9_-], by which addresses and policies tell the
	// methods of a site apart.
	Name() string
	// ID tells the sessions of the method from those of any other, whatever its
	// name is (T-71).
	ID() string
	// Title is what people choose by where there are several methods; "" stands
	// for a name and a password.
	Title() string
	// Login answers the method's sign-in page: GET, HEAD and POST. ReturnTo is a
	// path of this site.
	Login(v *Request, returnTo string)
	// Revalidate says of one of the method's sessions, found alive in the site's, whose it
	// is now.
	// Only an Accepted outcome lets the caller in; its identity's Method is session.
	Revalidate(ctx context.Context, in *session.Sessions, s *session.Session) authenticator.Outcome
}

// CallbackHandler is a method to which people come back from elsewhere.
type CallbackHandler interface {
	// Callback answers CallbackPath and the method's name, whatever is asked.
	Callback(v *Request)
}

// LogoutRedirector is a method that has somewhere to send people who have signed out.
type LogoutRedirector interface {
	// EndSessionURL is called when a session has been ended, and returns a URL or "".
	EndSessionURL(v *Request, s *session.Session) string
}

// Site is the pages of a site on which people sign in and out.
type Site struct {
	// Methods are the ways to sign in, in the order to offer them.
	Methods []Method
	// Sessions are the site's sessions.
	Sessions *session.Sessions
	// Pages writes what people see.
	Pages *pages.Pages
	// Report is told of every sign-in and sign-out.
	Report func(*http.Request, Event)
}

// crossOrigin tells requests that other sites made (R-CSRF-1).
var crossOrigin = http.NewCrossOriginProtection()

// Handles reports whether an escaped path is one of the site's own pages: nothing
// of an application is shadowed. A nil Site has none.
func (s *Site) Handles(path string) bool {
	return s != nil && strings.HasPrefix(path, PathPrefix) && s.route(path) != nil
}

// CookieNames returns the names of the cookies that are ours alone.
func (s *Site) CookieNames() []string {
	own := s.Sessions.Cookie()
	return []string{own.Name, own.InsecureName(), browserCookie.Name, browserCookie.InsecureName(), signInsCookie.Name, signInsCookie.InsecureName()}
}

// ReservedCookieNames returns the names that the cookies of sites have by default, which
// no other program uses: another site of the same host may set them.
func ReservedCookieNames() []string {
	shared := session.Cookie{Domain: "example.com"}.WithDefaults()
	return []string{session.Cookie{}.WithDefaults().Name, shared.Name, browserCookie.Name, signInsCookie.Name}
}

// HasForm reports whether people type passwords on the site's pages. A nil Site has
// none.
func (s *Site) HasForm() bool {
	return s != nil && slices.ContainsFunc(s.Methods, func(m Method) bool { _, form := m.(*Form); return form })
}

// Serve answers a visit, or returns false if its path is none of the site's own
// pages: nothing of an application is shadowed.
func (s *Site) Serve(v *Request) bool {
	v.Site = s
	serve := s.route(v.Path)
	if serve == nil {
		return false
	}
	// A provider that ends sessions is no browser, and begins none.
	browser := !strings.HasPrefix(v.Path, BackchannelPath)
	if err := s.Sessions.CanStart(v.R, v.HTTPS); browser && (err != nil || !v.Secure) {
		v.Refuse(cannotStart(v, err))
		return true
	}
	serve(v)
	return true
}

// cannotStart says why no session can begin where a visit is.
func cannotStart(v *Request, err error) Event {
	e := Event{Status: http.StatusForbidden, Reason: authenticator.ReasonInsecureTransport, Err: err}
	hint := ""
	switch {
	case errors.Is(err, session.ErrCookieDomain):
		e.Reason, hint = authenticator.ReasonCookieDomain, "sign in on a host of the cookie_domain, name another domain, or leave cookie_domain out"
	case !v.HTTPS:
		hint = InsecureHint(v.R)
	}
	if hint != "" {
		e.Details = []authenticator.Detail{{Name: "hint", Value: hint}}
	}
	return e
}

// route returns what answers a path, or nil.
func (s *Site) route(path string) func(*Request) {
	switch path {
	case LoginPath:
		return s.login
	case LogoutPath:
		return s.logout
	}
	if name, ok := strings.CutPrefix(path, CallbackPath); ok {
		if caller, ok := s.method(name).(CallbackHandler); ok {
			return caller.Callback
		}
	}
	if name, ok := strings.CutPrefix(path, BackchannelPath); ok {
		if notified, ok := s.method(name).(BackchannelHandler); ok {
			return notified.BackchannelLogout
		}
	}
	return nil
}

// method returns the method of a name, or nil.
func (s *Site) method(name string) Method {
	i := slices.IndexFunc(s.Methods, func(m Method) bool { return m.Name() == name })
	if i < 0 {
		return nil
	}
	return s.Methods[i]
}

// URL returns where to sign in, to come back to a path of this site: by the
// method of a name, or by one that people choose.
func (s *Site) URL(returnTo, name string, more url.Values) string {
	query := url.Values{"return_to": {SanitizeReturnTo(returnTo)}}
	if s.method(name) != nil && len(s.Methods) > 1 {
		query.Set("login", name)
	}
	maps.Copy(query, more)
	return LoginPath + "?" + query.Encode()
}

// login shows the sign-in page of a method, or has people choose one.
func (s *Site) login(v *Request) {
	if !v.allowMethods(http.MethodGet, http.MethodHead, http.MethodPost) || !v.requireSameOrigin() {
		return
	}
	query := v.R.URL.Query()
	if v.R.Method != http.MethodPost && isDirectVisit(query) {
		if id := v.currentIdentity(); id != nil {
			s.showSignedIn(v, id)
			return
		}
	}
	method := s.method(query.Get("login"))
	if len(s.Methods) == 1 {
		method = s.Methods[0]
	}
	if method == nil {
		s.showChoices(v, query)
		return
	}
	method.Login(v, SanitizeReturnTo(query.Get("return_to")))
}

// showChoices offers the site's methods.
func (s *Site) showChoices(v *Request, query url.Values) {
	page := pages.SignInPage{Kind: pages.ChooseLogin, RequestID: v.RequestID}
	for _, m := range s.Methods {
		query.Set("login", m.Name())
		page.Choices = append(page.Choices, pages.Choice{Title: m.Title(), URL: s.URL(query.Get("return_to"), m.Name(), stepUpParameters(query))})
	}
	_ = s.Pages.WriteSignIn(v.W, v.R, page)
}

// stepUpParameters returns what a step-up asks for (RFC 9470, section 3).
func stepUpParameters(query url.Values) url.Values {
	kept := url.Values{}
	for _, name := range []string{"acr_values", "max_age"} {
		if query.Has(name) {
			kept.Set(name, query.Get(name))
		}
	}
	return kept
}

// StepUpQuery returns what a sign-in page is asked for beside the user's name: contexts
// of authentication, best first, and the age of the sign-in in seconds, negative
// if that does not matter.
func StepUpQuery(acrValues []string, maxAge int64) url.Values {
	query := url.Values{}
	if len(acrValues) > 0 {
		query.Set("acr_values", strings.Join(acrValues, " "))
	}
	if maxAge >= 0 {
		query.Set("max_age", strconv.FormatInt(maxAge, 10))
	}
	return query
}

// allowMethods answers 405 to other methods of HTTP.
func (v *Request) allowMethods(methods ...string) bool {
	if slices.Contains(methods, v.R.Method) {
		return true
	}
	v.W.Header().Set("Allow", strings.Join(methods, ", "))
	v.writePage(Event{Status: http.StatusMethodNotAllowed}, pages.Denial{})
	return false
}

// requireSameOrigin refuses what another site's page sends.
func (v *Request) requireSameOrigin() bool {
	if crossOrigin.Check(v.R) == nil {
		return true
	}
	v.Refuse(Event{Status: http.StatusForbidden, Reason: authenticator.ReasonCrossSite, Details: []authenticator.Detail{
		{Name: "origin", Value: v.R.Header.Get("Origin")}, {Name: "sec_fetch_site", Value: v.R.Header.Get("Sec-Fetch-Site")},
	}})
	return false
}
