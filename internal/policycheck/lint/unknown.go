package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// How PA007 works. The danger is a condition that holds because a field is empty,
// where the field is empty because the server could not read it: then a caller who has
// the value is treated as one who has not. A field that is read positively is safe: empty
// values match nothing. So the lint follows the decision from its rule on, through
// helpers, functions, comprehensions and variables, and counts the negations on the way
// (not, !=, a member deny of the decision): under an odd number of them, a reference to
// a field of Unknowns is a finding, told at the outermost not. Under an even number it is
// a positive condition again.
//
// One read of the field that tells what is unknown, anywhere in the judged modules, ends
// the warnings for its fields: that the policy combines the two in the right place is
// more than a lint can prove, and a warning that cannot be silenced by doing the right
// thing would be turned off. Values that the lint cannot follow, such as a field whose
// name is computed, give no finding: caddy policy-auth check searches for those by
// evaluating.

// Unknowns are fields of input that may be empty because the server could not
// tell them, and where input says so.
type Unknowns struct {
	// Fields are dotted paths such as identity.roles.
	Fields []string
	// Told is the dotted path at which input says which of them are not known.
	Told string
}

// negations follows a decision from its rules on, and tells conditions that hold
// where something is absent from those that hold where it is there.
type negations struct {
	*linter
	unknowns Unknowns
	seen     map[visited]bool
	reported map[string]bool
	vars     map[ast.Var][]*ast.Term // what variables stand for, in the body at hand
}

// visited is a rule under an even or an odd number of nots.
type visited struct {
	rule    *ast.Rule
	negated bool
}

// negations warns of each not that also holds for a caller whose field is not
// known, unless the policies read what input says about that.
func (l *linter) negations() {
	for _, unknowns := range l.config.Unknowns {
		n := &negations{linter: l, unknowns: unknowns, seen: map[visited]bool{}, reported: map[string]bool{}}
		if !n.told() {
			n.rules(l.config.Decision, nil)
		}
	}
}

// told reports whether a judged module reads where input says what is not known.
func (n *negations) told() bool {
	for file := range n.config.Files {
		found := false
		ast.WalkRefs(n.config.Compiler.Modules[file], func(ref ast.Ref) bool {
			found = found || pathOf(ref) == n.unknowns.Told
			return found
		})
		if found {
			return true
		}
	}
	return false
}

// rules follows the rules that a reference names. At is the outermost not around
// it, nil if there is none or if a second one takes it back.
func (n *negations) rules(ref ast.Ref, at *ast.Expr) {
	if n.config.Compiler == nil || len(ref) == 0 {
		return
	}
	for _, rule := range n.config.Compiler.GetRules(ref.GroundPrefix()) {
		for ; rule != nil; rule = rule.Else {
			if key := (visited{rule, at != nil}); !n.seen[key] {
				n.seen[key] = true
				n.within(rule.Body, at, func() { n.value(rule.Head.Value, at) })
			}
		}
	}
}

// value follows a decision that is an object: what denies counts the other way.
func (n *negations) value(t *ast.Term, at *ast.Expr) {
	if t == nil {
		return
	}
	if v, ok := t.Value.(ast.Var); ok && len(n.vars[v]) == 1 {
		t = n.vars[v][0]
	}
	object, ok := t.Value.(ast.Object)
	if !ok {
		n.terms(t, at)
		return
	}
	object.Foreach(func(name, member *ast.Term) {
		if name.Value.Compare(ast.String("deny")) != 0 {
			n.terms(member, at)
		}
	})
}

// body follows the conditions of a body.
func (n *negations) body(body ast.Body, at *ast.Expr) { n.within(body, at, func() {}) }

// within follows the conditions of a body and then calls then. The compiler moves
// references from conditions into variables, so that within follows the value of a
// variable where a condition uses the variable.
func (n *negations) within(body ast.Body, at *ast.Expr, then func()) {
	outer := n.vars
	defer func() { n.vars = outer }()
	n.vars = maps.Clone(outer)
	if n.vars == nil {
		n.vars = map[ast.Var][]*ast.Term{}
	}
	var conditions []*ast.Expr
	for _, e := range body {
		if v, from := n.named(e); from != nil {
			n.vars[v] = append(slices.Clone(n.vars[v]), from...)
		} else {
			conditions = append(conditions, e)
		}
	}
	for _, e := range conditions {
		n.condition(e, at)
	}
	then()
}

// named returns the variable that an equality or the result of a function names,
// and what it is made of.
func (n *negations) named(e *ast.Expr) (ast.Var, []*ast.Term) {
	if e.Negated || !e.IsCall() {
		return "", nil
	}
	operands := e.Operands()
	if e.IsEquality() && len(operands) == 2 {
		for i, t := range operands {
			if v, ok := t.Value.(ast.Var); ok && !ast.IsConstant(operands[1-i].Value) {
				return v, operands[1-i : 2-i]
			}
		}
		return "", nil
	}
	if arity := n.config.Compiler.GetArity(e.Operator()); arity >= 0 && len(operands) == arity+1 {
		if v, ok := operands[arity].Value.(ast.Var); ok {
			return v, append([]*ast.Term{ast.NewTerm(e.Operator())}, operands[:arity]...)
		}
	}
	return "", nil
}

// condition follows one condition under the not at, if there is one.
func (n *negations) condition(e *ast.Expr, at *ast.Expr) {
	if e.Negated {
		at = flip(e, at)
	}
	switch terms := e.Terms.(type) {
	case *ast.Not:
		n.body(terms.Body, flip(e, at))
	case *ast.Every:
		n.terms(terms.Domain, at)
		n.body(terms.Body, at)
	case *ast.LogicalAnd:
		n.body(terms.Lhs, at)
		n.body(terms.Rhs, at)
	case *ast.LogicalOr:
		n.body(terms.Lhs, at)
		n.body(terms.Rhs, at)
	case *ast.Term:
		n.terms(terms, at)
	case []*ast.Term:
		if slices.ContainsFunc(e.Operands(), isAnonymous) {
			return
		}
		if e.Operator().String() == ast.NotEqual.Name {
			at = flip(e, at)
		}
		for _, t := range e.Operands() {
			n.terms(t, at)
		}
		n.rules(e.Operator(), at)
	}
}

// isAnonymous reports whether a term is the kind anonymous. A caller of unknown
// kind is never anonymous.
func isAnonymous(t *ast.Term) bool { return t.Value.Compare(ast.String("anonymous")) == 0 }

// flip returns the not that counts below another one.
func flip(e, at *ast.Expr) *ast.Expr {
	if at != nil {
		return nil
	}
	return e
}

// terms follows the references in a term.
func (n *negations) terms(t *ast.Term, at *ast.Expr) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Ref:
			n.reference(x, at)
		case ast.Var:
			n.variable(x, at)
		case ast.Body:
			n.body(x, at)
			return true
		}
		return false
	}).Walk(t)
}

// variable follows what a variable stands for, each once at a time.
func (n *negations) variable(v ast.Var, at *ast.Expr) {
	from := n.vars[v]
	delete(n.vars, v)
	for _, t := range from {
		n.terms(t, at)
	}
	if from != nil {
		n.vars[v] = from
	}
}

// reference warns of a field that is not known, below a not.
func (n *negations) reference(ref ast.Ref, at *ast.Expr) {
	if ref.HasPrefix(ast.DefaultRootRef) {
		n.rules(ref, at)
		return
	}
	path := pathOf(ref)
	i := slices.IndexFunc(n.unknowns.Fields, func(field string) bool { return path == field || strings.HasPrefix(path, field+".") })
	if i < 0 || at == nil || at.Location == nil || !n.config.Files[at.Location.File] {
		return
	}
	field := n.unknowns.Fields[i]
	message := fmt.Sprintf("this also holds if input.%s is unknown; check input.%s too, or require a value instead", field, n.unknowns.Told)
	if key := lineKey(at.Location) + field; !n.reported[key] && !n.wrong(at.Location) {
		n.reported[key] = true
		n.report(at.Location, NegatedUnknown, Warning, message, true)
	}
}

// wrong reports whether something else is told of a line.
func (n *negations) wrong(at *ast.Location) bool {
	return slices.ContainsFunc(n.findings, func(f Finding) bool { return f.Code != NegatedUnknown && lineKey(f.Location) == lineKey(at) })
}

// pathOf returns a reference into input as a dotted path, as far as it is known.
func pathOf(ref ast.Ref) string {
	if !ref.HasPrefix(ast.InputRootRef) {
		return ""
	}
	var names []string
	for _, t := range ref[1:] {
		name, ok := t.Value.(ast.String)
		if !ok {
			break
		}
		names = append(names, string(name))
	}
	return strings.Join(names, ".")
}

func lineKey(at *ast.Location) string { return fmt.Sprintf("%s:%d ", at.File, at.Row) }
