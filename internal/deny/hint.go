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
	case result.Reason == authenticator.ReasonInsecureTransport:
		return login.InsecureHint(r)
	case slices.Contains(result.Decision.Codes, codeServiceWorker):
		return "a service worker of this host could read passwords that are typed on its sign-in page: sign in on another host, by login oidc"
	case slices.Contains(result.Unread.Names, "Authorization without a scheme"):
		return "the client sends a credential in Authorization without a scheme, and no method of this site reads it: a token and a key of from bearer need Bearer and a space before them"
	case authn.IsNoJWT(&result.Outcome):
		return "what the client sends as a token is no JWT: if it is a key of api_key, say from bearer there; access tokens that only their issuer can read are not accepted"
	case len(result.Unread.Names) > 0:
		return "the request has a credential that no method of this site reads: name the method, or where it looks for one, by from"
	case !rs.CORS && cors.IsPreflight(r):
		return "this is a browser's preflight, which never has credentials: a cors block answers it"
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
	return fmt.Sprintf("the peer %s sent forwarding headers, but is not in trusted_proxies, so that networks in the rules match no client: if it is your proxy, add it in the global options: servers { trusted_proxies static %s }", peer, peer)
}
