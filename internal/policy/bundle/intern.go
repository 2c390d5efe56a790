package bundle

import (
	"encoding/json"

	"github.com/open-policy-agent/opa/v1/ast"
)

// interner builds decoded JSON as OPA's terms, each different one once: names
// and lists of roles that many people have take room once. What it built is
// never changed. It is thrown away after a load, and not safe for concurrent
// use.
type interner struct {
	texts   map[string]*ast.Term
	numbers map[json.Number]*ast.Term // by their digits: 1 is not 1.0
	rest    map[int][]*ast.Term       // arrays and objects, by their hash
}

func newInterner() *interner {
	return &interner{texts: map[string]*ast.Term{}, numbers: map[json.Number]*ast.Term{}, rest: map[int][]*ast.Term{}}
}

// object builds an object.
func (s *interner) object(members map[string]any) (ast.Object, error) {
	pairs := make([][2]*ast.Term, 0, len(members))
	for name, value := range members {
		term, err := s.term(value)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, ast.Item(shared(s.texts, name, ast.StringTerm), term))
	}
	return ast.NewObject(pairs...), nil
}

// term builds a value.
func (s *interner) term(value any) (*ast.Term, error) {
	switch v := value.(type) {
	case string:
		return shared(s.texts, v, ast.StringTerm), nil
	case json.Number:
		return shared(s.numbers, v, ast.NumberTerm), nil
	case []any:
		return s.list(v)
	case map[string]any:
		object, err := s.object(v)
		if err != nil {
			return nil, err
		}
		return s.known(object), nil
	case bool:
		return ast.InternedTerm(v), nil
	case nil:
		return ast.InternedNullTerm, nil
	}
	converted, err := ast.InterfaceToValue(value)
	return ast.NewTerm(converted), err
}

func (s *interner) list(items []any) (*ast.Term, error) {
	terms := make([]*ast.Term, len(items))
	for i, item := range items {
		var err error
		if terms[i], err = s.term(item); err != nil {
			return nil, err
		}
	}
	return s.known(ast.NewArray(terms...)), nil
}

// shared returns the term that a scalar has already, or makes it.
func shared[K comparable](known map[K]*ast.Term, value K, construct func(K) *ast.Term) *ast.Term {
	term := known[value]
	if term == nil {
		term = construct(value)
		known[value] = term
	}
	return term
}

// known returns the term that an equal array or object has already, or makes it.
func (s *interner) known(value ast.Value) *ast.Term {
	hash := value.Hash()
	for _, term := range s.rest[hash] {
		if same(term.Value, value) {
			return term
		}
	}
	term := ast.NewTerm(value)
	s.rest[hash] = append(s.rest[hash], term)
	return term
}

// same reports whether two arrays or objects have the same terms in them. Since
// those are shared, it looks no deeper.
func same(a, b ast.Value) bool {
	switch a := a.(type) {
	case *ast.Array:
		b, ok := b.(*ast.Array)
		return ok && a.Len() == b.Len() && sameItems(a, b)
	case ast.Object:
		b, ok := b.(ast.Object)
		return ok && a.Len() == b.Len() && !b.Until(func(name, value *ast.Term) bool { return a.Get(name) != value })
	}
	return false
}

func sameItems(a, b *ast.Array) bool {
	for i := range a.Len() {
		if a.Elem(i) != b.Elem(i) {
			return false
		}
	}
	return true
}
