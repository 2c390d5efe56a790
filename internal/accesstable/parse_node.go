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

// maxFile is the maximum size of a table, in bytes.
const maxFile = 1 << 20

// packageLine matches the package line of Rego, which no access table has.
var packageLine = regexp.MustCompile(`(?m)^package[ \t]+[A-Za-z_][\w.]*[ \t\r]*$`)

// document parses a file and returns its mapping, or nil after it recorded the mistake.
func (p *parser) document(data []byte) *yaml.Node {
	fail := func(err error) *yaml.Node {
		p.problems = append(p.problems, problem{file: p.table.number, err: fmt.Errorf("%s: %w", p.table.name, err)})
		return nil
	}
	if len(data) > maxFile {
		return fail(fmt.Errorf("the file has more than %d bytes; split the table into several files", maxFile))
	}
	if packageLine.Match(data) {
		return fail(fmt.Errorf("this file is Rego, not an access table: write policies %s", p.table.name))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root, more yaml.Node
	if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
		return fail(errors.New("the file is empty; to deny every caller, write rules: []"))
	} else if err != nil {
		return p.badSyntax(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return fail(errors.New("the file has more than one YAML document"))
	}
	document := root.Content[0]
	if alias := findAlias(document); alias != nil {
		p.problem(alias, "aliases and merge keys are not supported: write the value out")
		return nil
	}
	if document.Kind != yaml.MappingNode {
		p.problem(document, "the table: want a mapping with the keys %s, not %s", strings.Join(tableKeys, " "), describe(document))
		return nil
	}
	return document
}

// yamlError matches those errors of the YAML library that name a line.
var yamlError = regexp.MustCompile(`^yaml: line (\d+): (did not find expected )?`)

// badSyntax records an error of the YAML library, with the line in front as in other
// errors. The library counts lines from 0 in errors of the form "did not find expected".
func (p *parser) badSyntax(err error) *yaml.Node {
	text, position := err.Error(), p.table.name
	if parts := yamlError.FindStringSubmatch(text); parts != nil {
		line, _ := strconv.Atoi(parts[1])
		if parts[2] != "" {
			line++
		}
		text, position = "yaml: "+parts[2]+text[len(parts[0]):], fmt.Sprintf("%s:%d", position, line)
	}
	if strings.Contains(text, "cannot start any token") {
		text += "; indent with spaces, not with tabs"
	}
	p.problems = append(p.problems, problem{file: p.table.number, err: fmt.Errorf("%s: %s", position, text)})
	return nil
}

// findAlias returns the first alias or merge key below a node, or nil. Aliases are
// rejected because a small file can expand to gigabytes with them.
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

// member is a member of a mapping.
type member struct {
	name       string
	key, value *yaml.Node
}

// members returns the members of a mapping; a nil node has none. It records unknown and
// duplicate keys as mistakes and leaves them out. If allowed is nil, every key is known.
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
		return fmt.Sprintf("%s: want a string as key, not %s; quote values that YAML does not read as strings", what, describe(key))
	case twice:
		return fmt.Sprintf("%s: %.60q is duplicated", what, name)
	case allowed == nil || slices.Contains(allowed, name):
		return ""
	case what == whatRule && slices.Contains(conditionNames, name):
		return fmt.Sprintf("%s is a condition and goes inside allow: [{%s: …}]", name, name)
	case what == whatAlternative && slices.Contains(selectorNames, name):
		return fmt.Sprintf("%s selects the rule and goes beside allow, not into it", name)
	}
	return fmt.Sprintf("unknown key %.60q in %s%s; allowed: %s", name, what, textutil.DidYouMean(name, allowed), strings.Join(allowed, " "))
}

// texts parses a list of strings. It records other items as mistakes and leaves them out.
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
			p.problem(item, "%s: want a string, not %s; quote values that YAML does not read as strings", what, describe(item))
			continue
		}
		result = append(result, item)
	}
	return result
}

// valuesOf returns the values of string nodes.
func valuesOf(nodes []*yaml.Node) []string {
	values := make([]string, len(nodes))
	for i, node := range nodes {
		values[i] = node.Value
	}
	return values
}

// example returns the content of the example list in an error: the value that should
// have been in a list, if there is one.
func example(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode && node.ShortTag() != "!!null" {
		return fmt.Sprintf("%.60s", node.Value)
	}
	return "a, b"
}

// truthWord matches the words that YAML 1.1 reads as booleans, as some editors and
// tools still do.
var truthWord = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$`)

// isText reports whether a node is a string in YAML 1.1 and in YAML 1.2.
func isText(node *yaml.Node) bool {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		return false
	}
	return node.Style != 0 || !truthWord.MatchString(node.Value)
}

// scalar returns the JSON value of a string, number or boolean.
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

// describe describes a node in messages.
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

// flow formats a node on one line, in YAML's flow style.
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
