// Package admission is the way of an allowed request: what the next handler is
// told of the caller, which credentials it does not see, and how its answer is
// kept from others.
package forward

import (
	"net/http"
	"sync"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
	"github.com/policyauth/caddy-policy-auth/internal/upstream"
)

// Config says what a site lets through.
type Config struct {
	// Headers are the site's identity headers.
	Headers *upstream.Headers
	// Cookies are those that are ours alone. Withheld are those that the next
	// handler cannot set: ours, and those of other sites of the host.
	Cookies, Withheld []string
	// ForwardCredentials leaves credentials in the request.
	ForwardCredentials bool
	// SharedCache leaves Cache-Control as the next handler sets it.
	SharedCache bool
	// Logger takes warnings.
	Logger *zap.Logger
}

// Forwarder is where requests leave for the next handler. Call New.
type Forwarder struct {
	Config
	// shared is done when the operator knows that the next handler lets shared
	// caches keep what it answers to known callers.
	shared sync.Once
	// fixed is done when the operator knows that the next handler sets a cookie of
	// ours.
	fixed    sync.Once
	withheld respheader.OwnCookies
}

// New returns the gate of a site.
func New(config Config) *Forwarder {
	g := &Forwarder{Config: config}
	g.withheld = respheader.OwnCookies{Names: config.Withheld, Report: g.reportCookie}
	return g
}

// reportCookie tells the operator of a cookie that was removed, loudly once.
func (g *Forwarder) reportCookie(name string) {
	g.fixed.Do(func() {
		g.Logger.Warn("the next handler or a policy sets a cookie of policy_auth, which is removed from the answer: it could sign visitors in as another person", zap.String("cookie", name))
	})
	g.Logger.Debug("a cookie of policy_auth removed from an answer", zap.String("cookie", name))
}

// Strip removes headers that the site may set from what the client sent, and each
// upgrade that it does not let through.
func (g *Forwarder) Strip(r *http.Request, v *exchange.Exchange) {
	upstream.StripUpgrade(r, v.Request.Upgrade(), v.Request.Kinds())
	g.Headers.Strip(r, &v.Shared.ConsumedCredentials, v.Request.TrustedProxy(), v.Request.Kinds())
	if v.Request.Kinds().Has(request.Rewriting) {
		v.Request.FindKinds()
	}
}

// RunNext runs the next handler. What an error route then answers is corrected
// like the handler's own answer.
func (g *Forwarder) RunNext(r *http.Request, v *exchange.Exchange, next caddyhttp.Handler) error {
	v.Response.WithholdCookies(&g.withheld)
	if !g.ForwardCredentials {
		v.Shared.TakeCookies(r.Header, g.Cookies...) // also beside another credential, or where no caller is identified
	}
	v.Shared.Withhold(r.Header) // what an earlier handler took stays taken
	if v.Request.IsHandshake() {
		v.Response.ExpectWebSocket(r.Header.Get("Sec-Websocket-Key"))
	}
	err := next.ServeHTTP(v.Response.Writer(), r)
	if err != nil {
		v.Response.Correct()
	}
	return err
}

// ForwardPreflight hands on a request that nothing judges, without anything of ours. The answer
// goes out without a body, which a preflight does not need.
func (g *Forwarder) ForwardPreflight(r *http.Request, v *exchange.Exchange, next caddyhttp.Handler) error {
	v.Response.WithholdCookies(&g.withheld)
	v.Response.WithholdBody()
	err := next.ServeHTTP(v.Response.Writer(), r)
	v.Response.Correct() // also what is sent without a status, or by an error route
	return err
}

// Caller is who makes an allowed request.
type Caller struct {
	// Identity is the caller's, anonymous or not.
	Identity *authenticator.Identity
	// Place is where the credential was.
	Place authn.Source
	// Hold keeps the credential alive while the request is served, or is nil.
	Hold func() (release func())
}

// Forward tells the next handler who is calling and takes away the credential
// that was meant for us.
func (g *Forwarder) Forward(r *http.Request, v *exchange.Exchange, caller Caller, decision *policy.Decision, next caddyhttp.Handler) error {
	if !g.ForwardCredentials {
		removeCredential(r, v, caller.Place)
	}
	if leftOut := g.Headers.Set(r, caller.Identity, &v.Shared.ConsumedCredentials, v.Request.Kinds()); len(leftOut) > 0 {
		g.Logger.Warn("identity headers left out: their value cannot stand in a header",
			zap.String("request_id", v.ID()), zap.Strings("headers", leftOut), zap.String("user_id", caller.Identity.ID))
	}
	upstream.Apply(r, decision.Headers, decision.RequestHeadersToRemove)
	upstream.Query(r, decision.QueryToRemove, decision.QueryToSet)
	v.Response.WithholdCookies(&g.withheld) // a policy cannot set them either
	upstream.AddResponse(v.Response.Header(), decision.ResponseHeadersToAdd)
	g.keepPrivate(v, caller)
	if caller.Hold != nil {
		defer caller.Hold()()
	}
	err := g.RunNext(r, v, next)
	g.warnShared(v, caller)
	return err
}

// removeCredential takes the credential that was meant for us out of the request.
func removeCredential(r *http.Request, v *exchange.Exchange, place authn.Source) {
	switch {
	case place.Cookie() != "":
		v.Shared.TakeCookies(r.Header, place.Cookie())
	case place.Query() != "":
		v.Shared.TakeParameter(r, place.Query())
	default:
		v.Shared.Take(r.Header, place.Header())
	}
	v.Shared.Withhold(r.Header)
}

// keepPrivate keeps shared caches from handing one caller's answer to another.
// Those that Authorization protects by itself (RFC 9111, section 3.5) are left
// as they are.
func (g *Forwarder) keepPrivate(v *exchange.Exchange, caller Caller) {
	place := caller.Place
	switch {
	case !caller.Identity.Authenticated:
	case place.Query() != "":
		v.Response.Add(respheader.Private("", false)) // RFC 6750, section 2.3
	case place.Header() != "Authorization":
		v.Response.Add(respheader.Private(place.Header(), g.SharedCache))
	}
}

// warnShared tells the operator, once, if the next handler has given away an
// answer that Authorization protects. It looks at the headers once they are sent,
// so that nothing stands between that handler and the connection.
func (g *Forwarder) warnShared(v *exchange.Exchange, caller Caller) {
	if g.SharedCache || !caller.Identity.Authenticated || caller.Place.Header() != "Authorization" || !respheader.Shareable(v.Response.Header()) {
		return
	}
	g.shared.Do(func() {
		g.Logger.Warn("the next handler lets shared caches keep answers to known callers; say shared_cache if that is meant")
	})
}
