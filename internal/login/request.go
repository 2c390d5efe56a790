package login

import (
	"cmp"
	"net/http"
	"net/netip"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// Request is a request for one of a site's own pages, with what the web server
// knows of it.
type Request struct {
	*Site
	W http.ResponseWriter
	R *http.Request
	// Path is the escaped path that the client asked for, before any rewrite.
	Path string
	// HTTPS says that the client sees the site over TLS, Secure that no third party could
	// listen: TLS, or the same machine.
	HTTPS, Secure bool
	// Client is the client's address, or the zero Addr.
	Client netip.Addr
	// RequestID is the id that is also in the log.
	RequestID string

	loginURL     string // where to sign in again, if not LoginPath
	newBrowserID string // the browser's value that the answer sets
}

// signInURL returns where to sign in again.
func (v *Request) signInURL() string { return cmp.Or(v.loginURL, LoginPath) }

// EventKind says what became of a visit.
type EventKind string

// The kinds.
const (
	SignedIn  EventKind = "signed in"
	Failed    EventKind = "sign-in refused"
	SignedOut EventKind = "signed out"
)

// Event is a sign-in, one that failed, or a sign-out, for the log and metrics.
type Event struct {
	Kind EventKind
	// Login is the method's name.
	Login string
	// Status and Reason say how a sign-in failed.
	Status int
	Reason authenticator.Reason
	// Cause is the reason as the log alone shows it, or "".
	Cause authenticator.Cause
	// Identity is who signed in or out, nil for an anonymous caller.
	Identity *authenticator.Identity
	// Candidate is the known user, or the subject of the provider's token, who was
	// refused.
	Candidate string
	// Details are for the log alone and hold no credential.
	Details []authenticator.Detail
	// Err is what went wrong inside, for the log alone.
	Err error
	// Client and RequestID are the visit's.
	Client    netip.Addr
	RequestID string
}

// StartSession begins a session for who has signed in, and sends the browser to a path
// of this site, or to the root if it is none.
func (v *Request) StartSession(name string, record session.Record, returnTo string) {
	started, err := v.Sessions.Start(v.R.Context(), v.W, v.R, v.HTTPS, record)
	if err != nil {
		v.Refuse(Event{Login: name, Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Identity: record.Identity, Err: err})
		return
	}
	v.report(Event{Kind: SignedIn, Login: name, Identity: started.Identity})
	v.Redirect(SanitizeReturnTo(returnTo))
}

// Redirect sends the browser on (RFC 9700, section 4.12).
func (v *Request) Redirect(to string) {
	v.W.Header().Set("X-Request-Id", v.RequestID)
	v.W.Header().Set("Referrer-Policy", "no-referrer")
	pages.Redirect(v.W, to, http.StatusSeeOther)
}

// Refuse answers a sign-in that failed with the page for its status, and tells
// the operator.
func (v *Request) Refuse(e Event) {
	e.Kind = Failed
	v.report(e)
	v.writePage(e, pages.Denial{})
}

// writePage writes the refusal that an event tells of.
func (v *Request) writePage(e Event, rf pages.Denial) {
	rf.Status, rf.Reason, rf.RequestID, rf.MaxAge = e.Status, e.Reason, v.RequestID, -1
	passing := e.Status >= http.StatusInternalServerError && v.loginURL == "" // what is answered so here is soon over
	if !passing && e.Reason != authenticator.ReasonInsecureTransport {
		rf.LoginURL = v.signInURL()
	}
	_ = v.Pages.Write(v.W, v.R, rf) // it fails only if the client is gone
}

// report hands an event to the operator.
func (v *Request) report(e Event) {
	e.Client, e.RequestID = v.Client, v.RequestID
	v.Report(v.R, e)
}
