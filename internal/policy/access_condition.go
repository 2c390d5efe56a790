package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// conditionNames are the conditions that an alternative may have.
var conditionNames = []string{
	"anyone", "authenticated", "users", "roles", "groups", "scopes", "kinds", "methods", "networks", "issuers", "claims", "acr", "upgrades",
}

// alternatives takes a list of alternatives. An empty list lets nobody in; an
// alternative without a condition would let everybody in and is a mistake.
func (p *accessParser) alternatives(node *yaml.Node, what string) []any {
	result := []any{}
	if node.Kind != yaml.SequenceNode {
		p.problem(node, "%s: want a list of alternatives such as [{roles: [admin]}], not %s", what, describe(node))
		return result
	}
	for _, item := range node.Content {
		alternative := map[string]any{}
		members := p.members(item, whatAlternative, conditionNames)
		for _, m := range members {
			if value := p.condition(m.name, m.value); value != nil {
				alternative[m.name] = value
			}
		}
		p.checkAnyone(members)
		if alternative["anyone"] != nil && alternative["upgrades"] != nil {
			alternative["anyone"] = anyoneUpgrades
		}
		if item.Kind == yaml.MappingNode && len(item.Content) == 0 {
			p.problem(item, "an empty alternative; everybody is {anyone: true}")
		}
		result = append(result, alternative)
	}
	return result
}

// anyoneUpgrades is the name of anyone beside upgrades. Without upgrades, anyone
// allows only WebSocket: policies do not see the messages of other protocols.
const anyoneUpgrades = "upgrades"

// checkAnyone refuses conditions that ask who the caller is beside anyone: it is
// not clear which of the two is meant.
func (p *accessParser) checkAnyone(members []accessMember) {
	if !slices.ContainsFunc(members, func(m accessMember) bool { return m.name == "anyone" }) {
		return
	}
	for _, m := range members {
		if !slices.Contains([]string{"anyone", "methods", "networks", "upgrades"}, m.name) {
			p.problem(m.key, "anyone and %s do not go together: anyone lets everybody in, %s only some; beside anyone go methods, networks and upgrades", m.name, m.name)
		}
	}
}

// condition takes what a condition wants, or returns nil after it has noted a
// mistake.
func (p *accessParser) condition(name string, node *yaml.Node) any {
	var values []any
	switch name {
	case "anyone", "authenticated":
		return p.truth(name, node)
	case "kinds":
		values = p.kinds(node)
	case "methods":
		values = p.methods(node)
	case "upgrades":
		values = p.upgrades(node)
	case "networks":
		values = p.namedNetworks(node, name, false)
	case "claims":
		values = p.claims(node)
	default:
		values = wordsOf(p.plainTexts(node, name, false))
	}
	if len(values) == 0 {
		return nil
	}
	return values
}

// plainTexts takes a list of words that are compared as they are.
func (p *accessParser) plainTexts(node *yaml.Node, what string, mayBeEmpty bool) []*yaml.Node {
	items := p.texts(node, what, mayBeEmpty)
	for _, item := range items {
		p.checkWildcard(item, what)
	}
	return items
}

// checkWildcard refuses a * where words are compared as they are: it would match
// nothing.
func (p *accessParser) checkWildcard(item *yaml.Node, what string) {
	if item.Value == "*" {
		p.problem(item, "%s: * is no pattern here and matches nothing; every known caller is {authenticated: true}, everybody {anyone: true}", what)
	}
}

// truth takes a condition that has no other value than true.
func (p *accessParser) truth(name string, node *yaml.Node) any {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!bool" || node.Value != "true" {
		p.problem(node, "%s: the only value is true, not %s", name, describe(node))
		return nil
	}
	return true
}

func (p *accessParser) kinds(node *yaml.Node) []any {
	known := []string{string(identity.KindUser), string(identity.KindClient), string(identity.KindAnonymous)}
	items := p.texts(node, "kinds", false)
	for _, item := range items {
		if !slices.Contains(known, item.Value) {
			p.problem(item, "kinds: unknown word %.60q%s; allowed: %s", item.Value, near(item.Value, known), strings.Join(known, " "))
		}
	}
	return wordsOf(items)
}

// methodForm is what methods look like; "*" and lower-case ones, which no
// request has, would be mistakes.
var methodForm = regexp.MustCompile(`^[A-Z][A-Z0-9_-]*$`)

func (p *accessParser) methods(node *yaml.Node) []any {
	items := p.texts(node, "methods", false)
	for _, item := range items {
		switch upper := strings.ToUpper(item.Value); {
		case methodForm.MatchString(item.Value):
		case methodForm.MatchString(upper):
			p.problem(item, "methods: %.60s is written %.60s", item.Value, upper)
		default:
			p.problem(item, "methods: %.60q is no method; without methods any will do", item.Value)
		}
	}
	return wordsOf(items)
}

// upgrades takes protocols, which input has in lower case.
func (p *accessParser) upgrades(node *yaml.Node) []any {
	items := p.texts(node, "upgrades", false)
	values := make([]any, len(items))
	for i, item := range items {
		token := strings.ToLower(item.Value)
		if err := request.CheckUpgrade(token); err != nil && token != "websocket" {
			p.problem(item, "upgrades: %v", err)
		}
		values[i] = token
	}
	return values
}

// claims takes a mapping from a claim's path to the value, or values, of which
// it must hold one.
func (p *accessParser) claims(node *yaml.Node) []any {
	var result []any
	for _, m := range p.members(node, "claims", nil) {
		path, err := identity.ParsePath(m.name)
		if err != nil {
			p.problem(m.key, "claims: %v", err)
			continue
		}
		names := make([]any, len(path.Names()))
		for i, name := range path.Names() {
			names[i] = name
		}
		what := fmt.Sprintf("claims: %.60s", m.name)
		result = append(result, map[string]any{"path": names, "values": p.claimValues(m.value, what)})
	}
	if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
		p.problem(node, "claims: no claim is named")
	}
	return result
}

func (p *accessParser) claimValues(node *yaml.Node, what string) []any {
	items := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		items = node.Content
	}
	if len(items) == 0 {
		p.problem(node, "%s: the list is empty", what)
	}
	values := make([]any, 0, len(items))
	for _, item := range items {
		p.checkWildcard(item, what)
		value, ok := scalar(item)
		if !ok {
			p.problem(item, "%s: want a string, a number or a boolean, or a list of them, not %s; quote a string that looks like something else", what, describe(item))
			continue
		}
		values = append(values, value)
	}
	return values
}
