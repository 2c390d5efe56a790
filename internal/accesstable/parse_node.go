package accesstable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/textutil"
)

// maxFile bounds one table, in bytes.
const maxFile = 1 << 20

// packageLine is how a file of Rego begins, and no line of an access table.
var packageLine = regexp.MustCompile(`(?m)^package[ \t]+[A-Za-z_][\w.]*[ \t\r]*$`)

// document parses a file to its one mapping, or notes why there is none.
func (p *parser) document(data []byte) *yaml.Node {
	fail := func(err error) *yaml.Node {
		p.problems = append(p.problems, problem{file: p.table.number, err: fmt.Errorf("%s: %w", p.table.name, err)})
		return nil
	}
	if len(data) > maxFile {
		return fail(fmt.Errorf("an access table has at most %d bytes", maxFile))
	}
	if packageLine.Match(data) {
		return fail(fmt.Errorf("this is Rego and no access table: write policies %s", p.table.name))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return fail(errors.New("the file is empty; a table that lets no caller in says rules: []"))
	} else if err != nil {
		return p.badSyntax(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return fail(errors.New("more than one YAML document"))
	}
	document := root.Content[0]
	if alias := findAlias(document); alias != nil {
		p.problem(alias, "aliases and merge keys are not used here: write it out")
		return nil
	}
	if document.Kind != yaml.MappingNode {
		p.problem(document, "the table: want a mapping with the keys %s, not %s", strings.Join(tableKeys, " "), describe(document))
		return nil
	}
	return document
}

// yamlError is the form of the YAML library's errors that name a line.
var yamlError = regexp.MustCompile(`^yaml: line (\d+): (did not find expected )?`)

// badSyntax notes the YAML library's error, with its line where all others have
// it. The library counts from 0 where it did not find what it expected.
func (p *parser) badSyntax(err error) *yaml.Node {
	text, place := err.Error(), p.table.name
	if parts := yamlError.FindStringSubmatch(text); parts != nil {
		line, _ := strconv.Atoi(parts[1])
		if parts[2] != "" {
			line++
		}
		text, place = "yaml: "+parts[2]+text[len(parts[0]):], fmt.Sprintf("%s:%d", place, line)
	}
	if strings.Contains(text, "cannot start any token") {
		text += "; lines are indented with spaces, never with tabs"
	}
	p.problems = append(p.problems, problem{file: p.table.number, err: fmt.Errorf("%s: %s", place, text)})
	return nil
}

// findAlias returns the first alias or merge key below a node, or nil. Aliases
// could stand for more than any file holds.
func findAlias(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode || node.ShortTag() == "!!merge" {
		return node
	}
	for _, child := range node.Content {
		if alias := findAlias(child); alias != nil {
			return alias
		}
	}
	return nil
}

// member is one member of a mapping.
type member struct {
	name       string
	key, value *yaml.Node
}

// members returns a mapping's members; nil has none. Unknown keys, and keys
// that stand twice, are noted and left out; allowed nil allows any.
func (p *parser) members(node *yaml.Node, what string, allowed []string) []member {
	if node == nil {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		p.problem(node, "%s: want a mapping, not %s", what, describe(node))
		return nil
	}
	var result []member
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		m := member{name: node.Content[i].Value, key: node.Content[i], value: node.Content[i+1]}
		if problem := keyProblem(m.key, what, allowed, seen[m.name]); problem != "" {
			p.problem(m.key, "%s", problem)
			continue
		}
		seen[m.name] = true
		result = append(result, m)
	}
	return result
}

// keyProblem describes the mistake in a key of a mapping, or returns "".
func keyProblem(key *yaml.Node, what string, allowed []string, twice bool) string {
	name := key.Value
	switch {
	case !isText(key):
		return fmt.Sprintf("%s: want a word as key, not %s; quote what YAML reads as something else", what, describe(key))
	case twice:
		return fmt.Sprintf("%s: %.60q stands twice", what, name)
	case allowed == nil || slices.Contains(allowed, name):
		return ""
	case what == whatRule && slices.Contains(conditionNames, name):
		return fmt.Sprintf("%s is a condition and goes inside allow: [{%s: …}]", name, name)
	case what == whatAlternative && slices.Contains(selectorNames, name):
		return fmt.Sprintf("%s selects the rule and goes beside allow, not into it", name)
	}
	return fmt.Sprintf("unknown key %.60q in %s%s; allowed: %s", name, what, textutil.DidYouMean(name, allowed), strings.Join(allowed, " "))
}

// texts takes a list of strings and returns those that are.
func (p *parser) texts(node *yaml.Node, what string, mayBeEmpty bool) []*yaml.Node {
	if node.Kind != yaml.SequenceNode {
		p.problem(node, "%s: want a list such as [%s], not %s", what, example(node), describe(node))
		return nil
	}
	if len(node.Content) == 0 && !mayBeEmpty {
		p.problem(node, "%s: the list is empty", what)
	}
	var result []*yaml.Node
	for _, item := range node.Content {
		if !isText(item) || item.Value == "" {
			p.problem(item, "%s: want a word, not %s; quote what YAML reads as something else", what, describe(item))
			continue
		}
		result = append(result, item)
	}
	return result
}

// valuesOf returns the values of nodes that are strings.
func valuesOf(nodes []*yaml.Node) []string {
	values := make([]string, len(nodes))
	for i, node := range nodes {
		values[i] = node.Value
	}
	return values
}

// example returns what stands in the example of a list.
func example(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode && node.ShortTag() != "!!null" {
		return fmt.Sprintf("%.60s", node.Value)
	}
	return "a, b"
}

// truthWord is what YAML 1.1 reads as a boolean, and so do some editors and tools.
var truthWord = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$`)

// isText reports whether a node is a string to every reader of YAML.
func isText(node *yaml.Node) bool {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		return false
	}
	return node.Style != 0 || !truthWord.MatchString(node.Value)
}

// scalar returns a string, number or boolean as JSON has it.
func scalar(node *yaml.Node) (any, bool) {
	if isText(node) {
		return node.Value, true
	}
	if node.Kind != yaml.ScalarNode {
		return nil, false
	}
	switch node.ShortTag() {
	case "!!bool":
		return node.Value == "true", node.Value == "true" || node.Value == "false"
	case "!!int", "!!float":
		_, err := strconv.ParseFloat(node.Value, 64)
		return json.Number(node.Value), err == nil && json.Valid([]byte(node.Value))
	}
	return nil, false
}

// describe returns the kind of a node for messages.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if node.ShortTag() == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%.60q", node.Value)
}

// flow writes a node of YAML on one line, as a person would.
func flow(node *yaml.Node) string {
	var items []string
	switch node.Kind {
	case yaml.SequenceNode:
		for _, item := range node.Content {
			items = append(items, flow(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			items = append(items, flow(node.Content[i])+": "+flow(node.Content[i+1]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	if node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return fmt.Sprintf("%q", node.Value)
	}
	return node.Value
}
