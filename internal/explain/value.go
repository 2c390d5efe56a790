package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Value is a value in JSON, or that there is none.
type Value struct{ text string }

// maxValue is how many bytes of a value are shown.
const maxValue = 300

// undefined is no value.
var undefined = Value{}

// String returns the value as JSON, "undefined" if there is none. A large one is
// cut.
func (v Value) String() string {
	switch {
	case v.text == "":
		return "undefined"
	case len(v.text) > maxValue:
		return strings.ToValidUTF8(v.text[:maxValue], "") + "…"
	}
	return v.text
}

// MarshalJSON writes the value itself; one that is undefined or large is text.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.text == "" || len(v.text) > maxValue {
		return json.Marshal(v.String())
	}
	return []byte(v.text), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Value) UnmarshalJSON(text []byte) error {
	v.text = strings.Clone(string(text))
	if v.text == `"undefined"` {
		v.text = ""
	}
	return nil
}

// valueOf returns a term's value.
func valueOf(term *ast.Term) Value {
	if term == nil || !term.IsGround() {
		return undefined
	}
	native, err := ast.JSON(term.Value)
	if err != nil {
		return undefined
	}
	text, err := json.Marshal(native)
	if err != nil {
		return undefined
	}
	return Value{string(text)}
}

// reader reads the values of what an expression refers to while it fails.
type reader struct {
	trail *trail
	event topdown.Event
	at    *attempt
}

// values returns what an expression refers to: variables that somebody named,
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

// find returns what is at a path below a value.
func find(root *ast.Term, path ast.Ref) Value {
	if root == nil {
		return undefined
	}
	value, err := root.Value.Find(path)
	if err != nil {
		return undefined
	}
	return valueOf(ast.NewTerm(value))
}

// values returns what a step failed with; that of several tries differs in what
// it iterated over.
func (s *step) values() []Named {
	all := slices.Concat(s.tries...)
	if _, every := s.expr.Terms.(*ast.Every); every {
		all = append(all, valuesWithin(s.asked)...)
	}
	return all
}

// valuesWithin returns what closures failed with.
func valuesWithin(closures []*attempt) []Named {
	var all []Named
	for _, a := range closures {
		if a.rule != nil {
			continue
		}
		for _, s := range a.order {
			all = append(append(all, slices.Concat(s.tries...)...), valuesWithin(s.asked)...)
		}
	}
	return all
}

// compact drops what stands twice, and what goes beyond a screen.
func compact(values []Named) []Named {
	var kept []Named
	for _, v := range values {
		if !slices.Contains(kept, v) && len(kept) < 12 {
			kept = append(kept, v)
		}
	}
	return kept
}

// oneLine joins the lines of a source.
func oneLine(text string) string {
	joined := strings.Join(strings.Fields(text), " ")
	if len(joined) > 80 {
		joined = fmt.Sprintf("%s…", strings.ToValidUTF8(joined[:80], ""))
	}
	return joined
}
