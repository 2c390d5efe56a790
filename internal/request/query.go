package request

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// FlagSemicolon marks a query with a semicolon, which some servers read as a
// separator and net/url drops together with its parameter.
const FlagSemicolon Flag = "semicolon"

// query returns the public query, parsed into an empty map or a new one, and as
// received, without credentials.
func (r *Request) query(into map[string][]string) (map[string][]string, string, []Flag) {
	raw := r.facts.URL.RawQuery
	query, flags := parseQuery(into, raw)
	for _, name := range r.config.CredentialParameters {
		if _, present := query[name]; present {
			query[name] = redact(query[name], true)
			raw = Redacted
		}
	}
	return query, valid(raw), flags
}

// parseQuery returns the parameters of a raw query, in an empty map or, for nil,
// a new one. Unlike net/url it never drops one: semicolons are ordinary
// characters, and what cannot be decoded is kept as it is; both are flagged.
func parseQuery(query map[string][]string, raw string) (map[string][]string, []Flag) {
	if query == nil {
		query = map[string][]string{}
	}
	var flags []Flag
	if strings.Contains(raw, ";") {
		flags = append(flags, FlagSemicolon)
	}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		for _, text := range []*string{&name, &value} {
			flags = unescapeQuery(text, flags)
		}
		query[name] = append(query[name], value)
	}
	return query, flags
}

// unescapeQuery decodes *text in place and adds to flags why it could not.
func unescapeQuery(text *string, flags []Flag) []Flag {
	decoded, err := url.QueryUnescape(*text)
	if err != nil {
		decoded, flags = *text, addFlag(flags, FlagBadEscape)
	}
	if !utf8.ValidString(decoded) {
		decoded, flags = valid(decoded), addFlag(flags, FlagInvalidUTF8)
	}
	*text = decoded
	return flags
}

// CutParameters takes each parameter of some names out of a raw query; the rest
// stays as it is written. Where a semicolon may part two parameters it does,
// since the next reader may think so.
func CutParameters(raw string, names []string) string {
	if len(names) == 0 || raw == "" {
		return raw
	}
	var kept strings.Builder
	for rest := raw; rest != ""; {
		end := strings.IndexAny(rest, "&;")
		if end < 0 {
			end = len(rest)
		}
		key, _, _ := strings.Cut(rest[:end], "=")
		if name, err := url.QueryUnescape(key); err != nil || !slices.Contains(names, name) {
			kept.WriteString(rest[:min(end+1, len(rest))])
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return strings.TrimRight(kept.String(), "&;")
}
