package authn

import (
	"context"
	"errors"
	"path"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/introspection"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// The keys in use, shared between sites and across reloads.
var (
	keyFiles   = pool.New[*keyFileSource]()
	remoteKeys = pool.New[*token.RemoteKeySet]()
)

// KeyStatuses returns the state of every key source in use that has public keys, and of
// every introspection endpoint.
func KeyStatuses() []token.Status {
	statuses := []token.Status{}
	remoteKeys.Each(func(r *token.RemoteKeySet) { statuses = append(statuses, r.Status()) })
	keyFiles.Each(func(f *keyFileSource) { statuses = append(statuses, f.status()) })
	introspectors.Each(func(c *introspection.Client) { statuses = append(statuses, c.Status()) })
	return statuses
}

// keyFileSource is a token.KeySource over watched files.
type keyFileSource struct {
	*files.Watched[token.KeySet]
	paths []string
}

// keyParser reads the keys of a file, and says which were left out and why.
type keyParser func(name string, data []byte) (keys []token.Key, skipped []error, err error)

// parsePEM is a keyParser that leaves nothing out.
func parsePEM(name string, data []byte) ([]token.Key, []error, error) {
	keys, err := token.ParsePEM(name, data)
	return keys, nil, err
}

// openKeyFiles opens files of PEM, or of one JWK Set each.
func openKeyFiles(paths []string, parse keyParser) (*keyFileSource, error) {
	live, err := openFiles("keys", paths, func(tree files.Tree) (*token.KeySet, error) {
		var keys []token.Key
		for _, path := range tree.Paths() {
			parsed, skipped, err := parse(path, tree[path])
			if len(skipped) > 0 {
				caddy.Log().Named("http.handlers.policy_auth").Warn("keys left out", zap.String("file", path), zap.Error(errors.Join(skipped...)))
			}
			if err != nil {
				return nil, err
			}
			keys = append(keys, parsed...)
		}
		return token.NewKeySet(keys...)
	}, nil)
	return &keyFileSource{live, paths}, err
}

// Candidates implements token.KeySource.
func (s *keyFileSource) Candidates(kid, algorithm string) ([]token.Key, error) {
	return s.Load().Candidates(kid, algorithm)
}

// CachedCandidates returns the keys that a token may mean, for logs.
func (s *keyFileSource) CachedCandidates(kid, algorithm string) []token.Key {
	return s.Load().CachedCandidates(kid, algorithm)
}

// Algorithms implements token.KeySource.
func (s *keyFileSource) Algorithms() []string { return s.Load().Algorithms() }

// Generation implements token.KeySource.
func (s *keyFileSource) Generation() any { return s.Load() }

func (s *keyFileSource) status() token.Status {
	status := token.Status{Files: s.paths, Keys: s.Load().Status()}
	if err := s.Err(); err != nil {
		status.Error = err.Error()
	}
	return status
}

// acquireRemote returns the keys that an issuer publishes, shared with others of
// the same configuration. Failures go to the process's own log, since the source
// outlives the configuration.
func acquireRemote(config token.RemoteKeySetConfig, storage certmagic.Storage) (*token.RemoteKeySet, func(), error) {
	remote, release, err := remoteKeys.Acquire([]any{config.Key(), config.MaxStale}, func() (*token.RemoteKeySet, error) {
		config.Report = func(event string, err error) {
			caddy.Log().Named("http.handlers.policy_auth").Warn(event, zap.String("issuer", config.Issuer), zap.Error(err))
		}
		return token.NewRemoteKeySet(config)
	})
	if err == nil {
		remote.SetStore(keyStore{storage}) // of this configuration, whichever made the source
	}
	return remote, release, err
}

// logForeign returns a function that writes to the debug log which claims of an
// issuer were left out because of their form.
func logForeign(method, issuer string) func([]string) {
	return func(claims []string) {
		logger := caddy.Log().Named("http.handlers.policy_auth")
		if entry := logger.Check(zap.DebugLevel, "claims left out"); entry != nil {
			entry.Write(zap.String("method", method), zap.String("issuer", issuer), zap.Strings("claims", claims))
		}
	}
}

// keyStore keeps fetched keys in Caddy's storage.
type keyStore struct{ storage certmagic.Storage }

// Load implements token.Store.
func (s keyStore) Load(ctx context.Context, name string) ([]byte, error) {
	return s.storage.Load(ctx, storageKey(name))
}

// Save implements token.Store.
func (s keyStore) Save(ctx context.Context, name string, data []byte) error {
	return s.storage.Store(ctx, storageKey(name), data)
}

// storageKey is where the keys of a source are in Caddy's storage.
func storageKey(name string) string { return path.Join("policy_auth", "keys", name+".json") }

// Interface guards.
var (
	_ token.KeySource       = (*keyFileSource)(nil)
	_ token.CachedKeySource = (*keyFileSource)(nil)
	_ token.Store           = keyStore{}
)
