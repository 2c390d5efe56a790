package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/builtins"
)

// never are what a key cannot hold: what is never the same twice, and what is not
// to be kept.
var never = []string{
	"request.time_ns", "request.id", "request.body", "request.body_truncated",
	"attributes", "parsed_path", "parsed_query", "parsed_body", "truncated_body", "version",
}

// unsure says why decisions cannot be remembered; there is nothing to say if they
// can.
func (f *Dependencies) unsure() []string {
	var reasons []string
	for _, path := range slices.Sorted(maps.Keys(f.Reads)) {
		if slices.ContainsFunc(never, ReadSet{path: true}.Reads) {
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
