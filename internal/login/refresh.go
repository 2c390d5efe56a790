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
	// refreshLock is for how long no other request refreshes a session that one
	// does, on whichever machine: a provider takes a refresh token that comes twice
	// for stolen. No session is due more often.
	refreshLock = 30 * time.Second
	// refreshTimeout bounds how long a request waits for its session's refresh.
	refreshTimeout = 10 * time.Second
)

// refreshAtBytes is how many bytes before a stored grant say when it is due, in seconds
// since 1970 or 0 for never, so that a request need not decode it.
const refreshAtBytes = 8

// encodeGrant returns a grant as a session keeps it.
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

// errNoTokens says that a session has no grant of ours.
var errNoTokens = errors.New("the session has no tokens")

// decodeGrant reads it again.
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

// Revalidate implements Method. A session whose tokens have expired is refreshed by
// the request that finds it so; others that come meanwhile go on with what is
// known (R-OID-10).
func (o *OIDC) Revalidate(ctx context.Context, in *session.Sessions, s *session.Session) authenticator.Outcome {
	if !needsRefresh(s.Data, o.Provider.Now()) {
		return authenticator.Accept(s.Identity)
	}
	// Who refreshes does it to the end: the old refresh token is used up by it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	granted, err := decodeGrant(s.Data)
	if err != nil || !o.Provider.NeedsRefresh(granted) {
		return authenticator.Accept(s.Identity)
	}
	if first, err := in.BeginRefresh(ctx, s, refreshLock); err != nil || !first {
		return authenticator.Accept(s.Identity)
	}
	return o.refresh(ctx, in, s)
}

// refresh asks the provider who a session's user is now.
func (o *OIDC) refresh(ctx context.Context, in *session.Sessions, s *session.Session) authenticator.Outcome {
	s, err := in.Registry().Get(ctx, s.ID) // another machine may just have done it
	if err != nil {
		return o.storeOutcome(err)
	}
	granted, err := decodeGrant(s.Data)
	if err != nil || !needsRefresh(s.Data, o.Provider.Now()) {
		return authenticator.Accept(s.Identity)
	}
	renewed, err := o.Provider.Refresh(ctx, granted)
	var failure *oidc.Failure
	switch {
	case errors.As(err, &failure) && failure.Status == http.StatusServiceUnavailable:
		return authenticator.Accept(s.Identity)
	case err != nil:
		_ = in.Registry().End(ctx, s.ID) // or the next request finds it refused again
		return authenticator.Reject(authenticator.ReasonSessionRevoked, authenticator.Detail{Name: "problem", Value: err.Error()})
	}
	return o.storeGrant(ctx, in, s, renewed)
}

// storeGrant keeps what a refresh brought.
func (o *OIDC) storeGrant(ctx context.Context, in *session.Sessions, s *session.Session, renewed *oidc.Grant) authenticator.Outcome {
	id := s.Identity
	if renewed.Identity != nil {
		id = renewed.Identity
	}
	data, err := encodeGrant(renewed)
	if err == nil {
		err = in.Refresh(ctx, s, id, data)
	}
	if err == nil {
		s, err = in.Registry().Get(ctx, s.ID)
	}
	if err != nil {
		return o.storeOutcome(err)
	}
	return authenticator.Accept(s.Identity)
}

// storeOutcome turns an error of the sessions into an outcome.
func (o *OIDC) storeOutcome(err error) authenticator.Outcome {
	if isNoSession(err) {
		return authenticator.Reject(authenticator.ReasonSessionRevoked)
	}
	return authenticator.Outcome{Verdict: authenticator.Unavailable, Reason: authenticator.ReasonStoreUnavailable}
}
