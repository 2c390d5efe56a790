package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long opening waits for another process to unlock the file,
// when a new Caddy process replaces an old one.
const lockTimeout = time.Second

// The names in the file. A file that has other buckets and not ours belongs to
// another program.
var (
	aboutBucket = []byte("policy_auth")
	itemsBucket = []byte("items")
	formatKey   = []byte("format")
	format      = []byte("2")
	// previousFormat had one owner an item, and nothing in it was sealed.
	previousFormat = []byte("1")
)

// disk is the open database file, used by one goroutine at a time.
type disk struct {
	db              *bbolt.DB
	file            *os.File
	path            string
	size            int64 // the minimum size of the file
	lastTransaction int   // the ID of our last transaction, or 0
}

// openDisk opens or creates the file and checks that it is ours.
func openDisk(path string) (d *disk, err error) {
	d = &disk{path: path}
	defer func() {
		// bbolt closes the file when it fails but not when it panics; the lock
		// would stay with us and look like another process's.
		if err != nil {
			d.abandon()
			d = nil
		}
	}()
	defer recoverDamage(&err, debug.SetPanicOnFault(true))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return d, err
	}
	d.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true, OpenFile: d.openFile,
	})
	if err != nil {
		return d, explainOpenError(err)
	}
	if err := d.prepare(path); err != nil {
		return d, errors.Join(err, d.db.Close())
	}
	return d, nil
}

// openFile opens the file for bbolt. It rejects what is not a regular file, and
// does not block on a pipe.
func (d *disk) openFile(name string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(name, flag|syscall.O_NONBLOCK, mode)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	d.file = file
	return file, nil
}

// explainOpenError turns an error of bbolt into one for operators.
func explainOpenError(err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return errors.New("another process has it open")
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, bbolterrors.ErrChecksum):
		return fmt.Errorf("not a store or damaged (%w)%s", err, moveAwayHint)
	case strings.Contains(err.Error(), "file size too small"): // bbolt exports no error for it
		return fmt.Errorf("damaged (%w)%s", err, moveAwayHint)
	}
	return err
}

// prepare creates the buckets of an empty file or checks those of another, and
// restricts the file's mode.
func (d *disk) prepare(path string) error {
	if err := d.update(checkFormat); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

// checkFormat creates the buckets of an empty database and rejects one of another
// program. It deletes the content of the previous format, whose sessions other
// programs could have written.
func checkFormat(tx *bbolt.Tx) error {
	about := tx.Bucket(aboutBucket)
	if about == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return errors.New("the database of another program; choose another file")
		}
		return createBuckets(tx)
	}
	got := about.Get(formatKey)
	if bytes.Equal(got, previousFormat) && tx.Bucket(itemsBucket) != nil {
		return errors.Join(tx.DeleteBucket(aboutBucket), tx.DeleteBucket(itemsBucket), createBuckets(tx))
	}
	if !bytes.Equal(got, format) || tx.Bucket(itemsBucket) == nil {
		return fmt.Errorf("a store of format %.20q, this program knows %q%s", got, format, moveAwayHint)
	}
	return nil
}

// createBuckets creates the buckets.
func createBuckets(tx *bbolt.Tx) error {
	about, err := tx.CreateBucket(aboutBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucket(itemsBucket); err != nil {
		return err
	}
	return about.Put(formatKey, format)
}

// read calls found with every item, including expired ones, which are removed later
// in batches.
func (d *disk) read(found func(*entry)) (err error) {
	defer recoverDamage(&err, debug.SetPanicOnFault(true))
	return d.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(itemsBucket).ForEach(func(key, record []byte) error {
			e, err := decode(string(key), record)
			if err == nil {
				found(e)
			}
			return err
		})
	})
}

// write writes changes in one transaction, which is on disk when it returns.
func (d *disk) write(changes map[string]*entry) (err error) {
	if err := d.checkInPlace(); err != nil {
		return err
	}
	defer recoverDamage(&err, debug.SetPanicOnFault(true))
	return d.update(func(tx *bbolt.Tx) error {
		items := tx.Bucket(itemsBucket)
		for key, e := range changes {
			var err error
			if e == nil {
				err = items.Delete([]byte(key))
			} else {
				err = items.Put([]byte(key), e.encode())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// replace replaces all items.
func (d *disk) replace(all map[string]*entry) (err error) {
	defer recoverDamage(&err, debug.SetPanicOnFault(true))
	return d.update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket(itemsBucket); err != nil {
			return err
		}
		items, err := tx.CreateBucket(itemsBucket)
		if err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if err := items.Put([]byte(key), all[key].encode()); err != nil {
				return err
			}
		}
		return nil
	})
}

// update runs a transaction. Its ID must follow that of our last one. Otherwise
// another process has written to the file in spite of the lock.
func (d *disk) update(change func(*bbolt.Tx) error) error {
	var id int
	err := d.db.Update(func(tx *bbolt.Tx) error {
		if id = tx.ID(); d.lastTransaction != 0 && id != d.lastTransaction+1 {
			return broken{errors.New("another process has written to it")}
		}
		return change(tx)
	})
	if err != nil {
		return err
	}
	d.lastTransaction = id
	if info, err := d.file.Stat(); err == nil {
		d.size = info.Size()
	}
	return nil
}

// checkInPlace returns an error if the open file is no longer the one at its path,
// or if it was truncated: what is written to it would be lost.
func (d *disk) checkInPlace() error {
	there, err := os.Stat(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // may be temporary
	}
	ours, failure := d.file.Stat()
	switch {
	case failure != nil:
		return broken{failure}
	case err != nil:
		return broken{errors.New("it was removed")}
	case !os.SameFile(there, ours):
		return broken{errors.New("another file has taken its place")}
	case ours.Size() < d.size:
		return broken{fmt.Errorf("it was cut from %d to %d bytes", d.size, ours.Size())}
	}
	return nil
}

// close closes the file.
func (d *disk) close() (err error) {
	defer recoverDamage(&err, debug.SetPanicOnFault(true))
	return d.db.Close()
}

// end closes the file after an error.
func (d *disk) end(err error) error {
	if isBroken(err) {
		d.abandon()
		return nil
	}
	return d.close()
}

// abandon unlocks and closes the file without bbolt, which may hold its own locks
// forever after a panic. The memory mapping remains and would otherwise keep the
// file locked.
func (d *disk) abandon() {
	if d.file != nil {
		_ = unlock(d.file)
		_ = d.file.Close()
	}
}

// recoverDamage turns a panic into an error. Use it with defer. bbolt panics if a
// page is invalid, and access to a truncated mapped file is a memory fault.
// SetPanicOnFault turns such a fault in this goroutine into a panic; in others it
// ends the process. After a panic bbolt may hold locks, so that only abandon may be
// called.
func recoverDamage(err *error, before bool) {
	debug.SetPanicOnFault(before)
	if r := recover(); r != nil {
		*err = broken{fmt.Errorf("damaged (%v)%s", r, moveAwayHint)}
	}
}

// moveAwayHint is the advice for a file that cannot be read.
const moveAwayHint = "; move it away to begin with an empty one"
