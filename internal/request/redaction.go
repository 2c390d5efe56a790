package request

import (
	"slices"
	"strings"
)

// redactedHeaders are the headers that hold credentials on every site.
var redactedHeaders = []string{"authorization", "proxy-authorization", "cookie"}

// RedactedHeaders returns the lower-case names of the headers that are redacted on
// every site.
func RedactedHeaders() []string { return slices.Clone(redactedHeaders) }

// isCredential reports whether a header holds a credential.
func (c *Config) isCredential(folded string) bool {
	return slices.Contains(redactedHeaders, folded) || slices.ContainsFunc(c.CredentialHeaders, func(name string) bool { return SameHeaderName(name, folded) })
}

// redactLines returns a header's lines as policies see them.
func redactLines(lines []string, credential bool) []string {
	result := make([]string, len(lines))
	for i, line := range lines {
		result[i] = redactLine(line, credential)
	}
	return result
}

// redactLine returns a header's line as policies see it.
func redactLine(line string, credential bool) string {
	if credential {
		return Redacted
	}
	return toValidUTF8(line)
}

// secretSubstrings occur in the names of headers and parameters that usually hold a
// credential; secretNames are such names.
var (
	secretSubstrings = []string{"authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey", "access-key", "credential", "session", "signature", "jwt", "assertion"}
	secretNames      = []string{"auth", "key", "pass", "pwd", "sig", "code", "x-auth", "dpop"}
)

// IsSecretName reports whether a header or a parameter of that name usually holds a
// credential.
func IsSecretName(name string) bool {
	folded := FoldHeaderName(name)
	return slices.Contains(secretNames, folded) || slices.ContainsFunc(secretSubstrings, func(part string) bool { return strings.Contains(folded, part) })
}

// RedactSecrets replaces the values of headers, parameters and members whose names look
// secret in a document that was decoded from JSON, also in the URLs of other headers and
// whether or not the site is configured to read them, and the tokens of share links. It changes the document and returns
// the names of what it redacted, sorted.
func RedactSecrets(document map[string]any) []string {
	h := &secretRedactor{names: map[string]bool{}}
	fields := object(document, "request")
	h.headers(object(fields, "headers"))
	h.headers(object(fields, "header_values"))
	if h.members(object(fields, "query")) || h.hasSecretParameter(fields["raw_query"]) {
		fields["raw_query"] = Redacted
	}
	envoy := object(object(object(document, "attributes"), "request"), "http")
	h.headers(object(envoy, "headers"))
	for _, name := range []string{"path", "query"} {
		if h.hasSecretParameter(envoy[name]) {
			path, _, _ := strings.Cut(envoy[name].(string), "?")
			if name == "path" {
				path += "?" + Redacted
			} else {
				path = Redacted
			}
			envoy[name] = path
		}
	}
	if headers := object(envoy, "headers"); h.hasSecretParameter(headers[":path"]) {
		headers[":path"] = envoy["path"]
	}
	h.members(object(document, "parsed_query"))
	for parent, name := range map[*map[string]any]string{&fields: "body", &document: "parsed_body", &envoy: "body"} {
		if (*parent)[name] != nil {
			(*parent)[name] = h.body((*parent)[name])
		}
	}
	hideLinks(document)
	return h.sorted()
}

// object returns a member of parent that is an object, or nil.
func object(parent map[string]any, name string) map[string]any {
	member, _ := parent[name].(map[string]any)
	return member
}

type secretRedactor struct{ names map[string]bool }

// members redacts the members of an object whose names look secret.
func (h *secretRedactor) members(values map[string]any) (hidden bool) {
	for name, value := range values {
		if !IsSecretName(name) || isRedacted(value) {
			continue
		}
		hidden, h.names[name] = true, true
		values[name] = Redacted
		if list, ok := value.([]any); ok {
			shown := make([]any, len(list))
			for i := range list {
				shown[i] = Redacted
			}
			values[name] = shown
		}
	}
	return hidden
}

// headers redacts headers whose names look secret, and the queries of URLs in others,
// such as Referer.
func (h *secretRedactor) headers(values map[string]any) {
	h.members(values)
	for name, value := range values {
		if name != ":path" { // RedactSecrets redacts only its query
			values[name] = h.line(value)
		}
	}
}

// line redacts the query of a URL, or of each URL in a list.
func (h *secretRedactor) line(value any) any {
	switch v := value.(type) {
	case string:
		if front, _, ok := strings.Cut(v, "?"); ok && h.hasSecretParameter(v) {
			return front + "?" + Redacted
		}
	case []any:
		for i := range v {
			v[i] = h.line(v[i])
		}
	}
	return value
}

// isRedacted reports whether a value, or each item of a list, is redacted.
func isRedacted(value any) bool {
	if list, ok := value.([]any); ok {
		return !slices.ContainsFunc(list, func(item any) bool { return item != Redacted })
	}
	return value == Redacted
}

// hasSecretParameter reports whether a raw query, or that of a URL, has a parameter whose
// name looks secret.
func (h *secretRedactor) hasSecretParameter(value any) bool {
	text, _ := value.(string)
	if _, after, ok := strings.Cut(text, "?"); ok {
		text = after
	}
	query, _ := parseQuery(nil, text)
	found := false
	for name, values := range query {
		if IsSecretName(name) && slices.ContainsFunc(values, func(v string) bool { return v != "" && v != Redacted }) {
			found, h.names[name] = true, true
		}
	}
	return found
}

// body redacts the members of a JSON body whose names look secret, and the whole of a form
// that has such a field.
func (h *secretRedactor) body(value any) any {
	switch v := value.(type) {
	case string:
		if h.hasSecretParameter(v) {
			return Redacted
		}
	case []any:
		for i, item := range v {
			if _, text := item.(string); !text {
				v[i] = h.body(item)
			}
		}
	case map[string]any:
		h.members(v)
		for name, item := range v {
			if _, text := item.(string); !text {
				v[name] = h.body(item)
			}
		}
	}
	return value
}

func (h *secretRedactor) sorted() []string {
	names := make([]string, 0, len(h.names))
	for name := range h.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
