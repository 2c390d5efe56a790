// Package refusal is the way of a refused request: what its status depends on,
// where it may sign in, how it is answered, and what is kept of it for the
// question why. The rule that chooses the status is denial.Choose.
package deny

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/cors"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
)

// Responder is where a site's refused requests are answered.
type Responder struct {
	// Chain knows which credentials are asked for.
	Chain *authn.Chain
	// Target is where people sign in, or nil.
	Target *login.Target
	// Sessions says that people sign in on the site's own pages.
	Sessions bool
	// Policies are those that decide.
	Policies *policy.Engine
	// Pages write the answers.
	Pages *pages.Pages
	// Delegate leaves the body to the site's error routes.
	Delegate bool
	// Conceal answers 404 where known callers would get 403.
	Conceal bool
	// CORS says that preflights are answered.
	CORS bool
	// Arrivals notices redirects to the site's own sign-in page that get nowhere.
	Arrivals Arrivals
	// Logger takes what cannot be kept.
	Logger *zap.Logger

	unending sync.Once // the warning about connections that nothing ends
}

// Choose chooses the reason and the status of a refusal, with a hint for the operator.
func (d *Responder) Choose(r *http.Request, v *exchange.Exchange, decision policy.Decision) {
	if outcome := &v.Event.Outcome; outcome.Verdict == authenticator.Absent {
		v.Unread = d.Chain.Unread(r)
		if names := v.Unread.Names; len(names) > 0 {
			outcome.Details = append(slices.Clone(outcome.Details), authenticator.Detail{Name: "unread_credential", Value: strings.Join(names, ", ")})
		}
	}
	v.Event.Reason, v.Event.Status = d.situation(r, v, decision).choose()
	v.Event.Hint = d.hint(r, v)
}

// situation is what the choice of a status depends on.
func (d *Responder) situation(r *http.Request, v *exchange.Exchange, decision policy.Decision) statusCase {
	c := statusCase{
		outcome: v.Event.Outcome, reason: decision.Reason, status: decision.Status,
		challenged: d.Chain.Challenged() || d.Target != nil, conceal: d.Conceal,
		signIn: d.offersSignIn(r, v, decision), ownChallenge: pages.HasChallenge(decision.Headers),
	}
	c.navigation = c.signIn && pages.IsNavigation(r)
	if decision.Redirect != nil {
		c.status = decision.Redirect.Status
	}
	if wanted := decision.Challenge; wanted != nil {
		c.stepUp, c.scopes = stepsUp(wanted), len(wanted.Scopes) > 0
	}
	return c
}

// hint tells an operator of what is often forgotten.
func (d *Responder) hint(r *http.Request, v *exchange.Exchange) string {
	switch {
	case v.Event.Reason == authenticator.ReasonInsecureTransport:
		return login.InsecureHint(r)
	case slices.Contains(v.Event.Codes, codeServiceWorker):
		return "a service worker of this host could read passwords that are typed on its sign-in page: sign in on another host, by login oidc"
	case slices.Contains(v.Unread.Names, "Authorization without a scheme"):
		return "the client sends a credential in Authorization without a scheme, and no method of this site reads it: a token and a key of from bearer need Bearer and a space before them"
	case authn.IsNoJWT(&v.Event.Outcome):
		return "what the client sends as a token is no JWT: if it is a key of api_key, say from bearer there; access tokens that only their issuer can read are not accepted"
	case len(v.Unread.Names) > 0:
		return "the request has a credential that no method of this site reads: name the method, or where it looks for one, by from"
	case !d.CORS && cors.IsPreflight(r):
		return "this is a browser's preflight, which never has credentials: a cors block answers it"
	case v.Event.Revision != "" && v.Request.ForwardedUntrusted() && d.Policies.AsksNetwork():
		return proxyHint(r)
	}
	return ""
}

// proxyHint tells the operator that the client's address is not known: forwarding
// headers are believed only if they come from a trusted proxy.
func proxyHint(r *http.Request) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("the peer %s sent forwarding headers, but is not in trusted_proxies, so that networks in the rules match no client: if it is your proxy, add it in the global options: servers { trusted_proxies static %s }", peer, peer)
}
