package lint

import "github.com/open-policy-agent/opa/v1/ast"

// value is what is known of a term: a shape, a literal whose variables belong
// to a scope, or the parts of a union of objects. The zero value is unknown.
type value struct {
	shape *Shape
	term  *ast.Term
	scope *scope
	parts []value
}

// known reports whether anything is known of a value.
func (v value) known() bool { return v.shape != nil || v.term != nil || v.parts != nil }

// kind returns the kinds that a value may have.
func (v value) kind() kinds {
	switch {
	case v.term != nil:
		return kindOf(v.term.Value)
	case v.parts != nil:
		return object
	}
	return v.shape.kind()
}

// text returns a value that is a literal text.
func (v value) text() (string, bool) {
	if v.term == nil {
		return "", false
	}
	s, ok := v.term.Value.(ast.String)
	return string(s), ok
}

// place is where a literal is, else another place.
func (v value) place(other *ast.Location) *ast.Location {
	if v.term == nil || v.term.Location == nil || v.term.Location.File == "" {
		return other
	}
	return v.term.Location
}

// describe names a value in a message.
func (v value) describe() string {
	switch {
	case v.term != nil && v.term.IsGround():
		return quoted(v.term) + " is " + v.kind().String()
	case v.shape != nil && v.shape.path != "":
		return v.shape.path + " is " + v.kind().String()
	}
	return "the other side is " + v.kind().String()
}

// maxParts bounds the parts of a union; of one with more nothing is known.
const maxParts = 50

// union returns the union of two objects, in which the second one wins.
func union(a, b value) value {
	var parts []value
	for _, v := range []value{a, b} {
		if v.parts == nil {
			parts = append(parts, v)
		}
		parts = append(parts, v.parts...)
	}
	if len(parts) > maxParts {
		return value{}
	}
	return value{parts: parts}
}

// member returns what a value has at a key, as far as it is known.
func (l *linter) member(v, key value) value {
	switch {
	case v.parts != nil:
		return l.memberOfParts(v.parts, key)
	case v.term != nil:
		return l.memberOfLiteral(v, key)
	case v.shape != nil:
		return value{shape: memberOfShape(v.shape, key)}
	}
	return value{}
}

// memberOfParts looks in each part of a union, whose last one wins.
func (l *linter) memberOfParts(parts []value, key value) value {
	var found []value
	for _, part := range parts {
		if !part.known() {
			return value{}
		}
		if at := l.member(part, key); at.known() {
			found = append(found, at)
		}
	}
	switch {
	case len(found) == 0:
		return value{}
	case found[len(found)-1].kind() != object || len(found) == 1:
		return found[len(found)-1]
	}
	return value{parts: found}
}

func (l *linter) memberOfLiteral(v, key value) value {
	if key.term == nil || !ast.IsConstant(key.term.Value) {
		return value{}
	}
	var at *ast.Term
	switch literal := v.term.Value.(type) {
	case ast.Object:
		at = literal.Get(key.term)
	case *ast.Array:
		at = literal.Get(key.term)
	}
	if at == nil {
		return value{}
	}
	return l.infer(at, v.scope)
}

// memberOfShape returns the shape of a member, or nil.
func memberOfShape(s *Shape, key value) *Shape {
	name, named := key.text()
	switch s.kind() {
	case object:
		if field := s.hidden[name]; named && field != nil {
			return field
		}
		if field := s.fields[name]; named && field != nil {
			return field
		}
		if named || len(s.fields) == 0 {
			return s.open
		}
	case array:
		return s.items
	}
	return nil
}

// keyOf returns the shape of the keys of a value.
func keyOf(v value) value {
	if v.shape == nil {
		return value{}
	}
	switch v.kind() {
	case array:
		return value{shape: &Shape{kinds: number}}
	case object:
		return value{shape: &Shape{path: "a name in " + v.shape.name(), kinds: text, lower: v.shape.folded}}
	}
	return value{}
}
