package authn

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Resources returns the URLs of the site's protected resources (RFC 9728).
func (c *Chain) Resources() []string {
	identifiers := make([]string, len(c.metadata.resources))
	for i, resource := range c.metadata.resources {
		identifiers[i] = resource.identifier
	}
	return identifiers
}

// RefuseOrigin rejects a request for a protected resource, its path and below, that
// a page of another origin makes: servers of the Model Context Protocol have to
// (Streamable HTTP, Security & Endpoint; R-CSRF-3). It is false for a page of the
// resource's own origin, an origin that allowed knows, and requests without Origin,
// which no browser makes from another site. The resource's own origin is that of its
// URL in the configuration: the Host header of a page that attacks by DNS rebinding
// names the attacker's host, as its Origin does.
func (c *Chain) RefuseOrigin(r *http.Request, readings []request.Reading, allowed func(origin string) bool) (authenticator.Outcome, bool) {
	lines := r.Header["Origin"]
	if len(c.metadata.resources) == 0 || len(lines) == 0 {
		return authenticator.Outcome{}, false
	}
	known := len(lines) == 1 && allowed(lines[0])
	for _, resource := range c.metadata.resources {
		if resource.covers(readings) && !known && (len(lines) != 1 || !strings.EqualFold(lines[0], resource.origin)) {
			return authenticator.Reject(authenticator.ReasonOriginRefused, authenticator.Detail{Name: "origin", Value: strings.Join(lines, ", ")}), true
		}
	}
	return authenticator.Outcome{}, false
}

// protectedResource is a protected resource of a site.
type protectedResource struct {
	identifier string // its URL, as configured
	origin     string // serialized as browsers do (RFC 6454, section 6.2)
	path       string // decoded, without a slash at the end
}

// newProtectedResource returns the resource of a URL that parseResource accepts.
func newProtectedResource(identifier string) protectedResource {
	u, err := url.Parse(identifier)
	if err != nil {
		return protectedResource{identifier: identifier} // of the whole site, and of no origin
	}
	return protectedResource{identifier: identifier, origin: originOf(u), path: strings.TrimRight(u.Path, "/")}
}

// originOf returns the origin of a URL, without the default port.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	for scheme, port := range map[string]string{"https": ":443", "http": ":80"} {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
		}
	}
	return u.Scheme + "://" + host
}

// covers reports whether any reading of a path is the resource's path or below it.
// It ignores letter case, since the upstream may do so too.
func (p protectedResource) covers(readings []request.Reading) bool {
	for _, reading := range readings {
		if len(reading.Path) >= len(p.path) && strings.EqualFold(reading.Path[:len(p.path)], p.path) && (len(reading.Path) == len(p.path) || reading.Path[len(p.path)] == '/') {
			return true
		}
	}
	return false
}
