// Package pool shares expensive values between sites and across reloads of the configuration,
// with Caddy's usage pools.
package pool

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/caddyserver/caddy/v2"
)

// Value is a shared value, such as compiled policies.
type Value interface {
	io.Closer
	// Reload reads the value's sources again. If they are invalid, it returns an error and
	// the value keeps its last good state.
	Reload() error
}

// Pool holds shared values by the configuration that made them. The zero value
// is not usable; call New.
type Pool[T Value] struct {
	values *caddy.UsagePool
}

// New returns an empty pool. Pools are made once, as package variables: they
// outlive every configuration.
func New[T Value]() *Pool[T] { return &Pool[T]{values: caddy.NewUsagePool()} }

// Acquire returns the value for a configuration. It calls construct unless another user of
// the same configuration holds the value already. Such a value is reloaded, so that a
// configuration whose files are invalid now fails to load, even if an older one still
// works with the last good content. Call release when the value is no longer needed;
// further calls do nothing.
func (p *Pool[T]) Acquire(config any, construct func() (T, error)) (value T, release func(), err error) {
	key, err := configKey(config)
	if err != nil {
		return value, nil, err
	}
	held, loaded, err := p.values.LoadOrNew(key, func() (caddy.Destructor, error) {
		made, err := construct()
		return shared[T]{made}, err
	})
	if err != nil {
		return value, nil, err
	}
	release = sync.OnceFunc(func() { _, _ = p.values.Delete(key) })
	value = held.(shared[T]).value
	if loaded {
		if err := value.Reload(); err != nil {
			release()
			return value, nil, err
		}
	}
	return value, release, nil
}

// Each calls f for every value in use, in no particular order.
func (p *Pool[T]) Each(f func(T)) {
	p.values.Range(func(_, held any) bool {
		if s, ok := held.(shared[T]); ok {
			f(s.value)
		}
		return true
	})
}

// configKey hashes a configuration, so that no secret in it stays in memory as a key.
func configKey(config any) (string, error) {
	encoded, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("naming a shared value: %w", err)
	}
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:]), nil
}

// shared makes a Value a caddy.Destructor.
type shared[T Value] struct{ value T }

// Destruct implements caddy.Destructor.
func (s shared[T]) Destruct() error { return s.value.Close() }
