package token

import (
	"errors"
	"fmt"

	"github.com/policyauth/caddy-policy-auth/internal/strictjson"
)

const (
	// maxDepth is how deep arrays and objects may nest, the outermost included.
	maxDepth = 16
	// maxMembers is how many members an outermost object may have.
	maxMembers = 256
)

// object is a decoded JSON object. Its numbers are json.Number, and its names are
// case-sensitive.
type object map[string]any

// decodeObject decodes a JSON object and rejects duplicate members at any depth
// (RFC 7515, section 4).
func decodeObject(data []byte) (object, error) {
	value, err := strictjson.Decode(data, maxDepth)
	if err != nil {
		return nil, err
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("is not a JSON object")
	}
	if len(members) > maxMembers {
		return nil, fmt.Errorf("has more than %d members", maxMembers)
	}
	return members, nil
}

// text returns the string member with a name. Present is false if the member is
// missing or null (OpenID Connect Core, section 5.3.2). Any other type is an error.
func (o object) text(name string) (value string, present bool, err error) {
	member := o[name]
	if member == nil {
		return "", false, nil
	}
	value, ok := member.(string)
	if !ok {
		return "", true, fmt.Errorf("has a %s that is not a string", name)
	}
	return value, true, nil
}

// texts returns a member that is a list of strings, like text.
func (o object) texts(name string) (values []string, present bool, err error) {
	member := o[name]
	if member == nil {
		return nil, false, nil
	}
	values, ok := stringList(member)
	if !ok {
		return nil, true, fmt.Errorf("has a %s that is not a list of strings", name)
	}
	return values, true, nil
}

// stringList returns a decoded array whose items are all strings.
func stringList(value any) ([]string, bool) {
	items, ok := value.([]any)
	if !ok {
		return nil, false
	}
	values := make([]string, len(items))
	for i, item := range items {
		if values[i], ok = item.(string); !ok {
			return nil, false
		}
	}
	return values, true
}
