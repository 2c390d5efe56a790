package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// reference checks each key of a reference.
func (l *linter) reference(ref ast.Ref, s *scope) {
	l.builtIn(ref)
	at, rest := l.root(ref, s)
	for _, key := range rest {
		k := l.infer(key, s)
		if !l.key(at, k, ref[0].Location) {
			return
		}
		at = l.member(at, k)
	}
}

// get checks the key or the path of object.get.
func (l *linter) get(e *ast.Expr, s *scope) {
	operands := e.Operands()
	at := l.infer(operands[0], s)
	for _, key := range l.keys(operands[1], s) {
		if !l.key(at, key, e.Location) {
			return
		}
		at = l.member(at, key)
	}
}

// key checks a key of a value with a shape, and reports whether it may exist.
func (l *linter) key(at, key value, place *ast.Location) bool {
	s := at.shape
	if s == nil {
		return true
	}
	name, named := key.text()
	place = key.place(place)
	switch kind := s.kind(); {
	case kind&^scalars == 0:
		if key.term != nil {
			l.report(place, UnknownField, Error, fmt.Sprintf("%s is %s and has no %s", s.name(), kind, quoted(key.term)), false)
		}
		return false
	case kind == array && named:
		l.report(place, UnknownField, Error, fmt.Sprintf("%s is an array and has no %q, only numbers", s.name(), name), false)
		return false
	case kind == object && named:
		return l.field(s, name, place)
	}
	return true
}

// field checks the name of a member.
func (l *linter) field(s *Shape, name string, place *ast.Location) bool {
	switch {
	case s.fields[name] != nil:
	case s.folded && upper(name):
		l.report(place, UpperCase, Error, fmt.Sprintf("the names in %s are lower-case: %q is never there, write %q", s.name(), name, strings.ToLower(name)), false)
		return false
	case s.open == nil:
		allowed := slices.Collect(maps.Keys(s.fields))
		l.report(place, UnknownField, Error, fmt.Sprintf("%s has no %q%s", s.name(), name, choice(name, allowed)), closeTo(name, allowed))
		return false
	}
	return true
}

// choice lists the allowed words, the nearest first, and suggests it if it is near.
func choice(word string, allowed []string) string {
	if len(allowed) == 0 {
		return "; it has no fields"
	}
	suggestion := ""
	if first := nearest(word, allowed)[0]; distance(word, first) <= 2 {
		suggestion = "; did you mean " + first + "?"
	}
	return suggestion + "; allowed: " + list(word, allowed)
}

// upper reports whether a text has letters of ASCII's upper case.
func upper(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return 'A' <= r && r <= 'Z' })
}
