package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxMemory is how many bytes of keys, owners and values a Memory holds; then
// nothing new is stored until something has expired. Sign-ins that strangers begin
// take a part of it at most (package login).
const maxMemory = 256 << 20

// sliceOfExpired is how many expired items one call removes on its way, so that
// none of them pays for all.
const sliceOfExpired = 16

// errClosed is the answer of a store that was closed.
var errClosed = fmt.Errorf("%w: it is closed", ErrUnavailable)

// errFull is the answer of a store that holds as much as it may.
var errFull = fmt.Errorf("%w: it is full", ErrUnavailable)

// errNoCounter is the answer of Count for a key that holds something else.
var errNoCounter = errors.New("the key holds an item, not a counter")

// Memory is a Store that forgets everything with the process.
type Memory struct {
	now     func() time.Time
	limit   int
	changed func(key string, now *entry) // told of every change, nil for a removal; with the lock held

	mu     sync.RWMutex
	items  map[string]*entry
	owners map[string]map[string]struct{} // owner → keys
	queue  queue                          // by expiry, the next one first
	size   int
	closed bool
}

// NewMemory returns an empty Memory that reads the time from now; nil means
// time.Now.
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
	if e := m.items[key]; e.alive(now) {
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

// put stores an item if the condition holds and returns its entry, else nil.
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
	if there := m.items[key].alive(now); there && when == ifAbsent || !there && when == ifPresent {
		return nil, nil
	}
	e := &entry{key: key, value: bytes.Clone(item.Value), owner: item.Owner, expires: wall(now, item.Lifetime)}
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
	count, expires := 0, wall(now, window)
	if e := m.items[key]; e.alive(now) {
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
func (m *Memory) Delete(_ context.Context, key string) error {
	_, err := m.delete(key)
	return err
}

// delete removes a key and says whether there was one.
func (m *Memory) delete(key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, errClosed
	}
	m.sweep(m.now())
	e := m.items[key]
	m.remove(e)
	return e != nil, nil
}

// DeleteOwner implements Store.
func (m *Memory) DeleteOwner(_ context.Context, owner string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed
	}
	keys := m.owned(owner)
	for _, key := range keys {
		m.remove(m.items[key])
	}
	return len(keys), nil
}

// Owned implements Store.
func (m *Memory) Owned(_ context.Context, owner string) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, errClosed
	}
	return m.owned(owner), nil
}

// Close implements Store.
func (m *Memory) Close() error {
	m.clear()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// clear forgets everything, without telling.
func (m *Memory) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.items)
	clear(m.owners)
	m.queue, m.size = nil, 0
}

// owned returns the sorted keys of an owner that are alive. The lock is held.
func (m *Memory) owned(owner string) []string {
	now, keys := m.now(), []string{}
	for key := range m.owners[owner] {
		if m.items[key].alive(now) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
