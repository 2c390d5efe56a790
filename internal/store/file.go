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

// File is a Store in an embedded database file, for one process. It answers
// from memory; what changes is written behind, and waited for where the caller
// asked for it. It survives a restart and a kill: then what was not waited for
// may be missing, up to some seconds of it.
//
// A File is opened at its first use, not when it is made: the configuration can
// be validated while another process has the file. Two Files on one path in one
// process shut each other out; share one by its RealPath.
//
// If another program truncates, removes or replaces the file in use, the data in
// memory stays: the change that detects it fails, and the next one begins a new file.
// No call waits longer than some seconds for the disk.
type File struct {
	now    func() time.Time
	report func(error)

	opened atomic.Pointer[openedFile] // nil until the first use

	mu       sync.Mutex
	opener   opener
	opening  chan struct{} // closed when the opening that goes on ends; nil if none does
	began    time.Time     // when that began
	failure  error         // of the last opening
	failedAt time.Time
	closed   bool

	reportMu sync.Mutex
	reported string // what was reported last
}

// openedFile is a file in use.
type openedFile struct {
	memory   *Memory
	writer   *writeBehind
	database *database
}

// OpenFile returns the store in the file at path, which is created at the first
// use if need be, with mode 0600 and with its directory. It fails if something
// that is no file is there. The time is read from now; nil means time.Now.
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

// RealPath returns the one name of a store file: absolute and without symbolic
// links, also where the file or its directory is yet to be created.
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

// Report has f told when the file cannot be opened or written, each reason once, and
// of nil when it can be again. It is called before the first use.
func (f *File) Report(told func(error)) { f.report = told }

// reportChange reports a change for the worse or the better.
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

// Put implements Store. If it fails, there is no item under the key.
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

// put stores an item in memory and, if it is to be synced, waits for the disk.
// What the disk does not take is not kept in memory either: a session that the
// next restart forgets is not begun.
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

// Count implements Store. Counters are written behind.
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

// Delete implements Store. If it fails, the keys are gone from memory, and their
// removal from the disk is tried again; a crash before that brings them back.
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
// does not wait for a disk that does not answer.
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

// close writes what is not written yet and gives the file back. Memory first: what is
// changed after that could no longer be written.
func (o *openedFile) close() error {
	o.memory.stop()
	err := o.writer.close()
	if errors.Is(err, errDiskTimeout) {
		return err // the disk belongs to who waits for it
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
