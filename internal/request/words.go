package request

import (
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// lowerCase is the pattern of texts without letters of ASCII's upper case.
const lowerCase = "^[^A-Z]*$"

// enumFields are the fields that are one of a few words; those of a list if they
// are lists.
var enumFields = map[string][]string{
	"contract":            {Contract},
	"request.scheme":      {"http", "https"},
	"request.protocol":    {"HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"},
	"request.path_flags":  flagNames(pathFlags),
	"request.query_flags": flagNames([]Flag{FlagSemicolon, FlagBadEscape, FlagInvalidUTF8}),
	"tls.version":         {"", "1.0", "1.1", "1.2", "1.3"},
	"identity.kind":       {string(authenticator.KindUser), string(authenticator.KindClient), string(authenticator.KindUnknown), string(authenticator.KindAnonymous)},
	"identity.unknown":    authenticator.UnknownFields(),
	"identity.bound":      {"none", "dpop", "certificate"},
	"failure.reason":      reasonNames(),
}

// exampleFields are the fields that may be anything but are usually one of a few words.
var exampleFields = map[string][]string{
	"request.method":  strings.Fields("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK"),
	"request.upgrade": {"", webSocket},
	"identity.method": {"", "jwt", "introspection", "basic", "api_key", "client_certificate", "session", "provider"},
}

// lowerCaseFields are the fields in lower case, of objects the names in them.
var lowerCaseFields = []string{"request.host", "request.path_folded", "request.upgrade", "request.headers", "request.header_values"}

func reasonNames() []string {
	names := []string{""}
	for _, reason := range authenticator.Reasons() {
		names = append(names, string(reason))
	}
	return names
}

// addConstraints adds to a schema what the Go types do not say.
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

// schemaAt returns the schema of a field, whose path is dotted.
func schemaAt(schema map[string]any, path string) map[string]any {
	for name := range strings.SplitSeq(path, ".") {
		schema = schema["properties"].(map[string]any)[name].(map[string]any)
	}
	return schema
}
