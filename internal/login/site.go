// Package login signs users in and out: on a site's own pages below /.policy_auth/,
// with a password form or at OpenID providers, or on an external page. Afterwards it
// redirects to the page that the user requested, which is always on the same site.
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
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// The paths of a site's own pages. A method's name follows CallbackPath.
const (
	LoginPath        = PathPrefix + "login"
	LogoutPath       = PathPrefix + "logout"
	CallbackPath     = PathPrefix + "callback/"
	AppPasswordsPath = PathPrefix + "app_passwords"
)

// Method is a way to sign in on a site's own pages. Implementations are safe for
// concurrent use.
type Method interface {
	// Name is a word of [a-z0-9_-]. It identifies the method in URLs and in
	// policies.
	Name() string
	// ID identifies the method in stored sessions. It does not depend on the
	// configured name (T-71).
	ID() string
	// Title is the text of the button that selects the method; "" stands for a
	// password form.
	Title() string
	// Login answers GET, HEAD and POST requests for the sign-in page. ReturnTo is a
	// path of this site.
	Login(v *Request, returnTo string)
	// Revalidate checks a session of the method and returns its current identity.
	// Only the verdict Accepted lets the request in; the identity's Method is
	// "session".
	Revalidate(ctx context.Context, in *session.Sessions, s *session.Session) authenticator.Outcome
	// Holder returns what app passwords keep of the user of a session: Data, Refreshable,
	// and Tag if the method chooses it.
	Holder(s *session.Session) apppassword.Holder
	// RevalidateHolder checks the person with app passwords and returns the current
	// identity. The passwords of a person who is rejected end.
	RevalidateHolder(ctx context.Context, sessions *session.Sessions, in *apppassword.Passwords, h *apppassword.Holder) authenticator.Outcome
}

// CallbackHandler is a Method to which browsers return from a provider.
type CallbackHandler interface {
	// Callback answers requests for CallbackPath followed by the method's name, with
	// any HTTP method.
	Callback(v *Request)
}

// LogoutRedirector is a Method with a sign-out page elsewhere.
type LogoutRedirector interface {
	// EndSessionURL is called after a session was ended. It returns the URL to
	// redirect the browser to, or "" for none.
	EndSessionURL(v *Request, s *session.Session) string
}

// Site serves the pages of a site on which users sign in and out.
type Site struct {
	// Methods are the ways to sign in, in the order in which the page offers them.
	Methods []Method
	// Sessions are the site's sessions.
	Sessions *session.Sessions
	// AppPasswords are the site's app passwords, or nil if it has none.
	AppPasswords *apppassword.Passwords
	// Pages renders the pages.
	Pages *pages.Pages
	// Started is called when a session has started, or is nil. If it fails, the session
	// counts nevertheless, and the error is in the log.
	Started func(*Request) error
	// Report is called with every sign-in and sign-out.
	Report func(*http.Request, Event)
}

// crossOrigin detects requests made by other sites (R-CSRF-1).
var crossOrigin = http.NewCrossOriginProtection()

// Handles reports whether an escaped path is one of the site's own pages. All other
// paths belong to the application. A nil Site has no pages.
func (s *Site) Handles(path string) bool {
	return s != nil && strings.HasPrefix(path, PathPrefix) && s.route(path) != nil
}

// CookieNames returns the names of the cookies that only this module uses on the
// site.
func (s *Site) CookieNames() []string {
	own := s.Sessions.Cookie()
	return []string{own.Name, own.InsecureName(), browserCookie.Name, browserCookie.InsecureName(), signInsCookie.Name, signInsCookie.InsecureName()}
}

// ReservedCookieNames returns the default names of our cookies. Another site on the
// same host may set them.
func ReservedCookieNames() []string {
	shared := session.Cookie{Domain: "example.com"}.WithDefaults()
	return []string{session.Cookie{}.WithDefaults().Name, shared.Name, browserCookie.Name, signInsCookie.Name}
}

// HasForm reports whether one of the methods is a password form. A nil Site has
// none.
func (s *Site) HasForm() bool {
	return s != nil && slices.ContainsFunc(s.Methods, func(m Method) bool { _, form := m.(*Form); return form })
}

// Serve answers a request for one of the site's own pages. It returns false for any
// other path.
func (s *Site) Serve(v *Request) bool {
	v.Site = s
	serve := s.route(v.Path)
	if serve == nil {
		return false
	}
	// Logout tokens come from the provider's server, which needs no session.
	browser := !strings.HasPrefix(v.Path, BackchannelPath)
	if err := s.Sessions.CanStart(v.R, v.HTTPS); browser && (err != nil || !v.Secure) {
		v.Refuse(cannotStart(v, err))
		return true
	}
	serve(v)
	return true
}

// cannotStart returns the event for a request in which no session can start.
func cannotStart(v *Request, err error) Event {
	e := Event{Status: http.StatusForbidden, Reason: authenticator.ReasonInsecureTransport, Err: err}
	hint := ""
	switch {
	case errors.Is(err, session.ErrCookieDomain):
		e.Reason, hint = authenticator.ReasonCookieDomain, "sign in on a host in the cookie_domain, change cookie_domain, or remove it"
	case !v.HTTPS:
		hint = InsecureHint(v.R)
	}
	if hint != "" {
		e.Details = []authenticator.Detail{{Name: "hint", Value: hint}}
	}
	return e
}

// route returns the handler of a path, or nil.
func (s *Site) route(path string) func(*Request) {
	switch path {
	case LoginPath:
		return s.login
	case LogoutPath:
		return s.logout
	case AppPasswordsPath:
		if s.AppPasswords != nil {
			return s.appPasswords
		}
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

// method returns the method with a name, or nil.
func (s *Site) method(name string) Method {
	i := slices.IndexFunc(s.Methods, func(m Method) bool { return m.Name() == name })
	if i < 0 {
		return nil
	}
	return s.Methods[i]
}

// URL returns the URL of the sign-in page that returns to a path of this site. A
// name selects a method if there are several; else the user chooses one. More are
// further parameters, such as those of StepUpQuery.
func (s *Site) URL(returnTo, name string, more url.Values) string {
	query := url.Values{"return_to": {SanitizeReturnTo(returnTo)}}
	if s.method(name) != nil && len(s.Methods) > 1 {
		query.Set("login", name)
	}
	maps.Copy(query, more)
	return LoginPath + "?" + query.Encode()
}

// login shows the sign-in page of a method, or the choice of methods.
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

// showChoices lets the user choose one of the site's methods.
func (s *Site) showChoices(v *Request, query url.Values) {
	page := pages.SignInPage{Kind: pages.ChooseLogin, RequestID: v.RequestID}
	for _, m := range s.Methods {
		query.Set("login", m.Name())
		page.Choices = append(page.Choices, pages.Choice{Title: m.Title(), URL: s.URL(query.Get("return_to"), m.Name(), stepUpParameters(query))})
	}
	_ = s.Pages.WriteSignIn(v.W, v.R, page)
}

// stepUpParameters returns the parameters of a step-up (RFC 9470, section 3).
func stepUpParameters(query url.Values) url.Values {
	kept := url.Values{}
	for _, name := range []string{"acr_values", "max_age"} {
		if query.Has(name) {
			kept.Set(name, query.Get(name))
		}
	}
	return kept
}

// StepUpQuery returns the parameters of the sign-in page for a step-up:
// authentication context classes, the preferred one first, and the maximum age of
// the sign-in in seconds, which is negative for no limit.
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

// allowMethods answers requests with other HTTP methods with 405 and returns false.
func (v *Request) allowMethods(methods ...string) bool {
	if slices.Contains(methods, v.R.Method) {
		return true
	}
	v.W.Header().Set("Allow", strings.Join(methods, ", "))
	v.writePage(Event{Status: http.StatusMethodNotAllowed}, pages.Denial{})
	return false
}

// requireSameOrigin rejects requests made by pages of other sites.
func (v *Request) requireSameOrigin() bool {
	if crossOrigin.Check(v.R) == nil {
		return true
	}
	v.Refuse(Event{Status: http.StatusForbidden, Reason: authenticator.ReasonCrossSite, Details: []authenticator.Detail{
		{Name: "origin", Value: v.R.Header.Get("Origin")}, {Name: "sec_fetch_site", Value: v.R.Header.Get("Sec-Fetch-Site")},
	}})
	return false
}
