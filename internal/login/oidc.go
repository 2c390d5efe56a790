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
	toSignIn  = "sign in"
	toSignOut = "sign out"
)

// underway is what a transaction keeps.
type underway struct {
	To      string           `json:"to"`
	Request oidc.AuthRequest `json:"request,omitzero"`
}

// Login implements Method: it sends the browser to the provider, with what the
// address asks of a step-up.
func (o *OIDC) Login(v *Request, returnTo string) {
	if !v.allows(http.MethodGet, http.MethodHead) {
		return
	}
	if !v.navigates() {
		return
	}
	if v.joins(returnTo, demandOf(v.R.URL.Query())) {
		return
	}
	if v.circles() {
		o.stop(v)
		return
	}
	if v.waits() {
		return
	}
	o.begin(v, returnTo, demandOf(v.R.URL.Query()))
}

// maxACRValues bounds what a step-up asks for, in bytes: it is kept while the
// sign-in lasts, and anybody can write it into the address.
const maxACRValues = 1024

// demandOf reads what a step-up asks for. Whoever writes something else into the
// address asks for less than the policy, which then refuses again.
func demandOf(query url.Values) oidc.StepUp {
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

// demands reports whether a sign-in has to be like something.
func demands(ask oidc.StepUp) bool { return len(ask.ACRValues) > 0 || ask.MaxAge >= 0 }

// begin sends the browser to the provider.
func (o *OIDC) begin(v *Request, returnTo string, demand oidc.StepUp) {
	state := random()
	to, pending, err := o.Provider.Authorize(v.R.Context(), state, o.callback(v), demand)
	if err == nil {
		kept := pending
		kept.StepUp = oidc.StepUp{} // Ask has it
		err = o.keep(v, state, Transaction{ReturnTo: returnTo, Ask: demand}, underway{To: toSignIn, Request: kept})
	}
	if err == nil { // after it was counted: a request of ours goes out for each
		to, err = o.Provider.PushAuthorization(v.R.Context(), to, state, pending)
	}
	if err != nil {
		o.fail(v, err, Transaction{Login: o.MethodName, ReturnTo: returnTo, Ask: demand})
		return
	}
	v.Redirect(to)
}

// keep stores a transaction under a state.
func (o *OIDC) keep(v *Request, state string, t Transaction, u underway) error {
	data, err := compact(u)
	if err != nil {
		return beginning(err)
	}
	t.Login, t.Data = o.MethodName, data
	return v.Begin(v.R.Context(), state, t)
}

// callback returns where the provider sends people back to; it is registered there.
func (o *OIDC) callback(v *Request) string {
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
	if !v.allows(http.MethodGet) {
		return
	}
	answer := v.R.URL.Query()
	t, u, err := o.take(v, answer["state"])
	switch {
	case errors.Is(err, ErrUsed):
		o.again(v, t)
	case errors.Is(err, ErrState):
		o.lost(v, err)
	case err != nil:
		o.fail(v, err, t)
	case u.To == toSignOut:
		v.Redirect(LogoutPath)
	default:
		o.finish(v, answer, t, u.Request)
	}
}

// take returns the transaction of a state.
func (o *OIDC) take(v *Request, states []string) (t Transaction, u underway, err error) {
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
	u.Request.StepUp = t.Ask
	return t, u, nil
}

// finish ends a sign-in.
func (o *OIDC) finish(v *Request, answer url.Values, t Transaction, pending oidc.AuthRequest) {
	granted, err := o.Provider.Exchange(v.R.Context(), answer, pending)
	var failure *oidc.Failure
	if errors.As(err, &failure) && failure.NeedsInteraction {
		demand := pending.StepUp
		demand.Interactive = true
		o.begin(v, t.ReturnTo, demand)
		return
	}
	if errors.As(err, &failure) && failure.Restart {
		v.completed(t.Began) // several machines that disagree do not send a browser in circles
		v.Redirect(v.backTo(t))
		return
	}
	var record session.Record
	if err == nil {
		record, err = o.record(granted)
	}
	if err != nil {
		if t.Retry = errors.As(err, &failure) && failure.Status >= http.StatusInternalServerError; t.Retry {
			err = errors.Join(err, v.keepUsed(v.R.Context(), answer.Get("state"), t))
		}
		o.fail(v, err, t)
		return
	}
	v.completed(t.Began)
	if v.keeps(t, record) {
		v.Redirect(SanitizeReturnTo(t.ReturnTo))
		return
	}
	v.loginURL = v.backTo(t)
	v.StartSession(o.MethodName, record, t.ReturnTo)
}

// again answers a browser that comes back a second time, by the Back button or by
// loading the page once more: it goes on to the page asked for if it is signed in,
// and begins another sign-in if the first one failed for a reason that may have
// passed. The policy asks for a step-up there if it is still wanted.
func (o *OIDC) again(v *Request, t Transaction) {
	switch {
	case v.present() != nil:
		v.Redirect(SanitizeReturnTo(t.ReturnTo))
	case t.Retry:
		o.begin(v, t.ReturnTo, t.Ask)
	default:
		v.loginURL = v.backTo(t)
		o.lost(v, ErrUsed)
	}
}

// record returns what a session keeps of a grant.
func (o *OIDC) record(granted *oidc.Grant) (session.Record, error) {
	data, err := encodeGrant(granted)
	return session.Record{
		Identity: granted.Identity, Login: o.ID(), SID: granted.SessionID, Subject: granted.Subject, Data: data,
	}, err
}

// lost answers a browser that comes back with a state that leads nowhere. One that
// is signed in has an old page, and is told so.
func (o *OIDC) lost(v *Request, err error) {
	if id := v.present(); id != nil {
		v.greet(v, id)
		return
	}
	v.tell(Event{Kind: Failed, Login: o.MethodName, Status: http.StatusBadRequest, Reason: authenticator.ReasonLoginStateInvalid, Err: err})
	_ = v.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{
		Kind: pages.ChooseLogin, Status: http.StatusBadRequest, Failed: pages.TryAgain, LoginURL: v.signInURL(), RequestID: v.RequestID,
	})
}

// stop answers who signs in again and again.
func (o *OIDC) stop(v *Request) {
	v.tell(Event{Kind: Failed, Login: o.MethodName, Status: http.StatusForbidden, Reason: authenticator.ReasonLoginStateInvalid, Err: errCircles})
	_ = v.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{Kind: pages.SignInLoop, Status: http.StatusForbidden, RequestID: v.RequestID})
}

// fail answers a sign-in that failed. The page's link asks for the same again.
func (o *OIDC) fail(v *Request, err error, t Transaction) {
	if t.Login != "" {
		v.loginURL = v.backTo(t)
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
	v.tell(e)
	v.page(e, page)
}

// EndSessionURL implements LogoutRedirector: people sign out at the provider, too, which sends
// them back with a state of ours (R-LO-2).
func (o *OIDC) EndSessionURL(v *Request, s *session.Session) string {
	granted, err := decodeGrant(s.Data)
	if err != nil || o.LocalLogout {
		return ""
	}
	state := random()
	to := o.Provider.EndSessionURL(granted, o.callback(v), state)
	if to == "" || o.keep(v, state, Transaction{}, underway{To: toSignOut}) != nil {
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
