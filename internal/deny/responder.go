// Package deny answers a denied request: it chooses the status, then answers with a
// redirect to the sign-in page, a page or a problem document, or hands over to the error
// routes of the site. It records the request for the explain command.
package deny

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
)

// Responder answers the denied requests of a site.
type Responder struct {
	// Chain makes the challenges.
	Chain *authn.Chain
	// Target is where people sign in, or nil.
	Target *login.Target
	// OwnPages reports whether people sign in on the site's own pages.
	OwnPages bool
	// Policies are the policies that decide.
	Policies *policy.Engine
	// Pages render the responses.
	Pages *pages.Pages
	// Delegate leaves the body to the site's error routes.
	Delegate bool
	// Conceal answers 404 where known callers would get 403.
	Conceal bool
	// CORS reports whether the site has a cors block, which answers preflights.
	CORS bool
	// LostRedirects detects redirects to the site's own sign-in page that never reach it.
	LostRedirects LostRedirects
	// Logger takes warnings.
	Logger *zap.Logger

	unendingWarning sync.Once // a connection outlasts its response
}

// ChooseStatus chooses the status and the reason of a denied request, and adds a hint for
// the operator.
func (rs *Responder) ChooseStatus(r *http.Request, ex *exchange.Exchange, result exchange.Result) exchange.Result {
	if result.Outcome.Verdict == authenticator.Absent {
		result.Unread = rs.Chain.UnreadCredentials(r)
		if names := result.Unread.Names; len(names) > 0 {
			result.Outcome.Details = append(slices.Clone(result.Outcome.Details), authenticator.Detail{Name: "unread_credential", Value: strings.Join(names, ", ")})
		}
	}
	result.Navigation = rs.Target != nil && pages.IsNavigation(r)
	result.Reason, result.Status = rs.statusCase(r, ex, &result).choose()
	result.Hint = rs.hint(r, ex, &result)
	return result
}

// statusCase gathers what the status depends on.
func (rs *Responder) statusCase(r *http.Request, ex *exchange.Exchange, result *exchange.Result) statusCase {
	decision := &result.Decision
	c := statusCase{
		outcome: result.Outcome, reason: decision.Reason, status: decision.Status,
		challenged: rs.Chain.Challenged() || rs.Target != nil || len(result.Outcome.Challenges) > 0, certificates: rs.Chain.ReadsCertificates(), conceal: rs.Conceal,
		signIn: rs.offersSignIn(r, ex, result), navigation: result.Navigation, ownChallenge: pages.HasChallenge(decision.Headers),
	}
	if decision.Redirect != nil {
		c.status = decision.Redirect.Status
	}
	if challenge := decision.Challenge; challenge != nil {
		c.stepUp, c.scopes = stepsUp(challenge) && rs.canStepUp(result), len(challenge.Scopes) > 0
	}
	return c
}
