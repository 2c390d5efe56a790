package store

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// database is the file as the journal writes it. Once it is broken beneath us, the
// disk is dropped, and the next write opens the file anew and puts everything in it
// that is in memory: this process has been the file's only writer, so that memory
// is right, also where somebody has cut, removed or replaced the file.
type database struct {
	opener
	disk *disk                    // nil while it is dropped
	all  func() map[string]*entry // everything in memory
}

// write makes changes, or drops the disk if it turns out to be broken.
func (d *database) write(changes map[string]*entry) error {
	if d.disk == nil {
		return d.renew()
	}
	err := d.disk.write(changes)
	if isBroken(err) {
		d.disk.abandon()
		d.disk = nil
	}
	return err
}

// renew opens the file anew.
func (d *database) renew() error {
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

// close gives the file back.
func (d *database) close() error {
	if d.disk == nil {
		return nil
	}
	return d.disk.close()
}

// opener opens a file, but not again one that it has seen to be damaged, until it
// is another: each attempt at it would cost a mapping that cannot be given back.
type opener struct {
	path    string
	damaged os.FileInfo // nil if it was not
	failure error
}

// open opens the file.
func (o *opener) open() (*disk, error) {
	if now, err := os.Stat(o.path); err == nil && o.damaged != nil && sameState(now, o.damaged) {
		return nil, o.failure
	}
	o.damaged = nil
	d, err := openDisk(o.path)
	if isBroken(err) {
		o.note(err)
	}
	return d, err
}

// note remembers that the file as it is now is damaged.
func (o *opener) note(failure error) {
	if now, err := os.Stat(o.path); err == nil {
		o.damaged, o.failure = now, failure
	}
}

// sameState reports whether a file is as it was.
func sameState(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// broken is an error after which a disk is not to be used any more: it may hold
// locks that nobody gives back, or write over what others wrote.
type broken struct{ error }

// Unwrap returns the reason.
func (b broken) Unwrap() error { return b.error }

func isBroken(err error) bool {
	var b broken
	return errors.As(err, &b)
}

// diskPatience is how long anybody waits for the disk. One that does not answer, as
// a network's may not, keeps its goroutine and nobody else.
const diskPatience = 5 * time.Second

// errStuck is the answer while the disk does not answer.
var errStuck = fmt.Errorf("%w: the disk has not answered for %s", ErrUnavailable, diskPatience)
