package policy

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
)

// A cache key is the encoding of every input field that the decision reads. Each field is
// preceded by its length or type, so that different inputs have different keys, and a
// missing field differs from an empty one.

// appendText appends a text after its length.
func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

func appendBoolean(key []byte, value bool) []byte {
	if value {
		return append(key, 1)
	}
	return append(key, 0)
}

func appendNumber(key []byte, value int64) []byte { return binary.AppendVarint(key, value) }

// appendTexts appends a list after its length. Policies see nil as an empty one.
func appendTexts(key []byte, texts []string) []byte {
	key = binary.AppendUvarint(key, uint64(len(texts)))
	for _, text := range texts {
		key = appendText(key, text)
	}
	return key
}

// appendMembers appends an object, in the order of its names.
func appendMembers[V any](key []byte, members map[string]V, appendValue func([]byte, V) []byte) []byte {
	key = binary.AppendUvarint(key, uint64(len(members)))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		key = appendValue(appendText(key, name), members[name])
	}
	return key
}

// appendNamed appends some members of an object, each after whether it is there.
func appendNamed[V any](key []byte, members map[string]V, names []string, appendValue func([]byte, V) []byte) []byte {
	for _, name := range names {
		value, present := members[name]
		if key = appendBoolean(key, present); present {
			key = appendValue(key, value)
		}
	}
	return key
}

// Type tags that precede a JSON value in a key.
const (
	keyNull byte = iota
	keyFalse
	keyTrue
	keyText
	keyNumber
	keyList
	keyObject
	keyOther
)

// appendValue appends decoded JSON after its type.
func appendValue(key []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(key, keyNull)
	case bool:
		if v {
			return append(key, keyTrue)
		}
		return append(key, keyFalse)
	case string:
		return appendText(append(key, keyText), v)
	case json.Number:
		return appendText(append(key, keyNumber), string(v))
	case []any:
		key = binary.AppendUvarint(append(key, keyList), uint64(len(v)))
		for _, item := range v {
			key = appendValue(key, item)
		}
		return key
	case map[string]any:
		return appendMembers(append(key, keyObject), v, appendValue)
	}
	return appendText(append(key, keyOther), valueTerm(value).String()) // what else a constant may be, as policies see it
}
