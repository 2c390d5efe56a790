package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"go.yaml.in/yaml/v3"
)

// TableExplanation is what access tables say of a request, in their own words.
type TableExplanation struct {
	// Allow says that the tables let the caller do what the request asks for.
	Allow bool `json:"allow"`
	// Blocked says that the caller is shut out whatever the rules say.
	Blocked bool `json:"blocked"`
	// Rules are those that count: the first whose hosts and paths fit the path, one
	// more for a WebDAV destination, and one that refuses what lies below them.
	Rules []TableRule `json:"rules"`
}

// TableRule is a rule of an access table.
type TableRule struct {
	// Label says where it stands, such as access.yaml:7 (rule 2); it is default
	// where no rule fits.
	Label string `json:"rule"`
	// Below says that the rule decides below the path or the destination, where the
	// method acts as well.
	Below bool `json:"below,omitempty"`
	// Holds says that one of its alternatives does.
	Holds bool `json:"holds"`
	// Alternatives are in the order of the table; if there are none, the rule lets
	// nobody in.
	Alternatives []TableAlternative `json:"alternatives"`
}

// TableAlternative is one of the ways in which a rule can let somebody in.
type TableAlternative struct {
	// At is where it stands, file:line, or "".
	At    string `json:"at"`
	Holds bool   `json:"holds"`
	// Nearest says that of all that fail it has the fewest conditions to go.
	Nearest    bool             `json:"nearest,omitempty"`
	Conditions []TableCondition `json:"conditions"`
}

// TableCondition is a condition of an alternative.
type TableCondition struct {
	// At is where it stands, file:line, or "".
	At string `json:"at"`
	// Name is its word, such as roles; Wanted is what the table says of it.
	Name   string `json:"condition"`
	Wanted string `json:"wanted"`
	// Holds says whether it does; Has is what the request has instead.
	Holds bool `json:"holds"`
	Has   any  `json:"has"`
}

// tableQuery asks the policy caddy.access itself, so that an explanation is what
// was decided.
var tableQuery = ast.MustParseBody(`x := {
	"allow": count([1 | data.caddy.access.allow]) > 0,
	"blocked": count([1 | data.caddy.access.blocked]) > 0,
	"rules": [{"label": rule.label, "below": below, "alternatives": alternatives} |
		some rule in data.caddy.access.judged
		below := count([1 | rule == data.caddy.access.refusing_below]) > 0
		alternatives := [array.concat(
			[{"name": name, "wanted": wanted, "holds": holds} |
				some name, wanted in alternative
				holds := count([1 | data.caddy.access.condition(name, wanted)]) > 0
			],
			[{"name": "upgrades", "wanted": ["websocket"], "holds": false} | not data.caddy.access.visible(alternative)],
		) | some alternative in rule.allow]
	],
}`)

// explainTables asks what each condition of the rules that count comes to.
func (s *snapshot) explainTables(ctx context.Context, document ast.Value, options []rego.EvalOption) (*TableExplanation, error) {
	query, err := s.policies.Prepare(ctx, tableQuery.Copy())
	if err != nil {
		return nil, fmt.Errorf("access table: %w", err)
	}
	results, err := query.Eval(ctx, append(options[:len(options):len(options)], rego.EvalParsedInput(document))...)
	if err != nil {
		return nil, fmt.Errorf("access table: %w", withoutData(err))
	}
	if len(results) != 1 {
		return nil, errors.New("access table: it cannot be read for this input")
	}
	term, ok := results[0].Bindings["x"].(ast.Value)
	if !ok {
		return nil, errors.New("access table: it has no answer")
	}
	var answer tableAnswer
	if err := ast.As(term, &answer); err != nil {
		return nil, fmt.Errorf("access table: %w", err)
	}
	words, err := readWords(s.tables)
	if err != nil {
		return nil, err
	}
	return answer.explain(words, document), nil
}

// tableAnswer is the value of tableQuery.
type tableAnswer struct {
	Allow   bool `json:"allow"`
	Blocked bool `json:"blocked"`
	Rules   []struct {
		Label        string             `json:"label"`
		Below        bool               `json:"below"`
		Alternatives [][]tableCondition `json:"alternatives"`
	} `json:"rules"`
}

type tableCondition struct {
	Name   string `json:"name"`
	Wanted any    `json:"wanted"`
	Holds  bool   `json:"holds"`
}

// explain puts the answer into the tables' words.
func (a tableAnswer) explain(words map[string][]wordedAlternative, document ast.Value) *TableExplanation {
	result := &TableExplanation{Allow: a.Allow, Blocked: a.Blocked, Rules: []TableRule{}}
	for _, judged := range a.Rules {
		rule := TableRule{Label: judged.Label, Below: judged.Below, Alternatives: []TableAlternative{}}
		worded := words[judged.Label]
		for i, conditions := range judged.Alternatives {
			var said wordedAlternative
			if i < len(worded) {
				said = worded[i]
			}
			alternative := said.explain(conditions, document)
			rule.Holds = rule.Holds || alternative.Holds
			rule.Alternatives = append(rule.Alternatives, alternative)
		}
		rule.markNearest()
		result.Rules = append(result.Rules, rule)
	}
	return result
}

// markNearest marks the first of the alternatives with the fewest conditions to go.
func (r *TableRule) markNearest() {
	nearest, least := -1, 0
	for i, alternative := range r.Alternatives {
		failing := 0
		for _, c := range alternative.Conditions {
			if !c.Holds {
				failing++
			}
		}
		if nearest < 0 || failing < least {
			nearest, least = i, failing
		}
	}
	if nearest >= 0 && !r.Holds {
		r.Alternatives[nearest].Nearest = true
	}
}

// wordedAlternative is an alternative as it stands in a table.
type wordedAlternative struct {
	at         string
	conditions []wordedCondition
}

type wordedCondition struct{ name, at, text string }

// explain joins what the table says with what it came to.
func (w wordedAlternative) explain(conditions []tableCondition, document ast.Value) TableAlternative {
	result := TableAlternative{At: w.at, Holds: len(conditions) > 0, Conditions: []TableCondition{}}
	byName := map[string]tableCondition{}
	for _, c := range conditions {
		byName[c.Name] = c
		result.Holds = result.Holds && c.Holds
	}
	for _, said := range w.conditions {
		c := byName[said.name]
		result.Conditions = append(result.Conditions, TableCondition{
			At: said.at, Name: said.name, Wanted: said.text, Holds: c.Holds, Has: has(said.name, c.Wanted, document),
		})
	}
	if c := byName["upgrades"]; c.Name != "" && len(result.Conditions) < len(conditions) { // the table does not name it
		result.Conditions = append(result.Conditions, TableCondition{Name: c.Name, Wanted: "[websocket]", Has: has(c.Name, c.Wanted, document)})
	}
	return result
}

// readWords returns what the rules of some tables say, by their labels.
func readWords(files []accessFile) (map[string][]wordedAlternative, error) {
	p := new(accessParser)
	words := map[string][]wordedAlternative{}
	for _, table := range p.readTables(files) {
		p.table = table
		if node := table.members["default"]; node != nil {
			words["default"] = p.wordsOf(node)
		}
		rules := table.members["rules"]
		if rules == nil {
			continue
		}
		for i, item := range rules.Content {
			for _, m := range p.members(item, whatRule, ruleKeys) {
				if m.name == "allow" {
					words[ruleLabel(table, item, i+1)] = p.wordsOf(m.value)
				}
			}
		}
	}
	return words, p.err()
}

// wordsOf returns a list of alternatives as it is written.
func (p *accessParser) wordsOf(list *yaml.Node) []wordedAlternative {
	alternatives := make([]wordedAlternative, len(list.Content))
	for i, item := range list.Content {
		alternatives[i].at = fmt.Sprintf("%s:%d", p.table.label, item.Line)
		for _, m := range p.members(item, whatAlternative, conditionNames) {
			alternatives[i].conditions = append(alternatives[i].conditions, wordedCondition{
				name: m.name, at: fmt.Sprintf("%s:%d", p.table.label, m.key.Line), text: flow(m.value),
			})
		}
	}
	return alternatives
}

// flow writes a node of YAML on one line, as somebody would.
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
