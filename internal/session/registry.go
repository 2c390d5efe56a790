package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// remembered is how many decoded sessions are kept in memory.
const remembered = 100_000

// grace is how much longer than its lifetime a record stays in the store, so
// that its owner is told that it expired rather than that it never was.
const grace = time.Hour

// saveTimeout bounds how long it may take to tell the store of a use.
const saveTimeout = 2 * time.Second

// digest is what stands for a session's id outside its owner's browser.
type digest = [sha256.Size]byte

// Registry is all sessions in one store, whichever sites they are of. Sites
// share it, so that each session is decoded once. It is safe for concurrent use.
type Registry struct {
	store  store.Store
	cache  *otter.Cache[digest, *Session]
	saving sync.WaitGroup
}

// NewRegistry returns the sessions in a store, which it closes with itself.
func NewRegistry(in store.Store) *Registry {
	return &Registry{store: in, cache: otter.Must(&otter.Options[digest, *Session]{MaximumSize: remembered})}
}

// Store returns the store, for what belongs to signing in beside sessions.
func (g *Registry) Store() store.Store { return g.store }

// Close waits for what is being written and closes the store.
func (g *Registry) Close() error {
	g.saving.Wait()
	return g.store.Close()
}

// Reload does nothing: a store has nothing to read again.
func (g *Registry) Reload() error { return nil }

// add stores a new session. What it can be found by goes first, so that none is
// there that cannot be ended.
func (g *Registry) add(ctx context.Context, sum digest, r Record, lifetime time.Duration) (*Session, error) {
	raw, err := r.encode()
	if err != nil {
		return nil, err
	}
	s := newSession(sum, r, raw)
	s.used.Store(r.Created.UnixNano())
	s.saved.Store(r.Created.UnixNano())
	for prefix, owner := range r.handles() {
		if err := g.store.Put(ctx, prefix+s.ID, store.Item{Lifetime: lifetime + grace, Owner: owner, Sync: true}); err != nil {
			return nil, fmt.Errorf("storing a session: %w", err)
		}
	}
	item := store.Item{Value: raw, Lifetime: lifetime + grace, Owner: userOwner(r.Identity.ID), Sync: true}
	if err := g.store.Put(ctx, s.key, item); err != nil {
		return nil, fmt.Errorf("storing a session: %w", err)
	}
	g.cache.Set(sum, s)
	return s, nil
}

func newSession(sum digest, r Record, raw []byte) *Session {
	id := base64.RawURLEncoding.EncodeToString(sum[:])
	return &Session{Record: r, ID: id, key: recordPrefix + id, raw: raw}
}

// What items of the store are called, each before a session's ID.
const (
	recordPrefix = "session/"
	usedPrefix   = "session-used/"
	namePrefix   = "session-name/"
	sidPrefix    = "session-sid/"
	subPrefix    = "session-sub/"
	allPrefix    = "session-all/"
)

// allOwner owns an item for each session.
const allOwner = "sessions"

// handles returns the items by which a session can be found beside its user's
// id, from their prefix to their owner.
func (r Record) handles() map[string]string {
	handles := map[string]string{allPrefix: allOwner}
	if name := r.Identity.Username; name != "" && name != r.Identity.ID {
		handles[namePrefix] = userOwner(name)
	}
	if r.SID != "" {
		handles[sidPrefix] = sidOwner(r.Identity.Issuer, r.SID)
	}
	if r.Subject != "" {
		handles[subPrefix] = subOwner(r.Identity.Issuer, r.Subject)
	}
	return handles
}

func userOwner(name string) string { return "user/" + hashed(name) }

func sidOwner(issuer, sid string) string { return "sid/" + hashed(issuer, sid) }

func subOwner(issuer, subject string) string { return "sub/" + hashed(issuer, subject) }

// hashed returns a short name for texts of any length.
func hashed(texts ...string) string {
	hash := sha256.New()
	for _, text := range texts {
		_, _ = hash.Write([]byte(strconv.Itoa(len(text)) + ":" + text))
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil))
}

// find returns the session of an id, or ErrEnded. The store is asked every time
// whether the session is still there; it is decoded again only if it changed.
func (g *Registry) find(ctx context.Context, sum digest) (*Session, error) {
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
	record, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnded, err)
	}
	s := newSession(sum, record, raw)
	s.use(max(held.used.Load(), record.Created.UnixNano()))
	if err := g.recall(ctx, s); err != nil {
		return nil, err
	}
	g.cache.Set(sum, s)
	return s, nil
}

// use notes a use at a time, unless a later one is known.
func (s *Session) use(at int64) {
	for {
		last := s.used.Load()
		if at <= last || s.used.CompareAndSwap(last, at) {
			return
		}
	}
}

// recall learns from the store when the session was used elsewhere.
func (g *Registry) recall(ctx context.Context, s *Session) error {
	value, err := g.store.Get(ctx, usedPrefix+s.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking up a session's last use: %w", err)
	}
	if at, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		s.use(at)
		s.saved.Store(max(at, s.saved.Load()))
	}
	return nil
}

// save tells the store of a session's last use, without anybody waiting for it.
func (g *Registry) save(s *Session, at int64, idle time.Duration) {
	g.saving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		defer cancel()
		// What is not saved is saved with the next use.
		_ = g.store.Put(ctx, usedPrefix+s.ID, store.Item{Value: strconv.AppendInt(nil, at, 10), Lifetime: idle})
	})
}

// End ends a session by its ID. One that is not there is no error.
func (g *Registry) End(ctx context.Context, id string) error {
	if err := g.store.Delete(ctx, recordPrefix+id); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// List returns the sessions of a user, by id or name, the latest last; of all
// users if user is "".
func (g *Registry) List(ctx context.Context, user string) ([]*Session, error) {
	if user == "" {
		return g.owned(ctx, allOwner)
	}
	return g.owned(ctx, userOwner(user))
}

// OfSID returns the sessions that an issuer's session has led to.
func (g *Registry) OfSID(ctx context.Context, issuer, sid string) ([]*Session, error) {
	return g.owned(ctx, sidOwner(issuer, sid))
}

// OfSubject returns the sessions of whom an issuer calls so.
func (g *Registry) OfSubject(ctx context.Context, issuer, subject string) ([]*Session, error) {
	return g.owned(ctx, subOwner(issuer, subject))
}

// owned returns the sessions whose items an owner has.
func (g *Registry) owned(ctx context.Context, owner string) ([]*Session, error) {
	keys, err := g.store.Owned(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	var found []*Session
	for _, key := range keys {
		id := key[strings.LastIndexByte(key, '/')+1:]
		s, err := g.byID(ctx, id)
		if errors.Is(err, ErrEnded) || slices.ContainsFunc(found, func(other *Session) bool { return other.ID == id }) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b *Session) int { return a.Created.Compare(b.Created) })
	return found, nil
}

// byID returns a session by its ID, or ErrEnded.
func (g *Registry) byID(ctx context.Context, id string) (*Session, error) {
	sum, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(sum) != sha256.Size {
		return nil, ErrEnded
	}
	return g.find(ctx, digest(sum))
}

// Get returns a session by its ID, or ErrEnded.
func (g *Registry) Get(ctx context.Context, id string) (*Session, error) { return g.byID(ctx, id) }

// EndUser ends the sessions of a user, by id or name, and returns how many there
// were; of all users if user is "".
func (g *Registry) EndUser(ctx context.Context, user string) (int, error) {
	found, err := g.List(ctx, user)
	if err != nil {
		return 0, err
	}
	for i, s := range found {
		if err := g.End(ctx, s.ID); err != nil {
			return i, err
		}
	}
	return len(found), nil
}
