package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// equal checks two values that are compared by == or !=.
func (l *linter) equal(a, b value, e *ast.Expr, verdict string) {
	switch {
	case !a.known() || !b.known() || a.term != nil && b.term != nil:
	case l.redacted(a, b, e), l.redacted(b, a, e):
	case a.kind()&b.kind() == 0:
		l.report(place(a, b, e), Impossible, Error, fmt.Sprintf("%s and %s: %s", a.describe(), b.describe(), verdict), false)
	case a.shape != nil:
		l.fits(b, a.shape, e.Location)
	case b.shape != nil:
		l.fits(a, b.shape, e.Location)
	}
}

// ordered checks two values that are compared by <, <=, > or >=. For values of different
// types, the result depends on the types alone.
func (l *linter) ordered(a, b value, e *ast.Expr) {
	if a.known() && b.known() && (a.shape != nil || b.shape != nil) && a.kind()&b.kind() == 0 {
		l.report(place(a, b, e), Impossible, Error, fmt.Sprintf("%s and %s: comparing their order is meaningless", a.describe(), b.describe()), false)
	}
}

// among checks a value and the collection of in.
func (l *linter) among(v, collection value, e *ast.Expr) {
	switch {
	case collection.shape != nil && collection.kind()&^scalars == 0:
		l.report(place(v, collection, e), Impossible, Error, collection.describe()+": it has no members", false)
	case collection.shape != nil:
		l.equal(v, l.member(collection, value{}), e, "it is never in there")
	case collection.term != nil && v.shape != nil:
		l.amongLiterals(v, collection, e)
	}
}

// amongLiterals checks each member of a literal collection.
func (l *linter) amongLiterals(v, collection value, e *ast.Expr) {
	each := func(t *ast.Term) { l.equal(v, l.infer(t, collection.scope), e, "it is never that") }
	switch literal := collection.term.Value.(type) {
	case *ast.Array:
		literal.Foreach(each)
	case ast.Set:
		literal.Foreach(each)
	case ast.Object:
		literal.Foreach(func(_, t *ast.Term) { each(t) })
	default:
		l.report(e.Location, Impossible, Error, collection.describe()+": it has no members", false)
	}
}

// place returns the position of the literal in a comparison, or that of the comparison.
func place(a, b value, e *ast.Expr) *ast.Location {
	return a.place(b.place(e.Location))
}

// fits checks a value against a shape.
func (l *linter) fits(v value, s *Shape, at *ast.Location) {
	for _, part := range v.parts {
		l.fits(part, s, at)
	}
	if v.term == nil {
		l.kindFits(v, s, at)
		return
	}
	at = v.place(at)
	if !l.kindFits(v, s, at) {
		return
	}
	switch literal := v.term.Value.(type) {
	case ast.String:
		l.word(string(literal), s, at)
	case *ast.Array:
		if s.items != nil {
			literal.Foreach(func(t *ast.Term) { l.fits(l.infer(t, v.scope), s.items, at) })
		}
	case ast.Object:
		l.objectFits(literal, v.scope, s, at)
	}
}

func (l *linter) kindFits(v value, s *Shape, at *ast.Location) bool {
	if v.known() && v.kind()&s.kind() == 0 {
		l.report(at, Impossible, Error, fmt.Sprintf("%s is %s, and %s", s.name(), s.kind(), v.describe()), false)
		return false
	}
	return true
}

// objectFits checks the members of a literal object.
func (l *linter) objectFits(literal ast.Object, vars *scope, s *Shape, at *ast.Location) {
	if s.kind() != object {
		return
	}
	literal.Foreach(func(key, t *ast.Term) {
		k := l.infer(key, vars)
		if !l.key(value{shape: s}, k, at) {
			return
		}
		if field := memberOfShape(s, k); field != nil {
			l.fits(l.infer(t, vars), field, k.place(at))
		}
	})
}

// word checks a text against a shape.
func (l *linter) word(text string, s *Shape, at *ast.Location) {
	switch {
	case len(s.words) > 0 && !slices.Contains(s.words, text):
		l.report(at, UnknownWord, Error, fmt.Sprintf("%s is never %q%s", s.name(), text, choice(text, s.words)), false)
	case s.lower && upper(text):
		l.report(at, UpperCase, Error, fmt.Sprintf("%s is lower-case and never %q: write %q", s.name(), text, strings.ToLower(text)), false)
	case slices.Contains(s.known, text):
	default:
		l.usual(text, s, at)
	}
}

// usual checks a text that may have any value but usually has one of a few. Inputs of tests
// are not checked, because a test may use another value.
func (l *linter) usual(text string, s *Shape, at *ast.Location) {
	if len(s.known) == 0 || text == "" || l.with {
		return
	}
	first := nearest(text, s.known)[0]
	switch distance(text, first) {
	case 0:
		l.report(at, Misspelt, Error, fmt.Sprintf("%s is case-sensitive and never %q: write %q", s.name(), text, first), false)
	case 1:
		l.report(at, Misspelt, Warning, fmt.Sprintf("%s is usually not %q: did you mean %q?", s.name(), text, first), false)
	}
}

// suits reports whether a value fits a shape, without adding findings.
func (l *linter) suits(v value, s *Shape) bool {
	trial := *l
	trial.findings, trial.site = nil, new(ast.Location)
	trial.fits(v, s, nil)
	return len(trial.findings) == 0
}
