package decision

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// named is one member of an object in a decision.
type named struct {
	name  string
	value any
}

// decodeMembers takes an object apart, in the order of its names, so that equal
// decisions are decoded in the same way. The form says what was wanted.
func decodeMembers(value any, form string) ([]named, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New(form)
	}
	if len(object) > maxItems {
		return nil, tooMany()
	}
	members := make([]named, 0, len(object))
	for _, name := range slices.Sorted(maps.Keys(object)) {
		members = append(members, named{name, object[name]})
	}
	return members, nil
}

func tooMany() error { return fmt.Errorf("more than %d members", maxItems) }

func decodeText(target *string, value any, limit int) error {
	text, ok := value.(string)
	switch {
	case !ok:
		return errors.New("want a string")
	case len(text) > limit:
		return fmt.Errorf("longer than %d bytes", limit)
	}
	*target = text
	return nil
}

// decodeInt takes a whole number as it is written; none is made of a fraction,
// an exponent or a string.
func decodeInt(value any) (int64, error) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, errors.New("want a whole number")
	}
	whole, err := number.Int64()
	if err != nil {
		return 0, errors.New("want a whole number")
	}
	return whole, nil
}

func decodeStrings(value any) ([]string, error) {
	items, ok := value.([]any)
	if !ok {
		return nil, errors.New("want a list or a set of strings")
	}
	if len(items) > maxItems {
		return nil, tooMany()
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i], ok = item.(string); !ok {
			return nil, errors.New("want strings")
		}
	}
	return texts, nil
}

// decodeWords takes words as a list, or as one string with spaces between. A
// word is what may be in a challenge's scope (RFC 6750, section 3).
func decodeWords(value any) ([]string, error) {
	var words []string
	if text, ok := value.(string); ok {
		words = strings.Fields(text)
	} else {
		var err error
		if words, err = decodeStrings(value); err != nil {
			return nil, err
		}
	}
	for _, word := range words {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			return nil, errors.New("want words of printable ASCII without quotes and backslashes")
		}
	}
	return words, nil
}
