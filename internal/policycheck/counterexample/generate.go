package counterexample

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxGenerated is the maximum number of samples. maxTriples is the number of samples above
// which the needs of three rules are not combined. maxValues is the number of values that
// are tried for a condition, maxKnown the number of callers of the access table.
const (
	maxGenerated = 3000
	maxTriples   = 1000
	maxValues    = 4
	maxKnown     = 100
)

// Generate returns samples made of the values that the rules of a decision compare input
// with: for each rule a request that satisfies its conditions, alone and together with the
// needs of each other rule and with values that make each negation fail. known are parts
// of inputs that an access table allows.
func Generate(compiler *ast.Compiler, decision ast.Ref, base map[string]any, known []map[string]any) []Sample {
	g := &generator{base: base}
	var plans []plan
	for _, part := range known[:min(len(known), maxKnown)] {
		plans = append(plans, plan{needs: needsOf(part, nil)})
	}
	for _, rule := range reachable(compiler, decision) {
		if plan := planOf(compiler, rule, base); len(plan.needs)+len(plan.against) > 0 {
			plans = append(plans, plan)
		}
	}
	plans = append([]plan{{}}, plans...)
	g.own(plans)
	g.pairs(plans)
	g.triples(plans)
	return g.samples
}

// own makes samples of the needs of each rule, alone and with values that make each of its
// negations fail.
func (g *generator) own(plans []plan) {
	for _, mine := range plans {
		g.add(mine.needs)
		for _, needs := range mine.against {
			g.add(slices.Concat(mine.needs, needs))
		}
	}
}

// pairs makes samples of the needs of two rules.
func (g *generator) pairs(plans []plan) {
	for _, mine := range plans {
		for _, needs := range more(plans) {
			g.add(slices.Concat(mine.needs, needs))
			if len(g.samples) >= maxGenerated {
				return
			}
		}
	}
}

// triples makes samples of the needs of three rules, unless there are many rules.
func (g *generator) triples(plans []plan) {
	besides := more(plans)
	for _, mine := range plans {
		for i, needs := range besides {
			for _, others := range besides[:i] {
				if len(g.samples) >= maxTriples {
					return
				}
				g.add(slices.Concat(mine.needs, needs, others))
			}
		}
	}
}

// needsOf returns the needs of a part of an input.
func needsOf(part map[string]any, path []string) []need {
	var needs []need
	for _, name := range slices.Sorted(maps.Keys(part)) {
		here := append(slices.Clone(path), name)
		switch value := part[name].(type) {
		case map[string]any:
			needs = append(needs, needsOf(value, here)...)
		case []any:
			for _, item := range value {
				needs = append(needs, need{path: append(slices.Clone(here), "[]"), values: []any{item}})
			}
		default:
			needs = append(needs, need{path: here, values: []any{value}})
		}
	}
	return needs
}

// more returns additional needs of a request: none, values that make a negation fail, and
// the needs of another rule.
func more(plans []plan) [][]need {
	all := [][]need{nil}
	for _, plan := range plans {
		all = append(all, plan.against...)
	}
	for _, plan := range plans {
		all = append(all, plan.needs)
	}
	return all
}

// generator makes samples.
type generator struct {
	base    map[string]any
	samples []Sample
}

// add makes samples for needs: one with the first value of each need, and one for each
// further value.
func (g *generator) add(needs []need) {
	g.sample(needs, -1, 0)
	for i, n := range needs {
		for j := 1; j < min(len(n.values), maxValues); j++ {
			g.sample(needs, i, j)
		}
	}
}

// sample makes a sample in which one need has another value than its first.
func (g *generator) sample(needs []need, special, value int) {
	if len(g.samples) >= maxGenerated {
		return
	}
	part := map[string]any{"identity": map[string]any{"id": "alice"}}
	for i, n := range needs {
		chosen := n.values[0]
		if i == special {
			chosen = n.values[value]
		}
		part = put(part, n.path, chosen)
	}
	g.samples = append(g.samples, Sample{Name: fmt.Sprintf("generated %d", len(g.samples)+1), Input: Complete(part, g.base)})
}

// put returns a copy of an object with a value at a path. Members of lists are appended.
func put(object map[string]any, path []string, value any) map[string]any {
	result := maps.Clone(object)
	if result == nil {
		result = map[string]any{}
	}
	name := path[0]
	switch {
	case len(path) == 1:
		result[name] = value
	case path[1] == "[]":
		list, _ := result[name].([]any)
		if len(path) > 2 {
			value = put(nil, path[2:], value)
		}
		result[name] = append(slices.Clone(list), value)
	default:
		below, _ := result[name].(map[string]any)
		result[name] = put(below, path[1:], value)
	}
	return result
}
