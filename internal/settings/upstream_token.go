package settings

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/forward"
	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// UpstreamToken passes the provider's own token of a session on to the next handler.
type UpstreamToken struct {
	// "access" or "id". Required.
	Token string `json:"token"`

	// The header for the token. It is removed from every request of the site first, in
	// every spelling. Default: Authorization, with the scheme Bearer.
	Header string `json:"header,omitempty"`
}

// upstreamTokens are the values of UpstreamToken.Token.
var upstreamTokens = []string{login.AccessToken, login.IDToken}

// Parse parses
//
//	upstream_token access|id [<header>]
func (u *UpstreamToken) Parse(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.Errf("upstream_token wants access or id, and optionally a header, not %d arguments, such as upstream_token access", len(args))
	}
	u.Token = args[0]
	if len(args) == 2 {
		u.Header = args[1]
	}
	if err := caddyfileutil.NoBlock(d, "upstream_token"); err != nil {
		return err
	}
	if err := u.Check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Check reports what is wrong in itself.
func (u *UpstreamToken) Check() error {
	switch {
	case u == nil:
		return nil
	case !slices.Contains(upstreamTokens, u.Token):
		return errors.New("upstream_token: " + caddyfileutil.Unknown("token", u.Token, slices.Clone(upstreamTokens)))
	}
	if name := http.CanonicalHeaderKey(u.HeaderName()); name == "Cookie" || name == "Proxy-Authorization" {
		return fmt.Errorf("upstream_token: header %s is not for a token; leave it out for Authorization, or choose another, such as X-Access-Token", name)
	}
	if err := forward.CheckName(u.HeaderName()); err != nil {
		return fmt.Errorf("upstream_token: %w", err)
	}
	return nil
}

// HeaderName returns the header for the token; "" without upstream_token.
func (u *UpstreamToken) HeaderName() string {
	if u == nil {
		return ""
	}
	return http.CanonicalHeaderKey(cmp.Or(u.Header, "Authorization"))
}

// Apply makes the sessions of OpenID providers among a site's logins keep the token. It
// returns an error if there are none.
func (u *UpstreamToken) Apply(target *login.Target) error {
	if u == nil {
		return nil
	}
	found := false
	if target != nil && target.Site != nil {
		for _, method := range target.Site.Methods {
			if provider, ok := method.(*login.OIDC); ok {
				provider.Upstream, found = u.Token, true
			}
		}
	}
	if !found {
		return errors.New("upstream_token: needs login oidc; add it, or remove upstream_token")
	}
	return nil
}
