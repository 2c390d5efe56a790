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

// markUsed records a use at a time in nanoseconds since 1970, unless a later one is
// known.
func (s *Session) markUsed(at int64) {
	for {
		last := s.lastUsed.Load()
		if at <= last || s.lastUsed.CompareAndSwap(last, at) {
			return
		}
	}
}

// loadLastUsed reads from the store when the session was last used on another
// machine.
func (g *Registry) loadLastUsed(ctx context.Context, s *Session) error {
	sealed, err := g.store.Get(ctx, usedPrefix+s.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = g.readLastUsed(ctx, s, sealed)
	}
	if err != nil {
		return fmt.Errorf("looking up a session's last use: %w", err)
	}
	return nil
}

// readLastUsed records the last use of a stored value. It ignores a value that does
// not verify.
func (g *Registry) readLastUsed(ctx context.Context, s *Session, sealed []byte) error {
	value, err := g.sealer.Open(ctx, usedPrefix+s.ID, sealed)
	if err != nil && !errors.Is(err, store.ErrForged) {
		return err
	}
	if at, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		s.markUsed(at)
		s.savedLastUsed.Store(max(at, s.savedLastUsed.Load()))
	}
	return nil
}

// lastUsedItem returns the stored item of a last use.
func (g *Registry) lastUsedItem(ctx context.Context, id string, r Record, at int64, left time.Duration) (store.Item, error) {
	sealed, err := g.sealer.Seal(ctx, usedPrefix+id, strconv.AppendInt(nil, at, 10))
	return store.Item{Value: sealed, Lifetime: left, Owners: r.owners()}, err
}

// putLastUsed stores the first use of a new session.
func (g *Registry) putLastUsed(ctx context.Context, s *Session, left time.Duration) error {
	item, err := g.lastUsedItem(ctx, s.ID, s.Record, s.lastUsed.Load(), left)
	if err == nil {
		err = g.store.Put(ctx, usedPrefix+s.ID, item)
	}
	if err != nil {
		return fmt.Errorf("storing a session's first use: %w", err)
	}
	return nil
}

// replaceLastUsed stores a later use. It does not restore a session that was ended
// meanwhile.
func (g *Registry) replaceLastUsed(ctx context.Context, id string, r Record, at int64, left time.Duration) error {
	item, err := g.lastUsedItem(ctx, id, r, at, left)
	if err == nil {
		_, err = g.store.Replace(ctx, usedPrefix+id, item)
	}
	if err != nil {
		return fmt.Errorf("storing a session's last use: %w", err)
	}
	return nil
}

// saveLastUsed writes a session's last use to the store in the background.
func (g *Registry) saveLastUsed(s *Session, at int64, left time.Duration) {
	g.saves.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		defer cancel()
		_ = g.replaceLastUsed(ctx, s.ID, s.Record, at, left) // after a failure, the next use is saved
	})
}
