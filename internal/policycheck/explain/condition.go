package explain

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// part is a condition of the source. The compiler splits a condition into several
// expressions, each with its own position within the condition.
type part struct {
	location *ast.Location
	exprs    []*ast.Expr
}

// partsOf groups the expressions of a compiled body by conditions of the source, in their
// order.
func partsOf(body ast.Body) []*part {
	sorted := slices.DeleteFunc(slices.Clone(body), func(e *ast.Expr) bool {
		return e.Location == nil || len(e.Location.Text) == 0 || isTrue(e)
	})
	slices.SortStableFunc(sorted, func(a, b *ast.Expr) int {
		return cmp.Or(cmp.Compare(a.Location.Offset, b.Location.Offset), cmp.Compare(endOf(b.Location), endOf(a.Location)))
	})
	var parts []*part
	for _, expr := range sorted {
		if len(parts) > 0 {
			if last := parts[len(parts)-1]; endOf(expr.Location) <= endOf(last.location) {
				last.exprs = append(last.exprs, expr)
				continue
			}
		}
		parts = append(parts, &part{expr.Location, []*ast.Expr{expr}})
	}
	return parts
}

func endOf(l *ast.Location) int { return l.Offset + len(l.Text) }

// isTrue reports whether an expression is the body of a rule without conditions.
func isTrue(e *ast.Expr) bool {
	term, ok := e.Terms.(*ast.Term)
	return ok && !e.Negated && term.Equal(ast.BooleanTerm(true))
}

// outcome returns the result of a condition in an attempt.
func (a *attempt) outcome(p *part) Outcome {
	first, last := p.exprs[0].Index, p.exprs[0].Index
	at := false // it is where the attempt ended
	for _, expr := range p.exprs {
		first, last = min(first, expr.Index), max(last, expr.Index)
		at = at || expr.Index == a.reached
	}
	switch {
	case a.held, last < a.reached:
		return Holds
	case at && a.broken:
		return Broken
	case at:
		return Fails
	}
	return Unreached
}

// failing returns the condition at which an attempt ended, and the expression of
// it; nil if it held or has none.
func (a *attempt) failing() (*part, *step) {
	if a.held || a.rule == nil {
		return nil, nil
	}
	for _, p := range partsOf(a.rule.Body) {
		for _, expr := range p.exprs {
			if expr.Index == a.reached && a.steps[expr] != nil {
				return p, a.steps[expr]
			}
		}
	}
	return nil, nil
}

// holding counts the conditions that hold.
func (a *attempt) holding() int {
	count := 0
	for _, p := range partsOf(a.rule.Body) {
		if a.outcome(p) == Holds {
			count++
		}
	}
	return count
}

// maxText is the maximum length of quoted source.
const maxText = 2 << 10

// describe returns a condition without the rules that it reads.
func (a *attempt) describe(p *part) Condition {
	c := Condition{At: place(p.location), Text: cut(string(p.location.Text)), Outcome: a.outcome(p)}
	if c.Outcome == Fails || c.Outcome == Broken {
		for _, expr := range p.exprs {
			if s := a.steps[expr]; s != nil {
				c.Values = append(c.Values, s.values()...)
			}
		}
		c.Values = compact(c.Values)
	}
	return c
}

func place(l *ast.Location) string { return fmt.Sprintf("%s:%d", l.File, l.Row) }

// cut shortens a text that is too long.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return text[:maxText] + "…"
}
