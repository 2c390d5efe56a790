package login

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// formName is the form's name among a site's methods.
const formName = "form"

// maxFormBytes is the maximum size of a form, in bytes.
const maxFormBytes = 16 << 10

// Form is a sign-in page with a user name and a password. It needs no JavaScript.
type Form struct {
	// Key identifies the users files, so that forms with different users do not
	// accept each other's sessions.
	Key string
	// Verify checks a name and a password and limits guessing. It takes the same
	// time for known and unknown names.
	Verify func(ctx context.Context, name, password string, client netip.Addr) users.Result
	// UseStore makes Verify count failed attempts in the store of the site's
	// sessions.
	UseStore func(store.Store)
	// Users returns the current users.
	Users func() *users.Users
	// Follow calls a function with the users before and after each change of them.
	Follow func(func(before, after *users.Users))
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Name implements Method.
func (f *Form) Name() string { return formName }

// ID implements Method.
func (f *Form) ID() string { return "form " + f.Key }

// Title implements Method. It is empty, because pages have a translated title for
// forms.
func (f *Form) Title() string { return "" }

// Login implements Method.
func (f *Form) Login(v *Request, returnTo string) {
	if v.R.Method != http.MethodPost {
		f.show(v, returnTo, pages.SignInPage{})
		return
	}
	name, password, err := f.read(v)
	if err != nil {
		v.report(Event{Kind: Failed, Login: formName, Status: http.StatusBadRequest, Reason: authenticator.ReasonLoginStateInvalid, Err: err})
		f.show(v, returnTo, pages.SignInPage{Status: http.StatusBadRequest, Failed: pages.TryAgain})
		return
	}
	result := f.Verify(v.R.Context(), name, password, v.Client)
	if result.User == nil {
		f.fail(v, name, returnTo, result)
		return
	}
	id := *result.User.Identity
	id.AMR, id.AuthTime = []string{"pwd"}, f.now().Unix()
	v.clearBrowserID()
	v.StartSession(formName, session.Record{Person: person.Person{Login: f.ID(), Subject: result.User.Name}, Identity: &id, Data: passwordDigest(result.User)}, returnTo)
}

func (f *Form) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// show writes the form. Page holds the status and the error of the previous
// attempt, if there was one.
func (f *Form) show(v *Request, returnTo string, page pages.SignInPage) {
	page.Kind, page.RequestID = pages.PasswordLogin, v.RequestID
	page.Action = v.URL(returnTo, formName, nil)
	page.Hidden = []pages.Hidden{{Name: "token", Value: digest(v.browserID(), formName)}}
	_ = v.Pages.WriteSignIn(v.W, v.R, page)
}

// The errors of a submitted form.
var (
	errNotForm   = errors.New("the request is not a submitted sign-in form")
	errCSRFToken = errors.New("the token of the form does not belong to this browser")
)

// read returns the name and the password of a submitted form. The token proves that
// this browser requested the form, so that no other site can sign it in (login
// CSRF).
func (f *Form) read(v *Request) (name, password string, err error) {
	if v.readForm() != nil {
		return "", "", errNotForm
	}
	sent := v.R.PostForm
	browser, known := v.readBrowserID()
	switch {
	case !hasOne(sent, "username"), !hasOne(sent, "password"):
		return "", "", errNotForm
	case !known, !equal(sent.Get("token"), digest(browser, formName)):
		return "", "", errCSRFToken
	}
	return sent.Get("username"), sent.Get("password"), nil
}

func hasOne(values url.Values, name string) bool { return len(values[name]) == 1 }

// fail answers a failed attempt. The response does not depend on whether the name
// exists or on what was wrong (R-401-7).
func (f *Form) fail(v *Request, name, returnTo string, result users.Result) {
	e := Event{Login: formName, Status: http.StatusUnauthorized, Reason: result.Reason, Cause: result.Cause, Candidate: result.Candidate, Details: result.Details}
	if result.Reason == authenticator.ReasonThrottled || result.Reason == authenticator.ReasonBusy {
		e.Kind, e.Status = Failed, http.StatusTooManyRequests
		if result.Reason == authenticator.ReasonBusy {
			e.Status = http.StatusServiceUnavailable
		}
		v.report(e)
		v.writePage(e, pages.Denial{RetryAfter: result.RetryAfter})
		return
	}
	if !pages.WantsPage(v.R) {
		v.Refuse(e)
		return
	}
	e.Kind = Failed
	v.report(e)
	f.show(v, returnTo, pages.SignInPage{Status: e.Status, Failed: pages.WrongPassword, Username: name})
}

// Revalidate implements Method. It looks the user up on each request, so that a
// disabled or removed user and one with a new password is signed out with the next
// request (R-401-8), and new roles apply immediately.
func (f *Form) Revalidate(_ context.Context, _ *session.Sessions, s *session.Session) authenticator.Outcome {
	user, rejected := f.activeUser(s.Identity.ID)
	if user == nil {
		return rejected
	}
	id := s.DeriveIdentity(user.Identity, func(of *authenticator.Identity) *authenticator.Identity { return sessionIdentity(user, of, s) })
	if id == nil {
		return authenticator.Reject(authenticator.ReasonSessionRevoked, authenticator.Detail{Name: "problem", Value: "the password was changed"})
	}
	return authenticator.Accept(id)
}

// activeUser returns a user who may sign in now, or nil and the outcome.
func (f *Form) activeUser(name string) (*users.User, authenticator.Outcome) {
	user := f.Users().Get(name)
	switch {
	case user == nil:
		return nil, authenticator.Reject(authenticator.ReasonAccountDisabled, authenticator.Detail{Name: "problem", Value: "the user was removed"})
	case !user.Active(f.now()):
		return nil, authenticator.Reject(authenticator.ReasonAccountDisabled)
	}
	return user, authenticator.Outcome{}
}

// sessionIdentity returns the current identity of a user's session, or nil if the
// password was changed since the session began.
func sessionIdentity(user *users.User, of *authenticator.Identity, s *session.Session) *authenticator.Identity {
	if subtle.ConstantTimeCompare(s.Data, passwordDigest(user)) != 1 {
		return nil
	}
	id, began := *of, s.Identity
	id.Method, id.AMR, id.AuthTime = began.Method, began.AMR, began.AuthTime
	if id.ExpiresAt == 0 || began.ExpiresAt < id.ExpiresAt {
		id.ExpiresAt = began.ExpiresAt
	}
	return id.Normalize()
}

// passwordDigest identifies a user's stored password hash. It differs for users of
// the same name in different files, and does not reveal the hash.
func passwordDigest(user *users.User) []byte {
	sum := sha256.Sum256([]byte("session\x00" + user.Name + "\x00" + user.Hash))
	return sum[:]
}

// readForm parses the form of a request, within a time limit and maxFormBytes.
func (v *Request) readForm() error {
	body := request.NewTimedBody(v.W, v.R)
	defer body.Stop()
	v.R.Body = http.MaxBytesReader(v.W, body, maxFormBytes)
	return v.R.ParseForm()
}
