package policyauth

import (
	"errors"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/observe"
	"github.com/policyauth/caddy-policy-auth/internal/placement"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// provisionLinks sets up share links and their guests.
func (h *Handler) provisionLinks(ctx caddy.Context) error {
	if h.Links == nil {
		return nil
	}
	site, release, err := h.Links.Open(ctx, h.session, placement.Hosts(ctx))
	if err != nil {
		return err
	}
	h.releases = append(h.releases, release)
	h.links = &sharelink.Site{Links: site.Links, Pages: h.pages, Report: h.reportLink, Identify: func(v *sharelink.Request) authenticator.Outcome {
		return h.chain.Identify(v.R, v.Secure).Outcome
	}}
	if h.site != nil {
		h.site.Started = h.endGuest
	}
	if !h.policies.KnowsGuests() {
		h.logger.Warn("links is set, and no rule is for guests, so that share links open nothing that is not open to all: add the condition links: true to an alternative of an access table, or test input.identity.kind == \"guest\" in a policy")
	}
	return nil
}

// serveLink answers a request for a share link, before any other step: its path is a
// secret, which no log and no policy may see.
func (h *Handler) serveLink(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange) bool {
	path := ex.Request.EscapedPath()
	if !h.links.Handles(path) {
		return false
	}
	h.links.Serve(&sharelink.Request{
		W: w, R: r, Path: path, HTTPS: ex.HTTPS(), Secure: h.secure(ex), EarlyData: ex.Request.EarlyData(),
		Client: ex.Request.ClientAddr(), RequestID: ex.ID(),
	})
	ex.Close()
	return true
}

// guest returns the identity of an anonymous caller to whom a share link opens the request:
// it only reads, and every reading of its path is one of the link's (S-19). Otherwise it
// returns nil. The policies decide about a guest as about any caller. The verdict stays
// Absent: a guest whose request is denied is answered like an anonymous caller.
func (h *Handler) guest(w http.ResponseWriter, r *http.Request, ex *exchange.Exchange, identified *authn.Identified) *authenticator.Identity {
	if h.links == nil || identified.Verdict != authenticator.Absent || !h.secure(ex) {
		return nil
	}
	link, err := h.links.Guest(r, ex.HTTPS())
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
	case !onlyReads(&ex.Request) || slices.ContainsFunc(ex.Request.Readings(), func(reading request.Reading) bool { return !link.Opens(reading.Path) }):
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

// endGuest ends the guest session of a browser in which a person signs in.
func (h *Handler) endGuest(v *login.Request) error {
	return h.links.End(v.R.Context(), v.W, v.R, v.HTTPS)
}

// reportLink logs a share link that was opened or refused.
func (h *Handler) reportLink(v *sharelink.Request, e sharelink.Event) {
	event := observe.SignIn{
		Message: "share link refused", Login: sharelink.Method, Refused: !e.Opened, Status: e.Status, Reason: e.Reason, Identity: e.Identity,
		RequestID: v.RequestID, Host: v.R.Host, ClientIP: v.Client.String(), Err: e.Err,
	}
	logger := h.sampledLogger
	if e.Opened {
		event.Message, logger = "share link opened", h.logger
	}
	if e.Reason == authenticator.ReasonInsecureTransport {
		event.Details = []authenticator.Detail{{Name: "hint", Value: login.InsecureHint(v.R)}}
	}
	observe.LogSignIn(logger, event)
}
