package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// checkText refuses what is not JSON, and what encoding/json would silently
// replace.
func checkText(data []byte) error {
	switch {
	case !utf8.Valid(data):
		return errors.New("is not UTF-8")
	case !json.Valid(data):
		return errors.New("is not JSON")
	case !surrogatesPaired(data):
		return errors.New("holds half of a surrogate pair")
	}
	return nil
}

// surrogatesPaired reports whether every \u escape of a surrogate in valid JSON
// is one of a pair. encoding/json replaces lone ones, by which two different
// names would become one.
func surrogatesPaired(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 {
			return true
		}
		data = data[i:]
		unit := escapedUnit(data)
		switch {
		case 0xD800 <= unit && unit < 0xDC00:
			if low := escapedUnit(data[6:]); low < 0xDC00 || low >= 0xE000 {
				return false
			}
			data = data[12:]
		case 0xDC00 <= unit && unit < 0xE000:
			return false
		default:
			data = data[2:] // the backslash and what it escapes, perhaps another
		}
	}
}

// escapedUnit returns the UTF-16 unit of the \u escape that data begins with,
// or 0 if it begins with none.
func escapedUnit(data []byte) uint64 {
	if !bytes.HasPrefix(data, []byte(`\u`)) {
		return 0
	}
	unit, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return unit
}
