package apppassword

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/maypok86/otter/v2"

	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// maxCached is the maximum number of decoded records of each kind in memory.
const maxCached = 20_000

// Registry holds the app passwords of all sites that share a store. It is safe for
// concurrent use.
type Registry struct {
	store     store.Store // holds sealed values: a cached one need not be opened again
	sealer    *store.Sealer
	passwords records[Password]
	holders   records[Holder]
	saves     sync.WaitGroup
}

// NewRegistry returns the registry of a store. The sealer encrypts and authenticates the
// stored values.
func NewRegistry(in store.Store, sealer *store.Sealer) *Registry {
	g := &Registry{store: in, sealer: sealer}
	g.passwords = newRecords(g, decodePassword)
	g.holders = newRecords(g, decodeHolder)
	return g
}

// Close waits for pending writes. It does not close the store.
func (g *Registry) Close() { g.saves.Wait() }

// records reads the sealed records of one kind. It reads the store every time, and
// decodes a value only if it changed.
type records[T any] struct {
	registry *Registry
	decode   func(key string, raw []byte) (*T, error)
	cache    *otter.Cache[string, *cached[T]]
}

type cached[T any] struct {
	sealed []byte
	value  *T
}

func newRecords[T any](g *Registry, decode func(string, []byte) (*T, error)) records[T] {
	return records[T]{g, decode, otter.Must(&otter.Options[string, *cached[T]]{MaximumSize: maxCached})}
}

// get returns the record of a key, or ErrUnknown.
func (r *records[T]) get(ctx context.Context, key string) (*T, error) {
	sealed, err := r.registry.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		r.cache.Invalidate(key)
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("looking up an app password: %w", err)
	}
	return r.open(ctx, key, sealed)
}

// open returns the record of a sealed value, or ErrUnknown if it does not verify.
func (r *records[T]) open(ctx context.Context, key string, sealed []byte) (*T, error) {
	if held, known := r.cache.GetIfPresent(key); known && bytes.Equal(held.sealed, sealed) {
		return held.value, nil
	}
	raw, err := r.registry.sealer.Open(ctx, key, sealed)
	var value *T
	if err == nil {
		value, err = r.decode(key, raw)
	}
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return nil, fmt.Errorf("looking up an app password: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	r.cache.Set(key, &cached[T]{sealed, value})
	return value, nil
}

func decodePassword(key string, raw []byte) (*Password, error) {
	p := &Password{ID: strings.TrimPrefix(key, passwordPrefix)}
	if err := decode(raw, &p.Record); err != nil {
		return nil, err
	}
	if p.Identity == nil || p.Person.Subject == "" || p.Site == "" || p.Expires.IsZero() {
		return nil, errors.New("decoding an app password: it has no owner or no end")
	}
	p.Identity.Normalize()
	p.holder = holderKey(p.Person, p.Site)
	return p, nil
}

func decodeHolder(_ string, raw []byte) (*Holder, error) {
	h := new(Holder)
	if err := decode(raw, h); err != nil {
		return nil, err
	}
	if h.Identity == nil || !h.Identity.Authenticated || h.Identity.ID == "" || h.Tag == "" {
		return nil, errors.New("decoding the holder of app passwords: it has no identity")
	}
	h.Identity.Normalize()
	return h, nil
}

// decode parses JSON. Numbers in claims become json.Number.
func decode(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("decoding an app password: %w", err)
	}
	return nil
}

// seal returns a value as it is stored under a key.
func (g *Registry) seal(ctx context.Context, key string, value any) ([]byte, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encoding an app password: %w", err)
	}
	return g.sealer.Seal(ctx, key, raw)
}

// List returns the passwords of all people with an ID or a user name, now or when they
// made them, ordered by their beginning. An empty user means all users.
func (g *Registry) List(ctx context.Context, user string) ([]*Password, error) {
	owners, err := g.ownersOfUser(ctx, user)
	if err != nil {
		return nil, err
	}
	return g.owned(ctx, owners...)
}

// ownersOfUser returns the owners of all items of a user. A password has the names of when it
// was made, and its holder those of now.
func (g *Registry) ownersOfUser(ctx context.Context, user string) ([]string, error) {
	if user == "" {
		return []string{ownerOfAll}, nil
	}
	owners := []string{userOwner(user)}
	entries, err := g.store.Owned(ctx, owners[0])
	if err != nil {
		return nil, fmt.Errorf("looking up the app passwords of a user: %w", err)
	}
	for _, e := range entries {
		if holder, ok := strings.CutPrefix(e.Key, holderPrefix); ok {
			owners = append(owners, holderOwner(holder))
		}
	}
	return owners, nil
}

// owned returns the valid passwords of owners.
func (g *Registry) owned(ctx context.Context, owners ...string) ([]*Password, error) {
	entries := map[string][]byte{} // by key: a password may have several of the owners
	for _, owner := range owners {
		more, err := g.store.Owned(ctx, owner)
		if err != nil {
			return nil, fmt.Errorf("listing app passwords: %w", err)
		}
		for _, e := range more {
			if strings.HasPrefix(e.Key, passwordPrefix) {
				entries[e.Key] = e.Value
			}
		}
	}
	var found []*Password
	for key, value := range entries {
		p, err := g.passwords.open(ctx, key, value)
		var h *Holder
		if err == nil {
			h, err = g.holderOf(ctx, p)
		}
		switch {
		case err == nil:
			p.owner.Store(h.Identity)
			found = append(found, p)
		case !errors.Is(err, ErrUnknown):
			return nil, err
		}
	}
	for _, p := range found {
		if err := g.loadLastUsed(ctx, p); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b *Password) int { return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID)) })
	return found, nil
}

// holderOf returns the holder of a password, or ErrUnknown if the password ended with an
// earlier holder.
func (g *Registry) holderOf(ctx context.Context, p *Password) (*Holder, error) {
	h, err := g.holders.get(ctx, holderPrefix+p.holder)
	if err != nil {
		return nil, err
	}
	if h.Tag != p.Tag {
		return nil, ErrUnknown
	}
	return h, nil
}

// Get returns the password with an ID, or ErrUnknown.
func (g *Registry) Get(ctx context.Context, id string) (*Password, error) {
	if !isID(id) {
		return nil, ErrUnknown
	}
	p, err := g.passwords.get(ctx, passwordPrefix+id)
	if err != nil {
		return nil, err
	}
	_, err = g.holderOf(ctx, p)
	return p, err
}

// End ends a password.
func (g *Registry) End(ctx context.Context, p *Password) error {
	if err := g.store.Delete(ctx, p.keys()...); err != nil {
		return fmt.Errorf("ending an app password: %w", err)
	}
	return nil
}

// EndUser ends the passwords of all people with an ID or a user name, now or when they
// made them, and returns their number. An empty user means all users.
func (g *Registry) EndUser(ctx context.Context, user string) (ended int, err error) {
	owners, err := g.ownersOfUser(ctx, user)
	if err != nil {
		return 0, err
	}
	for _, owner := range owners {
		n, failure := endOwner(ctx, g.store, owner)
		ended, err = ended+n, errors.Join(err, failure)
	}
	return ended, err
}

// EndPerson ends a person's passwords on every site, and returns their number.
func EndPerson(ctx context.Context, in store.Store, p person.Person) (int, error) {
	return endOwner(ctx, in, personOwner(p))
}

func endOwner(ctx context.Context, in store.Store, owner string) (ended int, err error) {
	keys, err := in.DeleteOwner(ctx, owner)
	for _, key := range keys {
		if strings.HasPrefix(key, passwordPrefix) {
			ended++
		}
	}
	if err != nil {
		return ended, fmt.Errorf("ending app passwords: %w", err)
	}
	return ended, nil
}
