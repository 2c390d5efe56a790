package authn

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// crossSiteCheck tells requests that another site made from a site's own. It
// wraps http.CrossOriginProtection, which reads Sec-Fetch-Site and, where that
// is absent, compares Origin with Host.
type crossSiteCheck struct {
	protection *http.CrossOriginProtection
	trusted    func(origin string) bool
}

func newCrossSiteCheck(trusted func(string) bool) *crossSiteCheck {
	return &crossSiteCheck{protection: http.NewCrossOriginProtection(), trusted: trusted}
}

// allows reports whether a request with a credential that browsers attach may
// be what its user wanted.
func (c *crossSiteCheck) allows(r *http.Request) bool {
	lines := r.Header["Origin"]
	if c.protection.Check(r) == nil && (!request.IsWebSocket(r) || request.IsSameOrigin(r)) {
		return true
	}
	return c.trusted != nil && len(lines) == 1 && c.trusted(lines[0])
}
