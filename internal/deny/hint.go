package deny

import (
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/cors"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// hint returns advice for the operator where a common mistake explains the denial, or "".
func (rs *Responder) hint(r *http.Request, ex *exchange.Exchange, result *exchange.Result) string {
	switch {
	case result.Reason == authenticator.ReasonCertificateRequired && ex.Request.TrustedProxy():
		return "the request came from a trusted proxy, whose own certificate is never the caller's: let it forward the client's (RFC 9440), and add from header Client-Cert to client_certificate"
	case result.Reason == authenticator.ReasonInsecureTransport:
		return login.InsecureHint(r)
	case slices.Contains(result.Decision.Codes, codeServiceWorker):
		return "a service worker of this host could read passwords that users type on its sign-in page: let users sign in on another host, with login oidc"
	case slices.Contains(result.Unread.Names, "Authorization without a scheme"):
		return "no method of this site reads Authorization without a scheme: tokens, and keys with from bearer, need Bearer before them"
	case authn.IsNoJWT(&result.Outcome):
		return "the token is not a JWT: if it is an API key, add from bearer to api_key; if it is an opaque access token, add introspection"
	case len(result.Unread.Names) > 0:
		return "the request has a credential that no method of this site reads: add a method, or set its from"
	case !rs.CORS && cors.IsPreflight(r):
		return "this is a CORS preflight, which never has credentials: add a cors block to answer it"
	case result.Decision.Revision != "" && ex.Request.ForwardedUntrusted() && rs.Policies.AsksNetwork():
		return proxyHint(r)
	}
	return ""
}

// proxyHint explains why the client's address is unknown: Caddy believes forwarding
// headers only if they come from a trusted proxy.
func proxyHint(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("the peer %s sent forwarding headers, but is not in trusted_proxies, so networks in the rules never match: if it is your proxy, add it in the global options: servers { trusted_proxies static %s }", peer, peer)
}
