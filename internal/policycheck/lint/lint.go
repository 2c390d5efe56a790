// Package lint finds mistakes in compiled policies that OPA's own type checker
// does not see: a field that input has not, a comparison that can never hold, a
// word that a closed set has not. It follows values through variables, rules
// and functions, and where it does not know what a value is, it says nothing.
//
// It is pure: compiled rules and the shapes of input and data go in, findings
// come out. docs/lints.md says what each lint finds and why.
package lint

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Config is what to check.
type Config struct {
	// Compiler has compiled the policies without an error.
	Compiler *ast.Compiler
	// Files are the names of the modules that are judged; what they call is
	// looked at too.
	Files map[string]bool
	// Input is the shape of input.
	Input *Shape
	// Decision is the rule that decides, nil if none is judged.
	Decision ast.Ref
	// Unknowns are what of input may not be known.
	Unknowns []Unknowns
	// Data is the shape of the data that no rule makes, nil if that is anything.
	Data *Shape
}

// Run returns what is wrong, in the order of files and lines.
func Run(config Config) []Finding {
	l := &linter{config: config, rules: map[*ast.Rule]*binding{}}
	for _, file := range slices.Sorted(maps.Keys(config.Files)) {
		module := config.Compiler.Modules[file]
		if module == nil {
			continue
		}
		for rule := range definitions(module.Rules) {
			l.clause(rule, nil)
		}
	}
	l.decision()
	l.negations()
	return order(l.findings)
}

// linter goes through rules. Its state is where it is.
type linter struct {
	config   Config
	rules    map[*ast.Rule]*binding // values of rules
	findings []Finding
	site     *ast.Location // the call that is followed, nil if none
	with     bool          // what input is replaced with is judged
	depth    int           // of calls
	followed int           // calls so far
}

// clause judges one definition of a rule, whose arguments a scope may have.
func (l *linter) clause(rule *ast.Rule, args *scope) {
	s := l.body(rule.Body, args)
	for _, t := range rule.Head.Ref()[1:] {
		l.term(t, s)
	}
	if rule.Head.Key != nil {
		l.term(rule.Head.Key, s)
	}
	if rule.Head.Value != nil {
		l.term(rule.Head.Value, s)
	}
}

// body judges each expression of a body and returns its scope.
func (l *linter) body(body ast.Body, parent *scope) *scope {
	s := l.open(body, parent)
	for _, e := range body {
		l.expr(e, s)
	}
	return s
}

func (l *linter) expr(e *ast.Expr, s *scope) {
	for _, w := range e.With {
		l.replaced(e, w, s)
	}
	if ReplacesInput(e) {
		return
	}
	switch terms := e.Terms.(type) {
	case *ast.Term:
		l.term(terms, s)
	case []*ast.Term:
		for _, t := range e.Operands() {
			l.term(t, s)
		}
		l.call(e, s)
	case *ast.Every:
		l.every(terms, s)
	case *ast.Not:
		l.body(terms.Body, s)
	case *ast.LogicalAnd:
		l.body(terms.Rhs, l.body(terms.Lhs, s))
	case *ast.LogicalOr:
		l.body(terms.Lhs, s)
		l.body(terms.Rhs, s)
	}
}

// every judges a body for each member of a collection.
func (l *linter) every(e *ast.Every, s *scope) {
	l.term(e.Domain, s)
	domain := l.infer(e.Domain, s)
	inner := &scope{parent: s, vars: map[ast.Var]*binding{}}
	if e.Key != nil {
		inner.bind(e.Key, func() value { return keyOf(domain) })
	}
	inner.bind(e.Value, func() value { return l.member(domain, value{}) })
	l.body(e.Body, inner)
}

// term judges the references and the comprehensions in a term.
func (l *linter) term(t *ast.Term, s *scope) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Ref:
			l.reference(x, s)
		case *ast.ArrayComprehension:
			l.term(x.Term, l.body(x.Body, s))
			return true
		case *ast.SetComprehension:
			l.term(x.Term, l.body(x.Body, s))
			return true
		case *ast.ObjectComprehension:
			inner := l.body(x.Body, s)
			l.term(x.Key, inner)
			l.term(x.Value, inner)
			return true
		}
		return false
	}).Walk(t)
}

// report adds a finding. What is found in a function outside of the judged
// files is reported where that is called.
func (l *linter) report(at *ast.Location, code Code, severity Severity, message string, sure bool) {
	if at == nil || !l.config.Files[at.File] {
		at = l.site
	}
	if l.with {
		code, message = WrongInput, "with input: "+message
	}
	if at != nil {
		l.findings = append(l.findings, Finding{Code: code, Severity: severity, Location: at, Message: message, sure: sure})
	}
}
