// Package deny answers a denied request: it chooses the status, then answers with a
// redirect to the sign-in page, a page or a problem document, or hands over to the error
// routes of the site. It records the request for the explain command.
package deny

import (
	"sync"

	"go.uber.org/zap"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
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
