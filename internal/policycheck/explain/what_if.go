package explain

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Changes are changes of the caller, for what-if questions.
type Changes struct {
	// Anonymous makes the caller anonymous.
	Anonymous bool `json:"anonymous,omitempty"`
	// As makes the caller a user with that ID and name, with only the roles, groups, scopes
	// and claims that other changes add.
	As string `json:"as,omitempty"`
	// Roles, groups, scopes and claims that are added or removed.
	Roles         []string       `json:"roles,omitempty"`
	WithoutRoles  []string       `json:"without_roles,omitempty"`
	Groups        []string       `json:"groups,omitempty"`
	WithoutGroups []string       `json:"without_groups,omitempty"`
	Scopes        []string       `json:"scopes,omitempty"`
	WithoutScopes []string       `json:"without_scopes,omitempty"`
	Claims        map[string]any `json:"claims,omitempty"`
}

// ChangeNames are the members of Changes in JSON.
var ChangeNames = []string{"anonymous", "as", "roles", "without_roles", "groups", "without_groups", "scopes", "without_scopes", "claims"}

// Any reports whether there are changes.
func (c Changes) Any() bool {
	return c.Anonymous || c.As != "" || len(c.Claims) > 0 ||
		len(c.Roles)+len(c.WithoutRoles)+len(c.Groups)+len(c.WithoutGroups)+len(c.Scopes)+len(c.WithoutScopes) > 0
}

func (c Changes) check() error {
	if c.Anonymous && (c.As != "" || len(c.Claims) > 0 || len(c.Roles)+len(c.Groups)+len(c.Scopes) > 0) {
		return errors.New("anonymous cannot be combined with a name, roles, groups, scopes or claims")
	}
	return nil
}

// apply changes the caller of an input document and returns a description. Roles cannot be
// added to an anonymous caller.
func (c Changes) apply(document map[string]any) ([]string, error) {
	if !c.Any() {
		return nil, nil
	}
	caller, _ := document["identity"].(map[string]any)
	var said []string
	switch {
	case c.Anonymous:
		caller, said = anonymous(), append(said, "as an anonymous caller")
	case c.As != "":
		caller, said = anonymous(), append(said, "as "+c.As)
		maps.Copy(caller, map[string]any{"authenticated": true, "kind": "user", "id": c.As, "username": c.As})
	case caller == nil:
		return nil, errors.New("the input has no identity to change; set a caller with --as")
	}
	for _, list := range []struct {
		name           string
		added, removed []string
	}{{"roles", c.Roles, c.WithoutRoles}, {"groups", c.Groups, c.WithoutGroups}, {"scopes", c.Scopes, c.WithoutScopes}} {
		if len(list.added) > 0 && caller["authenticated"] != true {
			return nil, fmt.Errorf("%s: the caller is anonymous; set a caller with --as", list.name)
		}
		caller[list.name] = changed(caller[list.name], list.added, list.removed)
		said = append(said, spoken("with", list.name, list.added)...)
		said = append(said, spoken("without", list.name, list.removed)...)
	}
	if len(c.Claims) > 0 {
		claims, _ := caller["claims"].(map[string]any)
		claims = maps.Clone(claims)
		if claims == nil {
			claims = map[string]any{}
		}
		maps.Copy(claims, c.Claims)
		caller["claims"] = claims
		said = append(said, spoken("with", "claims", slices.Sorted(maps.Keys(c.Claims)))...)
	}
	document["identity"] = caller
	return said, nil
}

// anonymous returns an anonymous caller as input.identity.
func anonymous() map[string]any {
	list := func() []any { return []any{} }
	return map[string]any{
		"authenticated": false, "kind": "anonymous", "id": "", "username": "", "name": "", "issuer": "", "method": "",
		"roles": list(), "groups": list(), "scopes": list(), "email": "", "claims": map[string]any{},
		"acr": "", "amr": list(), "auth_time": 0, "expires_at": 0, "bound": "none", "unknown": list(),
	}
}

// changed returns a list with some words added and others removed.
func changed(value any, added, removed []string) []any {
	list, _ := value.([]any)
	result := []any{}
	for _, item := range list {
		if text, ok := item.(string); !ok || !slices.Contains(removed, text) {
			result = append(result, item)
		}
	}
	for _, word := range added {
		if !slices.Contains(result, any(word)) {
			result = append(result, word)
		}
	}
	return result
}

func spoken(how, what string, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	return []string{how + " " + what + " " + strings.Join(words, ", ")}
}
