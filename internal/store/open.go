package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retryOpening is how long a file that could not be opened is left alone, so
// that requests are refused at once and not each after waiting for its lock.
const retryOpening = time.Second

// use returns the open file, which is opened by the first who wants it.
func (f *File) use(ctx context.Context) (*opened, error) {
	if o := f.used.Load(); o != nil {
		return o, nil
	}
	opening, err := f.begin()
	if err != nil {
		return nil, err
	}
	if err := await(ctx, opening); err != nil {
		return nil, err
	}
	if o := f.used.Load(); o != nil {
		return o, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errClosed
	}
	return nil, f.failure
}

// await waits for an opening, if there is one, for diskPatience at most.
func await(ctx context.Context, opening <-chan struct{}) error {
	if opening == nil {
		return nil
	}
	timer := time.NewTimer(diskPatience)
	defer timer.Stop()
	select {
	case <-opening:
		return nil
	case <-timer.C:
		return errStuck
	case <-ctx.Done():
		return fmt.Errorf("%w: waiting for the disk: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// begin starts opening the file unless that goes on already, and returns what is
// closed at its end; nil if the file is open.
func (f *File) begin() (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, errClosed
	case f.used.Load() != nil: // meanwhile
		return nil, nil
	case f.opening != nil && time.Since(f.began) >= diskPatience:
		return nil, errStuck
	case f.opening != nil:
		return f.opening, nil
	case f.failure != nil && f.now().Sub(f.failedAt) < retryOpening:
		return nil, f.failure
	}
	f.opening, f.began = make(chan struct{}), time.Now()
	go f.finish(f.opening)
	return f.opening, nil
}

// finish opens the file for all who wait.
func (f *File) finish(opening chan struct{}) {
	defer close(opening)
	o, err := f.open()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opening = nil
	err = f.tell(err)
	switch {
	case err != nil:
		f.failure, f.failedAt = fmt.Errorf("%w: %w", ErrUnavailable, err), f.now()
	case f.closed: // meanwhile
		_ = o.close()
	default:
		f.failure = nil
		f.used.Store(o)
	}
}

// open opens the file and reads it into memory.
func (f *File) open() (*opened, error) {
	d, err := f.opener.open()
	if err != nil {
		return nil, err
	}
	memory := NewMemory(f.now)
	if err := d.read(memory.insert); err != nil {
		f.opener.note(err)
		return nil, errors.Join(err, d.end(err))
	}
	db := &database{opener: opener{path: f.opener.path}, disk: d, all: memory.all}
	j := newJournal(func(changes map[string]*entry) error { return f.tell(db.write(changes)) })
	memory.changed = j.note
	return &opened{memory, j, db}, nil
}
