// Package strictjson reads JSON (RFC 8259) more strictly than encoding/json: no
// member twice, nothing but UTF-8, no half of a surrogate pair, no number beyond
// a double's range, nothing after the value. Nothing is replaced or converted,
// so that two readers of one text cannot disagree.
package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
)

// Decode reads one value in which arrays and objects nest at most maxDepth deep,
// the outermost included. It returns nil, booleans, strings, json.Number as it
// was written, []any and map[string]any. All strings share one copy of the text, so
// that each of them keeps all of it in memory.
func Decode(data []byte, maxDepth int) (any, error) {
	return decode(data, reader{maxDepth: maxDepth, copied: string(data), proceed: func() error { return nil }})
}

// DecodeWhile is Decode for what may be large: it is given up, with the error, as
// soon as proceed returns one, and each string is a copy of its own.
func DecodeWhile(data []byte, maxDepth int, proceed func() error) (any, error) {
	return decode(data, reader{maxDepth: maxDepth, proceed: proceed})
}

func decode(data []byte, r reader) (any, error) {
	if err := checkText(data); err != nil {
		return nil, err
	}
	r.data, r.pending = data, pendingPool.Get().(*pending)
	defer r.pending.free()
	return r.value(1)
}

// reader reads JSON that checkText found good, which is why it looks for no
// end of data. It sees duplicate names, which encoding/json hides, and reads
// tokens with a quarter of the allocations of json.Decoder.
type reader struct {
	data     []byte
	copied   string // data, or "" if each string is copied by itself
	at       int
	maxDepth int
	count    int // of values
	proceed  func() error
	*pending
}

// pending is what has been read of the objects and arrays that are not read to their
// ends, the outermost first. They are counted before they are put into a map or a
// slice, which would otherwise grow several times.
type pending struct {
	names  []string // of members
	values []any    // of members, and items
}

// maxPending is how many are kept for the next text.
const maxPending = 64

var pendingPool = sync.Pool{New: func() any { return new(pending) }}

// free keeps the memory for the next text, and nothing of this one.
func (p *pending) free() {
	p.names, p.values = p.names[:cap(p.names)], p.values[:cap(p.values)]
	if len(p.names) > maxPending || len(p.values) > maxPending {
		return
	}
	clear(p.names)
	clear(p.values)
	p.names, p.values = p.names[:0], p.values[:0]
	pendingPool.Put(p)
}

// checkInterval is how many values are read from one look at proceed to the next.
const checkInterval = 1024

// value reads the next value at a depth of nesting.
func (r *reader) value(depth int) (any, error) {
	r.space()
	if r.count++; r.count%checkInterval == 0 {
		if err := r.proceed(); err != nil {
			return nil, err
		}
	}
	c := r.data[r.at]
	if (c == '{' || c == '[') && depth > r.maxDepth {
		return nil, fmt.Errorf("nests deeper than %d levels", r.maxDepth)
	}
	switch c {
	case '{':
		return r.members(depth)
	case '[':
		return r.items(depth)
	case '"':
		return r.text()
	case 'n':
		r.at += len("null")
		return nil, nil
	case 't':
		r.at += len("true")
		return true, nil
	case 'f':
		r.at += len("false")
		return false, nil
	}
	return r.number()
}

// members reads an object.
func (r *reader) members(depth int) (any, error) {
	names, values := len(r.names), len(r.values)
	for r.at++; r.more('}'); {
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		r.names = append(r.names, name)
		r.space()
		r.at++ // the colon
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		r.values = append(r.values, value)
	}
	members := make(map[string]any, len(r.names)-names)
	for i, name := range r.names[names:] {
		if members[name] = r.values[values+i]; len(members) <= i {
			return nil, fmt.Errorf("has two members named %q", name)
		}
	}
	r.names, r.values = r.names[:names], r.values[:values]
	return members, nil
}

// items reads an array.
func (r *reader) items(depth int) (any, error) {
	values := len(r.values)
	for r.at++; r.more(']'); {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		r.values = append(r.values, item)
	}
	items := make([]any, len(r.values)-values)
	copy(items, r.values[values:])
	r.values = r.values[:values]
	return items, nil
}

// more goes to the next member or item, or past the closing character.
func (r *reader) more(closing byte) bool {
	r.space()
	switch r.data[r.at] {
	case closing:
		r.at++
		return false
	case ',':
		r.at++
		r.space()
	}
	return true
}

// text reads a string.
func (r *reader) text() (string, error) {
	start, escaped := r.at, false
	for r.at++; r.data[r.at] != '"'; r.at++ {
		if r.data[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	quoted := r.data[start:r.at]
	if !escaped {
		return r.slice(start+1, r.at-1), nil
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err
}

// number reads a number, as it is written.
func (r *reader) number() (any, error) {
	length := bytes.IndexAny(r.data[r.at:], ",]} \t\r\n")
	if length < 0 {
		length = len(r.data) - r.at
	}
	text := r.slice(r.at, r.at+min(length, MaxNumber+1))
	r.at += length
	if err := CheckNumber(text); err != nil {
		return nil, err
	}
	return json.Number(text), nil
}

// slice returns a part of the text.
func (r *reader) slice(from, to int) string {
	if r.copied != "" {
		return r.copied[from:to]
	}
	return string(r.data[from:to])
}

// space passes over white space.
func (r *reader) space() {
	for c := r.data[r.at]; c == ' ' || c == '\t' || c == '\r' || c == '\n'; c = r.data[r.at] {
		r.at++
	}
}
