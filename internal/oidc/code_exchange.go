package oidc

import (
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

// Grant is the result of a sign-in: the user's identity and the tokens. It contains
// secrets.
type Grant struct {
	// Identity is the user who signed in, with the Method oidc.
	Identity *authenticator.Identity `json:"-"`
	// Issuer and Subject identify the user at the provider. SessionID is the
	// provider's session ID, or "".
	Issuer    string `json:"issuer"`
	Subject   string `json:"subject"`
	SessionID string `json:"sid,omitempty"`
	// IDToken is the latest ID token. It is used if a refresh returns none, and for
	// signing out.
	IDToken string `json:"id_token"`
	// RefreshToken buys newer tokens, "" if there is none; Until is when they are
	// due.
	RefreshToken string    `json:"refresh_token,omitempty"`
	RefreshAt    time.Time `json:"until,omitzero"`
	// AccessToken is the latest access token. AccessExpires and IDExpires are when the
	// tokens expire; zero if unknown.
	AccessToken   string    `json:"access_token,omitempty"`
	AccessExpires time.Time `json:"access_expires,omitzero"`
	IDExpires     time.Time `json:"id_expires,omitzero"`
	// Nonce and AuthTime are from the sign-in. A newer ID token must not contradict
	// them.
	Nonce    string `json:"nonce"`
	AuthTime int64  `json:"auth_time,omitempty"`
	// ACR and AMR say how the user signed in. A newer ID token need not contain
	// them.
	ACR string   `json:"acr,omitempty"`
	AMR []string `json:"amr,omitempty"`
}

// Exchange exchanges the code of an authorization response for tokens and returns
// the user. Answer is the query of the callback, and pending the request that
// belongs to its state. Before anything is sent to the provider, the response's
// issuer is checked, and that the endpoints are still those of the request. An
// error is a *Failure.
func (p *Provider) Exchange(ctx context.Context, answer url.Values, pending AuthRequest) (*Grant, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if pending.Endpoints != m.digest() {
		p.startDiscovery() // another machine may have newer metadata
		return nil, endpointsChanged()
	}
	code, err := p.authorizationCode(m, answer, pending)
	if err != nil {
		return nil, err
	}
	got, err := p.requestTokens(ctx, m, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {pending.RedirectURI}, "code_verifier": {pending.Verifier},
	})
	if err != nil {
		return nil, exchangeFailure(err)
	}
	want := token.Expected{
		Nonce: pending.Nonce, Code: code, AccessToken: got.access,
		ACRValues: pending.ACRValues, MaxAge: pending.MaxAge,
	}
	return p.newGrant(ctx, m, got, want)
}

// exchangeFailure returns the failure for an error of the token endpoint.
func exchangeFailure(err error) *Failure {
	if isTransient(err) {
		return unavailable(0, redactError(err))
	}
	if hasCode(err, "invalid_grant") {
		return newFailure(http.StatusBadRequest, authenticator.ReasonLoginStateInvalid, redactError(err))
	}
	return newFailure(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, redactError(err))
}

// newGrant verifies the tokens and fetches the userinfo.
func (p *Provider) newGrant(ctx context.Context, m *metadata, got *tokenResponse, want token.Expected) (*Grant, error) {
	if got.id == "" {
		return nil, newFailure(http.StatusBadGateway, authenticator.ReasonTokenMalformed, errors.New("the token endpoint gave no ID token"))
	}
	verified, err := m.verifier.VerifyID(got.id, want)
	if err != nil {
		failure := tokenFailure("the ID token", err)
		failure.Subject = m.verifier.Subject(got.id)
		return nil, failure
	}
	id, err := p.identify(ctx, m, got, verified)
	if err != nil {
		return nil, err
	}
	g := &Grant{
		Identity: id, Issuer: p.config.Issuer, Subject: verified.Subject, SessionID: verified.SessionID,
		IDToken: got.id, RefreshToken: got.refresh, Nonce: want.Nonce, AuthTime: verified.AuthTime, ACR: id.ACR, AMR: id.AMR,
	}
	if g.RefreshToken != "" {
		g.RefreshAt = p.refreshAt(got.expiresIn)
	}
	p.setAccessToken(g, got)
	if expires := verified.Expires(); expires != 0 {
		g.IDExpires = time.Unix(expires, 0)
	}
	return g, nil
}

// setAccessToken gives a grant the access token of a response.
func (p *Provider) setAccessToken(g *Grant, got *tokenResponse) {
	g.AccessToken, g.AccessExpires = got.access, time.Time{}
	if got.expiresIn > 0 {
		g.AccessExpires = time.Unix(p.config.Now().Unix()+got.expiresIn, 0)
	}
}

// identify returns the identity of an ID token and of the userinfo. If the ID token
// has no auth_time, the time of the sign-in is unknown, since the user may have
// signed in at the provider long before.
func (p *Provider) identify(ctx context.Context, m *metadata, got *tokenResponse, of *token.IDToken) (*authenticator.Identity, error) {
	more, err := p.userinfo(ctx, m, got, of)
	if err != nil {
		return nil, err
	}
	id, err := m.verifier.Identify(of, more)
	if err != nil {
		return nil, tokenFailure("who the user is", err)
	}
	if id.AuthTime == 0 && !slices.Contains(id.Unknown, "auth_time") {
		id.Unknown = slices.Sorted(slices.Values(append(id.Unknown, "auth_time")))
	}
	return id, nil
}

const (
	// defaultExpiry is the lifetime of tokens without expires_in.
	defaultExpiry = 5 * time.Minute
	// minExpiry limits how often tokens with a short lifetime are refreshed.
	minExpiry = 30 * time.Second
)

// refreshAt returns when tokens with a lifetime in seconds are to be refreshed.
func (p *Provider) refreshAt(seconds int64) time.Time {
	lasts := time.Duration(min(max(seconds, 0), int64(24*time.Hour/time.Second))) * time.Second
	if lasts == 0 {
		lasts = defaultExpiry
	}
	return p.config.Now().Add(max(lasts, minExpiry))
}

// userinfo fetches claims that the ID token does not have. They must be about the
// same user (OpenID Connect Core, section 5.3.2).
func (p *Provider) userinfo(ctx context.Context, m *metadata, got *tokenResponse, about *token.IDToken) (map[string]any, error) {
	if !p.usesUserinfo(m) {
		about.Incomplete = m.userinfoUnusable && !p.config.NoUserinfo
		return nil, nil
	}
	claims, err := p.fetchUserinfo(ctx, m, got.access)
	if errors.Is(err, errNoUserinfo) {
		if !p.incomplete.Swap(true) { // report it once and not for each user
			p.config.Report(fmt.Errorf("what the ID token does not say of a user is unknown: %w", err))
		}
		about.Incomplete = true
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.incomplete.Store(false)
	switch subject, _ := claims["sub"].(string); subject {
	case about.Subject:
		return claims, nil
	case "":
		return nil, inconclusive(errors.New("the userinfo answer names no user: it has no sub"))
	default:
		return nil, newFailure(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, fmt.Errorf("the userinfo answer is about another user: %s", printable(subject)))
	}
}

// usesUserinfo reports whether the userinfo endpoint is used.
func (p *Provider) usesUserinfo(m *metadata) bool { return !p.config.NoUserinfo && m.userinfo != "" }
