package login

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// formName is the form's name among a site's methods.
const formName = "form"

// maxFormBytes bounds what a form may send, in bytes.
const maxFormBytes = 16 << 10

// Form is a sign-in page with a name and a password. It works without scripts.
type Form struct {
	// Key tells forms with different users apart, wherever they are.
	Key string
	// Verify says whether a name and a password are a user's, at the same cost
	// for names that are users and names that are not; it slows down guessing.
	Verify func(ctx context.Context, name, password string, client netip.Addr) users.Result
	// UseStore has what is kept of attempts kept in the store of the site's sessions.
	UseStore func(store.Store)
	// Users returns the users as they are now.
	Users func() *users.Users
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// Name implements Method.
func (f *Form) Name() string { return formName }

// ID implements Method.
func (f *Form) ID() string { return "form " + f.Key }

// Title implements Method: there are words for it in each language.
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
	v.StartSession(formName, session.Record{Login: f.ID(), Identity: &id, Data: passwordDigest(result.User)}, returnTo)
}

func (f *Form) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// show writes the form; page says what went wrong before, if anything did.
func (f *Form) show(v *Request, returnTo string, page pages.SignInPage) {
	page.Kind, page.RequestID = pages.PasswordLogin, v.RequestID
	page.Action = v.URL(returnTo, formName, nil)
	page.Hidden = []pages.Hidden{{Name: "token", Value: digest(v.browserID(), formName)}}
	_ = v.Pages.WriteSignIn(v.W, v.R, page)
}

// The ways in which a form that was sent is none of ours.
var (
	errNotForm   = errors.New("what was sent is not the sign-in form")
	errCSRFToken = errors.New("the form was not made for this browser")
)

// read returns what the form says. The token shows that this browser was given
// the form by us, so that no browser is signed in by another site's page.
func (f *Form) read(v *Request) (name, password string, err error) {
	kind, _, _ := mime.ParseMediaType(v.R.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return "", "", errNotForm
	}
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

// fail answers an attempt that failed: the same to all, whatever name they gave
// and whatever was wrong (R-401-7).
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

// Revalidate implements Method: the users are asked each time, so that a user who is
// disabled, removed or given another password is out with the next request
// (R-401-8), and new roles count at once.
func (f *Form) Revalidate(_ context.Context, _ *session.Sessions, s *session.Session) authenticator.Outcome {
	user := f.Users().Get(s.Identity.ID)
	switch {
	case user == nil:
		return authenticator.Reject(authenticator.ReasonAccountDisabled, authenticator.Detail{Name: "problem", Value: "there is no such user any more"})
	case !user.Active(f.now()):
		return authenticator.Reject(authenticator.ReasonAccountDisabled)
	}
	id := s.DeriveIdentity(user.Identity, func(of *authenticator.Identity) *authenticator.Identity { return sessionIdentity(user, of, s) })
	if id == nil {
		return authenticator.Reject(authenticator.ReasonSessionRevoked, authenticator.Detail{Name: "problem", Value: "the password is another one now"})
	}
	return authenticator.Accept(id)
}

// sessionIdentity returns the identity that a user's session has now, or nil if the
// password was changed since.
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

// passwordDigest returns what tells a user's password from another one, and from that of
// a user of the same name elsewhere, without telling anything about it.
func passwordDigest(user *users.User) []byte {
	sum := sha256.Sum256([]byte("session\x00" + user.Name + "\x00" + user.Hash))
	return sum[:]
}

// readForm parses a form that arrives in time and is not too large.
func (v *Request) readForm() error {
	body := request.NewTimedBody(v.W, v.R)
	defer body.Stop()
	v.R.Body = http.MaxBytesReader(v.W, body, maxFormBytes)
	return v.R.ParseForm()
}
