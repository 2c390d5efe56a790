package login

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// holderRefresh is how old the roles of app passwords may be before the provider is asked
// again (S-18).
const holderRefresh = time.Hour

// holder returns what app passwords keep of the user of a session, which began with a
// sign-in.
func (s *Site) holder(found *session.Session) (apppassword.Holder, bool) {
	i := slices.IndexFunc(s.Methods, func(m Method) bool { return m.ID() == found.Person.Login })
	if i < 0 {
		return apppassword.Holder{}, false
	}
	h := s.Methods[i].Holder(found)
	h.Person, h.Site, h.SessionID = found.Person, found.Site, found.ID
	h.Identity, h.SignedIn, h.Refreshed = withoutSession(found.Identity), found.Created, s.Sessions.Now().UTC()
	return h, true
}

// withoutSession returns an identity that does not end with its session.
func withoutSession(of *authenticator.Identity) *authenticator.Identity {
	id := *of
	id.ExpiresAt = 0
	return id.Normalize()
}

// renewHolder renews the app passwords of a user who has just signed in. If the store
// fails, the passwords count from the sign-in before.
func (v *Request) renewHolder(started *session.Session) {
	if v.AppPasswords == nil {
		return
	}
	if h, ok := v.holder(started); ok {
		_ = v.AppPasswords.SignedIn(v.R.Context(), h)
	}
}

// Holder implements Method. The password in the users file is a part of the tag: as with
// sessions, a new one ends what the old one has made, and another user of the same name
// gets nothing of it.
func (f *Form) Holder(s *session.Session) apppassword.Holder {
	return apppassword.Holder{LoginTag: base64.RawURLEncoding.EncodeToString(s.Data), Data: s.Data, Refreshable: true}
}

// RevalidateHolder implements Method. It looks the user up on each request.
func (f *Form) RevalidateHolder(_ context.Context, _ *session.Sessions, _ *apppassword.Passwords, h *apppassword.Holder) authenticator.Outcome {
	user, reason := f.activeUser(h.Person.Subject)
	switch {
	case user == nil:
		return reason
	case !equal(string(h.Data), string(passwordDigest(user))):
		return authenticator.Reject(authenticator.ReasonTokenRevoked, authenticator.Detail{Name: "problem", Value: "the password of the user was changed"})
	}
	return authenticator.Accept(user.Identity)
}

// EndChanged ends the app passwords of users who were disabled, removed or given another
// password between two versions of the users file, or who are back. So they stay ended even
// if none is used meanwhile (S-18).
func (f *Form) EndChanged(ctx context.Context, in store.Store, before, after *users.Users) error {
	state := func(u *users.User) string {
		if u == nil || !u.Active(f.now()) {
			return ""
		}
		return string(passwordDigest(u))
	}
	names := map[string]bool{}
	for _, u := range append(before.All(), after.All()...) {
		names[u.Name] = true
	}
	for name := range names {
		if state(before.Get(name)) == state(after.Get(name)) {
			continue
		}
		if _, err := apppassword.EndPerson(ctx, in, person.Person{Login: f.ID(), Subject: name}); err != nil {
			return err
		}
	}
	return nil
}

// Holder implements Method.
func (o *OIDC) Holder(s *session.Session) apppassword.Holder {
	granted, err := decodeGrant(s.Data)
	return apppassword.Holder{Data: s.Data, Refreshable: err == nil && granted.RefreshToken != ""}
}

// RevalidateHolder implements Method. The first request an hour after the last refresh
// asks the provider; other requests use the known identity meanwhile.
func (o *OIDC) RevalidateHolder(ctx context.Context, sessions *session.Sessions, in *apppassword.Passwords, h *apppassword.Holder) authenticator.Outcome {
	if !h.Refreshable || in.Now().Sub(h.Refreshed) < holderRefresh {
		return authenticator.Accept(h.Identity)
	}
	// A refresh is not canceled with its request: it consumes the old refresh token.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	if first, err := in.BeginRefresh(ctx, h, refreshLock); err != nil || !first {
		return authenticator.Accept(h.Identity)
	}
	found, err := sessions.Registry().Get(ctx, h.SessionID)
	switch {
	case err == nil && found.Person == h.Person && found.Site == h.Site:
		return o.refreshBoth(ctx, sessions, in, found, h)
	case err != nil && !isNoSession(err):
		return o.storeOutcome(err)
	}
	return o.refreshHolder(ctx, in, h)
}

// refreshBoth refreshes a session and the app passwords that use its tokens. A refresh
// token is used once, so that both have the new one.
func (o *OIDC) refreshBoth(ctx context.Context, sessions *session.Sessions, in *apppassword.Passwords, found *session.Session, h *apppassword.Holder) authenticator.Outcome {
	if first, err := sessions.BeginRefresh(ctx, found, refreshLock); err != nil || !first {
		return authenticator.Accept(h.Identity)
	}
	switch outcome := o.refresh(ctx, sessions, found, true); outcome.Verdict {
	case authenticator.Accepted:
		return o.currentHolder(ctx, in, h)
	case authenticator.Rejected:
		return o.refused(ctx, in, h, outcome)
	default:
		return outcome
	}
}

// refreshHolder asks the provider for new tokens of app passwords alone.
func (o *OIDC) refreshHolder(ctx context.Context, in *apppassword.Passwords, h *apppassword.Holder) authenticator.Outcome {
	h, err := in.Current(ctx, h) // another machine may have refreshed it just now
	if err != nil {
		return o.holderOutcome(err)
	}
	granted, err := decodeGrant(h.Data)
	if err != nil || in.Now().Sub(h.Refreshed) < holderRefresh || !o.canRefresh(granted) {
		return authenticator.Accept(h.Identity)
	}
	renewed, err := o.Provider.Refresh(ctx, granted)
	var failure *oidc.Failure
	switch {
	case errors.As(err, &failure) && failure.Status == http.StatusServiceUnavailable:
		return authenticator.Accept(h.Identity)
	case err != nil:
		return o.refused(ctx, in, h, authenticator.Reject(authenticator.ReasonTokenRevoked, authenticator.Detail{Name: "problem", Value: err.Error()}))
	}
	stored := *renewed
	stored.AccessToken, stored.AccessExpires, stored.IDExpires = "", time.Time{}, time.Time{} // no next handler gets it (S-23)
	data, err := encodeGrant(&stored)
	if err == nil {
		h, err = in.Renew(ctx, h, renewed.Identity, data)
	}
	if err != nil {
		return o.holderOutcome(err)
	}
	return authenticator.Accept(h.Identity)
}

// currentHolder returns the outcome for a holder as it is stored now.
func (o *OIDC) currentHolder(ctx context.Context, in *apppassword.Passwords, h *apppassword.Holder) authenticator.Outcome {
	h, err := in.Current(ctx, h)
	if err != nil {
		return o.holderOutcome(err)
	}
	return authenticator.Accept(h.Identity)
}

// refused ends a holder whose tokens the provider does not accept any more, unless the
// person has signed in meanwhile and has new ones.
func (o *OIDC) refused(ctx context.Context, in *apppassword.Passwords, h *apppassword.Holder, outcome authenticator.Outcome) authenticator.Outcome {
	if now, err := in.Current(ctx, h); err == nil && !now.SameSignIn(h) {
		return authenticator.Accept(now.Identity)
	}
	_ = in.EndHolder(ctx, h) // if this fails, a later request is rejected again
	return outcome
}

// holderOutcome returns the outcome for an error of the store of app passwords.
func (o *OIDC) holderOutcome(err error) authenticator.Outcome {
	if errors.Is(err, apppassword.ErrUnknown) {
		return authenticator.Reject(authenticator.ReasonTokenRevoked)
	}
	return o.storeOutcome(err)
}

// shareGrant gives the new tokens of a session to the app passwords that use the same.
// If the store fails, they get the next ones: while the session is there, the provider is
// asked through it.
func (o *OIDC) shareGrant(ctx context.Context, s *session.Session) {
	if h := o.holderWith(ctx, s); h != nil {
		_, _ = o.AppPasswords.Renew(ctx, h, withoutSession(s.Identity), s.Data)
	}
}

// endShared ends the app passwords that use the tokens of a session, which the provider
// does not accept any more.
func (o *OIDC) endShared(ctx context.Context, s *session.Session) {
	if h := o.holderWith(ctx, s); h != nil {
		_ = o.AppPasswords.EndHolder(ctx, h) // if this fails, their own refresh is rejected
	}
}

// holderWith returns the holder of app passwords that uses a session's tokens, or nil.
func (o *OIDC) holderWith(ctx context.Context, s *session.Session) *apppassword.Holder {
	if o.AppPasswords == nil {
		return nil
	}
	h, err := o.AppPasswords.HolderOf(ctx, s.Person, s.Site)
	if err != nil || h.SessionID != s.ID {
		return nil
	}
	return h
}
