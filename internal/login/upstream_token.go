package login

import (
	"context"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// The tokens of a provider that the next handler can get.
const (
	AccessToken = "access"
	IDToken     = "id"
)

// TokenSource is a Method whose sessions have a token for the next handler.
type TokenSource interface {
	// UpstreamToken returns the token of an accepted session, or "" if the site passes
	// none on. If there is none that is valid, the outcome is not Accepted.
	UpstreamToken(ctx context.Context, in *session.Sessions, s *session.Session) (string, authenticator.Outcome)
}

const (
	// tokenPoll is how often a request looks whether another one has refreshed the
	// tokens of its session, and tokenPolls is how many times.
	tokenPoll  = 50 * time.Millisecond
	tokenPolls = 100
	// tokenMargin is how long before their expiry tokens are refreshed, but at most a
	// quarter of their lifetime.
	tokenMargin = time.Minute
)

// heldTokens are the tokens of a session for the next handler.
type heldTokens struct {
	access, id               string
	accessExpires, idExpires time.Time
	refreshable              bool
}

// tokensOf returns the tokens of a session, which decodes them once.
func tokensOf(s *session.Session) *heldTokens {
	held, _ := s.Decoded(func(data []byte) any {
		granted, err := decodeGrant(data)
		if err != nil {
			return new(heldTokens)
		}
		return &heldTokens{granted.AccessToken, granted.IDToken, granted.AccessExpires, granted.IDExpires, granted.RefreshToken != ""}
	}).(*heldTokens)
	return held
}

// of returns the token of a kind, and when it expires; a time of zero is unknown.
func (h *heldTokens) of(kind string) (token string, expires time.Time) {
	switch {
	case kind == AccessToken:
		return h.access, h.accessExpires
	case h.idExpires.IsZero(): // it was stored where no site passes tokens on
		return "", time.Time{}
	}
	return h.id, h.idExpires
}

// lacksToken reports whether a session has no token for the next handler, but can get
// one: it began at a site that passes none on.
func (o *OIDC) lacksToken(s *session.Session) bool {
	if o.Upstream == "" {
		return false
	}
	held := tokensOf(s)
	token, _ := held.of(o.Upstream)
	return token == "" && held.refreshable
}

// encode returns a grant as it is stored. Its access token is kept only for the next
// handler.
func (o *OIDC) encode(g *oidc.Grant, keep bool) ([]byte, error) {
	stored := *g
	if o.Upstream == "" && !keep {
		stored.AccessToken, stored.AccessExpires, stored.IDExpires = "", time.Time{}, time.Time{}
		return encodeGrant(&stored)
	}
	expires := stored.AccessExpires
	if o.Upstream == IDToken {
		expires = stored.IDExpires
	}
	now := o.Provider.Now()
	if lasts := expires.Sub(now); !expires.IsZero() && lasts > 0 {
		if early := expires.Add(-min(tokenMargin, lasts/4)); early.Before(stored.RefreshAt) {
			stored.RefreshAt = early
		}
	}
	return encodeGrant(&stored)
}

// UpstreamToken implements TokenSource. Revalidate has refreshed the tokens, or another
// request does now: this one waits for that.
func (o *OIDC) UpstreamToken(ctx context.Context, in *session.Sessions, s *session.Session) (string, authenticator.Outcome) {
	if o.Upstream == "" {
		return "", authenticator.Accept(s.Identity)
	}
	for try := range tokenPolls {
		now := o.Provider.Now()
		token, expires := tokensOf(s).of(o.Upstream)
		if token != "" && (expires.IsZero() || now.Before(expires)) {
			return token, authenticator.Accept(s.Identity)
		}
		if try > 0 {
			switch {
			case !needsRefresh(s.Data, now) && !o.lacksToken(s):
				return "", authenticator.Reject(authenticator.ReasonSessionExpired, authenticator.Detail{Name: "problem", Value: "the " + o.Upstream + " token for the next handler has expired, and the provider gives no newer one to this session"})
			case o.Provider.RefreshPaused() || ctx.Err() != nil:
				return "", o.noToken()
			}
			sleep(ctx, tokenPoll)
		}
		newer, err := in.Registry().Get(ctx, s.ID)
		if err != nil {
			return "", o.storeOutcome(err)
		}
		s = newer
	}
	return "", o.noToken()
}

// noToken returns the outcome where the tokens could not be refreshed.
func (o *OIDC) noToken() authenticator.Outcome {
	problem := authenticator.Detail{Name: "problem", Value: "the " + o.Upstream + " token for the next handler has expired, and the provider could not be asked for a newer one"}
	return authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonKeysUnavailable, Details: []authenticator.Detail{problem}, RetryAfter: tokenMargin / 6}
}

// Interface guard.
var _ TokenSource = (*OIDC)(nil)
