package store

import (
	"context"
	"sync"
	"time"
)

const (
	// cacheTime is how long a machine may go on with what it has read, and so
	// how long a session may outlive its end on another machine.
	cacheTime = time.Second
	// maxCacheSize is how many bytes of it are kept.
	maxCacheSize = 32 << 20
)

// redisCache is what a machine has read from Redis within the last second.
type redisCache struct {
	now   func() time.Time
	items *Memory

	mu      sync.Mutex
	changes uint64 // by this machine, so that a reading that a change overtook is not kept
}

func newRedisCache(now func() time.Time) *redisCache {
	items := NewMemory(now)
	items.limit = maxCacheSize
	return &redisCache{now: now, items: items}
}

// get returns what is cached, or ErrNotFound.
func (c *redisCache) get(key string) ([]byte, error) { return c.items.Get(context.Background(), key) }

// pendingRead is a reading on its way.
type pendingRead struct {
	began   time.Time
	changes uint64
}

// startRead is called before the server is asked: what it answers is as old as that.
func (c *redisCache) startRead() pendingRead {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pendingRead{c.now(), c.changes}
}

// finishRead keeps a value that was read, unless it is old already or this machine has
// changed something since; it returns the value.
func (c *redisCache) finishRead(f pendingRead, key string, value []byte, left time.Duration) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if keep := min(cacheTime, left) - c.now().Sub(f.began); keep > 0 && c.changes == f.changes {
		_, _ = c.items.put(key, Item{Value: value, Lifetime: keep}, always) // a full cache keeps no more
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

// forgetAll is called after a change of who knows which keys.
func (c *redisCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.items.clear()
}

// close makes every further get fail.
func (c *redisCache) close() { _ = c.items.Close() }
