package explain

import (
	"context"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// finder finds the condition that prevents an allow.
type finder struct {
	trail    *trail
	ctx      context.Context
	policies Policies
	input    ast.Value
	options  []rego.EvalOption
	known    map[*attempt]int // how many conditions are missing
}

// find returns that condition, or nil if no rule can allow.
func (f finder) find() *Nearest {
	tried := best(f.trail.root.asked())
	if a := f.nearest(tried, mayAllow); a != nil {
		n := f.start(a)
		f.follow(n, a)
		return n
	}
	for _, a := range tried {
		if a.held {
			return f.denying(a)
		}
	}
	return nil
}

// start begins an answer with the definition of the decision that is meant.
func (f finder) start(a *attempt) *Nearest {
	return &Nearest{Rule: nameOf(a.rule), At: place(a.rule.Location), Missing: f.missing(a), Through: []Condition{}}
}

// nearest returns the failed attempt with the fewest failing conditions; of several, the
// one with the most that hold, and then the first.
func (f finder) nearest(attempts []*attempt, wanted func(*ast.Rule) bool) *attempt {
	var found *attempt
	var least, most int
	for i, a := range attempts {
		if p, _ := a.failing(); p == nil || f.trail.opaque(a.rule) || !wanted(a.rule) {
			continue
		}
		missing, holding := a.notHolding(), a.holding()
		if i < maxRules {
			missing = f.missing(a)
		}
		if found == nil || missing < least || missing == least && holding > most {
			found, least, most = a, missing, holding
		}
	}
	return found
}

// follow goes from a failed rule to the condition that fails, through the rules that it
// reads and that fail.
func (f finder) follow(n *Nearest, a *attempt) {
	for range maxDepth * 4 {
		p, s := a.failing()
		n.Condition = a.describe(p)
		asked := best(f.trail.askedBy(a, p))
		next := f.nearest(asked, func(*ast.Rule) bool { return true })
		if s.expr.Negated || next == nil || a.broken || slices.ContainsFunc(asked, holdsIndeed) {
			n.Because = f.held(asked)
			return
		}
		n.Through = append(n.Through, n.Condition)
		a = next
	}
}

// holdsIndeed reports whether a rule holds, with another value than false.
func holdsIndeed(a *attempt) bool {
	return a.held && (a.value == nil || !a.value.Equal(ast.BooleanTerm(false)))
}

// held describes those of some rules that hold, but for defaults.
func (f finder) held(attempts []*attempt) []Rule {
	return f.trail.describeAll(slices.DeleteFunc(slices.Clone(attempts), func(a *attempt) bool { return !a.held || a.rule.Default }), maxDepth)
}

// denying explains a decision that is defined and denies: the rules of its deny, or the
// condition that its allow depends on.
func (f finder) denying(a *attempt) *Nearest {
	n := f.start(a)
	n.Missing = 0
	if a.rule.Default {
		return nil // nothing could allow, or it would have been tried
	}
	expr := a.source("deny")
	if find(a.value, refTo("allow")).text != "true" && find(a.value, refTo("allowed")).text != "true" || expr == nil {
		if expr = a.source("allow"); expr == nil {
			expr = a.source("allowed")
		}
	}
	if expr == nil {
		n.Condition = Condition{At: place(a.rule.Location), Text: cut(string(a.rule.Location.Text)), Outcome: Fails}
		n.Because = f.held([]*attempt{a})
		return n
	}
	p := &part{expr.Location, []*ast.Expr{expr}}
	n.Condition = Condition{At: place(expr.Location), Text: cut(string(expr.Location.Text)), Outcome: Fails}
	asked := best(f.trail.askedBy(a, p))
	next := f.nearest(asked, func(*ast.Rule) bool { return true })
	if next == nil || slices.ContainsFunc(asked, holdsIndeed) {
		n.Because = f.held(asked)
		return n
	}
	n.Missing = f.missing(next)
	n.Through = append(n.Through, n.Condition)
	f.follow(n, next)
	return n
}

func refTo(name string) ast.Ref { return ast.Ref{ast.StringTerm(name)} }

// source returns the expression that a member of a rule's value comes from, or
// that the whole value does if it is no object; nil if it is written in the rule.
func (a *attempt) source(member string) *ast.Expr {
	term := a.rule.Head.Value
	if term == nil {
		return nil
	}
	expr := definition(a.rule, term)
	if expr != nil && expr.IsEquality() {
		if _, ok := expr.Operand(1).Value.(ast.Object); ok {
			term = expr.Operand(1)
		}
	}
	object, ok := term.Value.(ast.Object)
	if !ok {
		return expr
	}
	if term = object.Get(ast.StringTerm(member)); term == nil {
		return nil
	}
	return definition(a.rule, term)
}

// definition returns the expression that gives a variable in a rule its value.
func definition(rule *ast.Rule, term *ast.Term) *ast.Expr {
	v, ok := term.Value.(ast.Var)
	if !ok {
		return nil
	}
	for _, expr := range rule.Body {
		if defines(expr, v) && expr.Location != nil {
			return expr
		}
	}
	return nil
}

// mayAllow reports whether a definition of the decision can allow if its conditions hold:
// its value is not the constant false.
func mayAllow(rule *ast.Rule) bool {
	if rule.Default || rule.Head.Value == nil {
		return false
	}
	term := rule.Head.Value
	if expr := definition(rule, term); expr != nil && expr.IsEquality() {
		term = expr.Operand(1)
	}
	no := ast.BooleanTerm(false)
	object, ok := term.Value.(ast.Object)
	if !ok {
		return !term.Equal(no)
	}
	for _, name := range []string{"allow", "allowed"} {
		if said := object.Get(ast.StringTerm(name)); said != nil && said.Equal(no) {
			return false
		}
	}
	return true
}
