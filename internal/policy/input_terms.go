package policy

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
)

// part is one member of a section of the input: its name, made once, and how
// its value is read from the section's Go type, into a term for the policies and
// as bytes of a key.
type part[T any] struct {
	name *ast.Term
	// fill makes a term the value that a section has; nil empties it. What it was
	// before belongs to the part and may be used again.
	fill func(term *ast.Term, from *T)
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
	term := new(ast.Term)
	fillObject(term, parts, from)
	return term
}

// fillObject makes a term the object that has all parts of a section; nil empties
// them. An object that it made before with the same parts is used again.
func fillObject[T any](term *ast.Term, parts []part[T], from *T) {
	object, again := term.Value.(ast.Object)
	if !again {
		members, values := make([][2]*ast.Term, len(parts)), make([]ast.Term, len(parts))
		for i, p := range parts {
			p.fill(&values[i], from)
			members[i] = ast.Item(p.name, &values[i])
		}
		term.Value = ast.NewObject(members...)
		return
	}
	for i, p := range parts {
		value := object.Get(p.name)
		if p.fill(value, from); from != nil && i == len(parts)-1 {
			object.Insert(p.name, value) // it makes the object's hash anew
		}
	}
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
		name: ast.StringTerm(name),
		fill: func(term *ast.Term, from *T) {
			var inner *S
			if from != nil {
				inner = get(from)
			}
			fillObject(term, parts, inner)
		},
		key:    func(key []byte, from *T) []byte { return appendParts(key, parts, get(from)) },
		narrow: func(names []string) part[T] { return section(name, partsNamed(parts, names), get) },
	}
}

// emptyValue replaces the value of a term that is used again.
var emptyValue = ast.InternedNullTerm.Value

// leaf is a part whose value is made as a whole.
func leaf[T any](name string, value func(*T) ast.Value, key func([]byte, *T) []byte) part[T] {
	return part[T]{name: ast.StringTerm(name), key: key, fill: func(term *ast.Term, from *T) {
		if term.Value = emptyValue; from != nil {
			term.Value = value(from)
		}
	}}
}

func text[T any](name string, get func(*T) string) part[T] {
	return leaf(name, func(from *T) ast.Value { return textValue(get(from)) }, func(key []byte, from *T) []byte { return decisioncache.AppendText(key, get(from)) })
}

// internedText is a text field that usually has one of a few values.
func internedText[T any](name string, get func(*T) string) part[T] {
	return leaf(name, func(from *T) ast.Value { return ast.InternedTerm(wellFormed(get(from))).Value }, text(name, get).key)
}

func boolean[T any](name string, get func(*T) bool) part[T] {
	return leaf(name, func(from *T) ast.Value { return ast.InternedTerm(get(from)).Value }, func(key []byte, from *T) []byte { return decisioncache.AppendBoolean(key, get(from)) })
}

func number[T any](name string, get func(*T) int64) part[T] {
	return leaf(name, func(from *T) ast.Value { return ast.Number(strconv.FormatInt(get(from), 10)) }, func(key []byte, from *T) []byte { return decisioncache.AppendNumber(key, get(from)) })
}

func texts[T any](name string, get func(*T) []string) part[T] {
	return leaf(name, func(from *T) ast.Value { return listValue(get(from)) }, func(key []byte, from *T) []byte { return decisioncache.AppendTexts(key, get(from)) })
}

func textByName[T any](name string, get func(*T) map[string]string) part[T] {
	return byName(name, get, textValue, decisioncache.AppendText)
}

func textsByName[T any](name string, get func(*T) map[string][]string) part[T] {
	return byName(name, get, listValue, decisioncache.AppendTexts)
}

// claims is an object of decoded JSON.
func claims[T any](name string, get func(*T) map[string]any) part[T] {
	return byName(name, get, jsonValue, decisioncache.AppendValue)
}

// byName is an object whose members are not known beforehand.
func byName[T, V any](name string, get func(*T) map[string]V, value func(V) ast.Value, key func([]byte, V) []byte) part[T] {
	p := leaf(name, func(from *T) ast.Value { return objectValue(get(from), value) }, func(into []byte, from *T) []byte { return decisioncache.AppendMembers(into, get(from), key) })
	p.narrow = func(names []string) part[T] { return someByName(name, names, get, value, key) }
	return p
}

// someByName is byName with some members alone.
func someByName[T, V any](name string, names []string, get func(*T) map[string]V, value func(V) ast.Value, key func([]byte, V) []byte) part[T] {
	all := make([]part[T], len(names))
	for i, name := range names {
		all[i] = leaf(name, func(from *T) ast.Value { return value(get(from)[name]) }, nil)
	}
	return part[T]{
		name: ast.StringTerm(name),
		fill: func(term *ast.Term, from *T) {
			parts := all
			if from != nil {
				parts = present(all, names, get(from))
			}
			object, again := term.Value.(ast.Object)
			if !again || object.Len() < len(all) || len(parts) < len(all) { // only one with all of them is used again
				if term.Value = emptyValue; from == nil {
					return
				}
			}
			fillObject(term, parts, from)
		},
		key: func(into []byte, from *T) []byte { return decisioncache.AppendNamed(into, get(from), names, key) },
	}
}

// present returns the parts whose names are there.
func present[T, V any](parts []part[T], names []string, values map[string]V) []part[T] {
	for i, name := range names {
		if _, ok := values[name]; ok {
			continue
		}
		found := slices.Clone(parts[:i])
		for j := i + 1; j < len(names); j++ {
			if _, ok := values[names[j]]; ok {
				found = append(found, parts[j])
			}
		}
		return found
	}
	return parts
}

// textTerm makes a string.
func textTerm(value string) *ast.Term { return ast.NewTerm(textValue(value)) }

func textValue(value string) ast.Value { return ast.String(wellFormed(value)) }

// wellFormed makes U+FFFD of each byte that is not UTF-8, as JSON does, so that
// policies never see text which JSON could not hold.
func wellFormed(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	return string([]rune(value))
}

func listValue(values []string) ast.Value {
	terms := make([]*ast.Term, len(values))
	for i, value := range values {
		terms[i] = textTerm(value)
	}
	return ast.NewArray(terms...)
}

func objectValue[V any](values map[string]V, value func(V) ast.Value) ast.Value {
	members := make([][2]*ast.Term, 0, len(values))
	for name, from := range values {
		members = append(members, ast.Item(textTerm(name), ast.NewTerm(value(from))))
	}
	return ast.NewObject(members...)
}

// readTree is the members of an object that may be read, each with its own; nil if
// all of it may be, as a whole.
type readTree map[string]readTree

// treeOf returns what may be read below a path.
func treeOf(r decisioncache.ReadSet, path string) readTree {
	names := r.Members(path)
	if names == nil {
		return nil
	}
	tree := make(readTree, len(names))
	for _, name := range names {
		tree[name] = treeOf(r, path+"."+name)
	}
	return tree
}

// narrowTerm builds what is wanted of decoded JSON. Where members are, a list has
// none of them and is empty; scalars are as they are.
func narrowTerm(value any, wanted readTree) *ast.Term {
	if wanted == nil {
		return valueTerm(value)
	}
	switch v := value.(type) {
	case map[string]any:
		present := make([][2]*ast.Term, 0, len(wanted))
		for name, inner := range wanted {
			if found, ok := v[name]; ok {
				present = append(present, ast.Item(textTerm(name), narrowTerm(found, inner)))
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
		return ast.NewTerm(listValue(v))
	case map[string]any:
		return ast.NewTerm(objectValue(v, jsonValue))
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

// jsonValue is what valueTerm makes.
func jsonValue(value any) ast.Value { return valueTerm(value).Value }
