package lint

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// kinds is a set of the kinds of value that Rego knows.
type kinds uint8

const (
	null kinds = 1 << iota
	boolean
	number
	text
	array
	object
	set

	scalars  = null | boolean | number | text
	anything = scalars | array | object | set
)

// kindNames are in the order of the bits.
var kindNames = []string{"null", "a boolean", "a number", "a string", "an array", "an object", "a set"}

// String lists the kinds in words.
func (k kinds) String() string {
	var names []string
	for i, name := range kindNames {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// kindOf returns the kind of a literal, or all kinds for what is none.
func kindOf(value ast.Value) kinds {
	switch value.(type) {
	case ast.Null:
		return null
	case ast.Boolean:
		return boolean
	case ast.Number:
		return number
	case ast.String:
		return text
	case *ast.Array, *ast.ArrayComprehension:
		return array
	case ast.Object, *ast.ObjectComprehension:
		return object
	case ast.Set, *ast.SetComprehension:
		return set
	}
	return anything
}

// shapeOfType returns the shape of what a built-in function returns, nil if it
// may be anything.
func shapeOfType(t types.Type) *Shape {
	switch t := t.(type) {
	case types.Null:
		return &Shape{kinds: null}
	case types.Boolean:
		return &Shape{kinds: boolean}
	case types.Number:
		return &Shape{kinds: number}
	case types.String:
		return &Shape{kinds: text}
	case *types.NamedType:
		return shapeOfType(t.Type)
	case *types.Array:
		return &Shape{kinds: array, items: shapeOfType(t.Dynamic())}
	case *types.Set:
		return &Shape{kinds: set, items: shapeOfType(t.Of())}
	case *types.Object:
		return &Shape{kinds: object, open: new(Shape)}
	}
	return nil
}

// typeTests are the built-in functions that ask for a kind.
var typeTests = map[string]kinds{
	"is_null": null, "is_boolean": boolean, "is_number": number, "is_string": text,
	"is_array": array, "is_object": object, "is_set": set,
}
