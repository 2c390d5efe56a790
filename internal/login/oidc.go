package login

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// OIDC is signing in at an OpenID provider.
type OIDC struct {
	// MethodName is the method's name, and Label what people choose it by.
	MethodName, DisplayName string
	// ClientID is who the site is for the provider.
	ClientID string
	// Provider signs people in.
	Provider *oidc.Provider
	// SanitizeReturnTo leaves people signed in at the provider when they sign out here.
	LocalLogout bool
	// OpenRegistration says that strangers can get an account at the provider.
	OpenRegistration bool
}

// AcceptsAnybody reports whether strangers can make themselves known.
func (o *OIDC) AcceptsAnybody() bool { return o.OpenRegistration }

// Name implements Method.
func (o *OIDC) Name() string { return o.MethodName }

// ID implements Method: another client of the same provider is another login.
func (o *OIDC) ID() string {
	return "oidc " + strconv.Quote(o.Provider.Issuer()) + " " + strconv.Quote(o.ClientID)
}

// Title implements Method.
func (o *OIDC) Title() string { return o.DisplayName }

// The ends that a transaction of OIDC has.
const (
	purposeSignIn  = "sign in"
	purposeSignOut = "sign out"
)

// oidcState is what a transaction keeps.
type oidcState struct {
	Purpose string           `json:"to"`
	Request oidc.AuthRequest `json:"request,omitzero"`
}

// Login implements Method: it sends the browser to the provider, with what the
// address asks of a step-up.
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

// maxACRValues bounds what a step-up asks for, in bytes: it is kept while the
// sign-in lasts, and anybody can write it into the address.
const maxACRValues = 1024

// parseStepUp reads what a step-up asks for. Whoever writes something else into the
// address asks for less than the policy, which then refuses again.
func parseStepUp(query url.Values) oidc.StepUp {
	demand := oidc.NoStepUp
	strange := func(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }
	if text := query.Get("acr_values"); len(text) <= maxACRValues && !strings.ContainsFunc(text, strange) {
		demand.ACRValues = strings.Fields(text)
	}
	if seconds, err := strconv.ParseInt(query.Get("max_age"), 10, 32); err == nil && seconds >= 0 {
		demand.MaxAge = seconds
	}
	return demand
}

// isStepUp reports whether a sign-in has to be like something.
func isStepUp(ask oidc.StepUp) bool { return len(ask.ACRValues) > 0 || ask.MaxAge >= 0 }

// begin sends the browser to the provider.
func (o *OIDC) begin(v *Request, returnTo string, demand oidc.StepUp) {
	state := randomToken()
	to, pending, err := o.Provider.Authorize(v.R.Context(), state, o.callbackURL(v), demand)
	if err == nil {
		kept := pending
		kept.StepUp = oidc.StepUp{} // Ask has it
		err = o.storeTransaction(v, state, Transaction{ReturnTo: returnTo, StepUp: demand}, oidcState{Purpose: purposeSignIn, Request: kept})
	}
	if err == nil { // after it was counted: a request of ours goes out for each
		to, err = o.Provider.PushAuthorization(v.R.Context(), to, state, pending)
	}
	if err != nil {
		o.fail(v, err, Transaction{Login: o.MethodName, ReturnTo: returnTo, StepUp: demand})
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

// callbackURL returns where the provider sends people back to; it is registered there.
func (o *OIDC) callbackURL(v *Request) string {
	scheme := "http"
	if v.HTTPS {
		scheme = "https"
	}
	return scheme + "://" + v.R.Host + CallbackPath + o.MethodName
}

// Callback implements CallbackHandler: the browser comes back from the provider, having
// signed in or out. What it brings counts only with the state that this browser
// was given (R-OID-3).
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

// takeTransaction returns the transaction of a state.
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
	u.Request.StepUp = t.StepUp
	return t, u, nil
}

// complete ends a sign-in.
func (o *OIDC) complete(v *Request, answer url.Values, t Transaction, pending oidc.AuthRequest) {
	granted, err := o.Provider.Exchange(v.R.Context(), answer, pending)
	var failure *oidc.Failure
	if errors.As(err, &failure) && failure.NeedsInteraction {
		demand := pending.StepUp
		demand.Interactive = true
		o.begin(v, t.ReturnTo, demand)
		return
	}
	if errors.As(err, &failure) && failure.Restart {
		v.recordSignIn(t.Began) // several machines that disagree do not send a browser in circles
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
	v.loginURL = v.retryURL(t)
	v.StartSession(o.MethodName, record, t.ReturnTo)
}

// resumeUsed answers a browser that comes back a second time, by the Back button or by
// loading the page once more: it goes on to the page asked for if it is signed in,
// and begins another sign-in if the first one failed for a reason that may have
// passed. The policy asks for a step-up there if it is still wanted.
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

// record returns what a session keeps of a grant.
func (o *OIDC) record(granted *oidc.Grant) (session.Record, error) {
	data, err := encodeGrant(granted)
	return session.Record{
		Identity: granted.Identity, Login: o.ID(), SID: granted.SessionID, Subject: granted.Subject, Data: data,
	}, err
}

// showInvalidState answers a browser that comes back with a state that leads nowhere. One that
// is signed in has an old page, and is told so.
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

// showSignInLoop answers who signs in again and again.
func (o *OIDC) showSignInLoop(v *Request) {
	v.report(Event{Kind: Failed, Login: o.MethodName, Status: http.StatusForbidden, Reason: authenticator.ReasonLoginStateInvalid, Err: errSignInLoop})
	_ = v.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{Kind: pages.SignInLoop, Status: http.StatusForbidden, RequestID: v.RequestID})
}

// fail answers a sign-in that failed. The page's link asks for the same again.
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

// EndSessionURL implements LogoutRedirector: people sign out at the provider, too, which sends
// them back with a state of ours (R-LO-2).
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
	_ Method             = (*OIDC)(nil)
	_ CallbackHandler    = (*OIDC)(nil)
	_ LogoutRedirector   = (*OIDC)(nil)
	_ BackchannelHandler = (*OIDC)(nil)
)
