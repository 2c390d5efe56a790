package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// maxCached is the maximum number of decoded sessions in memory.
const maxCached = 100_000

// expiredRetention is how much longer than its lifetime a record stays in the
// store, so that the response says "expired" rather than "unknown".
const expiredRetention = time.Hour

// saveTimeout limits how long writing a last use to the store may take.
const saveTimeout = 2 * time.Second

// idHash is the SHA-256 of a session's ID. Only the browser has the ID itself.
type idHash = [sha256.Size]byte

// Registry holds the sessions of all sites that share a store, so that each session
// is decoded once. It is safe for concurrent use.
type Registry struct {
	store  store.Store // holds sealed values: a cached one need not be opened again
	sealer *store.Sealer
	cache  *otter.Cache[idHash, *Session]
	saves  sync.WaitGroup
}

// NewRegistry returns the registry of a store, which Close closes. The sealer
// encrypts and authenticates the stored values.
func NewRegistry(in store.Store, sealer *store.Sealer) *Registry {
	return &Registry{store: in, sealer: sealer, cache: otter.Must(&otter.Options[idHash, *Session]{MaximumSize: maxCached})}
}

// Store returns the store for other data of sign-ins. It seals values like those of
// sessions.
func (g *Registry) Store() *store.Sealed { return store.NewSealed(g.store, g.sealer) }

// Close waits for pending writes and closes the store.
func (g *Registry) Close() error {
	g.saves.Wait()
	return g.store.Close()
}

// Reload does nothing. It implements the interface of resources that can be
// reloaded.
func (g *Registry) Reload() error { return nil }

// add stores a new session, and ends the person's oldest ones if there are more than limit.
func (g *Registry) add(ctx context.Context, sum idHash, r Record, lifetime time.Duration, limit int) (*Session, error) {
	s := newSession(sum, r, nil)
	s.lastUsed.Store(r.Created.UnixNano())
	s.savedLastUsed.Store(r.Created.UnixNano())
	var err error
	if s.raw, err = g.seal(ctx, s.key, r); err != nil {
		return nil, err
	}
	if err := g.evictOldest(ctx, r.Person, limit); err != nil {
		return nil, err
	}
	if err := g.putLastUsed(ctx, s, lifetime+expiredRetention); err != nil {
		return nil, err
	}
	item := store.Item{Value: s.raw, Lifetime: lifetime + expiredRetention, Owners: r.owners(), Sync: true}
	if err := g.store.Put(ctx, s.key, item); err != nil {
		_ = g.store.Delete(context.WithoutCancel(ctx), sessionKeys(s.ID)...)
		return nil, fmt.Errorf("storing a session: %w", err)
	}
	g.cache.Set(sum, s)
	return s, nil
}

// seal returns the sealed form of a record.
func (g *Registry) seal(ctx context.Context, key string, r Record) ([]byte, error) {
	raw, err := r.encode()
	if err != nil {
		return nil, err
	}
	sealed, err := g.sealer.Seal(ctx, key, raw)
	if err != nil {
		return nil, fmt.Errorf("storing a session: %w", err)
	}
	return sealed, nil
}

// open returns the record of a sealed value, or ErrEnded if the value does not
// verify.
func (g *Registry) open(ctx context.Context, key string, sealed []byte) (Record, error) {
	raw, err := g.sealer.Open(ctx, key, sealed)
	var r Record
	if err == nil {
		r, err = decode(raw)
	}
	switch {
	case errors.Is(err, store.ErrUnavailable):
		return Record{}, fmt.Errorf("looking up a session: %w", err)
	case err != nil:
		return Record{}, fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return r, nil
}

// refresh replaces the record of a session, or returns ErrEnded if the session was
// ended meanwhile.
func (g *Registry) refresh(ctx context.Context, found *Session, r Record, left time.Duration) error {
	raw, err := g.seal(ctx, found.key, r)
	if err != nil {
		return err
	}
	replaced, err := g.store.Replace(ctx, found.key, store.Item{Value: raw, Lifetime: left, Owners: r.owners(), Sync: true})
	switch {
	case err != nil:
		return fmt.Errorf("refreshing a session: %w", err)
	case !replaced:
		return ErrEnded
	}
	return g.replaceLastUsed(ctx, found.ID, r, found.lastUsed.Load(), left) // the owners may have changed
}

func newSession(sum idHash, r Record, raw []byte) *Session {
	id := base64.RawURLEncoding.EncodeToString(sum[:])
	return &Session{Record: r, ID: id, key: recordPrefix + id, raw: raw}
}

// find returns the session of an ID, or ErrEnded. It reads the store every time,
// and decodes the value only if it changed.
func (g *Registry) find(ctx context.Context, sum idHash) (*Session, error) {
	held, known := g.cache.GetIfPresent(sum)
	if !known {
		held = newSession(sum, Record{}, nil)
	}
	raw, err := g.store.Get(ctx, held.key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		g.cache.Invalidate(sum)
		return nil, ErrEnded
	case err != nil:
		return nil, fmt.Errorf("looking up a session: %w", err)
	case known && bytes.Equal(raw, held.raw):
		return held, nil
	}
	record, err := g.open(ctx, held.key, raw)
	if err != nil {
		return nil, err
	}
	s := newSession(sum, record, raw)
	s.markUsed(max(held.lastUsed.Load(), record.Created.UnixNano()))
	if err := g.loadLastUsed(ctx, s); err != nil {
		return nil, err
	}
	g.cache.Set(sum, s)
	return s, nil
}

// Get returns the session with an ID as List shows it, or ErrEnded.
func (g *Registry) Get(ctx context.Context, id string) (*Session, error) {
	sum, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(sum) != sha256.Size {
		return nil, ErrEnded
	}
	return g.find(ctx, idHash(sum))
}
