package store

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// database is the file that the writer writes to. If the file breaks, database
// closes it, and the next write opens it again and writes everything that is in
// memory. This process is the file's only writer, so that the memory is right even
// if another program truncates, removes or replaces the file.
type database struct {
	opener
	disk *disk                    // nil while it is dropped
	all  func() map[string]*entry // everything in memory
}

// write writes changes, and drops the disk if it is broken.
func (d *database) write(changes map[string]*entry) error {
	if d.disk == nil {
		return d.reopen()
	}
	err := d.disk.write(changes)
	if isBroken(err) {
		d.disk.abandon()
		d.disk = nil
	}
	return err
}

// reopen opens the file again and writes everything.
func (d *database) reopen() error {
	opened, err := d.open()
	if err != nil {
		return err
	}
	if err := opened.replace(d.all()); err != nil {
		return errors.Join(err, opened.end(err))
	}
	d.disk = opened
	return nil
}

// close closes the file.
func (d *database) close() error {
	if d.disk == nil {
		return nil
	}
	return d.disk.close()
}

// opener opens a file. It does not try a damaged file again until the file changes:
// each attempt would leak a memory mapping.
type opener struct {
	path    string
	damaged os.FileInfo // nil if it is not damaged
	damage  error
}

// open opens the file.
func (o *opener) open() (*disk, error) {
	if now, err := os.Stat(o.path); err == nil && o.damaged != nil && isUnchanged(now, o.damaged) {
		return nil, o.damage
	}
	o.damaged = nil
	d, err := openDisk(o.path)
	if isBroken(err) {
		o.markDamaged(err)
	}
	return d, err
}

// markDamaged remembers that the current file is damaged.
func (o *opener) markDamaged(failure error) {
	if now, err := os.Stat(o.path); err == nil {
		o.damaged, o.damage = now, failure
	}
}

// isUnchanged reports whether a file has not changed.
func isUnchanged(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// broken is an error after which a disk must not be used: it may hold locks
// forever, or overwrite other data.
type broken struct{ error }

// Unwrap returns the reason.
func (b broken) Unwrap() error { return b.error }

func isBroken(err error) bool {
	var b broken
	return errors.As(err, &b)
}

// diskTimeout is how long a caller waits for the disk. A disk that does not
// respond, such as a network disk, blocks only its own goroutine.
const diskTimeout = 5 * time.Second

// errDiskTimeout is the error while the disk does not respond.
var errDiskTimeout = fmt.Errorf("%w: the disk has not answered for %s", ErrUnavailable, diskTimeout)
