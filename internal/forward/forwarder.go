// Package forward sends an allowed request to the next handler: it removes what the
// client may not send, sets identity headers and the headers of the policy, removes
// consumed credentials, and keeps the response out of shared caches.
package forward

import (
	"net/http"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// Config configures a Forwarder.
type Config struct {
	// IdentityHeaders are the site's identity headers.
	IdentityHeaders *IdentityHeaders
	// IdentityJWTHeader is the header for the exchange's IdentityJWT, one of
	// IdentityHeaders, or "".
	IdentityJWTHeader string
	// UpstreamTokenHeader is the header for the provider's token, one of
	// IdentityHeaders, or "".
	UpstreamTokenHeader string
	// Cookies are the cookies of this site's own sessions. ReservedCookies are those
	// that the next handler cannot set: these, and those of other sites of the host.
	Cookies, ReservedCookies []string
	// CredentialHeaders are the headers that hold the site's credentials, and
	// CredentialParameters the parameters of the query. CredentialCookies are the cookies,
	// with those of other sites of the host.
	CredentialHeaders, CredentialParameters, CredentialCookies []string
	// CertificateHeaders are the headers in which trusted proxies forward the client's
	// certificate.
	CertificateHeaders []string
	// ForwardCredentials leaves credentials in the request.
	ForwardCredentials bool
	// SharedCache leaves Cache-Control as the next handler sets it.
	SharedCache bool
	// MaskError changes the error of the next handler for an allowed request, or is nil.
	MaskError func(*http.Request, *exchange.Exchange, error) error
	// Logger takes warnings.
	Logger *zap.Logger
}

// Forwarder sends requests to the next handler. Call New.
type Forwarder struct {
	Config
	sharedCacheWarning sync.Once // the next handler lets shared caches store responses
	cookieWarning      sync.Once // the next handler sets a reserved cookie
	ownCookies         respheader.OwnCookies
	foldedCertificates []string        // CertificateHeaders, as request.FoldHeaderName has them
	foldedCredentials  map[string]bool // CredentialHeaders and CertificateHeaders, likewise
}

// New returns the forwarder of a site.
func New(config Config) *Forwarder {
	config.IdentityJWTHeader = http.CanonicalHeaderKey(config.IdentityJWTHeader) // once
	f := &Forwarder{Config: config}
	for _, name := range config.CertificateHeaders {
		f.foldedCertificates = append(f.foldedCertificates, request.FoldHeaderName(name))
	}
	f.foldedCredentials = make(map[string]bool)
	for _, name := range slices.Concat(config.CredentialHeaders, config.CertificateHeaders) {
		f.foldedCredentials[request.FoldHeaderName(name)] = true
	}
	f.ownCookies = respheader.OwnCookies{Names: config.ReservedCookies, Report: f.reportCookie}
	return f
}

// reportCookie logs a cookie that was removed from a response, once as a warning.
func (f *Forwarder) reportCookie(name string) {
	f.cookieWarning.Do(func() {
		f.Logger.Warn("the next handler or a policy sets a cookie of policy_auth; it is removed from the response, because it could sign users in as someone else", zap.String("cookie", name))
	})
	f.Logger.Debug("a cookie of policy_auth removed from an answer", zap.String("cookie", name))
}

// Strip removes the site's identity headers from the client's request, and each
// upgrade that the site does not allow.
func (f *Forwarder) Strip(r *http.Request, ex *exchange.Exchange) {
	stripUpgrade(r, ex.Request.Upgrade(), ex.Request.HeaderKinds())
	f.stripCertificates(r, ex)
	f.IdentityHeaders.Strip(r, ex.Shared, ex.Request.TrustedProxy(), ex.Request.HeaderKinds())
	if ex.Request.HeaderKinds().Has(request.PathOverrideHeader) {
		ex.Request.ClassifyHeaders()
	}
}

// RunNext runs the next handler. If it returns an error, the headers that an error
// route will send are corrected like those of the handler's own response.
func (f *Forwarder) RunNext(r *http.Request, ex *exchange.Exchange, next caddyhttp.Handler) error {
	ex.Response.WithholdCookies(&f.ownCookies)
	f.IdentityHeaders.StripAuthorization(r, ex.Shared)
	if !f.ForwardCredentials {
		ex.Shared.ConsumeCookies(r.Header, f.Cookies...) // also beside another credential, or where no caller is identified
	}
	ex.Shared.Remove(r.Header) // also what an earlier handler consumed
	if ex.Request.IsWebSocketHandshake() {
		ex.Response.ExpectWebSocket(r.Header.Get("Sec-Websocket-Key"))
	}
	err := next.ServeHTTP(ex.Response.Writer(), r)
	if err != nil {
		ex.Response.Correct()
	}
	return err
}

// ForwardPreflight sends a preflight, about which no policy decides, to the next handler: without
// identity headers, credentials, upgrade and body. The response goes out without a body,
// which a preflight does not need.
func (f *Forwarder) ForwardPreflight(r *http.Request, ex *exchange.Exchange, next caddyhttp.Handler) error {
	f.Strip(r, ex)
	f.IdentityHeaders.StripAuthorization(r, ex.Shared)
	withdraw(r.Header, f.CredentialHeaders)
	bare(r)
	ex.Response.WithholdCookies(&f.ownCookies)
	ex.Response.WithholdBody()
	err := next.ServeHTTP(ex.Response.Writer(), r)
	ex.Response.Correct() // also what is sent without a status, or by an error route
	return err
}

// Forward sets the identity headers, applies the changes of the policy, removes the
// accepted credential, and runs the next handler.
func (f *Forwarder) Forward(r *http.Request, ex *exchange.Exchange, result *exchange.Result, next caddyhttp.Handler) error {
	decision, identity := &result.Decision, result.Identity()
	if !f.ForwardCredentials {
		f.removeCredential(r, ex, result.Source)
	}
	if leftOut := f.IdentityHeaders.Set(r, identity, ex.Shared, ex.Request.HeaderKinds()); len(leftOut) > 0 {
		f.Logger.Warn("identity headers left out: their values are not valid in a header",
			zap.String("request_id", ex.ID()), zap.Strings("headers", leftOut), zap.String("user_id", identity.ID))
	}
	if f.IdentityJWTHeader != "" {
		f.IdentityHeaders.SetToken(r, f.IdentityJWTHeader, ex.IdentityJWT, ex.Shared)
	}
	if f.UpstreamTokenHeader != "" {
		f.setUpstreamToken(r, ex)
	}
	setPolicyHeaders(r, decision.Headers, decision.RequestHeadersToRemove, ex.Shared)
	changeQuery(r, decision.QueryToRemove, decision.QueryToSet)
	ex.Response.WithholdCookies(&f.ownCookies) // a policy cannot set them either
	respheader.AddAll(ex.Response.Header(), decision.ResponseHeadersToAdd)
	if isKnown(identity) {
		f.keepPrivate(ex, result.Source)
	}
	if hold := result.Outcome.Hold; hold != nil {
		defer hold()()
	}
	err := f.RunNext(r, ex, next)
	if isKnown(identity) {
		f.warnSharedCache(ex, result.Source)
	}
	if err != nil && f.MaskError != nil {
		err = f.MaskError(r, ex, err)
	}
	return err
}

// setUpstreamToken sets the provider's token, and removes that of another caller, which an
// earlier handler identified.
func (f *Forwarder) setUpstreamToken(r *http.Request, ex *exchange.Exchange) {
	removeHeaders(r.Header, request.FoldHeaderName(f.UpstreamTokenHeader))
	token := ex.Session.Token
	if token != "" && f.UpstreamTokenHeader == "Authorization" {
		token = "Bearer " + token
	}
	f.IdentityHeaders.SetToken(r, f.UpstreamTokenHeader, token, ex.Shared)
}

// isKnown reports whether a credential distinguishes the caller from others: also a guest
// sees what others must not find in a shared cache.
func isKnown(identity *authenticator.Identity) bool {
	return identity.Authenticated || identity.Kind == authenticator.KindGuest
}

// removeCredential removes the accepted credential from the request.
func (f *Forwarder) removeCredential(r *http.Request, ex *exchange.Exchange, source authenticator.Source) {
	switch {
	case source.Cookie != "":
		ex.Shared.ConsumeCookies(r.Header, source.Cookie)
	case source.Query != "":
		ex.Shared.ConsumeParameter(r, source.Query)
	case source.Certificate:
		for _, name := range f.CertificateHeaders {
			ex.Shared.ConsumeHeader(r.Header, name)
		}
	case source.CarriedIn() != "":
		ex.Shared.ConsumeHeader(r.Header, source.CarriedIn())
		ex.Shared.ConsumeHeader(r.Header, source.ProofHeader())
	}
	ex.Shared.Remove(r.Header)
}

// keepPrivate keeps shared caches from storing the response to a known caller. Caches do so
// by themselves where the request has Authorization (RFC 9111, section 3.5).
func (f *Forwarder) keepPrivate(ex *exchange.Exchange, source authenticator.Source) {
	switch {
	case source.Query != "":
		ex.Response.Add(respheader.Private("", false)) // RFC 6750, section 2.3
	case source.CarriedIn() != "Authorization":
		ex.Response.Add(respheader.Private(source.CarriedIn(), f.SharedCache))
	}
}

// warnSharedCache warns once if the next handler lets shared caches store a response
// that Authorization protects. It reads the headers after they were sent, so that
// the response is not buffered.
func (f *Forwarder) warnSharedCache(ex *exchange.Exchange, source authenticator.Source) {
	if f.SharedCache || source.CarriedIn() != "Authorization" || !respheader.Shareable(ex.Response.Header()) {
		return
	}
	f.sharedCacheWarning.Do(func() {
		f.Logger.Warn("the next handler allows shared caches to store responses to authenticated callers; write shared_cache if this is intended")
	})
}
