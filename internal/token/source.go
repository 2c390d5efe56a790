package token

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// source is where a value stands among the claims.
type source struct {
	text    string   // as it was written
	steps   []string // the names on the way
	pointer bool     // a JSON pointer, whose steps may count the items of lists
}

// parseSource reads a source: a JSON pointer (RFC 6901) if it begins with a
// slash, else names joined with dots.
func parseSource(text string) (source, error) {
	s := source{text: text, pointer: strings.HasPrefix(text, "/")}
	if !s.pointer {
		s.steps = strings.Split(text, ".")
		if slices.Contains(s.steps, "") {
			return source{}, fmt.Errorf("%q has an empty name in it (allowed: names joined with dots, such as realm_access.roles, or a JSON pointer, such as /realm_access/roles)", text)
		}
		return s, nil
	}
	for _, step := range strings.Split(text, "/")[1:] {
		if err := checkEscapes(step); err != nil {
			return source{}, fmt.Errorf("%q %w", text, err)
		}
		step = strings.ReplaceAll(step, "~1", "/")
		s.steps = append(s.steps, strings.ReplaceAll(step, "~0", "~"))
	}
	return s, nil
}

// checkEscapes refuses a ~ that is not part of an escape (RFC 6901, section 3).
func checkEscapes(step string) error {
	for rest := step; ; {
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

// find returns the value at s. It is false if any step does not exist.
func (s source) find(claims object) (any, bool) {
	var value any = map[string]any(claims)
	for _, step := range s.steps {
		var found bool
		if value, found = s.child(value, step); !found {
			return nil, false
		}
	}
	return value, true
}

// isScope reports whether s is a claim that lists scopes (RFC 8693, section
// 4.2, and the name that Entra ID gives to it).
func (s source) isScope() bool {
	return len(s.steps) == 1 && (s.steps[0] == "scope" || s.steps[0] == "scp")
}

// child takes one step.
func (s source) child(value any, step string) (any, bool) {
	switch parent := value.(type) {
	case map[string]any:
		child, found := parent[step]
		return child, found
	case []any:
		i, err := strconv.Atoi(step)
		if !s.pointer || err != nil || strconv.Itoa(i) != step || i < 0 || i >= len(parent) {
			return nil, false
		}
		return parent[i], true
	}
	return nil, false
}
