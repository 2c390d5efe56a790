package lint

import (
	"iter"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxCalls is the maximum depth of calls that are followed, maxFollowed the maximum number.
const (
	maxCalls    = 8
	maxFollowed = 20000
)

// enter reports whether another call may be followed. Call leave at its end.
func (l *linter) enter() bool {
	if l.depth >= maxCalls || l.followed >= maxFollowed {
		return false
	}
	l.depth++
	l.followed++
	return true
}

func (l *linter) leave() { l.depth-- }

// definitions returns all definitions of rules, including else branches.
func definitions(rules []*ast.Rule) iter.Seq[*ast.Rule] {
	return func(yield func(*ast.Rule) bool) {
		for _, rule := range rules {
			for ; rule != nil; rule = rule.Else {
				if !yield(rule) {
					return
				}
			}
		}
	}
}

// call checks a call of a function.
func (l *linter) call(e *ast.Expr, s *scope) {
	operands := e.Operands()
	at := func(i int) value { return l.infer(operands[i], s) }
	switch name := e.Operator().String(); name {
	case ast.Equality.Name:
		l.equal(at(0), at(1), e, "they are never equal")
	case ast.NotEqual.Name:
		l.equal(at(0), at(1), e, "they always differ")
	case ast.LessThan.Name, ast.LessThanEq.Name, ast.GreaterThan.Name, ast.GreaterThanEq.Name:
		l.ordered(at(0), at(1), e)
	case ast.Member.Name:
		l.among(at(0), at(1), e)
	case ast.MemberWithKey.Name:
		l.among(at(1), at(2), e)
	case ast.ObjectGet.Name:
		l.get(e, s)
	default:
		if ast.BuiltinMap[name] == nil {
			l.follow(e, s)
		} else {
			l.reads(e, name, s)
		}
	}
}

// follow checks the definitions of a function with the arguments of a call. A function may
// have definitions for values of several types: if one of them accepts the arguments,
// findings in the others count only if they are certainly mistakes.
func (l *linter) follow(e *ast.Expr, s *scope) {
	if !slices.ContainsFunc(e.Operands(), func(t *ast.Term) bool { return l.infer(t, s).known() }) || !l.enter() {
		return
	}
	defer l.leave()
	before, site := l.findings, l.site
	if site == nil {
		l.site = e.Location
	}
	var found []Finding
	hopeless := true
	for rule := range definitions(l.config.Compiler.GetRulesExact(e.Operator())) {
		args, fit := l.called(rule, e.Operands(), s)
		if !fit || l.excluded(rule.Body, l.open(rule.Body, args)) {
			continue
		}
		l.findings = nil
		l.clause(rule, args)
		found = append(found, l.findings...)
		hopeless = hopeless && slices.ContainsFunc(l.findings, func(f Finding) bool { return f.Severity == Error })
	}
	l.findings, l.site = before, site
	for _, f := range found {
		if f.sure || hopeless || f.Severity == Warning {
			l.findings = append(l.findings, f)
		}
	}
}

// called returns the scope of the arguments of a function, and false if the definition does
// not match them.
func (l *linter) called(rule *ast.Rule, operands []*ast.Term, s *scope) (*scope, bool) {
	args := &scope{vars: map[ast.Var]*binding{}}
	for i, parameter := range rule.Head.Args {
		if i >= len(operands) {
			break
		}
		given := l.infer(operands[i], s)
		if differ(given, value{term: parameter}) {
			return args, false
		}
		l.parameter(parameter, given, args)
	}
	return args, true
}

// parameter binds the variables of a parameter: itself, or members of an object pattern.
func (l *linter) parameter(t *ast.Term, given value, args *scope) {
	if pattern, ok := t.Value.(ast.Object); ok {
		pattern.Foreach(func(key, inner *ast.Term) {
			l.parameter(inner, l.member(given, value{term: key}), args)
		})
		return
	}
	args.bind(t, func() value { return given })
}

// excluded reports whether a body requires another type or constant than the arguments have.
func (l *linter) excluded(body ast.Body, s *scope) bool {
	return slices.ContainsFunc(body, func(e *ast.Expr) bool {
		if !e.IsCall() || len(e.Operands()) == 0 {
			return false
		}
		operands := e.Operands()
		if want, ok := typeTests[e.Operator().String()]; ok {
			have := l.infer(operands[0], s)
			return have.known() && (!e.Negated && have.kind()&want == 0 || e.Negated && have.kind()&^want == 0)
		}
		return e.IsEquality() && !e.Negated && differ(l.infer(operands[0], s), l.infer(operands[1], s))
	})
}

// differ reports whether two values are different constants.
func differ(a, b value) bool {
	return a.term != nil && b.term != nil && ast.IsConstant(a.term.Value) && ast.IsConstant(b.term.Value) && !a.term.Equal(b.term)
}

// replaced checks the value that replaces input, or a part of it. A server must be able to
// produce it, if the expression evaluates checked policies.
func (l *linter) replaced(e *ast.Expr, w *ast.With, s *scope) {
	target, ok := w.Target.Value.(ast.Ref)
	if !ok || !target.HasPrefix(ast.InputRootRef) || !l.asks(e) {
		return
	}
	before := l.with
	l.with = true
	l.reference(target, s)
	if v := l.inferRef(target, s); v.shape != nil {
		l.fits(l.infer(w.Value, s), v.shape, e.Location)
	}
	l.with = before
}

// asks reports whether an expression evaluates checked policies.
func (l *linter) asks(e *ast.Expr) bool {
	found := false
	references(e, func(ref ast.Ref) {
		for _, rule := range l.config.Compiler.GetRules(ref) {
			found = found || l.config.Files[rule.Location.File]
		}
	})
	return found
}
