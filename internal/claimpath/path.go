// Package claimpath reads values out of an identity: its fields by name, and claims
// by a path.
package claimpath

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Path points into decoded JSON, such as a token's claims. Call Parse.
type Path struct {
	text    string   // as it was written
	names   []string // the names on the way
	pointer bool     // a JSON pointer, whose names may count the items of lists
}

// Parse reads a JSON pointer (RFC 6901) if the text begins with a slash
// (/https:~1~1example.com~1roles), else names joined with dots
// (realm_access.roles).
func Parse(text string) (Path, error) {
	p := Path{text: text, pointer: strings.HasPrefix(text, "/")}
	if !p.pointer {
		p.names = strings.Split(text, ".")
		if slices.Contains(p.names, "") {
			return Path{}, fmt.Errorf("%q has an empty name in it (allowed: names joined with dots, such as realm_access.roles, or a JSON pointer, such as /realm_access/roles)", text)
		}
		if strings.Contains(text, "[") {
			return Path{}, fmt.Errorf("%q has a [ in it, and a dotted path names members of objects alone: write an item of a list, or a name with a [, in a JSON pointer, such as /roles/0", text)
		}
		return p, nil
	}
	for _, name := range strings.Split(text, "/")[1:] {
		if err := checkEscapes(name); err != nil {
			return Path{}, fmt.Errorf("%q %w", text, err)
		}
		name = strings.ReplaceAll(name, "~1", "/")
		p.names = append(p.names, strings.ReplaceAll(name, "~0", "~"))
	}
	return p, nil
}

// checkEscapes refuses a ~ that is not part of an escape (RFC 6901, section 3).
func checkEscapes(name string) error {
	for rest := name; ; {
		_, after, found := strings.Cut(rest, "~")
		if !found {
			return nil
		}
		if after == "" || after[0] != '0' && after[0] != '1' {
			return errors.New("has a ~ that is neither ~0 (for ~) nor ~1 (for /)")
		}
		rest = after[1:]
	}
}

// String returns the path as it was written.
func (p Path) String() string { return p.text }

// Names returns the names on the way. The caller must not change them.
func (p Path) Names() []string { return p.names }

// Lookup returns what p points to in a decoded JSON value. It is false if any
// step does not exist.
func (p Path) Lookup(value any) (any, bool) {
	for _, name := range p.names {
		var found bool
		if value, found = p.child(value, name); !found {
			return nil, false
		}
	}
	return value, true
}

// child takes one step.
func (p Path) child(value any, name string) (any, bool) {
	switch parent := value.(type) {
	case map[string]any:
		child, found := parent[name]
		return child, found
	case []any:
		i, err := strconv.Atoi(name)
		if !p.pointer || err != nil || strconv.Itoa(i) != name || i < 0 || i >= len(parent) {
			return nil, false
		}
		return parent[i], true
	}
	return nil, false
}
