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
	if len(a.rule.Head.Args) > 0 {
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
	query, err := f.policies.Rego(body).PrepareForEval(f.ctx)
	if err != nil {
		return false, nil, false
	}
	t := newTrail(f.policies)
	options := append(f.options[:len(f.options):len(f.options)], rego.EvalParsedInput(f.input), rego.EvalQueryTracer(t))
	if _, err := query.Eval(f.ctx, options...); err != nil {
		return false, nil, false
	}
	if t.root.held {
		return true, nil, true
	}
	for _, s := range t.root.order {
		if s.expr.Index != t.root.reached || s.expr.Location == nil {
			continue
		}
		for _, p := range parts {
			if p.location.Offset <= s.expr.Location.Offset && endOf(s.expr.Location) <= endOf(p.location) {
				return false, p, true
			}
		}
	}
	return false, nil, false
}
