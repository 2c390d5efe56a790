package forward

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Withdraw prepares a request for the site's error routes, which may send it to another
// server than the application (S-22, S-23, T-26). It removes all identity headers and
// tokens, those of the client and ours, the headers that a policy has set, all credentials,
// our cookies, and upgrades. Call it before an error leaves the handler.
//
// Credentials are removed with forward_credentials too: they are passed on to the
// application alone. A policy_auth handler among the error routes still identifies the
// caller.
func (f *Forwarder) Withdraw(r *http.Request, shared *exchange.Shared) {
	stripUpgrade(r, "", request.UpgradeHeader|request.ConnectionHeader)
	removeHeaders(r.Header, shared.TakeHeaders()...)
	for i := range f.IdentityHeaders.lines {
		removeHeaders(r.Header, f.IdentityHeaders.lines[i].folded)
		removeHeaders(r.Trailer, f.IdentityHeaders.lines[i].folded)
	}
	f.IdentityHeaders.guardTrailer(r)
	for name := range r.Header {
		if f.isCredential(request.FoldHeaderName(name)) {
			shared.ConsumeHeader(r.Header, name)
		}
	}
	shared.ConsumeCookies(r.Header, f.CredentialCookies...)
	shared.RemoveAll(r.Header)
	f.withdrawParameters(r, shared)
}

// isCredential reports whether a header, as request.FoldHeaderName has it, holds nothing
// but a credential.
func (f *Forwarder) isCredential(folded string) bool {
	switch folded {
	case "cookie":
		return false
	case "authorization", "proxy-authorization":
		return true
	}
	return f.foldedCredentials[folded]
}

// withdrawParameters removes the credentials from the query, also from the original one,
// which Caddy restores for the server's error routes.
func (f *Forwarder) withdrawParameters(r *http.Request, shared *exchange.Shared) {
	for _, name := range f.CredentialParameters {
		if request.RemoveParameters(r.URL.RawQuery, []string{name}) != r.URL.RawQuery {
			shared.ConsumeParameter(r, name)
		}
	}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		original.URL.RawQuery = request.RemoveParameters(original.URL.RawQuery, f.CredentialParameters)
	}
}
