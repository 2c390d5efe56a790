package login

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

const (
	// refreshLock is how long only one request may refresh a session, on all
	// machines: many providers treat a refresh token that is used twice as stolen.
	// Sessions are not refreshed more often.
	refreshLock = 30 * time.Second
	// refreshTimeout limits how long a request waits for the refresh of its session.
	refreshTimeout = 10 * time.Second
)

// refreshAtBytes is the length of the prefix of a stored grant: when to refresh it,
// in seconds since 1970, or 0 for never. With it, requests need not decode the
// grant.
const refreshAtBytes = 8

// encodeGrant returns a grant as it is stored in a session's Data.
func encodeGrant(g *oidc.Grant) ([]byte, error) {
	encoded, err := json.Marshal(g) //nolint:gosec // the store encrypts it
	if err != nil {
		return nil, err
	}
	var due uint64
	if g.RefreshToken != "" {
		due = uint64(max(g.RefreshAt.Unix(), 1))
	}
	return append(binary.BigEndian.AppendUint64(nil, due), encoded...), nil
}

// errNoTokens is the error of a session whose Data is no grant.
var errNoTokens = errors.New("the session has no tokens")

// decodeGrant parses the Data of a session.
func decodeGrant(data []byte) (*oidc.Grant, error) {
	if len(data) < refreshAtBytes {
		return nil, errNoTokens
	}
	var g oidc.Grant
	if err := json.Unmarshal(data[refreshAtBytes:], &g); err != nil {
		return nil, errNoTokens
	}
	return &g, nil
}

// needsRefresh reports whether a stored grant is to be refreshed.
func needsRefresh(data []byte, now time.Time) bool {
	if len(data) < refreshAtBytes {
		return false
	}
	due := binary.BigEndian.Uint64(data)
	return due > 0 && uint64(now.Unix()) >= due //nolint:gosec // it is positive
}

// Revalidate implements Method. The first request after the tokens expired
// refreshes them; other requests use the known identity meanwhile (R-OID-10).
func (o *OIDC) Revalidate(ctx context.Context, in *session.Sessions, s *session.Session) authenticator.Outcome {
	lacking := o.lacksToken(s)
	if !needsRefresh(s.Data, o.Provider.Now()) && !lacking {
		return authenticator.Accept(s.Identity)
	}
	// A refresh is not canceled with its request: it consumes the old refresh token.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	granted, err := decodeGrant(s.Data)
	if err != nil || o.Provider.RefreshPaused() || !lacking && !o.Provider.NeedsRefresh(granted) {
		return authenticator.Accept(s.Identity)
	}
	if first, err := in.BeginRefresh(ctx, s, refreshLock); err != nil || !first {
		return authenticator.Accept(s.Identity)
	}
	return o.refresh(ctx, in, s, false)
}

// canRefresh reports whether a grant can be refreshed now, before its tokens expire.
func (o *OIDC) canRefresh(granted *oidc.Grant) bool {
	if granted == nil {
		return false
	}
	due := *granted
	due.RefreshAt = time.Time{}
	return o.Provider.NeedsRefresh(&due)
}

// refresh asks the provider for new tokens of a session's user, if the stored grant is
// still due, or ahead of that.
func (o *OIDC) refresh(ctx context.Context, in *session.Sessions, s *session.Session, ahead bool) authenticator.Outcome {
	s, err := in.Registry().Get(ctx, s.ID) // another machine may have refreshed it just now
	if err != nil {
		return o.storeOutcome(err)
	}
	granted, err := decodeGrant(s.Data)
	due := needsRefresh(s.Data, o.Provider.Now()) || o.lacksToken(s) || ahead && o.canRefresh(granted)
	if err != nil || !due {
		return authenticator.Accept(s.Identity)
	}
	renewed, err := o.Provider.Refresh(ctx, granted)
	var failure *oidc.Failure
	switch {
	case errors.As(err, &failure) && failure.Status == http.StatusServiceUnavailable:
		return authenticator.Accept(s.Identity)
	case err != nil:
		_ = in.Registry().End(ctx, s.ID) // if this fails, the next request is rejected again
		o.endShared(ctx, s)
		return authenticator.Reject(authenticator.ReasonSessionRevoked, authenticator.Detail{Name: "problem", Value: err.Error()})
	}
	return o.storeGrant(ctx, in, s, renewed)
}

// storeGrant stores a refreshed grant in the session.
func (o *OIDC) storeGrant(ctx context.Context, in *session.Sessions, s *session.Session, renewed *oidc.Grant) authenticator.Outcome {
	id := s.Identity
	if renewed.Identity != nil {
		id = renewed.Identity
	}
	data, err := o.encode(renewed, tokensOf(s).access != "")
	if err == nil {
		err = in.Refresh(ctx, s, id, data)
	}
	if err == nil {
		s, err = in.Registry().Get(ctx, s.ID)
	}
	if err != nil {
		return o.storeOutcome(err)
	}
	o.shareGrant(ctx, s)
	return authenticator.Accept(s.Identity)
}

// storeOutcome returns the outcome for an error of the session store.
func (o *OIDC) storeOutcome(err error) authenticator.Outcome {
	if isNoSession(err) {
		return authenticator.Reject(authenticator.ReasonSessionRevoked)
	}
	return authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonStoreUnavailable}
}
