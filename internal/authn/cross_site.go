package authn

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// originCheck tells requests that another site made from a site's own. It
// wraps http.CrossOriginProtection, which reads Sec-Fetch-Site and, where that
// is absent, compares Origin with Host.
type originCheck struct {
	protection *http.CrossOriginProtection
	trusted    func(origin string) bool
}

func newOriginCheck(trusted func(string) bool) *originCheck {
	return &originCheck{protection: http.NewCrossOriginProtection(), trusted: trusted}
}

// allows reports whether a request with a credential that browsers attach may
// be what its user wanted.
func (o *originCheck) allows(r *http.Request) bool {
	lines := r.Header["Origin"]
	if o.protection.Check(r) == nil && (!request.IsWebSocket(r) || request.IsSameOrigin(r)) {
		return true
	}
	return o.trusted != nil && len(lines) == 1 && o.trusted(lines[0])
}
