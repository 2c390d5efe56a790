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

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// refreshPause is how long no token is refreshed after a provider was unavailable.
// Users stay signed in meanwhile.
const refreshPause = 30 * time.Second

// NeedsRefresh reports whether a grant is to be refreshed now.
func (p *Provider) NeedsRefresh(g *Grant) bool {
	return g.RefreshToken != "" && !p.config.Now().Before(g.RefreshAt) && !p.RefreshPaused()
}

// RefreshPaused reports whether no token is refreshed now, because the provider was
// unavailable.
func (p *Provider) RefreshPaused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config.Now().Before(p.refreshPausedUntil)
}

// Refresh uses the refresh token of a grant (OpenID Connect Core, section 12) and
// returns the grant to store from now on, which may have another refresh token.
// Call it only once for a grant, because many providers treat a refresh token that
// is used twice as stolen. A *Failure with status 503 means that the provider is
// unavailable; with any other status the user is no longer signed in. If the
// returned grant has no Identity, the identity is unchanged.
func (p *Provider) Refresh(ctx context.Context, g *Grant) (*Grant, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		p.pauseRefresh()
		return nil, err
	}
	got, err := p.requestTokens(ctx, m, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken}})
	if err != nil {
		return nil, p.refreshFailure(err)
	}
	got.refresh = cmp.Or(got.refresh, g.RefreshToken) // RFC 6749, section 6
	ask := p.refreshWithIDToken
	if got.id == "" {
		ask = p.refreshWithoutIDToken
	}
	renewed, err := ask(ctx, m, g, got)
	if err != nil {
		return p.keepRefreshToken(g, got, err)
	}
	renewed.inherit(g)
	return renewed, nil
}

// refreshWithIDToken returns the grant for a response with a new ID token.
func (p *Provider) refreshWithIDToken(ctx context.Context, m *metadata, g *Grant, got *tokenResponse) (*Grant, error) {
	return p.newGrant(ctx, m, got, token.Expected{
		Nonce: g.Nonce, AccessToken: got.access, MaxAge: -1,
		Refreshed: true, Subject: g.Subject, AuthTime: g.AuthTime,
	})
}

// refreshWithoutIDToken returns the grant for a response without an ID token, which
// is optional. It uses the claims of the last ID token and fetches the userinfo
// again. If an older version stored the grant without an ID token, the identity is
// unchanged.
func (p *Provider) refreshWithoutIDToken(ctx context.Context, m *metadata, g *Grant, got *tokenResponse) (*Grant, error) {
	renewed := *g
	renewed.Identity, renewed.RefreshToken, renewed.RefreshAt = nil, got.refresh, p.refreshAt(got.expiresIn)
	p.setAccessToken(&renewed, got)
	kept, err := m.verifier.ParseVerified(g.IDToken)
	if err != nil {
		_, err = p.userinfo(ctx, m, got, &token.IDToken{Subject: g.Subject})
		return &renewed, err
	}
	renewed.Identity, err = p.identify(ctx, m, got, kept)
	return &renewed, err
}

// inherit copies what a refresh need not repeat from the earlier grant, such as how
// and when the user signed in.
func (g *Grant) inherit(earlier *Grant) {
	g.SessionID = cmp.Or(g.SessionID, earlier.SessionID)
	g.AuthTime = cmp.Or(g.AuthTime, earlier.AuthTime)
	id := g.Identity
	if id == nil {
		return
	}
	if g.AuthTime != 0 {
		id.AuthTime = g.AuthTime
		id.Unknown = slices.DeleteFunc(id.Unknown, func(field string) bool { return field == "auth_time" })
	}
	if id.ACR == "" && !slices.Contains(id.Unknown, "acr") {
		id.ACR = earlier.ACR
	}
	if len(id.AMR) == 0 && !slices.Contains(id.Unknown, "amr") {
		id.AMR = append([]string{}, earlier.AMR...)
	}
	g.ACR, g.AMR = id.ACR, id.AMR
}

// keepRefreshToken returns a grant with the new refresh token if the provider did
// not say who the user is, because the old refresh token may be used up.
func (p *Provider) keepRefreshToken(g *Grant, got *tokenResponse, err error) (*Grant, error) {
	var failure *Failure
	if !errors.As(err, &failure) || failure.Status != http.StatusServiceUnavailable && !failure.inconclusive {
		return nil, err
	}
	p.pauseRefresh()
	p.config.Report(fmt.Errorf("refreshing: %w", err)) // users stay signed in, so that nothing else reports it
	renewed := *g
	renewed.Identity, renewed.RefreshToken, renewed.RefreshAt = nil, got.refresh, p.config.Now()
	p.setAccessToken(&renewed, got)
	return &renewed, nil
}

// sessionEndingErrors are the errors of the token endpoint about the user or the
// grant (RFC 6749, section 5.2; OpenID Connect Core, section 3.1.2.6), and two that
// providers return for an expired refresh token. Other errors, such as
// invalid_client, unauthorized_client and invalid_scope, are about the client's
// registration.
var sessionEndingErrors = []string{
	"invalid_grant", "access_denied", "login_required", "interaction_required", "consent_required",
	"account_selection_required", "unmet_authentication_requirements", "mfa_required", "invalid_token",
}

// refreshFailure returns the failure for an error of the token endpoint. Only an
// error about the user ends the session.
func (p *Provider) refreshFailure(err error) *Failure {
	if !isTransient(err) && slices.ContainsFunc(sessionEndingErrors, func(code string) bool { return hasCode(err, code) }) {
		return newFailure(http.StatusUnauthorized, authenticator.ReasonSessionRevoked, fmt.Errorf("refreshing: %w", redactError(err)))
	}
	p.pauseRefresh()
	failure := unavailable(refreshPause, fmt.Errorf("refreshing: %w", redactError(err)))
	p.config.Report(failure) // users stay signed in, so that nothing else reports it
	return failure
}

// pauseRefresh stops refreshes for refreshPause.
func (p *Provider) pauseRefresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshPausedUntil = p.config.Now().Add(refreshPause)
}
