package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long opening waits for another process to let go of the
// file, as it does when one Caddy takes over from another.
const lockTimeout = time.Second

// The names in the file. A file that has other buckets and not ours belongs to
// another program.
var (
	aboutBucket = []byte("policy_auth")
	itemsBucket = []byte("items")
	formatKey   = []byte("format")
	format      = []byte("2")
	// formatBefore had one owner an item, and nothing in it was sealed.
	formatBefore = []byte("1")
)

// disk is the database file.
type disk struct{ db *bbolt.DB }

// openDisk opens or creates the file and makes sure that it is ours.
func openDisk(path string) (d *disk, err error) {
	var file *os.File
	defer func() {
		// bbolt closes the file when it fails but not when it panics; the lock
		// would stay with us and look like another process's.
		if err != nil && file != nil {
			_ = file.Close()
		}
	}()
	defer guard(&err, debug.SetPanicOnFault(true))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	if err != nil {
		return nil, explain(err)
	}
	d = &disk{db}
	if err := d.prepare(path); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// explain says in an operator's words what bbolt found.
func explain(err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return errors.New("another process has it open")
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, bbolterrors.ErrChecksum):
		return fmt.Errorf("not a store or damaged (%w)%s", err, moveAway)
	}
	return err
}

// prepare writes the buckets of an empty file, or checks those of another, and
// takes away what others may do with a file that was copied or restored.
func (d *disk) prepare(path string) error {
	if err := d.db.Update(claim); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

// claim makes an empty database ours, and refuses another's. What is in one of the
// format before counts no longer: its sessions could have been written by others.
func claim(tx *bbolt.Tx) error {
	about := tx.Bucket(aboutBucket)
	if about == nil {
		if name, _ := tx.Cursor().First(); name != nil {
			return errors.New("the database of another program; choose another file")
		}
		return begin(tx)
	}
	got := about.Get(formatKey)
	if bytes.Equal(got, formatBefore) && tx.Bucket(itemsBucket) != nil {
		return errors.Join(tx.DeleteBucket(aboutBucket), tx.DeleteBucket(itemsBucket), begin(tx))
	}
	if !bytes.Equal(got, format) || tx.Bucket(itemsBucket) == nil {
		return fmt.Errorf("a store of format %.20q, this program knows %q%s", got, format, moveAway)
	}
	return nil
}

// begin makes the buckets.
func begin(tx *bbolt.Tx) error {
	about, err := tx.CreateBucket(aboutBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucket(itemsBucket); err != nil {
		return err
	}
	return about.Put(formatKey, format)
}

// read hands every item to found, also the expired: they are swept with the
// others, a slice at a time.
func (d *disk) read(found func(*entry)) (err error) {
	defer guard(&err, debug.SetPanicOnFault(true))
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

// write makes changes in one transaction that is on disk when it returns.
func (d *disk) write(changes map[string]*entry) (err error) {
	defer guard(&err, debug.SetPanicOnFault(true))
	return d.db.Update(func(tx *bbolt.Tx) error {
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

// close gives the file back.
func (d *disk) close() (err error) {
	defer guard(&err, debug.SetPanicOnFault(true))
	return d.db.Close()
}

// guard turns a panic into an error: bbolt panics at a page that makes no
// sense, and a file cut short beneath it is a fault of memory, which
// SetPanicOnFault makes a panic while the guard stands. Used with defer.
func guard(err *error, before bool) {
	debug.SetPanicOnFault(before)
	if r := recover(); r != nil {
		*err = fmt.Errorf("damaged (%v)%s", r, moveAway)
	}
}

// moveAway is the advice about a file that cannot be read.
const moveAway = "; move it away to begin with an empty one"

// encode is the record of an entry: expiry in nanoseconds since 1970 (8 bytes),
// number of owners (1 byte), each owner after its length (2 bytes), value.
func (e *entry) encode() []byte {
	record := make([]byte, 0, e.cost())
	record = binary.BigEndian.AppendUint64(record, uint64(e.expires.UnixNano()))
	record = append(record, byte(len(e.owners)))
	for _, owner := range e.owners {
		record = binary.BigEndian.AppendUint16(record, uint16(len(owner)))
		record = append(record, owner...)
	}
	return append(record, e.value...)
}

// decode reads a record.
func decode(key string, record []byte) (*entry, error) {
	if len(record) < 9 {
		return nil, errShort
	}
	e := &entry{key: key, expires: time.Unix(0, int64(binary.BigEndian.Uint64(record)))}
	owners, rest := int(record[8]), record[9:]
	for range owners {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return nil, errShort
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		e.owners = append(e.owners, string(rest[2:end]))
		rest = rest[end:]
	}
	e.value = append([]byte{}, rest...)
	return e, nil
}

// errShort is about a record that is shorter than it says.
var errShort = errors.New("damaged (a short record)" + moveAway)
