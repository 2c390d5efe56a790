package sharelink

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// PathPrefix begins the path of every share link; the token follows.
const PathPrefix = request.LinkPrefix

// ownPages begins the paths of this module's own pages, to which no link leads.
const ownPages = "/.policy_auth/"

// Site serves the share links of a site and knows its guests.
type Site struct {
	// Links are the links in the site's store.
	Links *Links
	// Pages renders the pages.
	Pages *pages.Pages
	// Identify authenticates the request by other credentials: a caller who is signed in
	// does not become a guest.
	Identify func(*Request) authenticator.Outcome
	// Report is called with every link that was opened or refused.
	Report func(*Request, Event)
}

// Request is a request for a share link.
type Request struct {
	W http.ResponseWriter
	R *http.Request
	// Path is the escaped path of the request before any rewrite, with the token.
	Path string
	// HTTPS says that the client uses https. Secure says that no third party can read the
	// connection.
	HTTPS, Secure bool
	// EarlyData says that the request may be a copy that an attacker has sent again.
	EarlyData bool
	// Client is the client's address, or the zero Addr if it is unknown.
	Client netip.Addr
	// RequestID is the ID that is also in the log.
	RequestID string
}

// Event is a link that was opened or refused, for the log. It never has the token.
type Event struct {
	// Opened says that a guest session began. Otherwise the request was refused with a
	// Status and perhaps a Reason.
	Opened bool
	Status int
	Reason authenticator.Reason
	// Identity is that of the link's guests, or nil if no link is known.
	Identity *authenticator.Identity
	// Err is why the link was refused, or what failed inside.
	Err error
}

// Handles reports whether an escaped path is that of a share link. A nil Site has none.
func (s *Site) Handles(path string) bool { return s != nil && strings.HasPrefix(path, PathPrefix) }

// crossOrigin detects requests made by other sites.
var crossOrigin = http.NewCrossOriginProtection()

// Serve answers a request for a share link. GET and HEAD show a page with a button, so
// that programs that preview links use nothing up; POST opens the link.
func (s *Site) Serve(v *Request) {
	switch {
	case v.EarlyData:
		s.refuse(v, Event{Status: http.StatusTooEarly, Reason: authenticator.ReasonEarlyData})
	case !v.Secure:
		s.refuse(v, Event{Status: http.StatusForbidden, Reason: authenticator.ReasonInsecureTransport})
	case !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, v.R.Method):
		v.W.Header().Set("Allow", "GET, HEAD, POST")
		s.refuse(v, Event{Status: http.StatusMethodNotAllowed})
	case !isOwnForm(v.R):
		s.refuse(v, Event{Status: http.StatusForbidden, Reason: authenticator.ReasonCrossSite})
	default:
		s.serve(v)
	}
}

// isOwnForm reports whether a request may come from the page of the link. That page has the
// Referrer-Policy no-referrer, for which browsers send the Origin null: without
// Sec-Fetch-Site, such a request cannot be told from one of another site, which has to know
// the token too.
func isOwnForm(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "" && slices.Equal(r.Header["Origin"], []string{"null"}) {
		return true
	}
	return crossOrigin.Check(r) == nil
}

// serve answers a request for the token in its path.
func (s *Site) serve(v *Request) {
	ctx, host := v.R.Context(), session.RequestHost(v.R)
	link, err := s.Links.Find(ctx, host, strings.TrimPrefix(v.Path, PathPrefix))
	if err == nil && !link.isFor(v.R, v.HTTPS) {
		err = fmt.Errorf("%w: the link %s is for %s", ErrDead, link.ID, link.Origin)
	}
	if err != nil {
		s.fail(v, nil, err)
		return
	}
	guest, err := s.Guest(v.R, v.HTTPS)
	known := err == nil && guest.ID == link.ID // who goes on needs no further use
	switch {
	case v.R.Method != http.MethodPost:
		s.show(v, link, known)
	case known:
		v.redirect(link)
	default:
		s.open(v, link)
	}
}

// show answers with the page that opens a link.
func (s *Site) show(v *Request, link *Link, known bool) {
	if !known {
		if err := s.Links.CheckUses(v.R.Context(), link); err != nil {
			s.fail(v, link, err)
			return
		}
	}
	_ = s.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{
		Kind: pages.ShareLink, About: link.Name, Action: v.Path, Hidden: []pages.Hidden{{Name: pressField, Value: newSecret()}}, RequestID: v.RequestID,
	})
}

// open begins a guest session, unless the caller is authenticated already.
func (s *Site) open(v *Request, link *Link) {
	outcome := s.Identify(v)
	switch {
	case outcome.Verdict == authenticator.Accepted, outcome.Reason == authenticator.ReasonCrossSite: // see isOwnForm
		v.redirect(link)
		return
	case outcome.Verdict == authenticator.Unavailable, outcome.Verdict == authenticator.Failed:
		s.fail(v, link, errors.Join(errCannotIdentify, outcome.Err))
		return
	}
	value, known, err := s.Links.Open(v.R.Context(), link, readPress(v.W, v.R))
	if err != nil {
		s.fail(v, link, err)
		return
	}
	cookie := Cookie()
	cookie.MaxAge = min(link.Until.Sub(s.Links.Now()), session.MaxCookieAge)
	cookie.Set(v.W, value, v.HTTPS)
	if !known {
		s.Report(v, Event{Opened: true, Identity: link.Identity()})
	}
	v.redirect(link)
}

// errCannotIdentify is why no guest session begins while it is unknown who is signed in.
var errCannotIdentify = errors.New("it is unknown whether the caller is signed in")

// redirect leads to where the link begins, so that the token leaves the address bar.
func (v *Request) redirect(link *Link) {
	to := link.Paths[0].start()
	if !request.IsLocalPath(to, ownPages) {
		to = "/"
	}
	v.W.Header().Set("X-Request-Id", v.RequestID)
	v.W.Header().Set("Referrer-Policy", "no-referrer")
	pages.Redirect(v.W, to, http.StatusSeeOther)
}

// fail answers a request for a link that opens nothing, with the same page whatever the
// cause is, or one that the store cannot answer.
func (s *Site) fail(v *Request, link *Link, err error) {
	event := Event{Status: http.StatusServiceUnavailable, Reason: authenticator.ReasonStoreUnavailable, Err: err}
	if link != nil {
		event.Identity = link.Identity()
	}
	if !errors.Is(err, ErrDead) {
		s.refuse(v, event)
		return
	}
	event.Status, event.Reason = http.StatusNotFound, ""
	s.Report(v, event)
	_ = s.Pages.WriteSignIn(v.W, v.R, pages.SignInPage{Kind: pages.InvalidLink, Status: event.Status, RequestID: v.RequestID})
}

// refuse reports a request and answers it with the page for its status.
func (s *Site) refuse(v *Request, e Event) {
	s.Report(v, e)
	_ = s.Pages.Write(v.W, v.R, pages.Denial{Status: e.Status, Reason: e.Reason, RequestID: v.RequestID, MaxAge: -1})
}
