// Package store keeps keys with a lifetime: sessions, revocations, counters of
// failed sign-ins, nonces. It has one interface and three homes: [Memory] for
// tests and as a part of the others, [File] for one machine (an embedded file
// that survives a restart), [Redis] for several.
//
// A key is any string of 1 to 1024 bytes; so is an owner. Keys of different
// kinds are kept apart by their callers with a prefix ("session/…"). The homes
// neither hash nor encrypt; [Sealed] encrypts and authenticates values.
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNotFound is what Get returns for a key that was never put, was deleted or
// has outlived its lifetime.
var ErrNotFound = errors.New("not found")

// ErrUnavailable is part of every error that says the store itself cannot
// answer: the file is locked or broken, the disk is full, Redis is down. The
// caller knows nothing then and answers 503, never 401.
var ErrUnavailable = errors.New("store unavailable")

// Limits of a single item. They are generous for what is kept here and small
// enough that no caller's mistake becomes the store's.
const (
	maxName   = 1024    // bytes of a key or an owner
	maxValue  = 1 << 20 // bytes of a value
	maxOwners = 8       // of an item
)

// Item is what is put under a key.
type Item struct {
	// Value is copied by the store; values that Get returns are shared and not
	// to be changed.
	Value []byte
	// Lifetime is how long the item can be found, counted from now. It must be
	// positive: nothing is kept for ever.
	Lifetime time.Duration
	// Owners group items, so that all of a person's, of a provider's session's and
	// so on can be listed and deleted. At most 8, each of 1 to 1024 bytes.
	Owners []string
	// Sync asks for the item to be on disk before Put returns. Without it, the
	// item is found at once and reaches the disk a little later, so that the
	// caller does not wait; a crash in between loses it.
	Sync bool
}

// Entry is an item as Owned lists it.
type Entry struct {
	Key   string
	Value []byte // shared and not to be changed
}

// Store is a set of items under keys. Its methods may be called from several
// goroutines. Every error that does not wrap ErrNotFound means that nothing is
// known; those of a store that cannot answer wrap ErrUnavailable.
type Store interface {
	// Get returns the value of a key, or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put stores an item, in place of the one that was there.
	Put(ctx context.Context, key string, item Item) error
	// PutNew stores an item if there is none, and says whether it did. Of
	// several callers at once, also on several machines, one is told true.
	PutNew(ctx context.Context, key string, item Item) (bool, error)
	// Replace stores an item if there is one, and says whether it did. A
	// session that was ended in the meantime is not brought back by it, as it
	// would be by Put.
	Replace(ctx context.Context, key string, item Item) (bool, error)
	// Count adds one to the counter of a key and returns how many it has
	// counted since the first, which began the window. Get of a counter returns
	// it in decimal, and Delete starts anew. A key that holds an item counts
	// nothing: that is an error.
	Count(ctx context.Context, key string, window time.Duration) (int, error)
	// Delete removes keys for good, in one transaction: they are off the disk, or
	// gone from every other machine within a second, when Delete returns. A key
	// that is not there is no error.
	Delete(ctx context.Context, keys ...string) error
	// DeleteOwner removes all items of an owner, as Delete does, and returns their
	// keys, sorted.
	DeleteOwner(ctx context.Context, owner string) ([]string, error)
	// Owned returns an owner's items, sorted by key, in one pass.
	Owned(ctx context.Context, owner string) ([]Entry, error)
	// Close writes what is not written yet and gives everything back. A closed
	// store is unavailable.
	Close() error
}

// check says what is wrong with a key and an item, before anything is touched.
func check(key string, item Item) error {
	switch {
	case key == "" || len(key) > maxName:
		return fmt.Errorf("a key has 1 to %d bytes, not %d", maxName, len(key))
	case len(item.Owners) > maxOwners:
		return fmt.Errorf("an item has at most %d owners, not %d", maxOwners, len(item.Owners))
	case slices.ContainsFunc(item.Owners, func(owner string) bool { return owner == "" || len(owner) > maxName }):
		return fmt.Errorf("an owner has 1 to %d bytes", maxName)
	case len(item.Value) > maxValue:
		return fmt.Errorf("a value has at most %d bytes, not %d", maxValue, len(item.Value))
	case item.Lifetime <= 0:
		return fmt.Errorf("a lifetime is positive, not %s", item.Lifetime)
	}
	return nil
}

// checkCounter does the same for a counter.
func checkCounter(key string, window time.Duration) error {
	return check(key, Item{Lifetime: window})
}
