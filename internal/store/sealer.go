package store

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// SecretSize is the length of a Sealer's secret, in bytes.
const SecretSize = chacha20poly1305.KeySize

const (
	// sealFormat is the first byte of every sealed value.
	sealFormat = 1
	// sealHeaderSize is its length with the secret's id, sealedSize what sealing adds.
	sealHeaderSize = 1 + secretIDSize
	sealOverhead   = sealHeaderSize + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
	// secretIDSize is the length of a secret's ID, which only distinguishes secrets
	// in errors.
	secretIDSize = 4
	// secretRetry is how long a secret that could not be loaded is not tried again.
	secretRetry = time.Second
)

// ErrForged is the error of a value that was not sealed with this secret under its
// key: another program wrote it, moved it from another key, or sealed it with
// another secret.
var ErrForged = errors.New("it does not verify")

// A Sealer encrypts and authenticates values with XChaCha20-Poly1305. Each value is
// bound to its key: a program with write access to the store can delete values and
// restore older ones, but it cannot read, create or change any. It is safe for
// concurrent use.
type Sealer struct {
	load   func(context.Context) ([]byte, error)
	report func(error)
	forged sync.Once

	secret atomic.Pointer[secret]

	mu       sync.Mutex
	failure  error // the error of the last loading
	failedAt time.Time
}

// secret is a loaded secret.
type secret struct {
	raw  []byte
	aead cipher.AEAD
	id   [secretIDSize]byte
}

// NewSealer returns a Sealer. It loads the secret of SecretSize bytes at the first
// use, and tries again a second after a failure. It calls report, which may be nil,
// with the first value that does not verify.
func NewSealer(load func(context.Context) ([]byte, error), report func(error)) *Sealer {
	if report == nil {
		report = func(error) {}
	}
	return &Sealer{load: load, report: report}
}

// Secret returns a load function for a known secret.
func Secret(secret []byte) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return secret, nil }
}

// Seal returns a value in the form in which it is stored under a key.
func (s *Sealer) Seal(ctx context.Context, key string, value []byte) ([]byte, error) {
	secret, err := s.loadSecret(ctx)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, sealHeaderSize+chacha20poly1305.NonceSizeX, sealOverhead+len(value))
	sealed[0] = sealFormat
	copy(sealed[1:], secret.id[:])
	nonce := sealed[sealHeaderSize:]
	_, _ = rand.Read(nonce) // never fails
	return secret.aead.Seal(sealed, nonce, value, []byte(key)), nil
}

// Open returns the value that was sealed under a key, or ErrForged. Every other
// error wraps ErrUnavailable.
func (s *Sealer) Open(ctx context.Context, key string, sealed []byte) ([]byte, error) {
	secret, err := s.loadSecret(ctx)
	if err != nil {
		return nil, err
	}
	if len(sealed) < sealOverhead || sealed[0] != sealFormat {
		return nil, s.forgedError(key, "it was written by another program")
	}
	if [secretIDSize]byte(sealed[1:sealHeaderSize]) != secret.id {
		return nil, s.forgedError(key, "another key sealed it: machines that share a store share Caddy's storage, where the key is")
	}
	nonce, text := sealed[sealHeaderSize:sealHeaderSize+chacha20poly1305.NonceSizeX], sealed[sealHeaderSize+chacha20poly1305.NonceSizeX:]
	value, err := secret.aead.Open(nil, nonce, text, []byte(key))
	if err != nil {
		return nil, s.forgedError(key, "it was changed or moved there")
	}
	return value, nil
}

// Key returns a key of 32 bytes for another purpose than sealing, which all machines
// with the same secret derive alike (RFC 5869). Its errors wrap ErrUnavailable.
func (s *Sealer) Key(ctx context.Context, purpose string) ([]byte, error) {
	secret, err := s.loadSecret(ctx)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, secret.raw, nil, "policy_auth "+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return key, nil
}

// forgedError returns ErrForged with a reason, and reports the first one.
func (s *Sealer) forgedError(key, why string) error {
	err := fmt.Errorf("the record %.60q: %w (%s)", key, ErrForged, why)
	s.forged.Do(func() { s.report(err) })
	return err
}

// loadSecret returns the secret, which is loaded once.
func (s *Sealer) loadSecret(ctx context.Context) (*secret, error) {
	if secret := s.secret.Load(); secret != nil {
		return secret, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if secret := s.secret.Load(); secret != nil {
		return secret, nil
	}
	if s.failure != nil && time.Since(s.failedAt) < secretRetry {
		return nil, s.failure
	}
	loaded, err := s.load(ctx)
	if err == nil && len(loaded) != SecretSize {
		err = fmt.Errorf("it has %d bytes, not %d", len(loaded), SecretSize)
	}
	if err != nil {
		s.failure, s.failedAt = fmt.Errorf("%w: the key of its records: %w", ErrUnavailable, err), time.Now()
		return nil, s.failure
	}
	aead, err := chacha20poly1305.NewX(loaded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	sum := sha256.Sum256(append([]byte("policy_auth store key id\n"), loaded...))
	made := &secret{raw: bytes.Clone(loaded), aead: aead, id: [secretIDSize]byte(sum[:secretIDSize])}
	s.secret.Store(made)
	return made, nil
}
