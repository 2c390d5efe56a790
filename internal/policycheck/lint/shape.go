package lint

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// LowerCase is the only pattern in schemas that the lints interpret: texts without
// upper-case ASCII letters.
const LowerCase = "^[^A-Z]*$"

// Shape is the part of a JSON Schema that the lints use. The zero value permits any value.
type Shape struct {
	path   string            // how a policy calls it, such as input.request
	kinds  kinds             // 0 is every kind
	fields map[string]*Shape // of an object
	open   *Shape            // the other members of an object, nil if it has none
	items  *Shape            // of an array or a set, nil if they are anything
	words  []string          // the only texts it may be, if any
	known  []string          // the texts that it usually is
	lower  bool              // its texts are lower-case
	folded bool              // the names of its members are lower-case
	hidden map[string]*Shape // members of an object that are redacted
	secret bool              // it is always redacted
}

// kind returns the types that a value may have.
func (s *Shape) kind() kinds {
	if s == nil || s.kinds == 0 {
		return anything
	}
	return s.kinds
}

// name returns the name of a value of the shape in messages.
func (s *Shape) name() string {
	if s.path == "" {
		return "this"
	}
	return s.path
}

// maxDepth and maxNodes bound how much of a schema is read, which may refer to
// itself; what is beyond may be anything.
const (
	maxDepth = 30
	maxNodes = 10000
)

// parser reads a schema, whose root its references are looked up in.
type parser struct {
	root  map[string]any
	nodes int // so far
}

// Parse reads a decoded JSON Schema (draft 7) of the value that is at path in policies. An
// object with properties has no others, unless it has additionalProperties or
// patternProperties. Keywords that are not supported permit any value. A reference to
// another document is an error.
func Parse(schema any, path string) (*Shape, error) {
	root, ok := schema.(map[string]any)
	if !ok {
		return nil, errors.New("a JSON Schema is an object")
	}
	return (&parser{root: root}).parse(root, path, 0)
}

func (p *parser) parse(schema any, path string, depth int) (*Shape, error) {
	node, ok := schema.(map[string]any)
	if p.nodes++; !ok || depth > maxDepth || p.nodes > maxNodes {
		return &Shape{path: path}, nil
	}
	if ref, ok := node["$ref"].(string); ok {
		target, err := p.lookup(ref)
		if err != nil {
			return nil, err
		}
		return p.parse(target, path, depth+1)
	}
	s := &Shape{path: path, kinds: kindsOf(node)}
	if combines(node) {
		return s, nil
	}
	s.words, s.known = texts(node["enum"]), texts(node["examples"])
	if word, ok := node["const"].(string); ok {
		s.words = []string{word}
	}
	s.lower = node["pattern"] == LowerCase
	names, _ := node["propertyNames"].(map[string]any)
	s.folded = names["pattern"] == LowerCase
	return s, p.members(s, node, depth)
}

// members reads what a schema says of the members of an object or an array.
func (p *parser) members(s *Shape, node map[string]any, depth int) (err error) {
	if items, ok := node["items"].(map[string]any); ok {
		if s.items, err = p.parse(items, s.path+"[_]", depth+1); err != nil {
			return err
		}
	}
	properties, _ := node["properties"].(map[string]any)
	more, said := node["additionalProperties"]
	switch {
	case more == false:
	case said:
		if s.open, err = p.parse(more, s.path+"[_]", depth+1); err != nil {
			return err
		}
	case len(properties) == 0, node["patternProperties"] != nil:
		s.open = &Shape{path: s.path + "[_]"}
	}
	if node["patternProperties"] != nil {
		s.open = &Shape{path: s.path + "[_]"}
	}
	s.fields = make(map[string]*Shape, len(properties))
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if s.fields[name], err = p.parse(properties[name], s.path+"."+name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// lookup returns what a reference within the schema points to (RFC 6901).
func (p *parser) lookup(ref string) (any, error) {
	pointer, local := strings.CutPrefix(ref, "#")
	var at any = p.root
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, name := range strings.Split(pointer, "/")[1:] {
		node, _ := at.(map[string]any)
		at = node[unescape.Replace(name)]
	}
	if !local || at == nil || pointer != "" && pointer[0] != '/' {
		return nil, fmt.Errorf("$ref %q: want a reference to a definition in the same file, such as #/definitions/name", ref)
	}
	return at, nil
}

// combines reports whether a schema combines others, which are not read.
func combines(node map[string]any) bool {
	for _, word := range []string{"allOf", "anyOf", "oneOf", "not", "if"} {
		if node[word] != nil {
			return true
		}
	}
	return false
}

// kindsOf returns the kinds that a schema allows by type.
func kindsOf(node map[string]any) kinds {
	var all kinds
	names, _ := node["type"].([]any)
	if name, ok := node["type"].(string); ok {
		names = []any{name}
	}
	for _, name := range names {
		all |= map[any]kinds{"null": null, "boolean": boolean, "integer": number, "number": number, "string": text, "array": array, "object": object}[name]
	}
	switch {
	case all != 0:
	case node["properties"] != nil && !combines(node):
		all = object
	case node["items"] != nil && !combines(node):
		all = array
	}
	return all
}

// texts returns a list of texts, or nil if it is none.
func texts(value any) []string {
	var result []string
	switch list := value.(type) {
	case []string:
		return list
	case []any:
		for _, item := range list {
			word, ok := item.(string)
			if !ok {
				return nil
			}
			result = append(result, word)
		}
	}
	return result
}

// Schema returns the shape as a JSON Schema for the type checker of OPA. It leaves out what
// that checker misreads: it treats an object with properties as closed, and the first of
// several types as the only one.
func (s *Shape) Schema() map[string]any {
	switch s.kind() {
	case null:
		return map[string]any{"type": "null"}
	case boolean:
		return map[string]any{"type": "boolean"}
	case number:
		return map[string]any{"type": "number"}
	case text:
		return map[string]any{"type": "string"}
	case array:
		if s.items == nil {
			return map[string]any{"type": "array"}
		}
		return map[string]any{"type": "array", "items": s.items.Schema()}
	case object:
		return s.objectSchema()
	}
	return map[string]any{}
}

func (s *Shape) objectSchema() map[string]any {
	result := map[string]any{"type": "object"}
	if s.open != nil || len(s.fields) == 0 {
		return result
	}
	properties := map[string]any{}
	for name, field := range s.fields {
		properties[name] = field.Schema()
	}
	result["properties"] = properties
	return result
}

// IsObject reports whether the shape is that of an object and nothing else.
func (s *Shape) IsObject() bool { return s.kind() == object }

// Join returns the shape of an object with the members of both.
func (s *Shape) Join(other *Shape) *Shape {
	result := *s
	result.fields = maps.Clone(s.fields)
	maps.Copy(result.fields, other.fields)
	if s.open == nil {
		result.open = other.open
	}
	return &result
}

// Open returns the shape of an object that may have any other members.
func (s *Shape) Open() *Shape {
	result := *s
	result.open = new(Shape)
	return &result
}

// Place returns a copy of the shape in which the field at a path has another shape.
func (s *Shape) Place(field *Shape, path ...string) *Shape {
	if len(path) == 0 {
		return field
	}
	result := *s
	result.fields = maps.Clone(s.fields)
	result.fields[path[0]] = s.fields[path[0]].Place(field, path[1:]...)
	return &result
}
