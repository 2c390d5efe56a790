package login

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// OIDC signs users in at an OpenID provider.
type OIDC struct {
	// MethodName is the method's name, and DisplayName the text on its button.
	MethodName, DisplayName string
	// ClientID is the site's client ID at the provider.
	ClientID string
	// Provider is the OpenID provider.
	Provider *oidc.Provider
	// LocalLogout ends only the session of this site on sign-out, and not the
	// session at the provider.
	LocalLogout bool
	// Upstream is the token that sessions keep for the next handler: AccessToken,
	// IDToken or "".
	Upstream string
	// OpenRegistration says that anyone can register an account at the provider.
	OpenRegistration bool
	// AppPasswords are the site's app passwords, or nil.
	AppPasswords *apppassword.Passwords
}

// PublicSignUp implements authenticator.PublicSignUp: it reports whether anyone can
// register an account at the provider.
func (o *OIDC) PublicSignUp() bool { return o.OpenRegistration }

// Name implements Method.
func (o *OIDC) Name() string { return o.MethodName }

// ID implements Method. Two clients of one provider are different logins.
func (o *OIDC) ID() string {
	return "oidc " + strconv.Quote(o.Provider.Issuer()) + " " + strconv.Quote(o.ClientID)
}

// Title implements Method.
func (o *OIDC) Title() string { return o.DisplayName }

// The purposes of a transaction.
const (
	purposeSignIn  = "sign in"
	purposeSignOut = "sign out"
)

// oidcState is the Data of a Transaction.
type oidcState struct {
	Purpose string           `json:"to"`
	Request oidc.AuthRequest `json:"request,omitzero"`
}

// Login implements Method. It redirects the browser to the provider, with the
// step-up parameters of the URL.
func (o *OIDC) Login(v *Request, returnTo string) {
	if !v.allowMethods(http.MethodGet, http.MethodHead) {
		return
	}
	if !v.requireNavigation() {
		return
	}
	if v.joinOtherTab(returnTo, parseStepUp(v.R.URL.Query())) {
		return
	}
	if v.isSignInLoop() {
		o.showSignInLoop(v)
		return
	}
	if v.waitForOtherTab() {
		return
	}
	o.begin(v, returnTo, parseStepUp(v.R.URL.Query()))
}

// begin starts a sign-in and redirects the browser to the provider.
func (o *OIDC) begin(v *Request, returnTo string, stepUp oidc.StepUp) {
	state := randomToken()
	to, pending, err := o.Provider.Authorize(v.R.Context(), state, o.callbackURL(v), v.limitAge(stepUp))
	if err == nil {
		kept := pending
		kept.StepUp = oidc.StepUp{} // Ask has it
		err = o.storeTransaction(v, state, Transaction{ReturnTo: returnTo, StepUp: stepUp}, oidcState{Purpose: purposeSignIn, Request: kept})
	}
	if err == nil { // after the rate limit, because it sends a request to the provider
		to, err = o.Provider.PushAuthorization(v.R.Context(), to, state, pending)
	}
	if err != nil {
		o.fail(v, err, Transaction{Login: o.MethodName, ReturnTo: returnTo, StepUp: stepUp})
		return
	}
	v.Redirect(to)
}

// storeTransaction stores a transaction under a state.
func (o *OIDC) storeTransaction(v *Request, state string, t Transaction, u oidcState) error {
	data, err := marshalCompact(u)
	if err != nil {
		return beginError(err)
	}
	t.Login, t.Data = o.MethodName, data
	return v.Begin(v.R.Context(), state, t)
}

// callbackURL returns the redirect URI, which is registered at the provider.
func (o *OIDC) callbackURL(v *Request) string {
	scheme := "http"
	if v.HTTPS {
		scheme = "https"
	}
	return scheme + "://" + v.R.Host + CallbackPath + o.MethodName
}

// Callback implements CallbackHandler. It handles the redirect from the provider
// after signing in or out. The state must be one that this browser was given
// (R-OID-3).
func (o *OIDC) Callback(v *Request) {
	if !v.allowMethods(http.MethodGet) {
		return
	}
	answer := v.R.URL.Query()
	t, u, err := o.takeTransaction(v, answer["state"])
	switch {
	case errors.Is(err, ErrUsed):
		o.resumeUsed(v, t)
	case errors.Is(err, ErrState):
		o.showInvalidState(v, err)
	case err != nil:
		o.fail(v, err, t)
	case u.Purpose == purposeSignOut:
		v.Redirect(LogoutPath)
	default:
		o.complete(v, answer, t, u.Request)
	}
}

// takeTransaction returns the transaction of a state and marks it used.
func (o *OIDC) takeTransaction(v *Request, states []string) (t Transaction, u oidcState, err error) {
	if len(states) != 1 {
		return t, u, ErrState
	}
	t, err = v.Take(v.R.Context(), states[0])
	switch {
	case errors.Is(err, ErrUsed) && t.Login == o.MethodName, err != nil && !errors.Is(err, ErrUsed):
		return t, u, err
	case t.Login != o.MethodName || json.Unmarshal(t.Data, &u) != nil:
		return Transaction{}, u, ErrState
	}
	u.Request.StepUp = v.limitAge(t.StepUp)
	return t, u, nil
}

// complete exchanges the code and starts the session.
func (o *OIDC) complete(v *Request, answer url.Values, t Transaction, pending oidc.AuthRequest) {
	granted, err := o.Provider.Exchange(v.R.Context(), answer, pending)
	var failure *oidc.Failure
	if errors.As(err, &failure) && failure.NeedsInteraction {
		stepUp := t.StepUp
		stepUp.Interactive = true
		o.begin(v, t.ReturnTo, stepUp)
		return
	}
	if errors.As(err, &failure) && failure.Restart {
		v.recordSignIn(t.Began) // machines with different metadata must not cause a redirect loop
		v.Redirect(v.retryURL(t))
		return
	}
	var record session.Record
	if err == nil {
		record, err = o.record(granted)
	}
	if err != nil {
		if t.Retry = errors.As(err, &failure) && failure.Status >= http.StatusInternalServerError; t.Retry {
			err = errors.Join(err, v.storeUsed(v.R.Context(), answer.Get("state"), t))
		}
		o.fail(v, err, t)
		return
	}
	v.recordSignIn(t.Began)
	if v.keepsSession(t, record) {
		v.Redirect(SanitizeReturnTo(t.ReturnTo))
		return
	}
	if stepUp, anew := v.signInAnew(t, record); anew {
		o.begin(v, t.ReturnTo, stepUp)
		return
	}
	v.loginURL = v.retryURL(t)
	v.StartSession(o.MethodName, record, t.ReturnTo)
}

// resumeUsed handles a callback that is repeated, by the Back button or by
// reloading the page. A signed-in user continues to the requested page, and a
// sign-in that failed temporarily starts again. If the page needs a step-up, its
// policy asks for it again.
func (o *OIDC) resumeUsed(v *Request, t Transaction) {
	switch {
	case v.currentIdentity() != nil:
		v.Redirect(SanitizeReturnTo(t.ReturnTo))
	case t.Retry:
		o.begin(v, t.ReturnTo, t.StepUp)
	default:
		v.loginURL = v.retryURL(t)
		o.showInvalidState(v, ErrUsed)
	}
}

// record returns the session record of a grant.
func (o *OIDC) record(granted *oidc.Grant) (session.Record, error) {
	data, err := o.encode(granted, false)
	return session.Record{
		Identity: granted.Identity, Person: o.person(granted.Subject), SID: granted.SessionID, Data: data,
	}, err
}

// person returns the person with a subject at the provider.
func (o *OIDC) person(subject string) person.Person {
	return person.Person{Login: o.ID(), Issuer: o.Provider.Issuer(), Subject: subject}
}

// showInvalidState answers a callback whose state is invalid. A signed-in user sees
// the current account.
func (o *OIDC) showInvalidState(v *Request, err error) {
	if id := v.currentIdentity(); id != nil {
		v.showSignedIn(v, id)
		return
	}
	v.report(Event{Kind: Failed, Login: o.MethodName, Status: http.StatusBadRequest, Reason: authenticator.ReasonLoginStateInvalid, Err: err})
	_ = v.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{
		Kind: pages.ChooseLogin, Status: http.StatusBadRequest, Failed: pages.TryAgain, LoginURL: v.signInURL(), RequestID: v.RequestID,
	})
}

// showSignInLoop answers a browser in a redirect loop.
func (o *OIDC) showSignInLoop(v *Request) {
	v.report(Event{Kind: Failed, Login: o.MethodName, Status: http.StatusForbidden, Reason: authenticator.ReasonLoginStateInvalid, Err: errSignInLoop})
	_ = v.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{Kind: pages.SignInLoop, Status: http.StatusForbidden, RequestID: v.RequestID})
}

// fail answers a failed sign-in. The link on the page starts the same sign-in
// again.
func (o *OIDC) fail(v *Request, err error, t Transaction) {
	if t.Login != "" {
		v.loginURL = v.retryURL(t)
	}
	e := Event{Kind: Failed, Login: o.MethodName, Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Err: err}
	var page pages.Denial
	var failure *oidc.Failure
	switch {
	case errors.As(err, &failure):
		e.Status, e.Reason, e.Candidate, page.RetryAfter = failure.Status, failure.Reason, failure.Subject, failure.RetryAfter
	case errors.Is(err, ErrTooMany):
		e.Status, e.Reason, page.RetryAfter = http.StatusTooManyRequests, authenticator.ReasonThrottled, transactionTime
	}
	v.report(e)
	v.writePage(e, page)
}

// EndSessionURL implements LogoutRedirector: the user signs out at the provider,
// which redirects back with a state of ours (R-LO-2).
func (o *OIDC) EndSessionURL(v *Request, s *session.Session) string {
	granted, err := decodeGrant(s.Data)
	if err != nil || o.LocalLogout {
		return ""
	}
	state := randomToken()
	to := o.Provider.EndSessionURL(granted, o.callbackURL(v), state)
	if to == "" || o.storeTransaction(v, state, Transaction{}, oidcState{Purpose: purposeSignOut}) != nil {
		return ""
	}
	return to
}

// Interface guards.
var (
	_ Method                     = (*OIDC)(nil)
	_ authenticator.PublicSignUp = (*OIDC)(nil)
	_ CallbackHandler            = (*OIDC)(nil)
	_ LogoutRedirector           = (*OIDC)(nil)
	_ BackchannelHandler         = (*OIDC)(nil)
)
