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

// query returns a raw query, parsed into an empty map or a new one, and as it is,
// without credentials.
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

// foldPHPName returns the name under which PHP knows a parameter.
func foldPHPName(name string) string {
	name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "\x00")
	if !strings.ContainsAny(name, " .[") {
		return name
	}
	return strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(name)
}

// unescapeQuery decodes *text in place and adds to flags why it could not.
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

// RemoveParameters takes each parameter of some names, also as PHP folds them, out of a
// raw query, and with MethodParameter all that is read as that; the rest stays as it is
// written. Where a semicolon may part two parameters it does,
// since the next reader may think so.
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

// isAmong reports whether an escaped name is one of some names.
func isAmong(key string, names []string) bool {
	unescapeQuery(&key, nil)
	return slices.ContainsFunc(names, func(name string) bool {
		return name == key || foldPHPName(name) == foldPHPName(key) || name == MethodParameter && isMethodParameter(key)
	})
}
