package apppassword

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

const (
	// saveInterval is how often a machine writes the last use of a password at most.
	saveInterval = 10 * time.Minute
	// saveTimeout limits how long writing it may take.
	saveTimeout = 2 * time.Second
)

// touch marks a password as used. It writes the time to the store at most once in
// saveInterval, in the background.
func (g *Registry) touch(p *Password, now time.Time) {
	at := now.UnixNano()
	if at > p.lastUsed.Load() {
		p.lastUsed.Store(at)
	}
	saved := p.savedLastUsed.Load()
	if at-saved < int64(saveInterval) || !p.savedLastUsed.CompareAndSwap(saved, at) {
		return
	}
	g.saves.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		defer cancel()
		if item, err := g.usedItem(ctx, p, at, p.Expires.Sub(now)); err == nil {
			_, _ = g.store.Replace(ctx, usedPrefix+p.ID, item) // after a failure, the next use is saved
		}
	})
}

// usedItem returns the stored item of a last use; 0 is none yet.
func (g *Registry) usedItem(ctx context.Context, p *Password, at int64, left time.Duration) (store.Item, error) {
	sealed, err := g.sealer.Seal(ctx, usedPrefix+p.ID, strconv.AppendInt(nil, at, 10))
	return store.Item{Value: sealed, Lifetime: max(left, time.Second), Owners: ownersOf(p.Person, p.Site, p.Identity)}, err
}

// loadLastUsed reads when another machine last saw a password. It ignores a value that
// does not verify.
func (g *Registry) loadLastUsed(ctx context.Context, p *Password) error {
	sealed, err := g.store.Get(ctx, usedPrefix+p.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking up the last use of an app password: %w", err)
	}
	value, err := g.sealer.Open(ctx, usedPrefix+p.ID, sealed)
	if err != nil && !errors.Is(err, store.ErrForged) {
		return err
	}
	if at, err := strconv.ParseInt(string(value), 10, 64); err == nil && at > p.lastUsed.Load() {
		p.lastUsed.Store(at)
	}
	return nil
}
