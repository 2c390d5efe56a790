package identityjwt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// storageName is where the keys are in Caddy's storage.
const storageName = "policy_auth/identity_jwt.keys"

const (
	// storageTimeout limits how long a request waits for the storage.
	storageTimeout = 5 * time.Second
	// firstRetry is how long keys that could not be read are not tried again, and
	// laterRetry how long if older ones are known.
	firstRetry = time.Second
	laterRetry = 30 * time.Second
)

// Storage is what is used of Caddy's storage (certmagic.Storage).
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Load(ctx context.Context, key string) ([]byte, error)
	Store(ctx context.Context, key string, value []byte) error
}

// keyRing are the keys of the storage as this process knows them. It makes the first
// key, and the next ones when they are due.
type keyRing struct {
	storage Storage
	report  func(error)
	now     func() time.Time

	known atomic.Pointer[knownKeys]

	mu       sync.Mutex
	failure  error // why there are no known keys
	failedAt time.Time
}

// knownKeys are keys that were read from the storage.
type knownKeys struct {
	*keySet
	checkAt, waitAt time.Time
}

// current returns the keys. If they are known, a storage that cannot be read does not
// matter; keys that were made and cannot be read are never replaced by new ones.
func (r *keyRing) current(ctx context.Context) (*keySet, error) {
	now := r.now()
	known := r.known.Load()
	switch {
	case known != nil && now.Before(known.checkAt):
		return known.keySet, nil
	case known != nil && now.Before(known.waitAt):
		if !r.mu.TryLock() {
			return known.keySet, nil
		}
	default:
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	known = r.known.Load() // another request may have read them meanwhile
	switch {
	case known != nil && now.Before(known.checkAt):
		return known.keySet, nil
	case known == nil && r.failure != nil && now.Before(r.failedAt.Add(firstRetry)):
		return nil, r.failure
	}
	return r.refresh(ctx, known, now)
}

// refresh reads the storage.
func (r *keyRing) refresh(ctx context.Context, known *knownKeys, now time.Time) (*keySet, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storageTimeout) // other requests need the keys too
	defer cancel()
	keys, err := r.read(ctx, known != nil, now)
	if err == nil {
		var set *keySet
		if set, err = newKeySet(keys); err == nil {
			r.known.Store(&knownKeys{set, now.Add(checkEvery), now.Add(2 * checkEvery)})
			return set, nil
		}
	}
	if known == nil {
		r.failure, r.failedAt = err, now
		return nil, err
	}
	r.report(err)
	r.known.Store(&knownKeys{known.keySet, now.Add(laterRetry), now.Add(laterRetry + checkEvery)})
	return known.keySet, nil
}

// read returns the keys of the storage, after it has written those that were due.
func (r *keyRing) read(ctx context.Context, made bool, now time.Time) ([]key, error) {
	keys, due, err := r.load(ctx, made, now)
	if err != nil || !due {
		return keys, err
	}
	written, err := r.write(ctx, made, now)
	if err != nil && len(keys) > 0 { // they are valid for a while
		r.report(err)
		return keys, nil
	}
	return written, err
}

// load returns the keys of the storage, and whether it should have others. With made,
// it is an error if there are none.
func (r *keyRing) load(ctx context.Context, made bool, now time.Time) (keys []key, due bool, err error) {
	encoded, err := r.storage.Load(ctx, storageName)
	switch {
	case errors.Is(err, fs.ErrNotExist) && made:
		return nil, false, fmt.Errorf("%s is no longer in Caddy's storage; restore it, or restart Caddy to make new keys", storageName)
	case errors.Is(err, fs.ErrNotExist):
		return nil, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("reading %s from Caddy's storage: %w", storageName, err)
	}
	if keys, err = decodeKeys(encoded); err != nil {
		return nil, false, fmt.Errorf("%s in Caddy's storage is damaged (%w); restore it, or remove it and restart Caddy to make new keys", storageName, err)
	}
	_, due, err = rotate(keys, now)
	return keys, due, err
}

// write writes the keys that are due to the storage, unless another machine did.
func (r *keyRing) write(ctx context.Context, made bool, now time.Time) (keys []key, err error) {
	if err := r.storage.Lock(ctx, storageName); err != nil {
		return nil, fmt.Errorf("locking %s in Caddy's storage: %w", storageName, err)
	}
	defer func() { err = errors.Join(err, r.storage.Unlock(context.WithoutCancel(ctx), storageName)) }()
	keys, due, err := r.load(ctx, made, now)
	if err != nil || !due {
		return keys, err
	}
	if keys, _, err = rotate(keys, now); err != nil {
		return nil, err
	}
	encoded, err := encodeKeys(keys)
	if err != nil {
		return nil, err
	}
	if err := r.storage.Store(ctx, storageName, encoded); err != nil {
		return nil, fmt.Errorf("writing %s to Caddy's storage: %w", storageName, err)
	}
	return keys, nil
}
