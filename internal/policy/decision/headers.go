package decision

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"

	"github.com/policyauth/caddy-policy-auth/internal/headers"
)

// checkHeader returns an error for a name that is no header's or is none that a
// policy may set or remove.
func checkHeader(name string) error {
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%q is not a header's name", name)
	case headers.BelongsToConnection(name):
		return fmt.Errorf("%s belongs to the connection and is not a policy's to change", name)
	}
	return nil
}

// decodeHeaders takes an object from names to a string or a list of strings.
func decodeHeaders(target *http.Header, value any) error {
	members, err := decodeMembers(value, "want an object from names to strings or lists of strings")
	if err != nil {
		return err
	}
	result, room := make(http.Header, len(members)), maxBody
	for _, m := range members {
		if err := checkHeader(m.name); err != nil {
			return err
		}
		lines, err := decodeLines(m.value)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, line := range lines {
			room -= len(m.name) + len(line)
		}
		key := http.CanonicalHeaderKey(m.name)
		switch {
		case room < 0:
			return fmt.Errorf("more than %d bytes in all", maxBody)
		case result[key] != nil:
			return fmt.Errorf("%s is there in two spellings", key)
		}
		result[key] = lines
	}
	*target = result
	return nil
}

// decodeLines takes a header's value, or a list of them.
func decodeLines(value any) ([]string, error) {
	if text, ok := value.(string); ok {
		value = []any{text}
	}
	lines, err := decodeStrings(value)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(lines, func(line string) bool { return !httpguts.ValidHeaderFieldValue(line) }) {
		return nil, errors.New("a value that cannot stand in a header")
	}
	return lines, nil
}

func (d *decoder) decodeRemoved(value any) error {
	names, err := decodeStrings(value)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := checkHeader(name); err != nil {
			return err
		}
	}
	d.decision.RequestHeadersToRemove = names
	return nil
}
