package accesstable

import (
	"fmt"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/idna"
)

// The mappings of a rule, as errors name them and as keyProblem distinguishes them.
const (
	whatRule        = "the rule"
	whatAlternative = "an alternative"
)

// ruleKeys are the keys of a rule; selectorNames are those that say which requests the
// rule is for.
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

// parseRule parses a rule. Selectors beside allow and conditions within it are
// distinguished strictly, because a condition outside of allow would have no effect.
func (p *parser) parseRule(number int, item *yaml.Node) {
	rule := newRule(ruleLabel(p.table, item, number))
	hosts, paths := []string{anyHost}, []path{{below: true}}
	allowed := item.Kind != yaml.MappingNode // otherwise members reports the mistake
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
		p.problem(item, "the rule has no allow; to deny every caller, write allow: []")
	}
	p.warnShadowed(item, hosts, paths)
	if err := p.index.add(len(p.rules), hosts, paths); err != nil {
		p.problem(item, "%v", err)
	}
	rule.paths = paths
	p.rules = append(p.rules, rule)
}

// ruleLabel returns the label of a rule in logs and explanations.
func ruleLabel(table tableFile, item *yaml.Node, number int) string {
	return fmt.Sprintf("%s:%d (rule %d)", table.label, item.Line, number)
}

// parsed parses each item of a list, which must not be empty.
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

// maxHost is the maximum length of a host, in bytes (RFC 1035, section 2.3.4).
const maxHost = 253

// parseHost parses a host such as app.example.com, or *.example.com for all subdomains,
// which becomes .example.com. It returns lower-case ASCII, as the input document has
// hosts (RFC 5891, section 4).
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

// parsePath parses a path, such as /a/b, or a path with everything below it, /a/b/*.
func parsePath(text string) (path, error) {
	key, below := strings.CutSuffix(strings.ToLower(text), "/*")
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(key, "*?#%\\") || strings.Contains(text, "//") {
		return path{}, fmt.Errorf("%.60q is not a path: write /exactly/this, decoded and without a query, or /this/and/below/*", text)
	}
	key = strings.TrimSuffix(key, "/")
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return path{}, fmt.Errorf("%.60q has dot segments, which no path has when rules are compared: write the resolved path", text)
		}
	}
	return path{key: key, below: below, depth: strings.Count(key, "/")}, nil
}
