package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retryOpening is how long a file that could not be opened is not tried again, so
// that requests fail at once instead of waiting for its lock.
const retryOpening = time.Second

// ensureOpen returns the open file. The first caller opens it.
func (f *File) ensureOpen(ctx context.Context) (*openedFile, error) {
	if o := f.opened.Load(); o != nil {
		return o, nil
	}
	opening, err := f.startOpening()
	if err != nil {
		return nil, err
	}
	if err := awaitOpening(ctx, opening); err != nil {
		return nil, err
	}
	if o := f.opened.Load(); o != nil {
		return o, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errClosed
	}
	return nil, f.failure
}

// awaitOpening waits for an opening, for diskTimeout at most. A nil channel is
// ignored.
func awaitOpening(ctx context.Context, opening <-chan struct{}) error {
	if opening == nil {
		return nil
	}
	timer := time.NewTimer(diskTimeout)
	defer timer.Stop()
	select {
	case <-opening:
		return nil
	case <-timer.C:
		return errDiskTimeout
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for the disk: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// startOpening starts to open the file, unless that is in progress. It returns a
// channel that is closed at the end, or nil if the file is open.
func (f *File) startOpening() (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, errClosed
	case f.opened.Load() != nil: // in the meantime
		return nil, nil
	case f.opening != nil && time.Since(f.began) >= diskTimeout:
		return nil, errDiskTimeout
	case f.opening != nil:
		return f.opening, nil
	case f.failure != nil && f.now().Sub(f.failedAt) < retryOpening:
		return nil, f.failure
	}
	f.opening, f.began = make(chan struct{}), time.Now()
	go f.finishOpening(f.opening)
	return f.opening, nil
}

// finishOpening opens the file for all waiting callers.
func (f *File) finishOpening(opening chan struct{}) {
	defer close(opening)
	o, err := f.open()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opening = nil
	err = f.reportChange(err)
	switch {
	case err != nil:
		f.failure, f.failedAt = fmt.Errorf("%w: %w", ErrUnavailable, err), f.now()
	case f.closed: // in the meantime
		_ = o.close()
	default:
		f.failure = nil
		f.opened.Store(o)
	}
}

// open opens the file and reads it into memory.
func (f *File) open() (*openedFile, error) {
	d, err := f.opener.open()
	if err != nil {
		return nil, err
	}
	memory := NewMemory(f.now)
	if err := d.read(memory.insert); err != nil {
		f.opener.markDamaged(err)
		return nil, errors.Join(err, d.end(err))
	}
	db := &database{opener: opener{path: f.opener.path}, disk: d, all: memory.all}
	j := newWriteBehind(func(changes map[string]*entry) error { return f.reportChange(db.write(changes)) })
	memory.changed = j.add
	return &openedFile{memory, j, db}, nil
}
