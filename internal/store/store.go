// Package store stores items with a lifetime: sessions, unfinished sign-ins, counters of
// failed attempts. The interface [Store] has three implementations: [Memory] for tests
// and as a part of the others, [File] for one machine (a database file that survives a
// restart), and [Redis] for several.
//
// Keys and owners are strings of 1 to 1024 bytes. Callers separate kinds of keys by a
// prefix such as "session/". These stores neither hash nor encrypt; [Sealed] encrypts
// and authenticates values.
package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNotFound is the error of Get for a key that has no item.
var ErrNotFound = errors.New("not found")

// ErrUnavailable is wrapped by the errors of a store that cannot answer: the file
// is locked or damaged, the disk is full, or Redis is down. The response is 503 and
// not 401.
var ErrUnavailable = errors.New("store unavailable")

// Limits of a single item. They are generous for what is kept here and small
// enough that no caller's mistake becomes the store's.
const (
	maxName   = 1024    // bytes of a key or an owner
	maxValue  = 1 << 20 // bytes of a value
	maxOwners = 8       // of an item
)

// Item is stored under a key.
type Item struct {
	// Value is copied by the store; values that Get returns are shared and not
	// to be changed.
	Value []byte
	// Lifetime is how long the item exists from now on. It must be positive.
	Lifetime time.Duration
	// Owners group items, so that all items of a user or of a provider's session can
	// be listed and deleted. At most 8, each of 1 to 1024 bytes.
	Owners []string
	// Sync makes Put wait until the item is on disk. Otherwise the item is available
	// at once and written a little later; a crash in between loses it.
	Sync bool
}

// Entry is an item in the result of Owned.
type Entry struct {
	Key   string
	Value []byte // shared and not to be changed
}

// Store stores items under keys. It is safe for concurrent use. Errors of an
// unavailable store wrap ErrUnavailable.
type Store interface {
	// Get returns the value of a key, or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)
	// Put stores an item and replaces an existing one.
	Put(ctx context.Context, key string, item Item) error
	// PutNew stores an item if the key has none, and reports whether it did. Of
	// several concurrent calls, also on several machines, one returns true.
	PutNew(ctx context.Context, key string, item Item) (bool, error)
	// Replace stores an item if the key has one, and reports whether it did. Unlike
	// Put it does not restore a session that was ended meanwhile.
	Replace(ctx context.Context, key string, item Item) (bool, error)
	// Count increments the counter of a key and returns its value. The window starts
	// with the first increment, and the counter ends with it. Get returns a counter
	// in decimal, and Delete resets it. A key with an item that is no counter is an
	// error.
	Count(ctx context.Context, key string, window time.Duration) (int, error)
	// Delete deletes keys in one transaction. When it returns, they are deleted from
	// the disk, or within a second from all other machines. Unknown keys are
	// ignored.
	Delete(ctx context.Context, keys ...string) error
	// DeleteOwner deletes all items of an owner like Delete, and returns their keys,
	// sorted.
	DeleteOwner(ctx context.Context, owner string) ([]string, error)
	// Owned returns the items of an owner, sorted by key, in one pass.
	Owned(ctx context.Context, owner string) ([]Entry, error)
	// Close writes pending changes and releases all resources. A closed store is
	// unavailable.
	Close() error
}

// check returns an error for an invalid key or item.
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

// checkCounter returns an error for an invalid counter.
func checkCounter(key string, window time.Duration) error {
	return check(key, Item{Lifetime: window})
}
