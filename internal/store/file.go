package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// File is a Store in a database file for one process. It reads from memory, and
// writes changes in the background. Item.Sync and deletions wait for the disk.
// After a crash, up to some seconds of other changes may be missing.
//
// A File is opened at its first use, so that a configuration can be validated while
// another process has the file open. Two Files with the same path in one process
// lock each other out; share one File by its RealPath.
//
// If another program truncates, removes or replaces the file, the data in memory
// remains: the write that detects it fails, and the next one creates a new file. No
// call waits longer than some seconds for the disk.
type File struct {
	now    func() time.Time
	report func(error)

	opened atomic.Pointer[openedFile] // nil until the first use

	mu       sync.Mutex
	opener   opener
	opening  chan struct{} // closed when the running opening ends, or nil
	began    time.Time     // when the opening began
	failure  error         // the error of the last opening
	failedAt time.Time
	closed   bool

	reportMu sync.Mutex
	reported string // the last reported error
}

// openedFile is an open file.
type openedFile struct {
	memory   *Memory
	writer   *writeBehind
	database *database
}

// OpenFile returns the store in the file at path. The file is created at the first
// use, with mode 0600, and so is its directory. OpenFile fails if path exists and
// is not a regular file. A nil now means time.Now.
func OpenFile(path string, now func() time.Time) (*File, error) {
	if path == "" {
		return nil, errors.New("a store file needs a path")
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("store file: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("store file %s: not a regular file", path)
	}
	if now == nil {
		now = time.Now
	}
	return &File{opener: opener{path: path}, now: now, report: func(error) {}}, nil
}

// RealPath returns the canonical path of a store file: absolute and without
// symbolic links, also if the file or its directory does not exist yet.
func RealPath(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("store file: %w", err)
	}
	real, err := filepath.EvalSymlinks(absolute)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	dir := filepath.Dir(absolute)
	if dir == absolute {
		return absolute, nil
	}
	if dir, err = RealPath(dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(absolute)), nil
}

// Report sets a function that is called when the file cannot be opened or written,
// once for each error, and with nil when it works again. Call it before the first
// use.
func (f *File) Report(told func(error)) { f.report = told }

// reportChange reports an error that differs from the last one, or nil after an
// error.
func (f *File) reportChange(err error) error {
	f.reportMu.Lock()
	defer f.reportMu.Unlock()
	text := ""
	if err != nil {
		err = fmt.Errorf("store file %s: %w", f.opener.path, err)
		text = err.Error()
	}
	if text != f.reported {
		f.reported = text
		f.report(err)
	}
	return err
}

// Get implements Store. Once the file is open it does not wait for the disk.
func (f *File) Get(ctx context.Context, key string) ([]byte, error) {
	o, err := f.ensureOpen(ctx)
	if err != nil {
		return nil, err
	}
	return o.memory.Get(ctx, key)
}

// Put implements Store. If it fails, the key has no item.
func (f *File) Put(ctx context.Context, key string, item Item) error {
	_, err := f.put(ctx, key, item, always)
	return err
}

// PutNew implements Store.
func (f *File) PutNew(ctx context.Context, key string, item Item) (bool, error) {
	return f.put(ctx, key, item, ifAbsent)
}

// Replace implements Store.
func (f *File) Replace(ctx context.Context, key string, item Item) (bool, error) {
	return f.put(ctx, key, item, ifPresent)
}

// put stores an item in memory and waits for the disk if Sync is set. If the disk
// fails, the item is removed from memory, so that no session starts which the next
// restart loses.
func (f *File) put(ctx context.Context, key string, item Item, when condition) (bool, error) {
	o, err := f.ensureOpen(ctx)
	if err != nil {
		return false, err
	}
	if err := o.writer.checkBacklog(); err != nil {
		return false, err
	}
	e, err := o.memory.put(key, item, when)
	if err != nil || e == nil || !item.Sync {
		return e != nil, err
	}
	if err := o.writer.flush(ctx); err != nil {
		o.memory.undo(e)
		return false, err
	}
	return true, nil
}

// Count implements Store. Counters are written in the background.
func (f *File) Count(ctx context.Context, key string, window time.Duration) (int, error) {
	o, err := f.ensureOpen(ctx)
	if err != nil {
		return 0, err
	}
	if err := o.writer.checkBacklog(); err != nil {
		return 0, err
	}
	return o.memory.Count(ctx, key, window)
}

// Delete implements Store. If it fails, the keys are deleted from memory, and the
// disk is tried again later. A crash before that restores them.
func (f *File) Delete(ctx context.Context, keys ...string) error {
	o, err := f.ensureOpen(ctx)
	if err != nil {
		return err
	}
	was, err := o.memory.delete(keys...)
	if err != nil || !was && !o.writer.failing() {
		return err
	}
	return o.writer.flush(ctx)
}

// DeleteOwner implements Store. It fails as Delete does.
func (f *File) DeleteOwner(ctx context.Context, owner string) ([]string, error) {
	o, err := f.ensureOpen(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := o.memory.DeleteOwner(ctx, owner)
	if err != nil || len(keys) == 0 && !o.writer.failing() {
		return keys, err
	}
	return keys, o.writer.flush(ctx)
}

// Owned implements Store.
func (f *File) Owned(ctx context.Context, owner string) ([]Entry, error) {
	o, err := f.ensureOpen(ctx)
	if err != nil {
		return nil, err
	}
	return o.memory.Owned(ctx, owner)
}

// Close implements Store. It fails if the last changes could not be written, and
// does not wait longer than diskTimeout.
func (f *File) Close() error {
	f.mu.Lock()
	was, opening := f.closed, f.opening
	f.closed = true
	f.mu.Unlock()
	if was {
		return nil
	}
	if err := awaitOpening(context.Background(), opening); err != nil {
		return err
	}
	if o := f.opened.Load(); o != nil {
		return o.close()
	}
	return nil
}

// close writes pending changes and closes the file. It stops the memory first,
// because later changes could not be written.
func (o *openedFile) close() error {
	o.memory.stop()
	err := o.writer.close()
	if errors.Is(err, errDiskTimeout) {
		return err // the goroutine that waits for the disk still uses it
	}
	closed := make(chan error, 1)
	go func() { closed <- o.database.close() }()
	timer := time.NewTimer(diskTimeout)
	defer timer.Stop()
	select {
	case failure := <-closed:
		return errors.Join(err, failure, o.memory.Close())
	case <-timer.C:
		return errors.Join(err, errDiskTimeout)
	}
}
