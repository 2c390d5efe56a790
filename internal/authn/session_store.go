package authn

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/dpop"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// SessionStore is where sessions are kept.
type SessionStore struct {
	// "file" (an embedded database, for one machine) or "redis" (Redis or Valkey, for
	// several machines). Required.
	Kind string `json:"kind"`

	// The path of the file. Default: policy_auth/store.db in Caddy's data directory.
	Path string `json:"path,omitempty"`

	// The URL of the server, such as redis://:password@127.0.0.1:6379/0, or rediss://…
	// for TLS. Placeholders are replaced. Required for redis.
	URL string `json:"url,omitempty"`
}

// storeKinds are the values of SessionStore.Kind.
var storeKinds = []string{"file", "redis"}

// parseStore returns what parses
//
//	store file [<path>]
//	store redis <url>
func parseStore(target **SessionStore) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if *target != nil {
			return d.Err("store is set twice")
		}
		if !d.NextArg() {
			return d.Err("store wants file or redis: store file [<path>] or store redis <url>, such as store redis redis://127.0.0.1:6379")
		}
		store := &SessionStore{Kind: d.Val()}
		args := d.RemainingArgs()
		switch {
		case !slices.Contains(storeKinds, store.Kind): // however many arguments it would take
		case store.Kind == "file" && len(args) == 1:
			store.Path = args[0]
		case store.Kind == "redis" && len(args) == 1:
			store.URL = args[0]
		case len(args) > 0:
			return d.Errf("store %s takes one argument, not %d: store file [<path>] or store redis <url>", store.Kind, len(args))
		}
		*target = store
		if err := store.check(); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}

// check reports what contradicts itself; a nil store is the default one.
func (s *SessionStore) check() error {
	switch {
	case s == nil:
		return nil
	case !slices.Contains(storeKinds, s.Kind):
		return errors.New(caddyfileutil.Unknown("kind of store", s.Kind, storeKinds))
	case s.Kind == "redis" && s.URL == "":
		return errors.New("store redis wants the server's URL, such as redis://127.0.0.1:6379")
	case s.Kind == "redis" && s.Path != "", s.Kind == "file" && s.URL != "":
		return errors.New("a store has a path or a URL: a file has a path, redis a URL")
	}
	return checkFiles("store redis", s.URL)
}

// sharedStore is what sites with the same store share: their sessions, and the verifier
// that remembers used DPoP proofs.
type sharedStore struct {
	*session.Registry
	proofs    *dpop.Verifier
	passwords *apppassword.Registry
}

// Close waits for pending writes and closes the store.
func (s *sharedStore) Close() error {
	s.passwords.Close()
	return s.Registry.Close()
}

// stores holds the stores in use: sites with the same one share it, and it outlives
// reloads of the configuration (R-SES-7).
var stores = pool.New[*sharedStore]()

// Registries calls f for the sessions of every store in use.
func Registries(f func(*session.Registry)) {
	stores.Each(func(s *sharedStore) { f(s.Registry) })
}

// AppPasswordRegistries calls f for the app passwords of every store in use.
func AppPasswordRegistries(f func(*apppassword.Registry)) {
	stores.Each(func(s *sharedStore) { f(s.passwords) })
}

// newSharedStore returns the shared use of a store, sealed by a key in Caddy's storage.
func newSharedStore(in store.Store, storage certmagic.Storage, name string) *sharedStore {
	sealer := newSealer(storage, name)
	registry := session.NewRegistry(in, sealer)
	nonceKey := func(ctx context.Context) ([]byte, error) { return sealer.Key(ctx, "dpop nonces") }
	return &sharedStore{registry, dpop.New(dpop.Config{Store: registry.Store(), NonceKey: nonceKey}), apppassword.NewRegistry(in, sealer)}
}

// acquire returns the shared use of the store. Neither the store nor its key is touched
// before its first use: validating a configuration makes nothing.
func (s *SessionStore) acquire(storage certmagic.Storage) (*sharedStore, func(), error) {
	if s != nil && s.Kind == "redis" {
		return s.acquireRedis(storage)
	}
	path := filepath.Join(caddy.AppDataDir(), "policy_auth", "store.db")
	if s != nil && s.Path != "" {
		path = s.Path
	}
	real, err := store.RealPath(path)
	if err != nil {
		return nil, nil, err
	}
	return stores.Acquire([]string{"file", real}, func() (*sharedStore, error) {
		file, err := store.OpenFile(real, nil)
		if err != nil {
			return nil, err
		}
		file.Report(func(err error) { reportStore(real, err) })
		return newSharedStore(file, storage, real), nil
	})
}

func (s *SessionStore) acquireRedis(storage certmagic.Storage) (*sharedStore, func(), error) {
	url, err := caddy.NewReplacer().ReplaceOrErr(s.URL, true, true)
	if err != nil {
		return nil, nil, fmt.Errorf("store redis: %w", err)
	}
	return stores.Acquire([]string{"redis", url}, func() (*sharedStore, error) {
		server, err := store.OpenRedis(url, "policy_auth:", nil)
		if err != nil {
			return nil, fmt.Errorf("store redis: %w", err)
		}
		return newSharedStore(server, storage, "redis"), nil
	})
}
