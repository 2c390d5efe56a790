package policy

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

func (p *accessParser) parseRules(node *yaml.Node) {
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
func (p *accessParser) parseRule(number int, item *yaml.Node) {
	rule := map[string]any{"label": fmt.Sprintf("%s:%d (rule %d)", p.table.label, item.Line, number)}
	allowed := item.Kind != yaml.MappingNode // else that is what is wrong
	for _, m := range p.members(item, whatRule, ruleKeys) {
		switch m.name {
		case "hosts":
			rule["hosts"] = p.parsed(m.value, "hosts", parseHost)
		case "paths":
			rule["paths"] = p.parsed(m.value, "paths", parsePath)
		case "allow":
			allowed = true
			rule["allow"] = p.alternatives(m.value, "allow")
		}
	}
	if !allowed {
		p.problem(item, "the rule has no allow; one that lets nobody in says allow: []")
	}
	p.rules = append(p.rules, rule)
}

// parsed parses each text of a list that must not be empty.
func (p *accessParser) parsed(list *yaml.Node, what string, parse func(string) (map[string]any, error)) []any {
	var result []any
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

// parseHost takes a host, or one below which every host is meant. It returns
// the form in which requests name it: lower-case ASCII (RFC 5891, section 4).
func parseHost(text string) (map[string]any, error) {
	name, below := strings.CutPrefix(text, "*.")
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && !below {
		return map[string]any{"name": addr.String(), "below": false}, nil
	}
	name, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(strings.TrimSuffix(name, "."))
	if err != nil || name == "" || strings.ContainsAny(name, "*/:@?#[] ") || strings.Contains("."+name+".", "..") {
		return nil, fmt.Errorf("%.60q is not a host: write a name without port, such as app.example.com, or *.example.com for all below it", text)
	}
	return map[string]any{"name": name, "below": below}, nil
}

// parsePath takes a path, or one that is meant with everything below it.
func parsePath(text string) (map[string]any, error) {
	path, below := strings.CutSuffix(strings.ToLower(text), "/*")
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(path, "*?#%\\") || strings.Contains(text, "//") {
		return nil, fmt.Errorf("%.60q is not a path: write /exactly/this, decoded and without a query, or /this/and/below/*", text)
	}
	segments := []any{}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return nil, fmt.Errorf("%.60q has dot segments, which no judged path has", text)
		}
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	return map[string]any{"segments": segments, "below": below}, nil
}
