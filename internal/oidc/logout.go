package oidc

import (
	"context"
	"net/http"
	"net/url"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// maxIDTokenHint is how long an ID token may be to be a part of a URL, in bytes: many web
// servers take URLs of 8 KiB.
const maxIDTokenHint = 6 << 10

// EndSessionURL returns where a browser signs out at the provider as well (OpenID
// Connect RP-Initiated Logout, section 2), and comes back to a URL with the
// state. It is "" if the provider has no such page, or if that is not known, since it
// never waits for the provider.
func (p *Provider) EndSessionURL(g *Grant, back, state string) string {
	m := p.current.Load()
	if m == nil {
		p.startDiscovery()
		return ""
	}
	if m.endSession == "" {
		return ""
	}
	query := url.Values{"client_id": {p.config.ClientID}, "post_logout_redirect_uri": {back}, "state": {state}}
	if g.IDToken != "" && len(g.IDToken) <= maxIDTokenHint {
		query.Set("id_token_hint", g.IDToken)
	}
	return withQuery(m.endSession, query)
}

// LogoutToken says whose sessions end.
type LogoutToken = token.LogoutToken

// LogoutToken verifies a token by which the provider says whose sessions end
// (OpenID Connect Back-Channel Logout, section 2.6). An error is a *Failure.
func (p *Provider) LogoutToken(ctx context.Context, raw string) (*LogoutToken, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	logout, err := m.verifier.VerifyLogout(raw)
	if err != nil {
		failure := tokenFailure("the logout token", err)
		if failure.Status != http.StatusServiceUnavailable {
			failure.Status = http.StatusBadRequest
		}
		return nil, failure
	}
	return logout, nil
}
