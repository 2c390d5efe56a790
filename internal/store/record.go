package store

import (
	"encoding/binary"
	"errors"
	"time"
)

// encode returns the record of an entry: the expiry in nanoseconds since 1970 (8
// bytes), the number of owners (1 byte), each owner after its length (2 bytes), and
// the value.
func (e *entry) encode() []byte {
	record := make([]byte, 0, e.cost())
	record = binary.BigEndian.AppendUint64(record, uint64(e.expires.UnixNano()))
	record = append(record, byte(len(e.owners))) //nolint:gosec // bounded
	for _, owner := range e.owners {
		record = binary.BigEndian.AppendUint16(record, uint16(len(owner))) //nolint:gosec // bounded
		record = append(record, owner...)
	}
	return append(record, e.value...)
}

// decode parses a record.
func decode(key string, record []byte) (*entry, error) {
	if len(record) < 9 {
		return nil, errShortRecord
	}
	e := &entry{key: key, expires: time.Unix(0, int64(binary.BigEndian.Uint64(record)))} //nolint:gosec // a time
	owners, rest := int(record[8]), record[9:]
	for range owners {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return nil, errShortRecord
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		e.owners = append(e.owners, string(rest[2:end]))
		rest = rest[end:]
	}
	e.value = append([]byte{}, rest...)
	return e, nil
}

// errShortRecord is the error of a truncated record.
var errShortRecord = errors.New("damaged (a short record)" + moveAwayHint)
