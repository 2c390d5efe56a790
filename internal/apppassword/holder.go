package apppassword

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// HolderOf returns the holder of a person on a site, or ErrUnknown.
func (s *Passwords) HolderOf(ctx context.Context, p person.Person, site string) (*Holder, error) {
	return s.holders.get(ctx, holderPrefix+holderKey(p, site))
}

// keepHolder stores the holder for a new password and returns it as it is stored.
func (s *Passwords) keepHolder(ctx context.Context, h Holder) (*Holder, error) {
	tag := h.Tag
	for range 3 { // another machine may make or end it meanwhile
		h.Tag = tag
		known, err := s.HolderOf(ctx, h.Person, h.Site)
		switch {
		case errors.Is(err, ErrUnknown):
			if h.Tag == "" {
				h.Tag = newTag()
			}
			if first, err := s.putHolder(ctx, &h, s.store.PutNew); err != nil || first {
				return &h, err
			}
			continue
		case err != nil:
			return nil, err
		}
		if h.Tag == "" {
			h.Tag = known.Tag
		}
		if there, err := s.putHolder(ctx, &h, s.store.Replace); err != nil || there {
			return &h, err
		}
	}
	return nil, fmt.Errorf("making an app password: %w: its owner changes all the time", store.ErrUnavailable)
}

// SignedIn renews the holder of a person who signs in, if the person has app passwords on
// the site. If the login sets another Tag, the passwords of the earlier one end.
func (s *Passwords) SignedIn(ctx context.Context, h Holder) error {
	known, err := s.HolderOf(ctx, h.Person, h.Site)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	if h.Tag == "" {
		h.Tag = known.Tag
	}
	if h.Tag != known.Tag {
		return s.EndHolder(ctx, known)
	}
	_, err = s.putHolder(ctx, &h, s.store.Replace)
	return err
}

// Renew stores what a login has learned of a holder. A holder that was ended meanwhile
// stays ended, and is ErrUnknown. A nil identity is unchanged.
func (s *Passwords) Renew(ctx context.Context, h *Holder, id *authenticator.Identity, data []byte) (*Holder, error) {
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
	return s.HolderOf(ctx, h.Person, h.Site)
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

// EndHolder ends all passwords of a person on a site.
func (s *Passwords) EndHolder(ctx context.Context, h *Holder) error {
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
	if err := s.End(ctx, p); err != nil {
		return nil, err
	}
	left, err := s.Of(ctx, of, site)
	if err != nil || len(left) > 0 {
		return p, err
	}
	return p, s.EndHolder(ctx, &Holder{Person: of, Site: site})
}
