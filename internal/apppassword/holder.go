package apppassword

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// HolderOf returns the holder of a person on a site, or ErrUnknown.
func (s *Passwords) HolderOf(ctx context.Context, p person.Person, site string) (*Holder, error) {
	return s.holders.get(ctx, holderPrefix+holderKey(p, site))
}

// Current returns a holder as it is stored now, or ErrUnknown if it has ended, also if the
// person has made app passwords since.
func (s *Passwords) Current(ctx context.Context, h *Holder) (*Holder, error) {
	now, err := s.HolderOf(ctx, h.Person, h.Site)
	if err == nil && now.Tag != h.Tag {
		return nil, ErrUnknown
	}
	return now, err
}

// keepHolder stores the holder for a new password and returns it as it is stored, which is
// that of the latest sign-in.
func (s *Passwords) keepHolder(ctx context.Context, h Holder) (*Holder, error) {
	for range 3 { // another machine may make or end it meanwhile
		known, err := s.HolderOf(ctx, h.Person, h.Site)
		switch {
		case errors.Is(err, ErrUnknown):
			put := s.store.PutNew
			if errors.Is(err, store.ErrForged) { // as after a change of the store's secret
				put = s.store.Replace
			}
			if first, err := s.putFirst(ctx, &h, put); err != nil || first {
				return &h, err
			}
			continue
		case err != nil:
			return nil, err
		case s.endsBefore(known, &h):
			if err := s.EndHolder(ctx, known); err != nil {
				return nil, err
			}
			continue
		case known.SignedIn.After(h.SignedIn):
			return known, nil
		}
		h.Tag = known.Tag
		if there, err := s.putHolder(ctx, &h, s.store.Replace); err != nil || there {
			return &h, err
		}
	}
	return nil, fmt.Errorf("making an app password: %w: its owner changes all the time", store.ErrUnavailable)
}

// putFirst stores the first holder of a person, or the first after the end of an earlier
// one, whose passwords never count again (S-40): it deletes what is left of them.
func (s *Passwords) putFirst(ctx context.Context, h *Holder, put func(context.Context, string, store.Item) (bool, error)) (bool, error) {
	left, err := s.store.Owned(ctx, holderOwner(holderKey(h.Person, h.Site)))
	if err != nil {
		return false, fmt.Errorf("making an app password: %w", err)
	}
	h.Tag = newTag()
	if first, err := s.putHolder(ctx, h, put); err != nil || !first {
		return false, err
	}
	var keys []string
	for _, e := range left { // of holders before this one: there was none when it was stored
		if !strings.HasPrefix(e.Key, holderPrefix) {
			keys = append(keys, e.Key)
		}
	}
	if len(keys) == 0 {
		return true, nil
	}
	if err := s.store.Delete(ctx, keys...); err != nil {
		return false, fmt.Errorf("making an app password: %w", err)
	}
	return true, nil
}

// endsBefore reports whether a holder ends before a sign-in: it was too late, or the login
// does not continue what was made before.
func (s *Passwords) endsBefore(known, signedIn *Holder) bool {
	return known.LoginTag != signedIn.LoginTag || !s.config.Now().Before(s.holderEnd(known))
}

// SignedIn renews the holder of a person who signs in, if the person has app passwords on
// the site. If the login sets another LoginTag, they end.
func (s *Passwords) SignedIn(ctx context.Context, h Holder) error {
	known, err := s.HolderOf(ctx, h.Person, h.Site)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.endsBefore(known, &h) {
		return s.EndHolder(ctx, known)
	}
	h.Tag = known.Tag
	_, err = s.putHolder(ctx, &h, s.store.Replace)
	return err
}

// Renew stores what a login has learned of a holder and returns it. A nil identity is
// unchanged. A holder that was ended meanwhile stays ended, and is ErrUnknown; a later
// sign-in stays as it is.
func (s *Passwords) Renew(ctx context.Context, h *Holder, id *authenticator.Identity, data []byte) (*Holder, error) {
	now, err := s.Current(ctx, h)
	if err != nil || !now.SameSignIn(h) {
		return now, err
	}
	renewed := *h
	renewed.Data, renewed.Refreshed = data, s.config.Now().UTC()
	if id != nil {
		renewed.Identity = id
	}
	there, err := s.putHolder(ctx, &renewed, s.store.Replace)
	if err == nil && !there {
		err = ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	return s.Current(ctx, h)
}

// putHolder stores a holder by one of the store's operations, and reports whether it did.
func (s *Passwords) putHolder(ctx context.Context, h *Holder, put func(context.Context, string, store.Item) (bool, error)) (bool, error) {
	key := holderPrefix + holderKey(h.Person, h.Site)
	sealed, err := s.seal(ctx, key, h)
	if err != nil {
		return false, err
	}
	left := s.holderEnd(h).Sub(s.config.Now())
	done, err := put(ctx, key, store.Item{Value: sealed, Lifetime: max(left, time.Second), Owners: ownersOf(h.Person, h.Site, h.Identity), Sync: true})
	if err != nil {
		return false, fmt.Errorf("storing the owner of app passwords: %w", err)
	}
	return done, nil
}

// BeginRefresh reports whether the caller is to refresh a holder. It returns true for the
// first call within a lifetime on all machines.
func (s *Passwords) BeginRefresh(ctx context.Context, h *Holder, lifetime time.Duration) (bool, error) {
	return s.store.PutNew(ctx, refreshPrefix+holderKey(h.Person, h.Site), store.Item{Lifetime: lifetime, Owners: ownersOf(h.Person, h.Site, h.Identity)})
}

// EndHolder ends all passwords of a holder, unless the person has signed in since it was
// read.
func (s *Passwords) EndHolder(ctx context.Context, h *Holder) error {
	if now, err := s.HolderOf(ctx, h.Person, h.Site); err == nil && !now.SameSignIn(h) {
		return nil
	}
	_, err := endOwner(ctx, s.store, holderOwner(holderKey(h.Person, h.Site)))
	return err
}

// Revoke ends a password of a person on a site by its ID, and reports whether there was
// one. With the last one, the holder ends, too.
func (s *Passwords) Revoke(ctx context.Context, of person.Person, site, id string) (*Password, error) {
	p, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if p.Person != of || p.Site != site {
		return nil, ErrUnknown
	}
	h, err := s.holderOf(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := s.End(ctx, p); err != nil {
		return nil, err
	}
	left, err := s.Of(ctx, of, site)
	if err != nil || len(left) > 0 {
		return p, err
	}
	return p, s.EndHolder(ctx, h)
}
