package authn

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// storeKeyName is where the key of the stores' records is in Caddy's storage.
const storeKeyName = "policy_auth/store.key"

// newSealer returns a Sealer for the records of a store. Its key is in Caddy's storage.
func newSealer(storage certmagic.Storage, name string) *store.Sealer {
	load := func(ctx context.Context) ([]byte, error) { return storeKey(ctx, storage) }
	return store.NewSealer(load, func(err error) {
		storeLogger(name).Error("a record in the store does not verify and does not count; later ones are not logged", zap.Error(err))
	})
}

// storeLogger returns the process's own log: stores outlive configurations.
func storeLogger(name string) *zap.Logger {
	return caddy.Log().Named("http.handlers.policy_auth").With(zap.String("store", name))
}

// reportStore logs that a store's file cannot be used, or can be again.
func reportStore(name string, err error) {
	if err != nil {
		storeLogger(name).Error("the store's file cannot be used: signing in fails, and sign-outs have to be repeated, until the file can be opened", zap.Error(err))
		return
	}
	storeLogger(name).Info("the store's file is in use again")
}

// storeKey returns the key, and creates it at its first use. A key that exists and
// cannot be read is an error: a new key would end all sessions.
func storeKey(ctx context.Context, storage certmagic.Storage) (key []byte, err error) {
	if key, err := loadStoreKey(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := storage.Lock(ctx, storeKeyName); err != nil {
		return nil, fmt.Errorf("locking %s in Caddy's storage: %w", storeKeyName, err)
	}
	defer func() { err = errors.Join(err, storage.Unlock(context.WithoutCancel(ctx), storeKeyName)) }()
	if key, err := loadStoreKey(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return key, err // another machine was quicker
	}
	key = make([]byte, store.SecretSize)
	_, _ = rand.Read(key) // never fails
	if err := storage.Store(ctx, storeKeyName, []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return nil, fmt.Errorf("writing %s to Caddy's storage: %w", storeKeyName, err)
	}
	return key, nil
}

// loadStoreKey reads the key from Caddy's storage.
func loadStoreKey(ctx context.Context, storage certmagic.Storage) ([]byte, error) {
	text, err := storage.Load(ctx, storeKeyName)
	if err != nil {
		return nil, fmt.Errorf("reading %s from Caddy's storage: %w", storeKeyName, err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != store.SecretSize {
		return nil, fmt.Errorf("%s in Caddy's storage is damaged; restore it, or remove it to sign all users out", storeKeyName)
	}
	return key, nil
}
