package identity

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Path points into decoded JSON, such as a token's claims. Call ParsePath.
type Path []string

// ParsePath reads a dotted path (realm_access.roles) or, where it begins with a
// slash, a JSON pointer (RFC 6901; /https:~1~1example.com~1roles).
func ParsePath(s string) (Path, error) {
	if !strings.HasPrefix(s, "/") {
		path := strings.Split(s, ".")
		for _, name := range path {
			if name == "" {
				return nil, fmt.Errorf("path %q has an empty name; a claim whose name holds a dot is written as a JSON pointer, such as /a.b", s)
			}
		}
		return path, nil
	}
	path := strings.Split(s[1:], "/")
	for i, name := range path {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(name), "~") {
			return nil, errors.New("a JSON pointer writes ~ as ~0 and / as ~1: " + strconv.Quote(s))
		}
		path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return path, nil
}

// Lookup returns what p points to in a decoded JSON value and whether it is there.
func (p Path) Lookup(value any) (any, bool) {
	for _, name := range p {
		switch at := value.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != name {
				return nil, false
			}
			value = at[i]
		default:
			return nil, false
		}
	}
	return value, true
}
