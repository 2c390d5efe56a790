package request

import (
	"reflect"
	"strings"
)

// Schema returns the JSON Schema (draft 7) of Document, made from its Go types:
// every field is required, and nothing but claims, config and body is open. It
// lists the words of closed sets, gives examples of open ones and says what is
// lower-case.
func Schema() map[string]any {
	schema := schemaOf(reflect.TypeFor[Document]())
	addConstraints(schema)
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["title"] = "What policies read as input, contract " + Contract
	return schema
}

// schemaOf returns the schema of a type of Document.
func schemaOf(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem())
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	}
	return map[string]any{} // anything
}

func structSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for field := range t.Fields() {
		if !field.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		properties[name] = schemaOf(field.Type)
		required = append(required, name)
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}
