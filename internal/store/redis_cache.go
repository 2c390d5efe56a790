package store

import (
	"context"
	"sync"
	"time"
)

const (
	// cacheTime is how long a machine uses values that it read, and so how long a
	// session may be valid on one machine after it ended on another.
	cacheTime = time.Second
	// maxCacheSize is the maximum size of the cached values, in bytes.
	maxCacheSize = 32 << 20
)

// redisCache holds the values that this machine read from Redis within cacheTime.
type redisCache struct {
	now   func() time.Time
	items *Memory

	mu      sync.Mutex
	changes uint64 // by this machine: a value that was read before a change is not cached
}

func newRedisCache(now func() time.Time) *redisCache {
	items := NewMemory(now)
	items.limit = maxCacheSize
	return &redisCache{now: now, items: items}
}

// get returns a cached value, or ErrNotFound.
func (c *redisCache) get(key string) ([]byte, error) { return c.items.Get(context.Background(), key) }

// pendingRead is a read that was sent to the server.
type pendingRead struct {
	began   time.Time
	changes uint64
}

// startRead is called before a read is sent. The age of the value counts from then.
func (c *redisCache) startRead() pendingRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pendingRead{c.now(), c.changes}
}

// finishRead caches and returns a value, unless it is too old or this machine
// changed something meanwhile.
func (c *redisCache) finishRead(f pendingRead, key string, value []byte, left time.Duration) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if keep := min(cacheTime, left) - c.now().Sub(f.began); keep > 0 && c.changes == f.changes {
		_, _ = c.items.put(key, Item{Value: value, Lifetime: keep}, always) // a full cache stores nothing
	}
	return value
}

// forget is called after a change of keys.
func (c *redisCache) forget(keys ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	_ = c.items.Delete(context.Background(), keys...)
}

// forgetAll is called after a change of unknown keys.
func (c *redisCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.items.clear()
}

// close makes every later get fail.
func (c *redisCache) close() { _ = c.items.Close() }
