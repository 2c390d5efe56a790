package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// conditionKinds parse the conditions that an alternative may have. Each
// returns nil after it has noted a mistake.
var conditionKinds map[string]func(*accessParser, *yaml.Node, string) any

func init() {
	words := func(allowed ...string) func(*accessParser, *yaml.Node, string) any {
		return func(a *accessParser, node *yaml.Node, what string) any { return a.words(node, what, allowed) }
	}
	conditionKinds = map[string]func(*accessParser, *yaml.Node, string) any{
		"anyone":        (*accessParser).truth,
		"authenticated": (*accessParser).truth,
		"users":         words(),
		"roles":         words(),
		"groups":        words(),
		"scopes":        words(),
		"kinds":         words("user", "client", "anonymous"),
		"methods":       (*accessParser).methods,
		"networks":      func(a *accessParser, node *yaml.Node, _ string) any { return a.namedNetworks(node, false) },
		"issuers":       words(),
		"acr":           words(),
		"claims":        (*accessParser).claims,
	}
}

// alternatives takes a list of alternatives. An empty list lets nobody in; an
// alternative without a condition would let everybody in and is a mistake.
func (a *accessParser) alternatives(node *yaml.Node, what string) []any {
	result := []any{}
	if node.Kind != yaml.SequenceNode {
		a.problem(node, "%s: want a list of alternatives, such as [{roles: [admin]}], not %s", what, kindOf(node))
		return result
	}
	for _, item := range node.Content {
		alternative := map[string]any{}
		for name, value := range a.members(item, "an alternative", slices.Sorted(maps.Keys(conditionKinds))) {
			if condition := conditionKinds[name](a, value, name); condition != nil {
				alternative[name] = condition
			}
		}
		if item.Kind == yaml.MappingNode && len(item.Content) == 0 {
			a.problem(item, "an empty alternative; everybody is {anyone: true}")
		}
		if len(alternative) > 0 {
			result = append(result, alternative)
		}
	}
	return result
}

// truth takes a condition that has no other value than true.
func (a *accessParser) truth(node *yaml.Node, what string) any {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" || node.Value != "true" {
		a.problem(node, "%s: the only value is true, not %s", what, kindOf(node))
		return nil
	}
	return true
}

// texts takes a list of strings.
func (a *accessParser) texts(node *yaml.Node, what string, mayBeEmpty bool) []any {
	result := []any{}
	if node.Kind != yaml.SequenceNode {
		a.problem(node, "%s: want a list such as [%s], not %s", what, example(node), kindOf(node))
		return result
	}
	if len(node.Content) == 0 && !mayBeEmpty {
		a.problem(node, "%s: the list is empty", what)
	}
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode || item.Tag != "!!str" || item.Value == "" {
			a.problem(item, "%s: want a word, not %s; quote what YAML reads as something else", what, kindOf(item))
			return []any{}
		}
		result = append(result, item.Value)
	}
	return result
}

func example(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		return node.Value
	}
	return "a, b"
}

// words takes a list of strings that is not empty; nothing in allowed allows
// every word.
func (a *accessParser) words(node *yaml.Node, what string, allowed []string) any {
	values := a.texts(node, what, false)
	for i, value := range values {
		if len(allowed) > 0 && !slices.Contains(allowed, value.(string)) {
			a.problem(node.Content[i], "%s: unknown word %q%s; allowed: %s", what, value, near(value.(string), allowed), strings.Join(allowed, " "))
			return nil
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}

// methods takes HTTP methods, which are upper-case by convention; a lower-case
// one would never match what clients send.
func (a *accessParser) methods(node *yaml.Node, what string) any {
	values := a.texts(node, what, false)
	for i, value := range values {
		if text := value.(string); strings.ToUpper(text) != text {
			a.problem(node.Content[i], "methods: %s is written %s", text, strings.ToUpper(text))
			return nil
		}
	}
	if len(values) == 0 {
		return nil
	}
	return values
}

// namedNetworks takes names of networks, prefixes and addresses.
func (a *accessParser) namedNetworks(node *yaml.Node, mayBeEmpty bool) []any {
	var result []any
	for i, value := range a.texts(node, "networks", mayBeEmpty) {
		text := value.(string)
		if named, ok := a.networks[text].([]any); ok {
			result = append(result, named...)
			continue
		}
		prefix, err := parsePrefix(text)
		if err != nil {
			names := slices.Sorted(maps.Keys(a.networks))
			a.problem(node.Content[i], "networks: %v%s; defined names: %s", err, near(text, names), strings.Join(names, " "))
			return nil
		}
		result = append(result, prefix)
	}
	return result
}

// cidrs takes prefixes and addresses.
func (a *accessParser) cidrs(node *yaml.Node, what string) []any {
	var result []any
	for i, value := range a.texts(node, what, false) {
		prefix, err := parsePrefix(value.(string))
		if err != nil {
			a.problem(node.Content[i], "%s: %v", what, err)
			continue
		}
		result = append(result, prefix)
	}
	return result
}

// parsePrefix returns a prefix in its one spelling; an address is a prefix of
// its own length.
func parsePrefix(text string) (string, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()).String(), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return "", fmt.Errorf("%q is no network: write a prefix such as 192.168.0.0/16 or an address", text)
	}
	if prefix != prefix.Masked() {
		return "", fmt.Errorf("%q has bits beyond its length: write %s", text, prefix.Masked())
	}
	return prefix.String(), nil
}

// claims takes a mapping from a claim's path to the value, or values, of which
// it must hold one.
func (a *accessParser) claims(node *yaml.Node, what string) any {
	var result []any
	for name, value := range a.members(node, what, nil) {
		path, err := identity.ParsePath(name)
		if err != nil {
			a.problem(value, "claims: %v", err)
			return nil
		}
		values := a.claimValues(value, name)
		if len(values) == 0 {
			return nil
		}
		result = append(result, map[string]any{"path": anySlice(path), "values": values})
	}
	if len(result) == 0 {
		if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
			a.problem(node, "claims: no claim is named")
		}
		return nil
	}
	return result
}

func (a *accessParser) claimValues(node *yaml.Node, name string) []any {
	items := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		items = node.Content
	}
	var values []any
	for _, item := range items {
		value, ok := scalar(item)
		if !ok {
			a.problem(item, "claims: %s: want a string, number or boolean, or a list of them, not %s", name, kindOf(item))
			return nil
		}
		values = append(values, value)
	}
	if len(values) == 0 {
		a.problem(node, "claims: %s: the list is empty", name)
	}
	return values
}

// scalar returns a YAML scalar as JSON has it.
func scalar(node *yaml.Node) (any, bool) {
	if node.Kind != yaml.ScalarNode {
		return nil, false
	}
	switch node.Tag {
	case "!!str":
		return node.Value, true
	case "!!bool":
		return node.Value == "true", node.Value == "true" || node.Value == "false"
	case "!!int", "!!float":
		return json.Number(node.Value), json.Valid([]byte(node.Value))
	}
	return nil, false
}

func anySlice(path identity.Path) []any {
	result := make([]any, len(path))
	for i, name := range path {
		result[i] = name
	}
	return result
}
