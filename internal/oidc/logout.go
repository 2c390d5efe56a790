package oidc

import (
	"context"
	"net/http"
	"net/url"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// maxIDTokenHint is the maximum length of an ID token in a URL, in bytes. Many web
// servers limit URLs to 8 KiB.
const maxIDTokenHint = 6 << 10

// EndSessionURL returns the URL of the provider's sign-out page (OpenID Connect
// RP-Initiated Logout, section 2), which redirects to back with the state. It
// returns "" if the provider has none or if its metadata is not loaded, because it
// does not wait for the provider.
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

// LogoutToken identifies the sessions to end.
type LogoutToken = token.LogoutToken

// LogoutToken verifies a logout token (OpenID Connect Back-Channel Logout, section
// 2.6). An error is a *Failure.
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
