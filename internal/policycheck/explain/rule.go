package explain

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	// maxDepth is the maximum depth to which an explanation follows conditions to the rules
	// that they read.
	maxDepth = 8
	// maxRules is the maximum number of rules in a list of an explanation.
	maxRules = 100
)

// best returns one attempt for each rule, in the order of the first attempts: the one that
// held, or else the one that reached the most conditions.
func best(attempts []*attempt) []*attempt {
	var result []*attempt
	for _, a := range attempts {
		at := slices.IndexFunc(result, func(b *attempt) bool { return b.rule == a.rule })
		switch {
		case at < 0:
			result = append(result, a)
		case !result[at].held && (a.held || a.reached > result[at].reached):
			result[at] = a
		}
	}
	return result
}

// describeAll returns the rules of several attempts.
func (t *trail) describeAll(attempts []*attempt, depth int) []Rule {
	rules := []Rule{}
	for _, a := range best(attempts) {
		if len(rules) == maxRules {
			t.full = true
			break
		}
		rules = append(rules, t.describe(a, depth))
	}
	return rules
}

// describe returns a rule with the results of its conditions, and the rules that failed
// conditions read.
func (t *trail) describe(a *attempt, depth int) Rule {
	rule := Rule{Name: nameOf(a.rule), At: place(a.rule.Location), Holds: a.held, Default: a.rule.Default, Conditions: []Condition{}}
	if a.held && a.value != nil {
		value := valueOf(a.value)
		rule.Value = &value
	}
	if a.rule.Default || t.opaque(a.rule) {
		return rule
	}
	for _, p := range partsOf(a.rule.Body) {
		c := a.describe(p)
		if depth < maxDepth && (c.Outcome == Fails || c.Outcome == Broken) {
			c.Rules = t.describeAll(t.askedBy(a, p), depth+1)
		}
		rule.Conditions = append(rule.Conditions, c)
	}
	return rule
}

// opaque reports whether the conditions of a rule are not shown: those of caddy.access,
// because access tables have an explanation of their own.
func (t *trail) opaque(rule *ast.Rule) bool {
	return strings.HasPrefix(rule.Location.File, "embedded/caddy/access/")
}

// askedBy returns the rules that a condition read. Rules are evaluated once, so the results
// of earlier evaluations are used.
func (t *trail) askedBy(a *attempt, p *part) []*attempt {
	var all []*attempt
	for _, expr := range p.exprs {
		if s := a.steps[expr]; s != nil {
			all = append(all, s.rules()...)
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, expr := range p.exprs {
		ast.WalkRefs(expr, func(ref ast.Ref) bool {
			if ref.HasPrefix(ast.DefaultRootRef) {
				all = append(all, t.attemptsOf(ref)...)
			}
			return false
		})
	}
	return all
}

// nameOf returns a rule's name with its package.
func nameOf(rule *ast.Rule) string {
	return strings.TrimPrefix(rule.Ref().GroundPrefix().String(), "data.")
}
