package policy

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// member is one member of an object under construction.
type member = [2]*ast.Term

// part is one member of a section of the input: its name, made once, and how
// its value is read from the section's Go type.
type part[T any] struct {
	name *ast.Term
	term func(*T) *ast.Term
}

// build makes the object that has all parts of a section.
func build[T any](parts []part[T], from *T) *ast.Term {
	members := make([]member, len(parts))
	for i, p := range parts {
		members[i] = member{p.name, p.term(from)}
	}
	return ast.ObjectTerm(members...)
}

func section[T, S any](name string, parts []part[S], get func(*T) *S) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term { return build(parts, get(from)) }}
}

func text[T any](name string, get func(*T) string) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term { return textTerm(get(from)) }}
}

func boolean[T any](name string, get func(*T) bool) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term { return ast.InternedTerm(get(from)) }}
}

func number[T any](name string, get func(*T) int64) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term {
		return ast.NumberTerm(json.Number(strconv.FormatInt(get(from), 10)))
	}}
}

func texts[T any](name string, get func(*T) []string) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term { return listTerm(get(from)) }}
}

func textByName[T any](name string, get func(*T) map[string]string) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term { return objectTerm(get(from), textTerm) }}
}

func textsByName[T any](name string, get func(*T) map[string][]string) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term { return objectTerm(get(from), listTerm) }}
}

func document[T any](name string, get func(*T) any) part[T] {
	return part[T]{ast.StringTerm(name), func(from *T) *ast.Term { return valueTerm(get(from)) }}
}

// textTerm makes a string. Each byte that is not UTF-8 becomes U+FFFD, as it
// does in JSON, so that policies never see text which JSON could not hold.
func textTerm(value string) *ast.Term {
	if !utf8.ValidString(value) {
		value = string([]rune(value))
	}
	return ast.StringTerm(value)
}

func listTerm(values []string) *ast.Term {
	terms := make([]*ast.Term, len(values))
	for i, value := range values {
		terms[i] = textTerm(value)
	}
	return ast.ArrayTerm(terms...)
}

func objectTerm[V any](values map[string]V, term func(V) *ast.Term) *ast.Term {
	members := make([]member, 0, len(values))
	for name, value := range values {
		members = append(members, member{textTerm(name), term(value)})
	}
	return ast.ObjectTerm(members...)
}

// valueTerm builds decoded JSON, whose numbers are json.Number or, in an
// operator's constants, Go's own. What cannot be JSON becomes null.
func valueTerm(value any) *ast.Term {
	switch v := value.(type) {
	case string:
		return textTerm(v)
	case bool:
		return ast.InternedTerm(v)
	case json.Number:
		return ast.NumberTerm(v)
	case []string:
		return listTerm(v)
	case map[string]any:
		return objectTerm(v, valueTerm)
	case []any:
		terms := make([]*ast.Term, len(v))
		for i, item := range v {
			terms[i] = valueTerm(item)
		}
		return ast.ArrayTerm(terms...)
	case nil:
		return ast.NullTerm()
	}
	converted, err := ast.InterfaceToValue(value)
	if err != nil {
		return ast.NullTerm()
	}
	return ast.NewTerm(converted)
}
