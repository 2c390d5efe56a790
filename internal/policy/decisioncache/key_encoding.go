package decisioncache

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A cache key is the encoding of every input field that the decision reads. Each field is
// preceded by its length or type, so that different inputs have different keys, and a
// missing field differs from an empty one.

// AppendText appends a text after its length.
func AppendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

// AppendBoolean appends a boolean, as one byte.
func AppendBoolean(key []byte, value bool) []byte {
	if value {
		return append(key, 1)
	}
	return append(key, 0)
}

// AppendNumber appends an integer.
func AppendNumber(key []byte, value int64) []byte { return binary.AppendVarint(key, value) }

// AppendTexts appends a list after its length. Policies see nil as an empty one.
func AppendTexts(key []byte, texts []string) []byte {
	key = binary.AppendUvarint(key, uint64(len(texts)))
	for _, text := range texts {
		key = AppendText(key, text)
	}
	return key
}

// AppendMembers appends an object, in the order of its names.
func AppendMembers[V any](key []byte, members map[string]V, appendValue func([]byte, V) []byte) []byte {
	key = binary.AppendUvarint(key, uint64(len(members)))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		key = appendValue(AppendText(key, name), members[name])
	}
	return key
}

// AppendNamed appends some members of an object, each after whether it is there.
func AppendNamed[V any](key []byte, members map[string]V, names []string, appendValue func([]byte, V) []byte) []byte {
	for _, name := range names {
		value, present := members[name]
		if key = AppendBoolean(key, present); present {
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

// AppendValue appends decoded JSON after its type.
func AppendValue(key []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(key, keyNull)
	case bool:
		if v {
			return append(key, keyTrue)
		}
		return append(key, keyFalse)
	case string:
		return AppendText(append(key, keyText), v)
	case json.Number:
		return AppendText(append(key, keyNumber), string(v))
	case []any:
		key = binary.AppendUvarint(append(key, keyList), uint64(len(v)))
		for _, item := range v {
			key = AppendValue(key, item)
		}
		return key
	case map[string]any:
		return AppendMembers(append(key, keyObject), v, AppendValue)
	}
	return AppendText(append(key, keyOther), foreignText(value))
}

// foreignText returns the text of a value that decoded JSON does not have, as policies
// see it: an authenticator of another module may put one into claims.
func foreignText(value any) string {
	converted, err := ast.InterfaceToValue(value)
	if err != nil {
		return "" // policies see null
	}
	return converted.String()
}
