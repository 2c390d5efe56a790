// Package guest makes guests of anonymous callers who opened a share link, and serves the
// pages of these links, as steps of a request.
package guest

import (
	"errors"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// Config configures the guests of a site.
type Config struct {
	// Links are the share links in the site's store.
	Links *sharelink.Links
	// Pages renders the pages of links.
	Pages *pages.Pages
	// Chain identifies the callers who do not become guests.
	Chain *authn.Chain
	// InsecureHTTP accepts links and guests over plain HTTP from other machines.
	InsecureHTTP bool
	// Logger takes the links that were opened, and SampledLogger those that were refused,
	// which clients can cause at any rate.
	Logger, SampledLogger *zap.Logger
}

// Guests are the guests of a site with share links. A nil Guests has none.
type Guests struct {
	config Config
	site   *sharelink.Site
}

// New returns the guests of a site.
func New(config Config) *Guests {
	g := &Guests{config: config}
	g.site = &sharelink.Site{Links: config.Links, Pages: config.Pages, Report: g.report, Identify: func(v *sharelink.Request) authenticator.Outcome {
		return config.Chain.Identify(v.R, v.Secure).Outcome
	}}
	return g
}

// CookieNames returns the names of the cookies that only guests of the site have.
func (g *Guests) CookieNames() []string {
	if g == nil {
		return nil
	}
	return sharelink.CookieNames()
}

// Serve answers a request for a share link, and returns false for any other. Call it before
// every other step: the path is a secret, which no log and no policy may see.
func (g *Guests) Serve(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) bool {
	path := ex.Request.EscapedPath()
	if g == nil || !g.site.Handles(path) {
		return false
	}
	g.site.Serve(&sharelink.Request{
		W: w, R: r, Path: path, HTTPS: ex.HTTPS(), Secure: g.secure(ex), EarlyData: ex.Request.EarlyData(),
		Client: ex.Request.ClientAddr(), RequestID: ex.ID(),
	})
	ex.Close()
	return true
}

// secure reports whether the request may carry credentials.
func (g *Guests) secure(ex *exchange.Exchange) bool {
	return g.config.InsecureHTTP || ex.Request.Secure()
}

// Identify returns the identity of an anonymous caller for which a share link opens the request:
// it only reads, and every reading of its path is one of the link's, before and after a
// rewrite (S-19): what a client sends may choose the rewritten path. Otherwise it
// returns nil. The policies decide about a guest as about any caller. The verdict stays
// Absent: a guest whose request is denied is answered like an anonymous caller.
func (g *Guests) Identify(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, identified *authn.Identified) *authenticator.Identity {
	if g == nil || identified.Verdict != authenticator.Absent || !g.secure(ex) {
		return nil
	}
	link, err := g.site.Guest(r, ex.HTTPS())
	switch {
	case errors.Is(err, sharelink.ErrNoGuest):
		return nil
	case errors.Is(err, sharelink.ErrDead):
		sharelink.Cookie().Clear(w, ex.HTTPS())
		if identified.Reason == "" {
			identified.Reason, identified.Method = authenticator.ReasonSessionRevoked, sharelink.Method
		}
		return nil
	case err != nil:
		identified.Outcome = authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonStoreUnavailable, Method: sharelink.Method, Err: err}
		return nil
	case !onlyReads(&ex.Request) || slices.ContainsFunc(ex.Request.Readings(), func(reading request.Reading) bool {
		return !link.Opens(reading.Path) || !link.Opens(reading.Rewritten)
	}):
		return nil
	}
	identified.Method, identified.Source = sharelink.Method, authenticator.Source{Cookie: sharelink.CookieName(ex.HTTPS())}
	return link.Identity()
}

// onlyReads reports whether a request is a GET or HEAD whatever the next handler makes of it,
// and no more than that.
func onlyReads(r *request.Request) bool {
	methods, all := r.PossibleMethods()
	reads := func(method string) bool { return method == http.MethodGet || method == http.MethodHead }
	return all && r.Upgrade() == "" && !slices.ContainsFunc(methods, func(method string) bool { return !reads(method) }) &&
		!slices.ContainsFunc(r.Readings(), func(reading request.Reading) bool { return reading.Destination != "" })
}

// End ends the guest session of a browser in which a person signs in.
func (g *Guests) End(v *login.Request) error {
	return g.site.End(v.R.Context(), v.W, v.R, v.HTTPS)
}

// report logs a share link that was opened or refused.
func (g *Guests) report(v *sharelink.Request, e sharelink.Event) {
	event := observe.SignIn{
		Message: "share link refused", Login: sharelink.Method, Refused: !e.Opened, Status: e.Status, Reason: e.Reason, Identity: e.Identity,
		RequestID: v.RequestID, Host: v.R.Host, ClientIP: v.Client.String(), Err: e.Err,
	}
	logger := g.config.SampledLogger
	if e.Opened {
		event.Message, logger = "share link opened", g.config.Logger
	}
	if e.Reason == authenticator.ReasonInsecureTransport {
		event.Details = []authenticator.Detail{{Name: "hint", Value: login.InsecureHint(v.R)}}
	}
	observe.LogSignIn(logger, event)
}
