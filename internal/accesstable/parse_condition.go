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
	"anyone", "authenticated", "users", "roles", "groups", "scopes", "kinds", "methods", "networks", "issuers", "claims", "acr", "max_age", "upgrades",
	"tools", "clients", "links",
}

// alternatives parses a list of alternatives. An empty list denies every caller. An
// alternative without a condition would allow every caller, so it is a mistake.
func (p *parser) alternatives(node *yaml.Node, what string) []Alternative {
	result := []Alternative{}
	if node.Kind != yaml.SequenceNode {
		p.problem(node, "%s: want a list of alternatives such as %s, not %s", what, meantAlternatives(node), describe(node))
		return result
	}
	for _, item := range node.Content {
		members := p.members(item, whatAlternative, conditionNames)
		upgrades := slices.ContainsFunc(members, func(m member) bool { return m.name == "upgrades" })
		alternative := Alternative{At: p.at(item), Conditions: make([]Condition, 0, len(members))}
		for _, m := range members {
			alternative.Conditions = append(alternative.Conditions, p.condition(m, upgrades))
		}
		p.checkBeside(members, "anyone", "matches every caller, %s only some", "methods", "networks", "upgrades", "tools")
		p.checkBeside(members, "links", "matches guests, who have nothing that %s compares", "methods", "networks")
		if item.Kind == yaml.MappingNode && len(item.Content) == 0 {
			p.problem(item, "the alternative is empty; for every caller write {anyone: true}")
		}
		result = append(result, alternative)
	}
	return result
}

// meantAlternatives returns the list that an operator probably meant by a node that is none, or
// an example.
func meantAlternatives(node *yaml.Node) string {
	switch text := flow(node); {
	case node.Kind == yaml.MappingNode && len(node.Content) > 0 && len(text) <= 60:
		return "[" + text + "]"
	case slices.Contains([]string{"anyone", "authenticated", "links"}, text):
		return "[{" + text + ": true}]"
	}
	return "[{roles: [admin]}]"
}

// anyoneUpgrades is the value of anyone in an alternative that also has upgrades.
// Without upgrades, anyone allows no other upgrade than WebSocket, because policies do
// not see what is sent after an upgrade to another protocol.
const anyoneUpgrades = "upgrades"

// checkBeside rejects conditions beside one with which they contradict each other.
// Reason says why, with a verb for the name of the other condition.
func (p *parser) checkBeside(members []member, name, reason string, allowed ...string) {
	if !slices.ContainsFunc(members, func(m member) bool { return m.name == name }) {
		return
	}
	for _, m := range members {
		if m.name != name && !slices.Contains(allowed, m.name) {
			p.problem(m.key, "%s and %s cannot be combined: %s "+reason+"; only %s can be beside %s", name, m.name, name, m.name, enumerate(allowed), name)
		}
	}
}

// enumerate returns words as in a sentence: a, b and c.
func enumerate(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// condition parses a condition. It records mistakes.
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
	case "links":
		c.test, c.Wanted = links{}, true
		p.truth(name, node)
	case "claims":
		wanted := p.claims(node)
		c.test, c.Wanted = wanted, wanted.data()
	case "max_age":
		wanted := p.maxAge(node)
		c.test, c.Wanted = wanted, int64(wanted)
	case "networks":
		prefixes := p.namedNetworks(node, name, false)
		c.test, c.Wanted = newNetworks(prefixes), anys(prefixes)
	default:
		wanted := p.wordsFor(name, node)
		c.test, c.Wanted = wordTests[name](wanted), anys(wanted)
	}
	return c
}

// wordsFor parses the value of a condition that is a list of words.
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
	case "tools":
		return p.tools(node)
	case "acr":
		return p.acrs(node)
	}
	return valuesOf(p.plainTexts(node, name, false))
}

// wordTests are the constructors of the conditions that are lists of words.
var wordTests = map[string]func([]string) test{
	"users":    func(list []string) test { return users(newWords(list)) },
	"roles":    func(list []string) test { return roles(newWords(list)) },
	"groups":   func(list []string) test { return groups(newWords(list)) },
	"scopes":   func(list []string) test { return scopes(list) },
	"kinds":    func(list []string) test { return kinds(newWords(list)) },
	"methods":  func(list []string) test { return methods(newWords(list)) },
	"upgrades": func(list []string) test { return upgrades(newWords(list)) },
	"issuers":  func(list []string) test { return issuers(newWords(list)) },
	"acr":      func(list []string) test { return acrs(list) },
	"tools":    func(list []string) test { return newTools(list) },
	"clients":  func(list []string) test { return clients(newWords(list)) },
}

// anys converts a list to the type that lists have in JSON.
func anys(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// plainTexts parses a list of words that are compared literally.
func (p *parser) plainTexts(node *yaml.Node, what string, mayBeEmpty bool) []*yaml.Node {
	items := p.texts(node, what, mayBeEmpty)
	for _, item := range items {
		p.checkWildcard(item, what)
	}
	return items
}

// checkWildcard rejects * where words are compared literally, because it would match
// nothing.
func (p *parser) checkWildcard(item *yaml.Node, what string) {
	if item.Value == "*" {
		p.problem(item, "%s: * is not a wildcard here and matches nothing; for every authenticated caller write {authenticated: true}, for every caller {anyone: true}", what)
	}
}

// truth parses a condition whose only value is true.
func (p *parser) truth(name string, node *yaml.Node) {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!bool" || node.Value != "true" {
		p.problem(node, "%s: the only value is true, not %s", name, describe(node))
	}
}

func (p *parser) kinds(node *yaml.Node) []string {
	known := []string{string(authenticator.KindUser), string(authenticator.KindClient), string(authenticator.KindGuest), string(authenticator.KindAnonymous)}
	items := p.texts(node, "kinds", false)
	for _, item := range items {
		if !slices.Contains(known, item.Value) {
			p.problem(item, "kinds: unknown word %.60q%s; allowed: %s", item.Value, textutil.DidYouMean(item.Value, known), strings.Join(known, " "))
		}
	}
	return valuesOf(items)
}

// methodForm matches methods. It rejects "*" and lower case, because no request has such
// a method.
var methodForm = regexp.MustCompile(`^[A-Z][A-Z0-9_-]*$`)

func (p *parser) methods(node *yaml.Node) []string {
	items := p.texts(node, "methods", false)
	for _, item := range items {
		switch upper := strings.ToUpper(item.Value); {
		case methodForm.MatchString(item.Value):
		case methodForm.MatchString(upper):
			p.problem(item, "methods: %.60s is written %.60s", item.Value, upper)
		default:
			p.problem(item, "methods: %.60q is not a method; to match every method, leave methods out", item.Value)
		}
	}
	return valuesOf(items)
}

// scopes takes words that a challenge can ask for (RFC 6749, section 3.3).
func (p *parser) scopes(node *yaml.Node) []string { return p.askable(node, "scopes", "scope") }

// maxACRs is how long the words of acr may be together, in bytes: a challenge has no room
// for more.
const maxACRs = 512

// acrs takes words that a challenge can ask for, in the order of preference (RFC 9470,
// section 3).
func (p *parser) acrs(node *yaml.Node) []string {
	values := p.askable(node, "acr", "class")
	if len(strings.Join(values, " ")) > maxACRs {
		p.problem(node, "acr: the classes have more than %d bytes together, which a challenge cannot ask for", maxACRs)
	}
	return values
}

// askable takes words that stand in a list with spaces between where a client is asked
// for them.
func (p *parser) askable(node *yaml.Node, what, one string) []string {
	items := p.plainTexts(node, what, false)
	for _, item := range items {
		if strings.ContainsFunc(item.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			p.problem(item, "%s: %.60q is not valid: want printable ASCII without spaces, quotes and backslashes, one %s per item", what, item.Value, one)
		}
	}
	return valuesOf(items)
}

// upgrades parses protocols; the input document has them in lower case.
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

// claims parses a mapping from the path of a claim to the accepted value, or to a list
// of accepted values.
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
		p.problem(node, "claims: the mapping is empty; write {<claim>: <value>}")
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
