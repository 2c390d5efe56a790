package accesstable

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
	"github.com/policyauth/caddy-policy-auth/internal/request"
	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// conditionNames are the conditions that an alternative may have.
var conditionNames = []string{
	"anyone", "authenticated", "users", "roles", "groups", "scopes", "kinds", "methods", "networks", "issuers", "claims", "acr", "upgrades",
}

// alternatives takes a list of alternatives. An empty list lets no caller in; an
// alternative without a condition would let every caller in and is a mistake.
func (p *parser) alternatives(node *yaml.Node, what string) []Alternative {
	result := []Alternative{}
	if node.Kind != yaml.SequenceNode {
		p.problem(node, "%s: want a list of alternatives such as [{roles: [admin]}], not %s", what, describe(node))
		return result
	}
	for _, item := range node.Content {
		members := p.members(item, whatAlternative, conditionNames)
		upgrades := slices.ContainsFunc(members, func(m member) bool { return m.name == "upgrades" })
		alternative := Alternative{At: p.at(item), Conditions: make([]Condition, 0, len(members))}
		for _, m := range members {
			alternative.Conditions = append(alternative.Conditions, p.condition(m, upgrades))
		}
		p.checkAnyone(members)
		if item.Kind == yaml.MappingNode && len(item.Content) == 0 {
			p.problem(item, "an empty alternative; every caller is {anyone: true}")
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
func (p *parser) checkAnyone(members []member) {
	if !slices.ContainsFunc(members, func(m member) bool { return m.name == "anyone" }) {
		return
	}
	for _, m := range members {
		if !slices.Contains([]string{"anyone", "methods", "networks", "upgrades"}, m.name) {
			p.problem(m.key, "anyone and %s do not go together: anyone lets every caller in, %s only some; beside anyone go methods, networks and upgrades", m.name, m.name)
		}
	}
}

// condition takes what a condition wants. Mistakes are noted.
func (p *parser) condition(m member, besideUpgrades bool) Condition {
	c, name, node := Condition{At: p.at(m.key), Name: m.name, Text: flow(m.value)}, m.name, m.value
	switch name {
	case "anyone":
		if c.test, c.Wanted = (anyone{besideUpgrades}), true; besideUpgrades {
			c.Wanted = anyoneUpgrades
		}
		p.truth(name, node)
	case "authenticated":
		c.test, c.Wanted = authenticated{}, true
		p.truth(name, node)
	case "claims":
		wanted := p.claims(node)
		c.test, c.Wanted = wanted, wanted.data()
	case "networks":
		prefixes := p.namedNetworks(node, name, false)
		c.test, c.Wanted = newNetworks(prefixes), anys(prefixes)
	default:
		wanted := p.wordsFor(name, node)
		c.test, c.Wanted = wordTests[name](wanted), anys(wanted)
	}
	return c
}

// wordsFor takes what a condition wants that is a list of words.
func (p *parser) wordsFor(name string, node *yaml.Node) []string {
	switch name {
	case "kinds":
		return p.kinds(node)
	case "methods":
		return p.methods(node)
	case "upgrades":
		return p.upgrades(node)
	case "scopes":
		return p.scopes(node)
	}
	return valuesOf(p.plainTexts(node, name, false))
}

// wordTests make the tests of conditions that are lists of words.
var wordTests = map[string]func([]string) test{
	"users":    func(list []string) test { return users(newWords(list)) },
	"roles":    func(list []string) test { return roles(newWords(list)) },
	"groups":   func(list []string) test { return groups(newWords(list)) },
	"scopes":   func(list []string) test { return scopes(list) },
	"kinds":    func(list []string) test { return kinds(newWords(list)) },
	"methods":  func(list []string) test { return methods(newWords(list)) },
	"upgrades": func(list []string) test { return upgrades(newWords(list)) },
	"issuers":  func(list []string) test { return issuers(newWords(list)) },
	"acr":      func(list []string) test { return acrs(newWords(list)) },
}

// anys returns a list as JSON has it.
func anys(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// plainTexts takes a list of words that are compared as they are.
func (p *parser) plainTexts(node *yaml.Node, what string, mayBeEmpty bool) []*yaml.Node {
	items := p.texts(node, what, mayBeEmpty)
	for _, item := range items {
		p.checkWildcard(item, what)
	}
	return items
}

// checkWildcard refuses a * where words are compared as they are: it would match
// nothing.
func (p *parser) checkWildcard(item *yaml.Node, what string) {
	if item.Value == "*" {
		p.problem(item, "%s: * is no pattern here and matches nothing; every known caller is {authenticated: true}, every caller {anyone: true}", what)
	}
}

// truth takes a condition that has no other value than true.
func (p *parser) truth(name string, node *yaml.Node) {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!bool" || node.Value != "true" {
		p.problem(node, "%s: the only value is true, not %s", name, describe(node))
	}
}

func (p *parser) kinds(node *yaml.Node) []string {
	known := []string{string(authenticator.KindUser), string(authenticator.KindClient), string(authenticator.KindAnonymous)}
	items := p.texts(node, "kinds", false)
	for _, item := range items {
		if !slices.Contains(known, item.Value) {
			p.problem(item, "kinds: unknown word %.60q%s; allowed: %s", item.Value, textutil.DidYouMean(item.Value, known), strings.Join(known, " "))
		}
	}
	return valuesOf(items)
}

// methodForm is what methods look like; "*" and lower-case ones, which no
// request has, would be mistakes.
var methodForm = regexp.MustCompile(`^[A-Z][A-Z0-9_-]*$`)

func (p *parser) methods(node *yaml.Node) []string {
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
	return valuesOf(items)
}

// scopes takes words that a challenge can ask for (RFC 6749, section 3.3).
func (p *parser) scopes(node *yaml.Node) []string {
	items := p.plainTexts(node, "scopes", false)
	for _, item := range items {
		if strings.ContainsFunc(item.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			p.problem(item, "scopes: %.60q is no scope: write printable ASCII without spaces, quotes and backslashes, one scope an item", item.Value)
		}
	}
	return valuesOf(items)
}

// upgrades takes protocols, which input has in lower case.
func (p *parser) upgrades(node *yaml.Node) []string {
	items := p.texts(node, "upgrades", false)
	values := make([]string, len(items))
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
func (p *parser) claims(node *yaml.Node) claims {
	var result claims
	for _, m := range p.members(node, "claims", nil) {
		path, err := claimpath.Parse(m.name)
		if err != nil {
			p.problem(m.key, "claims: %v", err)
			continue
		}
		what := fmt.Sprintf("claims: %.60s", m.name)
		result = append(result, newClaim(path.Names(), p.claimValues(m.value, what)))
	}
	if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
		p.problem(node, "claims: no claim is named")
	}
	return result
}

func (p *parser) claimValues(node *yaml.Node, what string) []any {
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
