package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// retryRefresh is how long a provider that is out of reach is not asked again:
// until then people stay signed in by what they had.
const retryRefresh = 30 * time.Second

// Due reports whether a grant is to be refreshed now.
func (p *Provider) Due(g *Grant) bool {
	if g.RefreshToken == "" || p.config.Now().Before(g.Until) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.config.Now().Before(p.quiet)
}

// Refresh asks whether a user who signed in is still the same (OpenID
// Connect Core, section 12), and returns what to remember from now on: the
// refresh token may be another. Of several callers for one grant at once one
// may call it, or the provider takes a refresh token for stolen. A *Failure with
// the status 503 says that it cannot be told now; with any other the user is no
// longer signed in.
func (p *Provider) Refresh(ctx context.Context, g *Grant) (*Grant, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		p.rest()
		return nil, err
	}
	got, err := p.tokens(ctx, m, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken}})
	if err != nil {
		return nil, p.notRefreshed(err)
	}
	got.refresh = cmp.Or(got.refresh, g.RefreshToken) // RFC 6749, section 6
	if got.id == "" {
		return p.unchanged(ctx, m, g, got)
	}
	renewed, err := p.grant(ctx, m, got, token.Expected{
		Nonce: g.Nonce, AccessToken: got.access, MaxAge: -1,
		Refreshed: true, Subject: g.Subject, AuthTime: g.AuthTime,
	})
	if err != nil {
		return p.renewedOr(g, got, err)
	}
	if renewed.SessionID == "" {
		renewed.SessionID = g.SessionID
	}
	if renewed.AuthTime == 0 {
		renewed.AuthTime = g.AuthTime
	}
	if renewed.AuthTime != 0 {
		renewed.Identity.AuthTime = renewed.AuthTime
		renewed.Identity.Unknown = slices.DeleteFunc(renewed.Identity.Unknown, func(field string) bool { return field == "auth_time" })
	}
	return renewed, nil
}

// unchanged is the grant after an answer without an ID token, which need not be
// there: who the user is stays as it was.
func (p *Provider) unchanged(ctx context.Context, m *metadata, g *Grant, got *tokens) (*Grant, error) {
	renewed := *g
	renewed.Identity, renewed.RefreshToken, renewed.Until = nil, got.refresh, p.due(got.expiresIn)
	if _, err := p.userinfo(ctx, m, got, &token.IDToken{Subject: g.Subject}); err != nil {
		return p.renewedOr(g, got, err)
	}
	return &renewed, nil
}

// renewedOr keeps the new refresh token if it could not be told who the user is,
// since the old one may have been used up.
func (p *Provider) renewedOr(g *Grant, got *tokens, err error) (*Grant, error) {
	var failure *Failure
	if !errors.As(err, &failure) || failure.Status != http.StatusServiceUnavailable {
		return nil, err
	}
	p.rest()
	renewed := *g
	renewed.Identity, renewed.RefreshToken, renewed.Until = nil, got.refresh, p.config.Now()
	return &renewed, nil
}

// notRefreshed turns an error of the token endpoint into a failure. Only a clear
// answer about the refresh token says that the user is no longer signed in.
func (p *Provider) notRefreshed(err error) *Failure {
	if isAnswer(err, "invalid_grant") {
		return fail(http.StatusUnauthorized, identity.ReasonSessionRevoked, fmt.Errorf("refreshing: %w", plain(err)))
	}
	p.rest()
	failure := unavailable(retryRefresh, fmt.Errorf("refreshing: %w", plain(err)))
	p.config.Report(failure) // people stay signed in, so that nothing else tells of it
	return failure
}

// rest leaves the provider alone for a while.
func (p *Provider) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quiet = p.config.Now().Add(retryRefresh)
}
