package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxMemory is the maximum size of keys, owners and values, in bytes. Beyond it,
// nothing is stored until items expire. Unfinished sign-ins can fill only a part of
// it (see package login).
const maxMemory = 256 << 20

// sweepBatch is how many expired items one call removes, so that no call takes
// long.
const sweepBatch = 16

// errClosed is the error of a closed store.
var errClosed = fmt.Errorf("%w: it is closed", ErrUnavailable)

// errFull is the error of a full store.
var errFull = fmt.Errorf("%w: it is full", ErrUnavailable)

// errNoCounter is the error of Count for a key with an item that is not a counter.
var errNoCounter = errors.New("the key holds an item, not a counter")

// Memory is a Store in the memory of the process.
type Memory struct {
	now     func() time.Time
	limit   int
	changed func(key string, now *entry) // called with every change, nil for a removal, while the lock is held

	mu     sync.RWMutex
	items  map[string]*entry
	owners map[string]map[string]struct{} // owner → keys
	queue  queue                          // by expiry, the next one first
	size   int
	closed bool
}

// NewMemory returns an empty Memory. A nil now means time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{
		now: now, limit: maxMemory, changed: func(string, *entry) {},
		items: map[string]*entry{}, owners: map[string]map[string]struct{}{},
	}
}

// Get implements Store. It allocates nothing.
func (m *Memory) Get(_ context.Context, key string) ([]byte, error) {
	now := m.now()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	if e := m.items[key]; e.isLive(now) {
		return e.value, nil
	}
	return nil, ErrNotFound
}

// Put implements Store.
func (m *Memory) Put(_ context.Context, key string, item Item) error {
	_, err := m.put(key, item, always)
	return err
}

// PutNew implements Store.
func (m *Memory) PutNew(_ context.Context, key string, item Item) (bool, error) {
	e, err := m.put(key, item, ifAbsent)
	return e != nil, err
}

// Replace implements Store.
func (m *Memory) Replace(_ context.Context, key string, item Item) (bool, error) {
	e, err := m.put(key, item, ifPresent)
	return e != nil, err
}

// condition says when an item is stored.
type condition int

const (
	always condition = iota
	ifAbsent
	ifPresent
)

// put stores an item if the condition holds and returns its entry, or nil.
func (m *Memory) put(key string, item Item, when condition) (*entry, error) {
	if err := check(key, item); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	now := m.now()
	m.sweep(now)
	if there := m.items[key].isLive(now); there && when == ifAbsent || !there && when == ifPresent {
		return nil, nil
	}
	e := &entry{key: key, value: bytes.Clone(item.Value), owners: slices.Clone(item.Owners), expires: expiryTime(now, item.Lifetime)}
	if err := m.set(e); err != nil {
		return nil, err
	}
	return e, nil
}

// Count implements Store.
func (m *Memory) Count(_ context.Context, key string, window time.Duration) (int, error) {
	if err := checkCounter(key, window); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed
	}
	now := m.now()
	m.sweep(now)
	count, expires := 0, expiryTime(now, window)
	if e := m.items[key]; e.isLive(now) {
		n, err := strconv.Atoi(string(e.value))
		if err != nil {
			return 0, errNoCounter
		}
		count, expires = n, e.expires
	}
	count++
	return count, m.set(&entry{key: key, value: strconv.AppendInt(nil, int64(count), 10), expires: expires})
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, keys ...string) error {
	_, err := m.delete(keys...)
	return err
}

// delete deletes keys and reports whether one of them existed.
func (m *Memory) delete(keys ...string) (was bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, errClosed
	}
	m.sweep(m.now())
	for _, key := range keys {
		e := m.items[key]
		was = was || e != nil
		m.remove(e)
	}
	return was, nil
}

// DeleteOwner implements Store.
func (m *Memory) DeleteOwner(_ context.Context, owner string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	now, keys := m.now(), []string{}
	for key := range m.owners[owner] {
		if m.items[key].isLive(now) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		m.remove(m.items[key])
	}
	return keys, nil
}

// Owned implements Store.
func (m *Memory) Owned(_ context.Context, owner string) ([]Entry, error) {
	entries, err := m.owned(owner)
	sortEntries(entries)
	return entries, err
}

// owned returns an owner's live items, unsorted.
func (m *Memory) owned(owner string) ([]Entry, error) {
	now := m.now()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	entries := make([]Entry, 0, len(m.owners[owner]))
	for key := range m.owners[owner] {
		if e := m.items[key]; e.isLive(now) {
			entries = append(entries, Entry{key, e.value})
		}
	}
	return entries, nil
}

func sortEntries(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
}

// Len returns the number of items, including expired ones that are not removed yet.
func (m *Memory) Len() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.items)
}

// Close implements Store.
func (m *Memory) Close() error {
	m.stop()
	m.clear()
	return nil
}

// stop makes every later call fail, and keeps the items.
func (m *Memory) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

// all returns all entries, including expired ones that are not removed yet.
func (m *Memory) all() map[string]*entry {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.items)
}

// clear removes all entries without calling changed.
func (m *Memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.items)
	clear(m.owners)
	m.queue, m.size = nil, 0
}
