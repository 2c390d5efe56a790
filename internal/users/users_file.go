package users

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// ParseUsers parses a users file: users.yaml if the name ends in .yaml or .yml, and
// htpasswd otherwise. A file without users is an error, because it was probably
// truncated. Errors name the file and the line.
func ParseUsers(name string, data []byte) ([]*User, error) {
	var (
		users []*User
		err   error
	)
	if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
		users, err = parseYAML(name, data)
	} else {
		users, err = parseHtpasswd(name, data)
	}
	if err == nil && len(users) == 0 {
		err = fmt.Errorf("%s: no user is in it", name)
	}
	return users, err
}

// userKeys are the allowed fields of a user in users.yaml.
var userKeys = []string{"password", "name", "roles", "groups", "email", "email_verified", "disabled", "expires", "claims"}

func parseYAML(name string, data []byte) ([]*User, error) {
	top, err := document(name, data, "users")
	if err != nil {
		return nil, err
	}
	var users []*User
	err = members(name, top, "users", nil, func(key, value *yaml.Node) error {
		if err := fields(name, value, "user "+key.Value, userKeys); err != nil {
			return err
		}
		var r record
		if err := value.Decode(&r); err != nil {
			return fmt.Errorf("%s:%d: user %s: %w", name, value.Line, key.Value, err)
		}
		user, err := newUser(key.Value, r)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, key.Line, err)
		}
		users = append(users, user)
		return nil
	})
	return users, err
}

// document parses a YAML file with one document, which is a mapping with one key,
// and returns the key's value.
func document(name string, data []byte, key string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the file is empty", name)
	} else if err != nil {
		if strings.Contains(err.Error(), "cannot start any token") {
			err = fmt.Errorf("%w; lines are indented with spaces, never with tabs", err)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the file has more than one YAML document", name)
	}
	var value *yaml.Node
	if top := root.Content[0]; top.Kind == yaml.ScalarNode && key == "users" {
		return nil, fmt.Errorf("%s:%d: the file: want users: and the users below; the name of an htpasswd file does not end in .yaml", name, top.Line)
	}
	err := members(name, root.Content[0], "the file", []string{key}, func(_, v *yaml.Node) error {
		value = v
		return nil
	})
	if err == nil && value == nil {
		err = fmt.Errorf("%s: the key %s is missing", name, key)
	}
	return value, err
}

// members calls f for each member of a mapping. Unknown and duplicate keys are
// errors; a nil allowed allows all keys.
func members(name string, node *yaml.Node, what string, allowed []string, f func(key, value *yaml.Node) error) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: %s: want a mapping, such as name: value", name, node.Line, what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			return fmt.Errorf("%s:%d: %s: a key has to be a word", name, key.Line, what)
		case seen[key.Value]:
			return fmt.Errorf("%s:%d: %s: %q is duplicated", name, key.Line, what, key.Value)
		case allowed != nil && !slices.Contains(allowed, key.Value):
			return fmt.Errorf("%s:%d: %s: unknown key %q%s; allowed: %s", name, key.Line, what, key.Value, textutil.DidYouMean(key.Value, allowed), strings.Join(allowed, " "))
		}
		seen[key.Value] = true
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// fields checks the fields of a user or of a key. A field without a value is an
// error: "disabled" without "true" must not enable a user, and an empty "expires"
// must not mean never.
func fields(name string, node *yaml.Node, what string, allowed []string) error {
	return members(name, node, what, allowed, func(key, value *yaml.Node) error {
		if isNull(value) {
			return fmt.Errorf("%s:%d: %s: %s has no value", name, key.Line, what, key.Value)
		}
		if wanted := expectedForm(key.Value, value); wanted != "" {
			return fmt.Errorf("%s:%d: %s: %s: %s", name, value.Line, what, key.Value, wanted)
		}
		return nil
	})
}

// expectedForm returns what a field's value must be, or "" if the value is valid.
func expectedForm(key string, value *yaml.Node) string {
	switch key {
	case "roles", "groups", "scopes", "networks":
		if value.Decode(new([]string)) != nil {
			return "want a list of words, such as [one, another]"
		}
	case "disabled", "email_verified":
		if value.Decode(new(bool)) != nil {
			return "want true or false, without quotes"
		}
	case "expires":
		var expires time.Time
		if value.Decode(&expires) != nil {
			return "want a time, such as 2027-01-01 or 2027-01-01T12:00:00Z"
		} else if expires.IsZero() {
			return "no time to expire at"
		}
	}
	return ""
}

func isNull(node *yaml.Node) bool {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// parseHtpasswd parses lines of name:hash. Only bcrypt hashes are accepted.
func parseHtpasswd(name string, data []byte) ([]*User, error) {
	var users []*User
	seen := map[string]bool{}
	scanner := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		user, hash, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%s:%d: want name:hash", name, number)
		}
		parsed, err := NewUser(user, hash)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		if seen[parsed.Name] {
			return nil, fmt.Errorf("%s:%d: user %s is there twice", name, number, parsed.Name)
		}
		seen[parsed.Name] = true
		users = append(users, parsed)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return users, nil
}
