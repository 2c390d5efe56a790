package request

import (
	"reflect"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Schema returns the JSON Schema (draft 7) of Document, generated from its Go types. Every
// field is required, and only claims, config and body are open. It has an enum for fields
// with fixed values, examples for others, and a pattern for fields in lower case.
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

// lowerCase is the pattern of strings without upper-case ASCII letters.
const lowerCase = "^[^A-Z]*$"

// enumFields are the fields with fixed values; for a list, the values of its items.
var enumFields = map[string][]string{
	"contract":            {Contract},
	"request.scheme":      {"http", "https"},
	"request.protocol":    {"HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"},
	"request.path_flags":  flagNames(pathFlags),
	"request.query_flags": flagNames([]Flag{FlagSemicolon, FlagBadEscape, FlagInvalidUTF8}),
	"tls.version":         {"", "1.0", "1.1", "1.2", "1.3"},
	"identity.kind":       {string(authenticator.KindUser), string(authenticator.KindClient), string(authenticator.KindUnknown), string(authenticator.KindGuest), string(authenticator.KindAnonymous)},
	"identity.unknown":    authenticator.UnknownFields(),
	"identity.bound":      {"none", "dpop", "certificate"},
	"failure.reason":      reasonNames(),
}

// exampleFields are the fields with usual but not fixed values.
var exampleFields = map[string][]string{
	"request.method":     strings.Fields("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK"),
	"request.upgrade":    {"", webSocket},
	"request.mcp.method": {"", "server/discover", "tools/list", "tools/call", "initialize", "ping", "notifications/initialized", "prompts/get", "resources/read"},
	"identity.method":    {"", "jwt", "introspection", "basic", "api_key", "client_certificate", "session", "provider"},
}

// lowerCaseFields are the fields in lower case; for an object, its names.
var lowerCaseFields = []string{"request.host", "request.path_folded", "request.upgrade", "request.headers", "request.header_values"}

func reasonNames() []string {
	names := []string{""}
	for _, reason := range authenticator.Reasons() {
		names = append(names, string(reason))
	}
	return names
}

// addConstraints adds the constraints that Go types do not have.
func addConstraints(schema map[string]any) {
	for path, words := range enumFields {
		field := schemaAt(schema, path)
		if items, ok := field["items"].(map[string]any); ok {
			field = items
		}
		field["enum"] = words
	}
	for path, words := range exampleFields {
		schemaAt(schema, path)["examples"] = words
	}
	for _, path := range lowerCaseFields {
		field := schemaAt(schema, path)
		if field["type"] == "object" {
			field["propertyNames"] = map[string]any{"pattern": lowerCase}
		} else {
			field["pattern"] = lowerCase
		}
	}
}

// schemaAt returns the schema of the field at a dotted path.
func schemaAt(schema map[string]any, path string) map[string]any {
	for name := range strings.SplitSeq(path, ".") {
		schema = schema["properties"].(map[string]any)[name].(map[string]any)
	}
	return schema
}
