package request

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// FlagSemicolon marks a query with a semicolon: some servers take it as a separator, and
// net/url drops the parameter that has one.
const FlagSemicolon Flag = "semicolon"

// maxParameters limits the parameters of a query. Few servers accept more: Django and PHP
// stop at 1000, Rack at 4096.
const maxParameters = 4096

// tooManyParameters reports whether a raw query has more than maxParameters.
func tooManyParameters(raw string) bool {
	return len(raw) > maxParameters && strings.Count(strings.TrimRight(raw, "&"), "&") >= maxParameters
}

// query parses a raw query into an empty map, or a new one for nil, and returns it and the
// raw query, both without credentials.
func (r *Request) query(into map[string][]string, raw string) (map[string][]string, string, []Flag) {
	query, flags := parseQuery(into, raw)
	for _, name := range r.config.CredentialParameters {
		if _, present := query[name]; present {
			query[name] = redactLines(query[name], true)
			raw = Redacted
		}
	}
	return query, toValidUTF8(raw), flags
}

// parseQuery returns the parameters of a raw query, in an empty map or, for nil,
// a new one. Unlike net/url it never drops one: semicolons are ordinary
// characters, and what cannot be decoded is kept as it is; both are flagged. The
// parameter _method also has the values of all spellings of its name.
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
		if strings.Contains(pair, ";") {
			query = addMethodParameters(query, pair)
		}
		name, value, _ := strings.Cut(pair, "=")
		for _, text := range []*string{&name, &value} {
			flags = unescapeQuery(text, flags)
		}
		query[name] = append(query[name], value)
		if name != MethodParameter && isMethodParameter(name) {
			query[MethodParameter] = append(query[MethodParameter], value)
		}
	}
	return query, flags
}

// foldPHPName returns a parameter's name as PHP writes it.
func foldPHPName(name string) string {
	name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "\x00")
	if !strings.ContainsAny(name, " .[") {
		return name
	}
	return strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(name)
}

// unescapeQuery decodes *text in place and adds the flags of its errors.
func unescapeQuery(text *string, flags []Flag) []Flag {
	decoded, err := url.QueryUnescape(*text)
	if err != nil {
		decoded, flags = *text, addFlag(flags, FlagBadEscape)
	}
	if !utf8.ValidString(decoded) {
		decoded, flags = toValidUTF8(decoded), addFlag(flags, FlagInvalidUTF8)
	}
	*text = decoded
	return flags
}

// RemoveParameters removes the parameters of the given names from a raw query, also in the
// spellings that PHP folds to them, and for MethodParameter every spelling that
// applications accept. The rest stays as it was sent. A semicolon separates parameters,
// because the next handler may treat it so.
func RemoveParameters(raw string, names []string) string {
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
		if !isAmong(key, names) {
			kept.WriteString(rest[:min(end+1, len(rest))])
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return strings.TrimRight(kept.String(), "&;")
}

// isAmong reports whether an escaped name is a spelling of one of the names.
func isAmong(key string, names []string) bool {
	unescapeQuery(&key, nil)
	return slices.ContainsFunc(names, func(name string) bool {
		return name == key || foldPHPName(name) == foldPHPName(key) || name == MethodParameter && isMethodParameter(key)
	})
}
