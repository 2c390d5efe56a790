package login

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// makeWithin is how long after signing in a person may make app passwords, so that a
// browser that was left open makes none (S-18).
const makeWithin = 5 * time.Minute

// appPasswordsPage is a request for the page of a signed-in person.
type appPasswordsPage struct {
	*Request
	found *session.Session
	id    *authenticator.Identity
}

// appPasswords shows a person's app passwords, makes and revokes them. The session cookie
// alone identifies the person: an app password makes no other one.
func (s *Site) appPasswords(v *Request) {
	if !v.allowMethods(http.MethodGet, http.MethodHead, http.MethodPost) || !v.requireSameOrigin() {
		return
	}
	found, id, err := v.currentSession()
	page := &appPasswordsPage{v, found, id}
	switch {
	case isNoSession(err):
		page.askToSignIn()
	case err != nil:
		page.failStore(err)
	case v.R.Method == http.MethodPost:
		page.post()
	default:
		page.show(pages.AppPasswordsPage{})
	}
}

// askToSignIn sends a navigation to sign in and back; everything else gets 401.
func (a *appPasswordsPage) askToSignIn() {
	if a.R.Method != http.MethodPost && pages.IsNavigation(a.R) {
		a.Redirect(a.URL(AppPasswordsPath, "", nil))
		return
	}
	a.loginURL = a.URL(AppPasswordsPath, "", nil)
	a.Refuse(Event{Status: http.StatusUnauthorized, Reason: authenticator.ReasonCredentialsMissing})
}

func (a *appPasswordsPage) failStore(err error) {
	a.Refuse(Event{Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Err: err})
}

// isRecent reports whether the person signed in less than makeWithin ago.
func (a *appPasswordsPage) isRecent() bool { return a.Sessions.SignedInWithin(a.id, makeWithin) }

// signInAgainURL returns the URL of a new sign-in of the same kind that comes back here.
func (a *appPasswordsPage) signInAgainURL() string {
	name := ""
	if i := slices.IndexFunc(a.Methods, func(m Method) bool { return m.ID() == a.found.Person.Login }); i >= 0 {
		name = a.Methods[i].Name()
	}
	return a.URL(AppPasswordsPath, name, StepUpQuery(nil, 0))
}

// token returns the value of the forms' hidden field, which no other site can know.
func (a *appPasswordsPage) token() string {
	cookie, _ := a.Sessions.Cookie().Read(a.R, a.HTTPS)
	return digest(cookie, "app_passwords")
}

// show writes the page. It holds the status, the failure and the new password, if there
// are any.
func (a *appPasswordsPage) show(page pages.AppPasswordsPage) {
	list, err := a.AppPasswords.Of(a.R.Context(), a.found.Person, a.found.Site)
	if err != nil {
		a.failStore(err)
		return
	}
	page.Action, page.Token, page.Identity, page.RequestID = AppPasswordsPath, a.token(), a.id, a.RequestID
	page.Scopes, page.LoginURL, page.Max = a.AppPasswords.Scopes(), a.signInAgainURL(), a.AppPasswords.Max()
	page.CanCreate = a.isRecent() && len(list) < page.Max
	page.Full = len(list) >= page.Max
	for _, p := range list {
		page.List = append(page.List, pages.AppPassword{ID: p.ID, Name: p.Name, Scopes: p.Scopes, Created: p.Created, LastUsed: p.LastUsed(), Expires: p.Expires})
	}
	_ = a.Pages.WriteAppPasswords(a.W, a.R, page)
}

// post handles the page's forms.
func (a *appPasswordsPage) post() {
	kind, _, _ := mime.ParseMediaType(a.R.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" || a.readForm() != nil || !equal(a.R.PostForm.Get("token"), a.token()) {
		a.report(Event{Kind: Failed, Status: http.StatusBadRequest, Reason: authenticator.ReasonLoginStateInvalid, Err: errCSRFToken, Identity: a.id})
		a.show(pages.AppPasswordsPage{Status: http.StatusBadRequest, Failed: pages.TryAgain})
		return
	}
	switch a.R.PostForm.Get("action") {
	case "create":
		a.make()
	case "revoke":
		a.revoke()
	default:
		a.show(pages.AppPasswordsPage{Status: http.StatusBadRequest, Failed: pages.TryAgain})
	}
}

// make makes an app password and shows it, this once.
func (a *appPasswordsPage) make() {
	if !a.requirePage() {
		return
	}
	if !a.isRecent() {
		a.Redirect(a.signInAgainURL())
		return
	}
	h, ok := a.holder(a.found)
	if !ok {
		a.askToSignIn()
		return
	}
	secret, made, err := a.AppPasswords.Make(a.R.Context(), h, a.R.PostForm.Get("name"), a.R.PostForm["scope"])
	switch {
	case errors.Is(err, apppassword.ErrName):
		a.show(pages.AppPasswordsPage{Status: http.StatusBadRequest, Failed: pages.BadName})
	case errors.Is(err, apppassword.ErrScope):
		a.show(pages.AppPasswordsPage{Status: http.StatusBadRequest, Failed: pages.TryAgain})
	case errors.Is(err, apppassword.ErrFull):
		a.show(pages.AppPasswordsPage{Status: http.StatusConflict, Failed: pages.TooManyAppPasswords})
	case err != nil:
		a.failStore(err)
	default:
		a.reportPassword(AppPasswordMade, made)
		a.show(pages.AppPasswordsPage{Secret: secret, SecretName: made.Name, Username: apppassword.UserName(a.id)})
	}
}

// requirePage rejects what no form of this page sends (S-18). A browser that sends no
// Sec-Fetch headers makes no app passwords.
func (a *appPasswordsPage) requirePage() bool {
	h := a.R.Header
	if slices.Equal(h["Sec-Fetch-Site"], []string{"same-origin"}) && slices.Equal(h["Sec-Fetch-Mode"], []string{"navigate"}) {
		return true
	}
	a.Refuse(Event{Status: http.StatusForbidden, Reason: authenticator.ReasonCrossSite, Identity: a.id, Details: []authenticator.Detail{
		{Name: "sec_fetch_site", Value: h.Get("Sec-Fetch-Site")}, {Name: "sec_fetch_mode", Value: h.Get("Sec-Fetch-Mode")},
	}})
	return false
}

// revoke ends an app password of this person. One that has ended already is no error.
func (a *appPasswordsPage) revoke() {
	revoked, err := a.AppPasswords.Revoke(a.R.Context(), a.found.Person, a.found.Site, a.R.PostForm.Get("id"))
	switch {
	case err == nil:
		a.reportPassword(AppPasswordRevoked, revoked)
	case !errors.Is(err, apppassword.ErrUnknown):
		a.failStore(err)
		return
	}
	a.Redirect(AppPasswordsPath)
}

func (a *appPasswordsPage) reportPassword(kind EventKind, p *apppassword.Password) {
	a.report(Event{Kind: kind, Identity: a.id, Details: []authenticator.Detail{{Name: "key_id", Value: p.ID}}})
}
