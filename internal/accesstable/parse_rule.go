package accesstable

import (
	"fmt"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/idna"
)

// What is named in errors, and tells apart where a key stands.
const (
	whatRule        = "the rule"
	whatAlternative = "an alternative"
)

// ruleKeys are the keys of a rule; selectorNames those that select it.
var (
	ruleKeys      = []string{"hosts", "paths", "allow"}
	selectorNames = ruleKeys[:2]
)

func (p *parser) parseRules(node *yaml.Node) {
	if node == nil {
		return
	}
	if node.Kind != yaml.SequenceNode {
		p.problem(node, "rules: want a list, not %s", describe(node))
		return
	}
	for i, item := range node.Content {
		p.parseRule(i+1, item)
	}
}

// parseRule takes one rule. What selects it and what is a condition are told
// apart strictly: a condition outside of allow would otherwise be lost.
func (p *parser) parseRule(number int, item *yaml.Node) {
	rule := newRule(ruleLabel(p.table, item, number))
	hosts, paths := []string{anyHost}, []path{{below: true}}
	allowed := item.Kind != yaml.MappingNode // else that is what is wrong
	for _, m := range p.members(item, whatRule, ruleKeys) {
		switch m.name {
		case "hosts":
			hosts = parsed(p, m.value, "hosts", parseHost)
		case "paths":
			paths = parsed(p, m.value, "paths", parsePath)
			rule.Named = true
		case "allow":
			allowed = true
			rule.Allow = p.alternatives(m.value, "allow")
		}
	}
	if !allowed {
		p.problem(item, "the rule has no allow; one that lets no caller in says allow: []")
	}
	p.warnShadowed(item, hosts, paths)
	if err := p.index.add(len(p.rules), hosts, paths); err != nil {
		p.problem(item, "%v", err)
	}
	rule.paths = paths
	p.rules = append(p.rules, rule)
}

// ruleLabel names a rule for logs and explanations.
func ruleLabel(table tableFile, item *yaml.Node, number int) string {
	return fmt.Sprintf("%s:%d (rule %d)", table.label, item.Line, number)
}

// parsed parses each text of a list that must not be empty.
func parsed[T any](p *parser, list *yaml.Node, what string, parse func(string) (T, error)) []T {
	var result []T
	for _, item := range p.texts(list, what, false) {
		value, err := parse(item.Value)
		if err != nil {
			p.problem(item, "%s: %v", what, err)
			continue
		}
		result = append(result, value)
	}
	return result
}

// maxHost bounds a host, in bytes (RFC 1035, section 2.3.4); no longer one is judged.
const maxHost = 253

// parseHost takes a host, app.example.com, or one below which every host is
// meant, which becomes .example.com. It returns the form in which requests name
// it: lower-case ASCII (RFC 5891, section 4).
func parseHost(text string) (string, error) {
	name, below := strings.CutPrefix(text, "*.")
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && !below {
		return addr.String(), nil
	}
	name, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(strings.TrimSuffix(name, "."))
	if err != nil || name == "" || len(name) > maxHost || strings.ContainsAny(name, "*/:@?#[] ") || strings.Contains("."+name+".", "..") {
		return "", fmt.Errorf("%.60q is not a host: write a name without port, such as app.example.com, or *.example.com for all below it", text)
	}
	if below {
		return "." + name, nil
	}
	return name, nil
}

// parsePath takes a path, or one that is meant with everything below it.
func parsePath(text string) (path, error) {
	key, below := strings.CutSuffix(strings.ToLower(text), "/*")
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(key, "*?#%\\") || strings.Contains(text, "//") {
		return path{}, fmt.Errorf("%.60q is not a path: write /exactly/this, decoded and without a query, or /this/and/below/*", text)
	}
	key = strings.TrimSuffix(key, "/")
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return path{}, fmt.Errorf("%.60q has dot segments, which no judged path has", text)
		}
	}
	return path{key: key, below: below, depth: strings.Count(key, "/")}, nil
}
