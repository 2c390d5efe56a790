package lint

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// scope has the bindings of the variables of a body.
type scope struct {
	parent *scope
	vars   map[ast.Var]*binding
}

// binding is the value of a variable, inferred when it is needed.
type binding struct {
	find func() value
	busy bool // being inferred: bindings may be circular
	done bool
	val  value
}

func (b *binding) value() value {
	if !b.done && !b.busy {
		b.busy = true
		b.val, b.done = b.find(), true
		b.busy = false
	}
	return b.val
}

// lookup returns the value of a variable.
func (s *scope) lookup(v ast.Var) value {
	for ; s != nil; s = s.parent {
		if b := s.vars[v]; b != nil {
			return b.value()
		}
	}
	return value{}
}

// bind binds a variable unless it is bound.
func (s *scope) bind(t *ast.Term, find func() value) {
	v, ok := t.Value.(ast.Var)
	if !ok {
		return
	}
	for at := s; at != nil; at = at.parent {
		if at.vars[v] != nil {
			return
		}
	}
	s.vars[v] = &binding{find: find}
}

// open returns the scope of a body within another one. References are bound before literals,
// because they say more about a variable.
func (l *linter) open(body ast.Body, parent *scope) *scope {
	s := &scope{parent: parent, vars: map[ast.Var]*binding{}}
	positive := slices.DeleteFunc(slices.Clone(body), func(e *ast.Expr) bool { return e.Negated || ReplacesInput(e) })
	for _, literals := range []bool{false, true} {
		for _, e := range positive {
			l.bindExpr(e, s, literals)
		}
	}
	for _, e := range positive {
		references(e, func(ref ast.Ref) { l.bindKeys(ref, s) })
	}
	return s
}

// bindExpr binds the variables that an expression gives a value.
func (l *linter) bindExpr(e *ast.Expr, s *scope, literals bool) {
	if !e.IsCall() {
		return
	}
	operands := e.Operands()
	if e.IsEquality() && len(operands) == 2 {
		l.bindEqual(operands[0], operands[1], s, literals)
		l.bindEqual(operands[1], operands[0], s, literals)
		return
	}
	if arity := l.config.Compiler.GetArity(e.Operator()); !literals && arity >= 0 && len(operands) == arity+1 {
		s.bind(operands[arity], func() value { return l.result(e, s) })
	}
}

// bindEqual binds a variable to a value that it equals.
func (l *linter) bindEqual(v, other *ast.Term, s *scope, literals bool) {
	if elements, ok := v.Value.(*ast.Array); ok && literals {
		for i := range elements.Len() {
			s.bind(elements.Elem(i), func() value { return l.member(l.infer(other, s), value{term: ast.IntNumberTerm(i)}) })
		}
		return
	}
	_, taken := other.Value.(ast.Ref)
	_, renamed := other.Value.(ast.Var)
	if literals != (taken || renamed) {
		s.bind(v, func() value { return l.infer(other, s) })
	}
}

// bindKeys binds the variables that stand for keys in a reference.
func (l *linter) bindKeys(ref ast.Ref, s *scope) {
	for i, key := range ref {
		if _, ok := key.Value.(ast.Var); ok && i > 0 {
			s.bind(key, func() value { return keyOf(l.inferRef(ref[:i], s)) })
		}
	}
}

// ReplacesInput reports whether a compiled expression has with input as.
func ReplacesInput(e *ast.Expr) bool {
	return slices.ContainsFunc(e.With, func(w *ast.With) bool {
		target, ok := w.Target.Value.(ast.Ref)
		return ok && target.Equal(ast.InputRootRef)
	})
}

// references calls a function for each reference in an expression, without those in
// comprehensions and in with.
func references(e *ast.Expr, each func(ast.Ref)) {
	visitor := ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case ast.Ref:
			each(x)
		case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
			return true
		}
		return false
	})
	switch terms := e.Terms.(type) {
	case *ast.Term:
		visitor.Walk(terms)
	case []*ast.Term:
		for _, t := range terms {
			visitor.Walk(t)
		}
	}
}
