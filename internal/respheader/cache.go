package respheader

import (
	"net/http"
	"slices"
	"strings"
)

// targeted are headers that tell some shared caches more than Cache-Control
// does (RFC 9213, section 3.1, and what was there before it).
var targeted = []string{"Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "Surrogate-Control"}

// Private returns a function that keeps shared caches from storing a response for one
// caller. Caches protect responses to Authorization by themselves (RFC 9111, section 3.5),
// but not responses to other credentials. Vary is the header of the credential, or "". If
// shared, the cache headers of the upstream are not changed.
func Private(vary string, shared bool) HeaderFunc {
	return func(h http.Header) {
		lines := h["Cache-Control"]
		switch {
		case len(lines) == 0:
			h["Cache-Control"] = []string{"private"}
		case !shared:
			h["Cache-Control"] = []string{makePrivate(strings.Join(lines, ","))}
		}
		if !shared {
			for _, name := range targeted {
				delete(h, name)
			}
		}
		if vary != "" {
			AddVary(h, vary)
		}
	}
}

// makePrivate returns a Cache-Control without directives that allow shared caches, and
// with private.
func makePrivate(text string) string {
	directives, ok := splitDirectives(text)
	if !ok {
		return "private" // caches may read it in different ways
	}
	kept := slices.DeleteFunc(directives, func(d string) bool {
		name, _, _ := strings.Cut(d, "=")
		return strings.EqualFold(name, "public") || strings.EqualFold(name, "s-maxage")
	})
	if !contains(kept, "no-store") && !contains(kept, "private") {
		kept = append([]string{"private"}, kept...)
	}
	return strings.Join(kept, ", ")
}

// Shareable reports whether a shared cache may store the response to a request with
// Authorization, because its headers allow it (RFC 9111, section 3.5).
func Shareable(h http.Header) bool {
	lines := h["Cache-Control"]
	if len(lines) == 0 {
		return false
	}
	directives, ok := splitDirectives(strings.Join(lines, ","))
	if !ok || contains(directives, "no-store") || contains(directives, "private") {
		return false
	}
	return slices.ContainsFunc(directives, func(d string) bool {
		name, _, _ := strings.Cut(strings.ToLower(d), "=")
		return name == "public" || name == "s-maxage" || name == "must-revalidate"
	})
}

// contains reports whether a directive is there without an argument: private
// with one speaks of some headers alone (RFC 9111, section 5.2.2.7).
func contains(directives []string, name string) bool {
	return slices.ContainsFunc(directives, func(d string) bool { return strings.EqualFold(d, name) })
}

// splitDirectives splits a list at its commas but for those in quotes; it is
// false if a quote does not end.
func splitDirectives(text string) (directives []string, ok bool) {
	start, quoted := 0, false
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text), text[i] == ',' && !quoted:
			if directive := strings.TrimSpace(text[start:i]); directive != "" {
				directives = append(directives, directive)
			}
			start = i + 1
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '\\' && quoted:
			i++
		}
	}
	return directives, !quoted
}

// AddVary adds a header's name to Vary, unless it is there (RFC 9110, section
// 12.5.5).
func AddVary(h http.Header, name string) {
	for _, line := range h["Vary"] {
		for listed := range strings.SplitSeq(line, ",") {
			if listed = strings.TrimSpace(listed); listed == "*" || strings.EqualFold(listed, name) {
				return
			}
		}
	}
	h["Vary"] = append(slices.Clone(h["Vary"]), name)
}
