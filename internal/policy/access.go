package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
)

// accessFile is one access table as it was read.
type accessFile struct {
	name string
	data []byte
}

// maxAccess bounds one table, in bytes.
const maxAccess = 1 << 20

// parseAccess turns access tables into data for the package caddy.access: with
// names of networks replaced, hosts and paths taken apart, and in every
// alternative nothing but conditions that hold something. Rules follow in the
// order of the files. All mistakes are reported at once, with file and line.
func parseAccess(tables []accessFile) (map[string]any, error) {
	a := &accessParser{networks: map[string]any{}, blockedUsers: []any{}, blockedNetworks: []any{}, rules: []any{}}
	var documents []*yaml.Node
	for _, table := range tables {
		a.file = table.name
		documents = append(documents, a.document(table.data))
	}
	for _, parse := range []func(document *yaml.Node){a.parseNetworks, a.parseRest} {
		for n, document := range documents {
			if a.file = tables[n].name; document != nil {
				parse(document)
			}
		}
	}
	if err := joinBounded(a.problems); err != nil {
		return nil, err
	}
	if a.fallback == nil {
		a.fallback = []any{}
	}
	return map[string]any{
		"rules":   a.rules,
		"default": a.fallback,
		"blocked": map[string]any{"users": a.blockedUsers, "networks": a.blockedNetworks},
	}, nil
}

// accessParser collects what the tables say.
type accessParser struct {
	file            string
	problems        []error
	networks        map[string]any
	blockedUsers    []any
	blockedNetworks []any
	fallback        []any
	rules           []any
}

// problem notes a mistake at a node.
func (a *accessParser) problem(at *yaml.Node, format string, args ...any) {
	a.problems = append(a.problems, fmt.Errorf("%s:%d:%d: %s", a.file, at.Line, at.Column, fmt.Sprintf(format, args...)))
}

// document parses a file to its one mapping, or notes why there is none.
func (a *accessParser) document(data []byte) *yaml.Node {
	fail := func(err error) *yaml.Node {
		a.problems = append(a.problems, fmt.Errorf("%s: %w", a.file, err))
		return nil
	}
	if len(data) > maxAccess {
		return fail(fmt.Errorf("larger than %d bytes", maxAccess))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return fail(errors.New("the file is empty; a table that lets nobody in says rules: []"))
	} else if err != nil {
		return fail(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return fail(errors.New("more than one YAML document"))
	}
	document := root.Content[0]
	if document.Kind != yaml.MappingNode {
		a.problem(document, "want a mapping with the keys %s", strings.Join(accessKeys, " "))
		return nil
	}
	return document
}

// accessKeys are the keys at the top of a table.
var accessKeys = []string{"networks", "blocked", "default", "rules"}

func (a *accessParser) parseNetworks(document *yaml.Node) {
	for name, value := range a.members(document, "the table", accessKeys) {
		if name != "networks" {
			continue
		}
		for network, list := range a.members(value, "networks", nil) {
			if _, twice := a.networks[network]; twice {
				a.problem(list, "network %s is defined twice", network)
			}
			a.networks[network] = a.cidrs(list, "network "+network)
		}
	}
}

func (a *accessParser) parseRest(document *yaml.Node) {
	said := false
	for name, value := range a.members(document, "", accessKeys) {
		said = true
		switch name {
		case "blocked":
			a.parseBlocked(value)
		case "default":
			if a.fallback != nil {
				a.problem(value, "default is in more than one table")
			}
			a.fallback = a.alternatives(value, "default")
		case "rules":
			a.parseRules(value)
		}
	}
	if !said {
		a.problem(document, "the table says nothing; one that lets nobody in says rules: []")
	}
}

func (a *accessParser) parseBlocked(value *yaml.Node) {
	for name, list := range a.members(value, "blocked", []string{"users", "networks"}) {
		switch name {
		case "users":
			a.blockedUsers = append(a.blockedUsers, a.texts(list, "blocked users", true)...)
		case "networks":
			a.blockedNetworks = append(a.blockedNetworks, a.namedNetworks(list, true)...)
		}
	}
}

func (a *accessParser) parseRules(value *yaml.Node) {
	if value.Kind != yaml.SequenceNode {
		a.problem(value, "rules: want a list")
		return
	}
	for i, item := range value.Content {
		a.parseRule(i+1, item)
	}
}

// parseRule takes one rule. What selects it and what is a condition are told
// apart strictly: a condition outside of allow would otherwise be lost.
func (a *accessParser) parseRule(number int, item *yaml.Node) {
	rule := map[string]any{"label": fmt.Sprintf("%s:%d (rule %d)", filepath.Base(a.file), item.Line, number)}
	allowed := false
	for name, value := range a.members(item, "the rule", []string{"hosts", "paths", "allow"}) {
		switch name {
		case "hosts":
			rule["hosts"] = a.parsed(value, "hosts", parseHost)
		case "paths":
			rule["paths"] = a.parsed(value, "paths", parsePath)
		case "allow":
			allowed = true
			rule["allow"] = a.alternatives(value, "allow")
		}
	}
	if item.Kind == yaml.MappingNode && !allowed {
		a.problem(item, "the rule has no allow; one that lets nobody in says allow: []")
	}
	a.rules = append(a.rules, rule)
}

// parsed parses each text of a list that must not be empty.
func (a *accessParser) parsed(list *yaml.Node, what string, parse func(string) (map[string]any, error)) []any {
	var result []any
	for i, text := range a.texts(list, what, false) {
		value, err := parse(text.(string))
		if err != nil {
			a.problem(list.Content[i], "%s: %v", what, err)
			continue
		}
		result = append(result, value)
	}
	return result
}

// parseHost takes a host, or one below which every host is meant.
func parseHost(text string) (map[string]any, error) {
	name, below := strings.CutPrefix(strings.ToLower(text), "*.")
	name = strings.TrimSuffix(name, ".")
	if name == "" || strings.ContainsAny(name, "*/:@ ") {
		return nil, fmt.Errorf("%q is not a host: write a name without port, such as app.example.com or *.example.com", text)
	}
	return map[string]any{"name": name, "below": below}, nil
}

// parsePath takes a path, or one that is meant with everything below it.
func parsePath(text string) (map[string]any, error) {
	path, below := strings.CutSuffix(strings.ToLower(text), "/*")
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(path, "*?#%\\") || strings.Contains(text, "//") {
		return nil, fmt.Errorf("%q is not a path: write /exactly/this, decoded and without a query, or /this/and/below/*", text)
	}
	segments := []any{}
	for _, segment := range strings.Split(strings.Trim(path, "/"), "/") {
		if segment == "." || segment == ".." {
			return nil, fmt.Errorf("%q has dot segments, which no judged path has", text)
		}
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	return map[string]any{"segments": segments, "below": below}, nil
}

// near names the allowed word that a misspelt one may mean.
func near(word string, allowed []string) string {
	best, distance := "", 3
	for _, candidate := range allowed {
		if d := levenshtein.ComputeDistance(word, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// members iterates over a mapping's members. Unknown keys, and keys that stand
// twice, are noted and left out; allowed nil allows any. With what "" nothing
// is noted, for a second look.
func (a *accessParser) members(node *yaml.Node, what string, allowed []string) func(func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		if node.Kind != yaml.MappingNode {
			if what != "" {
				a.problem(node, "%s: want a mapping, not %s", what, kindOf(node))
			}
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if bad := a.badKey(key, what, allowed, seen); bad != "" {
				if what != "" {
					a.problem(key, "%s", bad)
				}
				continue
			}
			seen[key.Value] = true
			if !yield(key.Value, value) {
				return
			}
		}
	}
}

// badKey says what is wrong with a mapping's key, or nothing.
func (a *accessParser) badKey(key *yaml.Node, what string, allowed []string, seen map[string]bool) string {
	switch {
	case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
		return what + ": a key has to be a word"
	case seen[key.Value]:
		return strconv.Quote(key.Value) + " stands twice"
	case allowed == nil || slices.Contains(allowed, key.Value):
		return ""
	case what == "the rule" && conditionKinds[key.Value] != nil:
		return fmt.Sprintf("%s is a condition and goes inside allow: [{%s: …}]", key.Value, key.Value)
	}
	return fmt.Sprintf("unknown key %q in %s%s; allowed: %s", key.Value, what, near(key.Value, allowed), strings.Join(allowed, " "))
}

// kindOf names what a node is, for errors.
func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (which are not used here)"
	}
	if node.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(node.Value)
}
