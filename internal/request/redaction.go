package request

import (
	"slices"
	"strings"
)

// redactedHeaders hold credentials on every site.
var redactedHeaders = []string{"authorization", "proxy-authorization", "cookie"}

// RedactedHeaders returns the lower-case names of the headers that are redacted on
// every site.
func RedactedHeaders() []string { return slices.Clone(redactedHeaders) }

// isCredential reports whether a header holds a credential.
func (c *Config) isCredential(folded string) bool {
	return slices.Contains(redactedHeaders, folded) || slices.ContainsFunc(c.CredentialHeaders, func(name string) bool { return SameHeaderName(name, folded) })
}

// redactLines returns lines as policies see them.
func redactLines(lines []string, credential bool) []string {
	result := make([]string, len(lines))
	for i, line := range lines {
		result[i] = redactLine(line, credential)
	}
	return result
}

// redactLine returns a line as policies see it.
func redactLine(line string, credential bool) string {
	if credential {
		return Redacted
	}
	return toValidUTF8(line)
}

// secretSubstrings are what names of headers and parameters have in them that usually
// hold a credential; secretNames are such names themselves.
var (
	secretSubstrings = []string{"authorization", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey", "access-key", "credential", "session", "signature", "jwt", "assertion"}
	secretNames      = []string{"auth", "key", "pass", "pwd", "sig", "code", "x-auth"}
)

// IsSecretName reports whether a header or a parameter of that name usually holds
// a credential, for any reader.
func IsSecretName(name string) bool {
	folded := FoldHeaderName(name)
	return slices.Contains(secretNames, folded) || slices.ContainsFunc(secretSubstrings, func(part string) bool { return strings.Contains(folded, part) })
}

// RedactSecrets takes the values of headers and parameters that look secret out of a
// document that was decoded from JSON, also those that no site is configured to
// read and those in a URL that a header holds, and returns their names, sorted.
// Those that are redacted already do not count. The document is changed.
func RedactSecrets(document map[string]any) []string {
	h := &secretRedactor{names: map[string]bool{}}
	fields := object(document, "request")
	h.headers(object(fields, "headers"))
	h.headers(object(fields, "header_values"))
	if h.members(object(fields, "query")) || h.raw(fields["raw_query"]) {
		fields["raw_query"] = Redacted
	}
	envoy := object(object(object(document, "attributes"), "request"), "http")
	h.headers(object(envoy, "headers"))
	for _, name := range []string{"path", "query"} {
		if h.raw(envoy[name]) {
			path, _, _ := strings.Cut(envoy[name].(string), "?")
			if name == "path" {
				path += "?" + Redacted
			} else {
				path = Redacted
			}
			envoy[name] = path
		}
	}
	if headers := object(envoy, "headers"); h.raw(headers[":path"]) {
		headers[":path"] = envoy["path"]
	}
	h.members(object(document, "parsed_query"))
	for parent, name := range map[*map[string]any]string{&fields: "body", &document: "parsed_body", &envoy: "body"} {
		if (*parent)[name] != nil {
			(*parent)[name] = h.body((*parent)[name])
		}
	}
	return h.sorted()
}

// object returns a member that is an object, or nil.
func object(parent map[string]any, name string) map[string]any {
	member, _ := parent[name].(map[string]any)
	return member
}

type secretRedactor struct{ names map[string]bool }

// members hides the members of an object whose names look secret.
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

// headers hides headers whose names look secret, and the queries of URLs that
// others hold, such as Referer.
func (h *secretRedactor) headers(values map[string]any) {
	h.members(values)
	for name, value := range values {
		if name != ":path" { // a path, which is kept
			values[name] = h.line(value)
		}
	}
}

// line hides the query of a URL, or of each in a list.
func (h *secretRedactor) line(value any) any {
	switch v := value.(type) {
	case string:
		if front, _, ok := strings.Cut(v, "?"); ok && h.raw(v) {
			return front + "?" + Redacted
		}
	case []any:
		for i := range v {
			v[i] = h.line(v[i])
		}
	}
	return value
}

// isRedacted reports whether a value, or each of a list, is redacted.
func isRedacted(value any) bool {
	if list, ok := value.([]any); ok {
		return !slices.ContainsFunc(list, func(item any) bool { return item != Redacted })
	}
	return value == Redacted
}

// raw reports whether a raw query, or what follows a path, has a parameter that
// looks secret.
func (h *secretRedactor) raw(value any) bool {
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

// body hides the members of a body that look secret, and all of a form that has
// such a field.
func (h *secretRedactor) body(value any) any {
	switch v := value.(type) {
	case string:
		if h.raw(v) {
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
