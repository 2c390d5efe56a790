package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Sealed is a Store that encrypts values before it stores them in another. A value
// that does not verify is not found. Counters are not encrypted, and Get does not
// find them.
type Sealed struct {
	Store
	sealer *Sealer
}

// NewSealed returns a Store that seals its values.
func NewSealed(in Store, sealer *Sealer) *Sealed { return &Sealed{in, sealer} }

// Get implements Store.
func (s *Sealed) Get(ctx context.Context, key string) ([]byte, error) {
	sealed, err := s.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	value, err := s.sealer.Open(ctx, key, sealed)
	if errors.Is(err, ErrForged) {
		return nil, ErrNotFound
	}
	return value, err
}

// Counted returns the value of the counter of a key, or 0 if there is none.
func (s *Sealed) Counted(ctx context.Context, key string) (int, error) {
	value, err := s.Store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	count, err := strconv.Atoi(string(value))
	if err != nil {
		return 0, fmt.Errorf("%s is not a counter", key)
	}
	return count, nil
}

// Put implements Store.
func (s *Sealed) Put(ctx context.Context, key string, item Item) error {
	item, err := s.seal(ctx, key, item)
	if err != nil {
		return err
	}
	return s.Store.Put(ctx, key, item)
}

// PutNew implements Store. An existing value counts even if it does not verify.
func (s *Sealed) PutNew(ctx context.Context, key string, item Item) (bool, error) {
	item, err := s.seal(ctx, key, item)
	if err != nil {
		return false, err
	}
	return s.Store.PutNew(ctx, key, item)
}

// Replace implements Store. An existing value counts even if it does not verify.
func (s *Sealed) Replace(ctx context.Context, key string, item Item) (bool, error) {
	item, err := s.seal(ctx, key, item)
	if err != nil {
		return false, err
	}
	return s.Store.Replace(ctx, key, item)
}

// Owned implements Store. It omits entries that do not verify.
func (s *Sealed) Owned(ctx context.Context, owner string) ([]Entry, error) {
	entries, err := s.Store.Owned(ctx, owner)
	if err != nil {
		return nil, err
	}
	opened := entries[:0]
	for _, e := range entries {
		e.Value, err = s.sealer.Open(ctx, e.Key, e.Value)
		switch {
		case err == nil:
			opened = append(opened, e)
		case !errors.Is(err, ErrForged):
			return nil, err
		}
	}
	return opened, nil
}

// seal returns an item with a sealed value.
func (s *Sealed) seal(ctx context.Context, key string, item Item) (_ Item, err error) {
	item.Value, err = s.sealer.Seal(ctx, key, item.Value)
	return item, err
}
