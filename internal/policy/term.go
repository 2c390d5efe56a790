package policy

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// member is one member of an object under construction.
type member = [2]*ast.Term

// part is one member of a section of the input: its name, made once, and how
// its value is read from the section's Go type, as a term for the policies and
// as bytes of a key.
type part[T any] struct {
	name *ast.Term
	term func(*T) *ast.Term
	key  func([]byte, *T) []byte
	// narrow returns the part with some of its members alone; nil if it cannot be
	// divided.
	narrow func(names []string) part[T]
}

// label returns the part's name.
func (p part[T]) label() string {
	name, _ := p.name.Value.(ast.String)
	return string(name)
}

// partsNamed returns the parts of some names.
func partsNamed[T any](parts []part[T], names []string) []part[T] {
	var found []part[T]
	for _, p := range parts {
		if slices.Contains(names, p.label()) {
			found = append(found, p)
		}
	}
	return found
}

// build makes the object that has all parts of a section.
func build[T any](parts []part[T], from *T) *ast.Term {
	members := make([]member, len(parts))
	for i, p := range parts {
		members[i] = member{p.name, p.term(from)}
	}
	return ast.ObjectTerm(members...)
}

// appendParts appends all parts of a section to a key.
func appendParts[T any](key []byte, parts []part[T], from *T) []byte {
	for _, p := range parts {
		key = p.key(key, from)
	}
	return key
}

func section[T, S any](name string, parts []part[S], get func(*T) *S) part[T] {
	return part[T]{
		name:   ast.StringTerm(name),
		term:   func(from *T) *ast.Term { return build(parts, get(from)) },
		key:    func(key []byte, from *T) []byte { return appendParts(key, parts, get(from)) },
		narrow: func(names []string) part[T] { return section(name, partsNamed(parts, names), get) },
	}
}

func text[T any](name string, get func(*T) string) part[T] {
	return part[T]{
		name: ast.StringTerm(name),
		term: func(from *T) *ast.Term { return textTerm(get(from)) },
		key:  func(key []byte, from *T) []byte { return appendText(key, get(from)) },
	}
}

// word is a text that is mostly one of a few.
func word[T any](name string, get func(*T) string) part[T] {
	p := text(name, get)
	p.term = func(from *T) *ast.Term { return ast.InternedTerm(wellFormed(get(from))) }
	return p
}

func boolean[T any](name string, get func(*T) bool) part[T] {
	return part[T]{
		name: ast.StringTerm(name),
		term: func(from *T) *ast.Term { return ast.InternedTerm(get(from)) },
		key:  func(key []byte, from *T) []byte { return appendBoolean(key, get(from)) },
	}
}

func number[T any](name string, get func(*T) int64) part[T] {
	return part[T]{
		name: ast.StringTerm(name),
		term: func(from *T) *ast.Term { return ast.NumberTerm(json.Number(strconv.FormatInt(get(from), 10))) },
		key:  func(key []byte, from *T) []byte { return appendNumber(key, get(from)) },
	}
}

func texts[T any](name string, get func(*T) []string) part[T] {
	return part[T]{
		name: ast.StringTerm(name),
		term: func(from *T) *ast.Term { return listTerm(get(from)) },
		key:  func(key []byte, from *T) []byte { return appendTexts(key, get(from)) },
	}
}

func textByName[T any](name string, get func(*T) map[string]string) part[T] {
	return byName(name, get, textTerm, appendText)
}

func textsByName[T any](name string, get func(*T) map[string][]string) part[T] {
	return byName(name, get, listTerm, appendTexts)
}

// claims is an object of decoded JSON.
func claims[T any](name string, get func(*T) map[string]any) part[T] {
	return byName(name, get, valueTerm, appendValue)
}

// byName is an object whose members are not known beforehand.
func byName[T, V any](name string, get func(*T) map[string]V, term func(V) *ast.Term, key func([]byte, V) []byte) part[T] {
	return part[T]{
		name:   ast.StringTerm(name),
		term:   func(from *T) *ast.Term { return objectTerm(get(from), term) },
		key:    func(into []byte, from *T) []byte { return appendMembers(into, get(from), key) },
		narrow: func(names []string) part[T] { return someByName(name, names, get, term, key) },
	}
}

// someByName is byName with some members alone.
func someByName[T, V any](name string, names []string, get func(*T) map[string]V, term func(V) *ast.Term, key func([]byte, V) []byte) part[T] {
	terms := make([]*ast.Term, len(names))
	for i := range names {
		terms[i] = textTerm(names[i])
	}
	return part[T]{
		name: ast.StringTerm(name),
		term: func(from *T) *ast.Term {
			all, present := get(from), make([]member, 0, len(names))
			for i, name := range names {
				if value, ok := all[name]; ok {
					present = append(present, member{terms[i], term(value)})
				}
			}
			return ast.ObjectTerm(present...)
		},
		key: func(into []byte, from *T) []byte { return appendNamed(into, get(from), names, key) },
	}
}

// textTerm makes a string.
func textTerm(value string) *ast.Term { return ast.StringTerm(wellFormed(value)) }

// wellFormed makes U+FFFD of each byte that is not UTF-8, as JSON does, so that
// policies never see text which JSON could not hold.
func wellFormed(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	return string([]rune(value))
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

// narrowTerm builds what is wanted of decoded JSON. Where members are, a list has
// none of them and is empty; scalars are as they are.
func narrowTerm(value any, wanted readTree) *ast.Term {
	if wanted == nil {
		return valueTerm(value)
	}
	switch v := value.(type) {
	case map[string]any:
		present := make([]member, 0, len(wanted))
		for name, inner := range wanted {
			if found, ok := v[name]; ok {
				present = append(present, member{textTerm(name), narrowTerm(found, inner)})
			}
		}
		return ast.ObjectTerm(present...)
	case []any:
		return ast.ArrayTerm()
	}
	return valueTerm(value)
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
