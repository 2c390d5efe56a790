package login

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// Request is a request for one of a site's own pages.
type Request struct {
	*Site
	W http.ResponseWriter
	R *http.Request
	// Path is the escaped path of the request before any rewrite.
	Path string
	// HTTPS says that the client uses https. Secure says that no third party can
	// read the connection: https, or loopback.
	HTTPS, Secure bool
	// Client is the client's address, or the zero Addr if it is unknown.
	Client netip.Addr
	// RequestID is the id that is also in the log.
	RequestID string

	loginURL     string // the URL to sign in again; "" is LoginPath
	newBrowserID string // the ID in a cookie of the response
}

// signInURL returns the URL of the link to sign in again.
func (v *Request) signInURL() string { return cmp.Or(v.loginURL, LoginPath) }

// EventKind is the result of a request for a site's own pages.
type EventKind string

// The kinds.
const (
	SignedIn  EventKind = "signed in"
	Failed    EventKind = "sign-in refused"
	SignedOut EventKind = "signed out"
	// The events of app passwords.
	AppPasswordMade    EventKind = "app password made"
	AppPasswordRevoked EventKind = "app password revoked"
)

// Event is a sign-in, a failed sign-in or a sign-out, for the log and for metrics.
type Event struct {
	Kind EventKind
	// Login is the method's name.
	Login string
	// Status and Reason are the response status and the reason code of a failed
	// sign-in.
	Status int
	Reason authenticator.Reason
	// Cause is a more precise reason, for the log only, or "".
	Cause authenticator.Cause
	// Identity is the user who signed in or out, or nil if unknown.
	Identity *authenticator.Identity
	// Candidate is the name of the existing user, or the subject of the provider's
	// token, whose sign-in failed.
	Candidate string
	// Details are for the log only and contain no credential.
	Details []authenticator.Detail
	// Err is the internal error, for the log only.
	Err error
	// Client and RequestID are the visit's.
	Client    netip.Addr
	RequestID string
}

// StartSession starts a session and redirects the browser to a local path. An
// unsafe path is replaced by the root of the site. A sign-in that is too old for
// max_auth_age gets 403 (step_up_required).
func (v *Request) StartSession(name string, record session.Record, returnTo string) {
	started, err := v.Sessions.Start(v.R.Context(), v.W, v.R, v.HTTPS, record)
	if err != nil {
		e := Event{Login: name, Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Identity: record.Identity, Err: err}
		if errors.Is(err, session.ErrAuthTime) {
			e.Status, e.Reason = http.StatusForbidden, authenticator.ReasonStepUpRequired
		}
		v.Refuse(e)
		return
	}
	v.renewHolder(started)
	event := Event{Kind: SignedIn, Login: name, Identity: started.Identity}
	if v.Started != nil {
		event.Err = v.Started(v)
	}
	v.report(event)
	v.Redirect(SanitizeReturnTo(returnTo))
}

// Redirect redirects the browser with 303 (See Other) and without a Referer (RFC
// 9700, section 4.12).
func (v *Request) Redirect(to string) {
	v.W.Header().Set("X-Request-Id", v.RequestID)
	v.W.Header().Set("Referrer-Policy", "no-referrer")
	pages.Redirect(v.W, to, http.StatusSeeOther)
}

// Refuse reports a failed sign-in and writes the page for its status.
func (v *Request) Refuse(e Event) {
	e.Kind = Failed
	v.report(e)
	v.writePage(e, pages.Denial{})
}

// writePage writes the error page of an event.
func (v *Request) writePage(e Event, rf pages.Denial) {
	rf.Status, rf.Reason, rf.RequestID, rf.MaxAge = e.Status, e.Reason, v.RequestID, -1
	passing := e.Status >= http.StatusInternalServerError && v.loginURL == "" // temporary: the page needs no link
	if !passing && e.Reason != authenticator.ReasonInsecureTransport {
		rf.LoginURL = v.signInURL()
	}
	_ = v.Pages.Write(v.W, v.R, rf) // it fails only if the client disconnected
}

// report passes an event to the site's Report function.
func (v *Request) report(e Event) {
	e.Client, e.RequestID = v.Client, v.RequestID
	v.Report(v.R, e)
}
