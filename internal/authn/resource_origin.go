package authn

import (
	"net/http"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// RefuseOrigin rejects a request for a protected resource, its path and below, that
// a page of another origin makes: servers of the Model Context Protocol have to
// (Streamable HTTP, security warning; R-CSRF-3). It is false for a page of the same
// host, an origin that allowed knows, and requests without Origin, which no
// browser makes from another site.
func (c *Chain) RefuseOrigin(r *http.Request, readings []request.Reading, allowed func(origin string) bool) (authenticator.Outcome, bool) {
	if len(c.metadata.paths) == 0 {
		return authenticator.Outcome{}, false
	}
	lines := r.Header["Origin"]
	if len(lines) == 0 || !c.metadata.covers(readings) {
		return authenticator.Outcome{}, false
	}
	if request.IsSameOrigin(r) || len(lines) == 1 && allowed(lines[0]) {
		return authenticator.Outcome{}, false
	}
	return authenticator.Reject(authenticator.ReasonOriginRefused, authenticator.Detail{Name: "origin", Value: strings.Join(lines, ", ")}), true
}

// covers reports whether any reading of a path is a resource's path or below it.
// It ignores letter case, since the upstream may do so too.
func (m metadata) covers(readings []request.Reading) bool {
	for _, reading := range readings {
		for _, path := range m.paths {
			if len(reading.Path) >= len(path) && strings.EqualFold(reading.Path[:len(path)], path) && (len(reading.Path) == len(path) || reading.Path[len(path)] == '/') {
				return true
			}
		}
	}
	return false
}
