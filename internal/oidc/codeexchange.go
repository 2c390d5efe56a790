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

// Grant is what a provider has given: who the user is, and the tokens that go
// with it. It holds secrets.
type Grant struct {
	// Identity is who signed in, with Method oidc.
	Identity *authenticator.Identity `json:"-"`
	// Issuer and Subject name the user to the provider, and SessionID the session
	// there, or is "".
	Issuer    string `json:"issuer"`
	Subject   string `json:"subject"`
	SessionID string `json:"sid,omitempty"`
	// IDToken is the latest one: who the user is when a refresh brings none, and what
	// the user is signed out with.
	IDToken string `json:"id_token"`
	// RefreshToken buys newer tokens, "" if there is none; Until is when they are
	// due.
	RefreshToken string    `json:"refresh_token,omitempty"`
	RefreshAt    time.Time `json:"until,omitzero"`
	// Nonce and AuthTime are of the sign-in; a newer token must not contradict them.
	Nonce    string `json:"nonce"`
	AuthTime int64  `json:"auth_time,omitempty"`
	// ACR and AMR are how the user signed in, which a newer token need not repeat.
	ACR string   `json:"acr,omitempty"`
	AMR []string `json:"amr,omitempty"`
}

// Exchange ends a sign-in. Answer is the query with which the browser came back,
// whose state belongs to pending. Nothing in it goes to the provider before its
// sender was compared, nor to other endpoints than those that the sign-in began
// with. An error is a *Failure.
func (p *Provider) Exchange(ctx context.Context, answer url.Values, pending AuthRequest) (*Grant, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if pending.Endpoints != m.endpoints() {
		p.discover() // another machine may know the newer ones
		return nil, moved()
	}
	code, err := p.code(m, answer, pending)
	if err != nil {
		return nil, err
	}
	got, err := p.tokens(ctx, m, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {pending.RedirectURI}, "code_verifier": {pending.Verifier},
	})
	if err != nil {
		return nil, notGranted(err)
	}
	want := token.Expected{
		Nonce: pending.Nonce, Code: code, AccessToken: got.access,
		ACRValues: pending.ACRValues, MaxAge: pending.MaxAge,
	}
	return p.grant(ctx, m, got, want)
}

// notGranted turns an error of the token endpoint into a failure.
func notGranted(err error) *Failure {
	if isNetwork(err) {
		return unavailable(0, plain(err))
	}
	if isAnswer(err, "invalid_grant") {
		return fail(http.StatusBadRequest, authenticator.ReasonLoginStateInvalid, plain(err))
	}
	return fail(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, plain(err))
}

// grant verifies what the token endpoint gave, and asks who it is about.
func (p *Provider) grant(ctx context.Context, m *metadata, got *tokens, want token.Expected) (*Grant, error) {
	if got.id == "" {
		return nil, fail(http.StatusBadGateway, authenticator.ReasonTokenMalformed, errors.New("the token endpoint gave no ID token"))
	}
	verified, err := m.verifier.VerifyID(got.id, want)
	if err != nil {
		failure := refused("the ID token", err)
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
		g.RefreshAt = p.due(got.expiresIn)
	}
	return g, nil
}

// identify returns who the user of an ID token is, by it and by what userinfo says
// beside it. When the user signed in is unknown if the ID token does not say it: the
// user may have done so at the provider long before.
func (p *Provider) identify(ctx context.Context, m *metadata, got *tokens, of *token.IDToken) (*authenticator.Identity, error) {
	more, err := p.userinfo(ctx, m, got, of)
	if err != nil {
		return nil, err
	}
	id, err := m.verifier.Identify(of, more)
	if err != nil {
		return nil, refused("who the user is", err)
	}
	if id.AuthTime == 0 && !slices.Contains(id.Unknown, "auth_time") {
		id.Unknown = slices.Sorted(slices.Values(append(id.Unknown, "auth_time")))
	}
	return id, nil
}

const (
	// defaultExpiry is how long tokens count of which it is not said.
	defaultExpiry = 5 * time.Minute
	// minExpiry keeps a provider with tokens of a few seconds from being asked
	// for each request.
	minExpiry = 30 * time.Second
)

// due returns when tokens that last so many seconds are to be refreshed.
func (p *Provider) due(seconds int64) time.Time {
	lasts := time.Duration(min(max(seconds, 0), int64(24*time.Hour/time.Second))) * time.Second
	if lasts == 0 {
		lasts = defaultExpiry
	}
	return p.config.Now().Add(max(lasts, minExpiry))
}

// userinfo asks for what the ID token does not say. The answer must be about the
// same user (OpenID Connect Core, section 5.3.2).
func (p *Provider) userinfo(ctx context.Context, m *metadata, got *tokens, about *token.IDToken) (map[string]any, error) {
	if !p.asksUserinfo(m) {
		about.Incomplete = m.mute && !p.config.NoUserinfo
		return nil, nil
	}
	claims, err := p.askUserinfo(ctx, m, got.access)
	if errors.Is(err, errNoUserinfo) {
		if !p.incomplete.Swap(true) { // once, not for each user
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
		return nil, vague(errors.New("the userinfo answer names no user: it has no sub"))
	default:
		return nil, fail(http.StatusBadGateway, authenticator.ReasonCredentialsInvalid, fmt.Errorf("the userinfo answer is about another user: %s", printable(subject)))
	}
}

// asksUserinfo reports whether the userinfo endpoint is asked about each user.
func (p *Provider) asksUserinfo(m *metadata) bool { return !p.config.NoUserinfo && m.userinfo != "" }
