package claimpath

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Field reads one field of an identity.
type Field func(*authenticator.Identity) any

// fields are the identity fields that have a name of their own.
var fields = map[string]Field{
	"id":       func(i *authenticator.Identity) any { return i.ID },
	"username": func(i *authenticator.Identity) any { return i.Username },
	"name":     func(i *authenticator.Identity) any { return i.Name },
	"email":    func(i *authenticator.Identity) any { return i.Email },
	"kind":     func(i *authenticator.Identity) any { return string(i.Kind) },
	"issuer":   func(i *authenticator.Identity) any { return i.Issuer },
	"method":   func(i *authenticator.Identity) any { return i.Method },
	"roles":    func(i *authenticator.Identity) any { return i.Roles },
	"groups":   func(i *authenticator.Identity) any { return i.Groups },
	"scopes":   func(i *authenticator.Identity) any { return i.Scopes },
}

// FieldNames returns the names that ParseField accepts, sorted; claims.<path>
// stands for any claim.
func FieldNames() []string {
	names := []string{"claims.<path>"}
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ParseField returns the field of the given name: one of FieldNames, where a
// claim's path is dotted or a JSON pointer (claims.team, claims./a~1b/c).
func ParseField(name string) (Field, error) {
	if field, ok := fields[name]; ok {
		return field, nil
	}
	pointer, ok := strings.CutPrefix(name, "claims.")
	if !ok {
		return nil, fmt.Errorf("unknown identity field %q, want one of %s", name, strings.Join(FieldNames(), " "))
	}
	path, err := Parse(pointer)
	if err != nil {
		return nil, fmt.Errorf("identity field %q: %w", name, err)
	}
	return func(i *authenticator.Identity) any {
		value, _ := path.Lookup(i.Claims)
		return value
	}, nil
}

// Text returns a field's value as one line for a header or a placeholder:
// lists are joined with a comma. It is false for a value that has no such
// form: an object, a list of lists, or an item that itself holds a comma and
// would pass for two.
func Text(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case []string:
		return join(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			text, ok := Text(item)
			if _, list := item.([]any); !ok || list {
				return "", false
			}
			items[i] = text
		}
		return join(items)
	}
	return "", false
}

func join(items []string) (string, bool) {
	if slices.ContainsFunc(items, func(s string) bool { return strings.Contains(s, ",") }) {
		return "", false
	}
	return strings.Join(items, ","), true
}
