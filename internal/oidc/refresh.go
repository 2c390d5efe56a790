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

// refreshPause is how long a provider that is out of reach is not asked again:
// until then people stay signed in by what they had.
const refreshPause = 30 * time.Second

// NeedsRefresh reports whether a grant is to be refreshed now.
func (p *Provider) NeedsRefresh(g *Grant) bool {
	if g.RefreshToken == "" || p.config.Now().Before(g.RefreshAt) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.config.Now().Before(p.refreshPausedUntil)
}

// Refresh asks whether a user who signed in is still the same (OpenID
// Connect Core, section 12), and returns what to remember from now on: the
// refresh token may be another. Of several callers for one grant at once one
// may call it, or the provider takes a refresh token for stolen. A *Failure with
// the status 503 says that it cannot be told now; with any other the user is no
// longer signed in. Without an Identity in the grant, who the user is stays as it was.
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

// refreshWithIDToken is the grant after an answer with a newer ID token.
func (p *Provider) refreshWithIDToken(ctx context.Context, m *metadata, g *Grant, got *tokenResponse) (*Grant, error) {
	return p.newGrant(ctx, m, got, token.Expected{
		Nonce: g.Nonce, AccessToken: got.access, MaxAge: -1,
		Refreshed: true, Subject: g.Subject, AuthTime: g.AuthTime,
	})
}

// refreshWithoutIDToken is the grant after an answer without an ID token, which need not be
// there: what the one of the sign-in said stays, and what userinfo says is asked anew.
// A record of an older version may not have that ID token; then all stays as it was.
func (p *Provider) refreshWithoutIDToken(ctx context.Context, m *metadata, g *Grant, got *tokenResponse) (*Grant, error) {
	renewed := *g
	renewed.Identity, renewed.RefreshToken, renewed.RefreshAt = nil, got.refresh, p.refreshAt(got.expiresIn)
	kept, err := m.verifier.ParseVerified(g.IDToken)
	if err != nil {
		_, err = p.userinfo(ctx, m, got, &token.IDToken{Subject: g.Subject})
		return &renewed, err
	}
	renewed.Identity, err = p.identify(ctx, m, got, kept)
	return &renewed, err
}

// inherit takes over from the sign-in what a refresh need not repeat, and what is
// still true of it: a newer ID token may leave out how and when the user signed in.
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

// keepRefreshToken keeps the new refresh token if it could not be told who the user is,
// since the old one may have been used up.
func (p *Provider) keepRefreshToken(g *Grant, got *tokenResponse, err error) (*Grant, error) {
	var failure *Failure
	if !errors.As(err, &failure) || failure.Status != http.StatusServiceUnavailable && !failure.inconclusive {
		return nil, err
	}
	p.pauseRefresh()
	p.config.Report(fmt.Errorf("refreshing: %w", err)) // people stay signed in, so that nothing else tells of it
	renewed := *g
	renewed.Identity, renewed.RefreshToken, renewed.RefreshAt = nil, got.refresh, p.config.Now()
	return &renewed, nil
}

// sessionEndingErrors are the errors of the token endpoint that speak of the user or of what the
// user has granted (RFC 6749, section 5.2; OpenID Connect Core, section 3.1.2.6), and
// two that providers have for a refresh token that counts no longer or no more alone.
// Others, such as invalid_client, unauthorized_client and invalid_scope, speak of how
// this client is registered, which no user can help.
var sessionEndingErrors = []string{
	"invalid_grant", "access_denied", "login_required", "interaction_required", "consent_required",
	"account_selection_required", "unmet_authentication_requirements", "mfa_required", "invalid_token",
}

// refreshFailure turns an error of the token endpoint into a failure. Only a clear
// answer about the user says that the user is no longer signed in.
func (p *Provider) refreshFailure(err error) *Failure {
	if !isTransient(err) && slices.ContainsFunc(sessionEndingErrors, func(code string) bool { return hasCode(err, code) }) {
		return newFailure(http.StatusUnauthorized, authenticator.ReasonSessionRevoked, fmt.Errorf("refreshing: %w", redactError(err)))
	}
	p.pauseRefresh()
	failure := unavailable(refreshPause, fmt.Errorf("refreshing: %w", redactError(err)))
	p.config.Report(failure) // people stay signed in, so that nothing else tells of it
	return failure
}

// pauseRefresh leaves the provider alone for a while.
func (p *Provider) pauseRefresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshPausedUntil = p.config.Now().Add(refreshPause)
}
