package decisioncache

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// uncacheable are the input fields that a key cannot have: those that differ in each
// request, and those that are too large or must not be kept.
var uncacheable = []string{
	"request.time_ns", "request.id", "request.body", "request.body_truncated",
	"attributes", "parsed_path", "parsed_query", "parsed_body", "truncated_body", "version",
}

// NotCacheable returns why decisions cannot be cached, or nothing if they can.
func (f *Dependencies) NotCacheable() []string {
	var reasons []string
	for _, path := range slices.Sorted(maps.Keys(f.Reads)) {
		if path == timePath && f.KeyedTime() {
			continue
		}
		if slices.ContainsFunc(uncacheable, ReadSet{path: true}.Reads) {
			reasons = append(reasons, "it reads "+strings.TrimSuffix("input."+path, "."))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.calls)) {
		if !builtins.Deterministic(name) {
			reasons = append(reasons, "it calls "+name)
		}
	}
	return reasons
}

// builtin returns the name of a built-in function that a reference may mean, or "".
func builtin(ref ast.Ref) string {
	name := ref.String()
	if _, builtIn := ast.BuiltinMap[name]; builtIn {
		return name
	}
	return ""
}
