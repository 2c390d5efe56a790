// Package lint finds mistakes in compiled policies that OPA's type checker does not
// report: a field that the input document does not have, a comparison that never holds, a
// value that a field never has. It follows values through variables, rules and functions,
// and reports nothing about values that it cannot follow.
//
// Run is a pure function of compiled rules and of the shapes of input and data.
// docs/lints.md describes each lint.
package lint

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Config says which modules are checked, and against what.
type Config struct {
	// Compiler has compiled the policies without errors.
	Compiler *ast.Compiler
	// Files are the names of the modules that are checked. Functions that they call are
	// followed into other modules.
	Files map[string]bool
	// Input is the shape of input.
	Input *Shape
	// Decision is the path of the decision; nil checks no decision.
	Decision ast.Ref
	// Unknowns are the fields of input that may be unknown.
	Unknowns []Unknowns
	// Data is the shape of the data; nil permits any data.
	Data *Shape
	// BuiltIn are the paths of packages to which no other source can add, such as
	// data.caddy.access.
	BuiltIn []ast.Ref
}

// Run returns the findings, sorted by file and position.
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
	l.misspelt()
	l.negations()
	return order(l.findings)
}

// linter checks rules. Its state is the current position.
type linter struct {
	config   Config
	rules    map[*ast.Rule]*binding // inferred values of rules
	findings []Finding
	site     *ast.Location // the call that is being followed, or nil
	with     bool          // checking the value that replaces input
	depth    int           // of nested calls
	followed int           // calls so far
}

// clause checks one definition of a rule. args has its arguments, if it is a function.
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

// body checks each expression of a body and returns its scope.
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

// every checks the body of every.
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

// term checks the references and comprehensions in a term.
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

// report adds a finding. A finding in a function of another module is reported at the
// call.
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
