package settings

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/cors"
)

// CORS says whose pages may call this site (Fetch, section 3.3).
type CORS struct {
	// Origins whose scripts may read responses: exact (https://app.example.com), every
	// subdomain (https://*.example.com), every port (http://localhost:*), or * without
	// credentials. Required unless Upstream is set.
	Origins []string `json:"origins,omitempty"`
	// Methods that scripts may use. Default: GET HEAD POST PUT PATCH DELETE.
	Methods []string `json:"methods,omitempty"`
	// Request headers that scripts may set. Headers from which the site's methods read
	// credentials are always allowed. Default: authorization, content-type.
	Headers []string `json:"headers,omitempty"`
	// Response headers that scripts may read, besides WWW-Authenticate, DPoP-Nonce,
	// Retry-After and X-Request-Id. Default: none.
	Expose []string `json:"expose,omitempty"`
	// Permits requests with cookies, Basic credentials and client certificates.
	// Default: false.
	Credentials bool `json:"credentials,omitempty"`
	// How long browsers may cache a preflight, at most 24h. Default: 1h.
	MaxAge caddy.Duration `json:"max_age,omitempty"`
	// Passes preflights, without credentials, to the next handler, which answers them.
	// All other fields must be empty. Default: false.
	Upstream bool `json:"upstream,omitempty"`
}

// Parse parses
//
//	cors [upstream] {
//	    origins <origin>...
//	    methods <method>...
//	    headers <name>...
//	    expose <name>...
//	    credentials
//	    max_age <duration>
//	}
func (c *CORS) Parse(d *caddyfile.Dispenser) error {
	for d.NextArg() {
		if d.Val() != "upstream" || c.Upstream {
			return d.Errf("%s", caddyfileutil.Unknown("argument of cors", d.Val(), []string{"upstream"}))
		}
		c.Upstream = true
	}
	if c.Upstream {
		return caddyfileutil.NoBlock(d, "cors upstream")
	}
	return caddyfileutil.ValidatedBlock(d, "cors", caddyfileutil.Subdirectives{
		"origins":     caddyfileutil.Strings(&c.Origins),
		"methods":     caddyfileutil.Strings(&c.Methods),
		"headers":     caddyfileutil.Strings(&c.Headers),
		"expose":      caddyfileutil.Strings(&c.Expose),
		"credentials": caddyfileutil.Flag(&c.Credentials),
		"max_age":     caddyfileutil.Duration(&c.MaxAge),
	}, func() error {
		_, err := c.Build(nil)
		return err
	})
}

// Build returns the policy that the settings describe. Headers that hold
// credentials are allowed in preflights.
func (c *CORS) Build(credentialHeaders []string) (*cors.CORS, error) {
	built, err := cors.New(cors.Config{
		Origins: c.Origins, Methods: c.Methods, Headers: c.Headers, Expose: c.Expose,
		Credentials: c.Credentials, MaxAge: time.Duration(c.MaxAge), Upstream: c.Upstream,
		CredentialHeaders: credentialHeaders,
	})
	if err != nil {
		return nil, fmt.Errorf("cors: %w", err)
	}
	return built, nil
}
