package apppassword

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// slotClaim is how long a slot is taken for a password that is being made.
const slotClaim = time.Minute

// Passwords is a site's view of a Registry. It is safe for concurrent use.
type Passwords struct {
	*Registry
	config Config
}

// New returns the app passwords of a site. The config has passed Check.
func New(registry *Registry, config Config) *Passwords {
	config.MaxAge = cmp.Or(config.MaxAge, DefaultMaxAge)
	config.Max = cmp.Or(config.Max, DefaultMax)
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Passwords{registry, config}
}

// Scopes returns the scopes that a password may have.
func (s *Passwords) Scopes() []string { return s.config.Scopes }

// Max returns how many passwords a person may have.
func (s *Passwords) Max() int { return s.config.Max }

// Now returns the time of the site's clock.
func (s *Passwords) Now() time.Time { return s.config.Now() }

// Verify returns an app password that a client presents, and its holder. An unknown or
// wrong one is ErrUnknown, which tells nothing of what is wrong. It reads the store at
// most twice and writes nothing.
func (s *Passwords) Verify(ctx context.Context, secret, site string) (*Password, *Holder, error) {
	id, ok := idOf(secret)
	if !ok {
		return nil, nil, ErrUnknown
	}
	p, err := s.passwords.get(ctx, passwordPrefix+id)
	if err != nil {
		return nil, nil, err
	}
	if hash := hashOf(secret); subtle.ConstantTimeCompare(p.Hash, hash[:]) != 1 {
		return nil, nil, ErrUnknown
	}
	now := s.config.Now()
	switch {
	case p.Site != site:
		return p, nil, ErrOtherSite
	case !now.Before(p.Expires):
		return p, nil, ErrUnknown
	}
	h, err := s.holderOf(ctx, p)
	if err != nil {
		return p, nil, err
	}
	if !now.Before(s.holderEnd(h)) {
		return p, nil, ErrUnknown
	}
	return p, h, nil
}

// holderEnd returns when the passwords of a holder end unless the person signs in.
func (s *Passwords) holderEnd(h *Holder) time.Time {
	within := s.config.SignInWithin
	switch {
	case within != 0:
	case h.Refreshable:
		within = DefaultSignInWithin
	default:
		within = ShortSignInWithin
	}
	return h.SignedIn.Add(within)
}

// Touch marks a password as used now.
func (s *Passwords) Touch(p *Password) { s.touch(p, s.config.Now()) }

// Identity returns the identity of requests with a password: that of its owner, without
// what a sign-in proves, and with the scopes of the password alone. It is cached until
// from is another pointer.
func (s *Passwords) Identity(p *Password, h *Holder, from *authenticator.Identity) *authenticator.Identity {
	ends := min(p.Expires.Unix(), s.holderEnd(h).Unix())
	if from.ExpiresAt != 0 {
		ends = min(ends, from.ExpiresAt)
	}
	if d := p.derived.Load(); d != nil && d.site == s && d.from == from && d.ends == ends {
		return d.identity
	}
	id := *from
	id.Method, id.Kind = "app_password", authenticator.KindUser
	id.ACR, id.AMR, id.AuthTime, id.ExpiresAt = "", nil, 0, ends
	id.Unknown = slices.DeleteFunc(slices.Clone(from.Unknown), func(field string) bool {
		return field == "acr" || field == "amr" || field == "auth_time" || field == "scopes"
	})
	id.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), func(scope string) bool { return !slices.Contains(s.config.Scopes, scope) })
	id.Claims = maps.Clone(from.Claims)
	if id.Claims == nil {
		id.Claims = map[string]any{}
	}
	for _, name := range []string{"acr", "amr", "auth_time", "scope", "scp"} {
		delete(id.Claims, name)
	}
	id.Claims["key_id"] = p.ID
	made := id.Normalize()
	p.derived.Store(&derived{s, from, made, ends})
	return made
}

// Of returns a person's passwords on a site, ordered by their beginning.
func (s *Passwords) Of(ctx context.Context, p person.Person, site string) ([]*Password, error) {
	return s.owned(ctx, holderOwner(holderKey(p, site)))
}

// Make makes a password for a person with a name and scopes, and returns the secret,
// which is not stored. Of concurrent calls, also on several machines, no more than Max
// passwords result.
func (s *Passwords) Make(ctx context.Context, h Holder, name string, scopes []string) (secret string, made *Password, err error) {
	name = strings.TrimSpace(name)
	switch {
	case !isName(name):
		return "", nil, ErrName
	case slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(s.config.Scopes, scope) }):
		return "", nil, ErrScope
	}
	kept, err := s.keepHolder(ctx, h)
	if err != nil {
		return "", nil, err
	}
	existing, err := s.Of(ctx, h.Person, h.Site)
	if err != nil {
		return "", nil, err
	}
	if len(existing) >= s.config.Max { // more than there are slots if max was larger
		return "", nil, ErrFull
	}
	secret, id := newSecret()
	hash, now := hashOf(secret), s.config.Now().UTC()
	p := &Password{ID: id, holder: holderKey(h.Person, h.Site), Record: Record{
		Person: h.Person, Site: h.Site, Tag: kept.Tag, Name: name, Hash: hash[:], Scopes: slices.Compact(slices.Sorted(slices.Values(scopes))),
		Created: now, Expires: now.Add(s.config.MaxAge), Identity: shown(h.Identity),
	}}
	if err := s.claimSlot(ctx, p); err != nil {
		return "", nil, err
	}
	err = s.put(ctx, p)
	if err == nil {
		_, err = s.Current(ctx, kept) // it may have ended meanwhile, and the password with it
	}
	if err != nil {
		return "", nil, errors.Join(err, s.End(context.WithoutCancel(ctx), p))
	}
	return secret, p, nil
}

// isName reports whether a name can be shown.
func isName(name string) bool {
	return name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= MaxName &&
		!strings.ContainsFunc(name, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
}

// shown returns what operators see of an identity.
func shown(id *authenticator.Identity) *authenticator.Identity {
	return (&authenticator.Identity{Authenticated: true, Kind: authenticator.KindUser, ID: id.ID, Username: id.Username, Name: id.Name, Issuer: id.Issuer}).Normalize()
}

// claimSlot takes one of the person's slots for a password, of which there are Max. It
// is taken for slotClaim first, so that a crash leaves none taken for long.
func (s *Passwords) claimSlot(ctx context.Context, p *Password) error {
	item := store.Item{Lifetime: slotClaim, Owners: ownersOf(p.Person, p.Site, p.Identity)}
	for p.Slot = range s.config.Max {
		if first, err := s.store.PutNew(ctx, slotKey(p), item); err != nil {
			return fmt.Errorf("making an app password: %w", err)
		} else if first {
			return nil
		}
	}
	return ErrFull
}

// put stores a new password.
func (s *Passwords) put(ctx context.Context, p *Password) error {
	owners, left := ownersOf(p.Person, p.Site, p.Identity), s.config.MaxAge
	used, err := s.usedItem(ctx, p, 0, left)
	if err != nil {
		return fmt.Errorf("making an app password: %w", err)
	}
	sealed, err := s.seal(ctx, passwordPrefix+p.ID, p.Record)
	if err != nil {
		return fmt.Errorf("making an app password: %w", err)
	}
	for _, put := range []struct {
		key  string
		item store.Item
	}{
		{usedPrefix + p.ID, used},
		{slotKey(p), store.Item{Lifetime: left, Owners: owners}},
		{passwordPrefix + p.ID, store.Item{Value: sealed, Lifetime: left, Owners: owners, Sync: true}},
	} {
		if err := s.store.Put(ctx, put.key, put.item); err != nil {
			return fmt.Errorf("making an app password: %w", err)
		}
	}
	return nil
}

// newTag returns a tag that no earlier holder had.
func newTag() string { return rand.Text() }

// UserName returns the user name with which a person's app passwords are sent as the
// password of Basic.
func UserName(id *authenticator.Identity) string { return cmp.Or(id.Username, id.ID) }
