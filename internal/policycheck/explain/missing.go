package explain

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// maxMissing is how many conditions are looked for that do not hold.
const maxMissing = 4

// notHolding counts the conditions that fail or were not reached.
func (a *attempt) notHolding() int { return len(partsOf(a.rule.Body)) - a.holding() }

// missing counts the conditions of an attempt that fail by themselves: each time,
// the rest is evaluated without the one that fails. Where what is left cannot
// stand alone, whatever was not reached counts.
func (f finder) missing(a *attempt) int {
	count, known := f.known[a]
	if !known {
		count = f.count(a)
		f.known[a] = count
	}
	return count
}

func (f finder) count(a *attempt) int {
	if len(a.rule.Head.Args) > 0 || a.notHolding() == 1 {
		return a.notHolding()
	}
	parts := partsOf(a.rule.Body)
	failing, _ := a.failing()
	rest := a.rule.Body
	for count := 1; ; count++ {
		at := slices.IndexFunc(parts, func(p *part) bool { return failing != nil && p.location.Offset == failing.location.Offset })
		if at < 0 {
			return max(count, a.notHolding())
		}
		parts = slices.Delete(slices.Clone(parts), at, at+1)
		rest = without(rest, failing)
		if len(rest) == 0 || count == maxMissing {
			return count
		}
		held, next, ok := f.try(rest, parts)
		switch {
		case !ok:
			return max(count, a.notHolding())
		case held:
			return count
		}
		failing = next
	}
}

// without returns a body without a condition.
func without(body ast.Body, p *part) ast.Body {
	var rest ast.Body
	for _, expr := range body {
		if expr.Location == nil || expr.Location.Offset < p.location.Offset || endOf(expr.Location) > endOf(p.location) {
			rest.Append(expr.Copy())
		}
	}
	return rest
}

// try evaluates conditions by themselves. It returns whether they hold, and which
// one does not; ok is false if they cannot be evaluated.
func (f finder) try(body ast.Body, parts []*part) (held bool, failing *part, ok bool) {
	closure := ast.ArrayComprehensionTerm(ast.BooleanTerm(true), body) // in which false does not hold
	query, err := f.policies.Prepare(f.ctx, ast.NewBody(ast.Equality.Expr(ast.VarTerm("held"), closure)))
	if err != nil {
		return false, nil, false
	}
	t := newTrail(f.policies)
	options := append(slices.Clip(f.options), rego.EvalParsedInput(f.input), rego.EvalQueryTracer(t))
	if _, err := query.Eval(f.ctx, options...); err != nil || len(t.root.order) == 0 || len(t.root.order[0].asked) != 1 {
		return false, nil, false
	}
	a := t.root.order[0].asked[0]
	failing = a.endedIn(parts)
	return a.held, failing, a.held || failing != nil
}

// endedIn returns the condition within which an attempt ended, or nil.
func (a *attempt) endedIn(parts []*part) *part {
	for _, s := range a.order {
		if s.expr.Index != a.reached || s.expr.Location == nil {
			continue
		}
		for _, p := range parts {
			if p.location.Offset <= s.expr.Location.Offset && endOf(s.expr.Location) <= endOf(p.location) {
				return p
			}
		}
	}
	return nil
}
