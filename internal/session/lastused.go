package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// When a session was used last is an item beside its record, which changes more
// often and need not be on disk at once.

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
	sealed, err := g.store.Get(ctx, usedPrefix+s.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = g.readUsed(ctx, s, sealed)
	}
	if err != nil {
		return fmt.Errorf("looking up a session's last use: %w", err)
	}
	return nil
}

// readUsed notes the last use from the store. It ignores a value that does not verify.
func (g *Registry) readUsed(ctx context.Context, s *Session, sealed []byte) error {
	value, err := g.sealer.Open(ctx, usedPrefix+s.ID, sealed)
	if err != nil && !errors.Is(err, store.ErrForged) {
		return err
	}
	if at, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		s.use(at)
		s.saved.Store(max(at, s.saved.Load()))
	}
	return nil
}

// usedItem returns a use as it is stored.
func (g *Registry) usedItem(ctx context.Context, id string, r Record, at int64, left time.Duration) (store.Item, error) {
	sealed, err := g.sealer.Seal(ctx, usedPrefix+id, strconv.AppendInt(nil, at, 10))
	return store.Item{Value: sealed, Lifetime: left, Owners: r.owners()}, err
}

// beginUsed stores the first use of a session.
func (g *Registry) beginUsed(ctx context.Context, s *Session, left time.Duration) error {
	item, err := g.usedItem(ctx, s.ID, s.Record, s.used.Load(), left)
	if err == nil {
		err = g.store.Put(ctx, usedPrefix+s.ID, item)
	}
	if err != nil {
		return fmt.Errorf("storing a session's first use: %w", err)
	}
	return nil
}

// replaceUsed stores a later use. It does not restore a session that ended.
func (g *Registry) replaceUsed(ctx context.Context, id string, r Record, at int64, left time.Duration) error {
	item, err := g.usedItem(ctx, id, r, at, left)
	if err == nil {
		_, err = g.store.Replace(ctx, usedPrefix+id, item)
	}
	if err != nil {
		return fmt.Errorf("storing a session's last use: %w", err)
	}
	return nil
}

// save writes a session's last use to the store in the background.
func (g *Registry) save(s *Session, at int64, left time.Duration) {
	g.saving.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		defer cancel()
		_ = g.replaceUsed(ctx, s.ID, s.Record, at, left) // what is not saved is saved with the next use
	})
}
