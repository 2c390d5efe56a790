package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

// redisTimeout limits each step of a call: connecting, sending and waiting for the
// response. A request gets 503 rather than waiting longer.
const redisTimeout = 500 * time.Millisecond

const (
	// bulkTimeout is the same for calls that list or delete many items.
	bulkTimeout = 10 * time.Second
	// ownedBatch is how many values one call reads.
	ownedBatch = 500
)

// defaultPrefix is the default prefix of keys in Redis.
const defaultPrefix = "policy_auth:"

// Redis is a Store in a Redis or Valkey server for several machines. Values are
// cached in memory for at most a second: a session that ends on one machine is
// rejected by the others within that second. While the server is unavailable, the
// store is too, after that second. Item.Sync has no effect; the server's
// configuration determines what a crash loses.
type Redis struct {
	client     *redis.Client
	bulkClient *redis.Client // with longer timeouts, on the same connections
	prefix     string
	cache      *redisCache
}

// OpenRedis returns the store in the server at url:
//
//	redis://[user:password@]host[:port][/database]
//	rediss://…            the same over TLS
//	unix://[user:password@]/path/of/socket[?db=database]
//
// Keys in the server begin with prefix; empty means "policy_auth:". It connects at
// the first use. Errors contain no part of the URL, which may contain a password. A
// nil now means time.Now.
func OpenRedis(url, prefix string, now func() time.Time) (*Redis, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		// The parser's error quotes the URL, and what it takes for the host or
		// the path of a bad one may be the password.
		return nil, errors.New("redis URL: must be redis://[user:password@]host[:port][/database], rediss://… or unix:///path/of/socket[?db=database], with reserved characters of a password percent-encoded")
	}
	setTimeouts(options)
	if prefix == "" {
		prefix = defaultPrefix
	}
	if now == nil {
		now = time.Now
	}
	client := redis.NewClient(options)
	return &Redis{client, client.WithTimeout(max(options.ReadTimeout, bulkTimeout)), prefix, newRedisCache(now)}, nil
}

// setTimeouts sets missing timeouts, and disables retries and optional commands.
func setTimeouts(options *redis.Options) {
	for _, timeout := range []*time.Duration{&options.DialTimeout, &options.ReadTimeout, &options.WriteTimeout, &options.PoolTimeout} {
		if *timeout <= 0 {
			*timeout = redisTimeout
		}
	}
	options.ContextTimeoutEnabled = true
	options.MaxRetries, options.DialerRetries = -1, 1 // a repeated command would count twice
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		plain := egress.Guard(&net.Dialer{Timeout: options.DialTimeout})
		if options.TLSConfig == nil {
			return plain.DialContext(ctx, network, address)
		}
		return (&tls.Dialer{NetDialer: plain, Config: options.TLSConfig}).DialContext(ctx, network, address)
	}
}

// Get implements Store. It allocates nothing when it answers from memory.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, error) {
	if value, err := r.cache.get(key); !errors.Is(err, ErrNotFound) {
		return value, err
	}
	fetch := r.cache.startRead()
	answer, err := getScript.Run(ctx, r.client, []string{r.itemKey(key)}).Slice()
	if err != nil {
		return nil, unavailable(err)
	}
	value, ok := answer[0].(string)
	if !ok {
		return nil, ErrNotFound
	}
	left, _ := answer[1].(int64)
	return r.cache.finishRead(fetch, key, []byte(value), time.Duration(left)*time.Millisecond), nil
}

// Put implements Store.
func (r *Redis) Put(ctx context.Context, key string, item Item) error {
	_, err := r.put(ctx, key, item, always)
	return err
}

// PutNew implements Store.
func (r *Redis) PutNew(ctx context.Context, key string, item Item) (bool, error) {
	return r.put(ctx, key, item, ifAbsent)
}

// Replace implements Store.
func (r *Redis) Replace(ctx context.Context, key string, item Item) (bool, error) {
	return r.put(ctx, key, item, ifPresent)
}

// put stores an item if the condition holds, and reports whether it did.
func (r *Redis) put(ctx context.Context, key string, item Item, when condition) (bool, error) {
	if err := check(key, item); err != nil {
		return false, err
	}
	// Deferred also for a call that failed: it may have reached the server.
	defer r.cache.forget(key)
	args := []any{item.Value, milliseconds(item.Lifetime), int(when), r.ownerPrefix()}
	for _, owner := range item.Owners {
		args = append(args, owner)
	}
	done, err := putScript.Run(ctx, r.client, []string{r.itemKey(key)}, args...).Bool()
	return done, unavailable(err)
}

// Count implements Store.
func (r *Redis) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	if err := checkCounter(key, window); err != nil {
		return 0, err
	}
	defer r.cache.forget(key)
	n, err := countScript.Run(ctx, r.client, []string{r.itemKey(key)}, milliseconds(window)).Int()
	if err == nil && n < 0 {
		return 0, errNoCounter
	}
	return n, unavailable(err)
}

// Delete implements Store.
func (r *Redis) Delete(ctx context.Context, keys ...string) error {
	items := make([]string, len(keys))
	for i, key := range keys {
		items[i] = r.itemKey(key)
	}
	defer r.cache.forget(keys...)
	return unavailable(deleteScript.Run(ctx, r.bulkClient, items, r.ownerPrefix()).Err())
}

// DeleteOwner implements Store.
func (r *Redis) DeleteOwner(ctx context.Context, owner string) ([]string, error) {
	defer r.cache.forgetAll()
	items, err := deleteOwnerScript.Run(ctx, r.bulkClient, []string{r.ownerPrefix() + owner}, r.ownerPrefix()).StringSlice()
	keys := r.keys(items)
	slices.Sort(keys)
	return keys, unavailable(err)
}

// Owned implements Store. It reads the values in batches, so that the server
// answers other calls in between.
func (r *Redis) Owned(ctx context.Context, owner string) ([]Entry, error) {
	items, err := ownedScript.Run(ctx, r.bulkClient, []string{r.ownerPrefix() + owner}).StringSlice()
	if err != nil {
		return nil, unavailable(err)
	}
	entries := make([]Entry, 0, len(items))
	for some := range slices.Chunk(items, ownedBatch) {
		values, err := valuesScript.Run(ctx, r.bulkClient, some, owner).Slice()
		if err != nil {
			return nil, unavailable(err)
		}
		for i, key := range r.keys(some) {
			if value, there := values[i].(string); there {
				entries = append(entries, Entry{key, []byte(value)})
			}
		}
	}
	sortEntries(entries)
	return entries, nil
}

// keys returns the keys of items in Redis.
func (r *Redis) keys(items []string) []string {
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = item[len(r.itemKey("")):]
	}
	return keys
}

// Close implements Store.
func (r *Redis) Close() error {
	r.cache.close()
	if err := r.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("closing the redis store: %w", err)
	}
	return nil
}

// itemKey returns the name of an item in Redis, a hash with its value and owners.
func (r *Redis) itemKey(key string) string { return r.prefix + "item:" + key }

// ownerPrefix returns the prefix of the names of owners, which are sorted sets by
// expiry.
func (r *Redis) ownerPrefix() string { return r.prefix + "owner:" }

// unavailable wraps an error of the server or the connection; nil stays nil.
func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: redis: %w", ErrUnavailable, err)
}

// milliseconds rounds a duration up, because Redis deletes items with zero
// immediately.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
