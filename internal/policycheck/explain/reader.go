package explain

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// reader reads the values of what an expression refers to while it fails.
type reader struct {
	trail *trail
	event topdown.Event
	at    *attempt
}

// values returns what an expression refers to: variables that the source names,
// what the compiler put aside, references to documents.
func (r reader) values(expr *ast.Expr) []Named {
	var found []Named
	add := func(name string, value Value) {
		if name != "" && !slices.ContainsFunc(found, func(n Named) bool { return n.Name == name }) {
			found = append(found, Named{name, value})
		}
	}
	visitor := ast.NewGenericVisitor(func(node any) bool {
		switch node := node.(type) {
		case *ast.ArrayComprehension, *ast.ObjectComprehension, *ast.SetComprehension:
			return true // closures speak for themselves
		case ast.Ref:
			if name, value, ok := r.ref(node); ok {
				add(name, value)
			}
			for _, term := range node[1:] {
				if v, ok := term.Value.(ast.Var); ok && !r.trail.named(v) {
					add(r.variable(term))
				}
			}
			return true
		case *ast.Term:
			if _, ok := node.Value.(ast.Var); ok {
				add(r.variable(node))
			}
		}
		return false
	})
	for _, term := range operands(expr) {
		visitor.Walk(term)
	}
	return found
}

// operands returns what an expression is about, without what it does with it.
func operands(expr *ast.Expr) []*ast.Term {
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		return []*ast.Term{terms}
	case []*ast.Term:
		return terms[1:]
	case *ast.Every:
		return []*ast.Term{terms.Domain}
	case *ast.LogicalAnd:
		return slices.Concat(operandsOf(terms.Lhs), operandsOf(terms.Rhs))
	case *ast.LogicalOr:
		return slices.Concat(operandsOf(terms.Lhs), operandsOf(terms.Rhs))
	}
	return nil
}

// operandsOf returns what the expressions of a body are about.
func operandsOf(body ast.Body) []*ast.Term {
	var all []*ast.Term
	for _, expr := range body {
		all = append(all, operands(expr)...)
	}
	return all
}

// variable returns a variable that has a value, by its name or by the source that
// the compiler put into it; the name is "" if it has none.
func (r reader) variable(term *ast.Term) (string, Value) {
	value := r.event.Plug(term)
	if value == nil || !value.IsGround() {
		return "", undefined
	}
	return r.name(term.Value.(ast.Var)), valueOf(value)
}

// named reports whether a variable is one that the source names.
func (t *trail) named(v ast.Var) bool { return t.sourceName(v) != "" }

// sourceName returns the name of a variable in the source, or "".
func (t *trail) sourceName(v ast.Var) string {
	name, rewritten := t.compiler.RewrittenVars[v]
	if !rewritten {
		name = v
	}
	if name.IsWildcard() || name.IsGenerated() || strings.HasPrefix(string(name), "__local") {
		return ""
	}
	return string(name)
}

// name returns how a variable is called in the source, or what stands there for
// it; or "".
func (r reader) name(v ast.Var) string {
	if name := r.trail.sourceName(v); name != "" || r.at.rule == nil {
		return name
	}
	for _, expr := range r.at.rule.Body {
		if defines(expr, v) && expr.Location != nil {
			return oneLine(string(expr.Location.Text))
		}
	}
	return ""
}

// defines reports whether an expression is what gives a generated variable its
// value.
func defines(expr *ast.Expr, v ast.Var) bool {
	terms, ok := expr.Terms.([]*ast.Term)
	if !ok || len(terms) < 2 {
		return false
	}
	at := terms[len(terms)-1]
	if expr.IsEquality() {
		at = terms[1]
	}
	return at.Value.Compare(v) == 0
}

// ref returns a reference to input, to data or into a variable, with the variables
// in it replaced.
func (r reader) ref(ref ast.Ref) (string, Value, bool) {
	plugged := make(ast.Ref, len(ref))
	for i, term := range ref {
		plugged[i] = term
		if i > 0 {
			plugged[i] = r.event.Plug(term)
		}
	}
	if !plugged[1:].IsGround() {
		plugged = plugged[:len(plugged.GroundPrefix())]
	}
	head, ok := ref[0].Value.(ast.Var)
	switch {
	case !ok:
		return "", undefined, false
	case head.Equal(ast.InputRootDocument.Value):
		return plugged.String(), find(r.event.Input(), plugged[1:]), true
	case head.Equal(ast.DefaultRootDocument.Value):
		if len(r.trail.compiler.GetRulesForVirtualDocument(ref)) > 0 {
			return strings.TrimPrefix(plugged.String(), "data."), r.rule(ref, plugged), true
		}
		return plugged.String(), find(r.trail.data, plugged[1:]), r.trail.data != nil
	}
	name := r.name(head)
	if name == "" {
		return "", undefined, false
	}
	shown := append(ast.Ref{ast.VarTerm(name)}, plugged[1:]...)
	return shown.String(), find(r.event.Plug(ref[0]), plugged[1:]), true
}

// rule returns the latest value of a rule that a reference names, or what is at the
// rest of the reference in it.
func (r reader) rule(ref, plugged ast.Ref) Value {
	for _, a := range slices.Backward(r.trail.attemptsOf(ref)) {
		if !a.held || a.rule.Head.RuleKind() != ast.SingleValue {
			continue
		}
		if own := len(a.rule.Ref()); len(plugged) > own {
			return find(a.value, plugged[own:])
		}
		return valueOf(a.value)
	}
	return undefined
}

// attemptsOf returns all evaluations of the rules that a reference names.
func (t *trail) attemptsOf(ref ast.Ref) []*attempt {
	var all []*attempt
	for _, rule := range t.compiler.GetRulesForVirtualDocument(ref) {
		for ; rule != nil; rule = rule.Else {
			all = append(all, t.byRule[rule]...)
		}
	}
	return all
}
